//! Tests of equip plugins. A plugin's crate has this one as a dev-dependency and its tests in
//! `tests/`, where cargo builds the shared library for them; a test is one line:
//!
//! ```no_run
//! # macro_rules! plugin { () => { equip_testing::Plugin::new("p", "0", ".") } }
//! const PROGRAM: &str = "\
//! def double(x):
//!     return 2 * x
//! double(4)
//! ";
//!
//! # fn shown() {
//! plugin!().program(PROGRAM).prints("double 4\n");            // exactly that, and ends well
//! plugin!().program(PROGRAM).behaves_as_before();             // the program notices nothing
//! plugin!().program(PROGRAM).edits("golden/double.txt");      // what the plugin asks for
//! plugin!().program(PROGRAM).bytecode("golden/double.dis");   // what equip makes of it
//! plugin!().set("limit", "x").refuses("limit");               // a wrong option
//! # }
//! ```
//!
//! Each runs with one interpreter of every supported version that is found: on `PATH`, under pyenv, in
//! the folders of `EQUIP_TEST_PYTHONS`. Which those are is printed; without any a test fails.
//!
//! **Golden files** are beside the test, in `tests/`. `EQUIP_BLESS=1 cargo test` writes them anew; what
//! changes is for whoever reviews. Where versions differ, `double.txt` becomes `double.3.11.txt` and so on.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, OnceLock};

use equip_core::declaration::declarations;
use equip_core::isa;
use equip_core::listing;
use equip_core::plugin::{HostModule, Loader, NotSetUp, file_name};
use equip_core::program;
use equip_core::pyc::PycFile;
use equip_core::python::{Helpers, Search};
use equip_core::run::{self, Options, Report, Step, Watch};
use tempfile::TempDir;

pub use equip_core::python::Interpreter;

mod golden;
mod recorder;

/// The name under which a test's program is stored and run.
const MAIN: &str = "program.py";

/// The plugin of the crate whose test this is.
#[macro_export]
macro_rules! plugin {
    () => {
        $crate::Plugin::new(
            env!("CARGO_PKG_NAME"),
            env!("CARGO_PKG_VERSION"),
            env!("CARGO_MANIFEST_DIR"),
        )
    };
}

/// A plugin under test, and its options; see [`plugin!`].
#[derive(Clone, Debug)]
pub struct Plugin {
    name: String,
    library: PathBuf,
    /// The folder of golden files.
    tests: PathBuf,
    options: serde_json::Map<String, serde_json::Value>,
}

impl Plugin {
    /// The plugin that a package is: what [`plugin!`] is for.
    ///
    /// # Panics
    /// Its library has not been built.
    #[track_caller]
    pub fn new(name: &str, version: &str, folder: &str) -> Plugin {
        let file = file_name(name);
        let test = std::env::current_exe().expect("a running test");
        let deps = test.parent().expect("a folder");
        // The one in `deps` is of this very build.
        let candidates = [deps.join(&file), deps.join("..").join(&file)];
        let Some(library) = candidates.into_iter().find(|path| path.is_file()) else {
            panic!(
                "{file} of {name} {version} is not built: it needs crate-type = [\"cdylib\", \"rlib\"], \
                 and its tests are in tests/, not in src/: for those alone cargo builds it"
            );
        };
        Plugin {
            name: name.to_owned(),
            library,
            tests: Path::new(folder).join("tests"),
            options: serde_json::Map::new(),
        }
    }

    /// With an option, as `--set NAME.KEY=VALUE` sets it.
    pub fn set(mut self, key: &str, value: impl Into<serde_json::Value>) -> Plugin {
        self.options.insert(key.to_owned(), value.into());
        self
    }

    /// A program to instrument: the source of its main module.
    pub fn program(self, source: &str) -> Program {
        Program {
            plugin: self,
            files: vec![(MAIN.to_owned(), source.to_owned())],
            input: None,
            arguments: Vec::new(),
        }
    }

    /// It does not take its options, and says why with that text in the message.
    ///
    /// # Panics
    /// It takes them, or says something else.
    #[track_caller]
    pub fn refuses(&self, text: &str) {
        match self.load() {
            Ok(_) => panic!("{} takes its options: {:?}", self.name, self.options),
            Err(message) => assert!(
                message.contains(text),
                "{text:?} is not in what {} says: {message}",
                self.name
            ),
        }
    }

    fn load(&self) -> Result<equip_core::plugin::Plugin, String> {
        let library = Loader::default().load(&self.library);
        let library = library.map_err(|error| error.to_string())?;
        library
            .set_up(self.options.clone())
            .map_err(|why| match why {
                NotSetUp::Plugin(error) => error.to_string(),
                NotSetUp::Options(errors) => {
                    let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
                    errors.join("\n")
                }
            })
    }
}

