//! Each analysis beside its slow twin, over random graphs and over the code objects of standard
//! libraries (all of them with `EQUIP_TEST_ALL` set), and beside networkx, where that is installed.

mod twins;

use crate::harness;
use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Instant;

use equip_core::analysis::cfg;
use equip_core::analysis::constants::Value;
use equip_core::analysis::dataflow::Problem;
use equip_core::analysis::traversal::{self, Event, Walk};
use equip_core::analysis::{
    Cfg, Constant, Constants, DefinitelyAssigned, EdgeKind, Exceptions, Liveness,
    ReachingDefinitions, Type, Types, Variable, control_dependence, dominance_frontiers,
    dominators, loops, post_dominance_frontiers, post_dominators,
};
use equip_core::body::{self, Body};
use equip_core::isa::{Flow, Opcode};
use equip_core::pyc::PycFile;
use equip_core::verify;
use petgraph::Direction::{Incoming, Outgoing};
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{EdgeRef, Reversed};

/// Graphs of all densities, connected or not, with self loops and parallel edges.
fn random_graphs(count: usize, largest: usize) -> Vec<DiGraph<(), ()>> {
    let mut random = fastrand::Rng::with_seed(20_160_401); // the same on every machine
    let graphs = (0..count).map(|_| {
        let nodes = random.usize(1..=largest);
        let edges = random.usize(0..=nodes * 3);
        let mut graph = DiGraph::new();
        let all: Vec<_> = (0..nodes).map(|_| graph.add_node(())).collect();
        for at in 1..nodes {
            // Most graphs are connected, as flow graphs are.
            if random.u8(0..10) > 0 {
                graph.add_edge(all[random.usize(0..at)], all[at], ());
            }
        }
        for _ in 0..edges {
            graph.add_edge(all[random.usize(0..nodes)], all[random.usize(0..nodes)], ());
        }
        graph
    });
    graphs.collect()
}

/// Compares all that is about graphs alone with what the definitions say.
fn check<N, E>(
    graph: &DiGraph<N, E>,
    entry: NodeIndex,
    exit: NodeIndex,
    what: &dyn Fn() -> String,
) {
    for (root, direction, before) in [(entry, Outgoing, Incoming), (exit, Incoming, Outgoing)] {
        let (tree, frontiers) = match direction {
            Outgoing => {
                let tree = dominators(graph, root);
                let frontiers = dominance_frontiers(graph, &tree);
                (tree, frontiers)
            }
            Incoming => {
                let tree = post_dominators(graph, root);
                let frontiers = post_dominance_frontiers(graph, &tree);
                (tree, frontiers)
            }
        };
        let slow = twins::dominance(graph, root, direction);
        for node in graph.node_indices() {
            assert_eq!(
                tree.immediate(node),
                twins::immediate(&slow, node),
                "{}: immediate of {node:?}",
                what()
            );
            for other in graph.node_indices() {
                assert_eq!(
                    tree.dominates(node, other),
                    slow[node.index()][other.index()],
                    "{}: {node:?} over {other:?}",
                    what()
                );
            }
            let frontier = match tree.contains(node) {
                true => twins::frontier(graph, &slow, node, before),
                false => Vec::new(),
            };
            assert_eq!(
                frontiers.of(node),
                frontier,
                "{}: frontier of {node:?}",
                what()
            );
        }
        match direction {
            Incoming => check_dependence(graph, &slow, &tree, what),
            Outgoing => check_loops(graph, &slow, &tree, what),
        }
    }
}

fn check_dependence<N, E>(
    graph: &DiGraph<N, E>,
    slow: &[Vec<bool>],
    tree: &equip_core::analysis::Dominators,
    what: &dyn Fn() -> String,
) {
    let dependence = control_dependence(graph, tree);
    for node in graph.node_indices() {
        let ends = |edge: &_| graph.edge_endpoints(*edge).unwrap();
        let fast: Vec<_> = dependence.of(node).iter().map(ends).collect();
        assert_eq!(
            fast,
            twins::deciding_edges(graph, slow, node),
            "{}: dependence of {node:?}",
            what()
        );
    }
}

