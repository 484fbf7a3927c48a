//! Plugins as their authors have them: outside of this workspace, built for this API, for another,
//! for none; well-behaved or not.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::harness::{copy, equip, interpreters, ok, python, root, scratch, text};

/// The plugin API, changed by replacing text in `abi.rs`, in a workspace of its own.
fn changed_api(folder: &Path, from: &str, to: &str) -> PathBuf {
    let api = folder.join("equip-plugin-api");
    copy(&root().join("equip-plugin-api"), &api);
    let abi = api.join("src/abi.rs");
    let before = std::fs::read_to_string(&abi).unwrap();
    assert!(before.contains(from), "{from:?} is not in abi.rs");
    std::fs::write(&abi, before.replacen(from, to, 1)).unwrap();
    let workspace = std::fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let members = workspace
        .lines()
        .find(|line| line.starts_with("members"))
        .unwrap();
    let mut alone = workspace.replace(members, "members = [\"equip-plugin-api\"]");
    for line in workspace
        .lines()
        .filter(|line| line.starts_with("default-members"))
    {
        alone = alone.replace(line, "");
    }
    std::fs::write(folder.join("Cargo.toml"), alone).unwrap();
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    api
}

/// Builds a folder of `tests/outside` outside of this repository, for the API in a folder.
fn build(sources: &str, api: &Path, into: &Path, command: &[&str]) -> PathBuf {
    let folder = into.join(sources);
    copy(&root().join("tests/outside").join(sources), &folder);
    let mut todo = vec![folder.clone()];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(&folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                todo.push(path);
            } else if entry.file_name() == "Cargo.toml" {
                let text = std::fs::read_to_string(&path).unwrap();
                let api = format!("path = \"{}\"", api.display());
                let text = text
                    .replace("path = \"../../../../equip-plugin-api\"", &api)
                    .replace("path = \"../../../equip-plugin-api\"", &api);
                std::fs::write(&path, text).unwrap();
            }
        }
    }
    // The versions of this workspace: nothing has to be looked up.
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(command)
        .current_dir(&folder)
        .env("CARGO_TARGET_DIR", &target);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG")) {
        cargo.env_remove(name);
    }
    ok(&mut cargo);
    target.join("debug")
}

/// A library, kept under a name of its own: the next build would overwrite it.
fn library(built: &Path, name: &str, into: &Path) -> PathBuf {
    let file = equip_core::plugin::file_name(name);
    let kept = into.join(&file);
    std::fs::copy(built.join(&file), &kept).unwrap_or_else(|e| panic!("{file}: {e}"));
    kept
}

fn app(folder: &Path) {
    let source =
        "import sys\nclass A:\n    def f(self, x):\n        return x + 1\nprint(A().f(1))\n";
    std::fs::write(folder.join("app.py"), source).unwrap();
}

fn run(folder: &Path, plugin: &Path, options: &[&str]) -> (Option<i32>, String) {
    let output: Output = equip(folder)
        .arg("--plugin")
        .arg(plugin)
        .args(["app.py", "--python"])
        .arg(&interpreters()[0].path)
        .args(options)
        .output()
        .unwrap();
    (
        output.status.code(),
        text(&output.stdout) + &text(&output.stderr),
    )
}

