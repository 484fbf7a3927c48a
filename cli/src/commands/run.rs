//! Starting a program from its instrumented code, its entry script included.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use anyhow::{Context, bail};
use equip_core::compile::Snippets;
use equip_core::declaration::{DeclId, declarations};
use equip_core::edits::{Author, Edits, Requested, Templates};
use equip_core::pipeline::{Pipeline, Subject};
use equip_core::program;
use equip_core::provenance::Provenance;
use equip_core::pyc::{PycFile, parse_header};
use equip_core::python::Helpers;
use equip_core::{Site, Value, When};

use crate::args::{Arguments, Run};

/// Python starts a `.pyc` directly, but then tells the program that it is one. This puts right what
/// the program can see, before its first statement.
const AS_SCRIPT: &str = "\
import sys
from importlib.machinery import SourceFileLoader
sys.argv[0] = {script}
sys.path[0] = {folder}
global __file__, __cached__, __loader__
__file__ = {path}
__cached__ = None
__loader__ = SourceFileLoader('__main__', {path})";

pub fn run(options: &Run, arguments: &Arguments) -> anyhow::Result<u8> {
    match &options.program[..] {
        [flag, module, rest @ ..] if flag == "-m" => {
            run_module(&module.to_string_lossy(), rest, arguments)
        }
        [folder, rest @ ..] if Path::new(folder).is_dir() => run_folder(folder, rest, arguments),
        [script, rest @ ..] if !script.as_encoded_bytes().starts_with(b"-") => {
            run_script(script, rest, arguments)
        }
        _ => bail!("a script or -m MODULE is wanted: equip run SCRIPT ARGS"),
    }
}

/// As `python -m` does, which reads the module's bytecode; with an interpreter that it is for.
fn run_module(module: &str, rest: &[OsString], arguments: &Arguments) -> anyhow::Result<u8> {
    let search = super::search(arguments);
    let below = PathBuf::from(module.replace('.', "/"));
    let mut candidates = [below.with_extension("py"), below.join("__main__.py")].into_iter();
    let python = match candidates.find(|path| path.is_file()) {
        Some(source) => {
            let (bytes, _) = instrumented(&source, arguments)?;
            search.find(parse_header(&bytes)?.0)?
        }
        // Installed somewhere: the interpreter knows.
        None => search.default_interpreter()?,
    };
    let mut args = vec![OsString::from("-m"), module.into()];
    args.extend(rest.iter().cloned());
    start(&python.path, &args)
}

/// As `python FOLDER` does, which reads the bytecode of its `__main__`.
fn run_folder(folder: &OsStr, rest: &[OsString], arguments: &Arguments) -> anyhow::Result<u8> {
    let main = Path::new(folder).join("__main__.py");
    if !main.is_file() {
        bail!(
            "{}: a folder without a __main__.py cannot be started",
            folder.display()
        );
    }
    let (bytes, _) = instrumented(&main, arguments)?;
    let python = super::search(arguments).find(parse_header(&bytes)?.0)?;
    let mut args = vec![folder.to_owned()];
    args.extend(rest.iter().cloned());
    start(&python.path, &args)
}

/// The bytes of a source's instrumented and fresh bytecode, and where they are.
fn instrumented(source: &Path, arguments: &Arguments) -> anyhow::Result<(Vec<u8>, PathBuf)> {
    let shown = source.display();
    let program = super::find(&[std::path::absolute(source)?], arguments)?;
    if program.modules.is_empty() {
        bail!("{shown}: not a Python program");
    }
    for module in program.modules.iter().filter(|module| module.optimize == 0) {
        let Ok(bytes) = std::fs::read(&module.pyc) else {
            continue;
        };
        let source = module.source.as_deref();
        if Provenance::read(&bytes).is_some()
            && source.is_none_or(|source| program::is_fresh(&bytes, source))
        {
            return Ok((bytes, module.pyc.clone()));
        }
    }
    bail!("{shown} is not instrumented, or has changed since: equip --plugin PLUGIN {shown}")
}

fn run_script(script: &OsStr, rest: &[OsString], arguments: &Arguments) -> anyhow::Result<u8> {
    let path = std::path::absolute(script)?;
    let script = script.to_string_lossy().into_owned();
    let (bytes, file) = instrumented(Path::new(&script), arguments)?;
    let search = super::search(arguments);
    let pyc = PycFile::parse(&bytes).with_context(|| file.display().to_string())?;
    let isa = pyc.isa;
    let helpers = Arc::new(Helpers::new(search));
    let python = helpers.search().find(isa)?.path;
    let folder = path
        .parent()
        .unwrap_or(Path::new("/"))
        .to_string_lossy()
        .into_owned();
    let values = vec![
        ("script".to_owned(), Value::Str(script)),
        ("folder".to_owned(), Value::Str(folder)),
        (
            "path".to_owned(),
            Value::Str(path.to_string_lossy().into_owned()),
        ),
    ];
    let (templates, mut edits) = (Templates::default(), Edits::default());
    let authors = [Author {
        name: "run".to_owned(),
        ..Author::default()
    }];
    let requested = Requested {
        text: AS_SCRIPT,
        values,
        on_error: None,
    };
    let site = Site::ModuleEnter(When::Always);
    edits.add(&templates, (0, &authors[0]), DeclId(0), site, requested)?;
    let snippets = Snippets::new(helpers.clone(), Snippets::default_cache());
    let pipeline = Pipeline {
        authors: &authors,
        snippets: &snippets,
    };
    let declarations = declarations(&pyc);
    let subject = Subject {
        module_name: "__main__",
        optimize: 0,
    };
    let ready = pipeline.apply(&bytes, pyc, &declarations, &edits, subject)?;
    drop(helpers);
    let place = tempfile::Builder::new().prefix("equip-run-").tempdir()?;
    let name = path
        .file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let file = place.path().join(format!("{name}.pyc"));
    std::fs::write(&file, ready.bytes)?;
    let mut args = vec![file.into_os_string()];
    args.extend(rest.iter().cloned());
    start(&python, &args)
}

/// Runs Python to its end; a signal that ended it gives 128 and its number, as shells do.
fn start(python: &Path, args: &[OsString]) -> anyhow::Result<u8> {
    use std::os::unix::process::ExitStatusExt;
    let status = Command::new(python)
        .args(args)
        .status()
        .with_context(|| python.display().to_string())?;
    let code = status
        .code()
        .unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
    Ok(code as u8)
}