fn check_loops<N, E>(
    graph: &DiGraph<N, E>,
    slow: &[Vec<bool>],
    tree: &equip_core::analysis::Dominators,
    what: &dyn Fn() -> String,
) {
    let all = loops(graph, tree);
    let wanted = twins::natural_loops(graph, slow);
    let mut heads: Vec<_> = all.loops.iter().map(|found| found.head).collect();
    heads.sort_unstable();
    assert_eq!(
        heads,
        wanted.iter().map(|(head, _)| *head).collect::<Vec<_>>(),
        "{}: heads",
        what()
    );
    for (id, found) in all.loops.iter().enumerate() {
        let id = equip_core::analysis::LoopId(id as u32);
        let (_, blocks) = wanted.iter().find(|(head, _)| *head == found.head).unwrap();
        for node in graph.node_indices() {
            assert_eq!(
                all.contains(id, node),
                blocks[node.index()],
                "{}: {node:?} in loop of {:?}",
                what(),
                found.head
            );
        }
        // The loop around it is the smallest other one that has all of its blocks.
        let around = wanted.iter().filter(|(head, outer)| {
            *head != found.head
                && blocks
                    .iter()
                    .zip(outer)
                    .all(|(mine, outer)| !mine || *outer)
        });
        let size = |blocks: &[bool]| blocks.iter().filter(|in_it| **in_it).count();
        let parent = around
            .min_by_key(|(_, blocks)| size(blocks))
            .map(|(head, _)| *head);
        assert_eq!(
            found.parent.map(|id| all.get(id).head),
            parent,
            "{}: parent of {:?}",
            what(),
            found.head
        );
        let leaves = graph
            .edge_references()
            .filter(|edge| blocks[edge.source().index()] && !blocks[edge.target().index()]);
        let exits: Vec<_> = leaves.map(|edge| edge.id()).collect();
        assert_eq!(found.exits, exits, "{}: exits of {:?}", what(), found.head);
        for node in &found.own_blocks {
            assert_eq!(
                all.innermost(*node),
                Some(id),
                "{}: own block {node:?}",
                what()
            );
        }
    }
    for node in graph.node_indices() {
        let depth = wanted
            .iter()
            .filter(|(_, blocks)| blocks[node.index()])
            .count();
        assert_eq!(
            all.depth(node) as usize,
            depth,
            "{}: depth of {node:?}",
            what()
        );
    }
    let irreducible = twins::on_irreducible_cycle(graph, slow);
    for node in graph.node_indices() {
        let region = all
            .irreducible
            .iter()
            .find(|region| region.blocks.contains(&node));
        assert_eq!(
            region.is_some(),
            irreducible[node.index()],
            "{}: {node:?} irreducible",
            what()
        );
        if let Some(region) = region {
            assert!(
                region.entries.len() > 1,
                "{}: {region:?} has one entry",
                what()
            );
        }
    }
}

#[test]
fn random_graphs_are_as_the_definitions_say() {
    let graphs = random_graphs(3_000, 24);
    for (number, graph) in graphs.iter().enumerate() {
        let (entry, exit) = (NodeIndex::new(0), NodeIndex::new(graph.node_count() - 1));
        check(graph, entry, exit, &|| format!("graph {number}: {graph:?}"));
    }
    println!("{} random graphs", graphs.len());
}

