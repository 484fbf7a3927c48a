//! What plugins say of themselves, what they learn of a program as a whole, and plugins that are part of a
//! program.

use crate::harness;
use std::path::Path;
use std::sync::Arc;

use crate::harness::{equip, interpreters, library, ok, python, scratch, search, text};
use equip_core::api::prelude::*;
use equip_core::plugin::{Library, NotSetUp};
use equip_core::program;
use equip_core::python::{Helpers, Interpreter};
use equip_core::run;
use serde_json::json;

/// The plugins that are built beside this test, as `equip plugins` tells of them.
fn listed() -> serde_json::Value {
    let folder = scratch();
    let mut command = equip(folder.path());
    let output = ok(command.args(["plugins", "--report", "json"]));
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn plugins_are_listed_with_what_they_declare() {
    let listed = listed();
    let plugins = listed["plugins"].as_array().unwrap();
    let named = |name: &str| {
        let mut found = plugins.iter().filter(|plugin| plugin["name"] == name);
        found.next().unwrap_or_else(|| panic!("no {name}"))
    };
    let callcount = named("callcount");
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(callcount["version"], version);
    assert_eq!(callcount["api"], "1.1");
    assert_eq!(
        callcount["sites"],
        json!(["before", "after", "on_raise", "on_yield"])
    );
    assert_eq!(callcount["visitors"], json!(["functions"]));
    let path = callcount["path"].as_str().unwrap();
    assert!(Path::new(path).is_file(), "{path}");
    let options = callcount["options"].as_array().unwrap();
    let names: Vec<_> = options.iter().map(|option| &option["name"]).collect();
    let expected = [
        "output",
        "skip_dunder",
        "returns",
        "raises",
        "yields",
        "on_error",
    ];
    assert_eq!(names, expected);
    assert_eq!(
        options[1],
        json!({"name": "skip_dunder", "help": "Leaves out methods such as `__init__`.",
               "type": {"kind": "boolean"}, "default": false})
    );
    let tracer = named("tracer");
    let options = tracer["options"].as_array().unwrap();
    let format = options
        .iter()
        .find(|option| option["name"] == "format")
        .unwrap();
    assert_eq!(format["default"], "text");
    assert_eq!(format["type"]["choices"][1]["name"], "chrome");
    let shipped = ["callcount", "coverage", "tracer", "calllog"];
    for name in shipped {
        assert!(
            named(name)["options"].is_array(),
            "{name} declares no options"
        );
        assert!(named(name)["sites"].is_array(), "{name} declares no sites");
    }

    // The same for people.
    let folder = scratch();
    let shown = text(&ok(equip(folder.path()).arg("plugins")).stdout);
    for part in [
        "    visits functions; sites: before, after, on_raise, on_yield\n",
        "    --set callcount.skip_dunder=  true or false [false]\n        Leaves out methods such as",
        "    --set tracer.format=  text or chrome [\"text\"]\n        How the trace is written.\n        text: Lines,",
        "    --set tracer.max_repr=  integer from 0 to 4294967295 [120]\n",
    ] {
        assert!(shown.contains(part), "{part:?} is not in {shown}");
    }
}

#[test]
fn wrong_options_are_told_with_their_place_before_anything_runs() {
    let folder = scratch();
    std::fs::write(folder.path().join("app.py"), "def f(): pass\n").unwrap();
    let said = |set: &[&str]| {
        let mut command = equip(folder.path());
        command.args(["--plugin", "tracer", "app.py"]);
        for one in set {
            command.args(["--set", one]);
        }
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(3));
        assert!(!folder.path().join("__pycache__").exists());
        text(&output.stderr)
    };
    assert_eq!(
        said(&["tracer.formt='text'"]),
        "equip: --set tracer.formt: no such option; did you mean format? (known: output, format, \
         include_args, max_repr, min_duration_us, sample, cpu, user_repr, modules, classes, on_error)\n"
    );
    let both = said(&["tracer.format=chrom", "tracer.max_repr=-1"]);
    assert_eq!(
        both,
        "equip: --set tracer.format: \"chrom\" is not text or chrome; did you mean chrome?\n\
         --set tracer.max_repr: -1 is not integer from 0 to 4294967295\n"
    );
    // Beyond types, the plugin judges.
    let zero = said(&["tracer.sample=0"]);
    assert!(zero.contains("plugin tracer: "), "{zero}");
    let nan = said(&["tracer.min_duration_us=nan"]);
    assert!(
        nan.contains("min_duration_us=nan: NaN is no number"),
        "{nan}"
    );
}

