//! Where counters stand so that as few as possible, at the places that run least, tell how often all lines and
//! branches were reached.
//!
//! What flows into a place flows out of it. So of all edges of the flow graph only those need a counter that are not
//! in some spanning tree (Knuth and Stevenson, "Optimal Measurement Points for Program Frequency Counts", BIT 1973), and
//! the counters cost least if the tree is one of maximal weight (Ball and Larus, "Optimally Profiling and Tracing
//! Programs", 1994). The others are sums, for which the reader of the data has the terms.
//!
//! - A node is a stretch of a block in which no line is begun behind something that may raise. What is outside of the code
//!   object is one node: calls come from it, returns go to it.
//! - No counter can be put on an edge by which an exception leaves, or by which a generator suspends for good: they are
//!   in the tree, whatever their weight. Where that makes a circle, a fact may not follow; it gets a counter of its own.
//! - Exceptions that leave a function are counted by the handler around it, by line, at no cost to those
//!   calls that return: a node for each such line, from which a counted edge leads outside. A frame that still runs
//!   when the process ends counts as left at its line.

use std::collections::BTreeMap;

use equip_plugin_api::prelude::*;

use crate::placement::{Evidence, Fact, Placement, Placer, body_start, may_stop, suspends};

/// Of an edge of a circle, how much more often it runs than what is around.
const ROUNDS: f64 = 10.0;
/// How often a handler runs, beside what it is around.
const RAISING: f64 = 0.01;

/// Outside of the code object.
const OUTSIDE: usize = 0;

#[derive(Debug)]
struct Edge {
    from: usize,
    to: usize,
    weight: f64,
    /// Where a counter can stand.
    site: Option<Site>,
    known: Option<Evidence>,
}

/// Instructions of a block that run as often as its first.
#[derive(Debug)]
struct Segment {
    start: usize,
    end: usize,
}

struct Counting<'v> {
    placer: Placer<'v>,
    segments: Vec<Vec<Segment>>,
    /// Of each block, the node of its first segment.
    first: Vec<usize>,
    nodes: usize,
    edges: Vec<Edge>,
    /// The edge of the graph that stands for one of the flow's.
    of_flow: Vec<Option<usize>>,
    /// The lines that nothing but whole segments begin with, and those segments' nodes.
    lines: BTreeMap<u32, Vec<usize>>,
}

/// Places the counters of one code object. `notes`: whether exceptions that leave it can be noted.
pub fn count(code: &Code<'_>, notes: bool) -> Placement {
    let mut counting = Counting::new(code, notes);
    counting.span();
    counting.solve();
    counting.tell(code);
    pruned(counting.placer.done)
}

impl<'v> Counting<'v> {
    fn new(code: &'v Code<'_>, notes: bool) -> Self {
        let placer = Placer::new(code, notes);
        let wanted = lines(&placer);
        let mut counting = Counting {
            segments: Vec::new(),
            first: Vec::new(),
            nodes: 1,
            edges: Vec::new(),
            of_flow: vec![None; placer.flow.edges().len()],
            lines: BTreeMap::new(),
            placer,
        };
        counting.make_nodes(&wanted);
        counting.make_edges();
        counting
    }

    fn make_nodes(&mut self, wanted: &BTreeMap<u32, Vec<usize>>) {
        let begins: Vec<usize> = wanted.values().flatten().copied().collect();
        let start = body_start(self.placer.instrs);
        let mut node_of: BTreeMap<usize, usize> = BTreeMap::new();
        for block in self.placer.flow.blocks() {
            let all = block.instructions();
            let all = all.start.max(start)..all.end;
            let mut found: Vec<Segment> = Vec::new();
            self.first
                .push(if all.is_empty() { OUTSIDE } else { self.nodes });
            for at in all.clone() {
                let instrs = self.placer.instrs;
                // Behind what a counter can neither stand in front of nor wait for.
                let behind = |segment: &Segment| {
                    let mut before = segment.start..at;
                    at > segment.start
                        && !instrs[segment.start].takes_code()
                        && before.all(|at| !instrs[at].takes_code())
                        && instrs[at].takes_code()
                };
                let stops = |segment: &Segment| (segment.start..at).any(|at| may_stop(&instrs[at]));
                match found.last_mut() {
                    Some(last) if !stops(last) || !begins.contains(&at) && !behind(last) => {
                        last.end = at + 1;
                    }
                    _ => {
                        found.push(Segment {
                            start: at,
                            end: at + 1,
                        });
                        self.nodes += 1;
                    }
                }
                node_of.insert(at, self.nodes - 1);
            }
            self.segments.push(found);
        }
        for (line, places) in wanted {
            let nodes = places.iter().filter_map(|at| node_of.get(at).copied());
            self.lines.insert(*line, nodes.collect());
        }
    }