#[test]
fn orders_and_walks_are_what_their_names_say() {
    for (number, graph) in random_graphs(1_000, 30).iter().enumerate() {
        let root = NodeIndex::new(0);
        let reached = twins::reach(graph, root, None, Outgoing);
        let count = reached.iter().filter(|seen| **seen).count();
        let place = |order: &[NodeIndex]| {
            let mut place = vec![usize::MAX; graph.node_count()];
            for (at, node) in order.iter().enumerate() {
                assert!(reached[node.index()] && place[node.index()] == usize::MAX);
                place[node.index()] = at;
            }
            assert_eq!(order.len(), count, "graph {number}: all nodes, each once");
            place
        };
        let pre = place(&traversal::pre_order(graph, root));
        let post = place(&traversal::post_order(graph, root));
        let reverse = traversal::reverse_post_order(graph, root);
        assert_eq!(reverse.first(), Some(&root));
        let mut edges = BTreeSet::new();
        traversal::walk(graph, root, |event| {
            let (edge, fits) = match event {
                // An ancestor is found before and finished behind what is found from it.
                Event::Tree(edge) => (edge, [true, true]),
                Event::Back(edge) => (edge, [false, false]),
                Event::CrossOrForward(edge) => (
                    edge,
                    [
                        pre[edge.source().index()] < pre[edge.target().index()],
                        true,
                    ],
                ),
                Event::Discover(_) | Event::Finish(_) => return Walk::On,
            };
            let (from, to) = (edge.source().index(), edge.target().index());
            let is = match from == to {
                true => [false, false],
                false => [pre[from] < pre[to], post[from] > post[to]],
            };
            assert_eq!(is, fits, "graph {number}: {edge:?}");
            assert!(edges.insert(edge.id()), "graph {number}: {edge:?} twice");
            Walk::On
        });
        let wanted: BTreeSet<_> = graph
            .edge_references()
            .filter(|edge| reached[edge.source().index()])
            .map(|edge| edge.id())
            .collect();
        assert_eq!(edges, wanted, "graph {number}: edges walked");
        let last = NodeIndex::new(graph.node_count() - 1);
        let backwards = traversal::pre_order(Reversed(graph), last);
        let leads = twins::reach(graph, last, None, Incoming);
        assert_eq!(
            backwards.len(),
            leads.iter().filter(|leads| **leads).count()
        );
        for node in graph.node_indices() {
            assert_eq!(
                traversal::leads_to(graph, node, last),
                leads[node.index()],
                "graph {number}: {node:?}"
            );
        }
    }
}

#[test]
fn a_walk_goes_no_further_than_it_is_told() {
    let graph = DiGraph::<(), ()>::from_edges([(0, 1), (1, 2), (2, 3), (0, 4)]);
    let seen = |answer: Walk| {
        let mut seen = Vec::new();
        traversal::walk(&graph, NodeIndex::new(0), |event| {
            if let Event::Discover(node) = event {
                seen.push(node.index());
                if node.index() == 1 {
                    return answer;
                }
            }
            Walk::On
        });
        seen.sort_unstable();
        seen
    };
    assert_eq!(seen(Walk::On), [0, 1, 2, 3, 4]);
    assert_eq!(seen(Walk::Prune), [0, 1, 4]);
    assert!(!seen(Walk::Stop).contains(&2));
}

#[test]
fn paths_are_all_simple_ones_within_the_bounds() {
    for (number, graph) in random_graphs(600, 8).iter().enumerate() {
        let (from, to) = (NodeIndex::new(0), NodeIndex::new(graph.node_count() - 1));
        for edges in 0..6 {
            let fast = traversal::paths(graph, from, to, edges, usize::MAX);
            let fewer = traversal::paths(graph, from, to, edges, 2);
            let mut sorted = fast.clone();
            let mut slow = twins::simple_paths(graph, from, to, edges);
            sorted.sort();
            slow.sort();
            assert_eq!(sorted, slow, "graph {number}: {graph:?}, {edges} edges");
            assert_eq!(fewer.len(), fast.len().min(2));
        }
    }
}

/// Instructions that control reaches, one by one.
fn reached_instrs(body: &Body, exceptions: Exceptions) -> Vec<bool> {
    let mut seen = vec![false; body.instrs.len()];
    let mut todo = vec![0];
    while let Some(at) = todo.pop() {
        if std::mem::replace(&mut seen[at], true) {
            continue;
        }
        let instr = &body.instrs[at];
        let flow = body.isa.info(instr.opcode).flow;
        if !matches!(flow, Flow::Exit | Flow::Jump) {
            todo.push(at + 1);
        }
        if let (body::Arg::Jump(label), true) = (instr.arg, flow != Flow::Next) {
            todo.push(body.at(label));
        }
        let asked = matches!(instr.opcode, Opcode::RAISE_VARARGS | Opcode::RERAISE);
        let raises =
            asked || exceptions == Exceptions::Followed && cfg::can_raise(body.isa, instr.opcode);
        todo.extend(
            body.handler(instr)
                .filter(|_| raises)
                .map(|handler| body.at(handler.target)),
        );
    }
    seen
}

