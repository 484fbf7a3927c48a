//! Measures which lines and which branches of a program run.
//!
//! A probe is one store in a list of its module. Each process writes what was hit when it ends, with the
//! map from probes to lines and branches; `equip coverage` puts the files together, and reports.

use std::collections::BTreeSet;
use std::fmt::Write;

use equip_plugin_api::prelude::*;

mod counting;
mod placement;

use counting::count;
use placement::{Evidence, Fact, Placement, place};

options! {
    /// How much is kept.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Mode {
        /// Whether each line and branch was reached: with the fewest probes.
        Hits,
        /// How often: with counters off a spanning tree of the flow graph.
        Counts,
    }
}

options! {
    /// What a user can set. The runtime module reads `output`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Name of the folder of data files, below the folder in which the program was started; by
        /// default `equip-coverage`.
        pub output: Option<String>,
        /// How much is kept.
        pub mode: Mode,
        /// A probe at each line that may raise, instead of a handler around each function.
        pub no_handlers: bool,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct Coverage {
    settings: Settings,
    map: Map,
}

/// What a piece of code is.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// The body of a module or class.
    Body,
    /// Of a generator or coroutine: control may leave at a suspension for good.
    Suspends,
    /// Of any other function.
    Function,
}

/// What is known of a module so far.
#[derive(Clone, Debug, Default)]
struct Map {
    probes: usize,
    lines: String,
    branches: String,
    sums: String,
    /// For the runtime, of each function that notes exceptions: its place, and its lines.
    noting: Vec<Value>,
    /// Of each piece of code, the first number of its probes and that behind the last.
    counters: Vec<Value>,
}

const HIT: &str = "\
try:
    hits[{id}] = 1
except:
    pass";

/// What a probe in a loop does, once for each call.
fn hit_once(guard: usize) -> String {
    format!(
        "\
if seen{guard} is None:
    seen{guard} = 1
    try:
        hits[{{id}}] = 1
    except:
        pass"
    )
}

/// A slot's own attribute: up to CPython 3.13 about half the time that an item of a list takes. See docs/coverage.md.
const COUNT: &str = "\
try:
    hits.p{id} += 1
except:
    pass";

/// Calls nothing: where an exception says that there is no room for another call, there is none.
const HIT_RAISED: &str = "\
try:
    hits[{numbers}[{exception}.__traceback__.tb_lineno - {lowest}]] = 1
except:
    pass";

const COUNT_RAISED: &str = "\
try:
    hits.raised[{numbers}[{exception}.__traceback__.tb_lineno - {lowest}]] += 1
except:
    pass";

/// Where the exception may have been raised by another function, which a `raise` alone does not change.
const RAISED: &str = "\
try:
    left = {exception}.__traceback__
    if left is not None and left.tb_frame is frame() and left.tb_lineno in {lines}:
        hits[{first} + {lines}.index(left.tb_lineno)] = 1
except:
    pass";

impl Plugin for Coverage {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[
        SiteKind::Before,
        SiteKind::Line,
        SiteKind::Instruction,
        SiteKind::Branch,
        SiteKind::ModuleEnter,
        SiteKind::OnRaise,
    ];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_coverage.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        let (settings, map) = (options.parse()?, Map::default());
        Ok(Coverage { settings, map })
    }

    fn finish(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        self.module_body(module, edits)?;
        if self.map.probes > 0 {
            let map = std::mem::take(&mut self.map);
            let mode = match self.settings.mode {
                Mode::Hits => "hits",
                Mode::Counts => "counts",
            };
            let text = format!(
                "{{\"file\": {}, \"mode\": \"{mode}\", \"probes\": {}, \"lines\": [{}], \"branches\": [{}]{}}}",
                quoted(module.file_path()),
                map.probes,
                map.lines,
                map.branches,
                match self.settings.mode {
                    Mode::Hits => String::new(),
                    Mode::Counts => format!(", \"sums\": [{}]", map.sums),
                }
            );
            edits.import("from equip_coverage import register, frame")?;
            let counters = match self.settings.mode {
                Mode::Hits => Value::None,
                Mode::Counts => Value::Tuple(map.counters),
            };
            let hits = Snippet::new("register({file_path}, {map}, {probes}, {noting}, {counters})")
                .with("counters", counters)
                .with("map", text)
                .with("probes", map.probes)
                .with("noting", Value::Tuple(map.noting));
            edits.bind("hits", hits)?;
        }
        Ok(String::new())
    }
}

/// As JSON has it.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b'"' | b'\\')) => out.extend(['\\', byte as char]),
            Ok(byte @ 32..127) => out.push(byte as char),
            _ => {
                let _ = write!(out, "\\u{unit:04x}");
            }
        }
    }
    out.push('"');
    out
}

