//! The call sites of a code object: where its source calls something.
//!
//! What the compiler calls on its own is none: the body of a class statement, comprehensions and generator
//! expressions, scopes of type parameters, `__enter__` and `__exit__`, the exception of an `assert`, what joins a long
//! f-string, and `super` where it comes with an attribute in one instruction. A decorator is called, so it is one.

use super::call_graph::called;
use super::cfg::{Cfg, Exceptions};
use super::evaluate::{Beside, Call, Expressions};
use super::expression::Expression;
use crate::body::Body;
use crate::isa::Opcode;
use crate::marshal::Objects;

/// One of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallSite {
    /// The instruction that calls.
    pub at: usize,
    /// The first of those that belong together there, where callee and arguments have been evaluated.
    pub first: usize,
    /// What is called, as written.
    pub name: String,
    /// What stands on the stack beside it.
    pub beside: Beside,
}

/// The call sites of a body, in code order; none of what control cannot reach, or of unsound code.
pub fn call_sites(body: &Body, objects: &Objects<'_>) -> Vec<CallSite> {
    if !body.instrs.iter().any(|instr| calls(instr.opcode)) {
        return Vec::new();
    }
    let cfg = Cfg::of(body, Exceptions::Followed);
    let found = Expressions::of(body, objects, &cfg).map(|found| found.calls);
    let all = found.unwrap_or_default().into_iter();
    let sites = all.filter_map(|(at, call)| {
        let name = called(&call.function).filter(|_| is_of_source(body, at, &call))?;
        Some(CallSite {
            at,
            first: first(body, at),
            name,
            beside: call.beside,
        })
    });
    sites.collect()
}

fn calls(opcode: Opcode) -> bool {
    matches!(
        opcode,
        Opcode::CALL | Opcode::CALL_KW | Opcode::CALL_FUNCTION_EX
    )
}

fn is_of_source(body: &Body, at: usize, call: &Call) -> bool {
    let opcode_at = |at: usize| body.instrs.get(at).map(|instr| instr.opcode);
    // Comprehensions and scopes of type parameters are functions that nothing but their call has.
    let is_scope = matches!(&call.function, Expression::Function(_, name) if name != "<lambda>");
    let is_special = match call.beside {
        Beside::Null => false,
        // A long f-string is joined by a call that is all in one place: in a source, what is called ends before the call.
        Beside::Object(load) => {
            let (loaded, called) = (body.instrs[load].location, body.instrs[at].location);
            opcode_at(load) == Some(Opcode::LOAD_SPECIAL)
                || loaded == called && called.end_column > 0
        }
        // Else a decorator, with the one argument that it has.
        Beside::Argument => {
            call.arguments.len() != 1 || opcode_at(at + 1) == Some(Opcode::RAISE_VARARGS)
        }
    };
    calls(body.instrs[at].opcode) && !is_scope && !is_special
}

/// Where `KW_NAMES` and `PRECALL` stand before a call, nothing may come between.
fn first(body: &Body, at: usize) -> usize {
    let is = |at: usize, opcode| at > 0 && body.instrs[at - 1].opcode == opcode;
    let at = at - usize::from(is(at, Opcode::PRECALL));
    at - usize::from(is(at, Opcode::KW_NAMES))
}