fn shop(folder: &Path) {
    let one = "class A:\n    def f(self): pass\n    def f(self): pass\ng = lambda: 1\n";
    let write = |name, source| std::fs::write(folder.join(name), source).unwrap();
    write("one.py", one);
    write(
        "two.py",
        "def f():\n    def g(): return 1\n    return g()\nprint(f())\n",
    );
    write("wrong.py", "def :\n");
}

#[test]
fn programs_are_seen_as_a_whole_and_side_files_are_left() {
    let python_of = &interpreters()[0];
    let whole = |folder: &Path, more: &[&str]| {
        let mut command = equip(folder);
        command.args(["--plugin", "whole", ".", "--python"]);
        let output = command.arg(&python_of.path).args(more).output().unwrap();
        (output.status.code(), text(&output.stderr))
    };
    let expected = "one 2 A.f:2\none 3 A.f:3\none 4 <lambda>\ntwo 1 f\ntwo 2 f.<locals>.g\n";
    for jobs in ["1", "4"] {
        let folder = scratch();
        shop(folder.path());
        let (status, said) = whole(folder.path(), &["--jobs", jobs]);
        // One file cannot be read; the others are done.
        assert_eq!(status, Some(1), "{said}");
        assert!(said.contains("whole: 2 of 3 modules\n"), "{said}");
        assert!(said.contains(": whole: one of 3\n"), "{said}");
        let map = folder.path().join("whole.functions.txt");
        assert!(said.contains("whole.functions.txt"), "{said}");
        assert_eq!(std::fs::read_to_string(&map).unwrap(), expected);
        // The ids are those that run.
        let run = harness::start(python_of, folder.path(), "two");
        assert_eq!(text(&run.stdout), "1\n2\n1\n");
        // Again: all was done, and the map is whole all the same.
        std::fs::remove_file(&map).unwrap();
        whole(folder.path(), &[]);
        assert_eq!(std::fs::read_to_string(&map).unwrap(), expected);
    }

    // Elsewhere, and not at all.
    let folder = scratch();
    shop(folder.path());
    let mut command = equip(folder.path());
    command.args([
        "--plugin", "whole", "two.py", "--report", "json", "--python",
    ]);
    let other = folder.path().join("a/b");
    let output = ok(command.arg(&python_of.path).env("EQUIP_OUTPUT_DIR", &other));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let left = other.join("whole.functions.txt");
    assert_eq!(report["side_files"], json!([left]));
    assert_eq!(report["notes"], json!(["whole: 1 of 1 modules"]));
    assert_eq!(
        std::fs::read_to_string(left).unwrap(),
        "two 1 f\ntwo 2 f.<locals>.g\n"
    );

    let cases: [(&[&str], i32, &str); 6] = [
        (&["--dry-run"], 0, "1 of 1 modules"),
        (
            &["--set", "whole.fails=begin"],
            3,
            "error: plugin whole: Begin fails",
        ),
        (
            &["--set", "whole.fails=end"],
            3,
            "error: plugin whole: End fails",
        ),
        (
            &["--set", "whole.fails=begin", "--set", "whole.panics=true"],
            3,
            "panicked in begin at",
        ),
        (
            &["--set", "whole.file='../x'"],
            3,
            "\"../x\" is no plain file name",
        ),
        (
            &["--set", "whole.undeclared=true"],
            3,
            "asks for after, which is none of the sites that it declares: before",
        ),
    ];
    for (more, expected, message) in cases {
        let folder = scratch();
        std::fs::write(folder.path().join("app.py"), "def f(): pass\n").unwrap();
        let (status, said) = whole(folder.path(), more);
        assert_eq!(status, Some(expected), "{said}");
        assert!(said.contains(message), "{message:?} is not in {said}");
        let left = ["__pycache__", "."].map(|name| std::fs::read_dir(folder.path().join(name)));
        let left = left.into_iter().flatten().flatten().flatten();
        let left: Vec<_> = left.filter(|entry| entry.path().is_file()).collect();
        assert_eq!(left.len(), 1, "nothing but app.py: {left:?}, {said}");
    }
}

