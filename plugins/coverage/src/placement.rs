//! Where probes stand so that as few as possible tell all lines and branches exactly.
//!
//! What is to be known are *facts*: that a line was reached, that an edge between lines was taken. A fact
//! waits, from where it becomes true, for *evidence*: something that is noted in every run that goes on from there.
//! Evidence is a probe (a store in a list), or the note that an exception left at a line.
//!
//! - Within a block control goes on to the end, unless something raises (Ball and Larus, "Optimally Profiling
//!   and Tracing Programs", 1994, call such a stretch a basic block; here it is cut where an exception is not noted).
//! - At the end of a block a fact need not be noted at once if all that may follow is dominated by the block: whatever
//!   follows is noted in its turn, and cannot run without it (Agrawal, "Dominators, Super Blocks, and Program Coverage",
//!   POPL 1994). So conditionals have no probe, only what they lead to.
//! - An exception that leaves the function is noted by the one handler around it, with its line: a line that may
//!   raise needs no probe of its own. Within `try`, and in what can suspend, each does.

use std::collections::BTreeMap;

use equip_plugin_api::prelude::*;

/// Something to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fact {
    /// Control reached the line.
    Line(u32),
    /// Control went from a conditional on the first line to the second one; 0 for out of the code object.
    Branch(u32, u32),
}

/// What a fact is told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// One of [`Placement::probes`].
    Probe(usize),
    /// An exception left at that line.
    Raised(u32),
    /// One of [`Placement::sums`].
    Sum(usize),
}

/// Where what is noted, and what it tells.
#[derive(Debug, Default)]
pub struct Placement {
    /// The sites of the probes.
    pub probes: Vec<Site>,
    /// In how many loops each of them stands; not known of counters.
    pub loops: Vec<u32>,
    /// The lines where exceptions are noted; empty if none need be.
    pub raising: Vec<u32>,
    /// Of counts: what follows from others, each from those before it. True: is subtracted.
    pub sums: Vec<Vec<(bool, Evidence)>>,
    /// All that is told, and by what: any of these; of counts, all of them together.
    pub facts: BTreeMap<Fact, Vec<Evidence>>,
}

/// A run of instructions of one line within a block.
#[derive(Debug)]
pub(crate) struct Stretch {
    pub line: u32,
    pub start: usize,
    pub end: usize,
    /// Something in it may raise, or suspend for good.
    pub stops: bool,
    /// All that it raises has its line in the traceback, and leaves the code object where that is noted.
    pub told: bool,
    /// And no other stretch of that line may raise but behind it.
    noted: bool,
}

/// Facts that one block may wait with, before a probe is the smaller cost.
const WAITING: usize = 64;

pub(crate) struct Placer<'v> {
    pub instrs: &'v [Instr],
    pub flow: Flow<'v>,
    pub stretches: Vec<Vec<Stretch>>,
    pub into: Vec<Vec<usize>>,
    pub done: Placement,
}

/// Places the probes of one code object. `notes`: whether exceptions that leave it can be noted.
pub fn place(code: &Code<'_>, notes: bool) -> Placement {
    let mut placer = Placer::new(code, notes);
    placer.place();
    placer.done
}

/// Where the body proper starts: behind the `RESUME` that does, and what a module has in front of its imports.
pub(crate) fn body_start(instrs: &[Instr]) -> usize {
    let starts = |instr: &Instr| instr.opcode() == Opcode::RESUME && instr.arg() & 3 == 0;
    let start = instrs.iter().position(starts).map_or(0, |at| at + 1);
    start + usize::from(instrs.get(start).is_some_and(is_prologue))
}

fn is_prologue(instr: &Instr) -> bool {
    instr.opcode() == Opcode::SETUP_ANNOTATIONS
}

