//! The example plugins do what they say, and are as short as examples are.

use crate::harness::{equip, interpreters, ok, python, scratch, text};

const APP: &str = "\
class Bank:
    def charge(self, amount):
        assert amount > 0, 'no amount'
        return db.execute('charge', amount)

    def refund(self, amount):
        assert amount
        raise KeyError(amount)

class Base:
    def execute(self, *what):
        return len(what)

db = Base()

def never():
    pass

def run():
    bank = Bank()
    for amount in (1, 2, 0):
        try:
            print(bank.charge(amount))
        except (AssertionError, OSError, TimeoutError) as error:
            print(type(error).__name__, error)
    try:
        bank.refund(5)
    except KeyError as error:
        print(error)
";

/// Output, and what the plugin told on stderr.
fn run(pipeline: &str, each: impl Fn(&str, &str)) {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("app.py"), APP).unwrap();
        std::fs::write(folder.path().join("use.py"), "import app\napp.run()\n").unwrap();
        std::fs::write(
            folder.path().join("equip.toml"),
            format!("targets = [\"app.py\"]\n{pipeline}"),
        )
        .unwrap();
        ok(equip(folder.path()).arg("--python").arg(&one.path));
        let output = ok(python(one, folder.path()).arg("use.py"));
        println!("CPython {}", one.isa.version);
        each(&text(&output.stdout), &text(&output.stderr));
    }
}

const PLAIN: &str = "2\n2\nAssertionError no amount\n5\n";

#[test]
fn histogram() {
    run("[[plugin]]\nname = \"histogram\"\n", |out, told| {
        assert_eq!(out, PLAIN);
        assert!(
            told.contains("app:Bank.charge: 3 calls\n  < ") && told.contains("app:run: 1 calls"),
            "{told}"
        );
        assert!(!told.contains("never"), "{told}");
    });
}

#[test]
fn querylog() {
    let pipeline = "[[plugin]]\nname = \"querylog\"\nselect = 'functions and calls = \"*.execute\"'\noptions = { width = 10 }\n";
    run(pipeline, |out, told| {
        assert_eq!(out, PLAIN);
        let lines: Vec<_> = told.lines().collect();
        assert_eq!(lines.len(), 3, "{told}");
        assert!(
            lines[0].contains(" ms app:Bank.charge(<app.Bank ..., 1) gave 2"),
            "{told}"
        );
        assert!(lines[2].contains("0) raised AssertionE..."), "{told}");
    });
}

#[test]
fn faults() {
    let pipeline = "[[plugin]]\nname = \"faults\"\nselect = \"app:Bank.charge\"\noptions = { nth = 2, error = \"TimeoutError('{late}')\" }\n";
    run(pipeline, |out, _| {
        assert_eq!(out, "2\nTimeoutError {late}\nAssertionError no amount\n5\n")
    });
    let again = pipeline.replace("nth = 2", "nth = 1, again = true");
    run(&again, |out, _| {
        assert_eq!(
            out,
            "TimeoutError {late}\nTimeoutError {late}\nTimeoutError {late}\n5\n"
        )
    });
    let folder = scratch();
    std::fs::write(folder.path().join("app.py"), APP).unwrap();
    let output = equip(folder.path())
        .args(["--plugin", "faults", "--set", "faults.nth=0", "app.py"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(3));
    assert!(text(&output.stderr).contains("counted from 1"));
}

#[test]
fn assertions() {
    run("[[plugin]]\nname = \"assertions\"\n", |out, told| {
        assert_eq!(out, PLAIN);
        let lines: Vec<_> = told
            .lines()
            .map(|line| line.rsplit_once("app.py").unwrap().1)
            .collect();
        assert_eq!(
            lines,
            [":3: 3 evaluated, 1 failed", ":7: 1 evaluated, 0 failed"]
        );
    });
}

#[test]
fn unused() {
    run("[[plugin]]\nname = \"unused\"\n", |out, told| {
        assert_eq!(out, PLAIN);
        assert!(
            told.trim_end().ends_with("app.py:16: never") && told.lines().count() == 1,
            "{told}"
        );
    });
}

#[test]
fn an_example_has_less_than_sixty_lines() {
    for name in ["histogram", "querylog", "faults", "assertions", "unused"] {
        let path = format!(
            "{}/../examples/{name}/src/lib.rs",
            env!("CARGO_MANIFEST_DIR")
        );
        let lines = std::fs::read_to_string(&path).unwrap().lines().count();
        assert!(lines < 60, "{name}: {lines}");
    }
}
