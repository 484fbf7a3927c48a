//! An instrumented program finds its plugins' runtime modules wherever it is and however it is
//! started, with nothing set by the user.

use crate::harness;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{equip, interpreters, ok, python, scratch, text};
use equip_core::python::Interpreter;

/// A package with a module of functions, and a script beside it.
fn app(folder: &Path) {
    let package = folder.join("box");
    std::fs::create_dir_all(&package).unwrap();
    std::fs::write(package.join("__init__.py"), "from .work import work\n").unwrap();
    let work =
        "def work(n):\n    return [item(i) for i in range(n)]\n\ndef item(i):\n    return i\n";
    std::fs::write(package.join("work.py"), work).unwrap();
    std::fs::write(
        folder.join("tool.py"),
        "def main():\n    import box\n    return box.work(3)\n",
    )
    .unwrap();
}

fn instrument(python: &Interpreter, folder: &Path, targets: &[&str]) {
    ok(equip(folder)
        .args(["-q", "--plugin", "callcount", "--python"])
        .arg(&python.path)
        .args(targets));
}

/// How often a function was called, by the file of counts in a folder; the file goes away.
fn calls(folder: &Path, function: &str) -> u64 {
    let file = folder.join("counts.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    std::fs::remove_file(&file).unwrap();
    let counts: serde_json::Value = serde_json::from_str(&text).unwrap();
    let files = counts.as_object().unwrap().values();
    files.filter_map(|file| file[function].as_u64()).sum()
}

/// Started in a folder of its own, which then has the counts.
fn started(mut command: Command, elsewhere: &Path) -> String {
    text(&ok(command.current_dir(elsewhere)).stdout)
}

const USE: &str = "import sys; sys.path.insert(0, sys.argv[1]); import tool; tool.main()";

#[test]
fn from_anywhere_isolated_or_without_an_environment() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        app(folder.path());
        instrument(one, folder.path(), &["."]);
        for flags in [
            &[][..],
            &["-I"],
            &["-E"],
            &["-S"],
            &["-s", "-B"],
            &["-X", "frozen_modules=off"],
        ] {
            let mut command = python(one, folder.path());
            command.args(flags).args(["-c", USE]).arg(folder.path());
            started(command, elsewhere.path());
            assert_eq!(calls(elsewhere.path(), "item"), 3, "{flags:?}");
        }
        let mut command = Command::new(&one.path);
        command.env_clear().args(["-c", USE]).arg(folder.path());
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3, "empty environment");
    }
}

#[test]
fn in_child_processes() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        app(folder.path());
        instrument(one, folder.path(), &["."]);
        let program = "import subprocess, sys
subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]], check=True, env={})";
        let mut command = python(one, folder.path());
        command.args(["-c", program]).arg(folder.path()).arg(USE);
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3);
    }
}

#[test]
fn after_the_tree_was_moved() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        let before = folder.path().join("before");
        app(&before);
        instrument(one, &before, &["."]);
        let after = folder.path().join("deep/after");
        std::fs::create_dir_all(after.parent().unwrap()).unwrap();
        std::fs::rename(&before, &after).unwrap();
        let mut command = python(one, folder.path());
        command.args(["-c", USE]).arg(&after);
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3);
    }
}

#[test]
fn from_a_zip() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        app(folder.path());
        // A zip has its bytecode beside the sources, or none of these.
        let compile = ["-m", "compileall", "-q", "-b", "."];
        ok(python(one, folder.path()).args(compile));
        for source in ["tool.py", "box/work.py", "box/__init__.py"] {
            std::fs::remove_file(folder.path().join(source)).unwrap();
        }
        instrument(one, folder.path(), &["."]);
        let zip = "import os, zipfile
with zipfile.ZipFile('app.zip', 'w') as z:
    for name in ('tool.pyc', 'box/__init__.pyc', 'box/work.pyc'):
        z.write(name)
        os.remove(name)";
        ok(python(one, folder.path()).args(["-c", zip]));
        let mut command = python(one, folder.path());
        command
            .args(["-I", "-c", USE])
            .arg(folder.path().join("app.zip"));
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3);
    }
}

