//! `equip new-plugin`: what it makes builds, passes its own tests with every interpreter, and does what it says.

use crate::harness;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{equip, interpreters, ok, root, scratch, text};

fn new_plugin(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = equip(folder);
    let output = command.arg("new-plugin").args(arguments).output().unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    (output.status.code(), said)
}

/// Cargo in a crate of its own; crates share what they depend on.
fn cargo(folder: &Path, arguments: &[&str]) -> Command {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(arguments)
        .args(["--offline", "--quiet"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", target);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG")) {
        cargo.env_remove(name);
    }
    cargo.env_remove("EQUIP_BLESS");
    cargo
}

fn said(output: &Output) -> String {
    text(&output.stdout) + &text(&output.stderr)
}

const APP: &str = "\
class Basket:
    items = []
    def add(self, item):
        global last
        last = item
        self.items.append(item)
Basket().add(3)
print(last)
";

#[test]
fn each_kind_builds_passes_its_tests_and_is_of_use() {
    let kinds = [
        ("method", "call Basket.add <"),
        ("module", "app\n"),
        ("class", "app.py:1: Basket.items is a list"),
        ("bytecode", "app.py:5: Basket.add writes last"),
    ];
    // Each is a build of its own; the one that goes on below is made always.
    let all =
        std::env::var_os("EQUIP_TEST_ALL").is_some() || std::env::var_os("EQUIP_BLESS").is_some();
    let kinds = kinds
        .into_iter()
        .filter(|(kind, _)| all || *kind == "class");
    let folder = scratch();
    for (kind, useful) in kinds {
        let name = format!("outside-{kind}");
        let (status, said_then) = new_plugin(folder.path(), &[&name, "--kind", kind]);
        assert_eq!(status, Some(0), "{said_then}");
        assert!(said_then.contains("cargo test"), "{said_then}");
        let made = folder.path().join(&name);
        if std::env::var_os("EQUIP_BLESS").is_some() {
            bless(&made, kind, &name);
            continue;
        }
        let output = ok(&mut cargo(&made, &["test"]));
        let tests = said(&output);
        assert!(tests.contains("5 passed"), "{tests}");
        // The library that a user has, in the program that it is for.
        ok(&mut cargo(&made, &["build"]));
        let library = equip_core::plugin::file_name(&name);
        let built = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside/debug");
        let python = interpreters().last().expect("one");
        let place = scratch();
        std::fs::write(place.path().join("app.py"), APP).unwrap();
        let mut instrument = equip(place.path());
        let plugin = built.join(library);
        instrument.arg("--plugin").arg(&plugin).arg("app.py");
        ok(instrument.arg("--python").arg(&python.path));
        let run = harness::start(python, place.path(), "app");
        assert_eq!(text(&run.stdout), "3\n");
        let notes = text(&run.stderr);
        assert!(notes.contains(useful), "{kind}: {notes}");
    }
    if std::env::var_os("EQUIP_BLESS").is_some() {
        return;
    }

    // A golden file that says something else fails its test, which says what to do.
    let made = folder.path().join("outside-class");
    let golden = made.join("tests/golden/edits.txt");
    let right = std::fs::read_to_string(&golden).unwrap();
    std::fs::write(&golden, right.replace("after", "before")).unwrap();
    let output = cargo(&made, &["test"]).output().unwrap();
    let tests = said(&output);
    assert!(!output.status.success(), "{tests}");
    for part in [
        "EQUIP_BLESS=1 cargo test",
        "-     before",
        "+     after",
        "4 passed",
    ] {
        assert!(tests.contains(part), "{part:?} is not in {tests}");
    }
    ok(cargo(&made, &["test"]).env("EQUIP_BLESS", "1"));
    assert_eq!(std::fs::read_to_string(&golden).unwrap(), right);

    if !all {
        return;
    }

    // Listings of bytecode are golden too, one for each version.
    let tests = made.join("tests/outside_class.rs");
    let mut more = std::fs::read_to_string(&tests).unwrap();
    more.push_str(
        "\n#[test]\nfn bytecode() {\n    plugin!().program(PROGRAM).bytecode(\"golden/code.txt\");\n}\n",
    );
    std::fs::write(&tests, more).unwrap();
    let output = cargo(&made, &["test"]).output().unwrap();
    assert!(!output.status.success(), "there is no such file yet");
    ok(cargo(&made, &["test"]).env("EQUIP_BLESS", "1"));
    let version = interpreters()[0].isa.version;
    let listing = made.join(format!("tests/golden/code.{version}.txt"));
    let listing = std::fs::read_to_string(listing).unwrap();
    assert!(
        listing.contains("Basket line 4\n") && listing.contains("RETURN_"),
        "{listing}"
    );
    ok(&mut cargo(&made, &["test"]));

    // So does a program that behaves otherwise.
    let source = made.join("src/lib.rs");
    let plugin = std::fs::read_to_string(&source).unwrap();
    let worse = plugin.replace("shared('", "print('oops'); shared('");
    std::fs::write(&source, worse).unwrap();
    let output = cargo(&made, &["test"]).output().unwrap();
    let tests = said(&output);
    assert!(!output.status.success(), "{tests}");
    assert!(
        tests.contains("standard output is another") && tests.contains("oops"),
        "{tests}"
    );
}

