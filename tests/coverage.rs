//! Coverage: lines and branches are those that CPython tells, whatever way a program goes and ends.

use crate::harness;
use std::path::Path;
use std::process::Command;

use crate::harness::{
    Programs, instrument, interpreters, notices_calls, ok, python, root, same_behaviour, scratch,
    start, text,
};
use equip_core::python::Interpreter;

/// What a program says differs, and the numbers of lines and branches compared.
fn compared(
    one: &Interpreter,
    plain: &Path,
    name: &str,
    data: &Path,
    mode: &str,
) -> (String, String) {
    let oracle = root().join("tests/oracle/coverage.py");
    let mut command = python(one, plain);
    command
        .arg("-B")
        .arg(oracle)
        .args([plain, Path::new(name), data]);
    if mode == "counts" {
        command.arg(mode);
    }
    let said = text(&ok(&mut command).stdout);
    let (differences, numbers) = said.rsplit_once("compared ").expect("the last line");
    (differences.to_owned(), numbers.trim().to_owned())
}

/// Programs that set trace functions or count frames themselves, or in which a trace function changes what runs.
fn is_traceable(program: &Path) -> bool {
    !notices_calls(program)
        && ![
            "exits_status",
            "exits_interrupted",
            "exits_stress",
            "tracebacks",
        ]
        .contains(&harness::name_of(program))
}

fn agrees(mode: &str, chosen: impl Fn(&Path) -> bool + Copy) {
    let mut wrong = String::new();
    let found = interpreters();
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    for (index, one) in found.iter().enumerate() {
        // Counts take long: on the oldest and the newest, if not all is asked for.
        if mode == "counts" && !all && index != 0 && index + 1 != found.len() {
            continue;
        }
        let plain = Programs::for_version(one, chosen);
        let measured = Programs::for_version(one, chosen);
        let option = format!("coverage.mode=\"{mode}\"");
        instrument(
            one,
            measured.folder.path(),
            &["--plugin", "coverage", "--set", &option],
        );
        let (mut lines, mut branches) = (0, 0);
        for name in &measured.names {
            let data = measured.folder.path().join("equip-coverage");
            let _ = std::fs::remove_dir_all(&data);
            // Imported, as the oracle does: what is run as `__main__` has no file of bytecode.
            let program = format!("import {name}");
            let mut command = python(one, measured.folder.path());
            command.args(["-B", "-c", &program]).output().unwrap();
            let (differences, numbers) = compared(one, plain.folder.path(), name, &data, mode);
            for line in differences.lines() {
                wrong += &format!("CPython {}: {line}\n", one.isa.version);
            }
            let mut numbers = numbers
                .split(' ')
                .map(|number| number.parse::<usize>().unwrap());
            lines += numbers.next().unwrap();
            branches += numbers.next().unwrap();
        }
        assert!(
            lines > 100 && branches > 20,
            "{lines} lines, {branches} branches"
        );
        println!(
            "CPython {}: {lines} lines and {branches} branches of {} programs as sys.settrace tells them ({mode})",
            one.isa.version,
            measured.names.len()
        );
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn lines_and_branches_are_those_that_are_traced() {
    agrees("hits", is_traceable);
}

#[test]
fn counts_are_those_that_are_traced() {
    // Under a trace function CPython 3.12 tells the line of a call again where it has started a coroutine; and the
    // code of bounds and aliases has the line of the statement that holds it, which traces of it do not say.
    let apart = ["exits_coroutines", "generics"];
    agrees("counts", |program| {
        is_traceable(program) && !apart.contains(&harness::name_of(program))
    });
}

/// A function that forks goes on in two processes, and one that still runs at the end has not come back.
#[test]
fn counts_of_all_processes_are_those_of_what_ran() {
    const PROGRAM: &str = "\
import os, threading, time
def work(n):
    for i in range(n):
        if i == 2:
            pid = os.fork()
            if pid == 0:
                rest(i)
        rest(i)
    return n

def rest(i):
    return i

def never():
    rest(1)
    started.set()
    time.sleep(1000)
    rest(2)

started = threading.Event()
threading.Thread(target=never, daemon=True).start()
started.wait()
time.sleep(0.1)
first = os.getpid()
work(4)
if os.getpid() != first:
    os._exit(0)
os.wait()
";
    // Of parent, child and thread.
    let expected = [
        (3, 5 + 2),
        (4, 4 + 1),
        (5, 1),
        (6, 2),
        (7, 1),
        (8, 4 + 2),
        (9, 2),
        (12, 4 + 3 + 1),
        (15, 1),
        (16, 1),
        (17, 1),
        (18, 0),
        (25, 1),
        (26, 2),
        (27, 1),
        (28, 1),
    ];
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), PROGRAM).unwrap();
        let told = counted(one, folder.path());
        for (line, count) in expected {
            let wanted = format!("DA:{line},{count}\n");
            let version = one.isa.version;
            assert!(told.contains(&wanted), "{version}: no {wanted}{told}");
        }
    }
}