#[test]
fn in_site_packages_and_as_a_single_module() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        let env = folder.path().join("env");
        ok(python(one, folder.path())
            .args(["-m", "venv", "--without-pip"])
            .arg(&env));
        let own = env.join("bin/python");
        let starts = Command::new(&own).args(["-c", "pass"]).output();
        if !starts.is_ok_and(|output| output.status.success()) {
            println!(
                "{}: skipped, its virtual environments do not start",
                one.path.display()
            );
            continue;
        }
        let version = one.isa.version;
        let site = env.join(format!("lib/python{version}/site-packages"));
        app(&site);
        ok(equip(folder.path())
            .args(["-q", "--plugin", "callcount", "--python"])
            .arg(&own)
            .arg(site.join("box")));
        let mut command = Command::new(&own);
        command.args(["-I", "-c", "import tool; tool.main()"]);
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3, "package");
        ok(equip(folder.path())
            .args(["-q", "--plugin", "callcount", "--python"])
            .arg(&own)
            .arg(site.join("tool.py")));
        let mut command = Command::new(&own);
        command.args(["-I", "-c", "import tool; tool.main()"]);
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "main"), 1, "module");
    }
}

/// A private interpreter: its prefix is found from where it lies. The library without its tests.
fn private_copy(one: &Interpreter, folder: &Path) -> Option<PathBuf> {
    let program = "
import os, shutil, sys
version = 'python%d.%d' % sys.version_info[:2]
os.makedirs('bin')
shutil.copy(os.path.realpath(sys.executable), 'bin/' + version)
skip = shutil.ignore_patterns('test', 'tests', 'idlelib', 'site-packages', 'dist-packages', 'ensurepip', '__pycache__', 'lib2to3', 'tkinter', 'config-*')
shutil.copytree(os.path.dirname(os.__file__), 'lib/' + version, ignore=skip, ignore_dangling_symlinks=True)
print(version)";
    let made = ok(python(one, folder).args(["-I", "-c", program]));
    let copy = folder.join("bin").join(text(&made.stdout).trim());
    let works = Command::new(&copy)
        .args(["-I", "-c", "import sys, os; print(os.__file__)"])
        .output()
        .ok()?;
    text(&works.stdout)
        .starts_with(folder.to_str()?)
        .then_some(copy)
}

#[test]
fn in_the_standard_library_from_its_first_module_on() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        let Some(copy) = private_copy(one, folder.path()) else {
            println!(
                "CPython {}: skipped, its interpreter does not run from a copy",
                one.isa.version
            );
            continue;
        };
        let lib = format!("lib/python{}", one.isa.version);
        ok(equip(folder.path())
            .args([
                "-q",
                "--plugin",
                "callcount",
                "--plugin",
                "allsites",
                "--python",
            ])
            .arg(&copy)
            .arg(&lib));
        let program =
            "import json, logging, sys; sys.stdout.write(json.dumps({'a': [1, 2.5, None]}))";
        let mut command = Command::new(&copy);
        command.args(["-I", "-X", "frozen_modules=off", "-c", program]);
        assert_eq!(
            started(command, elsewhere.path()),
            r#"{"a": [1, 2.5, null]}"#
        );
        let file = elsewhere.path().join("counts.json");
        let counts: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let files = counts.as_object().unwrap();
        for early in [
            "encodings/__init__.py",
            "codecs.py",
            "os.py",
            "site.py",
            "json/encoder.py",
        ] {
            let found = files.keys().any(|file| file.ends_with(early));
            assert!(
                found,
                "CPython {}: {early} is not among {:?}",
                one.isa.version,
                files.keys()
            );
        }
    }
}

#[test]
fn one_state_for_all_modules_and_pipelines_that_do_not_collide() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        app(folder.path());
        instrument(one, folder.path(), &["box"]);
        // The same plugin with other options is another runtime.
        let other = "callcount.output='other.json'";
        ok(equip(folder.path())
            .args([
                "-q",
                "--plugin",
                "callcount",
                "--set",
                other,
                "tool.py",
                "--python",
            ])
            .arg(&one.path));
        let mut command = python(one, folder.path());
        command.args(["-c", USE]).arg(folder.path());
        started(command, elsewhere.path());
        assert_eq!(calls(elsewhere.path(), "item"), 3);
        let other = std::fs::read_to_string(elsewhere.path().join("other.json")).unwrap();
        assert!(
            other.contains("\"main\": 1") && !other.contains("item"),
            "{other}"
        );
    }
}

