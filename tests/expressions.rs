//! Expression trees are what the source says: by hand, and over standard libraries beside their syntax trees.

use crate::harness;
use std::collections::BTreeMap;
use std::io::Write;
use std::process::Stdio;
use std::sync::Arc;

use crate::harness::{
    compile, compiled_library, instrument, interpreters, python, root, scratch, text,
};
use equip_core::analysis::{Cfg, EdgeKind, Exceptions, Expression, Expressions};
use equip_core::body::{self, Body};
use equip_core::declaration::declarations;
use equip_core::pyc::PycFile;
use equip_core::python::Interpreter;
use petgraph::visit::EdgeRef;

/// The expressions of a declaration.
fn of(pyc: &PycFile<'_>, qualname: &str) -> (Body, Cfg, Expressions) {
    let found = declarations(pyc);
    let one = found
        .find(qualname)
        .unwrap_or_else(|| panic!("no {qualname}"));
    let code = pyc.objects.code(one.code).expect("a code object");
    let body = body::decode(pyc.isa, &pyc.objects, code).expect("sound");
    let cfg = Cfg::of(&body, Exceptions::Followed);
    let expressions = Expressions::of(&body, &pyc.objects, &cfg).expect("sound");
    (body, cfg, expressions)
}

/// Conditions of a function `f` whose body is given, in code order, each once.
fn conditions(python: &Interpreter, lines: &str) -> Vec<String> {
    all(python, lines)
        .conditions
        .values()
        .map(Expression::to_string)
        .collect()
}

fn called(python: &Interpreter, lines: &str) -> Vec<String> {
    let all = all(python, lines);
    all.calls
        .values()
        .map(|call| call.function.to_string())
        .collect()
}

fn all(python: &Interpreter, lines: &str) -> Expressions {
    let indented: String = lines.lines().map(|line| format!("    {line}\n")).collect();
    let head = if lines.contains("await") || lines.contains("async ") {
        "async def"
    } else {
        "def"
    };
    let bytes = compile(
        python,
        &format!("{head} f(a, b, c, x, y):\n{indented}"),
        "m.py",
    );
    of(&PycFile::parse(&bytes).expect("a pyc"), "f").2
}

#[track_caller]
fn assert_conditions(lines: &str, wanted: &[&str]) {
    for python in interpreters() {
        let mut got = conditions(python, lines);
        got.dedup();
        assert_eq!(got, wanted, "CPython {}: {lines}", python.isa.version);
    }
}

#[track_caller]
fn assert_called(lines: &str, wanted: &[&str]) {
    for python in interpreters() {
        assert_eq!(
            called(python, lines),
            wanted,
            "CPython {}: {lines}",
            python.isa.version
        );
    }
}

#[test]
fn conditions_are_as_written() {
    assert_conditions("if a: return 1", &["a"]);
    assert_conditions("if not a: return 1", &["a"]);
    assert_conditions("while a.b < c[x]: a.step()", &["a.b < c[x]"]);
    assert_conditions("if a and not b or c: return 1", &["a", "b", "c"]);
    assert_conditions("return a + (1 if b > c * 2 else 2)", &["b > (c * 2)"]);
    assert_conditions("return a or b.c and x()", &["a", "b.c"]);
    assert_conditions("assert a == -b, 'no'", &["a == (-b)"]);
    assert_conditions("if a < b() <= c: return 1", &["a < b()", "b() <= c"]);
    assert_conditions("if a is None: return 1", &["a is None"]);
    assert_conditions("if a.b is not None: return 1", &["a.b is None"]);
    assert_conditions("if a is b: return 1", &["a is b"]);
    assert_conditions("if a is not b: return 1", &["a is not b"]);
    assert_conditions("if (n := a(b)) > 10: return n", &["a(b) > 10"]);
    assert_conditions("if a in b: return 1", &["a in b"]);
    assert_conditions("if a not in ('x', 1): return 1", &["a not in ('x', 1)"]);
    assert_conditions("if a in {1}: return 1", &["a in {1}"]);
    assert_conditions("if a[1:b]: return 1", &["a[1:b]"]);
    assert_conditions("if a[1:2]: return 1", &["a[1:2]"]);
    assert_conditions("if a[:b] == [x, *y, 1]: return 1", &["a[:b] == [x, *y, 1]"]);
    assert_conditions(
        "if a == {b: 1, 'k': c, **x}: return 1",
        &["a == {b: 1, 'k': c, **x}"],
    );
    assert_conditions("if f'{a}-{b!r:>9}': return 1", &["f'{a}-{b}'"]);
    assert_conditions(
        "if a.m(b, k=c, *x, **y): return 1",
        &["a.m(b, *x, k=c, **y)"],
    );
    assert_conditions(
        "if a(b, k=c, l=1) + ~x: return 1",
        &["a(b, k=c, l=1) + (~x)"],
    );
    assert_conditions("if +a: return 1", &["+a"]);
    assert_conditions("if await a.b(c): return 1", &["await a.b(c)"]);
    assert_conditions(
        "if a(await b(c)) > x(1, await y): return 1",
        &["a(await b(c)) > x(1, await y)"],
    );
    assert_conditions("for i in a.b(): print(i)", &["next of a.b()"]);
    assert_conditions(
        "try: a()\nexcept (ValueError, b.Error): return 1\nexcept KeyError as e: return e",
        &["? matches (ValueError, b.Error)", "? matches KeyError"],
    );
    // Where ways join, only what differs is unknown.
    assert_conditions("if a(b or c) > x: return 1", &["b", "a(?) > x"]);
    assert_conditions(
        "if a.b(1, x if y else c, b): return 1",
        &["y", "a.b(1, ?, b)"],
    );
}

