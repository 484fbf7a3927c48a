//! The selection language: every example of its page, errors, near misses.

use crate::harness::{equip, interpreters, ok, scratch, text};

/// Blocks of a page behind a fence of that kind.
fn blocks<'p>(page: &'p str, kind: &str) -> Vec<&'p str> {
    let fence = format!("```{kind}\n");
    let parts = page.split(fence.as_str()).skip(1);
    parts
        .map(|part| part.split("```").next().unwrap())
        .collect()
}

const PAGE: &str = include_str!("../docs/selection.md");

#[test]
fn the_examples_of_the_page_match_what_it_says() {
    let sample = blocks(PAGE, "python")[0];
    let examples = blocks(PAGE, "select");
    assert!(examples.len() >= 12, "{}", examples.len());
    for one in interpreters() {
        let folder = scratch();
        std::fs::create_dir(folder.path().join("shop")).unwrap();
        std::fs::write(folder.path().join("shop/__init__.py"), "").unwrap();
        std::fs::write(folder.path().join("shop/orders.py"), sample).unwrap();
        for example in &examples {
            let (selection, wanted) = example.split_once("\n= ").unwrap();
            let output = ok(equip(folder.path())
                .args(["select", selection, "shop/orders.py", "--python"])
                .arg(&one.path));
            let told = text(&output.stdout);
            let names: Vec<_> = told
                .lines()
                .map(|line| line.split("  ").next().unwrap().split_once(':').unwrap().1)
                .collect();
            let wanted: Vec<_> = wanted.split_whitespace().collect();
            assert_eq!(names, wanted, "{selection} on {}", one.isa.version);
        }
    }
}

#[test]
fn every_word_of_the_language_is_on_the_page() {
    for word in equip_core::select::known() {
        let plural = format!("{word}s");
        let said = ["", "s"]
            .iter()
            .any(|end| PAGE.contains(&format!("`{word}{end}`")));
        let many = equip_core::select::KINDS
            .iter()
            .any(|(_, one, many, _)| word == *one && PAGE.contains(&format!("`{many}`")));
        assert!(
            said || many || PAGE.contains(&format!("\"{word}\"")),
            "{word} ({plural})"
        );
    }
}

#[test]
fn an_error_points_at_its_place() {
    let cases = [
        ("", "nothing is selected", 0),
        ("functions in", "expected a pattern", 12),
        ("lamdbas", "did you mean lambdas", 0),
        ("functions and (methods", "expected `)`", 22),
        ("functions methods", "expected `and`, `or` or the end", 10),
        ("size > x", "x is no number", 7),
        ("decorated > a", "expected `=` or `!=`", 10),
        ("'shop", "no closing", 0),
        ("a:b:c", "one `:`", 0),
        ("line = 9..3", "ends before it begins", 7),
        ("shop.[a", "pattern", 0),
        ("name = a.b", "single name", 7),
        ("é § x", "§ means nothing here", 3),
        ("nmae = x", "did you mean name", 0),
    ];
    for (selection, message, at) in cases {
        let error = equip_core::select::Selection::parse(selection).unwrap_err();
        assert!(
            error.message.contains(message),
            "{selection}: {}",
            error.message
        );
        assert_eq!(error.at.start, at, "{selection}: {}", error.message);
    }
    let deep = format!("{}functions", "not ".repeat(100_000));
    assert!(equip_core::select::Selection::parse(&deep).is_err());
    let folder = scratch();
    std::fs::write(folder.path().join("a.py"), "x = 1\n").unwrap();
    let output = equip(folder.path())
        .args(["select", "functions or lamdbas", "a.py"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    let told = text(&output.stderr);
    assert!(
        told.contains("\n  functions or lamdbas\n               ^^^^^^^"),
        "{told}"
    );
}

#[test]
fn any_text_is_a_selection_or_an_error() {
    let words = [
        "functions",
        "in",
        "and",
        "or",
        "not",
        "(",
        ")",
        "=",
        "!=",
        "<",
        "a.**",
        "a:b",
        "'x y'",
        "size",
        "3",
        "line",
        "..",
        "calls",
        "é",
        "{",
        "[",
        "\"",
    ];
    let mut random = fastrand::Rng::with_seed(5);
    let mut parsed = 0;
    for _ in 0..20_000 {
        let text: Vec<_> = (0..random.usize(0..9))
            .map(|_| words[random.usize(..words.len())])
            .collect();
        parsed += usize::from(equip_core::select::Selection::parse(&text.join(" ")).is_ok());
    }
    assert!(parsed > 500, "{parsed}");
}

#[test]
fn what_matches_nothing_shows_near_misses() {
    let folder = scratch();
    std::fs::write(
        folder.path().join("orders.py"),
        "@app.route\ndef checkout(): db.execute()\n",
    )
    .unwrap();
    let cases = [
        ("orders:chekout", "orders:checkout"),
        ("Orders:Checkout", "orders:checkout"),
        ("shop.orders:checkout", "orders:checkout"),
        ("ordrs.**", "near misses: orders.**\n"),
        ("ordrs:*", "near misses: orders:*\n"),
        ("Orders:c*", "near misses: orders:c*\n"),
        ("*:chekout", "near misses: *:checkout\n"),
        ("or?:chekout", "near misses: or?:checkout\n"),
        ("calls = '*.exec'", "near misses: calls = *.execute\n"),
        ("decorated = 'app.rout'", "decorated = app.route"),
        ("calls = 'db.exec'", "calls = db.execute"),
    ];
    for (selection, near) in cases {
        let output = ok(equip(folder.path()).args(["select", selection, "orders.py"]));
        let told = text(&output.stderr);
        assert!(text(&output.stdout).is_empty(), "{selection}");
        assert!(
            told.contains("nothing matches") && told.contains(near),
            "{selection}: {told}"
        );
    }
}
