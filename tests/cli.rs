//! What a user sees.

use crate::harness;
use std::path::Path;
use std::process::Command;

use crate::harness::{equip, interpreters, ok, python, scratch, text};

const APP: &str = "\
def hello(name):
    return 'hello ' + name
class Greeter:
    def greet(self):
        return hello('x')
if __name__ == '__main__':
    import sys
    print(__file__, sys.argv[1:], Greeter().greet())
    sys.exit(3)
";

fn app(folder: &Path) {
    std::fs::write(folder.join("app.py"), APP).unwrap();
    std::fs::write(
        folder.join("use.py"),
        "import app\nprint(app.Greeter().greet())\n",
    )
    .unwrap();
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        match entry.path().is_dir() {
            true => found.extend(files(&entry.path())),
            false => found.push((
                entry.path().display().to_string(),
                std::fs::read(entry.path()).unwrap(),
            )),
        }
    }
    found.sort();
    found
}

#[test]
fn the_main_job_then_again_then_another_pipeline_then_restore() {
    for one in interpreters() {
        let folder = scratch();
        app(folder.path());
        // Plain bytecode that Python wrote.
        ok(python(one, folder.path()).arg("use.py"));
        let before = files(folder.path());
        let instrument = |plugin: &str| {
            let output = equip(folder.path())
                .args(["--plugin", plugin, ".", "--python"])
                .arg(&one.path)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
            text(&output.stderr)
        };
        let said = instrument("callcount");
        assert!(said.contains("1 of 2 files instrumented"), "{said}");
        assert!(
            said.contains("equip run"),
            "the entry script is pointed out: {said}"
        );
        ok(python(one, folder.path()).arg("use.py"));
        let counts: serde_json::Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("counts.json")).unwrap())
                .unwrap();
        let counts = counts.as_object().unwrap().values().next().unwrap().clone();
        assert_eq!(counts, serde_json::json!({"Greeter.greet": 1, "hello": 1}));
        std::fs::remove_file(folder.path().join("counts.json")).unwrap();

        let first = files(folder.path());
        assert!(instrument("callcount").contains("1 were already"));
        assert_eq!(
            files(folder.path()),
            first,
            "the same pipeline writes nothing"
        );
        instrument("allsites");
        instrument("callcount");
        assert_eq!(
            files(folder.path()),
            first,
            "another pipeline starts from the original"
        );
        ok(equip(folder.path()).args(["restore", "."]));
        assert!(files(folder.path()) == before, "restored");
    }
}

#[test]
fn a_folder_runs_from_its_instrumented_main() {
    for one in interpreters() {
        let folder = scratch();
        let main = "import sys\ndef main():\n    print(sys.argv, __name__)\n    return 4\nsys.exit(main())\n";
        std::fs::create_dir(folder.path().join("tool")).unwrap();
        std::fs::write(folder.path().join("tool/__main__.py"), main).unwrap();
        let started = |mut command: Command| {
            let output = command.output().unwrap();
            (
                output.status.code(),
                text(&output.stdout),
                text(&output.stderr),
            )
        };
        let mut plain = python(one, folder.path());
        plain.args(["tool", "x"]);
        let plain = started(plain);
        assert_eq!(plain.0, Some(4));
        let run = || {
            let mut command = equip(folder.path());
            command.args(["run", "tool", "x"]);
            started(command)
        };
        let refused = run();
        assert!(
            refused.0 != Some(4) && refused.2.contains("not instrumented"),
            "{refused:?}"
        );
        ok(equip(folder.path())
            .args(["-q", "--plugin", "callcount", "tool", "--python"])
            .arg(&one.path));
        assert_eq!(run(), plain);
        assert!(folder.path().join("counts.json").exists());
    }
}

#[test]
fn a_script_runs_from_its_instrumented_code() {
    for one in interpreters() {
        let folder = scratch();
        app(folder.path());
        let plain = python(one, folder.path())
            .args(["app.py", "a", "b"])
            .output()
            .unwrap();
        ok(equip(folder.path())
            .args(["--plugin", "callcount", "app.py", "--python"])
            .arg(&one.path));
        let run = equip(folder.path())
            .arg("--python")
            .arg(&one.path)
            .args(["run", "app.py", "a", "b"])
            .output()
            .unwrap();
        assert_eq!(run.status.code(), plain.status.code());
        assert_eq!(text(&run.stdout), text(&plain.stdout));
        assert_eq!(text(&run.stderr), text(&plain.stderr));
        assert!(folder.path().join("counts.json").exists());

        // Any interpreter that it is for, without --python; the module's own options are not equip's.
        std::fs::remove_file(folder.path().join("counts.json")).unwrap();
        let plain = python(one, folder.path())
            .args(["-m", "app", "--help"])
            .output()
            .unwrap();
        let run = equip(folder.path())
            .args(["run", "-m", "app", "--help"])
            .output()
            .unwrap();
        assert_eq!(text(&run.stdout), text(&plain.stdout));
        assert_eq!(run.status.code(), plain.status.code());
        assert!(folder.path().join("counts.json").exists());
    }
}

