//! A flow graph as a picture that stands alone: no fonts, scripts or style sheets from elsewhere.
//!
//! Blocks show their source, what belongs to other blocks in grey, or bytecode where there is no source;
//! pointing at a block shows its instructions. Exceptions that instructions raise unasked, and that leave
//! the function, are only noted in the block: nearly every block has them.

use std::collections::BTreeMap;
use std::fmt::Write;

use equip_core::analysis::EdgeKind;

use super::layout::{Layout, Line, Link, Node, Point, Thing, layout};
use super::{Block, Edge, Flow, SourceLine, instruction, label, lines, name};

/// Of a monospaced letter of 12 pixels.
const LETTER: f64 = 7.25;
/// Of one of 10 pixels.
const SMALL: f64 = 6.1;
const LINE: f64 = 16.0;
const PADDING: f64 = 8.0;
const MARGIN: f64 = 24.0;
/// Longer lines are cut.
const LETTERS: usize = 64;
/// Of a block with more lines only the first and last are shown.
const LINES: usize = 24;
const FONTS: &str = "'DejaVu Sans Mono', Menlo, Consolas, monospace";

/// The colour of a kind of edge; they are told apart by labels too.
pub fn colour(kind: &str) -> &'static str {
    match kind {
        "true" => "#1a7f37",
        "false" => "#cf222e",
        "jump" => "#0969da",
        "resume" => "#8250df",
        "raise" => "#bc4c00",
        "exception" => "#8c959f",
        "return" => "#1f2328",
        _ => "#57606a",
    }
}

/// What a box says: lines of text, each with the part of it that is meant.
struct Text {
    line: Option<u32>,
    text: String,
    /// Letters from and to; the rest is grey.
    meant: (usize, usize),
}

/// For each line the blocks that show it.
type Shown = BTreeMap<u32, Vec<usize>>;

/// The picture.
pub fn picture(flow: &Flow) -> String {
    let mut shown: Shown = BTreeMap::new();
    for block in &flow.blocks {
        for line in &block.source {
            shown.entry(line.line).or_default().push(block.index);
        }
    }
    let texts: Vec<_> = flow
        .blocks
        .iter()
        .map(|block| text_of(block, &shown))
        .collect();
    let mut nodes = vec![pill(&entry_text(flow))];
    nodes.extend(
        flow.blocks
            .iter()
            .zip(&texts)
            .map(|(block, text)| size(flow, block, text)),
    );
    let drawn: Vec<&Edge> = flow
        .edges
        .iter()
        .filter(|edge| !is_noted(flow, edge))
        .collect();
    let mut links = vec![Link {
        from: 0,
        to: flow.entry + 1,
        around: None,
        weight: 1.0,
        bundle: 0,
        label: 0.0,
    }];
    let up = upwards(flow, &drawn);
    links.extend(drawn.iter().zip(up).map(|(edge, around)| {
        Link {
            from: edge.from + 1,
            to: edge.to + 1,
            around,
            weight: if edge.kind == "exception" { 0.2 } else { 1.0 },
            bundle: EdgeKind::NAMES
                .iter()
                .position(|kind| *kind == edge.kind)
                .unwrap_or(0),
            label: cells(&edge_text(edge)) as f64 * SMALL,
        }
    }));
    let layout = layout(&nodes, &links, &order(flow));
    let mut out = String::new();
    let file = flow.file.rsplit(['/', '\\']).next().unwrap_or_default();
    let title = format!("{file}: {} (CPython {})", flow.key, flow.python);
    let legend = legend(flow, &drawn);
    let width = [layout.width, cells(&title) as f64 * LETTER, legend.1]
        .into_iter()
        .fold(0.0, f64::max);
    let (top, shift) = (MARGIN + 2.0 * LINE, MARGIN + (width - layout.width) / 2.0);
    let (width, height) = (
        width + 2.0 * MARGIN,
        top + layout.height + MARGIN + 3.0 * LINE,
    );
    let _ = write!(
        out,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"{FONTS}\" font-size=\"12\">\n\
         <title>{}</title>\n<rect class=\"paper\" width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"{MARGIN}\" y=\"{}\" font-weight=\"bold\" fill=\"#1f2328\">{}</text>\n\
         <g transform=\"translate({shift:.1} {top:.1})\">\n",
        escaped(&title),
        MARGIN + 4.0,
        escaped(&title),
    );
    shade(flow, &layout, &links, &mut out);
    let entry = ("next", String::new());
    let names = drawn.iter().map(|edge| (edge.kind, edge_text(edge)));
    for (line, (kind, text)) in layout.lines.iter().zip(std::iter::once(entry).chain(names)) {
        write_line(line, kind, &text, &mut out);
    }
    write_pill(
        layout.boxes[0],
        &nodes[0],
        &entry_text(flow),
        "entry",
        &mut out,
    );
    for (block, text) in flow.blocks.iter().zip(&texts) {
        let (node, place) = (&nodes[block.index + 1], layout.boxes[block.index + 1]);
        match block.index == flow.exit {
            true => write_pill(place, node, "exit", "exit", &mut out),
            false => write_box(flow, block, text, place, node, &mut out),
        }
    }
    out.push_str("</g>\n");
    let _ = writeln!(
        out,
        "<g transform=\"translate({MARGIN} {:.1})\" font-size=\"10\" fill=\"#57606a\">{}</g>\n</svg>",
        height - MARGIN,
        legend.0
    );
    out
}

