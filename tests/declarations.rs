//! What is told of a program's declarations, from its bytecode, is what its source says.

use std::io::Write;
use std::process::Stdio;

use crate::harness::{equip, interpreters, ok, python, root, scratch, text};

const MODULES: &[&str] = &[
    "argparse",
    "asyncio",
    "collections",
    "concurrent",
    "dataclasses",
    "email",
    "enum",
    "json",
    "logging",
    "typing",
    "unittest",
];

#[test]
fn declarations_are_those_of_the_source() {
    for one in interpreters() {
        let folder = scratch();
        let program = "
import os, shutil, sys
lib = os.path.dirname(os.__file__)
for name in sys.argv[1:]:
    path = os.path.join(lib, name)
    if os.path.isdir(path):
        shutil.copytree(path, name, ignore=shutil.ignore_patterns('__pycache__', 'test', 'tests'))
    else:
        shutil.copy(path + '.py', name + '.py')";
        ok(python(one, folder.path())
            .args(["-I", "-c", program])
            .args(MODULES));
        let told = ok(equip(folder.path())
            .args(["decls", "--report", "json", ".", "--python"])
            .arg(&one.path));
        let mut oracle = python(one, folder.path())
            .arg(root().join("tests/oracle/declarations.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut input = oracle.stdin.take().expect("piped");
        input.write_all(&told.stdout).expect("it reads");
        drop(input);
        let output = oracle.wait_with_output().expect("it ends");
        let said = text(&output.stdout);
        assert!(
            output.status.success(),
            "CPython {}: {said}",
            one.isa.version
        );
        println!("CPython {}: {}", one.isa.version, said.trim());
    }
}
