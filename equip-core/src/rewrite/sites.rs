//! Where: from a site to positions in a body.

use std::collections::BTreeSet;

use equip_plugin_api::edit::{Edge, LoopEdge};
use equip_plugin_api::view::Arrives;

use super::loops::of_source;
use crate::analysis::CallSite;
use crate::analysis::cfg::jumps_if;
use crate::body::{Arg, Body, Instr};
use crate::code::flags;
use crate::isa::{Flow, LineEvents, LoopExit, Opcode, Operand};
use crate::marshal::Objects;

/// A place for code: before an instruction, reached by falling into it, by jumps, or by both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// Index of the instruction.
    pub at: u32,
    /// Whether control that falls through from the instruction above comes by.
    pub by_fall: bool,
    /// Jumps to the instruction that do not come by; all others do.
    pub passing: Vec<u32>,
    /// Whether jumps come by at all.
    pub by_jump: bool,
    /// Instructions whose exceptions, which are handled here, do not come by; all others' do.
    pub raising: Vec<u32>,
    /// The instruction whose line is the site's, if that is another one: where a line is reached by a jump, and
    /// of a loop its head.
    pub line_of: Option<u32>,
    /// For one edge of a conditional, the instruction that it comes from: the only one that comes by.
    pub from: Option<u32>,
}

impl Point {
    pub(super) fn every_way(at: usize) -> Self {
        Point {
            at: at as u32,
            by_fall: true,
            passing: Vec::new(),
            by_jump: true,
            raising: Vec::new(),
            line_of: None,
            from: None,
        }
    }

    pub(super) fn falling(at: usize) -> Self {
        Point {
            at: at as u32,
            by_fall: true,
            passing: Vec::new(),
            by_jump: false,
            raising: Vec::new(),
            line_of: None,
            from: None,
        }
    }
}

/// The index of the `RESUME` that starts the body proper.
pub fn start_resume(body: &Body) -> Option<usize> {
    let mask = body.isa.resume.reason;
    body.instrs
        .iter()
        .position(|instr| instr.opcode == Opcode::RESUME && matches!(instr.effect_arg() & mask, 0))
}

/// Behind the prologue; in class bodies behind the stores that the compiler adds. Not part of a
/// loop that starts there.
pub fn start(body: &Body, objects: &Objects<'_>) -> Option<Point> {
    let resume = start_resume(body)?;
    let mut at = resume + 1;
    if body.flags & flags::OPTIMIZED == 0 {
        at = skip_class_stores(body, objects, at);
    }
    Some(Point::falling(at))
}

fn name_of<'o>(body: &Body, objects: &'o Objects<'_>, at: usize) -> Option<&'o [u8]> {
    match body.instrs.get(at)?.arg {
        Arg::Name(name, _) => objects.str_bytes(body.names[name as usize]),
        _ => None,
    }
}

fn is(body: &Body, at: usize, opcode: Opcode) -> bool {
    body.instrs
        .get(at)
        .is_some_and(|instr| instr.opcode == opcode)
}

/// `__module__`, `__qualname__`, and from 3.12 on `__classdict__`, `.type_params`, `__firstlineno__`.
fn skip_class_stores(body: &Body, objects: &Objects<'_>, from: usize) -> usize {
    let implicit: [&[u8]; 5] = [
        b"__module__",
        b"__qualname__",
        b"__firstlineno__",
        b"__type_params__",
        b".type_params",
    ];
    let mut last = from;
    for at in from..body.instrs.len().min(from + 16) {
        let instr = &body.instrs[at];
        let stores = match instr.opcode {
            Opcode::STORE_NAME => {
                name_of(body, objects, at).is_some_and(|name| implicit.contains(&name))
            }
            Opcode::STORE_DEREF => true,
            Opcode::LOAD_NAME
            | Opcode::LOAD_CONST
            | Opcode::LOAD_SMALL_INT
            | Opcode::LOAD_LOCALS
            | Opcode::LOAD_DEREF => continue,
            _ => break,
        };
        if !stores {
            break;
        }
        last = at + 1;
    }
    last
}

