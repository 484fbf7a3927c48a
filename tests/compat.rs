//! Plugins and hosts of different versions of the plugin API: `compat/v1` has the API as it was in 1.0, and
//! this host has grown since (trait methods, a module field, view fields).

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use crate::harness::{copy, equip, interpreters, ok, python, root, scratch, text};
use equip_core::compile::hash;

fn build(folder: &Path) -> PathBuf {
    std::fs::copy(root().join("Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("outside");
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args(["build", "--quiet", "--offline"])
        .current_dir(folder)
        .env("CARGO_TARGET_DIR", &target);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("CARGO_PKG")) {
        cargo.env_remove(name);
    }
    ok(&mut cargo);
    target.join("debug")
}

/// The plugin, built from a copy of `compat/v1` in which texts may be replaced; alone in a folder.
fn plugin(changes: &[(&str, &str, &str)]) -> (tempfile::TempDir, PathBuf) {
    // All builds have one target folder, where each overwrites the one before.
    static ONE: Mutex<()> = Mutex::new(());
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let folder = scratch();
    copy(&root().join("compat/v1"), folder.path());
    for (file, from, to) in changes {
        let path = folder.path().join(file);
        let before = std::fs::read_to_string(&path).unwrap();
        assert!(before.contains(from), "{from:?} is not in {file}");
        std::fs::write(&path, before.replacen(from, to, 1)).unwrap();
    }
    let built = build(folder.path());
    let file = equip_core::plugin::file_name("v1-plugin");
    let kept = scratch();
    let path = kept.path().join(&file);
    std::fs::copy(built.join(&file), &path).unwrap();
    (kept, path)
}

fn app(folder: &Path) {
    let source =
        "import sys\nclass A:\n    def f(self, x):\n        return x + 1\nprint(A().f(1))\n";
    std::fs::write(folder.join("app.py"), source).unwrap();
}

fn run(plugin: &Path, options: &[&str]) -> (Option<i32>, String) {
    let place = scratch();
    app(place.path());
    let mut command = equip(place.path());
    command
        .arg("--plugin")
        .arg(plugin)
        .args(["app.py", "--python"]);
    let output = command.arg(&interpreters()[0].path).args(options).output();
    let output = output.unwrap();
    let said = text(&output.stdout) + &text(&output.stderr);
    let written = place.path().join("__pycache__").exists();
    assert_eq!(written, output.status.success(), "{said}");
    (output.status.code(), said)
}

#[test]
fn the_frozen_copy_is_what_it_was() {
    let mut files = Vec::new();
    let mut todo = vec![root().join("compat/v1/equip-plugin-api/src")];
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            match entry.path().is_dir() {
                true => todo.push(entry.path()),
                false => files.push(entry.path()),
            }
        }
    }
    files.sort();
    let files: Vec<_> = files
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect();
    let parts: Vec<&[u8]> = files.iter().map(Vec::as_slice).collect();
    assert_eq!(
        hash(&parts),
        "4032d44e058fed3f3764d297b035632a",
        "compat/v1 is what plugins of API 1.0 were built with: it is never changed"
    );
}

#[test]
fn plugins_of_api_1_0_run_in_this_host() {
    let (folder, library) = plugin(&[]);
    for one in interpreters() {
        let place = scratch();
        app(place.path());
        let mut command = equip(place.path());
        command.arg("--plugin").arg(&library);
        command.args(["--set", "v1-plugin.prefix='trace'", "app.py", "--python"]);
        let said = ok(command.arg(&one.path));
        let said = text(&said.stdout) + &text(&said.stderr);
        let notes = "app: 1 imports, 1 classes, 1 methods, 3 returns";
        assert!(said.contains(notes), "{said}");
        let run = "import sys; sys.path[:0] = ['.']; import app";
        let output = ok(python(one, place.path()).args(["-I", "-c", run]));
        assert_eq!(
            text(&output.stderr),
            "trace class A str\ntrace enter A.f A int\ntrace leave A.f int\n"
        );
        assert_eq!(text(&output.stdout), "2\n");
    }
    // It checks its options itself; what is the host's, the host checks.
    let (status, said) = run(&library, &["--set", "v1-plugin.nosuch=1"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("unknown field `nosuch`"), "{said}");
    let (status, said) = run(&library, &["--set", "v1-plugin.on_error=never"]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("not raise, ignore or log"), "{said}");
    let mut list = equip(folder.path());
    list.arg("plugins").env("EQUIP_PLUGIN_PATH", folder.path());
    let listed = text(&ok(&mut list).stdout);
    assert!(
        listed.contains("v1-plugin 1.2.3") && listed.contains("API 1.0,"),
        "{listed}"
    );
    assert!(listed.contains("options: not declared"), "{listed}");
}

#[test]
fn plugins_of_a_newer_api_are_refused_in_one_line() {
    let newer = (
        "equip-plugin-api/src/abi.rs",
        "API_MINOR: u32 = 0",
        "API_MINOR: u32 = 99",
    );
    let (folder, library) = plugin(&[newer]);
    let (status, said) = run(&library, &[]);
    assert_eq!(status, Some(3), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    let parts = [
        "API 1.99",
        "update equip, or rebuild the plugin with equip-plugin-api 1.",
    ];
    for part in parts {
        assert!(said.contains(part), "{part:?} is not in {said}");
    }
    // `equip plugins` says so too.
    let mut list = equip(folder.path());
    list.args(["plugins", "--report", "json"]);
    list.env("EQUIP_PLUGIN_PATH", folder.path());
    let listed = text(&ok(&mut list).stdout);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let unusable = listed["unusable"].to_string();
    assert!(unusable.contains("update equip"), "{listed}");
}

#[test]
fn what_has_grown_in_the_middle_is_refused_though_the_version_fits() {
    // A method that is not at the end moves those behind it.
    let moved = (
        "equip-plugin-api/src/abi.rs",
        "    fn blocks(&self, _exceptions: bool)",
        "    fn wedge(&self) -> u32 {\n        7\n    }\n    fn blocks(&self, _exceptions: bool)",
    );
    let (_folder, library) = plugin(&[moved]);
    let (status, said) = run(&library, &[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(
        said.contains("rebuild it") && said.lines().count() == 1,
        "{said}"
    );
}

#[test]
fn what_a_newer_plugin_asks_for_is_refused_when_it_asks() {
    // Of the same version, but with a site, and an edit of a kind, that this host has never heard of.
    let unknown = (
        "equip-plugin-api/src/abi.rs",
        "Site::Before => (0, 0, 0)",
        "Site::Before => (9999, 0, 0)",
    );
    let (_folder, library) = plugin(&[unknown]);
    let (status, said) = run(&library, &[]);
    assert_eq!(status, Some(3), "{said}");
    assert!(said.contains("older than the plugin"), "{said}");
}