    fn make_edges(&mut self) {
        let (often, taken) = frequencies(&self.placer.flow);
        self.begin();
        let told = self.told_lines();
        let mut node_of_line: BTreeMap<u32, usize> = BTreeMap::new();
        for (block, weight) in often.iter().copied().enumerate() {
            let leaves = self.placer.flow.edges_out(block).iter();
            let mut leaves =
                leaves.filter(|edge| matches!(edge.kind(), EdgeKind::Exception | EdgeKind::Raise));
            let handler = leaves.next().map_or(OUTSIDE, |edge| self.first[edge.to()]);
            for number in 0..self.segments[block].len() {
                let node = self.first[block] + number;
                let segment = &self.segments[block][number];
                let (start, end) = (segment.start, segment.end);
                if number > 0 {
                    let site = self.at_exactly(block, start..end);
                    self.edge(node - 1, node, weight, site);
                }
                let stopping: Vec<_> = (start..end)
                    .filter(|at| may_stop(&self.placer.instrs[*at]))
                    .collect();
                let mut to: Vec<usize> = Vec::new();
                for at in stopping {
                    let stretches = &self.placer.stretches[block];
                    let stretch = stretches.iter().find(|one| at < one.end);
                    let line = stretch.map_or(0, |one| one.line);
                    if suspends(&self.placer.instrs[at]) {
                        to.push(OUTSIDE);
                    }
                    to.push(if told.contains(&line) {
                        *node_of_line.entry(line).or_insert_with(|| {
                            self.nodes += 1;
                            self.nodes - 1
                        })
                    } else {
                        handler
                    });
                }
                to.sort_unstable();
                to.dedup();
                for to in to {
                    self.edge(node, to, f64::INFINITY, None);
                }
            }
            let Some(last) = self.segments[block].len().checked_sub(1) else {
                continue;
            };
            let last = self.first[block] + last;
            for edge in self.placer.ways_out(block) {
                let to = self.first[self.placer.flow.edges()[edge].to()];
                let site = self.on_edge(block, edge);
                self.of_flow[edge] = Some(self.edges.len());
                self.edge(last, to, taken[edge], site);
            }
        }
        for (line, node) in node_of_line {
            self.edge(node, OUTSIDE, 0.0, None);
            let last = self.edges.len() - 1;
            self.edges[last].known = Some(Evidence::Raised(line));
        }
    }

    /// From outside into the block in which the body proper starts.
    fn begin(&mut self) {
        let start = body_start(self.placer.instrs);
        let holds = |block: &[Segment]| block.first().is_some_and(|one| one.start == start);
        let Some(block) = self.segments.iter().position(|block| holds(block)) else {
            return;
        };
        let all = self.segments[block][0].start..self.segments[block][0].end;
        // It may be the head of a loop, too: then no counter can be there for calls alone.
        let others = self.placer.into[block].iter();
        let mut others = others.map(|edge| self.placer.flow.edges()[*edge].from());
        let alone = others.all(|from| self.segments[from].is_empty());
        let site = self.at_exactly(block, all).filter(|_| alone);
        self.edge(OUTSIDE, self.first[block], 1.0, site);
    }

    fn edge(&mut self, from: usize, to: usize, weight: f64, site: Option<Site>) {
        self.edges.push(Edge {
            from,
            to,
            weight,
            site,
            known: None,
        });
    }

    /// Lines at which every exception that leaves is noted, and no other.
    fn told_lines(&self) -> Vec<u32> {
        let mut told: BTreeMap<u32, bool> = BTreeMap::new();
        for stretch in self.placer.stretches.iter().flatten() {
            let mut all = self.placer.instrs[stretch.start..stretch.end].iter();
            if stretch.stops {
                let lined = all.all(|instr| instr.line().is_some() || !may_stop(instr));
                *told.entry(stretch.line).or_insert(true) &= stretch.told && lined;
            }
        }
        let told = told.into_iter().filter(|(line, told)| *told && *line != 0);
        told.map(|(line, _)| line).collect()
    }

    // ---- sites -----------------------------------------------------------------------------------

