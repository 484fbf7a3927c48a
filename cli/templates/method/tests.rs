//! Each test runs with every CPython that is found.

use equip_testing::plugin;

const PROGRAM: &str = "\
class Stack:
    def __init__(self, *items):
        self.items = list(items)

    def __repr__(self):
        return f'Stack{tuple(self.items)}'

    def pop(self):
        return self.items.pop()


def last(stack):
    try:
        return stack.pop()
    except IndexError:
        return None


print(last(Stack(1, 2)), last(Stack()))
";

#[test]
fn each_call_is_told() {
    plugin!()
        .set("only", "last")
        .program(PROGRAM)
        .notes("call last Stack(1, 2)\nback last 2\ncall last Stack()\nback last None\n");
}

#[test]
fn exceptions_are_told() {
    plugin!().set("only", "pop").program(PROGRAM).notes(
        "call Stack.pop Stack(1, 2)\nback Stack.pop 2\n\
         call Stack.pop Stack()\nfail Stack.pop IndexError('pop from empty list')\n",
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
        .set("onyl", "x")
        .refuses("onyl: no such option; did you mean only?");
    plugin!()
        .set("lambdas", 1)
        .refuses("lambdas: 1 is not true or false");
}