#[test]
fn conditions_of_patterns() {
    assert_conditions(
        "match a:\n  case 1: return 1\n  case b.c: return 2",
        &["a == 1", "a == b.c"],
    );
    assert_conditions(
        "match a:\n  case None | True: return 1",
        &["a is None", "a is True"],
    );
    assert_conditions(
        "match a:\n  case [1, q] if q > b: return 1",
        &["a matches [...]", "len(a) == 2", "? == 1", "q > b"],
    );
    assert_conditions(
        "match a:\n  case b.Point(x=0): return 1",
        &["(a matches b.Point) is None", "? == 0"],
    );
    assert_conditions(
        "match a:\n  case {'k': q}: return 1",
        &[
            "a matches {...}",
            "len(a) >= 1",
            "(a matches ('k',)) is None",
        ],
    );
}

#[test]
fn conditions_of_comprehensions() {
    let source = "def f(a, b):\n    return [i for i in a if i > b and i.ok]\n";
    for python in interpreters() {
        let bytes = compile(python, source, "m.py");
        let pyc = PycFile::parse(&bytes).expect("a pyc");
        let inlined = declarations(&pyc).list.len() == 2;
        let (place, items) = match inlined {
            true => ("f", "next of a"),
            false => ("f.<locals>.<listcomp>", "next of .0"),
        };
        let found = of(&pyc, place).2;
        let shown: Vec<_> = found
            .conditions
            .values()
            .map(Expression::to_string)
            .collect();
        assert_eq!(
            shown,
            [items, "i > b", "i.ok"],
            "CPython {}",
            python.isa.version
        );
    }
}

#[test]
fn groups_of_exceptions() {
    for python in interpreters() {
        let got = conditions(python, "try: a()\nexcept* b.E: return_ = 1");
        assert!(
            got.contains(&"(? matches b.E) is None".to_owned()),
            "CPython {}: {got:?}",
            python.isa.version
        );
    }
}

#[test]
fn callees_are_as_written() {
    assert_called("a(b)(c)", &["a", "a(b)"]);
    assert_called("a.b.c(x, y=1)", &["a.b.c"]);
    assert_called("a(*x, **y)", &["a"]);
    assert_called("a.m(1, *x, k=2)", &["a.m"]);
    assert_called("a[b].c()", &["a[b].c"]);
    assert_called("'-'.join(a)", &["'-'.join"]);
    assert_called(
        "with a.b(c) as x: x()",
        &["a.b", "a.b(c).__enter__", "x", "a.b(c).__exit__"],
    );
    assert_called("return (lambda: 1)()", &["<lambda>"]);
    assert_called("(b or c)(x)", &["?"]);
    assert_called("a(b for i in c)", &["<genexpr>", "a"]);
    assert_called(
        "import x.y as z\nfrom .. import q\nz.m(); q(); x()",
        &["z.m", "q", "x"],
    );
}