/// Blocks cover what is reached, each once; edges are those that single instructions ask for.
fn check_cfg(
    body: &Body,
    cfg: &Cfg,
    exceptions: Exceptions,
    slow: &[Vec<bool>],
    what: &dyn Fn() -> String,
) {
    let mut covered = vec![false; body.instrs.len()];
    for node in cfg.graph.node_indices() {
        let block = cfg.block(node);
        assert!(
            slow[node.index()][node.index()] || node == cfg.exit,
            "{}: {node:?} not reached",
            what()
        );
        for at in block.instrs() {
            assert_eq!(
                body.instrs[at].handler,
                body.instrs[block.start as usize].handler,
                "{}: {at}",
                what()
            );
            assert!(
                !std::mem::replace(&mut covered[at], true),
                "{}: {at} twice",
                what()
            );
            assert_eq!(cfg.block_of(at), Some(node), "{}: {at}", what());
        }
        for (_, to, edge) in cfg.edges_out(node) {
            let from = block.last().expect("the exit leads nowhere");
            let target = cfg.block(to).start as usize;
            let flow = body.isa.info(body.instrs[from].opcode).flow;
            let jumps_to = match body.instrs[from].arg {
                body::Arg::Jump(label) if flow != Flow::Next => Some(body.at(label)),
                _ => None,
            };
            let handler = |id: Option<body::HandlerId>| match id {
                Some(id) => body.at(body.handlers[id.0 as usize].target),
                None => body.instrs.len(),
            };
            let fits = match edge.kind {
                EdgeKind::FallThrough | EdgeKind::Resume => target == from + 1,
                EdgeKind::True | EdgeKind::False => target == from + 1 || jumps_to == Some(target),
                EdgeKind::Jump => jumps_to == Some(target),
                EdgeKind::Exception(id) => {
                    exceptions == Exceptions::Followed && handler(id) == target
                }
                EdgeKind::Raise(id) => flow == Flow::Exit && handler(id) == target,
                EdgeKind::Return => flow == Flow::Exit && to == cfg.exit,
            };
            assert!(fits, "{}: {edge:?} from {from} to {target}", what());
            assert_eq!(
                edge.is_back,
                slow[to.index()][node.index()],
                "{}: {edge:?}",
                what()
            );
        }
    }
    assert_eq!(
        covered,
        reached_instrs(body, exceptions),
        "{}: what is reached",
        what()
    );
}

