//! The sites `each_line` and `line(n)` beside what `sys.settrace` tells of the plain program.

use equip_core::python::Interpreter;

use crate::harness::{
    Programs, difference, equip, instrument, interpreters, name_of, root, scratch, text, told,
};

/// Programs whose two runs differ for reasons of their own: they trace themselves, go as deep as frames of a tracer
/// and probes let them, look names up in a class namespace that tells of it, or are slow when traced.
const UNTOLD: &[&str] = &[
    "exits_bodies",
    "exits_deep_jump",
    "exits_interrupted",
    "exits_jumps",
    "exits_monitoring",
    "exits_recursion",
    "exits_stress",
    "exits_trace",
    "exits_traced_calls",
    "exits_traced_hook",
    "frames",
    "line_events",
    "tracebacks",
];

/// The events of one program.
fn of<'t>(all: &'t str, name: &str) -> Vec<&'t str> {
    let mine = all.lines().filter_map(|line| line.strip_prefix(name));
    mine.filter_map(|line| line.strip_prefix(' ')).collect()
}

/// Without the events that CPython 3.12 tells twice: of the same line of a function as the one before, which the
/// probes do not have. It takes the caches behind a call, and what stands behind an `EXTENDED_ARG`, for instructions
/// without a line, so that where one leads to a jump's or an exception's target, the line seems to be a new one.
fn without_repeated<'t>(plain: &[&'t str], probed: &[&str]) -> Vec<&'t str> {
    let mut last = std::collections::HashMap::new();
    let mut kept: Vec<&str> = Vec::new();
    for event in plain {
        let (function, _) = event.rsplit_once(' ').unwrap_or_default();
        let before = last.insert(function, *event);
        if before == Some(event) && probed.get(kept.len()) != Some(event) {
            continue;
        }
        kept.push(event);
    }
    kept
}

#[test]
fn lines_are_those_that_settrace_tells() {
    let mut wrong = Vec::new();
    for one in interpreters() {
        let programs = Programs::of_folders(one, &["tests/lines", "tests/programs"], |program| {
            !UNTOLD.contains(&name_of(program))
        });
        let folder = programs.folder.path();
        let plain = told(one, folder, "lines.py", "plain", &programs.names);
        // With a probe for each line no other programs than those made for it: there are thousands.
        let is_ours = |name: &&String| root().join(format!("tests/lines/{name}.py")).is_file();
        let hazards: Vec<_> = programs.names.iter().filter(is_ours).cloned().collect();
        let mut repeated = 0;
        for (what, names) in [("each_line", &programs.names), ("line", &hazards)] {
            let what = format!("events.what='{what}'");
            instrument(one, folder, &["--plugin", "events", "--set", &what]);
            let probed = told(one, folder, "lines.py", "probed", names);
            for name in names {
                let (mut plain, probed) = (of(&plain, name), of(&probed, name));
                if !one.isa.handler_lines {
                    let kept = without_repeated(&plain, &probed);
                    repeated += plain.len() - kept.len();
                    plain = kept;
                }
                if plain != probed {
                    let shown = difference(&plain.join("\n"), &probed.join("\n"));
                    let version = one.isa.version;
                    wrong.push(format!("CPython {version}, {name}, {what}: {shown}"));
                }
            }
        }
        assert_eq!(repeated > 0, !one.isa.handler_lines, "README says so");
        println!(
            "CPython {}: {} programs, {} lines, {repeated} told twice",
            one.isa.version,
            programs.names.len(),
            plain.lines().count()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What a function of a program tells, plain and with probes, and the version.
fn both(source: &str, function: &str) -> Vec<(&'static Interpreter, [Vec<String>; 2])> {
    let one = |one: &'static Interpreter| {
        let folder = scratch();
        std::fs::write(folder.path().join("program.py"), source).unwrap();
        let names = ["program".to_owned()];
        let lines = |how: &str| {
            let all = told(one, folder.path(), "lines.py", how, &names);
            let mine = all.lines().filter_map(|line| {
                let event = line.strip_prefix("program ")?.strip_prefix(function)?;
                event.rsplit_once(' ').map(|(_, line)| line.to_owned())
            });
            mine.collect::<Vec<_>>()
        };
        let plain = lines("plain");
        let each = ["--plugin", "events", "--set", "events.what='each_line'"];
        instrument(one, folder.path(), &each);
        (one, [plain, lines("probed")])
    };
    interpreters().iter().map(one).collect()
}

/// Where the probe cannot know: what the inner `with` raises again may come from its own line, and is no new line then.
#[test]
fn what_one_of_several_lines_raised_is_a_line_again() {
    let source = "\
class Manager:
    def __enter__(self): pass
    def __exit__(self, *what): return self.swallows
class Outer(Manager): swallows = True
class Inner(Manager): swallows = False
def nested(a):
    with Outer(), Inner(): a / 0 or [
        a.missing]
nested(1)
nested(1.5)
nested('')
";
    for (one, [plain, probed]) in both(source, "nested ") {
        assert_eq!(plain, ["7"; 3], "CPython {}", one.isa.version);
        assert_eq!(probed, ["7"; 6], "CPython {}", one.isa.version);
    }
}

/// Where `close()` would pass over the probe.
#[test]
fn what_is_thrown_into_a_delegation_of_a_lambda_is_no_line() {
    let source = "\
def numbers():
    yield 1
delegates = lambda: (yield from numbers())
delegation = delegates()
next(delegation)
try: delegation.throw(KeyError)
except KeyError: pass
";
    for (one, [plain, probed]) in both(source, "<lambda> ") {
        let more = usize::from(one.isa.thrown_from_resume);
        assert_eq!(plain, vec!["3"; 1 + more], "CPython {}", one.isa.version);
        assert_eq!(probed, ["3"], "CPython {}", one.isa.version);
    }
}

#[test]
fn a_line_without_code_is_told_from_its_neighbours() {
    let source = "\
def first(a,
          b):

    # nothing

    return a
";
    let nearest = |line: u32, wanted: &str| {
        for one in interpreters() {
            let folder = scratch();
            std::fs::write(folder.path().join("first.py"), source).unwrap();
            let (line, python) = (format!("events.line={line}"), &one.path);
            let mut command = equip(folder.path());
            command.args([
                "--plugin",
                "events",
                "--set",
                "events.what='one'",
                "--set",
                &line,
            ]);
            let output = command
                .args(["first.py", "--python"])
                .arg(python)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(3));
            let said = text(&output.stderr);
            assert!(said.contains(wanted), "{said}");
        }
    };
    nearest(4, "line 4 has no code here; the nearest that have: 6");
    // What runs on the line of the `def` belongs to the call.
    nearest(1, "line 1 has no code here; the nearest that have: 6");
}