/// Whether an edge is a note in its block, not a line.
fn is_noted(flow: &Flow, edge: &Edge) -> bool {
    edge.kind == "exception" && edge.to == flow.exit
}

fn edge_text(edge: &Edge) -> String {
    match edge.kind {
        "next" | "exception" if !edge.back => String::new(),
        _ => label(edge),
    }
}

fn entry_text(flow: &Flow) -> String {
    format!("entry of {}", flow.qualname)
}

/// For each edge that leads back what it goes around: its loop. In a loop with several heads it is the
/// edges that a walk finds leading back.
fn upwards(flow: &Flow, edges: &[&Edge]) -> Vec<Option<Vec<usize>>> {
    let mut around: Vec<_> = edges
        .iter()
        .map(|edge| {
            let own = flow.headed_by(edge.to).filter(|_| edge.back);
            own.map(|one| one.blocks.iter().map(|block| block + 1).collect())
        })
        .collect();
    let mut out = vec![Vec::new(); flow.blocks.len()];
    for (id, edge) in edges.iter().enumerate().filter(|(_, edge)| !edge.back) {
        out[edge.from].push((id, edge.to));
    }
    let (mut met, mut open) = (vec![false; out.len()], vec![false; out.len()]);
    let mut path = vec![(flow.entry, 0)];
    (met[flow.entry], open[flow.entry]) = (true, true);
    while let Some((block, at)) = path.last_mut() {
        let Some((id, to)) = out[*block].get(*at).copied() else {
            open[*block] = false;
            path.pop();
            continue;
        };
        *at += 1;
        if open[to] {
            let region = flow
                .irreducible
                .iter()
                .find(|region| region.blocks.contains(&to));
            let blocks = region.map_or(vec![to], |region| region.blocks.clone());
            around[id] = Some(blocks.iter().map(|block| block + 1).collect());
        } else if !met[to] {
            (met[to], open[to]) = (true, true);
            path.push((to, 0));
        }
    }
    around
}

/// What comes after a loop is to be below it, not beside: all that is left for, but what ends the function.
fn order(flow: &Flow) -> Vec<(usize, usize)> {
    let goes_on = |block: usize| {
        let mut out = flow.edges_out(block).iter();
        out.any(|edge| edge.to != flow.exit && !is_raise(edge))
    };
    let mut order = Vec::new();
    // With several heads it is not plain what comes after what.
    let loops = flow.loops.iter().filter(|_| flow.irreducible.is_empty());
    for one in loops {
        let exits = one.exits.iter().map(|edge| &flow.edges[*edge]);
        for exit in exits.filter(|edge| !is_raise(edge) && goes_on(edge.to)) {
            let back = one.back_edges.iter().map(|edge| flow.edges[*edge].from);
            order.extend(back.map(|last| (last + 1, exit.to + 1)));
        }
    }
    order
}