/// What a scope calls, with arguments.
fn calls(pyc: &PycFile<'_>, qualname: &str) -> Vec<String> {
    let found = of(pyc, qualname).2;
    let shown = found.calls.values().map(|call| {
        let arguments: Vec<_> = call.arguments.iter().map(Expression::to_string).collect();
        format!("{}({})", call.function, arguments.join(", "))
    });
    shown.collect()
}

#[test]
fn classes_decorators_and_super() {
    let source = "\
import m
@m.deco(1)
@plain
class C(Base, m.Other, meta=m.Meta):
    @property
    def p(self):
        return super().p
    def m(self):
        return super().m(1) or super(C, self).n()
@plain
async def g(): pass
";
    for python in interpreters() {
        let bytes = compile(python, source, "m.py");
        let pyc = PycFile::parse(&bytes).expect("a pyc");
        let version = python.isa.version;
        let class = "__build_class__(C, 'C', Base, m.Other, m.Meta)";
        let class_shown = "__build_class__(C, 'C', Base, m.Other, meta=m.Meta)";
        assert_eq!(
            calls(&pyc, "<module>"),
            [
                "m.deco(1)",
                class,
                &format!("plain({class_shown})"),
                &format!("m.deco(1)(plain({class_shown}))"),
                "plain(g)",
            ],
            "CPython {version}"
        );
        assert_eq!(calls(&pyc, "C"), ["property(p)"], "CPython {version}");
        let inside: Vec<_> = calls(&pyc, "C.m");
        let wanted = ["super().m(1)", "super(C, self).n()"];
        let inside: Vec<_> = inside.iter().filter(|call| call.contains('.')).collect();
        assert_eq!(inside, wanted, "CPython {version}");
        let stored = of(&pyc, "<module>").2.stored;
        let shown: Vec<_> = stored.values().map(Expression::to_string).collect();
        assert_eq!(shown[0], "import m", "CPython {version}");
        assert_eq!(shown[1], format!("m.deco(1)(plain({class_shown}))"));
    }
}

/// The conditions of two functions, in one file so that trees are of one body each.
fn pair(python: &Interpreter, one: &str, other: &str) -> [Expression; 2] {
    let source = format!("def f():\n  if {one}: return 1\ndef g():\n  if {other}: return 1\n");
    let bytes = compile(python, &source, "m.py");
    let pyc = PycFile::parse(&bytes).expect("a pyc");
    ["f", "g"].map(|name| {
        let found = of(&pyc, name).2;
        found
            .conditions
            .values()
            .next()
            .expect("a condition")
            .clone()
    })
}

#[test]
fn equality_exchanges_operands() {
    let equal = [
        ("a + b > 0", "b + a > 0"),
        ("a + b > 0", "0 < a + b"),
        ("a >= b", "b <= a"),
        ("a == b.c", "b.c == a"),
        ("f(a * b, k=c | d)", "f(b * a, k=d | c)"),
        ("a is b", "b is a"),
        ("x[a ^ b]", "x[b ^ a]"),
        ("{a, b} == x", "x == {b, a}"),
        ("a in (1, 2)", "a in (1, 2)"),
        ("(a + b) * (c + d) != 1", "1 != (d + c) * (b + a)"),
    ];
    let different = [
        ("a + b > 0", "a - b > 0"),
        ("a - b > 0", "b - a > 0"),
        ("a > b", "b > a"),
        ("a > b", "a >= b"),
        ("a + b > 0", "a + b > 1"),
        ("a + b + c > 0", "a + c > 0"),
        ("f(a, b)", "f(b, a)"),
        ("f(a, k=b)", "f(a, l=b)"),
        ("f(a, b)", "f(a, k=b)"),
        ("a in b", "b in a"),
        ("a in b", "a not in b"),
        ("a is b", "a == b"),
        ("a.b", "a.c"),
        ("a[b]", "b[a]"),
        ("a // b", "b // a"),
        ("(a, b) == x", "(b, a) == x"),
        ("'1' == a", "1 == a"),
        ("f(*a)", "f(a)"),
    ];
    for python in interpreters() {
        for (one, other) in equal {
            let [one, other] = pair(python, one, other);
            assert!(
                one.equals(&other) && other.equals(&one),
                "{one} and {other}"
            );
        }
        for (one, other) in different {
            let [one, other] = pair(python, one, other);
            assert!(
                !one.equals(&other) && !other.equals(&one),
                "{one} and {other}"
            );
        }
    }
}

