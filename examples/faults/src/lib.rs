//! Fault injection: the functions that the pipeline selects fail at their n-th call, to see what the program makes of it.
//!
//! ```toml
//! [[plugin]]
//! name = "faults"
//! select = "shop.payment:Bank.charge"
//! options = { nth = 3, error = "TimeoutError('injected')" }
//! ```

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set.
    #[derive(Clone)]
    struct Faults {
        /// Which call of each function fails, from 1; with `again`, each n-th.
        nth: u32 = 1,
        /// Whether it fails again at each n-th call.
        again: bool,
        /// A Python expression: what is raised.
        error: String = "OSError('injected')".to_owned(),
    }
}

impl Plugin for Faults {
    const OPTIONS: Schema = Schema::of::<Faults>();
    const SITES: &'static [SiteKind] = &[SiteKind::Before];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_faults.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        let faults: Faults = options.parse()?;
        match faults.nth {
            0 => Err(Error::new("nth: calls are counted from 1")),
            _ => Ok(faults),
        }
    }
}

impl MethodVisitor for Faults {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        edits.import("from equip_faults import strikes")?;
        // The user's expression is Python, not a template: its braces are doubled.
        let error = self.error.replace('{', "{{").replace('}', "}}");
        let code = format!("if strikes('{{file_path}}', {{key}}):\n    raise {error}");
        edits.before(Snippet::new(&code).with("key", method.key()))
    }
}

export_plugin!(Faults: MethodVisitor, about = "makes functions fail at their n-th call");