#[test]
fn every_code_object_is_as_the_definitions_say() {
    let all = std::env::var_os("EQUIP_TEST_ALL").is_some();
    for python in harness::interpreters() {
        let folder = harness::scratch();
        let (mut codes, mut blocks, mut largest, mut looped, mut irreducible) = (0, 0, 0, 0, 0);
        let mut values = Told::default();
        // Of the sample that other tests take, every third file.
        let step = if all { 1 } else { 3 };
        for file in harness::compiled_library(python, folder.path())
            .into_iter()
            .step_by(step)
        {
            let data = std::fs::read(&file).unwrap();
            let pyc = PycFile::parse(&data).unwrap();
            for id in pyc.code_objects() {
                let code = pyc.objects.code(id).unwrap();
                let body = body::decode(pyc.isa, &pyc.objects, code).unwrap();
                for exceptions in [Exceptions::Followed, Exceptions::Ignored] {
                    let cfg = Cfg::of(&body, exceptions);
                    let count = cfg.graph.node_count();
                    let what = || {
                        format!(
                            "{}: {}, {exceptions:?}",
                            file.display(),
                            code.qualname(&pyc.objects)
                        )
                    };
                    if count > if all { 2_000 } else { 150 } {
                        continue; // the twins are cubic
                    }
                    let slow = twins::dominance(&cfg.graph, cfg.entry, Outgoing);
                    check_cfg(&body, &cfg, exceptions, &slow, &what);
                    check_data_flow(&pyc, id, &body, exceptions, &what);
                    values.add(check_values(&pyc, id, &body, exceptions, &what));
                    check(&cfg.graph, cfg.entry, cfg.exit, &what);
                    let found = loops(&cfg.graph, &dominators(&cfg.graph, cfg.entry));
                    looped += found.loops.len();
                    irreducible += found.irreducible.len();
                    blocks += count;
                    largest = largest.max(count);
                }
                codes += 1;
            }
        }
        println!(
            "CPython {}: {codes} code objects, {blocks} blocks, at most {largest}; {looped} loops, {irreducible} irreducible",
            python.isa.version
        );
        println!("  {values}");
        assert!(codes > 1000 && blocks > 2 * codes && looped > 100);
        assert!(values.constant > codes && values.typed > 3 * values.constant / 2);
    }
}

/// Compares data flow with what single ways through the code say.
fn check_data_flow(
    pyc: &PycFile<'_>,
    id: equip_core::marshal::ObjectId,
    body: &Body,
    exceptions: Exceptions,
    what: &dyn Fn() -> String,
) {
    let code = pyc.objects.code(id).unwrap();
    let cfg = Cfg::of(body, exceptions);
    let steps = twins::Steps::of(body, exceptions == Exceptions::Followed);
    let reaching = ReachingDefinitions::of(body);
    let reached = reaching.solve(&cfg);
    let slow: Vec<_> = reaching
        .definitions
        .iter()
        .map(|made| steps.reached_by(body, *made))
        .collect();
    let liveness = Liveness::of(body);
    let live = liveness.solve(&cfg);
    let assigned = DefinitelyAssigned::of(body, code).unwrap();
    let bound = assigned.solve(&cfg);
    let variables = liveness.variables().all();
    let slow_live: Vec<_> = variables.iter().map(|v| steps.live(body, *v)).collect();
    let first = |v: &Variable| match v {
        Variable::Slot(slot) => {
            *slot < code.parameters()
                || body.locals[*slot as usize].kind & equip_core::code::kinds::FREE != 0
        }
        Variable::Name(_) => false,
    };
    let slow_unbound: Vec<_> = variables
        .iter()
        .map(|v| steps.maybe_unbound(body, *v, !first(v)))
        .collect();
    for node in cfg.graph.node_indices() {
        reached.before_each(&reaching, body, &cfg, node, |at, fact| {
            let wanted: Vec<_> = (0..slow.len()).filter(|made| slow[*made][at]).collect();
            assert_eq!(
                fact.ones().collect::<Vec<_>>(),
                wanted,
                "{}: definitions before {at}",
                what()
            );
        });
        let mut seen = 0;
        live.before_each(&liveness, body, &cfg, node, |at, fact| {
            // Where control never ends, what other code may read is live at the ends of blocks.
            let known = |v: &usize| steps.ends[at] || !variables[*v].is_shared(body);
            let wanted: Vec<_> = (0..variables.len())
                .filter(known)
                .filter(|v| slow_live[*v][at])
                .collect();
            assert_eq!(
                fact.ones().filter(known).collect::<Vec<_>>(),
                wanted,
                "{}: live before {at}",
                what()
            );
            seen += 1;
        });
        assert_eq!(seen, cfg.block(node).instrs().len(), "{}: {node:?}", what());
        bound.before_each(&assigned, body, &cfg, node, |at, fact| {
            let wanted: Vec<_> = (0..variables.len())
                .filter(|v| !slow_unbound[*v][at])
                .collect();
            assert_eq!(
                fact.variables.ones().collect::<Vec<_>>(),
                wanted,
                "{}: assigned before {at}",
                what()
            );
        });
    }
    let chains = reaching.chains(&cfg);
    for (number, found) in chains.uses.iter().enumerate() {
        assert!(!found.definitions.is_empty(), "{}: {found:?}", what());
        for made in &found.definitions {
            assert_eq!(reaching.definitions[*made].variable, found.variable);
            assert!(
                chains.uses_of(*made).contains(&number),
                "{}: {found:?}",
                what()
            );
        }
    }
    // The verifier follows exceptions, and knows slots only. It takes more instructions for some that raise, so
    // it may know less where exceptions are caught.
    if exceptions == Exceptions::Followed {
        for (at, slots) in verify::bound_at_joins(pyc, id) {
            let Some(fact) = cfg.block_of(at).and_then(|node| bound.at_start(node)) else {
                continue;
            };
            for (number, variable) in variables.iter().enumerate() {
                if let (Variable::Slot(slot), false) = (variable, variable.is_shared(body)) {
                    let (theirs, ours) = (slots[*slot as usize], fact.variables.contains(number));
                    assert!(
                        ours || !theirs,
                        "{}: slot {slot} at {at} is bound, as the verifier has it",
                        what()
                    );
                    assert!(
                        theirs || !ours || !body.handlers.is_empty(),
                        "{}: slot {slot} at {at} may be unbound, as the verifier has it",
                        what()
                    );
                }
            }
        }
    }
}

