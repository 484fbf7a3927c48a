//! An instrumented program prints, raises and exits as the plain one does.

use crate::harness;
use crate::harness::{instrument, notices_calls, same_behaviour};

#[test]
fn with_callcount() {
    same_behaviour(&[&["--plugin", "callcount"]], |_| true);
}

#[test]
fn with_every_site_of_every_function() {
    let branches = ["--plugin", "allsites", "--set", "allsites.branches=true"];
    same_behaviour(&[&branches], |_| true);
}

/// A debugger's jump to a line may come to the probe on an edge that leads there.
#[test]
fn with_every_edge_of_every_loop() {
    let loops = ["--plugin", "allsites", "--set", "allsites.loops=true"];
    same_behaviour(&[&loops], |program| !notices_calls(program));
}

/// Probes at each call and each `except` clause.
const CALLS: [&str; 6] = [
    "--plugin",
    "allsites",
    "--set",
    "allsites.calls=true",
    "--set",
    "allsites.handlers=true",
];

#[test]
fn with_every_call_and_handler() {
    same_behaviour(&[&CALLS], |_| true);
}

#[test]
fn with_every_call_within_every_way_out() {
    let exits = ["--plugin", "exits", "--set", "exits.mode=silent"];
    let branches = ["--set", "allsites.branches=true"];
    let all = [&exits[..], &CALLS, &branches].concat();
    same_behaviour(&[&all], |program| !notices_calls(program));
}

#[test]
fn with_probes_that_loop_and_catch() {
    // A jump backward is a line event, the probe's own too; and what a probe's nested scope captures
    // is in a slot of the frame.
    same_behaviour(
        &[&["--plugin", "allsites", "--set", "allsites.busy=true"]],
        |program| {
            let traced = [
                "line_events.py",
                "frames.py",
                "exits_trace.py",
                "exits_traced_calls.py",
                "exits_traced_hook.py",
                "exits_monitoring.py",
                "exits_jumps.py",
                "exits_deep_jump.py",
                "exits_locals.py",
            ];
            !traced.iter().any(|name| program.ends_with(name))
        },
    );
}

#[test]
fn with_both_in_either_order() {
    let one = ["--plugin", "callcount", "--plugin", "allsites"];
    let other = ["--plugin", "allsites", "--plugin", "callcount"];
    same_behaviour(&[&one, &other], |_| true);
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
        for options in [
            &["--plugin", "callcount"][..],
            &["--plugin", "allsites"],
            &CALLS,
            &["--plugin", "coverage"],
            &["--plugin", "coverage", "--set", "coverage.mode=counts"],
            &["--plugin", "exits", "--set", "exits.mode=silent"],
        ] {
            instrument(python, folder.path(), options);
            all.push(counted(options[options.len() - 1]));
        }
        let busy = ["--plugin", "allsites", "--set", "allsites.busy=true"];
        instrument(python, folder.path(), &busy);
        all.push(counted("busy"));
        // One reference in each round would be thousands.
        assert!(all.iter().all(|grown| grown.abs() < 100), "{all:?}");
    }
}
