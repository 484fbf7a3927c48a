//! Flow graphs as a user sees them: text, JSON, dot, pictures.

use crate::harness;
use std::path::Path;
use std::process::Command;

use crate::harness::{Programs, equip, interpreters, ok, python, scratch, text};
use equip_core::analysis::EdgeKind;
use equip_core::python::Interpreter;
use serde_json::Value;

const LOOP: &str = "\
def total(prices, limit):
    s = 0
    for p in prices:
        if p < 0 or p > limit:
            continue
        s += p
    return s
class Box:
    def total(self):
        return '<&> \"]]>\" \\\\ \x01 \u{4e2d}'
    def twice(self):
        pass
    def twice(self):
    \tpass
";

/// Many blocks, loops within loops, handlers, all ways out.
fn generated(parts: usize) -> String {
    let mut out = "def big(x, items):\n".to_owned();
    for n in 0..parts {
        out += &format!(
            "    try:
        for y in items:
            while y > {n}:
                if y == {n} or x: break
                y -= 1
            else:
                if y: return y
                continue
            x += {n}
    except ValueError as error:
        raise KeyError({n}) from error
    finally:
        x -= 1
"
        );
    }
    out
}

fn cfg(python: &Interpreter, folder: &Path, options: &[&str]) -> Command {
    let mut command = equip(folder);
    command
        .arg("cfg")
        .args(options)
        .arg("--python")
        .arg(&python.path);
    command
}

fn said(python: &Interpreter, folder: &Path, options: &[&str]) -> String {
    text(&ok(&mut cfg(python, folder, options)).stdout)
}

fn graphs(python: &Interpreter, folder: &Path, options: &[&str]) -> Vec<Value> {
    let mut options = options.to_vec();
    options.extend(["--format", "json"]);
    serde_json::from_str(&said(python, folder, &options)).expect("a list")
}

fn indices(value: &Value) -> Vec<usize> {
    let all = value.as_array().expect("a list").iter();
    all.map(index).collect()
}

fn index(value: &Value) -> usize {
    value.as_u64().expect("a number") as usize
}

fn list<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value[key].as_array().expect("a list")
}

/// Whether a block is on the way from another to the root of the tree that `key` spans.
fn dominates(flow: &Value, key: &str, one: usize, mut other: usize) -> bool {
    for _ in 0..=list(flow, "blocks").len() {
        if one == other {
            return true;
        }
        match flow["blocks"][other][key].as_u64() {
            Some(above) => other = above as usize,
            None => return false,
        }
    }
    panic!("{key} goes around in {}", flow["key"]);
}

