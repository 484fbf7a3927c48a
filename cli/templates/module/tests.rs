//! Each test runs with every CPython that is found.

use equip_testing::{Program, plugin};

fn program(times: bool) -> Program {
    let main = "import first\nprint(first.second.name)\n";
    let program = plugin!()
        .set("times", times)
        .set("least_ms", 0)
        .program(main);
    program
        .file("first.py", "import second\n")
        .file("second.py", "name = __name__\n")
}

#[test]
fn modules_are_shown_below_their_importers() {
    program(false).notes("program\n  first\n    second\n");
}

#[test]
fn times_are_shown_when_modules_end() {
    program(true).runs(|run| {
        let lines = run
            .stderr
            .lines()
            .map(|line| line.trim_end_matches(|c| c != 'k'));
        let lines: Vec<&str> = lines.collect();
        let ends = ["    second took", "  first took", "program took"];
        let ends = ends.map(|end| &end[..=end.rfind('k').unwrap()]);
        assert_eq!(lines[3..], ends, "{run}");
    });
}

#[test]
fn the_program_notices_nothing() {
    program(true).behaves_as_before();
}

#[test]
fn edits_are_those_that_were_reviewed() {
    program(true).edits("golden/edits.txt");
}

#[test]
fn wrong_options_are_refused() {
    plugin!()
        .set("time", true)
        .refuses("time: no such option; did you mean times?");
    plugin!()
        .set("least_ms", -1)
        .refuses("least_ms: no module takes less than nothing");
}
