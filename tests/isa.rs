//! The tables that are checked in are what the interpreters here say of themselves.

use crate::harness::{interpreters, ok, python, root, text};

#[test]
fn the_facts_are_fresh() {
    let isa = root().join("equip-core/isa");
    for one in interpreters() {
        let version = one.isa.version;
        let now = ok(python(one, &isa).arg(isa.join("dump.py")));
        let kept = isa.join(format!("cpython-{version}.json"));
        let kept = std::fs::read_to_string(&kept).unwrap();
        assert!(
            text(&now.stdout) == kept,
            "CPython {version} says something else: dump.py, then generate.py"
        );
    }
}

#[test]
fn the_tables_are_generated_from_the_facts() {
    let one = &interpreters()[0];
    let generate = root().join("equip-core/isa/generate.py");
    ok(python(one, root()).arg(generate).arg("--check"));
}
