//! The control-flow graph of one code object, with all that is known of it, as plain data; a file for
//! each way of showing it. What is here is what JSON shows: its field names are promised to programs.

pub mod dot;
mod layout;
pub mod svg;
pub mod text;

use std::path::{Path, PathBuf};

use equip_core::analysis::{self, Cfg, EdgeKind, Exceptions};
use equip_core::body::{self, Body, Location};
use equip_core::declaration::Declaration;
use equip_core::listing;
use equip_core::pyc::PycFile;
use serde::Serialize;

/// One graph.
#[derive(Debug, Serialize)]
pub struct Flow {
    /// The file, as it was named.
    pub file: String,
    /// The version that it is for.
    pub python: String,
    pub qualname: String,
    /// The qualname, with line and number where several have it.
    pub key: String,
    pub kind: &'static str,
    pub first_line: u32,
    pub end_line: u32,
    /// Where the source lines were read.
    pub source: Option<PathBuf>,
    /// Whether instructions that raise unasked have edges.
    pub exceptions: bool,
    pub entry: usize,
    pub exit: usize,
    pub blocks: Vec<Block>,
    pub edges: Vec<Edge>,
    pub loops: Vec<Loop>,
    pub irreducible: Vec<Region>,
}

impl Flow {
    /// The edges out of a block.
    pub fn edges_out(&self, block: usize) -> &[Edge] {
        // They come block by block.
        let first = self.edges.partition_point(|edge| edge.from < block);
        let end = self.edges.partition_point(|edge| edge.from <= block);
        &self.edges[first..end]
    }

    /// The loop that a block is the head of.
    pub fn headed_by(&self, block: usize) -> Option<&Loop> {
        let around = self.blocks[block].r#loop.map(|id| &self.loops[id]);
        around.filter(|one| one.head == block)
    }
}

/// One block; the exit has nothing in it.
#[derive(Debug, Serialize)]
pub struct Block {
    pub index: usize,
    pub first_line: Option<u32>,
    pub last_line: Option<u32>,
    /// Its lines, in the order in which they first come.
    pub source: Vec<SourceLine>,
    pub instructions: Vec<Instruction>,
    pub immediate_dominator: Option<usize>,
    pub immediate_post_dominator: Option<usize>,
    pub dominance_frontier: Vec<usize>,
    /// The innermost.
    pub r#loop: Option<usize>,
    pub loop_depth: u32,
    /// Edges.
    pub control_dependences: Vec<usize>,
}

/// A line of source.
#[derive(Clone, Debug, Serialize)]
pub struct SourceLine {
    pub line: u32,
    pub text: String,
}

/// One instruction.
#[derive(Debug, Serialize)]
pub struct Instruction {
    /// In the whole body.
    pub index: usize,
    pub opcode: &'static str,
    pub operand: String,
    pub line: Option<u32>,
    pub end_line: Option<u32>,
    /// In UTF-8 bytes.
    pub column: Option<u32>,
    pub end_column: Option<u32>,
}

/// One edge.
#[derive(Debug, Serialize)]
pub struct Edge {
    pub index: usize,
    pub from: usize,
    pub to: usize,
    pub kind: &'static str,
    pub back: bool,
}

/// One natural loop, with the blocks of the loops within it.
#[derive(Debug, Serialize)]
pub struct Loop {
    pub index: usize,
    pub head: usize,
    pub back_edges: Vec<usize>,
    pub parent: Option<usize>,
    pub depth: u32,
    pub blocks: Vec<usize>,
    pub exits: Vec<usize>,
}

/// Blocks that are a loop with several heads.
#[derive(Debug, Serialize)]
pub struct Region {
    pub blocks: Vec<usize>,
    pub entries: Vec<usize>,
}

/// What is known of a code object from outside.
pub struct Subject<'s> {
    pub file: &'s str,
    pub declaration: &'s Declaration<'s>,
    pub key: String,
    pub kind: &'static str,
    pub source: Option<&'s Source>,
}

/// A source file's lines.
pub struct Source {
    path: PathBuf,
    lines: Vec<String>,
}

impl Source {
    /// Reads a file, its lines ended in any of Python's ways.
    pub fn read(path: &Path) -> Option<Source> {
        let text = std::fs::read(path).ok()?;
        let text = String::from_utf8_lossy(&text).replace("\r\n", "\n");
        let lines = text.split(['\n', '\r']).map(str::to_owned).collect();
        let path = path.to_owned();
        Some(Source { path, lines })
    }

    fn line(&self, line: u32) -> Option<SourceLine> {
        let text = self.lines.get((line as usize).checked_sub(1)?)?;
        let text = text.trim_end().to_owned();
        Some(SourceLine { line, text })
    }
}

/// How pictures and listings call a block.
pub fn name(flow: &Flow, block: usize) -> String {
    match block == flow.exit {
        true => "exit".to_owned(),
        false => format!("B{block}"),
    }
}

/// How they call an edge.
pub fn label(edge: &Edge) -> String {
    match (edge.back, edge.kind) {
        (true, "jump") => "loop back".to_owned(),
        (true, kind) => format!("{kind}, loop back"),
        (false, kind) => kind.to_owned(),
    }
}

/// `line 3`, `lines 3-5`; nothing without lines.
pub fn lines(block: &Block) -> String {
    match (block.first_line, block.last_line) {
        (Some(first), Some(last)) if first != last => format!("lines {first}-{last}"),
        (Some(line), _) => format!("line {line}"),
        _ => String::new(),
    }
}