    /// Where a counter counts how often the first of some instructions of a block runs: what is between may not raise.
    fn at_exactly(&self, block: usize, all: std::ops::Range<usize>) -> Option<Site> {
        let instrs = self.placer.instrs;
        let on = || {
            let mut on = all.clone();
            on.find(|at| instrs[*at].takes_code() || may_stop(&instrs[*at]))
        };
        let start = self.segments.get(block).and_then(|all| all.first());
        let start = start.map_or(all.start, |first| first.start);
        let back = || {
            let mut back = (start..all.start).rev();
            back.find(|at| instrs[*at].takes_code() || may_stop(&instrs[*at]))
                .filter(|at| !may_stop(&instrs[*at]))
        };
        let takes = |at: &usize| instrs[*at].takes_code();
        let at = on().filter(takes).or_else(|| back().filter(takes))?;
        Some(Site::Instruction(at as u32, Position::Before))
    }

    /// Where a counter counts how often control goes along an edge.
    fn on_edge(&self, block: usize, edge: usize) -> Option<Site> {
        if self.placer.is_conditional(edge) {
            return Some(self.placer.at_edge(edge));
        }
        let flow = &self.placer.flow;
        let to = flow.edges()[edge].to();
        let entered = || {
            let first = self.segments[to].first()?;
            let alone = self.placer.into[to].len() == 1;
            self.at_exactly(to, first.start..first.end)
                .filter(|_| alone)
        };
        let left = || {
            let alone = self.placer.ways_out(block).len() == 1;
            self.at_end(block, edge).filter(|_| alone)
        };
        entered().or_else(left)
    }

    /// Where a block has ended that goes on in one way.
    fn at_end(&self, block: usize, edge: usize) -> Option<Site> {
        let instrs = self.placer.instrs;
        let all = self.segments[block].last()?;
        let last = all.end - 1;
        let kind = self.placer.flow.edges()[edge].kind();
        if kind == EdgeKind::FallThrough && instrs.get(last + 1).is_some_and(Instr::takes_code) {
            return Some(Site::Instruction(last as u32, Position::After));
        }
        if kind == EdgeKind::Resume {
            return None;
        }
        // A jump raises nothing but what a signal's handler does.
        let jumps = kind == EdgeKind::Jump;
        let stops = |at: usize| may_stop(&instrs[at]) && !(jumps && at == last);
        let mut all = (all.start..all.end).rev();
        let at = all.find(|at| instrs[*at].takes_code() || stops(*at));
        let at = at.filter(|at| !stops(*at))?;
        Some(Site::Instruction(at as u32, Position::Before))
    }

    // ---- the tree ----------------------------------------------------------------------------------

    /// Puts counters on the edges that are not in a spanning tree of maximal weight (Kruskal).
    fn span(&mut self) {
        let mut order: Vec<usize> = (0..self.edges.len())
            .filter(|edge| self.edges[*edge].known.is_none())
            .collect();
        let weight = |edge: &usize| match self.edges[*edge].site {
            Some(_) => self.edges[*edge].weight,
            None => f64::INFINITY,
        };
        order.sort_by(|one, other| weight(other).total_cmp(&weight(one)));
        let mut above: Vec<usize> = (0..self.nodes).collect();
        fn root(above: &mut [usize], mut node: usize) -> usize {
            while above[node] != node {
                above[node] = above[above[node]];
                node = above[node];
            }
            node
        }
        for index in order {
            let edge = &mut self.edges[index];
            let (from, to) = (root(&mut above, edge.from), root(&mut above, edge.to));
            if from != to {
                above[from] = to;
            } else if let Some(site) = edge.site {
                let number = self.placer.done.probes.len();
                self.placer.done.probes.push(site);
                edge.known = Some(Evidence::Probe(number));
            }
        }
    }

    /// What follows from what is counted: at a node, of whose edges one is unknown.
    fn solve(&mut self) {
        let mut at_node: Vec<Vec<usize>> = vec![Vec::new(); self.nodes];
        for (index, edge) in self.edges.iter().enumerate() {
            // One that leads back to its node says nothing of the others.
            if edge.from != edge.to {
                at_node[edge.from].push(index);
                at_node[edge.to].push(index);
            }
        }
        let mut todo: Vec<usize> = (0..self.nodes).collect();
        while let Some(node) = todo.pop() {
            let unknown = |edge: &&usize| self.edges[**edge].known.is_none();
            let mut all = at_node[node].iter().filter(unknown);
            let (Some(&wanted), None) = (all.next(), all.next()) else {
                continue;
            };
            let comes = self.edges[wanted].to == node;
            let others = at_node[node].iter().filter(|edge| **edge != wanted);
            let terms: Vec<(bool, Evidence)> = others
                .filter_map(|edge| {
                    let edge = &self.edges[*edge];
                    Some(((edge.to == node) == comes, edge.known?))
                })
                .collect();
            let known = match terms.as_slice() {
                [(false, one)] => *one,
                _ => {
                    self.placer.done.sums.push(terms);
                    Evidence::Sum(self.placer.done.sums.len() - 1)
                }
            };
            let edge = &mut self.edges[wanted];
            edge.known = Some(known);
            todo.push(if comes { edge.from } else { edge.to });
        }
    }