/// In a module: behind docstring and `from __future__` imports, where imports go.
pub fn module_top(body: &Body, objects: &Objects<'_>) -> Option<Point> {
    let mut at = start_resume(body)? + 1;
    loop {
        let loads = |at| is(body, at, Opcode::LOAD_CONST) || is(body, at, Opcode::LOAD_SMALL_INT);
        if loads(at)
            && is(body, at + 1, Opcode::STORE_NAME)
            && name_of(body, objects, at + 1) == Some(b"__doc__")
        {
            at += 2;
        } else if is(body, at, Opcode::SETUP_ANNOTATIONS) {
            at += 1;
        } else if is(body, at, Opcode::BUILD_SET) && is(body, at + 1, Opcode::STORE_NAME) {
            at += 2; // __conditional_annotations__
        } else if loads(at)
            && loads(at + 1)
            && is(body, at + 2, Opcode::IMPORT_NAME)
            && name_of(body, objects, at + 2) == Some(b"__future__")
        {
            at += 3;
            while is(body, at, Opcode::IMPORT_FROM) {
                at += 2;
            }
            at += 1;
        } else {
            return Some(Point::falling(at));
        }
    }
}

/// Each normal return.
pub fn returns(body: &Body) -> Vec<Point> {
    let all = body.instrs.iter().enumerate();
    all.filter(|(_, instr)| matches!(instr.opcode, Opcode::RETURN_VALUE | Opcode::RETURN_CONST))
        .map(|(at, _)| Point::every_way(at))
        .collect()
}

/// Before each suspension of a generator or coroutine, where the value is on the stack as the program
/// made it: an asynchronous generator wraps it afterwards.
pub fn suspensions(body: &Body) -> Vec<Point> {
    let wraps = |at: usize| match (body.instrs[at].opcode, body.instrs[at].arg) {
        (Opcode::ASYNC_GEN_WRAP, _) => true,
        (Opcode::CALL_INTRINSIC_1, Arg::Int(number)) => {
            body.isa.intrinsics_1.get(number as usize) == Some(&"INTRINSIC_ASYNC_GEN_WRAP")
        }
        _ => false,
    };
    yields(body)
        .map(|at| match at > 0 && wraps(at - 1) {
            true => Point::every_way(at - 1),
            false => Point::every_way(at),
        })
        .collect()
}

/// Behind each suspension, and where a delegation ends that `throw` has ended.
pub fn resumptions(body: &Body) -> Vec<Point> {
    let all = body.instrs.iter().enumerate();
    let ends = all.filter(|(_, instr)| instr.opcode == Opcode::CLEANUP_THROW);
    let behind = yields(body)
        .map(|at| at + 2)
        .chain(ends.map(|(at, _)| at + 1));
    behind
        .filter(|at| *at < body.instrs.len())
        .map(Point::falling)
        .collect()
}

fn yields(body: &Body) -> impl Iterator<Item = usize> + '_ {
    let all = body.instrs.iter().enumerate();
    all.filter(|(_, instr)| instr.opcode == Opcode::YIELD_VALUE)
        .map(|(at, _)| at)
}

/// The instruction whose handler is that of code around a suspension: a delegation's own handler
/// covers the `YIELD_VALUE` alone.
pub fn suspended(instrs: &[Instr], at: usize) -> usize {
    let yields = instrs[at].opcode == Opcode::YIELD_VALUE;
    let sends = yields && at > 0 && instrs[at - 1].opcode == Opcode::SEND;
    if sends { at - 1 } else { at }
}

/// The instruction whose handler is that of code at a resumption.
pub fn resumed(instrs: &[Instr], at: usize) -> usize {
    match instrs[at - 1].opcode {
        Opcode::CLEANUP_THROW => at - 1,
        _ => suspended(instrs, at - 2),
    }
}

/// One edge of each conditional.
pub fn branches(body: &Body, edge: Edge) -> Vec<Point> {
    let all = 0..body.instrs.len();
    all.filter_map(|at| branch(body, at, edge)).collect()
}

