//! Whatever the input or the machine does, the user is told, and nothing is lost.

use crate::harness;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::harness::{equip, interpreters, ok, python, scratch, text};

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

/// All files below a folder with their bytes.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut todo = vec![folder.to_owned()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.file_type().unwrap().is_dir() {
                true => todo.push(entry.path()),
                false => drop(all.insert(entry.path(), std::fs::read(entry.path()).unwrap())),
            }
        }
    }
    all
}

#[test]
fn files_cut_at_every_byte_stay_as_they_are_and_the_whole_one_is_done() {
    for one in interpreters() {
        let folder = scratch();
        let whole = harness::compile(one, "def f(a, b='x'):\n    return [a, b, 1.5]\n", "f.py");
        for len in 0..whole.len() {
            std::fs::write(folder.path().join(format!("cut{len}.pyc")), &whole[..len]).unwrap();
        }
        std::fs::write(folder.path().join("whole.pyc"), &whole).unwrap();
        let before = files(folder.path());
        let output = equip(folder.path())
            .args(["--plugin", "callcount", ".", "--python"])
            .arg(&one.path)
            .output()
            .unwrap();
        let said = said(&output);
        assert_eq!(output.status.code(), Some(1), "{said}");
        for len in 0..whole.len() {
            let name = format!("cut{len}.pyc");
            assert!(said.contains(&name), "{name} is not named in {said}");
            let path = folder.path().join(&name);
            assert_eq!(std::fs::read(&path).unwrap(), before[&path]);
        }
        let now = std::fs::read(folder.path().join("whole.pyc")).unwrap();
        assert!(now != whole, "{said}");
        let run = "import whole; print(whole.f(1))";
        let output = ok(python(one, folder.path()).args(["-c", run]));
        assert_eq!(text(&output.stdout), "[1, 'x', 1.5]\n");
    }
}

#[test]
fn what_is_no_bytecode_is_named_with_what_it_is() {
    let one = &interpreters()[0];
    let whole = harness::compile(one, "x = 1\n", "x.py");
    let with_magic = |number: u16| {
        let mut bytes = whole.clone();
        bytes[..2].copy_from_slice(&number.to_le_bytes());
        bytes
    };
    let mut flags = whole.clone();
    flags[4] = 0xFF;
    let mut wrong = whole.clone();
    wrong[16] = b'i';
    let cases = [
        ("empty", Vec::new(), "not a pyc"),
        ("text", b"print('hello, world')\n".to_vec(), "not a pyc"),
        ("py37", with_magic(3394), "CPython 3.7"),
        ("py310", with_magic(3439), "CPython 3.10"),
        ("future", with_magic(3899), "unsupported magic number 3899"),
        ("flags", flags, "invalid flags"),
        ("integer", wrong, "no code object"),
    ];
    for (name, bytes, expected) in cases {
        let folder = scratch();
        let path = folder.path().join(name).with_extension("pyc");
        std::fs::write(&path, &bytes).unwrap();
        for command in [
            &["--plugin", "callcount"][..],
            &["verify"],
            &["decls"],
            &["dis"],
        ] {
            let output = equip(folder.path())
                .args(command)
                .arg(&path)
                .output()
                .unwrap();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{name} {command:?}: {said}");
            assert!(
                said.contains(expected) && said.contains(name),
                "{name} {command:?}: {said}"
            );
            assert!(!said.contains("panicked"), "{said}");
        }
        assert_eq!(files(folder.path()), BTreeMap::from([(path, bytes)]));
    }
}

/// Many modules, compiled.
fn many(one: &equip_core::python::Interpreter, folder: &Path, count: usize) {
    for number in 0..count {
        let source = format!("def f{number}(x):\n    return x + {number}\n");
        std::fs::write(folder.join(format!("m{number}.py")), source).unwrap();
    }
    ok(python(one, folder).args(["-m", "compileall", "-q", "."]));
}

