//! Pipeline files: what they ask for is done; what is wrong with them is shown at its place; what was found, not
//! named, is not trusted.

use std::path::Path;
use std::process::Output;

use crate::harness::{equip, interpreters, ok, python, scratch, text};

const APP: &str = "\
log = []

class Cart:
    def total(self, items):
        total = 0
        for item in items:
            if item > 1:
                total += item
        return total

    def fail(self):
        raise ValueError('no')

def twice(x):
    return x * 2

def numbers():
    yield 1

if __name__ == '__main__':
    print(Cart().total([1, 2, 3]), twice(4), list(numbers()))
    try:
        Cart().fail()
    except ValueError as error:
        print(error)
    print(log)
";

const USE: &str = "import app\nprint(app.Cart().total([1, 2, 3]), app.twice(4), list(app.numbers()))\ntry:\n    app.Cart().fail()\nexcept ValueError as error:\n    print(error)\nprint(app.log)\n";

fn project(folder: &Path, pipeline: &str) {
    std::fs::write(folder.join("app.py"), APP).unwrap();
    std::fs::write(folder.join("use.py"), USE).unwrap();
    std::fs::write(folder.join("equip.toml"), pipeline).unwrap();
}

fn told(output: &Output) -> String {
    text(&output.stderr) + &text(&output.stdout)
}

#[test]
fn injections_run_at_their_sites_in_the_order_of_the_file() {
    let pipeline = r#"
targets = ["app.py"]

[[inject]]
at = "after"
match = "functions in app and not name = fail"
code = "log.append(('{qualname}', {return_value} if '{qualname}' != 'numbers' else None))"

[[inject]]
at = "before"
match = "app:Cart.total"
code = "log.append('first')"

[[inject]]
at = "before"
match = "app:Cart.total"
code = "log.append('second')"

[[inject]]
at = "on_raise"
match = "methods"
code = "log.append(str({exception}))"

[[inject]]
at = "branch"
edge = "true"
line = 7
match = "app:Cart.total"
code = "log.append('big')"

[[inject]]
at = "loop"
edge = "exit"
match = "app:Cart.total"
code = "log.append('done')"

[[inject]]
at = "line"
line = 8
match = "in app"
code = "log.append({site_lineno})"

[[inject]]
at = "module_enter"
when = "import"
match = "app"
code = "print('entered')"

[[inject]]
at = "before"
match = "app:twice"
imports = ["import math"]
plugin = "sharing"
code = "root = math.sqrt(16)"

[[inject]]
at = "after"
match = "app:twice"
plugin = "sharing"
code = "log.append(root)"

[[inject]]
at = "before"
match = "app:numbers"
code = "1 / 0"
on_error = "ignore"
"#;
    for one in interpreters() {
        let folder = scratch();
        project(folder.path(), pipeline);
        let run = |args: &[&str]| {
            ok(equip(folder.path())
                .args(args)
                .arg("--python")
                .arg(&one.path))
        };
        run(&[]);
        let output = ok(python(one, folder.path()).arg("use.py"));
        let expected = "entered\n5 8 [1]\nno\n['first', 'second', 'big', 8, 'big', 8, 'done', ('Cart.total', 5), ('twice', 8), 4.0, ('numbers', None), 'no']\n";
        // At one site what comes first in the file is outermost: last on the way out.
        let expected = expected.replace("('twice', 8), 4.0", "4.0, ('twice', 8)");
        assert_eq!(text(&output.stdout), expected, "{}", one.isa.version);
        // The same pipeline again writes nothing; the file's own order is what counts.
        let again = run(&[]);
        assert!(told(&again).contains("1 were already"), "{}", told(&again));
        run(&["restore", "app.py"]);
        assert!(text(&ok(python(one, folder.path()).arg("use.py")).stdout).ends_with("[]\n"));
    }
}

