//! Constants and types of locals beside what locals hold: programs run under a trace function that looks at every
//! instruction (`tests/oracle/values.py`), and every operator is asked of every pair of builtin types.

use crate::harness;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use crate::harness::{interpreters, ok, python, root, scratch, text};
use equip_core::analysis::constants::Value;
use equip_core::analysis::{Cfg, Constant, Constants, Exceptions, Type, TypeSet, Types};
use equip_core::body::{self, Body};
use equip_core::code::{CodeObject, kinds};
use equip_core::marshal::ObjectId;
use equip_core::pyc::PycFile;
use equip_core::python::Interpreter;
use serde_json::{Value as Json, json};

/// Code objects, each with the indices into `co_consts` that lead to it.
fn code_objects(pyc: &PycFile<'_>) -> Vec<(Vec<usize>, ObjectId)> {
    let mut all = vec![(Vec::new(), pyc.root)];
    let mut next = 0;
    while let Some((path, id)) = all.get(next).cloned() {
        next += 1;
        let code = pyc.objects.code(id).expect("a code object");
        for (index, constant) in code.consts(&pyc.objects).iter().enumerate() {
            if pyc.objects.code(*constant).is_some() {
                let path = path.iter().copied().chain([index]).collect();
                all.push((path, *constant));
            }
        }
    }
    all
}

/// What is claimed of the locals of a code object, as the oracle reads it. Those that it cannot see are left out:
/// cells, and what only inlined comprehensions have.
fn claims(pyc: &PycFile<'_>, path: &[usize], code: &CodeObject) -> Json {
    let objects = &pyc.objects;
    let body = body::decode(pyc.isa, objects, code).expect("sound");
    let cfg = Cfg::of(&body, Exceptions::Followed);
    let constants = Constants::of(&body, objects, code).expect("sound");
    let types = Types::of(&body, objects, code).expect("sound");
    let (values, typed) = (constants.solve(&cfg), types.solve(&cfg));
    let seen: Vec<u32> = (0..body.locals.len() as u32)
        .filter(|slot| {
            let hidden = kinds::CELL | kinds::FREE | kinds::HIDDEN;
            code.is_optimized() && body.locals[*slot as usize].kind & hidden == 0
        })
        .collect();
    let (mut states, mut changes, mut last) = (Vec::new(), Vec::new(), None);
    for node in cfg.graph.node_indices() {
        let mut known = Vec::new();
        values.before_each(&constants, &body, &cfg, node, |_, fact| {
            known.push(fact.clone())
        });
        let mut known = known.into_iter();
        typed.before_each(&types, &body, &cfg, node, |at, types| {
            let values = known.next().expect("one for each instruction");
            let slots = seen
                .iter()
                .map(|slot| (*slot, *values.slot(*slot), *types.slot(*slot)));
            let now: Vec<_> = slots.collect();
            if last.as_ref() != Some(&now) {
                changes.push(json!([at, states.len()]));
                states.push(state(pyc, &body, &now));
                last = Some(now);
            }
        });
    }
    json!({"path": path, "states": states, "at": changes})
}

fn state(pyc: &PycFile<'_>, body: &Body, slots: &[(u32, Value, TypeSet)]) -> Json {
    let known = slots
        .iter()
        .filter(|(_, _, types)| !types.is_unknown() || !types.may_be_unbound());
    let all = known.map(|(slot, value, types)| {
        let name = pyc.objects.str(body.locals[*slot as usize].name);
        let constant = value.constant().map(|constant| match constant {
            Constant::None => json!(["none", null]),
            Constant::Bool(value) => json!(["bool", value]),
            Constant::Int(value) => json!(["int", value.to_string()]),
            Constant::EmptyStr => json!(["str", ""]),
            Constant::Object(id) => {
                let index = body.consts.iter().position(|known| *known == id);
                json!(["const", index.expect("of this code object")])
            }
        });
        json!([name.expect("a name"), mask(*types), constant])
    });
    all.collect()
}

/// A bit for each type, and one for no value.
fn mask(types: TypeSet) -> u32 {
    let bits = types.types().map(|one| 1 << one as u32).sum::<u32>();
    bits | u32::from(types.may_be_unbound()) << Type::ALL.len()
}

