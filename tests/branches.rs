//! The edges of conditionals: probes see those that CPython takes, in the order in which it takes them.

use std::path::Path;

use crate::harness::{instrument, interpreters, ok, python, root, scratch, text};
use equip_core::python::Interpreter;

const HITS: &str =
    "__import__('sys').__dict__.setdefault('hits', []).append('{qualname} {site_lineno}";

/// What probes on each edge see.
fn seen(one: &Interpreter, folder: &Path) -> String {
    let sites = format!("snippets.sites={{true=\"{HITS} true')\", false=\"{HITS} false')\"}}");
    let none = [
        "--plugin",
        "snippets",
        "--set",
        "snippets.site=none",
        "--set",
    ];
    instrument(one, folder, &[&none[..], &[&sites]].concat());
    let program = "import sys, branches; print('--'); print(*sys.hits, sep='\\n')";
    let output = text(&ok(python(one, folder).args(["-c", program])).stdout);
    output
        .split_once("--\n")
        .expect("both were printed")
        .1
        .to_owned()
}

#[test]
fn edges_are_those_that_monitoring_tells() {
    let mut told = String::new();
    for one in interpreters().iter().rev() {
        let folder = scratch();
        let source = root().join("tests/programs/branches.py");
        std::fs::copy(source, folder.path().join("branches.py")).unwrap();
        if one.isa.yield_arg != equip_core::isa::YieldArg::None {
            let oracle = root().join("tests/oracle/branches.py");
            let mut command = python(one, folder.path());
            ok(command.arg("-B").arg(oracle).args(["branches", "told.txt"]));
            told = std::fs::read_to_string(folder.path().join("told.txt")).unwrap();
            let seen = seen(one, folder.path());
            assert_eq!(seen, told, "CPython {}", one.isa.version);
            println!(
                "CPython {}: {} edges as told",
                one.isa.version,
                told.lines().count()
            );
            continue;
        }
        // There is no such oracle before 3.12: functions without comprehensions and chains take the same edges.
        if !told.is_empty() {
            let plain = |events: &str| {
                let other: [&str; 4] = ["loops ", "walrus ", "asynchronous", "chained "];
                let lines = events.lines().map(str::to_owned);
                lines
                    .filter(|line| !other.iter().any(|name| line.starts_with(name)))
                    .collect::<Vec<_>>()
            };
            let seen = plain(&seen(one, folder.path()));
            assert!(seen.len() > 100);
            assert_eq!(seen, plain(&told), "CPython {}", one.isa.version);
            println!(
                "CPython {}: {} edges as on a later version",
                one.isa.version,
                seen.len()
            );
        }
    }
}