/// One edge of one conditional: behind it, or between it and where it jumps. None if the instruction is no
/// conditional of the program's.
pub fn branch(body: &Body, at: usize, way: Edge) -> Option<Point> {
    let jumps = jumps_if(body.instrs.get(at)?.opcode)?;
    match is_of_compiler(body, at) {
        true => None,
        false => edge(body, at, jumps == (way == Edge::True)),
    }
}

/// One way on from an instruction: behind it, or between it and where it jumps.
pub fn edge(body: &Body, at: usize, jumps: bool) -> Option<Point> {
    let falling = |next: usize| {
        (next < body.instrs.len()).then(|| Point {
            from: Some(at as u32),
            ..Point::falling(next)
        })
    };
    if !jumps {
        return falling(at + 1 + usize::from(is(body, at + 1, Opcode::NOT_TAKEN)));
    }
    let Arg::Jump(target) = body.instrs[at].arg else {
        return None;
    };
    let target = body.at(target);
    if is(body, target, Opcode::END_FOR) {
        // Only the end of this loop comes here, and what it keeps is popped first.
        let keeps = body.isa.loop_exit == LoopExit::KeepsIterator;
        return falling(target + 1 + usize::from(keeps));
    }
    Some(Point {
        by_fall: false,
        from: Some(at as u32),
        ..Point::every_way(target)
    })
}

/// Whether a conditional is none of the source's: which `except` clause matches, whether `__exit__` swallows,
/// whether a name is still the builtin that a shortcut is for.
fn is_of_compiler(body: &Body, at: usize) -> bool {
    use Opcode as O;
    let mut above = body.instrs[..at]
        .iter()
        .rev()
        .filter(|instr| !matches!(instr.opcode, O::TO_BOOL | O::COPY | O::NOP));
    let Some(tests) = above.next() else {
        return false;
    };
    match (tests.opcode, tests.arg) {
        (
            O::CHECK_EXC_MATCH | O::CHECK_EG_MATCH | O::WITH_EXCEPT_START | O::PREP_RERAISE_STAR,
            _,
        ) => true,
        (O::CALL_INTRINSIC_2, Arg::Int(number)) => {
            body.isa.intrinsics_2.get(number as usize) == Some(&"INTRINSIC_PREP_RERAISE_STAR")
        }
        (O::IS_OP, _) => above
            .next()
            .is_some_and(|instr| instr.opcode == O::LOAD_COMMON_CONSTANT),
        _ => false,
    }
}

/// Right before a call, where all that it takes is on the stack.
pub fn before_call(call: &CallSite) -> Point {
    Point::every_way(call.first)
}

/// Right behind it, where its result is on the top.
pub fn after_call(call: &CallSite) -> Point {
    Point {
        from: Some(call.at as u32),
        ..Point::falling(call.at + 1)
    }
}

/// Where `except` clauses begin, with the exception on the top: behind the test that it matches, or where one without
/// a test drops it.
pub fn handlers(body: &Body) -> Vec<Point> {
    let all = 0..body.instrs.len();
    // A clause without a test is where no other matches, or where the handler begins.
    let conditional = |at: &usize| asks(body, *at) == Some(Opcode::CHECK_EXC_MATCH);
    let other = all.clone().filter(conditional).filter_map(|at| {
        let Arg::Jump(target) = body.instrs[at].arg else {
            return None;
        };
        Some(body.at(target))
    });
    let other: BTreeSet<usize> = other.collect();
    let is_bare = |at: usize| {
        let begins = at > 0 && is(body, at - 1, Opcode::PUSH_EXC_INFO);
        is(body, at, Opcode::POP_TOP) && (begins && !leaves(body, at) || other.contains(&at))
    };
    let bare = |at: usize| is_bare(at).then(|| Point::every_way(at));
    all.filter_map(|at| clause(body, at).or_else(|| bare(at)))
        .collect()
}

/// Whether an exception is dropped by a `finally` that begins with `return`, `break` or `continue`: then all that drops it is of that
/// statement, where a clause without a test is around its first one. (Without columns, of a clause on one line nobody
/// could tell.)
fn leaves(body: &Body, at: usize) -> bool {
    let location = |at: usize| body.instrs[at].location;
    is(body, at + 1, Opcode::POP_EXCEPT) && location(at) == location(at + 1)
}