#[test]
fn a_plugin_is_shown_what_its_selection_matches_and_excluded_files_are_left_alone() {
    let pipeline = r#"
targets = ["."]
exclude = ["skip*.py"]
[[plugin]]
name = "callcount"
select = "methods"
options = { output = "calls.json" }
"#;
    for one in interpreters() {
        let folder = scratch();
        project(folder.path(), pipeline);
        std::fs::write(
            folder.path().join("skipped.py"),
            "class A:\n    def f(self): pass\n",
        )
        .unwrap();
        ok(equip(folder.path()).arg("--python").arg(&one.path));
        ok(python(one, folder.path()).arg("use.py"));
        let counts = std::fs::read_to_string(folder.path().join("calls.json")).unwrap();
        assert!(
            counts.contains("Cart.total") && !counts.contains("twice"),
            "{counts}"
        );
        let status = ok(equip(folder.path())
            .args(["status", ".", "--python"])
            .arg(&one.path));
        let lines = told(&status);
        let skipped = lines
            .lines()
            .find(|line| line.contains("skipped"))
            .unwrap_or_default();
        assert!(!skipped.contains("instrumented"), "{lines}");
        // Excluded now, what was instrumented before goes back.
        let all = pipeline.replace("exclude = [\"skip*.py\"]", "exclude = [\"app.py\"]");
        std::fs::write(folder.path().join("equip.toml"), all).unwrap();
        ok(equip(folder.path()).arg("--python").arg(&one.path));
        std::fs::remove_file(folder.path().join("calls.json")).unwrap();
        ok(python(one, folder.path()).arg("use.py"));
        assert!(!folder.path().join("calls.json").exists());
    }
}