/// What LCOV tells of the program `m` of a folder, with counts.
fn counted(one: &Interpreter, folder: &Path) -> String {
    let option = ["--plugin", "coverage", "--set", "coverage.mode=\"counts\""];
    instrument(one, folder, &option);
    let mut program = python(one, folder);
    ok(program.args(["-B", "-c", "import m"]));
    let mut lcov = Command::new(env!("CARGO_BIN_EXE_equip"));
    lcov.args(["coverage", "lcov", "-o", "-"]);
    text(&ok(lcov.current_dir(folder)).stdout)
}

/// Where there is no room for one more call, what an exception leaves is counted all the same.
#[test]
fn counts_are_right_at_the_limit_of_recursion() {
    const PROGRAM: &str = "\
deep = 0

def endless(n):
    global deep
    deep += 1
    return endless(n)

try:
    endless(0)
except RecursionError:
    open('deep', 'w').write(str(deep))
";
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), PROGRAM).unwrap();
        let told = counted(one, folder.path());
        let deep = std::fs::read_to_string(folder.path().join("deep")).unwrap();
        let deep: u64 = deep.parse().expect("a number");
        assert!(deep > 500, "{deep}");
        for line in [5, 6] {
            let wanted = format!("DA:{line},{deep}\n");
            assert!(
                told.contains(&wanted),
                "{}: no {wanted}{told}",
                one.isa.version
            );
        }
    }
}

#[test]
fn programs_do_what_they_did() {
    same_behaviour(
        &[&["--plugin", "coverage", "--plugin", "callcount"]],
        |_| true,
    );
}

/// Processes of all kinds leave a file each, however they end.
#[test]
fn each_process_leaves_its_data() {
    const PROGRAM: &str = "\
import os, subprocess, sys, threading, time

def leaves(way):
    if way == 'fork':
        if os.fork() == 0:
            only_in_the_child()
            os._exit(0)
        os.wait()
    elif way == 'spawn':
        subprocess.run([sys.executable, '-c', 'import program; program.only_in_the_child()'], check=True)
    elif way == 'pool':
        import multiprocessing
        with multiprocessing.get_context('fork').Pool(2) as pool:
            pool.map(only_in_a_worker, [1, 2, 3])
            pool.close()
            pool.join()
    elif way == 'thread':
        threading.Thread(target=never_ends, daemon=True).start()
        time.sleep(0.2)
    elif way == 'exit':
        sys.exit(3)
    elif way == 'hard':
        before = 1
        os._exit(
            4)
    elif way == 'error':
        raise ValueError

def only_in_the_child():
    return 'child'

def only_in_a_worker(n):
    return n

def never_ends():
    first = 1
    time.sleep(1000)
    last = 2
";
    let reached: &[(&str, &[u32], i32)] = &[
        ("fork", &[4, 5, 6, 7, 30], 0),
        ("spawn", &[9, 10, 30], 0),
        ("pool", &[12, 13, 14, 15, 16, 33], 0),
        ("thread", &[18, 19, 36, 37], 0),
        ("exit", &[21], 3),
        ("hard", &[23, 24], 4),
        ("error", &[27], 1),
    ];
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("program.py"), PROGRAM).unwrap();
        instrument(one, folder.path(), &["--plugin", "coverage"]);
        for (way, lines, status) in reached {
            let data = folder.path().join("equip-coverage");
            let _ = std::fs::remove_dir_all(&data);
            let code = format!("import program; program.leaves('{way}')");
            let output = python(one, folder.path())
                .args(["-c", &code])
                .output()
                .unwrap();
            let said = text(&output.stderr);
            assert_eq!(output.status.code(), Some(*status), "{way}: {said}");
            let hit = hits(&data);
            for line in *lines {
                assert!(
                    hit.contains(line),
                    "{}: {way}: line {line} of {hit:?}",
                    one.isa.version
                );
            }
            let never: &[u32] = if *way == "thread" {
                &[38]
            } else {
                &[36, 37, 38]
            };
            assert!(
                !never.iter().any(|line| hit.contains(line)),
                "{way}: {hit:?}"
            );
        }
    }
}