fn is_raise(edge: &Edge) -> bool {
    matches!(edge.kind, "exception" | "raise")
}

fn size(flow: &Flow, block: &Block, text: &[Text]) -> Node {
    if block.index == flow.exit {
        return pill("exit");
    }
    let letters = text
        .iter()
        .map(|text| cells(&text.text) + if text.line.is_some() { 5 } else { 0 });
    let letters = letters
        .max()
        .unwrap_or(0)
        .max(cells(&header(flow, block)) + 2);
    let links = flow
        .edges_out(block.index)
        .iter()
        .filter(|edge| !is_noted(flow, edge));
    let room = links.map(|edge| cells(&edge_text(edge)) as f64 * SMALL + 14.0);
    // Whichever label is the last, it ends within the box.
    let ports = room.clone().sum::<f64>() + room.fold(0.0, f64::max);
    Node {
        width: (letters as f64 * LETTER + 2.0 * PADDING).max(ports + PADDING),
        height: (text.len() + 1) as f64 * LINE + PADDING,
    }
}

fn pill(text: &str) -> Node {
    Node {
        width: cells(text) as f64 * LETTER + 32.0,
        height: 26.0,
    }
}

fn header(flow: &Flow, block: &Block) -> String {
    let raises = flow
        .edges_out(block.index)
        .iter()
        .any(|edge| is_noted(flow, edge));
    let head = flow.headed_by(block.index).is_some();
    let parts = [
        name(flow, block.index),
        lines(block),
        if head {
            "loop head".to_owned()
        } else {
            String::new()
        },
        if raises {
            "may raise".to_owned()
        } else {
            String::new()
        },
    ];
    let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join("  ")
}

/// What a block's box says below its header.
fn text_of(block: &Block, shown: &Shown) -> Vec<Text> {
    // What only ends a loop says nothing, if anything else is there.
    let works = |line: &&SourceLine| {
        let mut own = block
            .instructions
            .iter()
            .filter(|instr| instr.line == Some(line.line));
        own.any(|instr| {
            !matches!(
                instr.opcode,
                "END_FOR" | "POP_ITER" | "END_SEND" | "NOP" | "NOT_TAKEN"
            )
        })
    };
    let mut source: Vec<_> = block.source.iter().filter(works).collect();
    if source.is_empty() {
        source = block.source.iter().collect();
    }
    let indent = |line: &&SourceLine| line.text.len() - line.text.trim_start().len();
    let left = source.iter().map(indent).min().unwrap_or(0);
    let mut found: Vec<Text> = match source.is_empty() {
        true => block
            .instructions
            .iter()
            .map(|instr| whole(None, &instruction(instr)))
            .collect(),
        false => source
            .iter()
            .map(|line| source_text(block, line, left, shown))
            .collect(),
    };
    // A line that an earlier block has shown as well tells nothing: what is done there does.
    let told = |line: &SourceLine| shown[&line.line][0] < block.index;
    let is_whole = found
        .iter()
        .all(|text| text.meant == (0, text.text.chars().count()));
    let head = block
        .instructions
        .iter()
        .any(|instr| instr.opcode == "FOR_ITER");
    if is_whole && !head && !source.is_empty() && source.iter().all(|line| told(line)) {
        let opcodes: Vec<_> = block
            .instructions
            .iter()
            .map(|instr| instr.opcode)
            .collect();
        let mut opcodes = whole(None, &format!("     {}", opcodes.join(" ")));
        opcodes.meant = (0, 0);
        found.push(opcodes);
    }
    for text in &mut found {
        cut(text);
    }
    if found.len() > LINES {
        let tail = found.split_off(found.len() - 3);
        let more = found.len() - (LINES - 4);
        found.truncate(LINES - 4);
        found.push(whole(None, &format!("     … {more} more lines")));
        found.extend(tail);
    }
    found
}

