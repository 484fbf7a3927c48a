//! The counts of programs of several processes are exact, whole at any moment, and of one run.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::harness::{equip, interpreters, ok, python, scratch, text};
use equip_core::python::Interpreter;
use serde_json::{Value, json};

const MODULE: &str = "
def work(n=1):
    for i in range(n):
        item(i)
    return n

def item(i):
    return i

def fail():
    raise ValueError

def numbers(n):
    for i in range(n):
        yield i
";

fn instrument(one: &Interpreter, folder: &Path, options: &[&str]) {
    std::fs::write(folder.join("mod.py"), MODULE).unwrap();
    let sets = options.iter().flat_map(|option| ["--set", option]);
    ok(equip(folder)
        .args(["-q", "--plugin", "callcount", "mod.py", "--python"])
        .arg(&one.path)
        .args(sets));
}

fn program(one: &Interpreter, folder: &Path, source: &str) -> std::process::Command {
    std::fs::write(folder.join("program.py"), source).unwrap();
    let mut command = python(one, folder);
    command.env_remove("EQUIP_OUTPUT_DIR").arg("program.py");
    command
}

/// The functions of the one instrumented file.
fn counts(folder: &Path) -> BTreeMap<String, Value> {
    let file = folder.join("counts.json");
    let bytes = std::fs::read(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let files: BTreeMap<String, BTreeMap<String, Value>> = serde_json::from_slice(&bytes).unwrap();
    files.into_values().next().unwrap_or_default()
}

/// What callcount left beside `counts.json`.
fn litter(folder: &Path) -> Vec<String> {
    let names = std::fs::read_dir(folder).unwrap().flatten();
    let names = names.map(|entry| entry.file_name().into_string().unwrap());
    names
        .filter(|name| name.contains("counts.json") && name != "counts.json")
        .collect()
}

/// Waits for processes that outlive the first one.
fn finished(folder: &Path) {
    let began = Instant::now();
    while !litter(folder).is_empty() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "left: {:?}",
            litter(folder)
        );
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Name, how often it calls `item`, and the program. Each also has its calls of the parent.
const PROGRAMS: &[(&str, u64, &str)] = &[
    (
        "forked, at the same time, ended by sys.exit",
        5 + 80,
        "
import mod, os, sys
mod.work(3)
for i in range(8):
    if os.fork() == 0:
        mod.work(10)
        sys.exit(0)
mod.work(2)
for i in range(8): os.wait()
",
    ),
    (
        "a child that outlives its parent, and that one's",
        5 + 10 + 7,
        "
import mod, os, subprocess, sys, time
mod.work(3)
if os.fork() == 0:
    time.sleep(0.3)
    mod.work(10)
    subprocess.run([sys.executable, '-c', 'import mod; mod.work(7)'])
    sys.exit(0)
mod.work(2)
",
    ),
    (
        "a daemon",
        3 + 10,
        "
import mod, os, sys, time
mod.work(3)
if os.fork(): sys.exit(0)
os.setsid()
if os.fork(): sys.exit(0)
os.chdir('/')
time.sleep(0.1)
mod.work(10)
",
    ),
    (
        "spawned, one after another, at the same time, through a shell",
        4 + 40,
        "
import mod, subprocess, sys
mod.work(3)
child = [sys.executable, '-c', 'import mod; mod.work(10)']
subprocess.run(child, check=True, env={})
both = [subprocess.Popen(child) for i in range(2)]
for one in both: one.wait()
subprocess.run('\"%s\" -c \"import mod; mod.work(10)\"; true' % sys.executable, shell=True, check=True)
mod.work(1)
",
    ),
    (
        "in the background of a shell that has ended",
        4 + 10,
        "
import mod, os, subprocess, sys, time
os.setsid()
mod.work(3)
child = '\"%s\" -c \"import mod; mod.work(10)\"' % sys.executable
subprocess.run('(sleep 0.2; ' + child + '; touch done)& true', shell=True)
while not os.path.exists('done'): time.sleep(0.02)
os.remove('done')
mod.work(1)
",
    ),
];

const MULTIPROCESSING: &str = "
import multiprocessing, sys, mod
from concurrent.futures import ProcessPoolExecutor
if __name__ == '__main__':
    context = multiprocessing.get_context(sys.argv[1])
    mod.work(3)
    both = [context.Process(target=mod.work, args=(10,)) for i in range(2)]
    for one in both: one.start()
    for one in both: one.join()
    with ProcessPoolExecutor(2, mp_context=context) as executor:
        assert list(executor.map(mod.work, [2] * 10)) == [2] * 10
    pool = context.Pool(2)
    assert pool.map(mod.work, [2] * 10) == [2] * 10
    pool.close()
    pool.join()
";

#[test]
fn of_all_processes_of_a_run_and_of_no_other() {
    for one in interpreters() {
        let folder = scratch();
        instrument(one, folder.path(), &[]);
        for (name, expected, source) in PROGRAMS {
            // Twice: a run does not add to the one before.
            for _ in 0..2 {
                ok(&mut program(one, folder.path(), source));
                finished(folder.path());
                let found = counts(folder.path());
                assert_eq!(found["item"], *expected, "{}: {name}", one.isa.version);
            }
        }
    }
}

#[test]
fn of_multiprocessing() {
    for one in interpreters() {
        let folder = scratch();
        instrument(one, folder.path(), &[]);
        for method in ["fork", "spawn", "forkserver"] {
            ok(program(one, folder.path(), MULTIPROCESSING).arg(method));
            finished(folder.path());
            let found = counts(folder.path());
            assert_eq!(
                found["item"],
                3 + 20 + 20 + 20,
                "{}: {method}",
                one.isa.version
            );
            assert_eq!(found["work"], 1 + 2 + 10 + 10);
        }
    }
}

const EVENTS: &str = "
import mod, os, sys
mod.work(2)
if os.fork() == 0:
    mod.work()
    sys.exit(0)
os.wait()
try:
    mod.fail()
except ValueError:
    pass
list(mod.numbers(3))
";

/// Interpreters of one process share its number, and its locks.
#[test]
fn of_interpreters_that_end_at_once() {
    let source = "
import threading
from concurrent import interpreters
import mod

def run():
    one = interpreters.create()
    barrier.wait()
    one.exec('import mod; mod.item(1)')
    one.close()

barrier = threading.Barrier(8)
threads = [threading.Thread(target=run) for _ in range(8)]
for one in threads: one.start()
for one in threads: one.join()
mod.item(1)
";
    let has_them = |one: &&Interpreter| {
        let folder = scratch();
        let mut asks = python(one, folder.path());
        let asks = asks.args(["-c", "from concurrent import interpreters"]);
        asks.output().unwrap().status.success()
    };
    let with_them: Vec<_> = interpreters().iter().filter(has_them).collect();
    if with_them.is_empty() {
        println!("skipped: no interpreter has concurrent.interpreters");
    }
    for one in with_them {
        for _ in 0..3 {
            let folder = scratch();
            instrument(one, folder.path(), &[]);
            let output = ok(&mut program(one, folder.path(), source));
            assert_eq!(text(&output.stderr), "", "CPython {}", one.isa.version);
            let items = counts(folder.path())["item"].as_u64().unwrap();
            assert_eq!(items, 9, "CPython {}", one.isa.version);
        }
    }
}

#[test]
fn with_returns_where_asked() {
    for one in interpreters() {
        let folder = scratch();
        instrument(one, folder.path(), &["callcount.returns=true"]);
        ok(&mut program(one, folder.path(), EVENTS));
        let expected = json!({
            "work": {"calls": 2, "returns": 2}, "item": {"calls": 3, "returns": 3},
            "fail": {"calls": 1, "returns": 0}, "numbers": {"calls": 1, "returns": 1},
        });
        let found = json!(counts(folder.path()));
        assert_eq!(found, expected, "{}", one.isa.version);
    }
}

#[test]
fn with_raises_and_yields_where_asked() {
    for one in interpreters() {
        let folder = scratch();
        let all = ["returns", "raises", "yields"].map(|name| format!("callcount.{name}=true"));
        instrument(one, folder.path(), &all.each_ref().map(String::as_str));
        ok(&mut program(one, folder.path(), EVENTS));
        let expected = json!({
            "work": {"calls": 2, "returns": 2, "raises": 0, "yields": 0},
            "item": {"calls": 3, "returns": 3, "raises": 0, "yields": 0},
            "fail": {"calls": 1, "returns": 0, "raises": 1, "yields": 0},
            "numbers": {"calls": 1, "returns": 1, "raises": 0, "yields": 3},
        });
        let found = json!(counts(folder.path()));
        assert_eq!(found, expected, "{}", one.isa.version);

        instrument(one, folder.path(), &["callcount.raises=true"]);
        ok(&mut program(one, folder.path(), EVENTS));
        let found = counts(folder.path()).remove("fail");
        assert_eq!(found, Some(json!({"calls": 1, "raises": 1})));
    }
}

#[test]
fn of_two_pipelines_in_one_file() {
    for one in interpreters() {
        let folder = scratch();
        instrument(one, folder.path(), &[]);
        std::fs::write(folder.path().join("other.py"), "def other(): pass\n").unwrap();
        ok(equip(folder.path())
            .args(["-q", "--plugin", "callcount", "other.py", "--python"])
            .arg(&one.path)
            .args(["--set", "callcount.returns=true"]));
        let source = "import mod, other; mod.item(1); other.other()";
        ok(&mut program(one, folder.path(), source));
        assert_eq!(litter(folder.path()), [""; 0]);
        let bytes = std::fs::read(folder.path().join("counts.json")).unwrap();
        let files: BTreeMap<String, Value> = serde_json::from_slice(&bytes).unwrap();
        let found: Vec<_> = files.into_values().collect();
        let expected = [
            json!({"item": 1}),
            json!({"other": {"calls": 1, "returns": 1}}),
        ];
        assert_eq!(found, expected, "{}", one.isa.version);
    }
}

#[test]
fn whole_whoever_is_killed() {
    let one = &interpreters()[0];
    let folder = scratch();
    instrument(one, folder.path(), &[]);
    let source = "
import mod, os, sys
mod.work(3)
for i in range(6):
    if os.fork() == 0:
        mod.work(10)
        sys.exit(0)
for i in range(6): os.wait()
";
    ok(&mut program(one, folder.path(), source));
    let mut wait = Duration::from_millis(20);
    for _ in 0..20 {
        let mut killed = program(one, folder.path(), source).spawn().unwrap();
        let began = Instant::now();
        while began.elapsed() < wait {
            counts(folder.path());
        }
        killed.kill().unwrap();
        killed.wait().unwrap();
        wait += Duration::from_millis(4);
    }
    // What the killed ones left goes with the next run, when their children have ended too.
    std::thread::sleep(Duration::from_millis(500));
    ok(&mut program(one, folder.path(), source));
    assert_eq!(counts(folder.path())["item"], 63);
    assert_eq!(litter(folder.path()), [""; 0]);
}

#[test]
fn where_they_cannot_be_written() {
    for one in interpreters() {
        let folder = scratch();
        instrument(one, folder.path(), &[]);
        let source = "
import mod, os, sys
if os.fork() == 0:
    mod.work()
    sys.exit(0)
os.wait()
sys.exit(5)
";
        let output = program(one, folder.path(), source)
            .env("EQUIP_OUTPUT_DIR", "no/such")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(5));
        let said = text(&output.stderr);
        assert!(
            said.starts_with("callcount: ") && said.contains("no/such/counts.json: No such file"),
            "{said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn the_table() {
    let folder = scratch();
    let file = folder.path().join("counts.json");
    let table = |arguments: &[&str]| {
        equip(folder.path())
            .arg("counts")
            .args(arguments)
            .output()
            .unwrap()
    };
    let missing = table(&[]);
    assert_eq!(missing.status.code(), Some(2));
    assert!(
        text(&missing.stderr).contains("counts.json") && text(&missing.stderr).contains("No such")
    );

    let plain = json!({"b.py": {"one": 1, "two": 2}, "a.py": {"C.much": 1000}});
    std::fs::write(&file, plain.to_string()).unwrap();
    let expected = "
       calls  function  file
        1000  C.much    a.py
           2  two       b.py
        1003  calls of 3 functions
";
    assert_eq!(text(&table(&["--top", "2"]).stdout), expected[1..]);

    let events = json!({"a.py": {
        "g": {"calls": 2, "returns": 1, "yields": 7}, "f": {"calls": 3, "returns": 3, "yields": 0}, "h": 1,
    }});
    std::fs::write(&file, events.to_string()).unwrap();
    let expected = "
       calls     returns      yields  function  file
           3           3           0  f         a.py
           2           1           7  g         a.py
           1           -           -  h         a.py
           6  calls of 3 functions
";
    assert_eq!(text(&table(&["counts.json"]).stdout), expected[1..]);
    let report: Value =
        serde_json::from_slice(&table(&["--report", "json", "--top", "1"]).stdout).unwrap();
    assert_eq!(
        report,
        json!({
            "functions": 3, "calls": 6,
            "rows": [{"file": "a.py", "function": "f", "calls": 3, "returns": 3, "yields": 0}],
        })
    );

    for wrong in [
        "",
        "[]",
        r#"{"a.py": {"f": -1}}"#,
        r#"{"a.py": {"f": {"call": 1}}}"#,
    ] {
        std::fs::write(&file, wrong).unwrap();
        let refused = table(&[]);
        assert_eq!(refused.status.code(), Some(2), "{wrong}");
        let said = text(&refused.stderr);
        assert!(
            said.contains("counts.json: not a file of counts") && said.contains("line 1"),
            "{said}"
        );
    }
}