/// The originals, by the name of the module: what equip keeps, or what is in place untouched.
fn assert_nothing_is_lost(folder: &Path, before: &BTreeMap<PathBuf, Vec<u8>>, what: &str) {
    let now = files(folder);
    for (path, bytes) in before {
        let mut kept = path.clone().into_os_string();
        kept.push(".equip-original");
        let kept = now.get(Path::new(&kept));
        let in_place = now.get(path);
        assert!(
            kept == Some(bytes) || in_place == Some(bytes),
            "{what}: the original of {} is gone",
            path.display()
        );
        assert!(in_place.is_some(), "{what}: {} is gone", path.display());
    }
    // What is in place is whole: the verifier reads and judges all of it.
    let verify = equip(folder).args(["verify", "."]).output().unwrap();
    assert_eq!(verify.status.code(), Some(0), "{what}: {}", said(&verify));
}

#[test]
fn killed_at_any_moment() {
    for one in interpreters() {
        let folder = scratch();
        many(one, folder.path(), 60);
        let before = files(folder.path());
        let start = |folder: &Path| {
            let mut command = equip(folder);
            command
                .args(["-q", "--plugin", "callcount", ".", "--python"])
                .arg(&one.path);
            command
        };
        let begin = std::time::Instant::now();
        ok(&mut start(folder.path()));
        let whole = begin.elapsed();
        ok(equip(folder.path()).args(["-q", "restore", "."]));
        assert_eq!(files(folder.path()), before);
        // Most of the time is for starting; the writing is at the end.
        let moments = (0..20).map(|n| whole * (60 + 2 * n) / 100);
        let mut killed = 0;
        for moment in moments {
            let mut child = start(folder.path())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            std::thread::sleep(moment);
            let _ = child.kill();
            killed += usize::from(!child.wait().unwrap().success());
            assert_nothing_is_lost(folder.path(), &before, "killed");
            ok(&mut start(folder.path()));
            ok(equip(folder.path()).args(["-q", "restore", "."]));
            assert_eq!(files(folder.path()), before, "run again, then restored");
        }
        println!("CPython {}: killed {killed} of 20 times", one.isa.version);
    }
}

#[test]
fn cut_off_by_the_system_while_writing() {
    let one = &interpreters()[0];
    let folder = scratch();
    let long: String = (0..400)
        .map(|n| format!("def f{n}(x): return x + {n}\n"))
        .collect();
    std::fs::write(folder.path().join("long.py"), long).unwrap();
    many(one, folder.path(), 3);
    let before = files(folder.path());
    // The limit is in blocks of 1024 bytes: small files fit, the long one does not.
    let program = format!(
        "ulimit -f 16; exec '{}' -q --plugin callcount . --python '{}'",
        env!("CARGO_BIN_EXE_equip"),
        one.path.display()
    );
    let mut shell = Command::new("sh");
    let equip = equip(folder.path());
    for (name, value) in equip.get_envs().filter_map(|(n, v)| Some((n, v?))) {
        shell.env(name, value);
    }
    let output = shell
        .current_dir(folder.path())
        .args(["-c", &program])
        .output()
        .unwrap();
    assert!(!output.status.success(), "{}", said(&output));
    assert_nothing_is_lost(folder.path(), &before, "cut off");
}

/// A small file system of its own, where this machine lets us have one.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Option<Disk> {
        let folder = scratch();
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(folder.path())
            .output();
        mount
            .is_ok_and(|output| output.status.success())
            .then_some(Disk(folder))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.0.path()).status();
    }
}