/// Behind the conditional that asks whether a clause matches.
fn clause(body: &Body, at: usize) -> Option<Point> {
    let jumps = jumps_if(body.instrs[at].opcode)?;
    match asks(body, at)? {
        Opcode::CHECK_EXC_MATCH => edge(body, at, jumps),
        // It asks whether the group that matches is None.
        _ => edge(body, at, !jumps),
    }
}

/// By which instruction a conditional jump asks whether an `except` clause matches, if it does.
fn asks(body: &Body, at: usize) -> Option<Opcode> {
    jumps_if(body.instrs[at].opcode)?;
    let above = |n: usize| at.checked_sub(n).map(|at| body.instrs[at].opcode);
    match (above(1)?, above(2)) {
        (Opcode::CHECK_EXC_MATCH, _) => Some(Opcode::CHECK_EXC_MATCH),
        (Opcode::COPY, Some(Opcode::CHECK_EG_MATCH)) => Some(Opcode::CHECK_EG_MATCH),
        _ => None,
    }
}

/// What loops do: all of them, or the one that an instruction is the head of.
pub fn loops(body: &Body, head: Option<u32>, what: LoopEdge) -> Vec<Point> {
    let mut all = of_source(body);
    if let Some(head) = head {
        all.retain(|one| one.heads.iter().any(|point| point.at == head));
    }
    let points = all.into_iter().map(|one| match what {
        LoopEdge::Head => one.heads,
        LoopEdge::Back => one.back,
        LoopEdge::Exit => one.exits,
    });
    points.flatten().collect()
}

/// Before or behind one instruction, if code may stand there.
pub fn beside(body: &Body, at: usize, after: bool) -> Option<Point> {
    let op = body.isa.info(body.instrs.get(at)?.opcode);
    if !after {
        return (!is_pinned(body, at)).then(|| Point::every_way(at));
    }
    // An `async for` that is the last of an `except` clause ends right before that does.
    let ends = is(body, at, Opcode::END_ASYNC_FOR) && is(body, at + 1, Opcode::POP_EXCEPT);
    let fits =
        op.flow == Flow::Next && at + 1 < body.instrs.len() && (ends || !is_pinned(body, at + 1));
    fits.then(|| Point::falling(at + 1))
}

/// Whether nothing may be put right before an instruction (it must stay with the one above, or
/// control skips it).
fn is_pinned(body: &Body, at: usize) -> bool {
    use Opcode as O;
    if start_resume(body).is_none_or(|resume| at <= resume) {
        return true;
    }
    is_inseparable(body, at)
        || matches!(
            body.instrs[at].opcode,
            O::CLEANUP_THROW
                | O::YIELD_VALUE
                | O::RERAISE
                | O::POP_EXCEPT
                | O::PUSH_EXC_INFO
                | O::END_ASYNC_FOR
        )
        || matches!(
            body.instrs[at - 1].opcode,
            O::END_FOR
                | O::RETURN_GENERATOR
                | O::YIELD_VALUE
                | O::LOAD_SPECIAL
                | O::BEFORE_WITH
                | O::BEFORE_ASYNC_WITH
                | O::ASYNC_GEN_WRAP
        )
}

/// An inlined comprehension gives back the variables that it took where it has ended, and where an exception
/// ends it; the line that it does so on may begin before. There a probe could not read them, nor could what
/// handles its exceptions: it stands behind.
pub fn given_back(body: &Body, point: Point, is_taken: impl Fn(usize) -> bool) -> Point {
    let at = point.at as usize;
    let line = body.instrs[at].location.line;
    let falls = at > 0 && {
        let above = body.isa.info(body.instrs[at - 1].opcode).flow;
        !matches!(above, Flow::Exit | Flow::Jump)
    };
    if !point.passing.is_empty() || !point.raising.is_empty() || falls && !point.by_fall {
        return point;
    }
    let mut last = at;
    while is_taken(last) {
        let moves = matches!(
            body.instrs[last].opcode,
            Opcode::SWAP | Opcode::POP_TOP | Opcode::STORE_FAST
        );
        last += 1;
        if !moves || last == body.instrs.len() {
            return point;
        }
        // What comes there from elsewhere has nothing to do with it, and another line may begin there.
        let goes_on = body.instrs[last].location.line == line;
        let is_target = body.labels.contains(&(last as u32));
        if is_target || !goes_on {
            return match is_taken(last) {
                true => point,
                false => Point {
                    from: Some(last as u32 - 1),
                    ..Point::falling(last)
                },
            };
        }
    }
    match last == at {
        true => point,
        false => Point::falling(last),
    }
}