#[test]
fn a_wrong_snippet_is_shown_with_a_caret_and_nothing_is_written() {
    let one = &interpreters()[0];
    let folder = scratch();
    app(folder.path());
    let cases = [
        ("print({qualnme})", "did you mean {qualname}?"),
        ("print(1", "SyntaxError"),
        ("return 5", "return cannot stand"),
        ("x = '{arg0}'", "f-string"),
        ("print({return_value})", "`after` only"),
    ];
    for (code, expected) in cases {
        let set = format!("snippets.code={code:?}");
        let output = equip(folder.path())
            .args(["--plugin", "snippets", "--set", &set, ".", "--python"])
            .arg(&one.path)
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains(expected) && said.contains("plugin snippets") && said.contains('^'),
            "{code}: {said}"
        );
        let left: Vec<_> = files(folder.path())
            .into_iter()
            .map(|(name, _)| name)
            .filter(|n| !n.ends_with(".py"))
            .collect();
        assert!(left.is_empty(), "{left:?}");
    }
}

#[test]
fn usage_and_plugin_errors_have_their_exit_status() {
    let folder = scratch();
    app(folder.path());
    let run = |args: &[&str]| {
        let output = equip(folder.path()).args(args).output().unwrap();
        (output.status.code().unwrap(), text(&output.stderr))
    };
    assert_eq!(run(&["app.py"]).0, 2);
    let (status, said) = run(&["--plugin", "nosuch", "app.py"]);
    assert!(status == 3 && said.contains("libnosuch"), "{said}");
    std::fs::write(folder.path().join("libtext.so"), "not a library").unwrap();
    let (status, said) = run(&["--plugin", "./libtext.so", "app.py"]);
    assert!(status == 3 && said.contains("cannot be loaded"), "{said}");
    let (status, said) = run(&[
        "--plugin",
        "callcount",
        "--set",
        "callcount.outptu='x'",
        "app.py",
    ]);
    assert!(
        status == 3 && said.contains("outptu: no such option; did you mean output?"),
        "{said}"
    );
    let (status, said) = run(&["--plugin", "callcount", "missing"]);
    assert!(status == 1 && said.contains("missing"), "{said}");
}

#[test]
fn damaged_files_are_reported_and_the_others_are_done() {
    for one in interpreters() {
        let folder = scratch();
        app(folder.path());
        ok(python(one, folder.path()).args(["-m", "compileall", "-q", "."]));
        let cache = folder.path().join("__pycache__");
        let pyc = std::fs::read_dir(&cache)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .find(|p| p.to_string_lossy().contains("use."));
        let pyc = pyc.unwrap();
        let whole = std::fs::read(&pyc).unwrap();
        for len in (16..whole.len()).step_by(7) {
            std::fs::write(&pyc, &whole[..len]).unwrap();
            let output = equip(folder.path())
                .args(["--plugin", "callcount", ".", "--python"])
                .arg(&one.path)
                .output()
                .unwrap();
            assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
            assert_eq!(
                std::fs::read(&pyc).unwrap(),
                &whole[..len],
                "a file that cannot be read stays"
            );
        }
        let said = text(
            &equip(folder.path())
                .args(["status", "."])
                .arg("--python")
                .arg(&one.path)
                .output()
                .unwrap()
                .stdout,
        );
        assert!(said.contains("instrumented by callcount"), "{said}");
    }
}

#[test]
fn declarations_and_bytecode_are_shown() {
    for one in interpreters() {
        let folder = scratch();
        app(folder.path());
        let shown = ok(equip(folder.path())
            .args(["decls", "app.py", "--python"])
            .arg(&one.path));
        let shown = text(&shown.stdout);
        assert!(
            shown.contains("class Greeter")
                && shown.contains("def hello(name)")
                && shown.contains("import sys"),
            "{shown}"
        );
        let json = ok(equip(folder.path())
            .args(["decls", "app.py", "--report", "json", "--python"])
            .arg(&one.path));
        let json: serde_json::Value = serde_json::from_slice(&json.stdout).unwrap();
        assert_eq!(
            json[0]["module"]["children"][1]["children"][0]["qualname"],
            "Greeter.greet"
        );
        let listing = ok(equip(folder.path())
            .args(["dis", "app.py:hello", "--python"])
            .arg(&one.path));
        let listing = text(&listing.stdout);
        assert!(
            listing.contains("BINARY_OP") && listing.contains("'hello '"),
            "{listing}"
        );
        ok(python(one, folder.path()).args(["-m", "compileall", "-q", "."]));
        ok(equip(folder.path())
            .args(["verify", ".", "--python"])
            .arg(&one.path));
    }
}

