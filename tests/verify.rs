//! The verifier catches what it should: for every rule code objects that keep it and, with one
//! line changed, break it, on every version. No interpreter is needed.

mod listing;

use std::collections::HashSet;

use equip_core::isa::{self, Isa};
use equip_core::verify::{Complaint, Rule, verify};

/// A sound listing, and what makes it unsound.
struct Case {
    /// The rule that is broken, and part of what is said.
    says: (Rule, &'static str),
    /// First and last minor version that has such code.
    versions: (u8, u8),
    /// A listing that is sound.
    sound: &'static str,
    /// What is replaced in it, by what.
    change: (&'static str, &'static str),
}

const ALL: (u8, u8) = (11, 15);

const fn case(
    rule: Rule,
    says: &'static str,
    versions: (u8, u8),
    sound: &'static str,
    change: (&'static str, &'static str),
) -> Case {
    Case {
        says: (rule, says),
        versions,
        sound,
        change,
    }
}

const LOOP: &str = "
    .args 1
    .locals x
    RESUME 0
    LOAD_FAST 0
    GET_ITER
    next:
    FOR_ITER @done
    POP_TOP
    JUMP_BACKWARD @next
    done:
    %end_for
    %exit";

const GENERATOR: &str = "
    .flags generator
    %generator
    LOAD_CONST 0
    YIELD_VALUE
    RESUME 1
    POP_TOP
    %exit";

const GUARDED: &str = "
    .flags generator
    .names n
    .range try tried handler 0
    %generator
    try:
    LOAD_GLOBAL 0
    YIELD_VALUE
    RESUME 1
    POP_TOP
    tried:
    %exit
    handler:
    PUSH_EXC_INFO
    POP_TOP
    POP_EXCEPT
    %exit";

const DELEGATION: &str = "
    .flags coroutine
    %generator
    LOAD_CONST 0
    %await
    LOAD_CONST 0
    again:
    SEND @sent
    %delegate
    RESUME 3
    JUMP_BACKWARD_NO_INTERRUPT @again
    sent:
    END_SEND
    POP_TOP
    %exit";

const DELEGATION_311: &str = "
    .flags coroutine
    %generator
    LOAD_CONST 0
    %await
    LOAD_CONST 0
    again:
    SEND @sent
    YIELD_VALUE
    RESUME 3
    JUMP_BACKWARD_NO_INTERRUPT @again
    sent:
    POP_TOP
    %exit";

const HANDLER: &str = "
    .names n
    .range try tried handler 0
    .range handler handled cleanup 1 lasti
    RESUME 0
    try:
    LOAD_GLOBAL 0
    POP_TOP
    tried:
    %exit
    handler:
    PUSH_EXC_INFO
    POP_TOP
    LOAD_GLOBAL 0
    POP_TOP
    handled:
    POP_EXCEPT
    %exit
    cleanup:
    COPY 3
    POP_EXCEPT
    RERAISE 1";

const CLOSURE: &str = "
    .consts None code
    .captured c
    MAKE_CELL 0
    RESUME 0
    LOAD_CLOSURE 0
    BUILD_TUPLE 1
    POP_TOP
    LOAD_CONST 0
    STORE_DEREF 0
    LOAD_DEREF 0
    POP_TOP
    %exit";

const BRANCH: &str = "
    .args 1
    .locals x y
    RESUME 0
    LOAD_CONST 0
    STORE_FAST 1
    LOAD_FAST 0
    %jump_true @other
    LOAD_CONST 0
    STORE_FAST 1
    other:
    LOAD_FAST 1
    POP_TOP
    %exit";

const ADD: &str = "
    RESUME 0
    LOAD_CONST 0
    LOAD_CONST 0
    BINARY_OP 0
    POP_TOP
    %exit";

const CALL: &str = "
    RESUME 0
    %callee
    LOAD_CONST 0
    %call 1
    POP_TOP
    %exit";

const BORROWED: &str = "
    .args 2
    .locals x y
    RESUME 0
    LOAD_FAST_BORROW 0
    POP_TOP
    LOAD_FAST 1
    STORE_FAST 0
    %exit";

fn cases() -> Vec<Case> {
    use Rule::*;
    vec![
        // Encoding.
        case(
            Encoding,
            "no opcode 255",
            ALL,
            ADD,
            ("POP_TOP", "RAW 255 0"),
        ),
        case(
            Encoding,
            "bytes of bytecode",
            ALL,
            ADD,
            ("RESUME 0", ".chop 1\nRESUME 0"),
        ),
        // Caches.
        case(
            Caches,
            "BINARY_OP are not zero",
            ALL,
            ADD,
            ("BINARY_OP 0", "BINARY_OP 0 cache=1"),
        ),
        case(
            Caches,
            "ends inside the caches",
            ALL,
            "RESUME 0\n%exit\nLOAD_CONST 0\nRETURN_VALUE",
            ("0\nRETURN_VALUE", "0\nBINARY_OP 0\n.chop 2"),
        ),
        // EXTENDED_ARG.
        case(
            ExtendedArg,
            "more than three",
            ALL,
            "RESUME 0\nEXTENDED_ARG 0\nEXTENDED_ARG 0\nEXTENDED_ARG 0\nNOP\n%exit",
            ("NOP", "EXTENDED_ARG 0\nNOP"),
        ),
        case(
            ExtendedArg,
            "ends behind",
            ALL,
            "RESUME 0\n%exit\nNOP",
            ("\nNOP", "\nEXTENDED_ARG 1"),
        ),
        // Control runs off.
        case(
            FallsOff,
            "off the end",
            ALL,
            "RESUME 0\n%exit",
            ("%exit", "NOP"),
        ),
        case(
            FallsOff,
            "no instruction",
            ALL,
            "RESUME 0\n%exit",
            ("RESUME 0\n%exit", ""),
        ),
        case(
            FallsOff,
            "off the end",
            ALL,
            "RESUME 0\n%callee\n%call 0\nRETURN_VALUE",
            ("RETURN_VALUE", "POP_TOP"),
        ),
        // Indices.
        case(
            Index,
            "constant 9",
            ALL,
            ADD,
            ("LOAD_CONST 0", "LOAD_CONST 9"),
        ),
        case(
            Index,
            "name 1",
            ALL,
            HANDLER,
            ("LOAD_GLOBAL 0", "LOAD_GLOBAL 2"),
        ),
        case(
            Index,
            "slot 2",
            ALL,
            BRANCH,
            ("STORE_FAST 1", "STORE_FAST 2"),
        ),
        case(
            Index,
            "co_consts is no tuple",
            ALL,
            CALL,
            ("RESUME 0", ".consts no-tuple\nRESUME 0"),
        ),
        case(
            Index,
            "2 slots have names",
            ALL,
            BRANCH,
            (".locals x y", ".locals x y\n.kinds 20"),
        ),
        case(Index, "3 parameters", ALL, BRANCH, (".args 1", ".args 3")),
        case(
            Index,
            "not the last slots",
            ALL,
            ".free f\n.kinds 80\nCOPY_FREE_VARS 1\nRESUME 0\n%exit",
            (".kinds 80", ".locals x\n.kinds 80 20"),
        ),
        case(
            Index,
            "not a cell",
            ALL,
            CLOSURE,
            (".captured c", ".locals c"),
        ),
        case(
            Index,
            "not a local",
            ALL,
            ".locals x\n.free f\nCOPY_FREE_VARS 1\nRESUME 0\nLOAD_CONST 0\nSTORE_FAST 0\n%exit",
            ("STORE_FAST 0", "STORE_FAST 1"),
        ),
        case(
            Index,
            "no tuple of names",
            (11, 12),
            ".consts None (a)\nRESUME 0\n%callee\nLOAD_CONST 0\nKW_NAMES 1\n%call 1\nPOP_TOP\n%exit",
            ("KW_NAMES 1", "KW_NAMES 0"),
        ),
        // Operands.
        case(
            Operand,
            "POP_TOP has an operand",
            ALL,
            ADD,
            ("POP_TOP", "POP_TOP 1"),
        ),
        case(
            Operand,
            "BINARY_OP with",
            ALL,
            ADD,
            ("BINARY_OP 0", "BINARY_OP 99"),
        ),
        case(Operand, "RESUME with", ALL, ADD, ("RESUME 0", "RESUME 15")),
        case(
            Operand,
            "COPY with operand 0",
            ALL,
            HANDLER,
            ("COPY 3", "COPY 0"),
        ),
        case(
            Operand,
            "SWAP with operand 1",
            ALL,
            "RESUME 0\nLOAD_CONST 0\nLOAD_CONST 0\nSWAP 2\nPOP_TOP\nRETURN_VALUE",
            ("SWAP 2", "SWAP 1"),
        ),
        case(
            Operand,
            "has no namespace",
            ALL,
            ".flags module\n.names n\nRESUME 0\nLOAD_NAME 0\nPOP_TOP\n%exit",
            (".flags module\n", ""),
        ),
        case(
            Operand,
            "CALL_INTRINSIC_1 with",
            (12, 15),
            "RESUME 0\nLOAD_CONST 0\nCALL_INTRINSIC_1 5\nRETURN_VALUE",
            ("CALL_INTRINSIC_1 5", "CALL_INTRINSIC_1 99"),
        ),
        // Targets.
        case(
            Target,
            "where no instruction starts",
            ALL,
            "RESUME 0\nJUMP_FORWARD @over\nover:\nLOAD_CONST 0\nLOAD_CONST 0\nBINARY_OP 0\nRETURN_VALUE",
            ("@over\n", "@over+3\n"),
        ),
        case(
            Target,
            "where no instruction starts",
            ALL,
            "RESUME 0\nJUMP_FORWARD @over\nover:\nEXTENDED_ARG 0\nNOP\n%exit",
            ("@over\n", "@over+1\n"),
        ),
        case(
            Target,
            "where no instruction starts",
            ALL,
            "RESUME 0\nJUMP_FORWARD 0\n%exit",
            ("JUMP_FORWARD 0", "JUMP_FORWARD 77"),
        ),
        case(
            Target,
            "where no instruction starts",
            ALL,
            "RESUME 0\nJUMP_FORWARD 0\n%exit",
            ("JUMP_FORWARD 0", "JUMP_BACKWARD 77"),
        ),
        case(
            Target,
            "inside an instruction",
            ALL,
            ".range try tried handler 0\nRESUME 0\ntry:\n%callee\n%call 0\ntried:\nRETURN_VALUE\nhandler:\nEXTENDED_ARG 0\nRERAISE 0",
            ("handler 0\n", "handler+1 0\n"),
        ),
        case(
            Handlers,
            "into the handler of the NOP before it",
            (13, 15),
            ".stack 3\n.range try tried handler 0\nRESUME 0\n%callee\ntry:\nLOAD_CONST 0\nNOP\ntried:\nNOP\n%call 1\nRETURN_VALUE\nhandler:\nRERAISE 0",
            ("NOP\n%call 1", "%call 1"),
        ),
        // Neighbours.
        case(
            Adjacency,
            "YIELD_VALUE without its RESUME",
            ALL,
            GENERATOR,
            ("RESUME 1", "NOP"),
        ),
        case(
            Adjacency,
            "nothing is sent",
            ALL,
            GENERATOR,
            ("RESUME 1", "RESUME 3"),
        ),
        case(
            Adjacency,
            "in what is no generator",
            ALL,
            "RESUME 0\n%exit\nNOP",
            (
                "\nNOP",
                "\nLOAD_CONST 0\nYIELD_VALUE\nRESUME 1\nRETURN_VALUE",
            ),
        ),
        case(
            Adjacency,
            "a second start RESUME",
            ALL,
            ADD,
            ("POP_TOP", "RESUME 0\nPOP_TOP"),
        ),
        case(
            Adjacency,
            "without the YIELD_VALUE",
            ALL,
            ADD,
            ("POP_TOP", "RESUME 1\nPOP_TOP"),
        ),
        case(
            Adjacency,
            "RETURN_GENERATOR without",
            ALL,
            GENERATOR,
            ("%generator", "RETURN_GENERATOR\nNOP\nRESUME 0"),
        ),
        case(
            Adjacency,
            "SEND without its YIELD_VALUE",
            (12, 15),
            DELEGATION,
            ("%delegate\n    RESUME 3\n", "NOP\n"),
        ),
        case(
            Kind,
            "suspends in a delegation to",
            (12, 15),
            DELEGATION,
            ("%delegate", "LOAD_CONST 0\nSWAP 2\n%delegate"),
        ),
        // There `throw` ends a delegation by itself.
        case(
            Adjacency,
            "throw() finds no SEND",
            (11, 11),
            DELEGATION_311,
            ("YIELD_VALUE", "NOP\nYIELD_VALUE"),
        ),
        case(
            Adjacency,
            "END_SEND",
            (12, 15),
            DELEGATION,
            ("END_SEND", "POP_TOP\nNOP"),
        ),
        case(
            Adjacency,
            "does not lead to the end of a loop",
            (12, 15),
            LOOP,
            ("%end_for", "POP_TOP\nPOP_TOP"),
        ),
        case(
            Adjacency,
            "PRECALL without",
            (11, 11),
            CALL,
            ("%call 1", "PRECALL 1\nNOP\nCALL 1"),
        ),
        case(
            Adjacency,
            "CALL without its PRECALL",
            (11, 11),
            CALL,
            ("%call 1", "CALL 1"),
        ),
        case(
            Adjacency,
            "KW_NAMES without",
            (11, 12),
            ".consts None (a)\nRESUME 0\n%callee\nLOAD_CONST 0\nKW_NAMES 1\n%call 1\nPOP_TOP\n%exit",
            ("KW_NAMES 1", "KW_NAMES 1\nNOP"),
        ),
        case(
            Adjacency,
            "2 names of 1 arguments",
            (11, 12),
            ".consts None (a)\nRESUME 0\n%callee\nLOAD_CONST 0\nKW_NAMES 1\n%call 1\nPOP_TOP\n%exit",
            ("(a)", "(a,b)"),
        ),
        // What `close` may skip.
        case(
            Adjacency,
            "close() would skip",
            (12, 12),
            GUARDED,
            ("YIELD_VALUE", "YIELD_VALUE 1"),
        ),
        case(
            Adjacency,
            "close() would skip",
            (13, 14),
            GUARDED,
            ("RESUME 1", "RESUME 5"),
        ),
        case(
            Adjacency,
            "close() would skip",
            (15, 15),
            GUARDED,
            ("RESUME 1", "RESUME 9"),
        ),
        // The start.
        case(
            Prologue,
            "no start RESUME",
            ALL,
            ".captured c\nMAKE_CELL 0\nRESUME 0\n%exit",
            ("RESUME 0\n%exit", ""),
        ),
        case(
            Prologue,
            "before the start RESUME",
            ALL,
            ADD,
            ("RESUME 0", "NOP\nRESUME 0"),
        ),
        case(
            Prologue,
            "leads into the prologue",
            ALL,
            "start:\nRESUME 0\nagain:\n%callee\n%call 0\nPOP_TOP\nJUMP_BACKWARD @again",
            ("JUMP_BACKWARD @again", "JUMP_BACKWARD @start"),
        ),
        case(
            Prologue,
            "0 of 1 free variables",
            ALL,
            ".free f\nCOPY_FREE_VARS 1\nRESUME 0\n%exit",
            ("COPY_FREE_VARS 1\n", ""),
        ),
        case(
            Prologue,
            "2 of 1 free variables",
            ALL,
            ".free f\nCOPY_FREE_VARS 1\nRESUME 0\n%exit",
            ("COPY_FREE_VARS 1", "COPY_FREE_VARS 2"),
        ),
        case(
            Prologue,
            "behind the start RESUME",
            ALL,
            ADD,
            ("POP_TOP", "RETURN_GENERATOR\nPOP_TOP"),
        ),
        // Generators.
        case(
            Generator,
            "flagged as a generator",
            ALL,
            "RESUME 0\n%exit",
            ("RESUME", ".flags generator\nRESUME"),
        ),
        case(
            Generator,
            "flagged as no generator",
            ALL,
            "%generator\n%exit\n.flags generator",
            (".flags generator", ""),
        ),
        // Stack depth.
        case(
            Stack,
            "takes more than",
            ALL,
            ADD,
            ("LOAD_CONST 0\n", "NOP\n"),
        ),
        case(
            Stack,
            "takes more than",
            ALL,
            LOOP,
            ("POP_TOP", "POP_TOP\nPOP_TOP\nPOP_TOP\nPOP_TOP"),
        ),
        case(
            Stack,
            "deep on one path",
            ALL,
            BRANCH,
            (
                "LOAD_CONST 0\n    STORE_FAST 1\n    other",
                "LOAD_CONST 0\nother",
            ),
        ),
        case(Stack, "deep on one path", ALL, LOOP, ("POP_TOP", "NOP")),
        case(
            Stack,
            "more than the 1 stack slots",
            ALL,
            ADD,
            ("RESUME 0", ".stack 1\nRESUME 0"),
        ),
        case(
            Stack,
            "more than the 3 stack slots",
            ALL,
            "RESUME 0\nLOAD_CONST 0\nUNPACK_SEQUENCE 3\nPOP_TOP\nPOP_TOP\nRETURN_VALUE\n.stack 3",
            ("SEQUENCE 3\n", "SEQUENCE 4\nPOP_TOP\n"),
        ),
        case(
            Stack,
            "its handler wants 3",
            ALL,
            HANDLER,
            ("try tried handler 0", "try tried handler 3"),
        ),
        case(
            Stack,
            "below the 1 of its handler",
            ALL,
            ".names n\n.range try tried handler 1\nRESUME 0\nLOAD_CONST 0\ntry:\nLOAD_CONST 0\nSTORE_GLOBAL 0\ntried:\nRETURN_VALUE\nhandler:\nSWAP 2\nPOP_TOP\nRERAISE 0",
            (
                "LOAD_CONST 0\nSTORE_GLOBAL 0\n",
                "STORE_GLOBAL 0\nLOAD_CONST 0\n",
            ),
        ),
        case(Stack, "leaves 1 stack slots", ALL, ADD, ("POP_TOP", "NOP")),
        case(Stack, "reaches below", ALL, HANDLER, ("COPY 3", "COPY 5")),
        case(
            Stack,
            "reaches below",
            ALL,
            HANDLER,
            ("cleanup 1 lasti", "cleanup 1"),
        ),
        case(
            Stack,
            "needs more than the 2 stack slots",
            ALL,
            ".stack 4\n.names n\n.range try tried handler 2\nRESUME 0\nLOAD_CONST 0\nLOAD_CONST 0\ntry:\nDELETE_GLOBAL 0\ntried:\nPOP_TOP\nRETURN_VALUE\nhandler:\nRERAISE 0",
            (".stack 4", ".stack 2"),
        ),
        // Kinds.
        case(Kind, "where it wants", ALL, LOOP, ("GET_ITER", "NOP")),
        case(
            Kind,
            "wants a list",
            ALL,
            "RESUME 0\nBUILD_LIST 0\nLOAD_CONST 0\nLIST_APPEND 1\nRETURN_VALUE",
            ("BUILD_LIST 0", "BUILD_SET 0"),
        ),
        case(
            Kind,
            "wants a list",
            ALL,
            "RESUME 0\nBUILD_LIST 0\nLOAD_CONST 0\nLIST_EXTEND 1\nRETURN_VALUE",
            ("BUILD_LIST 0", "BUILD_TUPLE 0"),
        ),
        case(
            Kind,
            "wants a set",
            ALL,
            "RESUME 0\nBUILD_SET 0\nLOAD_CONST 0\nSET_ADD 1\nRETURN_VALUE",
            ("BUILD_SET 0", "BUILD_MAP 0"),
        ),
        case(
            Kind,
            "wants a dict",
            ALL,
            "RESUME 0\nBUILD_MAP 0\nLOAD_CONST 0\nLOAD_CONST 0\nMAP_ADD 1\nRETURN_VALUE",
            ("BUILD_MAP 0", "LOAD_CONST 0"),
        ),
        case(
            Kind,
            "wants a bool",
            (13, 15),
            "RESUME 0\nLOAD_CONST 0\nTO_BOOL\nPOP_JUMP_IF_TRUE @over\nover:\n%exit",
            ("TO_BOOL", "NOP"),
        ),
        case(
            Kind,
            "wants a bool",
            (13, 15),
            "RESUME 0\nLOAD_CONST 0\nTO_BOOL\nUNARY_NOT\nRETURN_VALUE",
            ("TO_BOOL", "NOP"),
        ),
        case(
            Kind,
            "wants the previous exception",
            ALL,
            HANDLER,
            ("PUSH_EXC_INFO", "LOAD_CONST 0"),
        ),
        case(
            Kind,
            "wants the place of a raise",
            ALL,
            HANDLER,
            ("RERAISE 1", "RERAISE 2"),
        ),
        case(
            Kind,
            "wants an exception",
            ALL,
            HANDLER,
            ("RERAISE 1", "SWAP 2\nRERAISE 0"),
        ),
        case(
            Kind,
            "where it wants",
            (12, 15),
            DELEGATION,
            ("%await", "NOP"),
        ),
        case(
            Kind,
            "is no cell",
            ALL,
            CLOSURE,
            (
                "MAKE_CELL 0\n    RESUME 0\n    LOAD_CLOSURE 0",
                "RESUME 0\nLOAD_CONST 0",
            ),
        ),
        case(
            Kind,
            "is a cell already",
            ALL,
            CLOSURE,
            ("MAKE_CELL 0", "MAKE_CELL 0\nMAKE_CELL 0"),
        ),
        case(
            Kind,
            "a closure of 1 cells for 0",
            (11, 12),
            ".consts None codef\n.captured c\nMAKE_CELL 0\nRESUME 0\nLOAD_CLOSURE 0\nBUILD_TUPLE 1\nLOAD_CONST 1\nMAKE_FUNCTION 8\nRETURN_VALUE",
            ("codef", "code"),
        ),
        case(
            Kind,
            "wants a tuple of cells",
            (11, 12),
            ".consts None codef\n.captured c\nMAKE_CELL 0\nRESUME 0\nLOAD_CLOSURE 0\nBUILD_TUPLE 1\nLOAD_CONST 1\nMAKE_FUNCTION 8\nRETURN_VALUE",
            ("LOAD_CLOSURE", "LOAD_DEREF"),
        ),
        case(
            Kind,
            "a closure of 1 cells for 0",
            (13, 15),
            ".consts None codef\n.captured c\nMAKE_CELL 0\nRESUME 0\nLOAD_FAST 0\nBUILD_TUPLE 1\nLOAD_CONST 1\nMAKE_FUNCTION\nSET_FUNCTION_ATTRIBUTE 8\nRETURN_VALUE",
            ("codef", "code"),
        ),
        case(
            Kind,
            "without its closure",
            (13, 15),
            ".consts None codef\n.captured c\nMAKE_CELL 0\nRESUME 0\nLOAD_FAST 0\nBUILD_TUPLE 1\nLOAD_CONST 1\nMAKE_FUNCTION\nSET_FUNCTION_ATTRIBUTE 8\nRETURN_VALUE",
            ("SET_FUNCTION_ATTRIBUTE 8", "SWAP 2\nPOP_TOP"),
        ),
        case(
            Kind,
            "wants a code object",
            ALL,
            ".consts None code\nRESUME 0\nLOAD_CONST 1\nMAKE_FUNCTION\nRETURN_VALUE",
            ("LOAD_CONST 1", "LOAD_CONST 0"),
        ),
        case(
            Kind,
            "wants a tuple of names",
            (13, 15),
            ".consts None (a)\nRESUME 0\n%callee\nLOAD_CONST 0\nLOAD_CONST 1\nCALL_KW 1\nRETURN_VALUE",
            ("LOAD_CONST 1", "LOAD_CONST 0"),
        ),
        case(
            Kind,
            "2 names of 1",
            (13, 15),
            ".consts None (a)\nRESUME 0\n%callee\nLOAD_CONST 0\nLOAD_CONST 1\nCALL_KW 1\nRETURN_VALUE",
            ("(a)", "(a,b)"),
        ),
        case(
            Kind,
            "wants a tuple",
            ALL,
            ".consts None (a)\nRESUME 0\nLOAD_CONST 0\nLOAD_CONST 0\nLOAD_CONST 1\nMATCH_CLASS 0\nRETURN_VALUE",
            ("LOAD_CONST 1", "LOAD_CONST 0"),
        ),
        case(
            Kind,
            "what a local held",
            (12, 15),
            ".locals x\nRESUME 0\nLOAD_FAST_AND_CLEAR 0\nSTORE_FAST 0\n%exit",
            ("STORE_FAST 0\n", "UNPACK_SEQUENCE 0\n"),
        ),
        case(
            Kind,
            "is not for storing",
            ALL,
            ".args 1\n.locals x\nRESUME 0\nLOAD_CONST 0\nSTORE_FAST 0\n%exit",
            (".locals x", ".locals .0"),
        ),
        // NULL.
        case(Null, "finds NULL", ALL, ADD, ("LOAD_CONST 0", "PUSH_NULL")),
        case(
            Null,
            "finds NULL",
            ALL,
            "RESUME 0\nLOAD_CONST 0\nRETURN_VALUE",
            ("LOAD_CONST 0", "PUSH_NULL"),
        ),
        case(
            Null,
            "finds an object where it wants NULL",
            (13, 13),
            "RESUME 0\n%callee\nBUILD_TUPLE 0\nBUILD_MAP 0\nCALL_FUNCTION_EX 1\nRETURN_VALUE",
            ("%callee", "LOAD_CONST 0\nLOAD_CONST 0"),
        ),
        case(
            Null,
            "finds an object where it wants NULL",
            (14, 15),
            "RESUME 0\n%callee\nBUILD_TUPLE 0\nBUILD_MAP 0\nCALL_FUNCTION_EX\nRETURN_VALUE",
            ("%callee", "LOAD_CONST 0\nLOAD_CONST 0"),
        ),
        case(
            Null,
            "finds NULL",
            ALL,
            "RESUME 0\nLOAD_CONST 0\nBUILD_LIST 1\nRETURN_VALUE",
            ("LOAD_CONST 0", "PUSH_NULL"),
        ),
        // Unbound locals.
        case(
            Unbound,
            "'y' may be unbound",
            (12, 15),
            BRANCH,
            (
                "LOAD_CONST 0\n    STORE_FAST 1\n    LOAD_FAST 0",
                "LOAD_FAST 0",
            ),
        ),
        case(
            Unbound,
            "'x' may be unbound",
            (12, 15),
            ".args 1\n.locals x\nRESUME 0\nNOP\nLOAD_FAST 0\nRETURN_VALUE",
            ("NOP", "DELETE_FAST 0"),
        ),
        case(
            Unbound,
            "'x' may be unbound",
            (12, 15),
            ".args 1\n.locals x\nRESUME 0\nLOAD_FAST_AND_CLEAR 0\nSTORE_FAST 0\nLOAD_FAST 0\nRETURN_VALUE",
            (".args 1\n", ""),
        ),
        case(
            Unbound,
            "'x' may be unbound",
            (12, 15),
            ".args 1\n.locals x\n.names n\n.range try tried handler 0\nRESUME 0\ntry:\nNOP\nDELETE_GLOBAL 0\ntried:\nLOAD_FAST 0\nRETURN_VALUE\nhandler:\nPUSH_EXC_INFO\nPOP_TOP\nPOP_EXCEPT\nLOAD_FAST 0\nRETURN_VALUE",
            (
                "DELETE_GLOBAL 0",
                "DELETE_FAST 0\nDELETE_GLOBAL 0\nLOAD_CONST 0\nSTORE_FAST 0",
            ),
        ),
        // Borrowed references.
        case(
            Borrow,
            "that only 'x' owns",
            (14, 15),
            BORROWED,
            (
                "LOAD_FAST_BORROW 0\n    POP_TOP",
                "LOAD_FAST_BORROW 0\nSTORE_FAST 1",
            ),
        ),
        case(
            Borrow,
            "'x' changes while",
            (14, 15),
            BORROWED,
            (
                "POP_TOP\n    LOAD_FAST 1\n    STORE_FAST 0",
                "LOAD_FAST 1\nSTORE_FAST 0\nPOP_TOP",
            ),
        ),
        case(
            Borrow,
            "'x' changes while",
            (14, 15),
            BORROWED,
            ("POP_TOP", "DELETE_FAST 0\nPOP_TOP"),
        ),
        // Locations.
        case(
            Locations,
            "covers 0 code units",
            ALL,
            "RESUME 0\n%exit\n.linetable F*",
            ("F*", ""),
        ),
        case(
            Locations,
            "covers 8 code units",
            ALL,
            "RESUME 0\n%exit\n.linetable F*",
            ("F*", "FF"),
        ),
        case(
            Locations,
            "begins no entry",
            ALL,
            "RESUME 0\n%exit\n.linetable F*",
            ("F*", "7*"),
        ),
        case(
            Locations,
            "truncated",
            ALL,
            "RESUME 0\n%exit\n.linetable E* 00",
            ("E* 00", "E*"),
        ),
        case(
            Locations,
            "holds the start of another",
            ALL,
            "RESUME 0\n%exit\n.linetable F*",
            ("F*", "80 F9"),
        ),
        case(
            Locations,
            "line -",
            ALL,
            "RESUME 0\n%exit\n.linetable E* 00",
            ("E* 00", "E* 0B"),
        ),
        // Handlers.
        case(
            Handlers,
            "overlap",
            ALL,
            HANDLER,
            (".range handler handled", ".range try handled"),
        ),
        case(
            Handlers,
            "covers units",
            ALL,
            HANDLER,
            (".range try tried", ".range try try"),
        ),
        case(
            Handlers,
            "covers units",
            ALL,
            "RESUME 0\n%exit\n.exceptiontable 82 01 02 00",
            ("82 01", "82 05"),
        ),
        case(
            Handlers,
            "begins no entry",
            ALL,
            "RESUME 0\n%exit\n.exceptiontable",
            ("exceptiontable", "exceptiontable 01 02 00 00"),
        ),
        case(
            Handlers,
            "truncated",
            ALL,
            "RESUME 0\n%exit\n.exceptiontable",
            ("exceptiontable", "exceptiontable 81 02 00"),
        ),
        case(
            Handlers,
            "range starts inside",
            ALL,
            ".range try tried handler 0\nRESUME 0\nLOAD_CONST 0\nLOAD_CONST 0\ntry:\nBINARY_OP 0\ntried:\nRETURN_VALUE\nhandler:\nRERAISE 0",
            ("try tried", "try+1 tried"),
        ),
        case(
            Handlers,
            "range ends inside",
            ALL,
            ".range try tried handler 0\nRESUME 0\nLOAD_CONST 0\nLOAD_CONST 0\ntry:\nBINARY_OP 0\ntried:\nRETURN_VALUE\nhandler:\nRERAISE 0",
            ("try tried", "try try+1"),
        ),
    ]
}

fn judge(isa: &'static Isa, listing: &str) -> Vec<Complaint> {
    let pyc = listing::assemble(isa, listing);
    verify(&pyc, &[pyc.root])
}

/// A listing with what its version spells differently: cells have loads of their own until 3.12.
fn spelled(isa: &Isa, listing: &str) -> String {
    match isa.has(equip_core::isa::Opcode::LOAD_CLOSURE) {
        true => listing.to_owned(),
        false => listing.replace("LOAD_CLOSURE", "LOAD_FAST"),
    }
}

#[test]
fn every_rule_is_kept_by_sound_code_and_broken_by_one_change() {
    let mut wrong = Vec::new();
    let mut provoked = HashSet::new();
    let mut count = 0;
    for case in cases() {
        let (from, to) = case.change;
        assert!(
            case.sound.contains(from),
            "{from:?} is not in {:?}",
            case.sound
        );
        let broken = case.sound.replacen(from, to, 1);
        for isa in isa::ALL {
            let minor = isa.version.1;
            if !(case.versions.0..=case.versions.1).contains(&minor) {
                continue;
            }
            count += 1;
            let sound = judge(isa, &spelled(isa, case.sound));
            if !sound.is_empty() {
                wrong.push(format!("{}: {:?}: {}", isa.version, case.sound, sound[0]));
            }
            match &judge(isa, &spelled(isa, &broken))[..] {
                [complaint]
                    if complaint.rule == case.says.0 && complaint.message.contains(case.says.1) =>
                {
                    provoked.insert((isa.version, complaint.rule));
                }
                complaints => wrong.push(format!(
                    "{}: {from:?} to {to:?} in {:?}: wants {} {:?}, gets {complaints:?}",
                    isa.version, case.sound, case.says.0, case.says.1
                )),
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} of {count}:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
    for isa in isa::ALL {
        for rule in Rule::ALL {
            // A whole file is judged when it is read; borrowed references came with 3.14, and
            // 3.11 checks every load.
            let has = match rule {
                Rule::File => false,
                Rule::Borrow => isa.has(equip_core::isa::Opcode::LOAD_FAST_BORROW),
                Rule::Unbound => !isa.load_fast_checks,
                _ => true,
            };
            let found = provoked.contains(&(isa.version, rule));
            assert!(found == has, "{}: {rule}", isa.version);
        }
    }
    println!("{count} broken code objects, each caught");
}