/// Writes the golden files of a template anew.
fn bless(made: &Path, kind: &str, name: &str) {
    ok(cargo(made, &["test"]).env("EQUIP_BLESS", "1"));
    let template = root().join("cli/templates").join(kind);
    for entry in std::fs::read_dir(made.join("tests/golden"))
        .unwrap()
        .flatten()
    {
        let golden = std::fs::read_to_string(entry.path()).unwrap();
        let golden = golden
            .replace(name, "template-name")
            .replace(&name.replace('-', "_"), "template_name");
        std::fs::write(template.join(entry.file_name()), golden).unwrap();
    }
}

#[test]
fn what_cannot_be_made_is_said() {
    let folder = scratch();
    std::fs::create_dir(folder.path().join("there")).unwrap();
    let missing = folder.path().join("nowhere");
    let missing = missing.to_str().unwrap();
    let cases: [(&[&str], &str); 7] = [
        (&["there"], "there is there already"),
        (
            &["no name"],
            "\"no name\": a crate's name has letters, digits, - and _, a letter first (perhaps no-name)",
        ),
        (&["serde"], "would be taken for another (perhaps my-serde)"),
        (
            &["fine", "--api-path", missing],
            "not equip's source: it has no crate equip-plugin-api",
        ),
        (
            &["fine", "--api-git", "../equip"],
            "no URL that cargo takes, as https://…, ssh://… or file://… (a folder is named with --api-path)",
        ),
        (&["fine", "--api-rev", "v1"], "--api-git <URL>"),
        (
            &["fine", "--kind", "function"],
            "possible values: method, module, class, bytecode",
        ),
    ];
    for (arguments, expected) in cases {
        let (status, said) = new_plugin(folder.path(), arguments);
        assert_eq!(status, Some(2), "{said}");
        assert!(said.contains(expected), "{said}");
    }
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 1, "nothing is left of what was not made");
}

#[test]
fn a_repository_is_a_dependency_too() {
    let folder = scratch();
    let url = "https://example.org/a \"b\".git";
    for (name, more, expected) in [
        ("newest", &[][..], ""),
        ("tagged", &["--api-rev", "v1.1"][..], ", rev = \"v1.1\""),
    ] {
        let arguments = [&[name, "--api-git", url][..], more].concat();
        let (status, said) = new_plugin(folder.path(), &arguments);
        assert_eq!(status, Some(0), "{said}");
        let manifest = std::fs::read_to_string(folder.path().join(name).join("Cargo.toml"));
        let manifest = manifest.unwrap();
        for krate in ["equip-plugin-api", "equip-testing"] {
            let line = format!("{krate} = {{ git = 'https://example.org/a \"b\".git'{expected} }}");
            assert!(manifest.contains(&line), "{line} is not in {manifest}");
        }
    }
}