/// An instruction as listings show it.
pub fn instruction(instr: &Instruction) -> String {
    let text = format!("{:<26} {}", instr.opcode, instr.operand);
    text.trim_end().to_owned()
}

/// The graph of a code object.
///
/// # Errors
/// It cannot be decoded.
pub fn flow(
    pyc: &PycFile<'_>,
    subject: Subject<'_>,
    exceptions: Exceptions,
) -> Result<Flow, body::Error> {
    let code = pyc.objects.code(subject.declaration.code);
    let code = code.expect("a declaration names a code object");
    let body = body::decode(pyc.isa, &pyc.objects, code)?;
    let cfg = Cfg::of(&body, exceptions);
    let dominators = analysis::dominators(&cfg.graph, cfg.entry);
    let post_dominators = analysis::post_dominators(&cfg.graph, cfg.exit);
    let frontiers = analysis::dominance_frontiers(&cfg.graph, &dominators);
    let dependence = analysis::control_dependence(&cfg.graph, &post_dominators);
    let loops = analysis::loops(&cfg.graph, &dominators);
    let blocks = cfg.graph.node_indices().map(|node| {
        let instrs = cfg.block(node).instrs();
        let instructions: Vec<_> = instrs.map(|at| decoded(pyc, &body, &cfg, at)).collect();
        let lines = instructions.iter().filter_map(|instr| instr.line);
        Block {
            index: node.index(),
            first_line: lines.clone().min(),
            last_line: lines.clone().max(),
            source: source_lines(subject.source, lines),
            immediate_dominator: dominators.immediate(node).map(|node| node.index()),
            immediate_post_dominator: post_dominators.immediate(node).map(|node| node.index()),
            dominance_frontier: indices(frontiers.of(node), |node| node.index()),
            r#loop: loops.innermost(node).map(|id| id.0 as usize),
            loop_depth: loops.depth(node),
            control_dependences: indices(dependence.of(node), |edge| edge.index()),
            instructions,
        }
    });
    let edges = cfg.graph.raw_edges().iter().enumerate();
    let edges = edges.map(|(index, edge)| Edge {
        index,
        from: edge.source().index(),
        to: edge.target().index(),
        kind: EdgeKind::name(edge.weight.kind),
        back: edge.weight.is_back,
    });
    let (blocks, edges) = (blocks.collect(), edges.collect());
    let one = subject.declaration;
    Ok(Flow {
        file: subject.file.to_owned(),
        python: pyc.isa.version.to_string(),
        qualname: one.qualname.to_string(),
        key: subject.key,
        kind: subject.kind,
        first_line: one.first_line,
        end_line: one.end_line,
        source: subject.source.map(|source| source.path.clone()),
        exceptions: exceptions == Exceptions::Followed,
        entry: cfg.entry.index(),
        exit: cfg.exit.index(),
        blocks,
        edges,
        loops: all_loops(&cfg, &loops),
        irreducible: Vec::from_iter(loops.irreducible.iter().map(|region| Region {
            blocks: indices(&region.blocks, |node| node.index()),
            entries: indices(&region.entries, |node| node.index()),
        })),
    })
}

fn indices<T: Copy>(all: &[T], index: impl Fn(T) -> usize) -> Vec<usize> {
    all.iter().map(|one| index(*one)).collect()
}

fn all_loops(cfg: &Cfg, loops: &analysis::Loops) -> Vec<Loop> {
    let all = loops.loops.iter().enumerate();
    let all = all.map(|(index, one)| {
        let id = analysis::LoopId(index as u32);
        let nodes = cfg.graph.node_indices();
        let inside = nodes.filter(|node| loops.contains(id, *node));
        Loop {
            index,
            head: one.head.index(),
            back_edges: indices(&one.back_edges, |edge| edge.index()),
            parent: one.parent.map(|id| id.0 as usize),
            depth: one.depth,
            blocks: inside.map(|node| node.index()).collect(),
            exits: indices(&one.exits, |edge| edge.index()),
        }
    });
    all.collect()
}

fn decoded(pyc: &PycFile<'_>, body: &Body, cfg: &Cfg, index: usize) -> Instruction {
    let instr = &body.instrs[index];
    let Location {
        line,
        end_line,
        column,
        end_column,
    } = instr.location;
    // Jumps of code that runs lead to code that runs.
    let block = |at: u32| {
        let block = cfg.block_of(at as usize);
        block.map_or_else(String::new, |block| format!("B{}", block.index()))
    };
    let positive = |line: i32| u32::try_from(line).ok().filter(|line| *line > 0);
    Instruction {
        index,
        opcode: instr.opcode.name(),
        operand: listing::operand(body, &pyc.objects, instr, &block),
        line: positive(line),
        end_line: positive(end_line),
        column: u32::try_from(column).ok(),
        end_column: u32::try_from(end_column).ok(),
    }
}

fn source_lines(source: Option<&Source>, lines: impl Iterator<Item = u32>) -> Vec<SourceLine> {
    let mut seen = Vec::new();
    for line in lines {
        if !seen.contains(&line) {
            seen.push(line);
        }
    }
    let found = source.map(|source| seen.iter().filter_map(|line| source.line(*line)).collect());
    found.unwrap_or_default()
}
