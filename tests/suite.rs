//! A sample of CPython's own tests on an instrumented standard library, beside the plain one. All of
//! them: tests/sweep/cpython_suite.py.

use crate::harness::{equip, interpreters, root, scratch, text};

const SAMPLE: &[&str] = &[
    "test_generators",
    "test_coroutines",
    "test_exceptions",
    "test_with",
    "test_contextlib",
    "test_scope",
    "test_listcomps",
    "test_class",
    "test_json",
    "test_sys_settrace",
];

#[test]
fn a_sample_of_cpythons_own_tests() {
    the_same("allsites", &[]);
}

#[test]
fn a_sample_of_cpythons_own_tests_with_every_way_out() {
    the_same("exits", &["--set", "exits.mode=silent"]);
}

/// On the oldest and the newest interpreter that is here (but for the ways out: the newest), or all with
/// `EQUIP_TEST_ALL` set.
fn the_same(plugin: &str, options: &[&str]) {
    let found = interpreters();
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    for (index, one) in found.iter().enumerate() {
        let first = index == 0 && plugin != "exits";
        if !all && !first && index + 1 != found.len() {
            continue;
        }
        let folder = scratch();
        // For its environment: where plugins and the cache are.
        let equip = equip(folder.path());
        let mut command = std::process::Command::new(&one.path);
        for (name, value) in equip.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command
            .arg(root().join("tests/sweep/cpython_suite.py"))
            .arg("--python")
            .arg(&one.path)
            .args(["--equip", env!("CARGO_BIN_EXE_equip")])
            .args(["--plugin", plugin, "--small", "--jobs", "2"])
            .args(options)
            .args(SAMPLE)
            .current_dir(folder.path());
        let output = command.output().expect("it starts");
        let said = text(&output.stdout);
        assert!(
            output.status.success(),
            "{}: {said}\n{}",
            one.path.display(),
            text(&output.stderr)
        );
        let last = said.lines().last().unwrap_or_default();
        println!("CPython {}, {plugin}: {last}", one.isa.version);
        assert!(
            last.starts_with(&format!("{} modules", SAMPLE.len())),
            "{said}"
        );
    }
}
