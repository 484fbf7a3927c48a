//! Judging bytecode.

use equip_core::pyc::PycFile;
use equip_core::verify;

use crate::args::{Arguments, Format, Targets};
use crate::output::{note, out};

pub fn run(options: &Targets, arguments: &Arguments) -> anyhow::Result<u8> {
    let program = super::find(&options.targets, arguments)?;
    let mut failed = super::say_unreadable(&program);
    let (mut files, mut codes, mut complaints) = (0usize, 0usize, Vec::new());
    for module in program.modules.iter().filter(|module| module.pyc.exists()) {
        let read = std::fs::read(&module.pyc).map_err(|error| error.to_string());
        let judged = read.and_then(|bytes| {
            let pyc = PycFile::parse(&bytes).map_err(|error| error.to_string())?;
            let all = pyc.code_objects();
            codes += all.len();
            Ok(verify::verify(&pyc, &all))
        });
        match judged {
            Ok(found) => {
                files += 1;
                complaints.extend(
                    found
                        .into_iter()
                        .map(|complaint| (module.pyc.clone(), complaint.to_string())),
                );
            }
            Err(error) => {
                failed += 1;
                note!("error: {}: {error}", module.pyc.display());
            }
        }
    }
    match arguments.report {
        Format::Json => {
            let list: Vec<_> = complaints
                .iter()
                .map(|(file, text)| serde_json::json!({"file": file, "complaint": text}))
                .collect();
            out!(
                "{}",
                serde_json::json!({"files": files, "code_objects": codes, "failed": failed, "complaints": list})
            );
        }
        Format::Text => {
            for (file, text) in &complaints {
                out!("{}: {text}", file.display());
            }
            if !arguments.quiet {
                note!(
                    "{files} files, {codes} code objects: {} complaints, {failed} unreadable",
                    complaints.len()
                );
            }
        }
    }
    Ok(if !complaints.is_empty() {
        4
    } else {
        u8::from(failed > 0)
    })
}