#[test]
fn names_and_parts() {
    let python = &interpreters()[0];
    let [one, _] = pair(python, "a.b + c[d] > f(a, k=e)", "a");
    assert_eq!(one.names(), ["a", "c", "d", "f", "e"]);
    assert_eq!(one.parts().len(), 2);
    let [one, other] = pair(python, "a.b.c", "a().c");
    assert_eq!(one.dotted().as_deref(), Some("a.b.c"));
    assert_eq!(other.dotted(), None);
}

/// Trees cannot grow without end, nor can what shares them.
#[test]
fn large_trees_are_cut_off() {
    for python in interpreters() {
        let deep = format!("if a{}: return 1", " + b * 2".repeat(300));
        let got = conditions(python, &deep);
        assert!(got[0].len() < 4000, "{}", got[0]);
        let many: Vec<_> = (0..20_000).map(|n| format!("a[{n}]")).collect();
        let long = format!("if x == [{}]: return 1", many.join(", "));
        assert_eq!(conditions(python, &long).len(), 1);
    }
}

/// Every code object of a file has its expressions; how many conditions and calls.
fn read_all(bytes: &[u8], what: &str) -> [usize; 2] {
    let pyc = PycFile::parse(bytes).unwrap_or_else(|error| panic!("{what}: {error}"));
    let mut count = [0, 0];
    for one in &declarations(&pyc).list {
        let code = pyc.objects.code(one.code).expect("a code object");
        let body = body::decode(pyc.isa, &pyc.objects, code).expect("sound");
        for exceptions in [Exceptions::Followed, Exceptions::Ignored] {
            let cfg = Cfg::of(&body, exceptions);
            let found = Expressions::of(&body, &pyc.objects, &cfg);
            let found = found.unwrap_or_else(|error| panic!("{what} {}: {error}", one.qualname));
            for one in found.conditions.values() {
                assert!(one.equals(one) && !one.to_string().is_empty());
            }
            count[0] += found.conditions.len();
            count[1] += found.calls.len();
        }
    }
    count
}

#[test]
fn whole_libraries_are_read() {
    for python in interpreters() {
        let folder = scratch();
        let files = compiled_library(python, folder.path());
        let mut count = [0, 0];
        for file in &files {
            let bytes = std::fs::read(file).expect("readable");
            let [conditions, calls] = read_all(&bytes, &file.display().to_string());
            count = [count[0] + conditions, count[1] + calls];
        }
        let (version, [conditions, calls]) = (python.isa.version, count);
        println!(
            "CPython {version}: {} files, {conditions} conditions, {calls} calls",
            files.len()
        );
    }
}

#[test]
fn instrumented_code_is_read() {
    for python in interpreters() {
        let folder = scratch();
        harness::copy(&root().join("examples/shop"), &folder.path().join("shop"));
        instrument(
            python,
            folder.path(),
            &["--plugin", "allsites", "--plugin", "tracer"],
        );
        let cache = folder.path().join("shop/__pycache__");
        let mut read = 0;
        for entry in std::fs::read_dir(cache).expect("instrumented").flatten() {
            if entry.path().extension().is_some_and(|end| end == "pyc") {
                let bytes = std::fs::read(entry.path()).expect("readable");
                read_all(&bytes, &entry.path().display().to_string());
                read += 1;
            }
        }
        assert!(read >= 5, "{read}");
    }
}

/// What is said of one place by bytecode: each text, with the lines that the branch leads to where it holds.
type Told = BTreeMap<Vec<i64>, Vec<(String, Option<i64>)>>;

fn place(body: &Body, at: usize) -> Vec<i64> {
    let place = body.instrs[at].location;
    [place.line, place.end_line, place.column, place.end_column]
        .map(i64::from)
        .to_vec()
}

/// The first line other than the condition's own, from where an edge leads on.
fn line_after(body: &Body, cfg: &Cfg, at: usize, kind: EdgeKind) -> Option<i64> {
    let own = body.instrs[at].location;
    let mut block = cfg.block_of(at)?;
    let mut kind = kind;
    loop {
        let mut edges = cfg.graph.edges(block);
        block = edges.find(|edge| edge.weight().kind == kind)?.target();
        let mut instrs = cfg.block(block).instrs();
        let line = instrs.find_map(|next| {
            let line = body.instrs[next].location.line;
            (line > own.end_line || line > 0 && line < own.line).then_some(line)
        });
        if let Some(line) = line {
            return Some(line.into());
        }
        kind = EdgeKind::FallThrough; // the block has nothing but a NOT_TAKEN
    }
}

