//! `equip-core` without plugins: one pyc, one function found by its qualname, code put before and
//! after it, an import at the top of the module; verified, and written to another file.
//!
//!     cargo run -p equip-core --example manual -- IN.pyc OUT.pyc QUALNAME

use std::sync::Arc;

use equip_core::compile::Snippets;
use equip_core::declaration::declarations;
use equip_core::edits::{Author, Edits, Templates};
use equip_core::pipeline::{Pipeline, Subject};
use equip_core::pyc::PycFile;
use equip_core::python::{Helpers, Search};
use equip_core::{Site, Snippet};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [input, output, qualname] = &args[..] else {
        return Err("usage: manual IN.pyc OUT.pyc QUALNAME".into());
    };
    let original = std::fs::read(input)?;
    let pyc = PycFile::parse(&original)?;
    let declarations = declarations(&pyc);
    let function = declarations
        .find(qualname)
        .ok_or_else(|| format!("{input} has no {qualname}"))?
        .id;

    let author = Author {
        name: "manual".to_owned(),
        ..Author::default()
    };
    let templates = Templates::default();
    let mut edits = Edits::default();
    edits.import(
        &templates,
        (0, &author),
        "from time import perf_counter as now",
        false,
    )?;
    let before = Snippet::new("print('enter {qualname} at', now() > 0, {arguments})");
    edits.insert(&templates, function, Site::Before, before)?;
    let after = Snippet::new("print('leave {qualname} with', {return_value})");
    edits.insert(&templates, function, Site::After, after)?;

    let helpers = Arc::new(Helpers::new(Search::from_environment(None)));
    let snippets = Snippets::new(helpers, None);
    let authors = [author];
    let pipeline = Pipeline {
        authors: &authors,
        snippets: &snippets,
    };
    let subject = Subject {
        module_name: "manual",
        optimize: 0,
    };
    let result = pipeline.apply(&original, pyc, &declarations, &edits, subject)?;
    std::fs::write(output, &result.bytes)?;
    println!(
        "{qualname}: {} edits; {output} is {} bytes",
        result.edits,
        result.bytes.len()
    );
    Ok(())
}