#[test]
fn the_ancestors_simplest_example() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(
            folder.path().join("calls.py"),
            "class A:\n    def m(self, x, y=2):\n        return x\n\ndef f():\n    return A().m(1)\nf()\n",
        )
        .unwrap();
        ok(equip(folder.path())
            .arg("-q")
            .arg("--plugin")
            .arg(harness::library("calllog"))
            .args(["calls.py", "--python"])
            .arg(&one.path));
        let output = ok(python(one, folder.path()).args(["-c", "import calls"]));
        let lines: Vec<_> = text(&output.stdout).lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), 6, "{lines:?}");
        assert_eq!(
            lines[..4],
            [
                ">> START",
                "[CALL] calls.py::f:5 None",
                "<< END",
                ">> START"
            ]
        );
        assert!(
            lines[4].starts_with("[CALL] calls.py::m:2 <calls.A object at"),
            "{lines:?}"
        );
        assert!(lines[4].ends_with(" 1 2"), "{lines:?}");
    }
}

#[test]
fn by_hand_with_the_core_alone() {
    for one in interpreters() {
        let folder = scratch();
        let pyc = harness::compile(
            one,
            "def twice(n):\n    return 2 * n\nprint(twice(21))\n",
            "m.py",
        );
        std::fs::write(folder.path().join("m.pyc"), pyc).unwrap();
        let manual = std::env::current_exe().unwrap();
        let manual = manual.parent().unwrap().join("../examples/manual");
        let mut command = std::process::Command::new(manual);
        // The interpreter is looked for on PATH, as equip does.
        let path = equip(folder.path());
        let path = path.get_envs().find(|(name, _)| *name == "PATH").unwrap();
        command
            .env("PATH", path.1.unwrap())
            .current_dir(folder.path());
        ok(command.args(["m.pyc", "out.pyc", "twice"]));
        ok(equip(folder.path()).args(["verify", "out.pyc"]));
        let output = ok(python(one, folder.path()).arg("out.pyc"));
        assert_eq!(
            text(&output.stdout),
            "enter twice at True 21\nleave twice with 42\n42\n"
        );
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    use std::process::Stdio;
    let folder = scratch();
    app(folder.path());
    for command in [&["decls"][..], &["dis"], &["decls", "--report", "json"]] {
        let mut child = equip(folder.path())
            .args(command)
            .arg(".")
            .arg("--python")
            .arg(&interpreters()[0].path)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{command:?}");
        assert_eq!(output.status.code(), Some(0), "{command:?}");
    }
}

#[test]
fn threads_never_change_what_is_written() {
    let one = &interpreters()[0];
    let shop = harness::root().join("examples/shop");
    let made = |jobs: &str| {
        let folder = scratch();
        // The path is in the bytecode: the same one each time.
        harness::copy(&shop, &folder.path().join("shop"));
        let compile = [
            "-m",
            "compileall",
            "-q",
            "-d",
            "here",
            "--invalidation-mode",
            "unchecked-hash",
            ".",
        ];
        ok(python(one, folder.path()).args(compile));
        let output = ok(equip(folder.path())
            .args([
                "-v",
                "--plugin",
                "allsites",
                "--plugin",
                "callcount",
                "--jobs",
                jobs,
                ".",
                "--python",
            ])
            .arg(&one.path));
        let names = |(name, bytes): (String, Vec<u8>)| {
            (name.replace(&*folder.path().to_string_lossy(), ""), bytes)
        };
        let files: Vec<_> = files(folder.path()).into_iter().map(names).collect();
        let said = text(&output.stderr).replace(&*folder.path().to_string_lossy(), "");
        (
            files,
            said.lines()
                .filter(|line| !line.contains("snippets:"))
                .map(str::to_owned)
                .collect::<Vec<_>>(),
        )
    };
    let single = made("1");
    for jobs in ["2", "7"] {
        assert!(made(jobs) == single, "{jobs} threads");
    }
}
