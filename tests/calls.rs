//! Calls and `except` clauses: probes see what the source tells when it counts itself.

mod harness;

use std::path::Path;

use equip_core::analysis::{Beside, call_sites};
use equip_core::body;
use equip_core::declaration::{Kind, declarations};
use equip_core::pyc::PycFile;
use equip_core::python::Interpreter;
use equip_core::rewrite;
use harness::{
    Programs, compiled_library, debug_interpreters, difference, instrument, interpreters, ok,
    python, root, scratch, text,
};

/// Every event, of all programs.
fn told(one: &Interpreter, folder: &Path, how: &str, names: &[String]) -> String {
    let file = folder.join("told.txt");
    drop(std::fs::remove_file(&file));
    let oracle = root().join("tests/oracle/call_sites.py");
    let mut command = python(one, folder);
    command.arg("-B").arg(oracle);
    ok(command.arg(how).arg(&file).args(names));
    std::fs::read_to_string(file).expect("written")
}

#[test]
fn calls_and_handlers_are_what_the_source_tells() {
    for one in interpreters().iter().chain(debug_interpreters()) {
        let programs = Programs::of_folders(one, &["tests/calls"], |_| true);
        let (folder, names) = (programs.folder.path(), &programs.names);
        let plain = told(one, folder, "plain", names);
        let options = ["--plugin", "events", "--set", "events.what='calls'"];
        instrument(one, folder, &options);
        let probed = told(one, folder, "probed", names);
        let path = one.path.display();
        assert!(plain == probed, "{path}: {}", difference(&plain, &probed));
        let count = |event: &str| plain.matches(event).count();
        assert!(
            count(" ended SystemError('at the end')") == names.len(),
            "{plain}"
        );
        println!(
            "{path}: {} calls, {} returned, {} handlers",
            count(" before "),
            count(" after "),
            count(" handler ")
        );
    }
}

/// The sites of a compiled file, as the oracle reads them.
fn listed(bytes: &[u8], out: &mut String) {
    let pyc = PycFile::parse(bytes).expect("a pyc");
    let declarations = declarations(&pyc);
    let file = pyc.objects.str(pyc.module().filename).expect("a name");
    out.push_str(&format!("{file}\tfile\t\t0\t0\n"));
    for one in &declarations.list {
        if one.kind == Kind::Annotation {
            continue;
        }
        let code = pyc.objects.code(one.code).expect("code");
        let body = body::decode(pyc.isa, &pyc.objects, code).expect("decodes");
        for call in call_sites(&body, &pyc.objects) {
            let at = body.instrs[call.at].location;
            let kind = match call.beside {
                Beside::Argument => "decorator",
                _ => "call",
            };
            let (line, column) = (at.end_line, at.end_column);
            out.push_str(&format!(
                "{file}\t{kind}\t{}\t{line}\t{column}\n",
                call.name
            ));
        }
        for (_, line) in rewrite::handlers(&body) {
            out.push_str(&format!("{file}\texcept\t\t{line}\t0\n"));
        }
    }
}

#[test]
fn sites_are_those_of_the_syntax_tree() {
    for one in interpreters() {
        let folder = scratch();
        let mut sites = String::new();
        for file in compiled_library(one, folder.path()) {
            if file.to_string_lossy().ends_with(".0.pyc") {
                listed(&std::fs::read(file).unwrap(), &mut sites);
            }
        }
        let list = folder.path().join("sites.txt");
        std::fs::write(&list, sites).unwrap();
        let mut command = python(one, folder.path());
        command.arg(root().join("tests/oracle/call_sites.py"));
        let told = text(&ok(command.arg("compare").arg(&list)).stdout);
        println!("{}: {told}", one.path.display());
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}
