//! What all tests share: interpreters, programs, plugins, scratch folders.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::{Mutex, OnceLock};

use equip_core::isa::{self, Isa};
use equip_core::python::{Interpreter, Search};

/// Where interpreters are found: as equip does, and in the folders of `EQUIP_TEST_PYTHONS`.
pub fn search() -> Search {
    let mut search = Search::from_environment(None);
    search.virtual_env = None;
    if let Some(more) = std::env::var_os("EQUIP_TEST_PYTHONS") {
        search.path.extend(std::env::split_paths(&more));
    }
    search
}

/// One interpreter of each supported version that this machine has. Says which; fails without any.
pub use equip_testing::interpreters;

/// Debug builds of CPython, whose own asserts judge bytecode: `pythonX.Y-dbg`, where the other
/// interpreters are. Says which.
pub fn debug_interpreters() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    FOUND.get_or_init(|| {
        let path = search().path;
        let candidates = |isa: &Isa| {
            let name = format!("python{}-dbg", isa.version);
            let found: Vec<_> = path.iter().map(|dir| dir.join(&name)).collect();
            found.into_iter().filter(|path| path.is_file())
        };
        let builds = isa::ALL
            .iter()
            .filter_map(|isa| candidates(isa).find_map(|path| Interpreter::probe(&path).ok()));
        let found: Vec<_> = builds.collect();
        let versions: Vec<_> = found
            .iter()
            .map(|python| python.isa.version.to_string())
            .collect();
        match versions.is_empty() {
            true => println!("debug builds: skipped, none found"),
            false => println!("debug builds: {}", versions.join(" ")),
        }
        found
    })
}

/// The repository.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("cli is in the repository")
}

/// A plugin's library: beside this test, where cargo puts what a test depends on.
pub fn library(name: &str) -> PathBuf {
    let file = equip_core::plugin::file_name(name);
    let deps = std::env::current_exe()
        .expect("a running test")
        .parent()
        .expect("a folder")
        .to_owned();
    let candidates = [deps.join(&file), deps.join("..").join(&file)];
    candidates
        .iter()
        .find(|path| path.is_file())
        .unwrap_or_else(|| panic!("{file} is not built: cargo build -p {name}"))
        .clone()
}

/// A folder that goes away.
pub fn scratch() -> tempfile::TempDir {
    tempfile::Builder::new()
        .prefix("equip-test-")
        .tempdir()
        .expect("a temporary folder")
}

/// The `equip` binary, with a cache and plugins of its own.
pub fn equip(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_equip"));
    let mut path: Vec<PathBuf> = std::env::var_os("PATH")
        .map(|p| std::env::split_paths(&p).collect())
        .unwrap_or_default();
    if let Some(more) = std::env::var_os("EQUIP_TEST_PYTHONS") {
        path.extend(std::env::split_paths(&more));
    }
    command.env("PATH", std::env::join_paths(path).expect("no separators"));
    command.env("XDG_CACHE_HOME", cache()).env(
        "EQUIP_PLUGIN_PATH",
        library("callcount").parent().expect("a folder"),
    );
    command.env_remove("VIRTUAL_ENV");
    command.current_dir(folder);
    command
}

fn cache() -> &'static Path {
    static CACHE: OnceLock<tempfile::TempDir> = OnceLock::new();
    CACHE.get_or_init(scratch).path()
}

/// An interpreter, unaffected by this process's environment.
pub fn python(interpreter: &Interpreter, folder: &Path) -> Command {
    let mut command = Command::new(&interpreter.path);
    command
        .current_dir(folder)
        .env_remove("PYTHONPATH")
        .env_remove("PYTHONHOME");
    command
        .env_remove("PYTHONDONTWRITEBYTECODE")
        .env_remove("PYTHONPYCACHEPREFIX");
    command
}

/// Runs a command; says all of it where it does not end well.
pub fn ok(command: &mut Command) -> Output {
    let output = command.output().expect("it starts");
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    );
    output
}

/// The version that a program's first line asks for: `# requires: 3.12`.
fn requires(program: &Path) -> (u8, u8) {
    let text = std::fs::read_to_string(program).expect("readable");
    let line = text.lines().next().unwrap_or_default();
    let version = line
        .strip_prefix("# requires: 3.")
        .and_then(|minor| minor.trim().parse().ok());
    (3, version.unwrap_or(11))
}

/// All of a folder of programs.
fn programs(folder: &str) -> Vec<PathBuf> {
    let mut all: Vec<_> = std::fs::read_dir(root().join(folder))
        .expect("readable")
        .flatten()
        .map(|e| e.path())
        .collect();
    all.retain(|path| path.extension().is_some_and(|e| e == "py"));
    all.sort();
    assert!(!all.is_empty(), "{folder}: programs are missing");
    all
}