/// What is said of a graph agrees with the definitions.
fn assert_consistent(flow: &Value) {
    let (blocks, edges, loops) = (
        list(flow, "blocks"),
        list(flow, "edges"),
        list(flow, "loops"),
    );
    let (entry, exit) = (index(&flow["entry"]), index(&flow["exit"]));
    assert_eq!(exit, blocks.len() - 1, "{flow}");
    let ends = |edge: &Value| (index(&edge["from"]), index(&edge["to"]));
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); blocks.len()];
    let mut out = into.clone();
    for (number, edge) in edges.iter().enumerate() {
        assert_eq!(index(&edge["index"]), number);
        let (from, to) = ends(edge);
        assert!(from < exit && to <= exit, "{edge}");
        assert!(
            EdgeKind::NAMES.contains(&edge["kind"].as_str().unwrap()),
            "{edge}"
        );
        assert_eq!(
            edge["back"],
            dominates(flow, "immediate_dominator", to, from),
            "{edge}"
        );
        into[to].push(from);
        out[from].push(to);
    }
    let mut next_instr = 0;
    for (number, block) in blocks.iter().enumerate() {
        assert_eq!(index(&block["index"]), number);
        assert_eq!(
            list(block, "instructions").is_empty(),
            number == exit,
            "{block}"
        );
        assert_eq!(out[number].is_empty(), number == exit, "{block}");
        for instr in list(block, "instructions") {
            assert!(index(&instr["index"]) >= next_instr, "{instr}");
            next_instr = index(&instr["index"]) + 1;
        }
        let is_reached = number != exit || !into[exit].is_empty();
        assert_eq!(
            dominates(flow, "immediate_dominator", entry, number),
            is_reached,
            "{block}"
        );
        for source in list(block, "source") {
            let line = index(&source["line"]);
            assert!(index(&block["first_line"]) <= line && line <= index(&block["last_line"]));
        }
        let found = indices(&block["dominance_frontier"]);
        let is_in_frontier = |join: &usize| {
            let before = |from: &usize| dominates(flow, "immediate_dominator", number, *from);
            let strictly = *join != number && dominates(flow, "immediate_dominator", number, *join);
            into[*join].iter().any(before) && !strictly
        };
        // Squares of large graphs take long.
        if blocks.len() < 150 {
            let wanted: Vec<_> = (0..blocks.len()).filter(is_in_frontier).collect();
            assert_eq!(found, wanted, "{} {block}", flow["key"]);
        }
        for edge in indices(&block["control_dependences"]) {
            let (from, to) = ends(&edges[edge]);
            let key = "immediate_post_dominator";
            assert!(dominates(flow, key, number, to), "{block}");
            assert!(
                number == from || !dominates(flow, key, number, from),
                "{block}"
            );
        }
        match block["loop"].as_u64() {
            None => assert_eq!(block["loop_depth"], 0),
            Some(id) => {
                let one = &loops[id as usize];
                assert_eq!(block["loop_depth"], one["depth"]);
                assert!(indices(&one["blocks"]).contains(&number), "{block}");
            }
        }
    }
    for one in loops {
        let (head, inside) = (index(&one["head"]), indices(&one["blocks"]));
        assert!(
            inside
                .iter()
                .all(|block| dominates(flow, "immediate_dominator", head, *block))
        );
        for edge in indices(&one["back_edges"]) {
            let (from, to) = ends(&edges[edge]);
            assert!(to == head && inside.contains(&from), "{one}");
        }
        let exits = indices(&one["exits"]);
        for (number, edge) in edges.iter().enumerate() {
            let (from, to) = ends(edge);
            let leaves = inside.contains(&from) && !inside.contains(&to);
            assert_eq!(exits.contains(&number), leaves, "{one} {edge}");
        }
    }
    let back = edges.iter().filter(|edge| edge["back"] == true).count();
    let of_loops: usize = loops.iter().map(|one| list(one, "back_edges").len()).sum();
    assert_eq!(back, of_loops);
}

#[test]
fn json_agrees_with_the_definitions() {
    for one in interpreters() {
        let programs = Programs::for_version(one, |_| true);
        let folder = programs.folder.path();
        std::fs::write(folder.join("generated.py"), generated(3)).unwrap();
        let with = graphs(one, folder, &["."]);
        let without = graphs(one, folder, &["--no-exceptions", "."]);
        assert!(
            with.len() > 100 && with.len() == without.len(),
            "{}",
            with.len()
        );
        let edges = |flow: &Value, kind: &str| {
            list(flow, "edges")
                .iter()
                .filter(|edge| edge["kind"] == kind)
                .count()
        };
        for (with, without) in with.iter().zip(&without) {
            assert_consistent(with);
            assert_consistent(without);
            assert_eq!(with["key"], without["key"]);
            assert_eq!(edges(without, "exception"), 0);
        }
        assert!(
            with.iter()
                .map(|flow| edges(flow, "exception"))
                .sum::<usize>()
                > 100
        );
        // Each graph has the source of its own lines.
        let flow = with.iter().find(|flow| flow["qualname"] == "big").unwrap();
        let first = &list(&flow["blocks"][0], "source")[0];
        assert_eq!(
            (&first["line"], &first["text"]),
            (&Value::from(1), &Value::from("def big(x, items):"))
        );
        assert!(list(flow, "loops").len() >= 6, "{}", flow["loops"]);
    }
}