fn whole(line: Option<u32>, text: &str) -> Text {
    let text = text.replace('\t', "    ");
    let meant = (0, text.chars().count());
    Text { line, text, meant }
}

/// Cuts a long line, so that the start of what is meant stays.
fn cut(text: &mut Text) {
    let count = text.text.chars().count();
    if count <= LETTERS {
        return;
    }
    let fits = LETTERS - 2;
    let skipped = match text.meant {
        (_, to) if to <= fits => 0,
        (from, _) => from.saturating_sub(8).min(count - fits),
    };
    let kept: String = text.text.chars().skip(skipped).take(fits).collect();
    let (before, after) = (skipped > 0, skipped + fits < count);
    let mark = |is: bool| if is { "…" } else { "" };
    text.text = format!("{}{kept}{}", mark(before), mark(after));
    let shift = |at: usize| (at + usize::from(before)).saturating_sub(skipped);
    text.meant = match skipped {
        0 if text.meant.0 == 0 => (0, text.meant.1),
        _ => (shift(text.meant.0), shift(text.meant.1)),
    };
}

/// A line of source; where other blocks have a part in it too, with what this one does of it.
fn source_text(block: &Block, line: &SourceLine, left: usize, shown: &Shown) -> Text {
    let shared = shown[&line.line].len() > 1;
    let shown = line.text.get(left..).unwrap_or(&line.text);
    let mut text = whole(Some(line.line), shown);
    let own = block
        .instructions
        .iter()
        .filter(|instr| instr.line == Some(line.line));
    // `for x in y:` is what a FOR_ITER does, though its place is that of y.
    let header = ["for ", "async for "]
        .iter()
        .any(|word| shown.trim_start().starts_with(word));
    let next = |opcode| matches!(opcode, "FOR_ITER" | "GET_ANEXT");
    let is_head = header && own.clone().any(|instr| next(instr.opcode));
    if !shared || is_head || shown.contains('\t') {
        return text;
    }
    let ranges =
        own.filter(|instr| !matches!(instr.opcode, "RETURN_VALUE" | "RETURN_CONST" | "RESUME"));
    let ranges = ranges.filter_map(|instr| {
        let end = match instr.end_line == instr.line {
            true => instr.end_column? as usize,
            false => line.text.len(),
        };
        Some((instr.column? as usize, end))
    });
    let from = ranges.clone().map(|range| range.0).min();
    let to = ranges.map(|range| range.1).max();
    let letters = |column: usize| {
        let before = line.text.get(..column)?;
        Some(before.chars().count().saturating_sub(left))
    };
    if let (Some(from), Some(to)) = (from.and_then(letters), to.and_then(letters)) {
        text.meant = (from, to);
    }
    text
}