fn stretches(instrs: &[Instr], flow: &Flow<'_>, notes: bool) -> Vec<Vec<Stretch>> {
    let start = body_start(instrs);
    let mut all: Vec<Vec<Stretch>> = Vec::new();
    for block in flow.blocks() {
        let mut found: Vec<Stretch> = Vec::new();
        for at in block.instructions().filter(|at| *at >= start) {
            let instr = &instrs[at];
            let stops = may_stop(instr);
            // Raising again what is being handled adds no line to its traceback.
            let again = instr.opcode() == Opcode::RERAISE
                || instr.opcode() == Opcode::RAISE_VARARGS && instr.arg() == 0;
            let told = notes && !block.is_handled() && !again && !suspends(instr);
            let line = instr.line();
            match found.last_mut() {
                Some(last) if line.is_none_or(|line| line == last.line || last.line == 0) => {
                    last.line = line.unwrap_or(last.line);
                    last.end = at + 1;
                    last.stops |= stops;
                    last.told &= told;
                }
                _ => found.push(Stretch {
                    line: line.unwrap_or(0),
                    start: at,
                    end: at + 1,
                    stops,
                    told,
                    noted: false,
                }),
            }
        }
        all.push(found);
    }
    let mut stopping: BTreeMap<u32, Vec<(usize, usize)>> = BTreeMap::new();
    for (block, stretches) in all.iter_mut().enumerate() {
        for (at, stretch) in stretches.iter_mut().enumerate() {
            stretch.told &= stretch.line != 0;
            if stretch.stops {
                stopping.entry(stretch.line).or_default().push((block, at));
            }
        }
    }
    for places in stopping.into_values() {
        // Of those in one block the first one comes first; a block is in code order what it may not be in the flow.
        let before = |one: &(usize, usize), other: &(usize, usize)| match one.0 == other.0 {
            true => one.1 <= other.1,
            false => flow.dominates(one.0, other.0),
        };
        let first = places
            .iter()
            .copied()
            .reduce(|first, one| match before(&one, &first) {
                true => one,
                false => first,
            });
        if let Some(first) = first.filter(|first| places.iter().all(|one| before(first, one))) {
            let first = &mut all[first.0][first.1];
            first.noted = first.told;
        }
    }
    all
}

/// Whether an instruction does nothing but raise.
pub(crate) fn raises(instr: &Instr) -> bool {
    matches!(instr.opcode(), Opcode::RAISE_VARARGS | Opcode::RERAISE)
}

/// Whether control may leave at an instruction and not come back.
pub(crate) fn may_stop(instr: &Instr) -> bool {
    instr.can_raise() || raises(instr) || suspends(instr)
}

pub(crate) fn suspends(instr: &Instr) -> bool {
    instr.opcode() == Opcode::YIELD_VALUE
}

impl<'v> Placer<'v> {
    pub fn new(code: &'v Code<'_>, notes: bool) -> Self {
        let instrs = code.instructions();
        let flow = code.flow(Exceptions::Followed);
        let mut into = vec![Vec::new(); flow.blocks().len()];
        for (index, edge) in flow.edges().iter().enumerate() {
            into[edge.to()].push(index);
        }
        Placer {
            stretches: stretches(instrs, &flow, notes),
            instrs,
            flow,
            into,
            done: Placement::default(),
        }
    }

    fn place(&mut self) {
        let edges = self.branches();
        let lines = self.lines();
        let mut waiting: Vec<Vec<Fact>> = vec![Vec::new(); self.flow.blocks().len()];
        // Of edges: which facts they are evidence of, beside those that wait for them.
        let mut taken: BTreeMap<(usize, usize), Vec<Fact>> = BTreeMap::new();
        for (fact, group) in &edges {
            self.done.facts.entry(*fact).or_default();
            for edge in group {
                let to = self.flow.edges()[*edge].to();
                if self.is_taken_before(*edge, group) {
                    continue;
                }
                if self.enters_by(to, group) {
                    if !waiting[to].contains(fact) {
                        waiting[to].push(*fact);
                    }
                } else {
                    let from = self.flow.edges()[*edge].from();
                    taken.entry((from, *edge)).or_default().push(*fact);
                }
            }
        }
        for line in lines.iter().flatten() {
            self.done.facts.entry(Fact::Line(*line)).or_default();
        }
        for block in self.by_dominance() {
            let mut facts = std::mem::take(&mut waiting[block]);
            self.walk(block, &lines[block], &mut facts);
            let probes: Vec<_> = taken
                .range((block, 0)..(block + 1, 0))
                .map(|((_, edge), facts)| (*edge, facts.clone()))
                .collect();
            let mut probed = Vec::new();
            for (edge, told) in probes {
                probed.push(edge);
                let told = told.into_iter().chain(facts.iter().copied());
                let told: Vec<_> = told.collect();
                self.probe(self.at_edge(edge), &told);
            }
            if facts.is_empty() {
                continue;
            }
            let ways = self.ways_out(block);
            let follows = |edge: &usize| probed.contains(edge) || self.only_behind(block, *edge);
            if facts.len() <= WAITING && !ways.is_empty() && ways.iter().all(follows) {
                for edge in ways.iter().filter(|edge| !probed.contains(edge)) {
                    let next = &mut waiting[self.flow.edges()[*edge].to()];
                    next.extend(facts.iter().copied());
                    next.sort_unstable();
                    next.dedup();
                }
            } else if let Some(site) = self.at_end(block) {
                self.probe(site, &facts);
            }
        }
        self.asynchronous_loops();
        let mut raising: Vec<u32> = Vec::new();
        for evidence in self.done.facts.values_mut() {
            evidence.sort_unstable();
            evidence.dedup();
            raising.extend(evidence.iter().filter_map(|one| match one {
                Evidence::Raised(line) => Some(*line),
                Evidence::Probe(_) | Evidence::Sum(_) => None,
            }));
        }
        raising.sort_unstable();
        raising.dedup();
        self.done.raising = raising;
        let probes = self.done.probes.iter();
        self.done.loops = probes.map(|site| self.loops_around(*site)).collect();
    }