#[test]
fn plugins_from_elsewhere() {
    let folder = scratch();
    let api = root().join("equip-plugin-api");

    // One that depends on equip-plugin-api alone; its own tests pass too.
    let built = build("sample-plugin", &api, folder.path(), &["test", "--quiet"]);
    build("sample-plugin", &api, folder.path(), &["build", "--quiet"]);
    let sample = library(&built, "sample_plugin", folder.path());
    for one in interpreters() {
        let place = scratch();
        app(place.path());
        let said = ok(equip(place.path())
            .arg("--plugin")
            .arg(&sample)
            .args([
                "--set",
                "sample-plugin.prefix='trace'",
                "app.py",
                "--python",
            ])
            .arg(&one.path));
        let said = text(&said.stdout) + &text(&said.stderr);
        assert!(
            said.contains("app: 1 imports, 1 classes, 1 methods, 3 returns"),
            "{said}"
        );
        let output = ok(python(one, place.path()).args([
            "-I",
            "-c",
            "import sys; sys.path[:0] = ['.']; import app",
        ]));
        let notes = text(&output.stderr);
        assert_eq!(
            notes,
            "trace class A str\ntrace enter A.f A int\ntrace leave A.f int\n"
        );
        assert_eq!(text(&output.stdout), "2\n");
    }

    // Ones that cannot be used: a line that says why, and nothing is written.
    let built = build("bad-plugins", &api, folder.path(), &["build", "--quiet"]);
    let place = scratch();
    app(place.path());
    let refused = |plugin: &Path, options: &[&str], expected: &[&str]| {
        let (status, said) = run(place.path(), plugin, options);
        assert_eq!(status, Some(3), "{said}");
        for part in expected {
            assert!(said.contains(part), "{part:?} is not in {said}");
        }
        assert!(!place.path().join("__pycache__").exists(), "{said}");
        said
    };
    let foreign = library(&built, "foreign", folder.path());
    let said = refused(&foreign, &[], &["libforeign.so", "EQUIP_PLUGIN_INFO"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    let other = library(&built, "other_api", folder.path());
    let said = refused(&other, &[], &["libother_api.so", "99.3"]);
    assert_eq!(said.lines().count(), 1, "{said}");

    // One that panics wherever it is told to.
    let panics = library(&built, "panics", folder.path());
    let cases = [
        (
            "panics.configure=true",
            "panicked in configure",
            "cannot configure",
        ),
        ("panics.start=true", "panicked in start", "cannot start"),
        ("panics.function='A.f'", "A.f", "panicked in visit_method"),
        ("panics.finish=true", "panicked in finish", "cannot finish"),
    ];
    for (option, one, other) in cases {
        refused(&panics, &["--set", option], &[one, other, "panics", ".rs:"]);
        let both = ["--set", option, "--set", "panics.payload=true"];
        refused(&panics, &both, &[one, "panics"]);
    }
    let (status, said) = run(
        place.path(),
        &panics,
        &["--set", "panics.drop=true", "--dry-run"],
    );
    assert_eq!(
        status,
        Some(0),
        "what is said in drop can change nothing: {said}"
    );
    refused(
        &panics,
        &["--set", "panics.nosuch=1"],
        &["unknown field `nosuch`"],
    );
}

#[test]
fn plugins_of_another_layout_are_refused_and_of_a_grown_one_are_loaded() {
    let place = scratch();
    app(place.path());

    // The same version, but a type of another shape: reading it would be reading other memory.
    let folder = scratch();
    let (from, to) = (
        "pub struct Parameter<'a> {\n",
        "pub struct Parameter<'a> {\n    #[doc(hidden)]\n    pub extra: u64,\n",
    );
    let api = changed_api(&folder.path().join("changed"), from, to);
    // Its constructor is not called by plugins.
    let built = build("sample-plugin", &api, folder.path(), &["build", "--quiet"]);
    let changed = library(&built, "sample_plugin", folder.path());
    let (status, said) = run(place.path(), &changed, &[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(
        said.contains("rebuild it") && said.lines().count() == 1,
        "{said}"
    );

    // A view that has grown at its end: plugins that do not ask for it never notice.
    let folder = scratch();
    let (from, to) = (
        "-> RVec<Call<'_>> {\n        RVec::new()\n    }\n}",
        "-> RVec<Call<'_>> {\n        RVec::new()\n    }\n    fn grown(&self) -> u32 {\n        7\n    }\n}",
    );
    let api = changed_api(&folder.path().join("grown"), from, to);
    let built = build("sample-plugin", &api, folder.path(), &["build", "--quiet"]);
    let grown = library(&built, "sample_plugin", folder.path());
    let (status, said) = run(place.path(), &grown, &[]);
    assert_eq!(status, Some(0), "{said}");
    assert!(said.contains("1 methods"), "{said}");
}