#[test]
fn all_that_is_wrong_is_shown_at_once_at_its_place() {
    let folder = scratch();
    project(
        folder.path(),
        r#"targts = ["app.py"]
include = 3
[[plugin]]
name = "calcount"
select = "methods in"
[[plugin]]
name = "tracer"
options = { max_repr = "x", outptu = 1 }
[[inject]]
at = "aftr"
match = "app:twice"
code = "x"
[[inject]]
at = "before"
match = "app:twice"
code = "a = {unclosed"
[[inject]]
at = "loop"
match = "functions"
nth = 0
"#,
    );
    let output = equip(folder.path()).arg("app.py").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for (line, column, message) in [
        (1, 1, "unknown key `targts`"),
        (2, 11, "`include` is an integer"),
        (4, 8, "no plugin \"calcount\""),
        (5, 21, "expected a pattern"),
        (8, 24, "plugin tracer"),
        (10, 6, "cannot be `aftr`"),
        (16, 13, "never closed"),
        (17, 1, "has no `code`"),
        (18, 6, "needs an edge"),
        (20, 7, "`nth` of [[inject]] is an integer"),
    ] {
        let place = format!("--> equip.toml:{line}:{column}\n");
        let block = said.split("\n\n").find(|block| block.contains(&place));
        if message != "never closed" && message != "plugin tracer" {
            assert!(
                block.is_some_and(|block| block.contains(message)),
                "{place} {message}\n{said}"
            );
        } else {
            assert!(
                said.contains(&format!("--> equip.toml:{line}:")),
                "{place} {message}\n{said}"
            );
        }
    }
    assert!(
        said.contains("did you mean `targets`?") && said.contains("did you mean `callcount`?"),
        "{said}"
    );
    assert!(!folder.path().join("__pycache__").exists());
    // For programs.
    let output = equip(folder.path())
        .args(["--report", "json", "app.py"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["problems"][0]["line"], 1);
    assert_eq!(report["problems"][0]["severity"], "error");
}

#[test]
fn a_snippet_that_python_refuses_is_shown_in_the_pipeline_file() {
    for one in interpreters() {
        let folder = scratch();
        project(
            folder.path(),
            "[[inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = \"\"\"\na = 1\nb = = 2\n\"\"\"\n",
        );
        let run = |args: &[&str]| {
            equip(folder.path())
                .args(args)
                .arg("--python")
                .arg(&one.path)
                .output()
                .unwrap()
        };
        for args in [&["app.py"][..], &["check", "app.py"]] {
            let output = run(args);
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{said}");
            assert!(
                said.contains("--> equip.toml:6:5") && said.contains("before of twice"),
                "{said}"
            );
        }
        // An import is told at its own place.
        project(
            folder.path(),
            "[[inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = 'x = 1'\nimports = ['import sys', 'import sys, 5']\n",
        );
        let said = text(&run(&["app.py"]).stderr);
        assert!(said.contains("--> equip.toml:5:39"), "{said}");
        // Placeholders that the site does not have.
        project(
            folder.path(),
            "[[inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = 'print({return_value})'\n",
        );
        let said = text(&run(&["app.py"]).stderr);
        assert!(
            said.contains("--> equip.toml:4:") && said.contains("return_value"),
            "{said}"
        );
        // A line without code names its neighbours.
        project(
            folder.path(),
            "[[inject]]\nat = \"line\"\nline = 2\nmatch = \"app:twice\"\ncode = 'x = 1'\n",
        );
        let output = run(&["app.py"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(
            said.contains("line 2") && said.contains("nearest that have: 15"),
            "{said}"
        );
        // A selection that matches nothing is a warning with near misses.
        project(
            folder.path(),
            "[[inject]]\nat = \"before\"\nmatch = \"app:twize\"\ncode = 'x = 1'\n",
        );
        let output = run(&["app.py"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{said}");
        assert!(
            said.contains("--> equip.toml:3:9") && said.contains("near misses: app:twice"),
            "{said}"
        );
        // Code is judged where nothing has its site, too.
        for (at, other) in [
            (
                "at = \"before\"\nmatch = \"app:twize\"",
                "near misses: app:twice",
            ),
            ("at = \"loop\"\nedge = \"head\"\nmatch = \"app:twice\"", ""),
        ] {
            let lines = at.lines().count() + 2;
            let inject = format!("[[inject]]\n{at}\ncode = 'f({{arg3}} + )'\n");
            project(folder.path(), &inject);
            for args in [&["check", "app.py"][..], &["app.py"]] {
                let output = run(args);
                let said = text(&output.stderr);
                assert_eq!(output.status.code(), Some(3), "{said}");
                let place = format!("--> equip.toml:{lines}:");
                assert!(said.contains(&place) && said.contains(other), "{said}");
            }
            // What is sound there is no error: it may speak of what the functions have.
            let sound = inject.replace("f({arg3} + )", "f({arguments}, lambda: x)");
            project(folder.path(), &sound);
            let output = run(&["check", "app.py"]);
            assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        }
        assert!(!folder.path().join("__pycache__").exists());
    }
}

#[test]
fn what_a_found_file_may_not_do() {
    let outer = scratch();
    let folder = outer.path().join("tree");
    std::fs::create_dir_all(folder.join(".venv/bin")).unwrap();
    std::fs::write(outer.path().join("victim.py"), "def f(): pass\n").unwrap();
    // Whoever starts this has lost.
    let trap = folder.join(".venv/bin/python");
    std::fs::write(
        &trap,
        format!(
            "#!/bin/sh\ntouch {}\n",
            outer.path().join("started").display()
        ),
    )
    .unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(&trap, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    std::fs::write(folder.join("libx.so"), "not a library").unwrap();
    for (line, message) in [
        ("python = \".venv/bin/python\"", "names a program to run"),
        ("python = \"python3\"", "names a program to run"),
        ("targets = [\"../victim.py\"]", "outside the folder"),
        ("output = \"../other\"", "outside the folder"),
        ("[[plugin]]\nname = \"./libx.so\"", "path of a library"),
        ("[[plugin]]\nname = \"libx.so\"", "path of a library"),
        ("[[plugin]]\nname = \"/etc/x\"", "path of a library"),
    ] {
        project(&folder, &format!("{line}\n"));
        for args in [&["app.py"][..], &["check"], &["diff", "app.py:twice"]] {
            let output = equip(&folder).args(args).output().unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(3), "{line}: {said}");
            assert!(
                said.contains(message) && said.contains("--trust-config"),
                "{line}: {said}"
            );
        }
        assert!(!outer.path().join("started").exists());
    }
    // By bare name nothing of the tree is loaded.
    project(&folder, "[[plugin]]\nname = \"x\"\n");
    let output = equip(&folder).arg("app.py").output().unwrap();
    let said = text(&output.stderr);
    assert!(
        said.contains("no plugin \"x\"") && !said.contains(&folder.display().to_string()),
        "{said}"
    );
    // Named, the file may do it all: the library is tried.
    project(&folder, "[[plugin]]\nname = \"./libx.so\"\n");
    for args in [
        &["--config", "equip.toml", "app.py"][..],
        &["--trust-config", "app.py"],
    ] {
        let output = equip(&folder).args(args).output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3));
        assert!(
            said.contains("libx.so") && !said.contains("--trust-config"),
            "{said}"
        );
    }
    // What the command line names is not mixed with what lies about.
    project(&folder, "python = \".venv/bin/python\"\n");
    ok(equip(&folder).args(["--plugin", "callcount", "app.py"]));
    assert!(!outer.path().join("started").exists());
}

#[test]
fn a_pyproject_works_too_and_is_found_from_below() {
    for one in interpreters() {
        let folder = scratch();
        project(folder.path(), "");
        std::fs::remove_file(folder.path().join("equip.toml")).unwrap();
        let below = folder.path().join("deep/er");
        std::fs::create_dir_all(&below).unwrap();
        std::fs::write(
            folder.path().join("pyproject.toml"),
            "[project]\nname = \"x\"\n[tool.equip]\ntargets = [\"app.py\"]\n[[tool.equip.inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = \"log.append('pyproject')\"\n",
        )
        .unwrap();
        ok(equip(&below).arg("--python").arg(&one.path));
        assert!(text(&ok(python(one, folder.path()).arg("use.py")).stdout).contains("pyproject"));
        let output = equip(folder.path())
            .args(["--config", "pyproject.toml", "app.py", "--set", "x.y=1"])
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(3), "{}", told(&output));
    }
}

#[test]
fn the_same_pipeline_gives_the_same_bytes_wherever_it_lies() {
    for one in interpreters() {
        let pipeline = "targets = [\"app.py\"]\n[[inject]]\nat = \"before\"\nmatch = \"functions\"\ncode = \"x = {lineno}\"\n[[plugin]]\nname = \"callcount\"\nselect = \"methods\"\n";
        let mut made = Vec::new();
        for name in ["one", "another/place"] {
            let outer = scratch();
            let folder = outer.path().join(name);
            std::fs::create_dir_all(&folder).unwrap();
            project(&folder, pipeline);
            // The path of a source is part of its bytecode; the one that is compiled here has none of the folder.
            let compile = "import py_compile; print(py_compile.compile('app.py', dfile='app.py', invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH))";
            let output = ok(python(one, &folder).args(["-c", compile]));
            ok(equip(&folder)
                .args(["-j", if name == "one" { "1" } else { "2" }, "--python"])
                .arg(&one.path));
            made.push(std::fs::read(folder.join(text(&output.stdout).trim())).unwrap());
        }
        assert_eq!(made[0], made[1]);
        assert!(made[0].ends_with(b"EQUIPPRV"));
    }
}

#[test]
fn a_plan_is_shown_and_nothing_written() {
    let folder = scratch();
    project(
        folder.path(),
        "targets = [\"app.py\"]\n[[inject]]\nat = \"after\"\nmatch = \"app:Cart.*\"\ncode = \"x = 1\"\n",
    );
    for args in [&["--dry-run"][..], &["check"]] {
        let output = ok(equip(folder.path()).args(args));
        let said = text(&output.stdout);
        assert!(
            said.contains("Cart.total (line 4)\n    inject1: after")
                && said.contains("Cart.fail (line 11)"),
            "{said}"
        );
        assert!(!said.contains("twice"), "{said}");
        assert!(!folder.path().join("__pycache__").exists());
    }
    let output = ok(equip(folder.path()).args(["check", "--report", "json"]));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["files"][0]["plan"][0]["site"], "after");
    assert_eq!(report["written"], false);
}

#[test]
fn one_function_before_and_after() {
    for one in interpreters() {
        let folder = scratch();
        project(
            folder.path(),
            "targets = [\"app.py\"]\n[[inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = \"log.append(1)\"\n",
        );
        let diff = |args: &[&str]| {
            let output = ok(equip(folder.path())
                .arg("diff")
                .args(args)
                .arg("--python")
                .arg(&one.path));
            told(&output)
        };
        let planned = diff(&["app.py:twice"]);
        assert!(
            planned
                .lines()
                .any(|line| line.starts_with('+') && line.contains("append")),
            "{planned}"
        );
        assert!(
            planned
                .lines()
                .any(|line| line.starts_with(' ') && line.contains("RESUME")),
            "{planned}"
        );
        assert!(
            !planned.lines().any(|line| line.starts_with('-')),
            "{planned}"
        );
        assert!(diff(&["app.py:numbers"]).contains("nothing is put into numbers"));
        // What is in the file already, beside its original.
        ok(equip(folder.path()).arg("--python").arg(&one.path));
        assert_eq!(diff(&["app.py:twice"]), planned);
        assert!(diff(&["--plugin", "callcount", "app.py:numbers"]).contains("callcount"));
    }
}

#[test]
fn init_writes_a_pipeline_that_passes_its_check_and_overwrites_nothing() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::create_dir_all(folder.path().join("src/shop")).unwrap();
        std::fs::create_dir_all(folder.path().join("tests")).unwrap();
        std::fs::write(folder.path().join("src/shop/__init__.py"), "").unwrap();
        std::fs::write(
            folder.path().join("src/shop/cart.py"),
            "def total(x):\n    return x\n",
        )
        .unwrap();
        std::fs::write(
            folder.path().join("tests/test_cart.py"),
            "def test(): pass\n",
        )
        .unwrap();
        std::fs::write(folder.path().join("setup.py"), "").unwrap();
        ok(equip(folder.path()).arg("init"));
        let made = std::fs::read_to_string(folder.path().join("equip.toml")).unwrap();
        assert!(made.contains("targets = [\"src/shop\"]"), "{made}");
        let check = |text: &str| {
            std::fs::write(folder.path().join("equip.toml"), text).unwrap();
            told(&ok(equip(folder.path())
                .args(["check", "--python"])
                .arg(&one.path)))
        };
        assert!(check(&made).contains("callcount: before"));
        // All that is commented out works once it is not.
        let mut all = String::new();
        for line in made.lines() {
            let code = line
                .strip_prefix("# ")
                .filter(|line| line.contains(" = ") || line.starts_with("[["));
            if code.is_none_or(|code| !code.starts_with("include")) {
                all += code.unwrap_or(line);
                all.push('\n');
            }
        }
        let all = all.replace("methods and", "functions and");
        let said = check(&all);
        assert!(
            said.contains("inject1: after") && said.contains("callcount: before"),
            "{all}\n{said}"
        );
        let output = equip(folder.path()).arg("init").output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        assert!(text(&output.stderr).contains("it is there already"));
        assert_eq!(
            std::fs::read_to_string(folder.path().join("equip.toml")).unwrap(),
            all
        );
    }
}