fn told(bytes: &[u8], conditions: &mut Told, calls: &mut Told) -> String {
    let pyc = PycFile::parse(bytes).expect("a pyc");
    let found = declarations(&pyc);
    for one in &found.list {
        let (body, cfg, all) = {
            let code = pyc.objects.code(one.code).expect("a code object");
            let body = body::decode(pyc.isa, &pyc.objects, code).expect("sound");
            let cfg = Cfg::of(&body, Exceptions::Followed);
            let all = Expressions::of(&body, &pyc.objects, &cfg).expect("sound");
            (body, cfg, all)
        };
        for (at, condition) in &all.conditions {
            for kind in [EdgeKind::True, EdgeKind::False] {
                let line = line_after(&body, &cfg, *at, kind);
                let text = format!("{condition} {}", kind == EdgeKind::True);
                conditions
                    .entry(place(&body, *at))
                    .or_default()
                    .push((text, line));
            }
        }
        for (at, call) in &all.calls {
            let shown = Expression::Call {
                function: Arc::new(call.function.clone()),
                arguments: call.arguments.clone(),
                keywords: Vec::new(),
            };
            let text = shown.to_string();
            calls
                .entry(place(&body, *at))
                .or_default()
                .push((text, None));
        }
    }
    let code = pyc.objects.code(pyc.root).expect("a module");
    pyc.objects
        .str(code.filename)
        .unwrap_or_default()
        .into_owned()
}

#[test]
fn trees_are_those_of_the_source() {
    for python in interpreters() {
        let folder = scratch();
        let mut files = BTreeMap::new();
        for file in compiled_library(python, folder.path()) {
            if file.to_string_lossy().ends_with(".0.pyc") {
                let bytes = std::fs::read(&file).expect("readable");
                let (mut conditions, mut calls) = (Told::new(), Told::new());
                let source = told(&bytes, &mut conditions, &mut calls);
                files.insert(source, (conditions, calls));
            }
        }
        let mut oracle = self::python(python, folder.path());
        let mut oracle = oracle
            .args(["-W", "ignore"])
            .arg(root().join("tests/oracle/expressions.py"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("it starts");
        let names: Vec<_> = files.keys().cloned().collect();
        let mut input = oracle.stdin.take().expect("piped");
        input
            .write_all(names.join("\n").as_bytes())
            .expect("it reads");
        drop(input);
        let output = oracle.wait_with_output().expect("it ends");
        assert!(output.status.success());
        let (mut compared, mut lines, mut missing, mut wrong) = ([0, 0], 0, 0, Vec::new());
        for line in text(&output.stdout).lines() {
            let of_file: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let (conditions, calls) = &files[of_file["file"].as_str().expect("text")];
            for wanted in of_file["all"].as_array().expect("a list") {
                let place: Vec<i64> =
                    serde_json::from_value(wanted["place"].clone()).expect("four numbers");
                let is_condition = wanted["what"] == "condition";
                let told = if is_condition { conditions } else { calls };
                let Some(got) = told.get(&place) else {
                    missing += 1; // never run, or known beforehand
                    continue;
                };
                let text = wanted["text"].as_str().expect("text");
                compared[usize::from(!is_condition)] += 1;
                // What decorators give, and the methods of `with`, are called at the same place, but later.
                let count = if wanted["called"] == true {
                    1
                } else {
                    got.len()
                };
                for (shown, to) in &got[..count] {
                    let right = match is_condition {
                        true => shown
                            .rsplit_once(' ')
                            .is_some_and(|(shown, _)| shown == text),
                        false => shown == text,
                    };
                    let holds = format!("{text} {}", wanted["holds"]);
                    let line = wanted["line"].as_i64();
                    let leads = !is_condition || *shown != holds || line.is_none() || *to == line;
                    lines += usize::from(is_condition && *shown == holds && line.is_some());
                    if !right || !leads {
                        wrong.push(format!(
                            "{} {place:?}: {wanted}, not {shown} to {to:?}",
                            of_file["file"]
                        ));
                    }
                }
            }
        }
        let [conditions, calls] = compared;
        println!(
            "CPython {}: {conditions} conditions ({lines} with the branch's line) and {calls} calls compared, {} differ; {missing} have no bytecode",
            python.isa.version,
            wrong.len()
        );
        wrong.truncate(20);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(conditions > 200 && calls > 1000);
    }
}
