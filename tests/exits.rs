//! Every way into and out of a function: what probes there see, in which order, and that the
//! program notices nothing of them.

use crate::harness;
use std::path::Path;

use crate::harness::{
    Programs, difference, equip, instrument, interpreters, name_of, notices_calls, python,
    same_behaviour, scratch, start, text,
};
use equip_core::python::Interpreter;

const EXITS: &[&str] = &["--plugin", "exits", "--set"];

fn with(options: &[&'static str]) -> Vec<&'static str> {
    let mut all = EXITS.to_vec();
    all.push(options[0]);
    for option in &options[1..] {
        all.extend(["--set", option]);
    }
    all
}

#[test]
fn nothing_is_noticed_of_silent_probes() {
    same_behaviour(&[&with(&["exits.mode=silent"])], |_| true);
}

#[test]
fn nothing_is_noticed_of_probes_that_keep_state() {
    let output = scratch();
    let option = format!("exits.output={}", output.path().join("state.log").display());
    let pipeline = [
        "--plugin",
        "exits",
        "--set",
        "exits.mode=state",
        "--set",
        &option,
    ];
    same_behaviour(&[&pipeline], |program| !notices_calls(program));
}

#[test]
fn nothing_is_noticed_of_probes_that_fail_and_are_ignored() {
    // Each failure is an exception that tracers are told of.
    let traced = |program: &Path| notices_calls(program) && name_of(program) != "exits_recursion";
    same_behaviour(&[&with(&["exits.failing=ignore"])], |program| {
        !traced(program)
    });
}

#[test]
fn the_same_with_other_plugins_in_every_order() {
    let names = ["exits", "callcount", "allsites"];
    let mut pipelines = Vec::new();
    for one in names {
        for two in names {
            for three in names {
                if one != two && two != three && one != three {
                    let plugins = ["--plugin", one, "--plugin", two, "--plugin", three];
                    pipelines.push([&plugins[..], &["--set", "exits.mode=silent"]].concat());
                }
            }
        }
    }
    let mut pipelines: Vec<_> = pipelines.iter().map(Vec::as_slice).collect();
    if std::env::var_os("EQUIP_TEST_ALL").is_none() {
        // Each first, in the middle and last.
        pipelines = vec![pipelines[0], pipelines[3], pipelines[4]];
    }
    // The whole of it takes long, and the exits are what matters here.
    same_behaviour(&pipelines, |program| {
        name_of(program).starts_with("exits_") && name_of(program) != "exits_stress"
    });
}

/// Each call sees the object that it made itself, and is left once.
#[test]
fn each_call_has_its_own_state() {
    let mut wrong = Vec::new();
    for one in interpreters().iter().chain(harness::debug_interpreters()) {
        let programs = Programs::for_version(one, |program| !notices_calls(program));
        let folder = programs.folder.path();
        instrument(
            one,
            folder,
            &with(&["exits.mode=state", "exits.output=state.log"]),
        );
        for name in &programs.names {
            start(one, folder, name);
            let log = std::fs::read_to_string(folder.join("state.log"));
            match log {
                Err(error) => {
                    wrong.push(format!("{}: {name}: no log: {error}", one.path.display()))
                }
                Ok(log) => {
                    std::fs::remove_file(folder.join("state.log")).expect("removed");
                    // CPython drops an asynchronous generator that goes on yielding when it is closed.
                    let known =
                        |line: &&str| *line != "WRONG never closed stubborn while suspended";
                    let lines: Vec<_> = log.lines().filter(known).collect();
                    if !lines.is_empty() {
                        wrong.push(format!(
                            "{}: {name}:\n{}",
                            one.path.display(),
                            lines.join("\n")
                        ));
                    }
                }
            }
        }
        println!(
            "{}: {} programs keep state",
            one.path.display(),
            programs.names.len()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Left out are programs whose events depend on timing, on how deep the interpreter lets them recurse
/// or on the names that whoever starts a module gives it; those that look at the tracing that the
/// oracle does; and one with scopes of the compiler's own that are named like functions.
fn has_exact_events(program: &Path) -> bool {
    let depth = ["exits_recursion", "tracebacks"];
    let others = ["exits_stress", "exits_bodies", "generics"];
    !notices_calls(program)
        && !depth.contains(&name_of(program))
        && !others.contains(&name_of(program))
}

/// Lines that can be compared, of plugin and oracle, within one version or across two.
fn comparable(log: &str, across_versions: bool) -> String {
    let mut lines = Vec::new();
    for line in log.lines() {
        let words: Vec<_> = line.split(' ').collect();
        let line = match words[..] {
            // What was sent in is what sys.monitoring does not tell.
            ["RESUME", name, _] => format!("RESUME {name}"),
            // A delegate that returns because of throw() is a value to `on_resume`; CPython itself
            // carries that value in a StopIteration.
            ["RESUME", name, "THROW", "StopIteration"] => format!("RESUME {name}"),
            _ => line.to_owned(),
        };
        let name = words.get(1).copied().unwrap_or_default();
        let comprehension = |name: &str| {
            ["<listcomp>", "<setcomp>", "<dictcomp>"]
                .iter()
                .any(|end| name.ends_with(end))
        };
        if across_versions && comprehension(name) {
            continue;
        }
        lines.push(match across_versions {
            true => ["<listcomp>.", "<setcomp>.", "<dictcomp>."]
                .iter()
                .fold(line, |line, scope| line.replace(scope, "")),
            false => line,
        });
    }
    lines.join("\n")
}

fn events_of_oracle(one: &Interpreter, programs: &Programs<'_>, name: &str) -> String {
    let oracle = harness::root().join("tests/oracle/exits.py");
    let folder = programs.folder.path();
    let output = python(one, folder)
        .arg(oracle)
        .args(["oracle.log", name])
        .output()
        .expect("it starts");
    std::fs::read_to_string(folder.join("oracle.log"))
        .unwrap_or_else(|_| panic!("{name}: {}", text(&output.stderr)))
}

/// The lines are those of sys.monitoring, in its order.
#[test]
fn events_are_those_of_the_oracle() {
    let mut wrong = Vec::new();
    let monitors = |one: &&Interpreter| one.isa.version.1 >= 12;
    let next = interpreters().iter().find(monitors);
    for one in interpreters() {
        // CPython 3.11 has no sys.monitoring: what 3.12 reports is the oracle where nothing differs.
        let Some(judge) = Some(one).filter(monitors).or(next) else {
            println!(
                "{}: skipped, no interpreter that has sys.monitoring",
                one.path.display()
            );
            continue;
        };
        let across = judge.isa.version.1 != one.isa.version.1;
        let programs = Programs::for_version(one, has_exact_events);
        let plain = Programs::for_version(judge, has_exact_events);
        let folder = programs.folder.path();
        instrument(
            one,
            folder,
            &with(&["exits.mode=events", "exits.output=events.log"]),
        );
        let mut count = 0;
        for name in &programs.names {
            let wanted = comparable(&events_of_oracle(judge, &plain, name), across);
            let output = start(one, folder, name);
            let Ok(events) = std::fs::read_to_string(folder.join("events.log")) else {
                // No function, nothing to log, unless there should have been.
                if !wanted.is_empty() {
                    wrong.push(format!(
                        "{}: {name}: no log: {}",
                        one.path.display(),
                        text(&output.stderr)
                    ));
                }
                continue;
            };
            std::fs::remove_file(folder.join("events.log")).expect("removed");
            let events = comparable(&events, across);
            count += events.lines().count();
            if events != wanted {
                wrong.push(format!(
                    "{}: {name}: {}",
                    one.path.display(),
                    difference(&wanted, &events)
                ));
            }
        }
        println!(
            "{}: {count} events of {} programs, as {} has them",
            one.path.display(),
            programs.names.len(),
            judge.path.display()
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Each plugin's own log is what it is alone.
#[test]
fn plugins_do_not_see_one_another() {
    for one in interpreters() {
        let chosen =
            |program: &Path| has_exact_events(program) && name_of(program).starts_with("exits_");
        let programs = Programs::for_version(one, chosen);
        let folder = programs.folder.path();
        let run = |name: &str| {
            for log in ["events.log", "counts.json"] {
                let _ = std::fs::remove_file(folder.join(log));
            }
            start(one, folder, name);
            ["events.log", "counts.json"]
                .map(|log| std::fs::read_to_string(folder.join(log)).unwrap_or_default())
        };
        let all = |pipeline: &[&str]| {
            let events = ["--set", "exits.output=events.log"];
            let events = if pipeline.contains(&"exits") {
                &events[..]
            } else {
                &[]
            };
            instrument(one, folder, &[pipeline, events].concat());
            programs
                .names
                .iter()
                .map(|name| run(name))
                .collect::<Vec<_>>()
        };
        let events = all(&["--plugin", "exits"]);
        let counts = all(&["--plugin", "callcount"]);
        for order in [
            ["exits", "callcount", "allsites"],
            ["allsites", "callcount", "exits"],
            ["callcount", "exits", "allsites"],
        ] {
            let plugins: Vec<_> = order.iter().flat_map(|name| ["--plugin", name]).collect();
            for ((name, both), (alone, counted)) in programs
                .names
                .iter()
                .zip(all(&plugins))
                .zip(events.iter().zip(&counts))
            {
                let [events, counts] = &both;
                assert!(
                    *events == alone[0],
                    "CPython {}: {name}, {order:?}: {}",
                    one.isa.version,
                    difference(&alone[0], events)
                );
                assert!(
                    *counts == counted[1],
                    "CPython {}: {name}, {order:?}: {}",
                    one.isa.version,
                    difference(&counted[1], counts)
                );
            }
        }
        println!("{}: {} programs", one.path.display(), programs.names.len());
    }
}

/// Runs a program of one file with some plugins: what it prints, and what goes to stderr.
fn printed(one: &Interpreter, program: &str, options: &[&str]) -> (String, String) {
    let folder = scratch();
    std::fs::write(folder.path().join("p.py"), program).expect("writable");
    harness::ok(
        equip(folder.path())
            .args(["-q", "--python"])
            .arg(&one.path)
            .args(options)
            .arg("p.py"),
    );
    let output = python(one, folder.path())
        .args(["-c", "import p"])
        .output()
        .expect("it starts");
    (text(&output.stdout), text(&output.stderr))
}

/// A program, plugins with options, and what is printed.
struct Case {
    what: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    prints: &'static str,
}

const PRINT: &str = "exits.mode=print";
const ONLY_F: &str = "exits.function='f'";
/// The same sites with another plugin, which prints too.
const SNIPPETS: &str = "snippets.sites={ before = \"print('snippets before {qualname}')\", after = \"print('snippets after {qualname}')\", on_raise = \"print('snippets on_raise {qualname}')\", on_exit = \"print('snippets on_exit {qualname}')\", on_yield = \"print('snippets on_yield {qualname}')\", on_resume = \"print('snippets on_resume {qualname}')\" }";
const EXITS_OUTSIDE: &[&str] = &[
    "--plugin",
    "exits",
    "--plugin",
    "snippets",
    "--set",
    PRINT,
    "--set",
    "snippets.site=none",
    "--set",
    SNIPPETS,
];
const EXITS_INSIDE: &[&str] = &[
    "--plugin",
    "snippets",
    "--plugin",
    "exits",
    "--set",
    PRINT,
    "--set",
    "snippets.site=none",
    "--set",
    SNIPPETS,
];

const CASES: &[Case] = &[
    Case {
        what: "two plugins nest like decorators around a return",
        program: "def f():\n    print('body')\nf()\n",
        options: EXITS_OUTSIDE,
        prints: "exits before f\nsnippets before f\nbody\nsnippets after f\nsnippets on_exit f\nexits after f\nexits on_exit f\n",
    },
    Case {
        what: "the other order",
        program: "def f():\n    print('body')\nf()\n",
        options: EXITS_INSIDE,
        prints: "snippets before f\nexits before f\nbody\nexits after f\nexits on_exit f\nsnippets after f\nsnippets on_exit f\n",
    },
    Case {
        what: "around an exception",
        program: "def f():\n    raise KeyError\ntry:\n    f()\nexcept KeyError:\n    print('caught')\n",
        options: EXITS_OUTSIDE,
        prints: "exits before f\nsnippets before f\nsnippets on_raise f\nsnippets on_exit f\nexits on_raise f\nexits on_exit f\ncaught\n",
    },
    Case {
        what: "around a yield",
        program: "def f():\n    yield 1\n    print('body')\ng = f()\nnext(g)\nprint('suspended')\nnext(g, 0)\n",
        options: EXITS_OUTSIDE,
        prints: "exits before f\nsnippets before f\nsnippets on_yield f\nexits on_yield f\nsuspended\nexits on_resume f\nsnippets on_resume f\nbody\nsnippets after f\nsnippets on_exit f\nexits after f\nexits on_exit f\n",
    },
    Case {
        what: "close() of a generator",
        program: "def f():\n    yield 1\ng = f()\nnext(g)\ng.close()\nprint('closed')\n",
        options: EXITS_OUTSIDE,
        prints: "exits before f\nsnippets before f\nsnippets on_yield f\nexits on_yield f\nexits on_resume f\nsnippets on_resume f\nsnippets on_raise f\nsnippets on_exit f\nexits on_raise f\nexits on_exit f\nclosed\n",
    },
    Case {
        what: "a generator that is dropped",
        program: "def f():\n    yield 1\ng = f()\nnext(g)\ndel g\nprint('dropped')\n",
        options: &["--plugin", "exits", "--set", PRINT],
        prints: "exits before f\nexits on_yield f\nexits on_resume f\nexits on_raise f\nexits on_exit f\ndropped\n",
    },
    Case {
        what: "a generator that never started fires nothing",
        program: "def f():\n    yield 1\nf().close()\ng = f()\ntry:\n    g.throw(KeyError)\nexcept KeyError:\n    print('thrown')\n",
        options: &["--plugin", "exits", "--set", PRINT],
        prints: "thrown\n",
    },
    Case {
        what: "a return that finally overrides is none",
        program: "def f():\n    try:\n        return 1\n    finally:\n        print('finally')\n        return 2\nprint(f())\n",
        options: &["--plugin", "exits", "--set", PRINT],
        prints: "exits before f\nfinally\nexits after f\nexits on_exit f\n2\n",
    },
    Case {
        what: "a before that raises is not followed by its own on_raise and on_exit; the outer plugin's fire",
        program: "def f():\n    print('body')\ntry:\n    f()\nexcept ValueError as error:\n    print(error)\n",
        options: &[
            "--plugin",
            "exits",
            "--plugin",
            "snippets",
            "--set",
            PRINT,
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ before = \"print('snippets before')\\nraise ValueError('probe')\", on_raise = \"print('wrong')\", on_exit = \"print('wrong')\" }",
        ],
        prints: "exits before f\nsnippets before\nexits on_raise f\nexits on_exit f\nprobe\n",
    },
    Case {
        what: "a before that raises keeps the inner plugin from starting",
        program: "def f():\n    print('body')\ntry:\n    f()\nexcept ValueError as error:\n    print(error)\n",
        options: &[
            "--plugin",
            "snippets",
            "--plugin",
            "exits",
            "--set",
            PRINT,
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ before = \"print('snippets before')\\nraise ValueError('probe')\", on_raise = \"print('wrong')\", on_exit = \"print('wrong')\" }",
        ],
        prints: "snippets before\nprobe\n",
    },
    Case {
        what: "an inner after that raises is an exception for the outer plugin",
        program: "def f():\n    return 1\ntry:\n    f()\nexcept ValueError as error:\n    print(error)\n",
        options: &[
            "--plugin",
            "exits",
            "--plugin",
            "snippets",
            "--set",
            PRINT,
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ after = \"raise ValueError('probe')\" }",
        ],
        prints: "exits before f\nexits on_raise f\nexits on_exit f\nprobe\n",
    },
    Case {
        what: "return values are seen as the inner plugin leaves them",
        program: "def f():\n    return 1\nprint(f())\n",
        options: &[
            "--plugin",
            "exits",
            "--plugin",
            "snippets",
            "--set",
            PRINT,
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ after = \"{return_value} = {return_value} + 41\" }",
        ],
        prints: "exits before f\nexits after f\nexits on_exit f\n42\n",
    },
    Case {
        what: "the values of on_resume, sent in and thrown in",
        program: "def f():\n    while True:\n        try:\n            yield\n        except KeyError:\n            pass\ng = f()\nnext(g)\ng.send(5)\ng.throw(KeyError('k'))\ng.send('x')\ng.close()\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ on_resume = \"print({yield_value}, repr({exception}))\" }",
        ],
        prints: "5 None\nNone KeyError('k')\nx None\nNone GeneratorExit()\n",
    },
    Case {
        what: "what is yielded, read and rebound",
        program: "def f():\n    got = yield 1\n    print('got', got)\n    yield 2\nprint(list(f()))\nasync def a():\n    yield 3\ntry:\n    a().__anext__().send(None)\nexcept StopIteration as stop:\n    print(stop.value)\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ on_yield = \"{yield_value} = {yield_value} * 10\" }",
        ],
        prints: "got None\n[10, 20]\n30\n",
    },
    Case {
        what: "the exception is what the caller sees, and sys.exc_info has it",
        program: "import sys\ndef f():\n    yield 1\n    raise StopIteration('inside')\ndef g():\n    raise KeyError('k')\nfor call in (lambda: list(f()), g):\n    try:\n        call()\n    except Exception as error:\n        print(type(error).__name__, error is seen)\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ on_raise = \"global seen\\nseen = {exception}\\nprint({exception} is sys.exc_info()[1], type({exception}).__name__)\" }",
        ],
        prints: "True RuntimeError\nTrue RuntimeError\nRuntimeError True\nTrue KeyError\nKeyError True\n",
    },
    Case {
        what: "private names that live from before to the exits, in recursion",
        program: "def f(n):\n    if n == 2:\n        raise KeyError\n    try:\n        f(n + 1)\n    except KeyError:\n        return n\nf(0)\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ before = \"start = {arg0} * 100\", after = \"print('after', start)\", on_raise = \"print('raise', start)\", on_exit = \"print('exit', start)\" }",
        ],
        prints: "raise 200\nexit 200\nafter 100\nexit 100\nafter 0\nexit 0\n",
    },
    Case {
        what: "class and module bodies keep state, and no names",
        program: "class C:\n    x = 1\n    print([n for n in locals() if n[0] != '_'])\ntry:\n    class D:\n        1 / 0\nexcept ZeroDivisionError:\n    print('caught')\nexec('x = 1')\nprint(locals() is globals(), x, 'start' in vars())\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.everywhere=true",
            "--set",
            "snippets.sites={ before = \"start = '{qualname}'\", on_raise = \"print('raise', start)\", on_exit = \"print('exit', start)\" }",
        ],
        prints: "['x']\nexit C\nraise D\nexit D\ncaught\nTrue 1 False\nexit <module>\n",
    },
    Case {
        what: "a probe that fails and is ignored never reaches the program's own except",
        program: "def f(n):\n    try:\n        if n:\n            raise KeyError('own')\n        return 'fine'\n    except ValueError:\n        return 'wrong'\n    finally:\n        print('finally')\ndef g():\n    try:\n        yield 1\n    except ValueError:\n        print('wrong')\nprint(f(0))\ntry:\n    f(1)\nexcept KeyError as error:\n    print(repr(error), error.__context__)\nprint(list(g()))\nit = g()\nnext(it)\nit.close()\n",
        options: &["--plugin", "exits", "--set", "exits.failing=ignore"],
        prints: "finally\nfine\nfinally\nKeyError('own') None\n[1]\n",
    },
    Case {
        what: "a probe that is interrupted lets that through, though errors are ignored",
        program: "def f():\n    return 1\ndef g():\n    return 2\ntry:\n    f()\nexcept KeyboardInterrupt as error:\n    print('interrupted', error)\nprint(g())\n",
        options: &[
            "--plugin",
            "exits",
            "--set",
            "exits.failing=ignore",
            "--set",
            ONLY_F,
            "--set",
            "exits.error=KeyboardInterrupt('in probe')",
        ],
        prints: "interrupted in probe\n2\n",
    },
    Case {
        what: "and so does SystemExit, at an exit by exception",
        program: "def f():\n    raise KeyError\ntry:\n    f()\nexcept SystemExit as error:\n    print('exit', error, repr(error.__context__))\n",
        options: &[
            "--plugin",
            "exits",
            "--set",
            "exits.failing=ignore",
            "--set",
            "exits.sites=['on_raise']",
            "--set",
            ONLY_F,
            "--set",
            "exits.error=SystemExit(3)",
        ],
        prints: "exit 3 KeyError()\n",
    },
    Case {
        what: "a probe that fails and may raises into the caller, the original exception its context",
        program: "import sys\ndef f():\n    raise KeyError('own')\ntry:\n    f()\nexcept ValueError as error:\n    print(error, repr(error.__context__))\nprint(sys.exc_info()[1])\n",
        options: &[
            "--plugin",
            "exits",
            "--set",
            "exits.failing=raise",
            "--set",
            "exits.sites=['on_raise']",
            "--set",
            ONLY_F,
        ],
        prints: "failing probe KeyError('own')\nNone\n",
    },
    Case {
        what: "the rule for a whole plugin",
        program: "def f():\n    return 1\nprint(f())\n",
        options: &[
            "--plugin",
            "snippets",
            "--set",
            "snippets.on_error=ignore",
            "--set",
            "snippets.site=none",
            "--set",
            "snippets.sites={ before = \"1 / 0\", after = \"undefined\", on_exit = \"raise OSError\" }",
        ],
        prints: "1\n",
    },
];

#[test]
fn probes_fire_where_and_when_they_should() {
    let mut wrong = Vec::new();
    for one in interpreters() {
        for case in CASES {
            let (out, err) = printed(one, case.program, case.options);
            if out != case.prints || !err.is_empty() {
                let (version, what) = (one.isa.version, case.what);
                wrong.push(format!(
                    "CPython {version}: {what}:\n{out}{err}--- not\n{}",
                    case.prints
                ));
            }
        }
        println!("CPython {}: {} cases", one.isa.version, CASES.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const LOGGED: &str = "\
def f(n):
    if n:
        raise KeyError
    return 1
def g():
    yield 1
for _ in range(3):
    f(0)
    try:
        f(1)
    except KeyError:
        pass
    list(g())
print('done')
";

#[test]
fn errors_are_logged_once_for_each_site() {
    for one in interpreters() {
        let (out, err) = printed(
            one,
            LOGGED,
            &["--plugin", "exits", "--set", "exits.failing=log"],
        );
        assert_eq!(out, "done\n", "{err}");
        let lines: Vec<_> = err.lines().collect();
        for line in &lines {
            for part in ["exits", "ValueError", "failing probe"] {
                assert!(line.contains(part), "CPython {}: {line}", one.isa.version);
            }
        }
        let mut distinct = lines.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!(
            distinct.len(),
            lines.len(),
            "CPython {}: {err}",
            one.isa.version
        );
        // Each of these sites has failed; on_raise of g never has.
        let sites = [
            ("f", &["before", "after", "on_raise", "on_exit"][..]),
            (
                "g",
                &["before", "after", "on_exit", "on_yield", "on_resume"],
            ),
            ("<module>", &["before", "after", "on_exit"]),
        ];
        for (function, names) in sites {
            for name in names {
                let says = |line: &&&str| line.contains(&format!("{name} of {function} "));
                assert!(
                    lines.iter().filter(says).count() >= 1,
                    "CPython {}: {name} of {function}:\n{err}",
                    one.isa.version
                );
            }
        }
        println!("CPython {}: {} lines", one.isa.version, lines.len());
    }
}

/// A file that was closed, or no stderr at all, is no reason to fail.
#[test]
fn errors_are_logged_nowhere_without_stderr() {
    let program = "import sys\nkept, sys.stderr = sys.stderr, None\ndef f():\n    return 1\nprint(f())\nsys.stderr = open('x', 'w')\nsys.stderr.close()\ndef g():\n    return 2\nprint(g())\nsys.stderr = kept\n";
    let options = ["--plugin", "exits", "--set", "exits.failing=log", "--set"];
    for one in interpreters() {
        for function in ["f", "g"] {
            let only = format!("exits.function={function}");
            let (out, err) = printed(one, program, &[&options[..], &[only.as_str()]].concat());
            assert_eq!(
                (out.as_str(), err.as_str()),
                ("1\n2\n", ""),
                "CPython {}",
                one.isa.version
            );
        }
    }
}