#[test]
fn the_schema_knows_every_key_of_the_page() {
    let folder = scratch();
    let output = ok(equip(folder.path()).arg("schema"));
    let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let page = include_str!("../docs/pipelines.md");
    let mut count = 0;
    for object in [
        &schema,
        &schema["properties"]["plugin"]["items"],
        &schema["properties"]["inject"]["items"],
    ] {
        assert_eq!(object["additionalProperties"], false);
        for key in object["properties"].as_object().unwrap().keys() {
            assert!(
                page.contains(&format!("`{key}`")) || page.contains(&format!("`[[{key}]]`")),
                "{key} is not on the page"
            );
            count += 1;
        }
    }
    assert!(count > 15, "{count}");
}

#[test]
fn a_copy_is_instrumented_and_the_program_stays_as_it_is() {
    for one in interpreters() {
        let folder = scratch();
        let package = folder.path().join("src/pack");
        std::fs::create_dir_all(package.join("sub")).unwrap();
        std::fs::write(package.join("__init__.py"), "").unwrap();
        std::fs::write(package.join("data.txt"), "data").unwrap();
        std::fs::write(package.join("sub/__init__.py"), "").unwrap();
        std::fs::write(
            package.join("sub/mod.py"),
            "import pack\ndef f(): return open(pack.__path__[0] + '/data.txt').read()\n",
        )
        .unwrap();
        std::fs::write(package.join("other.py"), "def g(): return 1\n").unwrap();
        let pipeline = "targets = [\"src/pack\"]\noutput = \"out\"\nexclude = [\"src/pack/other.py\"]\n[[inject]]\nat = \"before\"\nmatch = \"functions in pack.**\"\ncode = \"print('{qualname}')\"\n";
        std::fs::write(folder.path().join("equip.toml"), pipeline).unwrap();
        let call = "from pack.sub.mod import f; from pack.other import g; print(f(), g())";
        let run = |place: &str| {
            text(
                &ok(python(one, folder.path())
                    .env("PYTHONPATH", folder.path().join(place))
                    .args(["-c", call]))
                .stdout,
            )
        };
        let go = |args: &[&str]| {
            equip(folder.path())
                .args(args)
                .arg("--python")
                .arg(&one.path)
                .output()
                .unwrap()
        };
        assert_eq!(run("src"), "data 1\n");
        // Twice: the second replaces what the first made.
        for _ in 0..2 {
            let output = go(&[]);
            assert_eq!(output.status.code(), Some(0), "{}", told(&output));
            assert_eq!(run("out"), "f\ndata 1\n");
            assert_eq!(run("src"), "data 1\n");
        }
        // A part of a package: its modules keep their names.
        let output = go(&["--out", "part", "src/pack/sub"]);
        assert_eq!(output.status.code(), Some(0), "{}", told(&output));
        assert_eq!(run("part"), "f\ndata 1\n");
        // What goes wrong leaves the last good copy.
        std::fs::write(
            folder.path().join("equip.toml"),
            pipeline.replace("print(", "print(("),
        )
        .unwrap();
        assert_eq!(go(&[]).status.code(), Some(3));
        assert_eq!(run("out"), "f\ndata 1\n");
        assert!(!folder.path().join("out.equip-previous").exists());
        // What is not equip's stays.
        for (out, message) in [
            ("src", "in one another"),
            ("src/pack/out", "in one another"),
            ("mine", "equip did not make it"),
        ] {
            std::fs::create_dir_all(folder.path().join("mine/kept")).unwrap();
            let output = go(&["--plugin", "callcount", "--out", out, "src/pack"]);
            assert_eq!(output.status.code(), Some(2), "{out}");
            assert!(
                text(&output.stderr).contains(message),
                "{out}: {}",
                told(&output)
            );
            assert!(folder.path().join("mine/kept").exists() && package.join("data.txt").exists());
        }
        assert_eq!(run("src"), "data 1\n");
    }
}

