//! `equip coverage`: each rule over small sources with data by hand, each form of report, what is damaged or
//! missing; and all of `tests/coverage` beside coverage.py, where that is installed.

use crate::harness;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use crate::harness::{equip, interpreters, ok, python, root, scratch, text};
use equip_core::python::Interpreter;
use serde_json::{Value, json};

/// A line or an edge, and how often it was reached or taken.
type Lines<'a> = &'a [(u32, u64)];
type Edges<'a> = &'a [(u32, u32, u32, u64)];

/// A data file in which each fact has a probe of its own.
fn data(one: &Interpreter, file: &Path, mode: &str, lines: Lines<'_>, edges: Edges<'_>) -> Value {
    let counts = lines.iter().map(|(_, count)| *count);
    let counts: Vec<u64> = counts.chain(edges.iter().map(|edge| edge.3)).collect();
    let line = |(probe, (line, _)): (usize, &(u32, u64))| json!([line, [probe]]);
    let edge = |(probe, (from, to, function, _)): (usize, &(u32, u32, u32, u64))| {
        json!([from, to, function, [lines.len() + probe]])
    };
    json!({"format": "equip coverage 1", "python": one.isa.version.to_string(), "modules": [{
        "map": {
            "file": file, "mode": mode, "probes": counts.len(),
            "lines": lines.iter().enumerate().map(line).collect::<Vec<_>>(),
            "branches": edges.iter().enumerate().map(edge).collect::<Vec<_>>(),
        },
        "counts": counts,
    }]})
}

fn put(folder: &Path, name: &str, content: &Value) {
    let place = folder.join("equip-coverage");
    std::fs::create_dir_all(&place).unwrap();
    std::fs::write(place.join(name), content.to_string()).unwrap();
}

fn coverage(one: &Interpreter, folder: &Path, arguments: &[&str]) -> Output {
    let mut command = equip(folder);
    command.env_remove("COVERAGE_RCFILE");
    command
        .arg("coverage")
        .args(arguments)
        .arg("--python")
        .arg(&one.path);
    command.output().unwrap()
}