    /// How often a node runs.
    fn of_node(&self, node: usize) -> Option<Vec<Evidence>> {
        let of = |end: fn(&Edge) -> usize| {
            let edges = self.edges.iter().filter(|edge| end(edge) == node);
            let all: Option<Vec<_>> = edges.map(|edge| edge.known).collect();
            all
        };
        let left = of(|edge| edge.from).filter(|left| !left.is_empty());
        let both = [of(|edge| edge.to), left];
        both.into_iter().flatten().min_by_key(Vec::len)
    }

    fn tell(&mut self, code: &Code<'_>) {
        let mut known: BTreeMap<usize, Option<Vec<Evidence>>> = BTreeMap::new();
        let mut lines: Vec<(u32, Option<Vec<Evidence>>)> = Vec::new();
        for (line, nodes) in &self.lines {
            let mut all = Some(Vec::new());
            for node in nodes {
                let one = known.entry(*node).or_insert_with(|| self.of_node(*node));
                all = all.zip(one.clone()).map(|(all, one)| [all, one].concat());
            }
            lines.push((*line, all));
        }
        for (line, evidence) in lines {
            match evidence {
                Some(evidence) => {
                    self.placer.done.facts.insert(Fact::Line(line), evidence);
                }
                None => self.count_line(code, line),
            }
        }
        let others = self.placer.stretches.iter().flatten();
        let others: std::collections::BTreeSet<u32> = others
            .map(|stretch| stretch.line)
            .filter(|line| *line != 0 && !self.lines.contains_key(line))
            .collect();
        for line in others {
            self.count_line(code, line);
        }
        for (fact, edges) in self.placer.branches() {
            let of_flow = |edge: &usize| self.edges[self.of_flow[*edge]?].known;
            let all: Option<Vec<_>> = edges.iter().map(of_flow).collect();
            if let Some(evidence) = all {
                self.placer.done.facts.insert(fact, evidence);
                continue;
            }
            for edge in edges {
                if self.placer.is_conditional(edge) {
                    self.placer.probe(self.placer.at_edge(edge), &[fact]);
                }
            }
        }
        self.placer.asynchronous_loops();
    }

    /// A line has a counter of its own.
    fn count_line(&mut self, code: &Code<'_>, line: u32) {
        let before = body_start(self.placer.instrs).checked_sub(1);
        let before = before.map(|at| &self.placer.instrs[at]);
        let starts_before = before.is_some_and(|one| {
            one.opcode() == Opcode::SETUP_ANNOTATIONS && one.line() == Some(line)
        });
        if code.lines().binary_search(&line).is_ok() && !starts_before {
            self.placer.probe(Site::Line(line), &[Fact::Line(line)]);
            return;
        }
        // Nothing but the end of a handler: beside what comes before. Or there is something in front
        // of the module's imports: not there.
        for block in 0..self.placer.stretches.len() {
            for at in 0..self.placer.stretches[block].len() {
                if self.placer.stretches[block][at].line == line
                    && let Some(site) = self.placer.at_start(block, at)
                {
                    self.placer.probe(site, &[Fact::Line(line)]);
                }
            }
        }
    }
}

/// The lines that are reached exactly when certain instructions run, and these.
fn lines(placer: &Placer<'_>) -> BTreeMap<u32, Vec<usize>> {
    let start = body_start(placer.instrs);
    let mut lines: BTreeMap<u32, Option<Vec<usize>>> = BTreeMap::new();
    for (at, instr) in placer.instrs.iter().enumerate() {
        let Some(line) = instr.line() else { continue };
        let places = match instr.arrives() {
            Arrives::Never => continue,
            Arrives::Always if at >= start => Some(at),
            _ => None,
        };
        let all = lines.entry(line).or_insert_with(|| Some(Vec::new()));
        match (all.as_mut(), places) {
            (Some(all), Some(at)) => all.push(at),
            _ => *all = None,
        }
    }
    lines
        .into_iter()
        .filter_map(|(line, places)| Some((line, places?)))
        .collect()
}

