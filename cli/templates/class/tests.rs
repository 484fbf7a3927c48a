//! Each test runs with every CPython that is found.

use equip_testing::plugin;

const PROGRAM: &str = "\
import enum


class Basket:
    LIMITS = {'apple': 3}
    items = []
    size = 0
    __slots__ = ['owner']

    class Kind(enum.Enum):
        PLAIN = [1]


print(Basket.items)
";

#[test]
fn shared_attributes_are_found() {
    plugin!()
        .program(PROGRAM)
        .notes("program.py:4: Basket.items is a list that all instances share\n");
}

#[test]
fn constants_and_bases_are_for_the_user_to_choose() {
    let plugin = plugin!()
        .set("constants", true)
        .set("except_bases", Vec::<String>::new());
    plugin.program(PROGRAM).notes(
        "program.py:10: Basket.Kind.PLAIN is a list that all instances share\n\
         program.py:4: Basket.LIMITS is a dict that all instances share\n\
         program.py:4: Basket.items is a list that all instances share\n",
    );
}

#[test]
fn the_program_notices_nothing() {
    plugin!().program(PROGRAM).behaves_as_before();
}

#[test]
fn edits_are_those_that_were_reviewed() {
    plugin!().program(PROGRAM).edits("golden/edits.txt");
}

#[test]
fn wrong_options_are_refused() {
    plugin!()
        .set("except_base", "x")
        .refuses("did you mean except_bases?");
    plugin!()
        .set("except_bases", "Enum")
        .refuses("except_bases: \"Enum\" is not list of text");
}