/// Fills what is behind the blocks of loops: in each layer all between the first and last, unless other
/// blocks are between them.
fn shade(flow: &Flow, layout: &Layout, links: &[Link], out: &mut String) {
    let mut layer_of = vec![0; flow.blocks.len() + 1];
    for (number, layer) in layout.layers.iter().enumerate() {
        for (thing, ..) in &layer.things {
            if let Thing::Box(node) = thing {
                layer_of[*node] = number;
            }
        }
    }
    for one in &flow.loops {
        let mut inside = vec![false; flow.blocks.len() + 1];
        for block in &one.blocks {
            inside[block + 1] = true;
        }
        let belongs = |thing: Thing| match thing {
            Thing::Box(node) => inside[node],
            Thing::Line(link) => inside[links[link].from] && inside[links[link].to],
        };
        let mut goes_back = vec![false; inside.len()];
        for edge in one.back_edges.iter() {
            goes_back[flow.edges[*edge].from + 1] = true;
        }
        let in_layers = one.blocks.iter().map(|block| layer_of[block + 1]);
        let first = in_layers.clone().min().unwrap_or(0);
        let last = in_layers.max().unwrap_or(0);
        let mut path = String::new();
        for (number, layer) in layout.layers.iter().enumerate().take(last + 1).skip(first) {
            let mut runs: Vec<(f64, f64)> = Vec::new();
            let mut open = false;
            for (thing, left, right) in &layer.things {
                match (belongs(*thing), thing, runs.last_mut()) {
                    (true, _, Some(run)) if open => run.1 = *right,
                    (true, _, _) => {
                        runs.push((*left, *right));
                        open = true;
                    }
                    (false, Thing::Box(_), _) => open = false,
                    (false, Thing::Line(_), _) => {}
                }
            }
            // Where it goes back, and below its last layer, its lines reach further.
            let back = |thing: &Thing| matches!(thing, Thing::Box(node) if goes_back[*node]);
            let back = layer.things.iter().any(|(thing, ..)| back(thing));
            let bottom = if back || number == last {
                layer.end
            } else {
                layer.bottom
            };
            for (left, right) in runs {
                let pad = 10.0;
                let (left, width) = (left - pad, right - left + 2.0 * pad);
                let (top, height) = (layer.top, bottom - layer.top);
                let _ = write!(
                    path,
                    "M{left:.1} {top:.1}h{width:.1}v{height:.1}h-{width:.1}z"
                );
            }
        }
        let _ = writeln!(
            out,
            "<path class=\"loop\" d=\"{path}\" fill=\"#54aeff\" fill-opacity=\"0.13\"><title>loop {}</title></path>",
            name(flow, one.head)
        );
    }
}

fn write_line(line: &Line, kind: &str, text: &str, out: &mut String) {
    let colour = colour(kind);
    let dashes = if kind == "exception" {
        " stroke-dasharray=\"5 3\""
    } else {
        ""
    };
    let _ = writeln!(
        out,
        "<path class=\"edge {kind}\" d=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dashes}/>",
        rounded(&line.corners)
    );
    if let (true, Some((x, y))) = (line.arrives, line.corners.last()) {
        let _ = writeln!(
            out,
            "<path d=\"M{x:.1} {y:.1}l-4 -8h8z\" fill=\"{colour}\"/>"
        );
    }
    if let (false, Some((x, y))) = (text.is_empty(), line.corners.first()) {
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{:.1}\" font-size=\"10\" fill=\"{colour}\">{}</text>",
            x + 4.0,
            y + 11.0,
            escaped(text)
        );
    }
}

/// A line through corners, these made round.
fn rounded(corners: &[Point]) -> String {
    let mut path = String::new();
    for (at, corner) in corners.iter().enumerate() {
        let near = |other: Point| {
            let (dx, dy) = (other.0 - corner.0, other.1 - corner.1);
            let length = dx.hypot(dy).max(0.01);
            let part = (length / 2.0).min(5.0) / length;
            (corner.0 + dx * part, corner.1 + dy * part)
        };
        let (x, y) = *corner;
        let before = at.checked_sub(1).map(|before| near(corners[before]));
        let after = corners.get(at + 1).map(|after| near(*after));
        let _ = match (before, after) {
            (None, _) => write!(path, "M{x:.1} {y:.1}"),
            (Some(_), None) => write!(path, "L{x:.1} {y:.1}"),
            (Some(before), Some(after)) => write!(
                path,
                "L{:.1} {:.1}Q{x:.1} {y:.1} {:.1} {:.1}",
                before.0, before.1, after.0, after.1
            ),
        };
    }
    path
}

fn write_pill(place: Point, node: &Node, text: &str, class: &str, out: &mut String) {
    let (x, y) = place;
    let (width, height) = (node.width, node.height);
    let _ = writeln!(
        out,
        "<g class=\"{class}\"><rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"13\" fill=\"#1f2328\"/>\
         <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\" fill=\"white\" font-weight=\"bold\">{}</text></g>",
        x + width / 2.0,
        y + 17.0,
        escaped(text)
    );
}