/// Every arrival at a line: where `sys.settrace` tells a `line` event.
///
/// That is where the line of an instruction differs from that of the one that ran before, and where a jump leads
/// back on one line. CPython 3.11 compares whenever an instruction runs (`Python/ceval.c`,
/// `maybe_call_line_trace`), later versions only where a line starts in the code, and where jumps and exceptions
/// lead (`Python/instrumentation.c`, `initialize_lines`).
pub fn lines(body: &Body) -> Vec<Point> {
    let Some(resume) = start_resume(body) else {
        return Vec::new();
    };
    let instrs = &body.instrs;
    let line = |at: usize| instrs[at].location.line;
    let mut jumps: Vec<Vec<u32>> = vec![Vec::new(); instrs.len() + 1];
    let mut raises: Vec<Vec<u32>> = vec![Vec::new(); instrs.len() + 1];
    for (at, instr) in instrs.iter().enumerate() {
        let op = body.isa.info(instr.opcode);
        if let Arg::Jump(label) = instr.arg
            && op.flow != Flow::Next
            && op.operand != Operand::LabelBackward
        {
            jumps[body.at(label)].push(at as u32);
        }
        if let Some(handler) = body.handler(instr) {
            raises[body.at(handler.target)].push(at as u32);
        }
    }
    let traced = body.isa.line_events == LineEvents::AnyInstruction;
    let mut current = -1; // the line that goes on, in code order
    let mut carried = false; // an arrival that a pinned instruction hands on to the next
    let mut points: Vec<Point> = Vec::new();
    for at in resume + 1..instrs.len() {
        let here = line(at);
        let never = matches!(
            instrs[at].opcode,
            Opcode::END_FOR
                | Opcode::POP_ITER
                | Opcode::END_SEND
                | Opcode::END_ASYNC_FOR
                | Opcode::RESUME
        );
        let ends_loop = at > 0 && is(body, at - 1, Opcode::END_FOR);
        let is_target = ends_loop || !jumps[at].is_empty() || !raises[at].is_empty();
        let starts = traced || is_target || here != current && !never;
        if !never {
            current = here;
        }
        if here < 1 {
            carried = false;
            continue;
        }
        let above = body.isa.info(instrs[at - 1].opcode);
        let falls = !matches!(above.flow, Flow::Exit | Flow::Jump);
        // What ends a loop is run by nobody but the instruction that jumps over it.
        let before = match ends_loop {
            true => jumps[at - 1]
                .first()
                .map_or(-1, |from| line(*from as usize)),
            false => line(at - 1),
        };
        let resumed = at == resume + 1 || !traced && above.opcode == Opcode::RESUME;
        let by_fall = falls && (carried || starts && (before != here || resumed));
        let arrives = |from: &u32| {
            let from = *from as usize;
            let back = from >= at && instrs[from].opcode != Opcode::JUMP_BACKWARD_NO_INTERRUPT;
            line(from) != here || back
        };
        let raised = |from: &u32| {
            let from = *from as usize;
            let thrown = matches!(instrs[from].opcode, Opcode::YIELD_VALUE | Opcode::RESUME);
            let origins = origins(body, &raises, from);
            origins.iter().any(|origin| line(*origin as usize) != here)
                || traced && from >= at
                || thrown && body.isa.thrown_from_resume
        };
        let by_jump = jumps[at].iter().any(arrives)
            || (traced || !is(body, at, Opcode::END_ASYNC_FOR)) && raises[at].iter().any(raised)
            || !falls && jumps[at].is_empty() && raises[at].is_empty();
        carried = false;
        if !by_fall && !by_jump {
            continue;
        }
        if instrs[at].opcode == Opcode::CLEANUP_THROW && instrs[at].handler.is_none() {
            // Of a lambda: `close()` passes over what is around its suspension, which must be no more than this.
            continue;
        }
        if is_inseparable(body, at) {
            // By a jump the line is reached where that is, nothing being between.
            let arriving = jumps[at].iter().filter(|from| arrives(from));
            points.extend(arriving.map(|from| Point {
                line_of: Some(at as u32),
                ..Point::every_way(*from as usize)
            }));
            carried = by_fall;
            continue;
        }
        let others = |all: &[u32], comes: &dyn Fn(&u32) -> bool| {
            let others = all.iter().filter(|from| by_jump && !comes(from));
            others.copied().collect()
        };
        points.push(Point {
            by_fall,
            by_jump,
            passing: others(&jumps[at], &arrives),
            raising: others(&raises[at], &raised),
            ..Point::every_way(at)
        });
    }
    points
}

