//! Where and when: each probe at its points, in the order in which control comes by, and whether what its snippet
//! speaks of is known there.

use std::cell::OnceCell;

use equip_plugin_api::edit::{LoopEdge, Position, Site, SiteKind};
use rustc_hash::FxHashMap;

use super::sites::{self, Point};
use super::splice::Subject;
use super::taken::Taken;
use super::{Host, Place, Probe, Refusal, Refused, Scope, lines, nearest_lines};
use crate::analysis::{CallSite, call_sites};
use crate::body::{Body, Handler, HandlerId, Label};
use crate::marshal::Objects;
use crate::snippet::Meaning;

/// When a probe runs, of those that stand before one instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// By falling in only, and before what is kept from site to site has its place.
    Top,
    /// By falling in only.
    Falling,
    /// By one jump only.
    Jumping,
    /// On arrivals at a line.
    Arriving,
    /// Always.
    Always,
}

/// One probe at one point.
pub(super) struct Placed {
    pub point: Point,
    pub phase: Phase,
    order: i64,
    /// Which of the probes.
    pub probe: usize,
}

/// What is worked out about a body when the first site asks for it.
#[derive(Default)]
pub(super) struct Known {
    arrivals: OnceCell<Vec<Point>>,
    pub calls: OnceCell<Vec<CallSite>>,
}

impl Known {
    fn calls(&self, body: &Body, objects: &Objects<'_>) -> &[CallSite] {
        self.calls.get_or_init(|| call_sites(body, objects))
    }
}

/// Labels of handlers that lead behind a point, and the instruction that they stand before as yet.
pub(super) type Twins = Vec<(Label, usize)>;