    /// Blocks, each behind those that dominate it.
    fn by_dominance(&self) -> Vec<usize> {
        let blocks = self.flow.blocks();
        let mut children = vec![Vec::new(); blocks.len()];
        let mut todo = Vec::new();
        for (index, block) in blocks.iter().enumerate() {
            match block.dominator() {
                Some(above) => children[above].push(index),
                None => todo.push(index),
            }
        }
        let mut order = Vec::with_capacity(blocks.len());
        while let Some(block) = todo.pop() {
            order.push(block);
            todo.extend(children[block].iter().copied());
        }
        order
    }

    /// The stretches whose line is to be known, for each block: those that no other of the same line comes
    /// before on every way.
    fn lines(&self) -> Vec<Vec<u32>> {
        let mut blocks_of: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
        for (block, stretches) in self.stretches.iter().enumerate() {
            for stretch in stretches.iter().filter(|stretch| stretch.line != 0) {
                let known = blocks_of.entry(stretch.line).or_default();
                if known.last() != Some(&block) {
                    known.push(block);
                }
            }
        }
        // An exception may leave a block with a handler before its later lines, and come back.
        let mut behind: BTreeMap<usize, Vec<bool>> = BTreeMap::new();
        let mut surely = |line: u32, block: usize, later: usize| {
            let first = self.stretches[block].first();
            first.is_some_and(|first| first.line == line)
                || !self.flow.blocks()[block].is_handled()
                || !behind
                    .entry(block)
                    .or_insert_with(|| self.behind_handlers(block))[later]
        };
        let mut wanted = vec![Vec::new(); self.stretches.len()];
        for (line, blocks) in &blocks_of {
            for block in blocks {
                // Of very many (a generated table on one line) the search is not worth while.
                let mut before = |other: &usize| {
                    other != block
                        && self.flow.dominates(*other, *block)
                        && surely(*line, *other, *block)
                };
                if blocks.len() > WAITING || !blocks.iter().any(&mut before) {
                    wanted[*block].push(*line);
                }
            }
        }
        wanted
    }

    /// Where control may come, of each block, when an exception leaves a block for its handler.
    fn behind_handlers(&self, block: usize) -> Vec<bool> {
        let mut reached = vec![false; self.flow.blocks().len()];
        let mut todo = Vec::new();
        let raised = self.flow.edges_out(block).iter();
        todo.extend(
            raised
                .filter(|edge| edge.kind() == EdgeKind::Exception)
                .map(FlowEdge::to),
        );
        while let Some(next) = todo.pop() {
            // Through the block itself it comes to its end after all.
            if next != block && !std::mem::replace(&mut reached[next], true) {
                todo.extend(self.flow.edges_out(next).iter().map(FlowEdge::to));
            }
        }
        reached
    }

    /// Goes through a block: facts come to wait, and evidence is noted for them.
    fn walk(&mut self, block: usize, lines: &[u32], waiting: &mut Vec<Fact>) {
        let mut left: Vec<u32> = lines.to_vec();
        for at in 0..self.stretches[block].len() {
            let stretch = &self.stretches[block][at];
            let (line, told) = (stretch.line, stretch.told);
            let (stops, noted) = (stretch.stops, stretch.noted);
            let mine = Fact::Line(line);
            if let Some(place) = left.iter().position(|wanted| *wanted == line) {
                left.swap_remove(place);
                if !waiting.contains(&mine) {
                    waiting.push(mine);
                }
            }
            if !stops || waiting.is_empty() {
                continue;
            }
            if noted {
                for fact in waiting.iter() {
                    self.tell(*fact, Evidence::Raised(line));
                }
            } else if told && waiting.iter().all(|fact| self.is_told_by(*fact, mine)) {
                // Whichever of the stretches of this line it is.
                self.tell(mine, Evidence::Raised(line));
            } else if let Some(site) = self.at_start(block, at) {
                let facts = std::mem::take(waiting);
                self.probe(site, &facts);
            }
        }
        // Nothing comes behind a `raise`.
        if self.last(block).is_some_and(raises) {
            waiting.clear();
        }
    }