options! {
    /// Options of a plugin that is part of this test.
    #[derive(Clone, Debug)]
    struct Settings {
        /// What to print.
        word: String = "hello".to_owned(),
    }
}

/// Greets, and counts functions in all modules.
#[derive(Clone, Debug)]
struct Linked {
    settings: Settings,
    functions: usize,
}

impl Plugin for Linked {
    const OPTIONS: Schema = Schema::of::<Settings>();

    fn configure(options: Options<'_>) -> Result<Self> {
        let (settings, functions) = (options.parse()?, 0);
        Ok(Linked {
            settings,
            functions,
        })
    }
}

impl MethodVisitor for Linked {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        if method.name() == "worst" {
            panic!("the worst");
        }
        self.functions += 1;
        let print = Snippet::new("print({word}, '{qualname}')");
        edits.before(print.with("word", self.settings.word.as_str()))
    }
}

impl ProgramVisitor for Linked {
    fn end(&mut self, _program: &Program<'_>, modules: Vec<Self>) -> Result<String> {
        let functions: usize = modules.iter().map(|module| module.functions).sum();
        Ok(format!("{functions} functions"))
    }
}

link_plugin!(Linked: MethodVisitor + ProgramVisitor, name = "greeter");

/// A second one: nothing of the two collides.
#[derive(Clone, Debug)]
struct Quiet;

impl Plugin for Quiet {
    const OPTIONS: Schema = Schema::NONE;

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(Quiet)
    }
}

impl ModuleVisitor for Quiet {
    fn visit_module(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        edits.module_exit_on(When::Always, "print('bye')")
    }
}

link_plugin!(Quiet: ModuleVisitor, name = "quiet", about = "says bye");

/// A run of plugins over a folder.
fn instrument(
    python: &Interpreter,
    folder: &Path,
    plugins: &[equip_core::plugin::Plugin],
) -> run::Report {
    let mut search = search();
    search.named = Some(python.path.clone());
    let found = program::find(&[folder.to_owned()], &search).unwrap();
    let options = run::Options {
        force_rebuild: false,
        dry_run: false,
        jobs: 1,
        cache: None,
        output: folder.to_owned(),
        plan: false,
    };
    let helpers = Arc::new(Helpers::new(search));
    let steps: Vec<_> = plugins.iter().map(run::Step::plugin).collect();
    run::run(&found, &steps, helpers, &options, run::Watch::default())
}

#[test]
fn plugins_may_be_part_of_a_program() {
    let greeter = Library::linked::<Linked>().unwrap();
    let quiet = Library::linked::<Quiet>().unwrap();
    let table = |value: serde_json::Value| value.as_object().unwrap().clone();
    let refused = greeter.set_up(table(json!({"wrod": "x"})));
    assert!(matches!(refused.err(), Some(NotSetUp::Options(errors)) if errors.len() == 1));
    let set = || greeter.set_up(table(json!({"word": "hi"}))).ok().unwrap();
    let quietly = || quiet.set_up(table(json!({}))).ok().unwrap();
    for one in interpreters() {
        let folder = scratch();
        let source = "class A:\n    def f(self): return 1\nprint(A().f())\n";
        std::fs::write(folder.path().join("app.py"), source).unwrap();
        let report = instrument(one, folder.path(), &[set(), quietly()]);
        assert_eq!(report.problems, []);
        assert_eq!(report.notes, ["greeter: 1 functions"]);
        let output = ok(python(one, folder.path()).args(["-m", "app"]));
        assert_eq!(text(&output.stdout), "hi A.f\n1\nbye\n");
    }

    // A panic is an error here, too.
    let folder = scratch();
    std::fs::write(folder.path().join("app.py"), "def worst(): pass\n").unwrap();
    let report = instrument(&interpreters()[0], folder.path(), &[set()]);
    assert_eq!(report.exit_status(), 3);
    let said = report.problems[0].to_string();
    assert!(
        said.contains("panicked in visit_method") && said.contains("authors.rs:"),
        "{said}"
    );
    assert!(library("whole").is_file());
}