/// A Python program that a plugin is tried on.
#[derive(Clone, Debug)]
pub struct Program {
    plugin: Plugin,
    files: Vec<(String, String)>,
    input: Option<String>,
    arguments: Vec<String>,
}

/// What a program did.
#[derive(Clone, Debug)]
pub struct Run {
    /// Its exit status; of one that a signal ended, 128 and the signal's number.
    pub status: i32,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// The folder that it ran in, which has what it left.
    pub folder: PathBuf,
    /// What instrumenting reported; of a plain run nothing.
    pub report: Option<Arc<Report>>,
}

impl Run {
    /// A file that the program, or the plugin, left in its folder.
    ///
    /// # Panics
    /// There is none.
    #[track_caller]
    pub fn file(&self, name: &str) -> String {
        let path = self.folder.join(name);
        std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{name}: {error}\n{self}"))
    }
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Run {
            status,
            stdout,
            stderr,
            ..
        } = self;
        write!(
            f,
            "--- exit status {status}\n--- stdout\n{stdout}--- stderr\n{stderr}"
        )
    }
}

impl Program {
    /// With another module, or any other file: its path below the program's folder, and its text.
    pub fn file(mut self, name: &str, text: &str) -> Program {
        self.files.push((name.to_owned(), text.to_owned()));
        self
    }

    /// With text on standard input.
    pub fn input(mut self, text: &str) -> Program {
        self.input = Some(text.to_owned());
        self
    }

    /// With arguments.
    pub fn arguments(mut self, arguments: &[&str]) -> Program {
        self.arguments = arguments.iter().map(|one| (*one).to_owned()).collect();
        self
    }