#[test]
fn on_a_full_disk() {
    let one = &interpreters()[0];
    let Some(disk) = Disk::new("1m") else {
        println!("full disk: skipped, no file system can be mounted here");
        return;
    };
    let folder = disk.0.path();
    many(one, folder, 20);
    let before = files(folder);
    let ballast = folder.join("ballast");
    // Less and less room: none, then some.
    for left in [0usize, 4096, 16384, 40960] {
        let mut size = 1 << 20;
        std::fs::remove_file(&ballast).ok();
        while std::fs::write(&ballast, vec![0; size]).is_err() {
            size -= 4096;
        }
        std::fs::write(&ballast, vec![0; size.saturating_sub(left)]).unwrap();
        let output = equip(folder)
            .args(["--plugin", "callcount", ".", "--python"])
            .arg(&one.path)
            .output()
            .unwrap();
        let said = said(&output);
        std::fs::remove_file(&ballast).unwrap();
        assert_eq!(output.status.code(), Some(1), "{left} bytes left: {said}");
        assert!(said.contains("No space left"), "{left} bytes left: {said}");
        assert_nothing_is_lost(folder, &before, "full disk");
        let staged = files(folder)
            .keys()
            .filter(|path| path.to_string_lossy().contains("staged"))
            .count();
        assert_eq!(staged, 0, "nothing half-written stays");
        ok(equip(folder).args(["-q", "restore", "."]));
        assert_eq!(files(folder), before, "restored");
    }
    ok(equip(folder)
        .args(["-q", "--plugin", "callcount", ".", "--python"])
        .arg(&one.path));
}

#[test]
fn in_a_folder_that_cannot_be_read() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let one = &interpreters()[0];
    let folder = scratch();
    let pyc = harness::compile(one, "x = 1\n", "x.py");
    let locked = folder.path().join("locked");
    std::fs::create_dir(&locked).unwrap();
    std::fs::write(folder.path().join("open.pyc"), &pyc).unwrap();
    let mode = |path: &Path, mode| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    mode(folder.path(), 0o755);
    mode(&locked, 0o000);
    // The superuser may read everything; then another user's eyes are needed.
    let is_root = std::fs::read_dir(&locked).is_ok();
    let binary = folder.path().join("equip");
    std::fs::copy(env!("CARGO_BIN_EXE_equip"), &binary).unwrap();
    let mut command = Command::new(&binary);
    command.args(["verify", "."]).current_dir(folder.path());
    if is_root {
        command.uid(65534).gid(65534);
    }
    let output = command.output();
    mode(&locked, 0o755);
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            println!("unreadable folder: skipped, no other user to be: {error}");
            return;
        }
    };
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(
        said.contains("locked") && said.contains("Permission denied"),
        "{said}"
    );
}

/// Whoever is last wins; what is kept is the original all the same.
#[test]
fn two_runs_at_once() {
    let one = &interpreters()[0];
    for round in 0..4 {
        let folder = scratch();
        many(one, folder.path(), 40);
        let before = files(folder.path());
        let start = |options: &[&str]| {
            let mut command = equip(folder.path());
            command
                .args(["-q", "--python"])
                .arg(&one.path)
                .args(options)
                .arg(".");
            command.stderr(Stdio::piped()).spawn().unwrap()
        };
        let runs = [
            start(&["--plugin", "callcount"]),
            start(&["--plugin", "callcount", "--set", "callcount.returns=true"]),
        ];
        for run in runs {
            let output = run.wait_with_output().unwrap();
            assert_eq!(
                output.status.code(),
                Some(0),
                "round {round}: {}",
                said(&output)
            );
        }
        ok(equip(folder.path()).args(["-q", "restore", "."]));
        assert!(files(folder.path()) == before, "round {round}");
    }
}