#[test]
fn what_was_not_looked_at_is_not_called_unmatched() {
    let folder = scratch();
    project(
        folder.path(),
        "targets = [\"app.py\"]\n[[inject]]\nat = \"line\"\nline = 15\nmatch = \"app:twice\"\ncode = \"x = 1\"\n",
    );
    ok(&mut equip(folder.path()));
    // Without the original a file that the same pipeline made is left as it is.
    for entry in std::fs::read_dir(folder.path().join("__pycache__")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "pyc") {
            std::fs::remove_file(path).unwrap();
        }
    }
    let output = ok(&mut equip(folder.path()));
    let said = text(&output.stderr);
    assert!(said.contains("1 were already"), "{said}");
    assert!(
        !said.contains("matches") && !said.contains("nearest"),
        "{said}"
    );
}

#[cfg(unix)]
#[test]
fn a_file_of_another_user_is_not_taken_unasked() {
    use std::os::unix::fs::{MetadataExt, chown};
    let outer = scratch();
    let folder = outer.path().join("mine");
    std::fs::create_dir(&folder).unwrap();
    project(&folder, "");
    std::fs::remove_file(folder.join("equip.toml")).unwrap();
    let pipeline = outer.path().join("equip.toml");
    std::fs::write(
        &pipeline,
        "[[inject]]\nat = \"before\"\nmatch = \"app:twice\"\ncode = \"x = 1\"\n",
    )
    .unwrap();
    let another = folder.metadata().unwrap().uid() + 4711;
    if chown(&pipeline, Some(another), None).is_err() {
        println!("skipped: only root gives files away");
        return;
    }
    let output = equip(&folder).arg("app.py").output().unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("belongs to another user") && said.contains("--config"),
        "{said}"
    );
    assert!(!folder.join("__pycache__").exists());
    ok(equip(&folder).args(["--config", "../equip.toml", "app.py"]));
    // What is named for it is trusted, too.
    ok(equip(&folder).args(["--trust-config", "app.py"]));
}