    /// Instrumented, it ends well, and standard output is exactly that.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn prints(&self, stdout: &str) {
        for python in interpreters() {
            let run = self.start(python, true);
            ends_well(python, &run);
            equal(python, "standard output", stdout, &run.stdout, &run);
        }
    }

    /// Instrumented, it ends well, and standard error is exactly that.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn notes(&self, stderr: &str) {
        for python in interpreters() {
            let run = self.start(python, true);
            ends_well(python, &run);
            equal(python, "standard error", stderr, &run.stderr, &run);
        }
    }

    /// Instrumented, it leaves a file with exactly that text.
    ///
    /// # Panics
    /// It is not so.
    #[track_caller]
    pub fn leaves(&self, name: &str, text: &str) {
        for python in interpreters() {
            let run = self.start(python, true);
            equal(python, name, text, &run.file(name), &run);
        }
    }

    /// Instrumented, it ends with the same status and the same standard output as plain, and all that it
    /// wrote to standard error is there, line by line; lines of the plugin may be between.
    ///
    /// # Panics
    /// It is not so, or the plugin asks for nothing in this program.
    #[track_caller]
    pub fn behaves_as_before(&self) {
        for python in interpreters() {
            let plain = self.start(python, false);
            let run = self.start(python, true);
            let edited = run
                .report
                .as_ref()
                .map_or(0, |report| report.instrumented());
            assert!(
                edited > 0,
                "{}: {} asks for nothing in this program: the test would show nothing",
                shown(python),
                self.plugin.name
            );
            let place = shown(python);
            assert!(
                run.status == plain.status,
                "{place}: the exit status was {}\n{run}",
                plain.status
            );
            equal(python, "standard output", &plain.stdout, &run.stdout, &run);
            let mut lines = run.stderr.lines();
            for line in plain.stderr.lines() {
                assert!(
                    lines.any(|other| other == line),
                    "{place}: a line of standard error is missing, or in another place: {line}\n{run}"
                );
            }
        }
    }

    /// What the plugin asks for is what a golden file of `tests/` says.
    ///
    /// # Panics
    /// It is not so; where it should be, `EQUIP_BLESS=1` writes the file.
    #[track_caller]
    pub fn edits(&self, golden: &str) {
        let plugin = self.load();
        let text = |python: &Interpreter| {
            let folder = self.written();
            self.visited(python, folder.path(), |pyc, name| {
                let declarations = declarations(pyc);
                let host = HostModule::new(pyc, &declarations, name);
                let mut recorder = recorder::Recorder::new(&declarations);
                let visited = plugin
                    .start()
                    .and_then(|visitor| visitor.visit_module(&host, &|_| true, &mut recorder));
                match visited {
                    Ok(note) => recorder.text(&note),
                    Err(error) => panic!("{}: {error}", shown(python)),
                }
            })
        };
        golden::check(&self.plugin.tests, golden, interpreters(), text);
    }

    /// The instrumented bytecode is what golden files of `tests/` say: one for each version, as a rule.
    ///
    /// # Panics
    /// It is not so; where it should be, `EQUIP_BLESS=1` writes the files.
    #[track_caller]
    pub fn bytecode(&self, golden: &str) {
        let text = |python: &Interpreter| {
            let folder = self.written();
            self.instrument(python, folder.path());
            self.visited(python, folder.path(), |pyc, _| {
                let mut text = String::new();
                for one in &declarations(pyc).list {
                    let _ = writeln!(text, "{} line {}", one.qualname, one.first_line);
                    if let Err(error) = listing::disassemble(pyc, one.code, &mut text) {
                        panic!("{}: {}: {error}", shown(python), one.qualname);
                    }
                }
                text
            })
        };
        golden::check(&self.plugin.tests, golden, interpreters(), text);
    }

    /// Instruments and runs it with each interpreter; hands over what it did. For whatever the other
    /// functions do not ask.
    ///
    /// # Panics
    /// Instrumenting fails, or `check` does.
    #[track_caller]
    pub fn runs(&self, check: impl Fn(&Run)) {
        for python in interpreters() {
            let run = self.start(python, true);
            // Whichever check fails, the interpreter is told.
            let failed = Named(shown(python));
            check(&run);
            std::mem::forget(failed);
        }
    }

    #[track_caller]
    fn load(&self) -> equip_core::plugin::Plugin {
        match self.plugin.load() {
            Ok(plugin) => plugin,
            Err(message) => panic!("{message}"),
        }
    }

    fn written(&self) -> TempDir {
        let folder = tempfile::Builder::new()
            .prefix("equip-testing-")
            .tempdir()
            .expect("a temporary folder");
        for (name, text) in &self.files {
            let path = folder.path().join(name);
            let above = path.parent().expect("a folder");
            let written = std::fs::create_dir_all(above).and_then(|()| std::fs::write(&path, text));
            written.unwrap_or_else(|error| panic!("{name}: {error}"));
        }
        folder
    }

    /// The text that some function has for each module, with what is only so today taken out.
    fn visited(
        &self,
        python: &Interpreter,
        folder: &Path,
        text_of: impl Fn(&PycFile<'_>, &str) -> String,
    ) -> String {
        let search = Search::from_environment(Some(&python.path));
        let found = program::find(&[folder.to_owned()], &search);
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", shown(python)));
        let mut all = String::new();
        for module in &found.modules {
            let name = program::module_name(module);
            let bytes = match (&module.source, std::fs::read(&module.pyc)) {
                (_, Ok(bytes)) => bytes,
                (Some(source), Err(_)) => compiled(python, source),
                (None, Err(error)) => panic!("{}: {error}", module.pyc.display()),
            };
            let pyc = PycFile::parse(&bytes)
                .unwrap_or_else(|error| panic!("{}: {name}: {error}", shown(python)));
            if !all.is_empty() {
                all.push('\n');
            }
            let _ = writeln!(all, "module {name}");
            all.push_str(&text_of(&pyc, &name));
        }
        let place = std::fs::canonicalize(folder).unwrap_or(folder.to_owned());
        all.replace(&*place.to_string_lossy(), "<folder>")
            .replace(&*folder.to_string_lossy(), "<folder>")
    }

    #[track_caller]
    fn instrument(&self, python: &Interpreter, folder: &Path) -> Report {
        let search = Search::from_environment(Some(&python.path));
        let found = program::find(&[folder.to_owned()], &search);
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", shown(python)));
        let options = Options {
            force_rebuild: false,
            dry_run: false,
            jobs: 1,
            cache: None,
            output: folder.to_owned(),
            plan: false,
        };
        let plugin = self.load();
        let steps = [Step::plugin(&plugin)];
        let report = run::run(&found, &steps, helpers(python), &options, Watch::default());
        let problems = report.problems.iter().map(ToString::to_string);
        let problems: Vec<String> = problems.collect();
        assert!(
            problems.is_empty(),
            "{}: {}",
            shown(python),
            problems.join("\n")
        );
        report
    }

    #[track_caller]
    fn start(&self, python: &Interpreter, instrumented: bool) -> Run {
        let folder = self.written();
        let report = instrumented.then(|| Arc::new(self.instrument(python, folder.path())));
        let mut command = Command::new(&python.path);
        command
            .arg("-m")
            .arg(MAIN.trim_end_matches(".py"))
            .args(&self.arguments)
            .current_dir(folder.path())
            .env("PYTHONHASHSEED", "0");
        for name in [
            "EQUIP_OUTPUT_DIR",
            "PYTHONDONTWRITEBYTECODE",
            "PYTHONHOME",
            "PYTHONPATH",
            "PYTHONPYCACHEPREFIX",
            "VIRTUAL_ENV",
        ] {
            command.env_remove(name);
        }
        // A file as standard input: a program that does not read it blocks nobody.
        let mut input = tempfile::tempfile().expect("a temporary file");
        if let Some(text) = &self.input {
            use std::io::{Seek, Write};
            let written = input
                .write_all(text.as_bytes())
                .and_then(|()| input.rewind());
            written.expect("a temporary file");
        }
        let output = command.stdin(input).output();
        let output = output.unwrap_or_else(|error| panic!("{}: {error}", python.path.display()));
        let text = |bytes: &[u8]| {
            let place = folder.path().to_string_lossy().into_owned();
            String::from_utf8_lossy(bytes).replace(&place, "<folder>")
        };
        let run = Run {
            status: status(output.status),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
            folder: folder.path().to_owned(),
            report,
        };
        kept(folder);
        run
    }
}