fn report(one: &Interpreter, folder: &Path, arguments: &[&str]) -> Value {
    let output = coverage(one, folder, &[&["json", "-o", "-"], arguments].concat());
    let said = text(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// A rule: a source, what ran of it, and statements, those missed, branches, those partial, what is
/// missing, and which lines are excluded.
struct Rule {
    name: &'static str,
    source: &'static str,
    lines: &'static [u32],
    edges: Edges<'static>,
    expected: &'static str,
    excluded: &'static [u32],
}

const RULES: &[Rule] = &[
    Rule {
        name: "an `if` whose condition was always true",
        source: "x = 1\nif x:\n    x = 2\nx = 3\n",
        lines: &[1, 2, 3, 4],
        edges: &[(2, 3, 1, 1), (2, 4, 1, 0)],
        expected: "4 0 2 1 2->4",
        excluded: &[],
    },
    Rule {
        name: "a function that ends with a condition",
        source: "def f(x):\n    if x:\n        x = 2\n",
        lines: &[1, 2, 3],
        edges: &[(2, 3, 1, 1), (2, 0, 1, 0)],
        expected: "3 0 2 1 2->exit",
        excluded: &[],
    },
    Rule {
        name: "what was missed, in ranges over what is no statement",
        source: "def f():\n    a = 1\n\n    # nothing\n    b = 2\n    return a\nf\ndef g(): return 1\n",
        lines: &[1, 7, 8],
        edges: &[],
        expected: "6 3 2 1 2-6, 8->exit",
        excluded: &[],
    },
    Rule {
        name: "statements of several lines",
        source: "x = max(\n    1,\n    2)\nif (x\n        and x):\n    x = '''\n'''\nx = 1\n",
        lines: &[1, 2, 4, 5, 6, 8],
        edges: &[(4, 5, 1, 1), (4, 8, 1, 1), (5, 6, 1, 1), (5, 8, 1, 0)],
        expected: "4 0 2 0 ",
        excluded: &[],
    },
    Rule {
        name: "decorators, `def` and docstrings",
        source: "def d(f):\n    '''A\n    docstring.'''\n    return f\n@d\n@d\ndef f(\n        x):\n    return x\n",
        lines: &[1, 4, 5, 6, 7],
        edges: &[],
        expected: "6 1 0 0 9",
        excluded: &[],
    },
    Rule {
        name: "an excluded suite, and the line that leads to it",
        source: "x = 1\nif x == 2:  # pragma: no cover\n    x = 3\n    x = 4\nelse:\n    x = 5\n",
        lines: &[1, 2, 6],
        edges: &[(2, 3, 1, 0), (2, 6, 1, 1)],
        expected: "2 0 0 0 ",
        excluded: &[2, 3, 4],
    },
    Rule {
        name: "an excluded `else`: one way is left",
        source: "x = 1\nif x:\n    x = 3\nelse:  # pragma: no cover\n    x = 5\n",
        lines: &[1, 2, 3],
        edges: &[(2, 3, 1, 1), (2, 5, 1, 0)],
        expected: "3 0 0 0 ",
        excluded: &[4, 5],
    },
    Rule {
        name: "an excluded function, by its decorator",
        source: "def d(f): return f\n@d  # pragma: no cover\ndef f():\n\n    return 1\nx = 1\n",
        lines: &[1, 1, 2, 3, 6],
        edges: &[],
        expected: "2 0 0 0 ",
        excluded: &[2, 3, 4, 5],
    },
    Rule {
        name: "an excluded class, and `...`",
        source: "class A:  # pragma: no cover\n    x = 1\nclass B:\n    def f(self): ...\n    def g(self):\n        ...\n",
        lines: &[1, 2, 3, 4, 5],
        edges: &[],
        expected: "1 0 0 0 ",
        excluded: &[1, 2, 4, 5, 6, 7],
    },
    Rule {
        name: "TYPE_CHECKING",
        source: "TYPE_CHECKING = False\nif TYPE_CHECKING:\n    import no\nx = 1\n",
        lines: &[1, 2, 4],
        edges: &[(2, 3, 1, 0), (2, 4, 1, 1)],
        expected: "2 0 0 0 ",
        excluded: &[2, 3],
    },
    Rule {
        name: "a partial branch that is meant",
        source: "for i in 1, 2:  # pragma: no branch\n    break\nwhile True:\n    break\nx = 1\n",
        lines: &[1, 2, 3, 4, 5],
        edges: &[(1, 2, 1, 1), (1, 3, 1, 0)],
        expected: "5 0 2 0 ",
        excluded: &[],
    },
    Rule {
        name: "a condition at the end of a `with`, whose end has its line",
        source: "import io\nwith io.StringIO() as f:\n    if f:\n        x = 1\nx = 2\n",
        lines: &[1, 2, 3, 4, 5],
        edges: &[(3, 4, 1, 1), (3, 2, 1, 0)],
        expected: "5 0 2 1 3->5",
        excluded: &[],
    },
    Rule {
        name: "patterns",
        source: "match 1:\n    case 2:\n        x = 1\n    case 1:\n        x = 2\n    case _:  # pragma: no cover\n        x = 3\nx = 4\n",
        lines: &[1, 2, 4, 5, 8],
        edges: &[(2, 3, 1, 0), (2, 4, 1, 1), (4, 5, 1, 1), (4, 7, 1, 0)],
        expected: "6 1 2 1 3",
        excluded: &[6, 7],
    },
    Rule {
        name: "a class and a function on a line each: their bodies are branches, as coverage.py has it",
        source: "class A: x = 1\ndef f(): return 1\ndef g(): return 1\nx = 1\n",
        lines: &[1, 1, 2, 2, 3, 4],
        edges: &[],
        expected: "4 0 6 1 3->exit",
        excluded: &[],
    },
];

#[test]
fn rules() {
    for one in interpreters() {
        let folder = scratch();
        for (number, rule) in RULES.iter().enumerate() {
            let source = folder.path().join(format!("m{number}.py"));
            std::fs::write(&source, rule.source).unwrap();
            let lines: Vec<_> = rule.lines.iter().map(|line| (*line, 1)).collect();
            let content = data(one, &source, "hits", &lines, rule.edges);
            put(folder.path(), &format!("{number}.json"), &content);
        }
        let found = report(one, folder.path(), &[]);
        let table = text(&coverage(one, folder.path(), &["report", "-m"]).stdout);
        for (number, rule) in RULES.iter().enumerate() {
            let what = format!("{}: {}", one.isa.version, rule.name);
            let file = &found["files"][format!("m{number}.py")];
            assert_eq!(file["excluded_lines"], json!(rule.excluded), "{what}");
            let row = table.lines().nth(2 + number).unwrap_or_default();
            let words: Vec<_> = row.split_whitespace().collect();
            let shown = format!("{} {}", words[1..5].join(" "), words[6..].join(" "));
            assert_eq!(shown, rule.expected, "{what}");
        }
    }
}

const PROGRAM: &str = "\
def f(x):
    if x:
        return 1
    return 2


class A:
    def g(self):
        for i in range(3):
            if i > 5:
                return i


f(1)
A().g()
";

/// The program, with counts of a run.
fn program(one: &Interpreter, folder: &Path, mode: &str) {
    let source = folder.join("pkg/m.py");
    std::fs::create_dir_all(folder.join("pkg")).unwrap();
    std::fs::write(folder.join("pkg/__init__.py"), "").unwrap();
    std::fs::write(folder.join("pkg/idle.py"), "x = 1\nif x:\n    x = 2\n").unwrap();
    std::fs::write(&source, PROGRAM).unwrap();
    let lines = [
        (1, 1),
        (2, 1),
        (3, 1),
        (7, 1),
        (8, 1),
        (9, 4),
        (10, 3),
        (14, 1),
        (15, 1),
    ];
    let edges = [
        (2, 3, 1, 1),
        (2, 4, 1, 0),
        (9, 10, 8, 3),
        (9, 0, 8, 1),
        (10, 11, 8, 0),
        (10, 9, 8, 3),
    ];
    put(
        folder,
        "1-1.json",
        &data(one, &source, mode, &lines, &edges),
    );
}

#[test]
fn forms() {
    let one = &interpreters()[0];
    let folder = scratch();
    program(one, folder.path(), "counts");
    let of = |arguments: &[&str]| {
        let output = coverage(one, folder.path(), arguments);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout)
    };
    let expected = "\
Name       Stmts   Miss Branch BrPart  Cover   Missing
------------------------------------------------------
pkg/m.py      11      2      6      2    76%   4, 11
------------------------------------------------------
TOTAL         11      2      6      2    76%
";
    assert_eq!(of(&["report", "-m"]), expected);
    let expected = "\
Name              Stmts   Miss Branch BrPart  Cover
---------------------------------------------------
pkg/__init__.py       0      0      0      0   100%
pkg/idle.py           3      3      2      0     0%
pkg/m.py             11      2      6      2    76%
---------------------------------------------------
TOTAL                14      5      8      2    59%
";
    assert_eq!(of(&["report", "--source", "pkg"]), expected);
    assert_eq!(
        of(&[
            "report",
            "--source",
            "pkg",
            "--omit",
            "*/idle.py,*/__init__.py"
        ])
        .lines()
        .count(),
        5
    );
    assert_eq!(
        of(&["report", "--source=pkg", "--include", "pkg/i*"])
            .lines()
            .count(),
        5
    );

    let expected = "\
SF:pkg/m.py
DA:1,1
DA:2,1
DA:3,1
DA:4,0
DA:7,1
DA:8,1
DA:9,4
DA:10,3
DA:11,0
DA:14,1
DA:15,1
LF:11
LH:9
FN:1,4,f
FNDA:1,f
FN:8,11,A.g
FNDA:1,A.g
FNF:2
FNH:2
BRDA:2,0,jump to line 3,1
BRDA:2,0,jump to line 4,0
BRDA:9,0,jump to line 10,3
BRDA:9,0,return from function 'g',1
BRDA:10,0,jump to line 9,3
BRDA:10,0,jump to line 11,0
BRF:6
BRH:4
end_of_record
";
    assert_eq!(of(&["lcov", "-o", "-"]), expected);

    let xml = of(&["xml", "-o", "-"]);
    for expected in [
        "lines-valid=\"11\" lines-covered=\"9\" line-rate=\"0.8182\" branches-valid=\"6\" branches-covered=\"4\" branch-rate=\"0.6667\" complexity=\"0\">",
        "<package name=\"pkg\" line-rate=\"0.8182\" branch-rate=\"0.6667\" complexity=\"0\">",
        "<class name=\"m.py\" filename=\"pkg/m.py\" complexity=\"0\" line-rate=\"0.8182\" branch-rate=\"0.6667\">",
        "<line number=\"9\" hits=\"4\" branch=\"true\" condition-coverage=\"100% (2/2)\"/>",
        "<line number=\"10\" hits=\"3\" branch=\"true\" condition-coverage=\"50% (1/2)\" missing-branches=\"11\"/>",
        "<line number=\"11\" hits=\"0\"/>",
        "htdocs/xml/coverage-04.dtd -->",
    ] {
        assert!(xml.contains(expected), "{expected}\n{xml}");
    }
    let parse = "import sys, xml.dom.minidom; xml.dom.minidom.parse(sys.argv[1])";
    of(&["xml"]);
    ok(python(one, folder.path()).args(["-c", parse, "coverage.xml"]));

    let json = report(one, folder.path(), &[]);
    assert_eq!(json["meta"]["format"], 3);
    let file = &json["files"]["pkg/m.py"];
    assert_eq!(
        file["executed_lines"],
        json!([1, 2, 3, 7, 8, 9, 10, 14, 15])
    );
    assert_eq!(file["missing_lines"], json!([4, 11]));
    assert_eq!(
        file["executed_branches"],
        json!([[2, 3], [9, -8], [9, 10], [10, 9]])
    );
    assert_eq!(file["missing_branches"], json!([[2, 4], [10, 11]]));
    assert_eq!(file["functions"]["A.g"]["missing_lines"], json!([11]));
    assert_eq!(file["functions"]["A.g"]["summary"]["num_branches"], 4);
    assert_eq!(
        file["functions"][""]["executed_lines"],
        json!([1, 7, 8, 14, 15])
    );
    assert_eq!(file["classes"]["A"]["executed_lines"], json!([9, 10]));
    assert_eq!(json["totals"]["percent_covered_display"], "76");
    assert_eq!(json["totals"]["covered_branches"], 4);

    of(&["html", "--source", "pkg"]);
    let page =
        |name: &str| std::fs::read_to_string(folder.path().join("htmlcov").join(name)).unwrap();
    let index = page("index.html");
    for expected in [
        "<a href=\"pkg_m.html\">pkg/m.py</a>",
        "9 of 14 statements ran, 4 of 8 branches were taken.",
    ] {
        assert!(index.contains(expected), "{expected}\n{index}");
    }
    let page = page("pkg_m.html");
    for expected in [
        "<tr id=\"l4\" class=\"miss\">",
        "<tr id=\"l9\" class=\"hit\">",
        "<tr id=\"l10\" class=\"part\">",
        "→ <a href=\"#l11\">11</a> never taken: the condition on line 10 was never true",
        "<span class=\"tk\">for</span> i <span class=\"tk\">in</span> range(",
        "prefers-color-scheme: dark",
    ] {
        assert!(page.contains(expected), "{expected}\n{page}");
    }
    assert!(!page.contains("<script") && !page.contains("http"));
}

#[test]
fn settings() {
    let one = &interpreters()[0];
    let folder = scratch();
    program(one, folder.path(), "hits");
    let rows = |arguments: &[&str]| {
        let output = coverage(one, folder.path(), &[&["report", "-m"], arguments].concat());
        let shown = text(&output.stdout);
        let rows: Vec<_> = shown
            .lines()
            .skip(2)
            .take_while(|line| !line.starts_with('-'))
            .collect();
        (rows.join("\n"), output.status.code(), text(&output.stderr))
    };
    let write =
        |name: &str, content: &str| std::fs::write(folder.path().join(name), content).unwrap();
    write(
        "pyproject.toml",
        "[tool.coverage.report]\nexclude_also = [\"return 2\", 'range\\(']\nprecision = 2\n",
    );
    assert!(
        rows(&[]).0.ends_with("7      0      0      0  100.00%"),
        "{}",
        rows(&[]).0
    );
    write(
        "setup.cfg",
        "[coverage:report]\nexclude_lines =\n    return i$\n    # not this\npartial_branches = if x\n[coverage:run]\nsource = pkg\nomit =\n    */idle.py\n",
    );
    let found = rows(&[]).0;
    assert!(
        found.contains("pkg/m.py             10      1      4      0    93%   4"),
        "{found}"
    );
    assert!(
        found.contains("__init__") && !found.contains("idle"),
        "{found}"
    );
    write(
        ".coveragerc",
        "[report]\nshow_missing = true\nfail_under = 80\n",
    );
    let (_, status, said) = rows(&[]);
    assert_eq!(status, Some(2));
    assert_eq!(said, "equip: coverage is 76%, and 80% is asked for\n");
    assert_eq!(rows(&["--fail-under", "76"]).1, Some(0));
    assert_eq!(rows(&["--fail-under", "76.48"]).1, Some(2));
    assert_eq!(rows(&["--rcfile", "pyproject.toml"]).1, Some(0));

    for (content, expected) in [
        (
            "[report]\nexclude_also = (\n",
            "'(' is not a regular expression",
        ),
        (
            "[report]\nshow_missing = perhaps\n",
            ".coveragerc: report:show_missing: \"perhaps\" is neither true nor false",
        ),
        (
            "report\n",
            ".coveragerc: line 1: neither a section nor a setting: report",
        ),
        (
            "[report]\nomit = a**\n",
            "a**: a file pattern cannot have **",
        ),
        (
            "[report]\nfail_under = 101\n",
            "fail-under is 101: a percentage from 0 to 100",
        ),
        ("[report]\ninclude = nothing\n", "nothing to report"),
    ] {
        write(".coveragerc", content);
        let (_, status, said) = rows(&[]);
        assert!(
            matches!(status, Some(1 | 2)) && said.contains(expected),
            "{content}: {said}"
        );
    }
}

#[test]
fn of_several_runs() {
    let one = &interpreters()[0];
    let folder = scratch();
    let source = folder.path().join("m.py");
    std::fs::write(&source, "x = 1\nif x:\n    x = 2\nelse:\n    x = 3\n").unwrap();
    let run = |yes: u64, no: u64| {
        let lines = [(1, yes + no), (2, yes + no), (3, yes), (5, no)];
        data(
            one,
            &source,
            "counts",
            &lines,
            &[(2, 3, 1, yes), (2, 5, 1, no)],
        )
    };
    put(folder.path(), "1-1.json", &run(2, 0));
    put(folder.path(), "2-1.json", &run(0, 3));
    // Not whole yet, or none of ours.
    std::fs::write(folder.path().join("equip-coverage/3-1.json.tmp"), "{").unwrap();
    let wanted = "DA:1,5\nDA:2,5\nDA:3,2\nDA:5,3\n";
    let lcov = |place: &str| {
        text(&coverage(one, folder.path(), &["lcov", "-o", "-", "--data", place]).stdout)
    };
    assert!(
        lcov("equip-coverage").contains(wanted),
        "{}",
        lcov("equip-coverage")
    );
    let combined = coverage(one, folder.path(), &["combine", "-o", "all.json"]);
    assert_eq!(
        combined.status.code(),
        Some(0),
        "{}",
        text(&combined.stderr)
    );
    assert_eq!(lcov("all.json"), lcov("equip-coverage"));
    let both = coverage(
        one,
        folder.path(),
        &[
            "lcov",
            "-o",
            "-",
            "--data",
            "all.json",
            "equip-coverage/1-1.json",
        ],
    );
    assert!(text(&both.stdout).contains("DA:1,7\n"));

    // The source changed between two runs: what is known of either, by line.
    let other = data(one, &source, "counts", &[(1, 1), (3, 10)], &[]);
    put(folder.path(), "4-1.json", &other);
    assert!(lcov("equip-coverage").contains("DA:1,6\nDA:2,5\nDA:3,12\n"));

    // A term below zero is subtracted.
    let mut less = run(0, 0);
    less["modules"][0]["map"]["lines"] = json!([[1, [0]], [2, [0, -2]]]);
    less["modules"][0]["counts"] = json!([9, 4, 0, 0, 0, 0]);
    std::fs::write(folder.path().join("less.json"), less.to_string()).unwrap();
    assert!(
        lcov("less.json").contains("DA:1,9\nDA:2,5\n"),
        "{}",
        lcov("less.json")
    );
}

#[test]
fn without_sources() {
    let one = &interpreters()[0];
    let folder = scratch();
    for name in ["gone.py", "lost.py"] {
        let source = folder.path().join(name);
        let lines = [(1, 1), (2, 1), (4, 0)];
        let edges = [(2, 4, 1, 0), (2, 0, 1, 1), (2, 2, 1, 1)];
        put(
            folder.path(),
            &format!("{name}.json"),
            &data(one, &source, "hits", &lines, &edges),
        );
    }
    let output = coverage(one, folder.path(), &["report", "-m"]);
    let shown = text(&output.stdout);
    assert!(
        shown.contains("gone.py       3      1      2      1    60%   4\n"),
        "{shown}"
    );
    let said = text(&output.stderr);
    assert_eq!(
        said,
        "note: gone.py and 1 more: no source there; its lines are those of the bytecode, with nothing excluded\n"
    );
    assert_eq!(output.status.code(), Some(0));
    let output = coverage(one, folder.path(), &["html"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));

    std::fs::write(folder.path().join("gone.py"), "if\n").unwrap();
    let output = coverage(one, folder.path(), &["report"]);
    let said = text(&output.stderr);
    assert!(
        said.contains("error: gone.py: not Python of this version: line 1: "),
        "{said}"
    );
    assert!(text(&output.stdout).contains("lost.py"));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn damaged() {
    let one = &interpreters()[0];
    let folder = scratch();
    program(one, folder.path(), "hits");
    let place = folder.path().join("equip-coverage");
    let whole = std::fs::read(place.join("1-1.json")).unwrap();
    let refused = |content: &[u8], expected: &str| {
        std::fs::write(place.join("2-2.json"), content).unwrap();
        let output = coverage(one, folder.path(), &["report"]);
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(
            said.starts_with("error: equip-coverage/2-2.json: ") && said.contains(expected),
            "{expected}: {said}"
        );
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(text(&output.stdout).contains("76%"));
    };
    for end in (0..whole.len()).step_by(whole.len() / 12) {
        refused(&whole[..end], "not a whole file of coverage data");
    }
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut value: Value = serde_json::from_slice(&whole).unwrap();
        change(&mut value);
        value.to_string().into_bytes()
    };
    let map = |name: &'static str, to: Value| {
        changed(&move |value| value["modules"][0]["map"][name] = to.clone())
    };
    refused(
        &changed(&|value| value["format"] = "equip coverage 2".into()),
        "its format is \"equip coverage 2\"",
    );
    refused(&map("probes", 3.into()), "15 counts for 3 probes");
    refused(&map("lines", json!([[1, [15]]])), "probe 15 of 15");
    refused(
        &map("lines", json!([[1, [i64::MIN]]])),
        "probe 9223372036854775807 of 15",
    );
    refused(&map("branches", json!([[1, 2, 1, [-2]]])), "the term -2");
    refused(&map("lines", json!([[0, [1]]])), "a line 0");
    refused(&map("lines", json!([[-1, [1]]])), "not a whole file");
    refused(&map("mode", "some".into()), "not a whole file");
    refused(
        &changed(&|value| value["modules"][0]["counts"][0] = json!(-1)),
        "a count below 0",
    );
    refused(
        &map("sums", json!([[15, [1]]])),
        "a sum that is none of the counts",
    );
    refused(&map("sums", json!([[1, [15]]])), "probe 15 of 15");
    refused(&b"[".repeat(100_000), "not a whole file");
    // Lines that the source does not have are nobody's.
    let far = map("lines", json!([[1, [0]], [u32::MAX, [1]]]));
    std::fs::write(place.join("2-2.json"), far).unwrap();
    assert_eq!(
        coverage(one, folder.path(), &["html"]).status.code(),
        Some(0)
    );

    std::fs::write(place.join("2-2.json"), "{").unwrap();
    std::fs::remove_file(place.join("1-1.json")).unwrap();
    let output = coverage(one, folder.path(), &["report"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("equip-coverage: no coverage data"));
    let output = coverage(one, folder.path(), &["report", "--data", "no/such"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("no/such: no such file or folder"));
}

// ---- beside coverage.py ----------------------------------------------------------------------------

/// Branches in which equip differs from coverage.py, each for a reason: file, line, first minor version
/// to which it does not apply.
const DIFFERENT: &[(&str, u64, u8)] = &[
    // A condition raises: coverage.py takes the end of the frame for the way out of the condition.
    ("raising_ends.py", 5, u8::MAX),
    ("raising_ends.py", 10, u8::MAX),
    ("raising_ends.py", 15, u8::MAX),
    // CPython 3.11 goes from a false condition at the end of an `async with` through its last line.
    ("asynchronous.py", 48, 12),
];

/// coverage.py of an interpreter: installed, or in the folder that `EQUIP_TEST_PYPI` names.
fn coverage_py(one: &Interpreter, folder: &Path) -> Option<Command> {
    let mut command = python(one, folder);
    if let Some(packages) = std::env::var_os("EQUIP_TEST_PYPI") {
        command.env("PYTHONPATH", packages);
    }
    // Written in Python: one copy serves all versions.
    command
        .env("COVERAGE_CORE", "pytrace")
        .args(["-W", "ignore", "-m", "coverage"]);
    let mut asked = python(one, folder);
    if let Some(packages) = std::env::var_os("EQUIP_TEST_PYPI") {
        asked.env("PYTHONPATH", packages);
    }
    let known = "import coverage; assert coverage.version_info >= (7, 17)";
    let known = asked.args(["-c", known]).output().ok()?;
    known.status.success().then_some(command)
}

const KEYS: [&str; 5] = [
    "executed_lines",
    "missing_lines",
    "excluded_lines",
    "executed_branches",
    "missing_branches",
];

/// What two reports say of a file differently, as lines or edges.
fn different(theirs: &Value, ours: &Value, key: &str) -> Vec<String> {
    let set = |report: &Value| -> BTreeSet<String> {
        let all = report[key].as_array().into_iter().flatten();
        all.map(Value::to_string).collect()
    };
    set(theirs)
        .symmetric_difference(&set(ours))
        .cloned()
        .collect()
}

#[test]
fn programs_as_coverage_py_sees_them() {
    for one in interpreters() {
        let folder = scratch();
        let folder = folder.path();
        harness::copy(&root().join("tests/coverage"), folder);
        let version = one.isa.version;
        harness::instrument(one, folder, &["--plugin", "coverage"]);
        let driver = |place: &str| {
            std::fs::create_dir(folder.join(place)).unwrap();
            let mut command = equip(folder);
            command
                .args(["run", "driver.py", "--python"])
                .arg(&one.path);
            command
                .env("EQUIP_OUTPUT_DIR", place)
                .env("PYTHONWARNINGS", "ignore");
            ok(&mut command);
        };
        driver("hits");
        let hits = report(
            one,
            folder,
            &["--source", ".", "--data", "hits/equip-coverage"],
        );
        ok(equip(folder).args(["-q", "restore", "."]));
        harness::instrument(
            one,
            folder,
            &["--plugin", "coverage", "--set", "coverage.mode=counts"],
        );
        driver("counts");
        let counts = report(
            one,
            folder,
            &["--source", ".", "--data", "counts/equip-coverage"],
        );
        ok(equip(folder).args(["-q", "restore", "."]));
        for (name, file) in hits["files"].as_object().unwrap() {
            for key in KEYS {
                let items = different(file, &counts["files"][name], key);
                assert!(
                    items.is_empty(),
                    "{version}: {name}: {key}: hits and counts differ in {items:?}"
                );
            }
        }

        let Some(mut theirs) = coverage_py(one, folder) else {
            println!(
                "{version}: coverage.py skipped, not installed (pip install coverage, or name its folder in EQUIP_TEST_PYPI)"
            );
            continue;
        };
        ok(theirs.args(["run", "--branch", "--source=.", "driver.py"]));
        ok(coverage_py(one, folder)
            .unwrap()
            .args(["json", "-q", "-o", "theirs.json"]));
        let theirs: Value =
            serde_json::from_slice(&std::fs::read(folder.join("theirs.json")).unwrap()).unwrap();
        let mut wrong = Vec::new();
        for (name, file) in theirs["files"].as_object().unwrap() {
            let ours = &hits["files"][name];
            for key in [
                "executed_lines",
                "missing_lines",
                "excluded_lines",
                "executed_branches",
                "missing_branches",
            ] {
                let excused = |item: &String| {
                    DIFFERENT.iter().any(|(file, line, until)| {
                        file == name
                            && key.ends_with("branches")
                            && version.1 < *until
                            && item.starts_with(&format!("[{line},"))
                    })
                };
                let items = different(file, ours, key);
                wrong.extend(
                    items
                        .iter()
                        .filter(|item| !excused(item))
                        .map(|item| format!("{name}: {key}: {item}")),
                );
            }
            for key in ["num_statements", "num_branches", "excluded_lines"] {
                assert_eq!(
                    file["summary"][key], ours["summary"][key],
                    "{version}: {name}: {key}"
                );
            }
            for kind in ["functions", "classes"] {
                let names = |report: &Value| {
                    report[kind]
                        .as_object()
                        .unwrap()
                        .keys()
                        .cloned()
                        .collect::<Vec<_>>()
                };
                assert_eq!(names(file), names(ours), "{version}: {name}: {kind}");
            }
        }
        assert!(wrong.is_empty(), "{version}:\n{}", wrong.join("\n"));
        assert_eq!(
            theirs["files"].as_object().unwrap().len(),
            hits["files"].as_object().unwrap().len()
        );
        println!(
            "{version}: {} files as coverage.py sees them",
            hits["files"].as_object().unwrap().len()
        );
    }
}