#[test]
fn counts_are_written_however_the_program_ends() {
    for one in interpreters() {
        let (folder, elsewhere) = (scratch(), scratch());
        app(folder.path());
        instrument(one, folder.path(), &["."]);
        let ends = [
            ("", Some(0)),
            ("raise ValueError('x')", Some(1)),
            ("sys.exit(7)", Some(7)),
            ("raise SystemExit('bye')", Some(1)),
            ("raise KeyboardInterrupt", None),
            ("import os; os.chdir('/')", Some(0)),
        ];
        for (end, status) in ends {
            let mut command = python(one, elsewhere.path());
            command
                .args(["-c", &format!("{USE}; {end}")])
                .arg(folder.path());
            let output = command.output().unwrap();
            assert!(
                status.is_none_or(|status| output.status.code() == Some(status)),
                "{end}"
            );
            assert_eq!(calls(elsewhere.path(), "item"), 3, "{end}");
        }
    }
}

/// A tracer is told of the program's own code, and of nothing that a probe's runtime does.
#[test]
fn tracers_do_not_see_the_runtime() {
    let source = "\
import sys
def work(n):
    return n + 1
seen = []
def trace(frame, event, arg):
    seen.append((event, frame.f_code.co_filename.rsplit('/')[-1], frame.f_code.co_name))
    return trace
sys.settrace(trace)
work(1)
sys.settrace(None)
print([one for one in seen if one[0] in ('call', 'return')])
";
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), source).unwrap();
        let options = ["--plugin", "tracer", "--set", "tracer.output=trace.txt"];
        harness::instrument(one, folder.path(), &options);
        let output = harness::start(one, folder.path(), "m");
        let said = text(&output.stdout);
        // Before sys.monitoring the end of a frame that has no beginning would be told.
        if one.isa.version.1 >= 12 {
            let wanted = "[('call', 'm.py', 'work'), ('return', 'm.py', 'work')]\n";
            assert_eq!(said, wanted, "{}", one.path.display());
        }
        let trace = std::fs::read_to_string(folder.path().join("trace.txt")).unwrap();
        assert!(trace.contains("-> m:work(n=1)"), "{trace}");
    }
}

/// What modules hold of plugins travels with functions that are pickled by value, as cloudpickle and dill
/// do; and no `__import__` of the program's is asked for the runtime.
#[test]
fn programs_that_pickle_by_value_or_restrict_imports_go_on() {
    let program = "
import builtins, copy, inspect, pickle
real = builtins.__import__
def only(name, *rest):
    if name not in ('m', 'os', '_io'):
        raise ImportError('not allowed: ' + name)
    return real(name, *rest)
builtins.__import__ = only
import m
builtins.__import__ = real
hidden = {name: value for name, value in vars(m).items() if name.startswith('__equip.')}
for name, value in hidden.items():
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        pickle.loads(pickle.dumps(value, protocol))
    if not isinstance(value, list):
        assert copy.deepcopy(value) is value, name
        assert not inspect.isroutine(value), name
print(m.f(1), len(hidden) > 0)
elsewhere = {name: pickle.loads(pickle.dumps(value)) for name, value in hidden.items()}
print(type(m.f)(m.f.__code__, elsewhere)(2))
";
    for one in interpreters() {
        for plugin in ["callcount", "tracer"] {
            let folder = scratch();
            std::fs::write(
                folder.path().join("m.py"),
                "import os\ndef f(x):\n    return x\n",
            )
            .unwrap();
            ok(equip(folder.path())
                .args(["-q", "--plugin", plugin, "--python"])
                .arg(&one.path)
                .args(["--set", &format!("{plugin}.output=out.txt"), "m.py"]));
            let mut command = python(one, folder.path());
            let output = ok(command.args(["-c", program]));
            assert_eq!(
                text(&output.stdout),
                "1 True\n2\n",
                "{plugin} on {}",
                one.isa.version
            );
        }
    }
}
