//! What plugins are shown of the flow of control and of data.

use crate::harness::{equip, interpreters, scratch, text};

#[test]
fn plugins_see_flow_and_data() {
    let source = "\
def f(a, b):
    x = 1
    for i in b:
        if a > i:
            x = 'text'
    return x
";
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), source).unwrap();
        let output = equip(folder.path())
            .args(["-v", "--dry-run", "--plugin", "views", "--python"])
            .arg(&one.path)
            .arg(folder.path())
            .output()
            .unwrap();
        let said = text(&output.stderr);
        let expected = [
            "3: reads b of entry",
            "4: tests a > i",
            "4: reads a of entry",
            "4: reads i of 3",
            "6: reads x of 2 5",
            "6: x is int | str",
            "6: a is unknown",
            "6: live []",
            "back edge true true true true",
            "1 loops, entry leads on: true",
        ];
        for line in expected {
            let is = |other: &str| other.trim().trim_start_matches("m: ").ends_with(line);
            assert!(
                said.lines().any(is),
                "CPython {}: no {line:?} in\n{said}",
                one.isa.version
            );
        }
    }
}