#[test]
fn text_shows_source_edges_and_facts() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), LOOP).unwrap();
        let shown = said(one, folder.path(), &["m.py:total"]);
        let version = format!("(CPython {})", one.isa.version);
        for wanted in [
            version.as_str(),
            "B0  lines 1-3  entry\n     1 | def total(prices, limit):\n",
            "B1  line 3  loop head\n",
            "     6 |         s += p\n",
            "FOR_ITER                   to B",
            "    true -> B2\n    false -> B",
            "    loop back -> B1\n",
            "    exception -> exit\n",
            "    return -> exit\n",
            "dominated by B0; post-dominated by exit; frontier B1",
            "in loop B1, depth 1",
            "\nloops\n  loop B1: depth 1, blocks B1 B2",
        ] {
            assert!(
                shown.contains(wanted),
                "{}: {wanted:?} is not in\n{shown}",
                one.path.display()
            );
        }
        let quiet = said(one, folder.path(), &["m.py:total", "--no-exceptions"]);
        assert!(
            !quiet.contains("exception ->") && quiet.contains("post-dominated by B1"),
            "{quiet}"
        );
        let all = said(one, folder.path(), &["m.py"]);
        assert!(
            all.contains("m.py: Box.total line 9") && all.contains("m.py: <module> line"),
            "{all}"
        );
    }
}

#[test]
fn a_pyc_shows_source_only_where_it_is_its_own() {
    for one in interpreters() {
        let folder = scratch();
        let source = folder.path().join("m.py");
        std::fs::write(&source, LOOP).unwrap();
        let compile =
            "import py_compile; py_compile.compile('m.py', cfile='x/m.pyc', dfile='gone.py')";
        ok(python(one, folder.path()).args(["-c", compile]));
        let shown = |path: &str| said(one, folder.path(), &[&format!("{path}:total")]);
        assert!(!shown("x/m.pyc").contains("s += p"), "no source lies there");
        std::fs::rename(folder.path().join("x/m.pyc"), folder.path().join("m.pyc")).unwrap();
        assert!(shown("m.pyc").contains("s += p"), "it lies beside");
        std::fs::write(&source, "other = 1\n".repeat(20)).unwrap();
        let stale = shown("m.pyc");
        assert!(
            !stale.contains("other = 1") && stale.contains("     6 |\n"),
            "{stale}"
        );
    }
}

/// Braces and strings of dot text are closed; Graphviz itself judges, where it is installed.
fn assert_dot(dot: &str, graphs: usize) {
    let (mut depth, mut quoted, mut escaped, mut found) = (0, false, false, 0);
    for c in dot.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ if quoted => assert_ne!(c, '\n', "a string goes over its line"),
            '{' => depth += 1,
            '}' => {
                depth -= 1;
                found += i32::from(depth == 0);
            }
            _ => {}
        }
        assert!(depth >= 0);
    }
    assert!(depth == 0 && !quoted, "{dot}");
    assert_eq!(found as usize, graphs);
    let folder = scratch();
    let file = folder.path().join("graphs.dot");
    std::fs::write(&file, dot).unwrap();
    // Graphviz's own reader, without the layout.
    match Command::new("nop").arg(&file).output() {
        Ok(output) => {
            assert!(output.status.success(), "{}", text(&output.stderr));
            assert_eq!(text(&output.stderr), "");
            assert_eq!(text(&output.stdout).matches("digraph").count(), graphs);
        }
        Err(_) => println!("Graphviz is not installed: only braces and strings were looked at"),
    }
}

#[test]
fn dot_is_what_graphviz_reads() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), LOOP).unwrap();
        std::fs::write(folder.path().join("generated.py"), generated(4)).unwrap();
        let dot = said(
            one,
            folder.path(),
            &["m.py", "generated.py", "--format", "dot"],
        );
        assert_dot(&dot, 8);
        for wanted in [
            "subgraph cluster_0",
            "style=dashed",
            "label=\"loop back\"",
            "label=\"true\"",
        ] {
            assert!(dot.contains(wanted), "{wanted} is not in\n{dot}");
        }
    }
}