/// What an instrumented file was made from comes back whatever has become of that file.
#[test]
fn an_instrumented_file_that_is_damaged() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), "def f():\n    return 1\n").unwrap();
        ok(python(one, folder.path()).args(["-m", "compileall", "-q", "."]));
        let before = files(folder.path());
        let instrument = || {
            let options = ["-q", "--plugin", "callcount", ".", "--python"];
            ok(equip(folder.path()).args(options).arg(&one.path));
        };
        instrument();
        let whole = files(folder.path());
        let path = (before
            .keys()
            .find(|path| path.extension() == Some("pyc".as_ref())))
        .unwrap();
        let bytes = &whole[path];
        let len = bytes.len();
        let mut flipped = bytes.clone();
        flipped[len - 3] ^= 0x10;
        let damages = [1, 12, 60, len / 2, len - 20].map(|cut| bytes[..len - cut].to_vec());
        for damaged in damages.into_iter().chain([flipped]) {
            std::fs::write(path, &damaged).unwrap();
            let output = equip(folder.path()).args(["status", "."]).output().unwrap();
            assert!(said(&output).contains("damaged"), "{}", said(&output));
            instrument();
            assert!(files(folder.path()) == whole);
            std::fs::write(path, &damaged).unwrap();
            ok(equip(folder.path()).args(["-q", "restore", "."]));
            assert!(files(folder.path()) == before);
            instrument();
        }
    }
}

/// Bytecode that was unsound before is no bug of equip or of a plugin, and the other files are done.
#[test]
fn bytecode_that_was_unsound_before() {
    for one in interpreters() {
        let folder = scratch();
        let write = r#"
import importlib.util, marshal
good = compile('class A:\n    def f(self): return 1\n', 'm.py', 'exec')
bad = good.replace(co_consts=tuple(
    one.replace(co_names=()) if hasattr(one, 'co_code') else one for one in good.co_consts))
for name, code in [('bad', bad), ('good', good)]:
    with open(name + '.pyc', 'wb') as file:
        file.write(importlib.util.MAGIC_NUMBER + bytes(12) + marshal.dumps(code))
"#;
        ok(python(one, folder.path()).args(["-c", write]));
        let bad = std::fs::read(folder.path().join("bad.pyc")).unwrap();
        let allsites = harness::library("allsites");
        for plugin in ["coverage".as_ref(), allsites.as_path()] {
            let output = equip(folder.path())
                .arg("--plugin")
                .arg(plugin)
                .args([".", "--python"])
                .arg(&one.path)
                .output()
                .unwrap();
            let said = said(&output);
            assert_eq!(output.status.code(), Some(1), "{said}");
            assert!(
                said.contains("was unsound before: A:") && said.contains("undamaged copy"),
                "{said}"
            );
            assert!(said.contains("1 of 2 files instrumented"), "{said}");
            assert!(std::fs::read(folder.path().join("bad.pyc")).unwrap() == bad);
        }
    }
}

/// Folders of bytecode that are links, and files that are no files.
#[test]
fn links_and_pipes() {
    let one = &interpreters()[0];
    let folder = scratch();
    let app = folder.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::create_dir(folder.path().join("cache")).unwrap();
    std::os::unix::fs::symlink("../cache", app.join("__pycache__")).unwrap();
    std::fs::write(app.join("m.py"), "def f():\n    return 1\n").unwrap();
    for name in ["pipe.py", "pipe.pyc", "__pycache__/m.pyc"] {
        ok(Command::new("mkfifo").arg(app.join(name)));
    }
    let cached = || {
        std::fs::read_dir(folder.path().join("cache"))
            .unwrap()
            .count()
    };
    let options = ["-q", "--plugin", "callcount", "app", "--python"];
    ok(equip(folder.path()).args(options).arg(&one.path));
    assert_eq!(cached(), 3);
    for command in ["status", "decls", "verify"] {
        let output = ok(equip(folder.path())
            .args([command, "app", "--python"])
            .arg(&one.path));
        assert!(!said(&output).contains("pipe"), "{}", said(&output));
    }
    let output = ok(equip(folder.path()).args(["restore", "app"]));
    assert!(
        said(&output).contains("1 files restored"),
        "{}",
        said(&output)
    );
    assert_eq!(cached(), 1);
    let output = equip(folder.path())
        .args(["restore", "app/nothing"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(
        said(&output).contains("app/nothing: No such file"),
        "{}",
        said(&output)
    );
}