/// For each instruction, whether running it is an arrival at its line: by whatever way control comes there, or
/// by some ways only.
pub fn arrivals(body: &Body) -> Vec<Arrives> {
    let mut all = vec![Arrives::Never; body.instrs.len()];
    let mut by_jump = vec![false; body.instrs.len()];
    for instr in &body.instrs {
        if let Arg::Jump(label) = instr.arg
            && body.isa.info(instr.opcode).flow != Flow::Next
        {
            by_jump[body.at(label)] = true;
        }
        if let Some(handler) = body.handler(instr) {
            by_jump[body.at(handler.target)] = true;
        }
    }
    for point in lines(body) {
        let at = point.at as usize;
        let falls = at > 0 && {
            let above = body.isa.info(body.instrs[at - 1].opcode).flow;
            !matches!(above, Flow::Exit | Flow::Jump)
        };
        let parted = point.line_of.is_some();
        let whole = (point.by_fall || !falls) && (point.by_jump || !by_jump[at]);
        let whole = whole && point.passing.is_empty() && point.raising.is_empty() && !parted;
        let at = point.line_of.map_or(at, |at| at as usize);
        all[at] = match all[at] {
            Arrives::Never if whole => Arrives::Always,
            _ => Arrives::Sometimes,
        };
    }
    all
}

/// Which instructions what one raises comes from, to who traces lines: of what a cleanup or a `with` raises again,
/// those that raised it. `raises` has for each instruction those whose handler it starts.
fn origins(body: &Body, raises: &[Vec<u32>], at: usize) -> Vec<u32> {
    let mut origins = Vec::new();
    let mut known = vec![at as u32];
    let mut next = 0;
    while let Some(at) = known.get(next).copied() {
        next += 1;
        let instr = &body.instrs[at as usize];
        // Such code has no handlers within: it is that of the one above.
        let again = (instr.opcode == Opcode::RERAISE && instr.effect_arg() > 0)
            .then(|| {
                raises[..=at as usize]
                    .iter()
                    .rposition(|from| !from.is_empty())
            })
            .flatten();
        match again {
            Some(starts) => {
                for from in &raises[starts] {
                    if !known.contains(from) {
                        known.push(*from);
                    }
                }
            }
            None => origins.push(at),
        }
    }
    origins
}

/// Whether an instruction cannot be parted from the one above, not even where a line starts.
fn is_inseparable(body: &Body, at: usize) -> bool {
    use Opcode as O;
    let above = body.instrs[at - 1].opcode;
    match body.instrs[at].opcode {
        O::RESUME | O::END_FOR | O::POP_ITER | O::NOT_TAKEN | O::END_SEND | O::SEND => true,
        // Of a delegation's loop; others end handlers.
        O::JUMP_BACKWARD_NO_INTERRUPT => above == O::RESUME,
        O::YIELD_VALUE if above == O::SEND => true,
        _ => match above {
            O::END_FOR => body.isa.loop_exit == LoopExit::KeepsIterator,
            O::KW_NAMES | O::PRECALL => true,
            _ => false,
        },
    }
}