/// The lines that all files of a folder say were hit.
fn hits(data: &Path) -> Vec<u32> {
    let mut hit = Vec::new();
    for entry in std::fs::read_dir(data).expect("data").flatten() {
        let file = std::fs::read_to_string(entry.path()).unwrap();
        let file: serde_json::Value = serde_json::from_str(&file).unwrap();
        assert_eq!(file["format"], "equip coverage 1");
        for module in file["modules"].as_array().unwrap() {
            for line in module["map"]["lines"].as_array().unwrap() {
                let mut terms = line[1].as_array().unwrap().iter();
                if terms.any(|term| module["counts"][term.as_u64().unwrap() as usize] != 0) {
                    hit.push(line[0].as_u64().unwrap() as u32);
                }
            }
        }
    }
    hit
}

/// Fewer probes than lines, let alone branches.
#[test]
fn a_function_has_as_few_probes_as_its_flow_allows() {
    // Each leaf of the tree of conditionals needs one; all else follows.
    let source = "\
def f(a, b):
    x = a.one()
    y = a.two(x)
    if b:
        z = a.three(y)
        w = a.four(z)
    else:
        z = a.five(y)
        w = a.six(z)
    return (x, w)
";
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), source).unwrap();
        instrument(one, folder.path(), &["--plugin", "coverage"]);
        let mut dis = Command::new(env!("CARGO_BIN_EXE_equip"));
        let target = format!("{}:f", folder.path().join("m.py").display());
        let listing = text(&ok(dis.arg("dis").arg(target)).stdout);
        // Those that note exceptions do not run otherwise.
        let noting = listing.matches("tb_lineno").count();
        let stores = listing.matches("STORE_SUBSCR").count() - noting;
        // Two where the compiler has copied the return into both arms.
        assert!(
            (2..=3).contains(&stores),
            "CPython {}:\n{listing}",
            one.isa.version
        );
    }
}

/// What is not to be found in the data must not be invented: a module that is only imported.
#[test]
fn what_never_runs_is_told_as_never_hit() {
    for one in interpreters() {
        let folder = scratch();
        let source = "from __future__ import annotations\nX = 1\n\ndef f():\n    return X\n";
        std::fs::write(folder.path().join("m.py"), source).unwrap();
        std::fs::write(folder.path().join("main.py"), "import m\n").unwrap();
        instrument(one, folder.path(), &["--plugin", "coverage"]);
        let output = start(one, folder.path(), "main");
        assert!(output.status.success());
        let mut hit = hits(&folder.path().join("equip-coverage"));
        hit.sort_unstable();
        assert_eq!(hit.iter().filter(|line| **line != 1).count(), 2, "{hit:?}");
        assert!(hit.contains(&1) && hit.contains(&2) && hit.contains(&4) && !hit.contains(&5));
    }
}