/// Programs in a folder of their own, compiled.
pub struct Programs<'p> {
    /// Where they are.
    pub folder: tempfile::TempDir,
    /// Their names as modules.
    pub names: Vec<String>,
    python: &'p Interpreter,
}

impl<'p> Programs<'p> {
    /// Those of `tests/programs` that an interpreter can run, of those chosen.
    pub fn for_version(python: &'p Interpreter, chosen: impl Fn(&Path) -> bool) -> Programs<'p> {
        let folder = "tests/programs";
        assert!(programs(folder).len() >= 5, "programs are missing");
        Programs::of_folders(python, &[folder], chosen)
    }

    /// Those of some folders that an interpreter can run, of those chosen.
    pub fn of_folders(
        python: &'p Interpreter,
        folders: &[&str],
        chosen: impl Fn(&Path) -> bool,
    ) -> Programs<'p> {
        let version = (python.isa.version.0, python.isa.version.1);
        let folder = scratch();
        let mut names = Vec::new();
        for program in folders.iter().flat_map(|folder| programs(folder)) {
            if requires(&program) > version {
                continue;
            }
            // Programs import one another: all are there.
            let file = program.file_name().expect("a file");
            std::fs::copy(&program, folder.path().join(file)).expect("copied");
            if chosen(&program) {
                let stem = program.file_stem().expect("a name");
                names.push(stem.to_string_lossy().into_owned());
            }
        }
        // Compiling may warn, which neither run then does.
        let compiling = ["-W", "ignore", "-m", "compileall", "-q", "."];
        ok(self::python(python, folder.path()).args(compiling));
        Programs {
            folder,
            names,
            python,
        }
    }

    /// What each of them does as things stand in the folder.
    pub fn run(&self) -> Vec<String> {
        self.names.iter().map(|name| self.run_one(name)).collect()
    }

    /// What each of them does before anything is instrumented: found out once, for all tests.
    pub fn run_plain(&self) -> Vec<String> {
        static KNOWN: OnceLock<Mutex<HashMap<(PathBuf, String), String>>> = OnceLock::new();
        let known = || KNOWN.get_or_init(Mutex::default).lock().expect("no panic");
        let one = |name: &String| {
            let key = (self.python.path.clone(), name.clone());
            let before = known().get(&key).cloned();
            before.unwrap_or_else(|| {
                let now = self.run_one(name);
                known().insert(key, now.clone());
                now
            })
        };
        self.names.iter().map(one).collect()
    }

    fn run_one(&self, name: &str) -> String {
        let folder = self.folder.path();
        let all = shown(&start(self.python, folder, name));
        all.replace(&folder.display().to_string(), "FOLDER")
    }
}

/// What an oracle of `tests/oracle` tells of modules of a folder: of the source (`plain`), or by probes (`probed`).
pub fn told(one: &Interpreter, folder: &Path, oracle: &str, how: &str, names: &[String]) -> String {
    let file = folder.join("told.txt");
    drop(std::fs::remove_file(&file));
    let mut command = python(one, folder);
    command.env("PYTHONHASHSEED", "0").arg("-B");
    command.arg(root().join("tests/oracle").join(oracle));
    ok(command.arg(how).arg(&file).args(names));
    std::fs::read_to_string(file).expect("written")
}

/// A program's name as a module.
pub fn name_of(program: &Path) -> &str {
    program
        .file_stem()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
}

/// Probes that call functions of their own, at the depth where nothing more can be called, fail in
/// the program's stead; and who traces sees calls.
pub fn notices_calls(program: &Path) -> bool {
    [
        "exits_recursion",
        "exits_trace",
        "exits_traced_calls",
        "exits_traced_hook",
        "exits_monitoring",
        "exits_jumps",
        "exits_deep_jump",
        "line_events",
        "frames",
    ]
    .contains(&name_of(program))
}