impl Coverage {
    fn hit(&self) -> &'static str {
        match self.settings.mode {
            Mode::Hits => HIT,
            Mode::Counts => COUNT,
        }
    }

    /// The module's own body, which is asked for last: its imports are known then.
    fn module_body(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        self.code(module, edits, Kind::Body)?;
        // What comes before the place where imports go has run by then.
        let future: BTreeSet<u32> = module
            .imports()
            .iter()
            .filter(|import| import.module() == "__future__")
            .map(Import::line)
            .collect();
        if !future.is_empty() {
            let id = self.map.probes;
            self.map.probes += 1;
            self.map
                .counters
                .push(vec![id.into(), (id + 1).into()].into());
            edits.module_enter_on(When::Always, Snippet::new(self.hit()).with("id", id))?;
            for line in future {
                push(&mut self.map.lines, &format!("{line}"), &[id]);
            }
        }
        Ok(())
    }

    fn code(&mut self, code: &Code<'_>, edits: &mut Edits<'_>, kind: Kind) -> Result {
        let first = code.first_line();
        let notes = kind == Kind::Function && !self.settings.no_handlers;
        let placement = match self.settings.mode {
            Mode::Hits => place(code, notes),
            Mode::Counts => count(code, notes && !raises_again(code)),
        };
        let Placement {
            probes,
            loops,
            raising,
            sums,
            facts,
        } = placement;
        let base = self.map.probes;
        let noted = base + probes.len();
        let summed = noted + raising.len();
        self.map.probes = summed + sums.len();
        if !probes.is_empty() {
            let ends = vec![base.into(), noted.into()];
            self.map.counters.push(ends.into());
        }
        let guards = match self.settings.mode {
            Mode::Hits if kind != Kind::Body => guarded(&loops),
            _ => Vec::new(),
        };
        for guard in 0..guards.len() {
            edits.before(Snippet::new(&format!("seen{guard} = None")))?;
        }
        for (number, site) in probes.into_iter().enumerate() {
            let guard = guards.iter().position(|guarded| *guarded == number);
            let once = guard.map(hit_once);
            let snippet = Snippet::new(once.as_deref().unwrap_or(self.hit()));
            edits.at(site, snippet.with("id", base + number))?;
        }
        if !raising.is_empty() {
            let lines = raising.iter().map(|line| Value::from(*line)).collect();
            let lines = Value::Tuple(lines);
            let raised = if raises_again(code) {
                let raised = Snippet::new(RAISED).with("first", noted);
                raised.with("lines", lines.clone())
            } else {
                let (lowest, numbers) = by_line(code, &raising, noted);
                let raised = Snippet::new(match self.settings.mode {
                    Mode::Hits => HIT_RAISED,
                    Mode::Counts => COUNT_RAISED,
                });
                raised.with("numbers", numbers).with("lowest", lowest)
            };
            edits.on_raise(raised)?;
            let function = vec![code.qualname().into(), first.into(), noted.into(), lines];
            self.map.noting.push(Value::Tuple(function));
        }
        let number = |evidence: &Evidence| match evidence {
            Evidence::Probe(number) => base + number,
            Evidence::Raised(line) => noted + raising.partition_point(|known| known < line),
            Evidence::Sum(number) => summed + number,
        };
        for (at, terms) in sums.iter().enumerate() {
            let terms = terms.iter().map(|(negative, evidence)| {
                let number = number(evidence) as i64;
                if *negative { !number } else { number }
            });
            let terms: Vec<i64> = terms.collect();
            push(&mut self.map.sums, &format!("{}", summed + at), &terms);
        }
        for (fact, evidence) in &facts {
            let numbers: Vec<_> = evidence.iter().map(number).collect();
            match fact {
                Fact::Line(line) => push(&mut self.map.lines, &format!("{line}"), &numbers),
                Fact::Branch(line, to) => push(
                    &mut self.map.branches,
                    &format!("{line}, {to}, {first}"),
                    &numbers,
                ),
            }
        }
        Ok(())
    }
}

/// Whether what leaves a function may be an exception that another one raised, which this one did not catch.
fn raises_again(code: &Code<'_>) -> bool {
    let mut all = code.instructions().iter();
    all.any(|instr| instr.opcode() == Opcode::RAISE_VARARGS && instr.arg() == 0)
}

/// The numbers of the lines where exceptions are noted, and the line with which they begin: that of no instruction
/// is lower, nor higher than the last. For all others the number is -1, where nobody looks: what a probe raises would be seen
/// by who traces.
fn by_line(code: &Code<'_>, raising: &[u32], first: usize) -> (u32, Value) {
    let lines = || code.instructions().iter().filter_map(Instr::line);
    let lowest = lines().min().unwrap_or(0);
    let highest = lines().max().unwrap_or(0);
    let number = |line| match raising.binary_search(&line) {
        Ok(number) => Value::from(first + number),
        Err(_) => Value::from(-1),
    };
    (
        lowest,
        Value::Tuple((lowest..=highest).map(number).collect()),
    )
}

/// Names of a call's state and what loops keep on the stack may be as many together, or the names would have to be in
/// slots, where `locals()` shows them.
const ROOM: usize = 7;

/// The probes that have a guard: those in the most loops.
fn guarded(loops: &[u32]) -> Vec<usize> {
    let mut found: Vec<usize> = (0..loops.len()).filter(|probe| loops[*probe] > 0).collect();
    found.sort_by_key(|probe| std::cmp::Reverse(loops[*probe]));
    let deepest = found.first().map_or(0, |probe| loops[*probe] as usize);
    found.truncate(ROOM.saturating_sub(deepest));
    found
}

fn push(list: &mut String, what: &str, numbers: &[impl std::fmt::Debug]) {
    if !list.is_empty() {
        list.push_str(", ");
    }
    let _ = write!(list, "[{what}, {numbers:?}]");
}

impl ClassVisitor for Coverage {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        self.code(class, edits, Kind::Body)
    }
}

impl MethodVisitor for Coverage {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        // A lambda's lines belong to the statement that holds it.
        if method.is_lambda() {
            return Ok(());
        }
        let suspends =
            method.is_generator() || method.is_coroutine() || method.is_async_generator();
        let kind = match suspends {
            true => Kind::Suspends,
            false => Kind::Function,
        };
        self.code(method, edits, kind)
    }
}

export_plugin!(Coverage: ClassVisitor + MethodVisitor, about = "measures which lines and branches run");