/// Folders live as long as the test that looks into them; a test is a thread.
fn kept(folder: TempDir) {
    thread_local! {
        static KEPT: std::cell::RefCell<Vec<TempDir>> = const { std::cell::RefCell::new(Vec::new()) };
    }
    KEPT.with(|kept| kept.borrow_mut().push(folder));
}

#[cfg(unix)]
fn status(status: std::process::ExitStatus) -> i32 {
    use std::os::unix::process::ExitStatusExt;
    let signal = || 128 + status.signal().unwrap_or(0);
    status.code().unwrap_or_else(signal)
}

#[cfg(not(unix))]
fn status(status: std::process::ExitStatus) -> i32 {
    status.code().unwrap_or(-1)
}

/// Says on the way out of a failed test which interpreter it was.
struct Named(String);

impl Drop for Named {
    fn drop(&mut self) {
        eprintln!("this was with {}", self.0);
    }
}

fn shown(python: &Interpreter) -> String {
    format!("CPython {}", python.isa.version)
}

// Checks are functions, not closures: `track_caller` then names the test's own line.
#[track_caller]
fn ends_well(python: &Interpreter, run: &Run) {
    let place = shown(python);
    assert!(run.status == 0, "{place}: the program fails\n{run}");
}

#[track_caller]
fn equal(python: &Interpreter, what: &str, wanted: &str, got: &str, run: &Run) {
    assert!(
        wanted == got,
        "{}: {what} is another: {}\n{run}",
        shown(python),
        golden::difference(wanted, got)
    );
}

/// A source's bytecode, as the interpreter compiles it.
fn compiled(python: &Interpreter, source: &Path) -> Vec<u8> {
    let helper = helpers(python).get(python.isa);
    let compiled = helper.and_then(|helper| helper.source(source, 0));
    match compiled {
        Ok(Ok(bytes)) => bytes,
        Ok(Err(error)) => panic!(
            "{}: {}, line {}: {}",
            shown(python),
            source.display(),
            error.line,
            error.message
        ),
        Err(error) => panic!("{}: {error}", shown(python)),
    }
}

/// The process that compiles snippets for an interpreter: one for all tests of this process.
fn helpers(python: &Interpreter) -> Arc<Helpers> {
    static STARTED: Mutex<Vec<(PathBuf, Arc<Helpers>)>> = Mutex::new(Vec::new());
    let mut started = STARTED
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some((_, helpers)) = started.iter().find(|(path, _)| *path == python.path) {
        return helpers.clone();
    }
    let helpers = Arc::new(Helpers::new(Search::from_environment(Some(&python.path))));
    started.push((python.path.clone(), helpers.clone()));
    helpers
}

/// One interpreter of each supported version that this machine has. Prints which.
///
/// # Panics
/// There is none.
#[track_caller]
pub fn interpreters() -> &'static [Interpreter] {
    static FOUND: OnceLock<Vec<Interpreter>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let mut search = Search::from_environment(None);
        search.virtual_env = None;
        let mut more = search.clone();
        if let Some(named) = std::env::var_os("EQUIP_TEST_PYTHONS") {
            more.path.extend(std::env::split_paths(&named));
        }
        let found = isa::ALL
            .iter()
            .filter_map(|isa| search.find(isa).or_else(|_| more.find(isa)).ok());
        let found: Vec<Interpreter> = found.collect();
        let missing = isa::ALL
            .iter()
            .filter(|isa| !found.iter().any(|python| python.isa.version == isa.version));
        let missing: Vec<String> = missing.map(|isa| isa.version.to_string()).collect();
        let versions: Vec<String> = found.iter().map(|p| p.isa.version.to_string()).collect();
        let missing = match missing.is_empty() {
            true => "none".to_owned(),
            false => missing.join(" "),
        };
        println!(
            "interpreters: {}; skipped, not found: {missing}",
            versions.join(" ")
        );
        found
    });
    assert!(
        !found.is_empty(),
        "no supported CPython found: put one on PATH, or name its folder in EQUIP_TEST_PYTHONS"
    );
    found
}
