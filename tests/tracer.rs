//! The tracer: what it writes is well-formed, and nobody notices that it does.

use crate::harness;
use std::path::Path;
use std::process::Command;

use crate::harness::{Programs, instrument, interpreters, name_of, ok, root, start, text};
use equip_core::python::Interpreter;

/// Programs that can be traced like any other, those that trace themselves included. Recursion to the limit ends a
/// little earlier where each call makes one more, and a count of references sees those that the tracer holds.
fn chosen(program: &Path) -> bool {
    !["exits_recursion", "exits_stress"].contains(&name_of(program))
}

/// The oldest and the newest interpreter that is here, or all with `EQUIP_TEST_ALL` set.
fn some_interpreters() -> impl Iterator<Item = &'static Interpreter> {
    let found = interpreters();
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    let ends = move |index: &usize| all || *index == 0 || index + 1 == found.len();
    (0..found.len()).filter(ends).map(|index| &found[index])
}

/// The runtime module, driven by hand: `tests/oracle/trace_runtime.py` says what all it tries.
#[test]
fn the_runtime_keeps_its_word() {
    for one in some_interpreters() {
        let script = root().join("tests/oracle/trace_runtime.py");
        let output = ok(Command::new(&one.path).arg(script));
        let said = text(&output.stdout);
        println!(
            "{}: {}",
            one.path.display(),
            said.lines().last().unwrap_or_default()
        );
    }
}

#[test]
fn nothing_is_noticed_of_it() {
    let output = harness::scratch();
    let text = format!(
        "tracer.output={}",
        output.path().join("trace.txt").display()
    );
    let text = ["--plugin", "tracer", "--set", &text];
    let chrome = format!(
        "tracer.output={}",
        output.path().join("trace.json").display()
    );
    let chrome = [
        "--plugin",
        "tracer",
        "--set",
        &chrome,
        "--set",
        "tracer.format=chrome",
        "--set",
        "tracer.modules=true",
        "--set",
        "tracer.classes=true",
        "--set",
        "tracer.cpu=true",
    ];
    harness::same_behaviour(&[&text, &chrome], chosen);
}

/// Every B has its E, timestamps climb, ids are paired; and so it is wherever the file is cut.
#[test]
fn traces_are_well_formed_wherever_they_are_cut() {
    let check = root().join("tests/oracle/trace_check.py");
    for one in interpreters() {
        let programs = Programs::for_version(one, |program| {
            chosen(program) && name_of(program).starts_with("exits_")
        });
        let folder = programs.folder.path();
        instrument(
            one,
            folder,
            &["--plugin", "tracer", "--set", "tracer.format=chrome"],
        );
        let mut count = 0;
        for name in &programs.names {
            start(one, folder, name);
            let traces = std::fs::read_dir(folder).expect("readable").flatten();
            let traces = traces.map(|entry| entry.path());
            let traces: Vec<_> = traces
                .filter(|path| path.to_string_lossy().contains("trace.json"))
                .collect();
            count += traces.len();
            for trace in traces {
                let small = std::fs::metadata(&trace).expect("it is there").len() < 20_000;
                let mut command = Command::new(&one.path);
                command.arg(&check);
                if small {
                    command.arg("--cut");
                }
                ok(command.arg(&trace));
                std::fs::remove_file(&trace).expect("removed");
            }
        }
        println!(
            "{}: {count} traces of {} programs",
            one.path.display(),
            programs.names.len()
        );
        assert!(count >= 10, "programs leave no trace");
    }
}

/// Text shows calls with their arguments, results, exceptions, yields and what goes on, indented.
#[test]
fn text_reads_as_the_program_ran() {
    let source = "\
def add(a, b):
    return a + b
def count():
    yield add(1, 2)
def fail():
    raise ValueError('no')
def main():
    for x in count():
        pass
    try:
        fail()
    except ValueError:
        pass
main()
";
    for one in interpreters() {
        let folder = harness::scratch();
        std::fs::write(folder.path().join("small.py"), source).unwrap();
        instrument(one, folder.path(), &["--plugin", "tracer"]);
        let output = start(one, folder.path(), "small");
        let said = text(&output.stderr);
        // Durations differ.
        let lines = said
            .lines()
            .map(|line| line.split("  [").next().unwrap_or_default());
        let lines: Vec<_> = lines.collect();
        assert_eq!(
            lines,
            [
                "== MainThread",
                "  -> small:main()",
                "    -> small:count()",
                "      -> small:add(a=1, b=2)",
                "      <- small:add = 3",
                "    .. small:count yields 3",
                "    >> small:count is sent None",
                "    <- small:count = None",
                "    -> small:fail()",
                "    !! small:fail raises ValueError('no')",
                "  <- small:main = None",
            ],
            "{}",
            one.path.display()
        );
    }
}