/// Guesses how often blocks run, and edges are taken, for one call.
fn frequencies(flow: &Flow<'_>) -> (Vec<f64>, Vec<f64>) {
    let blocks = flow.blocks();
    let depth = |block: usize| {
        let innermost = blocks[block].innermost_loop();
        innermost.map_or(0, |number| flow.loops()[number].depth())
    };
    let heads: Vec<usize> = flow.loops().iter().map(|one| one.head()).collect();
    let mut often = vec![0.0; blocks.len()];
    let mut taken = vec![0.0; flow.edges().len()];
    if let Some(first) = often.first_mut() {
        *first = 1.0;
    }
    for block in topological(flow) {
        if heads.contains(&block) {
            often[block] *= ROUNDS;
        }
        let start = flow.edges().partition_point(|edge| edge.from() < block);
        let out = flow.edges_out(block);
        let raises = |edge: &FlowEdge| matches!(edge.kind(), EdgeKind::Exception | EdgeKind::Raise);
        let share = |edge: &FlowEdge| {
            let left = depth(block).saturating_sub(depth(edge.to())).min(9);
            match raises(edge) {
                true => RAISING,
                false => ROUNDS.powi(-(left as i32)),
            }
        };
        let whole: f64 = out.iter().map(share).sum();
        for (number, edge) in out.iter().enumerate() {
            let part = often[block] * share(edge) / whole;
            taken[start + number] = part;
            if !edge.is_back() {
                often[edge.to()] += part;
            }
        }
    }
    (often, taken)
}

/// Blocks, each behind those from which control comes to it but by going back.
fn topological(flow: &Flow<'_>) -> Vec<usize> {
    let mut order = Vec::with_capacity(flow.blocks().len());
    let mut seen = vec![false; flow.blocks().len()];
    let mut todo = vec![(0, 0)];
    if let Some(first) = seen.first_mut() {
        *first = true;
    }
    while let Some((block, number)) = todo.pop() {
        match flow.edges_out(block).get(number) {
            Some(edge) => {
                todo.push((block, number + 1));
                if !edge.is_back() && !seen[edge.to()] {
                    seen[edge.to()] = true;
                    todo.push((edge.to(), 0));
                }
            }
            None => order.push(block),
        }
    }
    order.reverse();
    order
}

/// Without what tells nothing.
fn pruned(placement: Placement) -> Placement {
    let mut used = vec![false; placement.sums.len()];
    let mut raising: Vec<u32> = Vec::new();
    let mut probed = vec![false; placement.probes.len()];
    let mut see = |used: &mut [bool], evidence: &Evidence| match *evidence {
        Evidence::Probe(number) => probed[number] = true,
        Evidence::Raised(line) => raising.push(line),
        Evidence::Sum(number) => used[number] = true,
    };
    for evidence in placement.facts.values().flatten() {
        see(&mut used, evidence);
    }
    for number in (0..used.len()).rev() {
        if used[number] {
            for (_, term) in &placement.sums[number] {
                see(&mut used, term);
            }
        }
    }
    raising.sort_unstable();
    raising.dedup();
    let renumber = |kept: &[bool]| -> Vec<usize> {
        let mut next = 0;
        let numbers = kept.iter().map(|kept| {
            next += usize::from(*kept);
            next - usize::from(*kept)
        });
        numbers.collect()
    };
    let (probe_of, sum_of) = (renumber(&probed), renumber(&used));
    let now = |evidence: Evidence| match evidence {
        Evidence::Probe(number) => Evidence::Probe(probe_of[number]),
        Evidence::Raised(line) => Evidence::Raised(line),
        Evidence::Sum(number) => Evidence::Sum(sum_of[number]),
    };
    fn kept<T>(all: Vec<T>, kept: &[bool]) -> Vec<T> {
        let all = all.into_iter().zip(kept);
        all.filter(|(_, kept)| **kept).map(|(one, _)| one).collect()
    }
    let terms = |terms: Vec<(bool, Evidence)>| {
        let terms = terms
            .into_iter()
            .map(|(negative, one)| (negative, now(one)));
        terms.collect()
    };
    Placement {
        probes: kept(placement.probes, &probed),
        loops: Vec::new(),
        raising,
        sums: kept(placement.sums, &used).into_iter().map(terms).collect(),
        facts: placement
            .facts
            .into_iter()
            .map(|(fact, evidence)| (fact, evidence.into_iter().map(now).collect()))
            .collect(),
    }
}