/// What programs do is the same with each of some pipelines, on every interpreter and debug build.
pub fn same_behaviour(pipelines: &[&[&str]], chosen: impl Fn(&Path) -> bool) {
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    // If not all is asked for, of several pipelines all on the oldest and the newest interpreter, and elsewhere
    // the first; of debug builds, which are slow, one: another for other pipelines.
    let found = interpreters();
    let some = if all { pipelines } else { &pipelines[..1] };
    let builds = found.iter().enumerate().map(|(index, python)| {
        let ends = index == 0 || index + 1 == found.len();
        (python, if ends { pipelines } else { some })
    });
    let found = debug_interpreters();
    let mut hasher = DefaultHasher::new();
    // Not by paths, which are others each time.
    let options = pipelines.iter().copied().flatten();
    options
        .filter(|option| !option.contains('/'))
        .for_each(|option| option.hash(&mut hasher));
    let turn = hasher.finish() as usize % found.len().max(1);
    let debug = found
        .iter()
        .enumerate()
        .filter_map(|(index, python)| (all || index == turn).then_some((python, some)));
    for (python, pipelines) in builds.chain(debug) {
        let programs = Programs::for_version(python, &chosen);
        let plain = programs.run_plain();
        let mut wrong = Vec::new();
        for pipeline in pipelines {
            let options = pipeline.join(" ");
            instrument(python, programs.folder.path(), pipeline);
            for ((name, plain), instrumented) in
                programs.names.iter().zip(&plain).zip(programs.run())
            {
                if instrumented != *plain {
                    wrong.push(format!(
                        "{name} with {options}: {}",
                        difference(plain, &instrumented)
                    ));
                }
            }
            println!(
                "{}: {} programs with {options}",
                python.path.display(),
                plain.len()
            );
        }
        assert!(
            wrong.is_empty(),
            "{}:\n{}",
            python.path.display(),
            wrong.join("\n")
        );
    }
}

/// The first line in which two texts differ, and what is around it.
pub fn difference(wanted: &str, got: &str) -> String {
    let (wanted, got): (Vec<_>, Vec<_>) = (wanted.lines().collect(), got.lines().collect());
    let first = (0..).find(|&i| wanted.get(i) != got.get(i)).unwrap_or(0);
    let around = |lines: &[&str]| {
        let range = first.saturating_sub(6).min(lines.len())..(first + 7).min(lines.len());
        lines[range].join("\n    ")
    };
    format!(
        "line {}:\n  wanted\n    {}\n  got\n    {}",
        first + 1,
        around(&wanted),
        around(&got)
    )
}

/// Runs a module of a folder as a program.
pub fn start(interpreter: &Interpreter, folder: &Path, name: &str) -> Output {
    python(interpreter, folder)
        .args(["-m", name])
        .output()
        .expect("it starts")
}

/// All that a program did, for comparison.
pub fn shown(output: &Output) -> String {
    format!(
        "{}\n--- stdout\n{}--- stderr\n{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

/// Instruments a folder with plugins.
pub fn instrument(interpreter: &Interpreter, folder: &Path, options: &[&str]) {
    ok(equip(folder)
        .args(["-q", "--python"])
        .arg(&interpreter.path)
        .args(options)
        .arg("."));
}

/// Bytes as text.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Compiles source text; gives the pyc's bytes.
pub fn compile(interpreter: &Interpreter, source: &str, name: &str) -> Vec<u8> {
    let folder = scratch();
    let file = folder.path().join(name);
    std::fs::write(&file, source).expect("writable");
    let program =
        "import py_compile, sys; py_compile.compile(sys.argv[1], cfile=sys.argv[2], doraise=True)";
    let pyc = folder.path().join("out.pyc");
    ok(python(interpreter, folder.path())
        .args(["-c", program])
        .arg(&file)
        .arg(&pyc));
    std::fs::read(pyc).expect("just written")
}

/// Source of a module of random functions, the same for the same seed (see `tests/oracle/values.py`).
pub fn random_functions(interpreter: &Interpreter, seed: u32, count: u32) -> String {
    let folder = scratch();
    let mut command = python(interpreter, folder.path());
    command.arg(root().join("tests/oracle/values.py"));
    command.args(["random", &seed.to_string(), &count.to_string()]);
    text(&ok(&mut command).stdout)
}

/// Compiled files of an interpreter's own library; every one with `EQUIP_TEST_ALL` set.
pub fn compiled_library(interpreter: &Interpreter, folder: &Path) -> Vec<PathBuf> {
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    let program = "
import os, py_compile, sys, warnings
warnings.simplefilter('ignore')
lib, out, every = os.path.dirname(os.__file__), sys.argv[1], int(sys.argv[2])
files = sorted(os.path.join(d, f) for d, _, fs in os.walk(lib) for f in fs if f.endswith('.py') and 'site-packages' not in d)
for n, file in enumerate(files[::every]):
    for optimize in (0, 2):
        try:
            py_compile.compile(file, cfile=os.path.join(out, f'{n}.{optimize}.pyc'), doraise=True, optimize=optimize)
        except Exception:
            pass
";
    let every = if all { "1" } else { "23" };
    ok(python(interpreter, folder)
        .args(["-c", program])
        .arg(folder)
        .arg(every));
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .collect();
    files.sort();
    files
}

/// Copies a folder.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("writable");
    for entry in std::fs::read_dir(from).expect("readable").flatten() {
        let (path, target) = (entry.path(), to.join(entry.file_name()));
        match path.is_dir() {
            true if entry.file_name() != "__pycache__" => copy(&path, &target),
            true => {}
            false => drop(std::fs::copy(&path, &target).expect("copied")),
        }
    }
}