    /// Whether an exception at a line tells a fact: it is that line, or one that came before all of it.
    fn is_told_by(&self, fact: Fact, mine: Fact) -> bool {
        let Fact::Line(line) = mine else { return false };
        let told = self.done.facts.get(&fact);
        fact == mine || told.is_some_and(|told| told.contains(&Evidence::Raised(line)))
    }

    pub fn tell(&mut self, fact: Fact, evidence: Evidence) {
        self.done.facts.entry(fact).or_default().push(evidence);
    }

    pub fn probe(&mut self, site: Site, facts: &[Fact]) {
        let number = self.done.probes.len();
        self.done.probes.push(site);
        for fact in facts {
            self.tell(*fact, Evidence::Probe(number));
        }
    }

    // ---- sites -----------------------------------------------------------------------------------

    /// Before anything of a stretch may raise.
    pub fn at_start(&self, block: usize, at: usize) -> Option<Site> {
        let stretch = &self.stretches[block][at];
        let all = stretch.start..stretch.end;
        // What has to stay with the instruction above moves the probe on, or back into what cannot raise.
        let before = all
            .clone()
            .find(|at| self.instrs[*at].takes_code() || self.instrs[*at].can_raise());
        let before = before.filter(|at| self.instrs[*at].takes_code());
        let start = self.flow.blocks()[block].instructions().start;
        let back = || {
            (start..stretch.start)
                .rev()
                .take_while(|at| !self.instrs[*at].can_raise())
                .find(|at| self.instrs[*at].takes_code())
        };
        let on = || all.clone().find(|at| self.instrs[*at].takes_code());
        let beside = |at| Site::Instruction(at as u32, Position::Before);
        let whole = || (start..stretch.start).all(|at| !self.instrs[at].can_raise());
        let entering = || self.entering(block).filter(|_| whole());
        let site = before.or_else(back).map(beside).or_else(entering);
        site.or_else(|| on().map(beside))
    }

    /// The edge by which alone a block is entered, if code may stand there.
    fn entering(&self, block: usize) -> Option<Site> {
        let [edge] = self.into[block].as_slice() else {
            return None;
        };
        self.is_conditional(*edge).then(|| self.at_edge(*edge))
    }

    /// Whether an edge is one of a conditional that has sites.
    pub fn is_conditional(&self, edge: usize) -> bool {
        let edge = &self.flow.edges()[edge];
        matches!(edge.kind(), EdgeKind::True | EdgeKind::False)
            && self.last(edge.from()).is_some_and(Instr::is_conditional)
    }