/// Has the oracle look at what files do.
fn confirm(python: &Interpreter, pycs: &[PathBuf], command: &str, with: &[&OsStr]) {
    let files = pycs.iter().map(|path| {
        let data = std::fs::read(path).expect("readable");
        let pyc = PycFile::parse(&data).expect("a pyc");
        let codes = code_objects(&pyc);
        let codes = codes.iter().map(|(path, id)| {
            let code = pyc.objects.code(*id).expect("a code object");
            claims(&pyc, path, code)
        });
        json!([path, codes.collect::<Vec<_>>()])
    });
    let names: Vec<_> = Type::ALL.iter().map(|one| one.name()).collect();
    let all = json!({"types": names, "files": files.collect::<Vec<_>>()});
    let work = scratch();
    let list = work.path().join("claims.json");
    std::fs::write(&list, all.to_string()).expect("writable");
    let mut oracle = self::python(python, work.path());
    oracle.arg("-B").arg(root().join("tests/oracle/values.py"));
    oracle.arg(command).arg(&list).args(with);
    let said = text(&ok(&mut oracle).stdout);
    let last = said.lines().last().unwrap_or_default();
    println!("CPython {}: {last}", python.isa.version);
    let checked = last.split(' ').next().and_then(|count| count.parse().ok());
    let checked: u32 = checked.expect("it says how many it has checked");
    assert!(last.ends_with(", 0 wrong") && checked > 5_000, "{said}");
}

/// Compiles source into a folder, which has it as well.
fn compiled(python: &Interpreter, folder: &Path, name: &str, source: &str) -> PathBuf {
    std::fs::write(folder.join(name).with_extension("py"), source).expect("writable");
    let pyc = folder.join(name).with_extension("pyc.claimed");
    std::fs::write(&pyc, harness::compile(python, source, name)).expect("writable");
    pyc
}

#[test]
fn operators_give_the_types_that_are_claimed() {
    for python in interpreters() {
        let folder = scratch();
        let mut oracle = self::python(python, folder.path());
        oracle.arg(root().join("tests/oracle/values.py"));
        let source = text(&ok(oracle.arg("operators")).stdout);
        let pyc = compiled(python, folder.path(), "operators", &source);
        confirm(python, &[pyc], "results", &[]);
    }
}

#[test]
fn locals_of_random_functions_hold_what_is_claimed() {
    let seeds = if std::env::var_os("EQUIP_TEST_ALL").is_some() {
        30
    } else {
        1
    };
    for python in interpreters() {
        for seed in 1..=seeds {
            let folder = scratch();
            let source = harness::random_functions(python, seed, 120);
            let pyc = compiled(python, folder.path(), "made", &source);
            let code = "import made; made.run()";
            confirm(
                python,
                &[pyc],
                "check",
                &[folder.path().as_ref(), code.as_ref()],
            );
        }
    }
}

/// What is run of standard libraries: modules, and what they are to do.
const LIBRARY: &[&str] = &[
    "json/decoder.py",
    "json/encoder.py",
    "json/scanner.py",
    "textwrap.py",
    "difflib.py",
    "configparser.py",
    "argparse.py",
    "csv.py",
    "html/parser.py",
    "_markupbase.py",
    "tokenize.py",
    "statistics.py",
    "fractions.py",
    "_pydecimal.py",
    "shlex.py",
    "string.py",
    "bisect.py",
    "dataclasses.py",
    "inspect.py",
    "ast.py",
    "pprint.py",
    "copy.py",
    "urllib/parse.py",
    "ipaddress.py",
    "calendar.py",
    "base64.py",
    "random.py",
    "typing.py",
    "enum.py",
    "traceback.py",
    "dis.py",
    "re/_parser.py",
    "re/_compiler.py",
    "heapq.py",
    "fnmatch.py",
    "posixpath.py",
    "contextlib.py",
    "functools.py",
    "quopri.py",
    "email/header.py",
    "email/_header_value_parser.py",
];
const USE: &str = include_str!("oracle/use_library.py");

#[test]
fn locals_of_standard_libraries_hold_what_is_claimed() {
    for python in interpreters() {
        let folder = scratch();
        let program = "
import os, py_compile, sys
library = os.path.dirname(os.__file__)
for number, name in enumerate(sys.argv[2:]):
    if os.path.exists(os.path.join(library, name)):
        py_compile.compile(os.path.join(library, name), cfile=os.path.join(sys.argv[1], f'{number}.pyc'), doraise=True)
";
        let mut command = self::python(python, folder.path());
        command
            .args(["-W", "ignore", "-c", program])
            .arg(folder.path());
        ok(command.args(LIBRARY));
        let found = std::fs::read_dir(folder.path())
            .expect("readable")
            .flatten();
        let mut pycs: Vec<_> = found.map(|entry| entry.path()).collect();
        pycs.sort();
        assert!(pycs.len() > 30, "modules are missing");
        confirm(
            python,
            &pycs,
            "check",
            &[folder.path().as_ref(), USE.as_ref()],
        );
    }
}