/// What was known of locals in front of instructions.
#[derive(Default)]
struct Told {
    /// How many there were, those apart that other code may assign or that are unbound.
    all: usize,
    /// Of how many the type was known, or that it is one of several.
    typed: usize,
    /// How many were constant.
    constant: usize,
}

impl Told {
    fn add(&mut self, other: Told) {
        self.all += other.all;
        self.typed += other.typed;
        self.constant += other.constant;
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Told {
            all,
            typed,
            constant,
        } = self;
        write!(
            f,
            "locals before instructions: {all}, {typed} of known type, {constant} constant"
        )
    }
}

/// Compares constants and types with what single instructions say, and with each other.
fn check_values(
    pyc: &PycFile<'_>,
    id: equip_core::marshal::ObjectId,
    body: &Body,
    exceptions: Exceptions,
    what: &dyn Fn() -> String,
) -> Told {
    let code = pyc.objects.code(id).unwrap();
    let cfg = Cfg::of(body, exceptions);
    let steps = twins::Steps::of(body, exceptions == Exceptions::Followed);
    let constants = Constants::of(body, &pyc.objects, code).unwrap();
    let types = Types::of(body, &pyc.objects, code).unwrap();
    let assigned = DefinitelyAssigned::of(body, code).unwrap();
    let values = as_single_instructions(body, &cfg, &steps, &constants, what);
    let typed = as_single_instructions(body, &cfg, &steps, &types, what);
    let mut told = Told::default();
    let bound = assigned.solve(&cfg);
    for node in cfg.graph.node_indices() {
        bound.before_each(&assigned, body, &cfg, node, |at, bound| {
            let (value, ty) = (values[at].as_ref().unwrap(), typed[at].as_ref().unwrap());
            for (number, variable) in assigned.variables().all().iter().enumerate() {
                let Variable::Slot(slot) = *variable else {
                    continue;
                };
                let (value, ty) = (*value.slot(slot), *ty.slot(slot));
                if variable.is_shared(body) {
                    assert!(ty.is_unknown() && ty.may_be_unbound() && value == Value::NotConstant);
                    continue;
                }
                assert_eq!(
                    !ty.may_be_unbound(),
                    bound.variables.contains(number),
                    "{}: slot {slot} before {at}: {ty}",
                    what()
                );
                // The type may be wider: of `9 ** 1` it is int or float, of its value int.
                let may_be = |one: Type| ty.is_unknown() || ty.types().any(|may_be| may_be == one);
                let fits = match value {
                    Value::Undefined => ty.types().next().is_none(),
                    Value::Constant(Constant::None) => may_be(Type::None),
                    Value::Constant(Constant::Bool(_)) => may_be(Type::Bool),
                    Value::Constant(Constant::Int(_)) => may_be(Type::Int),
                    Value::Constant(Constant::EmptyStr) => may_be(Type::Str),
                    Value::Constant(Constant::Object(_)) | Value::NotConstant => true,
                };
                assert!(
                    fits,
                    "{}: slot {slot} before {at}: {value:?} is {ty}",
                    what()
                );
                told.all += usize::from(value != Value::Undefined);
                told.typed += usize::from(value != Value::Undefined && !ty.is_unknown());
                told.constant += usize::from(value.constant().is_some());
            }
        });
    }
    told
}