    /// The last instruction of a block; none in the exit.
    pub fn last(&self, block: usize) -> Option<&'v Instr> {
        let last = self.flow.blocks()[block].instructions().next_back()?;
        Some(&self.instrs[last])
    }

    /// Where a block has ended, whichever way it goes.
    fn at_end(&self, block: usize) -> Option<Site> {
        let instrs = self.flow.blocks()[block].instructions();
        let last = instrs.clone().next_back()?;
        let falls = self
            .flow
            .edges_out(block)
            .iter()
            .any(|edge| matches!(edge.kind(), EdgeKind::FallThrough | EdgeKind::Resume));
        if falls {
            let next = self.instrs.get(last + 1)?;
            if next.takes_code() {
                return Some(Site::Instruction(last as u32, Position::After));
            }
        }
        let takes = |at: &usize| self.instrs[*at].takes_code();
        let raises = |at: &usize| self.instrs[*at].can_raise();
        let at = instrs.clone().rev().find(|at| takes(at) || raises(at));
        match at.filter(takes) {
            Some(at) => Some(Site::Instruction(at as u32, Position::Before)),
            None => self
                .entering(block)
                .filter(|_| !instrs.clone().any(|at| raises(&at))),
        }
    }

    pub fn at_edge(&self, edge: usize) -> Site {
        let edge = &self.flow.edges()[edge];
        let way = match edge.kind() {
            EdgeKind::True => Edge::True,
            _ => Edge::False,
        };
        let last = self.flow.blocks()[edge.from()].instructions().end - 1;
        Site::BranchAt(last as u32, way)
    }

    /// In how many loops a probe stands: one on an edge that leaves a loop is not in it.
    fn loops_around(&self, site: Site) -> u32 {
        let depth = |instr: u32| {
            let block = self.flow.block_of(&self.instrs[instr as usize]);
            let inner = block.and_then(|block| self.flow.blocks()[block].innermost_loop());
            inner.map_or(0, |inner| self.flow.loops()[inner].depth())
        };
        match site {
            Site::Instruction(instr, _) => depth(instr),
            Site::BranchAt(instr, way) => {
                let block = self.flow.block_of(&self.instrs[instr as usize]);
                let kind = match way {
                    Edge::True => EdgeKind::True,
                    Edge::False => EdgeKind::False,
                };
                let mut edges = block
                    .map_or(&[][..], |block| self.flow.edges_out(block))
                    .iter();
                let to = edges.find(|edge| edge.kind() == kind).map(FlowEdge::to);
                let first = to.and_then(|to| self.flow.blocks()[to].instructions().next());
                first.map_or(0, |first| depth(first as u32).min(depth(instr)))
            }
            _ => 0,
        }
    }

    // ---- flow ------------------------------------------------------------------------------------

    /// Edges by which a block is left when nothing raises.
    pub fn ways_out(&self, block: usize) -> Vec<usize> {
        let edges = self.flow.edges();
        let start = edges.partition_point(|edge| edge.from() < block);
        (start..start + self.flow.edges_out(block).len())
            .filter(|edge| !matches!(edges[*edge].kind(), EdgeKind::Exception | EdgeKind::Raise))
            .collect()
    }

    /// Whether what an edge leads to cannot run unless the block that it leaves has come to its end.
    fn only_behind(&self, block: usize, edge: usize) -> bool {
        let to = self.flow.edges()[edge].to();
        if to == self.flow.exit() || self.flow.blocks()[to].dominator() != Some(block) {
            return false;
        }
        // By its handler control may come round the end of a block.
        !self.flow.blocks()[block].is_handled() || {
            let mut others = self.into[to].iter().map(|edge| &self.flow.edges()[*edge]);
            others.all(|edge| edge.from() == block || self.flow.dominates(to, edge.from()))
        }
    }

    /// Whether control first enters a block by one of some edges.
    fn enters_by(&self, block: usize, edges: &[usize]) -> bool {
        block != self.flow.exit()
            && self.into[block].iter().all(|edge| {
                edges.contains(edge) || self.flow.dominates(block, self.flow.edges()[*edge].from())
            })
    }

    /// Whether control comes to an edge only after it has taken another of them, to a block that waits for evidence.
    fn is_taken_before(&self, edge: usize, edges: &[usize]) -> bool {
        let from = self.flow.edges()[edge].from();
        edges.iter().any(|other| {
            let to = self.flow.edges()[*other].to();
            *other != edge && self.flow.dominates(to, from) && self.enters_by(to, edges)
        })
    }

    /// A conditional of the compiler's has no site: its edges are told by what they lead to, if at all.
    fn can_be_told(&self, edges: &[usize]) -> bool {
        let entered = |edge: usize| self.enters_by(self.flow.edges()[edge].to(), edges);
        let mut edges = edges.iter();
        edges.all(|edge| self.is_conditional(*edge) || entered(*edge))
    }

    /// The edges between lines: of conditionals whose edges lead to more than one line.
    pub fn branches(&self) -> BTreeMap<Fact, Vec<usize>> {
        let mut found: BTreeMap<u32, BTreeMap<u32, Vec<usize>>> = BTreeMap::new();
        for (index, edge) in self.flow.edges().iter().enumerate() {
            if !matches!(edge.kind(), EdgeKind::True | EdgeKind::False) {
                continue;
            }
            let line = self.stretches[edge.from()]
                .last()
                .map_or(0, |last| last.line);
            if line == 0 {
                continue;
            }
            let again = self.is_conditional(index);
            let Some(to) = self.leads_to(edge.to(), line, again) else {
                continue;
            };
            found
                .entry(line)
                .or_default()
                .entry(to)
                .or_default()
                .push(index);
        }
        let mut facts = BTreeMap::new();
        for (line, ways) in found {
            if ways.len() > 1 {
                let ways = ways.into_iter();
                let told = ways.filter(|(_, edges)| self.can_be_told(edges));
                facts.extend(told.map(|(to, edges)| (Fact::Branch(line, to), edges)));
            }
        }
        facts
    }

    /// An `async for` has no conditional: into its body leads the `SEND` of what `__anext__` gave, and out of it
    /// the handler of StopAsyncIteration.
    pub fn asynchronous_loops(&mut self) {
        let mut found = Vec::new();
        for block in 0..self.flow.blocks().len() {
            for at in self.flow.blocks()[block].instructions() {
                let line = self.instrs[at].line().unwrap_or(0);
                let way = match self.instrs[at].opcode() {
                    Opcode::END_ASYNC_FOR => self.behind(block, at, line).map(|to| {
                        let site = Site::Instruction(at as u32, Position::After);
                        (to, site)
                    }),
                    Opcode::SEND if self.awaits_next(at) => self.body_of_loop(block, line),
                    _ => None,
                };
                if let Some((to, site)) = way.filter(|_| line != 0) {
                    found.push((Fact::Branch(line, to), site));
                }
            }
        }
        for (fact, site) in found {
            self.probe(site, &[fact]);
        }
    }

    /// Whether a `SEND` awaits what an `async for` takes next: constants are between.
    fn awaits_next(&self, at: usize) -> bool {
        let before = &self.instrs[at.saturating_sub(3)..at];
        before
            .iter()
            .any(|instr| instr.opcode() == Opcode::GET_ANEXT)
    }

    /// The line to which control comes from an instruction of a line.
    fn behind(&self, block: usize, at: usize, line: u32) -> Option<u32> {
        let mut rest = self.flow.blocks()[block].instructions();
        let other = rest.find_map(|next| match self.instrs[next].line() {
            Some(other) if next > at && other != line => Some(other),
            _ => None,
        });
        if other.is_some() {
            return other;
        }
        match self.ways_out(block).as_slice() {
            [way] if self.flow.edges()[*way].to() == self.flow.exit() => Some(0),
            [way] => self.leads_to(self.flow.edges()[*way].to(), line, false),
            _ => None,
        }
    }

    /// The line to which the end of an awaiting leads, and where code may stand on the way.
    fn body_of_loop(&self, block: usize, line: u32) -> Option<(u32, Site)> {
        let mut edges = self.flow.edges_out(block).iter();
        let start = edges.find(|edge| edge.kind() == EdgeKind::Jump)?.to();
        let to = self.leads_to(start, line, false)?;
        let mut block = start;
        for _ in 0..self.flow.blocks().len() {
            let mut all = self.flow.blocks()[block].instructions();
            if let Some(at) = all.find(|at| self.instrs[*at].takes_code()) {
                return Some((to, Site::Instruction(at as u32, Position::Before)));
            }
            match self.ways_out(block).as_slice() {
                [way] => block = self.flow.edges()[*way].to(),
                _ => return None,
            }
        }
        None
    }

    /// Where a block goes that raises: by a `raise` statement, or again at the end of a `finally` clause. That a `with`
    /// or an `except` clause raises again is the compiler's own conditional.
    fn raised_to(&self, block: usize, again: bool) -> Option<usize> {
        let last = self.last(block)?;
        match last.opcode() {
            Opcode::RAISE_VARARGS => {}
            Opcode::RERAISE if again && last.arg() < 2 => {}
            _ => return None,
        }
        let mut edges = self.flow.edges_out(block).iter();
        let raise = edges.find(|edge| edge.kind() == EdgeKind::Raise);
        raise.map(|edge| edge.to())
    }

    /// The line to which control comes from the start of a block when it leaves a line; 0 for out of the code
    /// object. None where that is decided by another conditional of the line, or where it raises.
    fn leads_to(&self, block: usize, line: u32, again: bool) -> Option<u32> {
        let mut block = block;
        for _ in 0..self.flow.blocks().len() {
            let other = |stretch: &&Stretch| stretch.line != 0 && stretch.line != line;
            if let Some(next) = self.stretches[block].iter().find(other) {
                return Some(next.line);
            }
            let ways = self.ways_out(block);
            block = match ways.as_slice() {
                [way] => self.flow.edges()[*way].to(),
                [] => self.raised_to(block, again)?,
                _ => return None,
            };
            if block == self.flow.exit() {
                return Some(0);
            }
        }
        None
    }
}
