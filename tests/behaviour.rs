//! An instrumented program prints, raises and exits as the plain one does.

mod harness;

use std::path::{Path, PathBuf};
use std::process::Output;

use equip_core::python::Interpreter;

/// The version that a program's first line asks for: `# requires: 3.12`.
fn requires(program: &Path) -> (u8, u8) {
    let text = std::fs::read_to_string(program).expect("readable");
    let line = text.lines().next().unwrap_or_default();
    let version = line
        .strip_prefix("# requires: 3.")
        .and_then(|minor| minor.trim().parse().ok());
    (3, version.unwrap_or(11))
}

fn programs() -> Vec<PathBuf> {
    let folder = harness::root().join("tests/programs");
    let mut all: Vec<_> = std::fs::read_dir(folder)
        .expect("readable")
        .flatten()
        .map(|e| e.path())
        .collect();
    all.retain(|path| path.extension().is_some_and(|e| e == "py"));
    all.sort();
    assert!(all.len() >= 5, "programs are missing");
    all
}

fn start(python: &Interpreter, folder: &Path, name: &str) -> Output {
    harness::python(python, folder)
        .args(["-m", name])
        .output()
        .expect("it starts")
}

fn shown(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        harness::text(&output.stdout),
        harness::text(&output.stderr)
    )
}

fn instrument(python: &Interpreter, folder: &Path, options: &[&str]) {
    harness::ok(
        harness::equip(folder)
            .args(["-q", "--python"])
            .arg(&python.path)
            .args(options)
            .arg("."),
    );
}

fn same_behaviour(plugin: &[&str]) {
    same_behaviour_of(plugin, |_| true);
}

fn same_behaviour_of(plugin: &[&str], chosen: fn(&Path) -> bool) {
    let pythons = harness::interpreters().iter();
    for python in pythons.chain(harness::debug_interpreters()) {
        let version = (python.isa.version.0, python.isa.version.1);
        let folder = harness::scratch();
        let mut names = Vec::new();
        for program in programs()
            .iter()
            .filter(|program| requires(program) <= version && chosen(program))
        {
            std::fs::copy(program, folder.path().join(program.file_name().unwrap())).unwrap();
            names.push(program.file_stem().unwrap().to_str().unwrap().to_owned());
        }
        // Compiling may warn, which neither run then does.
        harness::ok(harness::python(python, folder.path()).args([
            "-W",
            "ignore",
            "-m",
            "compileall",
            "-q",
            ".",
        ]));
        let plain: Vec<_> = names
            .iter()
            .map(|name| start(python, folder.path(), name))
            .collect();
        instrument(python, folder.path(), plugin);
        for (name, plain) in names.iter().zip(&plain) {
            let instrumented = start(python, folder.path(), name);
            assert_eq!(
                shown(&instrumented),
                shown(plain),
                "{name} on {}",
                python.path.display()
            );
        }
        println!(
            "{}: {} programs alike with {}",
            python.path.display(),
            names.len(),
            plugin.join(" ")
        );
    }
}

#[test]
fn with_callcount() {
    same_behaviour(&["--plugin", "callcount"]);
}

#[test]
fn with_every_site_of_every_function() {
    same_behaviour(&["--plugin", "allsites"]);
}

#[test]
fn with_probes_that_loop_and_catch() {
    // A jump backward is a line event, the probe's own too; and what a probe's nested scope captures
    // is in a slot of the frame.
    same_behaviour_of(
        &["--plugin", "allsites", "--set", "allsites.busy=true"],
        |program| !program.ends_with("line_events.py") && !program.ends_with("frames.py"),
    );
}

#[test]
fn with_both_in_either_order() {
    same_behaviour(&["--plugin", "callcount", "--plugin", "allsites"]);
    same_behaviour(&["--plugin", "allsites", "--plugin", "callcount"]);
}

#[test]
fn counts_are_exact_under_threads() {
    for python in harness::interpreters() {
        let folder = harness::scratch();
        let source = "\
import threading
def work(n):
    for _ in range(n):
        call()
def call():
    pass
threads = [threading.Thread(target=work, args=(100_000,)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
";
        std::fs::write(folder.path().join("threads.py"), source).unwrap();
        harness::ok(
            harness::equip(folder.path())
                .args(["-q", "--plugin", "callcount", "threads.py", "--python"])
                .arg(&python.path),
        );
        harness::ok(harness::python(python, folder.path()).args([
            "-c",
            "import sys; sys.setswitchinterval(1e-6); import threads",
        ]));
        let text = std::fs::read_to_string(folder.path().join("counts.json")).unwrap();
        let counts: serde_json::Value = serde_json::from_str(&text).unwrap();
        let file = counts.as_object().unwrap().values().next().unwrap();
        assert_eq!(file["call"], 800_000, "CPython {}", python.isa.version);
        assert_eq!(file["work"], 8);
    }
}

/// Debug builds count every reference: a probe that leaked one, or took one too many, would show.
#[test]
fn references_are_neither_leaked_nor_lost() {
    for python in harness::debug_interpreters() {
        let folder = harness::scratch();
        let source = harness::root().join("tests/references/calls.py");
        std::fs::copy(source, folder.path().join("calls.py")).unwrap();
        let rounds = match std::env::var_os("EQUIP_TEST_ALL") {
            Some(_) => 100_000,
            None => 5_000,
        };
        let program = format!("import calls; calls.main({rounds})");
        let counted = |what: &str| {
            let mut command = harness::python(python, folder.path());
            let output = harness::ok(command.args(["-c", &program]));
            let text = harness::text(&output.stdout);
            println!("{} {what}: {}", python.path.display(), text.trim());
            text.trim().parse::<i64>().expect("a number")
        };
        let mut all = vec![counted("plain")];
        for options in [&["--plugin", "callcount"][..], &["--plugin", "allsites"]] {
            instrument(python, folder.path(), options);
            all.push(counted(options[1]));
        }
        let busy = ["--plugin", "allsites", "--set", "allsites.busy=true"];
        instrument(python, folder.path(), &busy);
        all.push(counted("busy"));
        // One reference in each round would be thousands.
        assert!(all.iter().all(|grown| grown.abs() < 100), "{all:?}");
    }
}