/// What holds before each instruction, once blocks and single instructions agree on it.
fn as_single_instructions<P: Problem>(
    body: &Body,
    cfg: &Cfg,
    steps: &twins::Steps,
    problem: &P,
    what: &dyn Fn() -> String,
) -> Vec<Option<P::Fact>>
where
    P::Fact: PartialEq + std::fmt::Debug,
{
    let slow = steps.settle(body, problem);
    let solution = equip_core::analysis::dataflow::solve(body, cfg, problem);
    for node in cfg.graph.node_indices() {
        solution.before_each(problem, body, cfg, node, |at, fact| {
            assert_eq!(
                Some(fact),
                slow[at].as_ref(),
                "{}: values before {at}",
                what()
            );
        });
    }
    slow
}

#[test]
fn values_in_random_functions_are_as_single_instructions_say() {
    for python in harness::interpreters() {
        let (mut codes, mut values) = (0, Told::default());
        let source = harness::random_functions(python, 2, 40);
        let data = harness::compile(python, &source, "random_functions.py");
        let pyc = PycFile::parse(&data).unwrap();
        for id in pyc.code_objects() {
            let code = pyc.objects.code(id).unwrap();
            let body = body::decode(pyc.isa, &pyc.objects, code).unwrap();
            for exceptions in [Exceptions::Followed, Exceptions::Ignored] {
                let what = || format!("{}, {exceptions:?}", code.qualname(&pyc.objects));
                values.add(check_values(&pyc, id, &body, exceptions, &what));
            }
            codes += 1;
        }
        println!(
            "CPython {}: {codes} code objects; {values}",
            python.isa.version
        );
        assert!(codes > 40 && values.constant > 1000);
    }
}

/// networkx, from any of the interpreters or the folder that `EQUIP_TEST_PYPI` names.
fn networkx() -> Option<Command> {
    harness::interpreters().iter().rev().find_map(|python| {
        let command = || {
            let mut command = Command::new(&python.path);
            if let Some(folder) = std::env::var_os("EQUIP_TEST_PYPI") {
                command.env("PYTHONPATH", folder);
            }
            command
        };
        let found = command().args(["-c", "import networkx"]).output().ok()?;
        found.status.success().then(command)
    })
}