#[test]
fn pictures_are_xml_and_nothing_lies_on_anything() {
    let judge = harness::root().join("tests/oracle/picture.py");
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), LOOP).unwrap();
        std::fs::write(folder.path().join("generated.py"), generated(10)).unwrap();
        let shop = harness::root().join("examples/shop/warehouse.py");
        std::fs::copy(shop, folder.path().join("warehouse.py")).unwrap();
        let mut wanted = graphs(one, folder.path(), &["."]);
        wanted.extend(graphs(
            one,
            folder.path(),
            &["generated.py:big", "--no-exceptions"],
        ));
        let largest = wanted.iter().map(|flow| list(flow, "blocks").len()).max();
        assert!(largest > Some(150), "{largest:?}");
        for flow in wanted {
            let target = format!(
                "{}:{}",
                flow["file"].as_str().unwrap(),
                flow["key"].as_str().unwrap()
            );
            let mut options = vec![
                target.as_str(),
                "--format",
                "svg",
                "--output",
                "picture.svg",
            ];
            if flow["exceptions"] == false {
                options.push("--no-exceptions");
            }
            // Exceptions that leave the function are noted in the block; the entry is a box with a line.
            let exit = index(&flow["exit"]);
            let noted = |edge: &&Value| edge["kind"] == "exception" && index(&edge["to"]) == exit;
            let edges = list(&flow, "edges");
            let lines = edges.len() - edges.iter().filter(noted).count() + 1;
            assert_eq!(said(one, folder.path(), &options), "");
            let boxes = (list(&flow, "blocks").len() + 1).to_string();
            ok(python(one, folder.path()).arg(&judge).args([
                "picture.svg",
                &boxes,
                &lines.to_string(),
            ]));
        }
    }
}

#[test]
fn a_picture_shows_source_kinds_and_loops() {
    let one = &interpreters()[0];
    let folder = scratch();
    std::fs::write(folder.path().join("m.py"), LOOP).unwrap();
    let svg = said(one, folder.path(), &["m.py:total", "--format", "svg"]);
    for wanted in [
        ">entry of total</text>",
        ">exit</text>",
        "s += p",
        "class=\"edge true\"",
        "class=\"loop\"",
        ">loop back</text>",
        "p &lt; 0",
    ] {
        assert!(svg.contains(wanted), "{wanted} is not in\n{svg}");
    }
}

#[test]
fn a_function_of_thousands_of_blocks_is_drawn() {
    let one = &interpreters()[0];
    let folder = scratch();
    std::fs::write(folder.path().join("generated.py"), generated(60)).unwrap();
    let flow = &graphs(one, folder.path(), &["generated.py:big"])[0];
    assert!(
        list(flow, "blocks").len() > 1000,
        "{}",
        list(flow, "blocks").len()
    );
    let svg = said(one, folder.path(), &["generated.py:big", "--format", "svg"]);
    assert!(svg.trim_end().ends_with("</svg>"));
}

#[test]
fn errors_say_what_to_do() {
    for one in interpreters() {
        let folder = scratch();
        std::fs::write(folder.path().join("m.py"), LOOP).unwrap();
        let fails = |options: &[&str], status: i32| {
            let output = cfg(one, folder.path(), options).output().unwrap();
            assert_eq!(output.status.code(), Some(status), "{options:?}");
            assert_eq!(text(&output.stdout), "");
            let said = text(&output.stderr);
            assert_eq!(said.lines().count(), 1, "{said}");
            said
        };
        let near = fails(&["m.py:totl"], 1);
        assert!(
            near.contains("no declaration totl; did you mean total?"),
            "{near}"
        );
        let near = fails(&["m.py:Bag.twice"], 1);
        assert!(near.contains("did you mean Box.twice?"), "{near}");
        let far = fails(&["m.py:qqqqqqqqqqqq"], 1);
        assert!(far.contains("equip decls m.py"), "{far}");
        let many = fails(&["m.py:Box.twice", "--format", "svg"], 2);
        assert!(
            many.contains("these are 2") && many.contains("Box.twice:11, Box.twice:13"),
            "{many}"
        );
        let no_place = fails(&["m.py:total", "-o", "no/such/place"], 1);
        assert!(no_place.contains("no/such/place"), "{no_place}");
        assert!(fails(&["none.py:total"], 1).contains("none.py"));
        let pyc = harness::compile(one, LOOP, "m.py");
        std::fs::write(folder.path().join("cut.pyc"), &pyc[..pyc.len() / 2]).unwrap();
        assert!(fails(&["cut.pyc:total"], 1).contains("cut.pyc"));
        // One of several by its key.
        let second = graphs(one, folder.path(), &["m.py:Box.twice:13"]);
        assert_eq!(
            (second.len(), &second[0]["first_line"]),
            (1, &Value::from(13))
        );
        assert_eq!(graphs(one, folder.path(), &["m.py:Box.twice"]).len(), 2);
    }
}