/// All probes at their points, in the order in which control comes by; also the labels of [`part_handlers`].
///
/// # Errors
/// [`Refusal`] with the index of the probe whose site is not there, or whose snippet means nothing there.
pub(super) fn place(
    body: &mut Body,
    objects: &Objects<'_>,
    host: &Host<'_>,
    probes: &[Probe<'_>],
    known: &Known,
    taken: &Taken,
) -> Result<(Vec<Placed>, Twins), Refused> {
    let mut placed = Vec::with_capacity(probes.len());
    for (index, probe) in probes.iter().enumerate() {
        check_meanings(probe, host).map_err(|refusal| (index, refusal))?;
        let (points, phase, order) = points(body, objects, host, probe, index as i64, known)
            .map_err(|refusal| (index, refusal))?;
        placed.extend(points.into_iter().map(|point| {
            let phase = match phase {
                Phase::Arriving | Phase::Jumping if !point.by_jump => Phase::Falling,
                Phase::Jumping if point.from.is_none() => Phase::Always,
                phase => phase,
            };
            Placed {
                point,
                phase,
                order,
                probe: index,
            }
        }));
    }
    for placed in &mut placed {
        let is_line = matches!(
            probes[placed.probe].place,
            Place::At(Site::EachLine | Site::Line(_))
        );
        if is_line && taken.any(placed.point.at as usize) {
            let point = placed.point.clone();
            placed.point = sites::given_back(body, point.clone(), |at| taken.any(at));
            if !placed.point.by_jump {
                placed.phase = Phase::Falling;
            }
            if placed.point.at != point.at {
                // What begins where it stands now comes after it.
                placed.order -= GIVEN_BACK;
            }
        }
    }
    let twins = part_handlers(body, &placed);
    placed.sort_by_key(|placed| {
        // Of the jumps that lead to one place each has its probes together.
        let from = placed.point.from.filter(|_| placed.phase == Phase::Jumping);
        (placed.point.at, placed.phase, from, placed.order)
    });
    Ok((placed, twins))
}

/// Gives the instructions whose exceptions do not come by a point handlers of their own, which lead behind it: their
/// labels, and the instruction that all of them stand before as yet.
fn part_handlers(body: &mut Body, placed: &[Placed]) -> Twins {
    let mut twins: FxHashMap<HandlerId, HandlerId> = FxHashMap::default();
    let mut labels = Vec::new();
    let points = placed.iter().map(|placed| &placed.point);
    for from in points.flat_map(|point| &point.raising) {
        let Some(id) = body.instrs[*from as usize].handler else {
            continue;
        };
        if twins.values().any(|twin| *twin == id) {
            continue; // by another probe at the same point
        }
        let twin = *twins.entry(id).or_insert_with(|| {
            let handler = body.handlers[id.0 as usize];
            let at = body.at(handler.target);
            let target = Label(body.labels.len() as u32);
            body.labels.push(at as u32);
            labels.push((target, at));
            body.handlers.push(Handler { target, ..handler });
            HandlerId(body.handlers.len() as u32 - 1)
        });
        body.instrs[*from as usize].handler = Some(twin);
    }
    labels
}

/// What is on the top of the stack at a site, for its snippets.
pub(super) fn subject(place: Place, host: &Host<'_>) -> Option<Subject> {
    let Place::At(site) = place else { return None };
    match site {
        Site::After if host.scope == Scope::Function => Some(Subject::Return),
        Site::OnYield | Site::OnResume => Some(Subject::Yield),
        Site::AfterCall | Site::AfterCallAt(_) => Some(Subject::Result),
        Site::Handler => Some(Subject::Exception),
        _ => None,
    }
}

pub(super) fn is_before_call(place: Place) -> bool {
    matches!(place, Place::At(Site::BeforeCall | Site::BeforeCallAt(_)))
}

/// Whether each placeholder means something here.
fn check_meanings(probe: &Probe<'_>, host: &Host<'_>) -> Result<(), Refusal> {
    let template = probe.template;
    if host.scope != Scope::Function
        && let Some(offset) = template.uses(|m| matches!(m, Meaning::Arg(_) | Meaning::Arguments))
    {
        return Err(Refusal::at(offset, "only functions have arguments"));
    }
    let only = |meaning: Meaning, sites: &[Site], message: &str| {
        let known = sites.iter().any(|site| probe.place == Place::At(*site));
        match template.uses(|m| *m == meaning) {
            Some(offset) if !known => Err(Refusal::at(offset, message)),
            _ => Ok(()),
        }
    };
    only(
        Meaning::Exception,
        &[Site::OnRaise, Site::OnResume, Site::Handler],
        "{exception} is known at the sites `on_raise`, `on_resume` and `handler` only",
    )?;
    let kind = match probe.place {
        Place::At(site) => Some(site.kind()),
        _ => None,
    };
    let calls = [
        (Meaning::Callee, SiteKind::BeforeCall, "callee"),
        (Meaning::Result, SiteKind::AfterCall, "result"),
    ];
    for (meaning, site, name) in &calls {
        let used = template.uses(|m| m == meaning);
        if let Some(offset) = used.filter(|_| kind != Some(*site)) {
            let mut message = format!("{{{name}}} is known at the site `{}` only", site.name());
            if let Some((_, here, has)) = calls.iter().find(|(_, here, _)| kind == Some(*here)) {
                message += &format!(": `{}` has {{{has}}}", here.name());
            }
            return Err(Refusal::at(offset, message));
        }
    }
    only(
        Meaning::YieldValue,
        &[Site::OnYield, Site::OnResume],
        "{yield_value} is known at the sites `on_yield` and `on_resume` only",
    )?;
    only(
        Meaning::ReturnValue,
        &[Site::After],
        "{return_value} is known at the site `after` only",
    )?;
    match template.uses(|m| matches!(m, Meaning::ReturnValue)) {
        Some(offset) if host.scope != Scope::Function => Err(Refusal::at(
            offset,
            "class and module bodies have no return value",
        )),
        _ => Ok(()),
    }
}

/// How many edits there are room for in a layer, where the order at a return is computed.
const LAYER: i64 = 1 << 32;
/// Added to the order of an edge, which control takes before it comes anywhere.
const EDGES: i64 = 1 << 40;
/// Taken from the order of what stands behind the place that it was meant for.
const GIVEN_BACK: i64 = 1 << 41;

/// Added to the order of what stands right before a call, behind all else that stands there, and taken from that of what
/// stands right behind it.
const CALLS: i64 = 1 << 41;

/// Added to the order of what a loop does: control leaves one, or comes back, before it comes to a head.
fn round(what: LoopEdge) -> i64 {
    match what {
        LoopEdge::Head => EDGES,
        LoopEdge::Back | LoopEdge::Exit => -EDGES,
    }
}

fn points(
    body: &Body,
    objects: &Objects<'_>,
    host: &Host<'_>,
    probe: &Probe<'_>,
    index: i64,
    known: &Known,
) -> Result<(Vec<Point>, Phase, i64), Refusal> {
    let lines = || known.arrivals.get_or_init(|| sites::lines(body));
    let calls = || known.calls(body, objects);
    let call = |at: u32| {
        let found = calls().binary_search_by_key(&(at as usize), |call| call.at);
        let found = found.map(|index| &calls()[index]);
        found.map_err(|_| {
            Refusal::Site(format!("instruction {at} is no call that the source makes"))
        })
    };
    let module_only = |points| match host.scope {
        Scope::Module => Ok(points),
        _ => Err(Refusal::Site("this site is a module's".to_owned())),
    };
    // On the way out the last plugin comes first; within one, `after` comes before `on_exit`.
    let leaving = |is_exit: bool| {
        let class = 2 * i64::from(probe.layer) + i64::from(!is_exit);
        -(class * LAYER + index)
    };
    Ok(match probe.place {
        Place::Top => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            Phase::Top,
            index,
        ),
        Place::At(Site::ModuleEnter(_)) => (
            module_only(vec![sites::module_top(body, objects).ok_or_else(no_start)?])?,
            Phase::Falling,
            index,
        ),
        Place::At(Site::Before) => {
            let point = match host.scope {
                Scope::Module => sites::module_top(body, objects),
                _ => sites::start(body, objects),
            };
            (vec![point.ok_or_else(no_start)?], Phase::Falling, index)
        }
        Place::At(Site::ModuleExit(_)) => (
            module_only(sites::returns(body))?,
            Phase::Always,
            leaving(false),
        ),
        Place::At(Site::After) => (sites::returns(body), Phase::Always, leaving(false)),
        Place::At(Site::OnExit) => (sites::returns(body), Phase::Always, leaving(true)),
        Place::At(Site::OnRaise) | Place::Escape => (Vec::new(), Phase::Always, 0),
        Place::At(Site::OnYield) => (sites::suspensions(body), Phase::Always, -index),
        Place::At(Site::OnResume) => (sites::resumptions(body), Phase::Falling, index),
        Place::At(Site::EachLine) => (lines().clone(), Phase::Arriving, index),
        Place::At(Site::Line(line)) => {
            let of_line = |point: &&Point| line_of(body, point) == line;
            let points: Vec<_> = lines().iter().filter(of_line).cloned().collect();
            if points.is_empty() {
                return Err(Refusal::Site(no_such_line(body, line)));
            }
            (points, Phase::Arriving, index)
        }
        Place::At(Site::Branch(edge)) => {
            (sites::branches(body, edge), Phase::Jumping, index - EDGES)
        }
        Place::At(Site::BranchAt(at, edge)) => {
            let point = sites::branch(body, at as usize, edge);
            let point = point.ok_or_else(|| {
                Refusal::Site(format!("instruction {at} is no conditional of the program"))
            })?;
            (vec![point], Phase::Jumping, index - EDGES)
        }
        Place::At(Site::Loop(what)) => {
            let points = sites::loops(body, None, what);
            (points, Phase::Jumping, index + round(what))
        }
        Place::At(Site::LoopAt(at, what)) => {
            let points = sites::loops(body, Some(at), what);
            if points.is_empty() && sites::loops(body, Some(at), LoopEdge::Head).is_empty() {
                let message = format!("instruction {at} is no head of a loop of the program");
                return Err(Refusal::Site(message));
            }
            (points, Phase::Jumping, index + round(what))
        }
        Place::At(Site::BeforeCall) => {
            let points = calls().iter().map(sites::before_call).collect();
            (points, Phase::Always, index + CALLS)
        }
        Place::At(Site::BeforeCallAt(at)) => (
            vec![sites::before_call(call(at)?)],
            Phase::Always,
            index + CALLS,
        ),
        Place::At(Site::AfterCall) => {
            let points = calls().iter().map(sites::after_call).collect();
            (points, Phase::Falling, -index - CALLS)
        }
        Place::At(Site::AfterCallAt(at)) => (
            vec![sites::after_call(call(at)?)],
            Phase::Falling,
            -index - CALLS,
        ),
        Place::At(Site::Handler) => (sites::handlers(body), Phase::Jumping, index - EDGES),
        Place::At(Site::Instruction(at, position)) => {
            let after = position == Position::After;
            let point = sites::beside(body, at as usize, after);
            let point = point.ok_or_else(|| {
                let side = if after { "after" } else { "before" };
                Refusal::Site(format!("no code can stand {side} instruction {at}"))
            })?;
            let phase = if after { Phase::Falling } else { Phase::Always };
            (vec![point], phase, index)
        }
    })
}

/// The line that an arrival is at.
pub(super) fn line_of(body: &Body, point: &Point) -> u32 {
    let at = point.line_of.unwrap_or(point.at);
    body.instrs[at as usize].location.line as u32
}

fn no_such_line(body: &Body, line: u32) -> String {
    let near = nearest_lines(lines(body), line);
    format!("line {line} has no code here; the nearest that have: {near}")
}

pub(super) fn no_start() -> Refusal {
    Refusal::Site("the code object has no RESUME where a body starts".to_owned())
}