#[test]
fn dominators_and_frontiers_are_those_of_networkx() {
    let Some(mut command) = networkx() else {
        println!(
            "networkx: skipped, not installed (pip install networkx, or name its folder in EQUIP_TEST_PYPI)"
        );
        return;
    };
    let program = "
import json, sys, networkx as nx
for line in sys.stdin:
    count, edges = json.loads(line)
    g = nx.DiGraph()
    g.add_nodes_from(range(count))
    g.add_edges_from(edges)
    above = nx.immediate_dominators(g, 0)
    ends = nx.dominance_frontiers(g, 0)
    print(json.dumps([[above.get(n) if above.get(n) != n else None for n in range(count)],
                      [sorted(ends.get(n, ())) for n in range(count)]]))
";
    let mut child = command
        .args(["-c", program])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // A root that something leads to is where versions of networkx differ from the definition.
    let graphs: Vec<_> = random_graphs(2_000, 40)
        .into_iter()
        .map(|graph| {
            graph.filter_map(
                |_, _| Some(()),
                |edge, _| (graph.edge_endpoints(edge)?.1.index() != 0).then_some(()),
            )
        })
        .collect();
    let mut input = child.stdin.take().unwrap();
    let lines: Vec<_> = graphs
        .iter()
        .map(|graph| {
            let edges: Vec<_> = graph
                .edge_references()
                .map(|edge| (edge.source().index(), edge.target().index()))
                .collect();
            serde_json::to_string(&(graph.node_count(), edges)).unwrap()
        })
        .collect();
    std::thread::spawn(move || input.write_all((lines.join("\n") + "\n").as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    let mut compared = 0;
    for (graph, line) in graphs.iter().zip(harness::text(&output.stdout).lines()) {
        let (above, ends): (Vec<Option<usize>>, Vec<Vec<usize>>) =
            serde_json::from_str(line).unwrap();
        let tree = dominators(graph, NodeIndex::new(0));
        let frontiers = dominance_frontiers(graph, &tree);
        for node in graph.node_indices() {
            assert_eq!(
                tree.immediate(node).map(NodeIndex::index),
                above[node.index()],
                "{graph:?}"
            );
            let frontier: Vec<_> = frontiers.of(node).iter().map(|node| node.index()).collect();
            assert_eq!(frontier, ends[node.index()], "{graph:?}: {node:?}");
        }
        compared += 1;
    }
    assert_eq!(compared, graphs.len());
    println!("networkx: {compared} graphs, 0 differ");
}

#[test]
fn functions_of_ten_thousand_blocks_are_no_trouble() {
    let python = &harness::interpreters()[0];
    let flat =
        "def f(x):\n".to_owned() + &"    if x: x += 1\n    for _ in x: x -= 1\n".repeat(2_500);
    let nested: String = (0..18)
        .map(|depth| format!("{}for i{depth} in x:\n", " ".repeat(depth + 1)))
        .collect();
    let nested = format!("def f(x):\n{nested}{}pass\n", " ".repeat(20)).replace("pass", "x += 1");
    let conditions = format!(
        "def f(x):\n    return {}\n",
        (0..5_000)
            .map(|n| format!("x > {n}"))
            .collect::<Vec<_>>()
            .join(" and ")
    );
    for (name, source, least) in [
        ("flat", &flat, 10_000),
        ("nested", &nested, 30),
        ("conditions", &conditions, 5_000),
    ] {
        let data = harness::compile(python, source, "large.py");
        let pyc = PycFile::parse(&data).unwrap();
        let bodies = pyc.code_objects().into_iter().map(|id| {
            let code = pyc.objects.code(id).unwrap();
            (code, body::decode(pyc.isa, &pyc.objects, code).unwrap())
        });
        let (code, body) = bodies.max_by_key(|(_, body)| body.instrs.len()).unwrap();
        let begin = Instant::now();
        let cfg = Cfg::of(&body, Exceptions::Followed);
        let built = begin.elapsed();
        let tree = dominators(&cfg.graph, cfg.entry);
        let post = post_dominators(&cfg.graph, cfg.exit);
        let frontiers = dominance_frontiers(&cfg.graph, &tree);
        let dependence = control_dependence(&cfg.graph, &post);
        let found = loops(&cfg.graph, &tree);
        println!(
            "{name}: {} blocks, {} loops; graph {built:?}, all {:?}",
            cfg.graph.node_count(),
            found.loops.len(),
            begin.elapsed()
        );
        let begin = Instant::now();
        let constants = Constants::of(&body, &pyc.objects, code)
            .unwrap()
            .solve(&cfg);
        let constants_known = begin.elapsed();
        let types = Types::of(&body, &pyc.objects, code).unwrap().solve(&cfg);
        println!(
            "  constants {constants_known:?}, types {:?}",
            begin.elapsed() - constants_known
        );
        assert!(constants.at_start(cfg.exit).is_some() && types.at_start(cfg.exit).is_some());
        assert!(cfg.graph.node_count() >= least);
        assert!(
            cfg.graph
                .node_indices()
                .any(|node| !frontiers.of(node).is_empty() && !dependence.of(node).is_empty())
        );
    }
}