fn write_box(
    flow: &Flow,
    block: &Block,
    texts: &[Text],
    place: Point,
    node: &Node,
    out: &mut String,
) {
    let (x, y) = place;
    let (width, height) = (node.width, node.height);
    let tip: Vec<_> = block.instructions.iter().map(instruction).collect();
    let _ = writeln!(
        out,
        "<g class=\"block\" id=\"B{}\"><title>{}</title>\n\
         <rect class=\"box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"3\" fill=\"white\" stroke=\"#57606a\"/>\n\
         <path d=\"M{:.1} {:.1}h{:.1}\" stroke=\"#d0d7de\"/>",
        block.index,
        escaped(&tip.join("\n")),
        x + 0.5,
        y + LINE + 2.0,
        width - 1.0,
    );
    let header = header(flow, block);
    let (bold, rest) = header.split_at(name(flow, block.index).len());
    let left = x + PADDING;
    let _ = writeln!(
        out,
        "<text x=\"{left:.1}\" y=\"{:.1}\" xml:space=\"preserve\" fill=\"#57606a\"><tspan font-weight=\"bold\" fill=\"#1f2328\">{}</tspan>{}</text>",
        y + 13.0,
        escaped(bold),
        escaped(rest)
    );
    for (at, text) in texts.iter().enumerate() {
        let part = |from: usize, to: usize| {
            let part: String = text
                .text
                .chars()
                .skip(from)
                .take(to.saturating_sub(from))
                .collect();
            escaped(&part)
        };
        let (from, to) = text.meant;
        let number = text
            .line
            .map(|line| format!("{line:>4} "))
            .unwrap_or_default();
        let _ = writeln!(
            out,
            "<text x=\"{left:.1}\" y=\"{:.1}\" xml:space=\"preserve\" fill=\"#a0a8b0\">{number}{}<tspan fill=\"#1f2328\">{}</tspan>{}</text>",
            y + LINE * (at + 2) as f64 - 1.0,
            part(0, from),
            part(from, to),
            part(to, usize::MAX),
        );
    }
    out.push_str("</g>\n");
}

/// What the colours mean, and how wide that is.
fn legend(flow: &Flow, drawn: &[&Edge]) -> (String, f64) {
    let (mut out, mut x) = (String::new(), 0.0);
    let say = |text: &str, line: Option<&str>, out: &mut String, x: &mut f64| {
        if let Some(kind) = line {
            let dashes = if kind == "exception" {
                " stroke-dasharray=\"5 3\""
            } else {
                ""
            };
            let colour = colour(kind);
            let _ = write!(
                out,
                "<path d=\"M{x:.1} -3h18\" stroke=\"{colour}\" stroke-width=\"2\"{dashes}/>"
            );
            *x += 22.0;
        }
        let _ = write!(out, "<text x=\"{x:.1}\">{}</text>", escaped(text));
        *x += cells(text) as f64 * SMALL + 16.0;
    };
    for kind in EdgeKind::NAMES
        .iter()
        .filter(|kind| drawn.iter().any(|edge| edge.kind == **kind))
    {
        say(kind, Some(kind), &mut out, &mut x);
    }
    if flow.edges.iter().any(|edge| is_noted(flow, edge)) {
        say(
            "may raise: an exception leaves from there",
            None,
            &mut out,
            &mut x,
        );
    }
    if !flow.loops.is_empty() {
        say("blue: loop", None, &mut out, &mut x);
    }
    (out, x)
}

/// How many letters wide a text is; East Asian ones are wider.
fn cells(text: &str) -> usize {
    text.chars()
        .map(|c| {
            if c < '\u{1100}' || ('\u{2000}'..'\u{2e80}').contains(&c) {
                1
            } else {
                2
            }
        })
        .sum()
}

/// Text for XML, which has no control characters at all.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\n' => out.push('\n'),
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
