//! Each test runs with every CPython that is found.

use equip_testing::plugin;

const PROGRAM: &str = "\
count = 0
cache = {}


def hit():
    global count
    count += 1


def reset():
    global cache, count
    del cache
    count = 0


hit()
reset()
print(count)
";

#[test]
fn writes_are_told() {
    plugin!().program(PROGRAM).notes(
        "program.py:7: hit writes count\n\
         program.py:12: reset deletes cache\n\
         program.py:13: reset writes count\n",
    );
}

#[test]
fn names_are_for_the_user_to_choose() {
    let plugin = plugin!().set("names", vec!["cache"]);
    plugin
        .program(PROGRAM)
        .notes("program.py:12: reset deletes cache\n");
}

#[test]
fn the_program_notices_nothing() {
    plugin!().program(PROGRAM).behaves_as_before();
}

// Where instructions have other numbers in other versions, there is a file for each.
#[test]
fn edits_are_those_that_were_reviewed() {
    plugin!().program(PROGRAM).edits("golden/edits.txt");
}

#[test]
fn wrong_options_are_refused() {
    plugin!()
        .set("names", "cache")
        .refuses("names: \"cache\" is not list of text");
}
