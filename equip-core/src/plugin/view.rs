//! What plugins are shown of a module; worked out when one asks, and once for all of them.

use std::cell::{OnceCell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};

use abi_stable::std_types::{RSlice, RStr, RString, RVec};

use equip_plugin_api::abi::{
    self, Block, Call, FlowEdge, Import, ImportedName, Instr, LocalTypes, Loop, Parameter, RawView,
    Use,
};
use equip_plugin_api::view::Arrives;

use super::FAILED;
use crate::analysis::{self, CallSite, Cfg, Exceptions};
use crate::body::{self, Arg, Body};
use crate::code::CodeObject;
use crate::declaration::{Declaration, Declarations, Kind, ParameterKind};
use crate::facts::Data;
use crate::listing;
use crate::pyc::PycFile;
use crate::rewrite;

/// One module as plugins are shown it.
pub struct HostModule<'a> {
    pub(super) declarations: &'a Declarations<'a>,
    name: &'a str,
    file_path: String,
    keys: OnceCell<Vec<String>>,
    facts: Vec<Facts>,
    pyc: &'a PycFile<'a>,
}

/// What is worked out about a declaration once, for all plugins that ask.
#[derive(Clone, Default)]
struct Facts {
    body: OnceCell<Result<Body, String>>,
    lines: OnceCell<Vec<u32>>,
    instructions: OnceCell<Vec<Instr>>,
    /// Without and with exceptions.
    flows: [OnceCell<Flow>; 2],
    data: OnceCell<Result<Data, String>>,
    calls: OnceCell<Vec<CallSite>>,
}

#[derive(Clone, Default)]
struct Flow {
    blocks: Vec<Block>,
    edges: Vec<FlowEdge>,
    loops: Vec<Loop>,
}

impl<'a> HostModule<'a> {
    /// Prepares a module; facts are computed when a plugin asks.
    pub fn new(pyc: &'a PycFile<'a>, declarations: &'a Declarations<'a>, name: &'a str) -> Self {
        let file_path = pyc
            .objects
            .str(pyc.module().filename)
            .unwrap_or_default()
            .into_owned();
        HostModule {
            declarations,
            name,
            file_path,
            keys: OnceCell::new(),
            facts: vec![Facts::default(); declarations.list.len()],
            pyc,
        }
    }
}

pub(super) struct View<'v> {
    host: &'v HostModule<'v>,
    declaration: &'v Declaration<'v>,
    parameters: OnceCell<Vec<Parameter<'v>>>,
    imports: OnceCell<Vec<Import<'v>>>,
    /// Why a question could not be answered.
    pub(super) failure: RefCell<Option<String>>,
}

impl<'v> View<'v> {
    pub(super) fn new(host: &'v HostModule<'v>, declaration: &'v Declaration<'v>) -> Self {
        View {
            host,
            declaration,
            parameters: OnceCell::new(),
            imports: OnceCell::new(),
            failure: RefCell::new(None),
        }
    }

    fn facts(&self) -> &'v Facts {
        &self.host.facts[self.declaration.id.0 as usize]
    }

    fn body(&self) -> Result<&'v Body, String> {
        let found = self.facts().body.get_or_init(|| {
            let code = self.code()?;
            let body = body::decode(self.host.pyc.isa, &self.host.pyc.objects, code);
            body.map_err(|error| error.to_string())
        });
        found.as_ref().map_err(Clone::clone)
    }

    fn code(&self) -> Result<&'v CodeObject, String> {
        let code = self.host.pyc.objects.code(self.declaration.code);
        code.ok_or_else(|| "a declaration without a code object".to_owned())
    }

    fn flow(&self, exceptions: bool) -> Result<&'v Flow, String> {
        let kind = match exceptions {
            true => Exceptions::Followed,
            false => Exceptions::Ignored,
        };
        let body = self.body()?;
        let cell = &self.facts().flows[usize::from(exceptions)];
        Ok(cell.get_or_init(|| flow(body, kind)))
    }

    fn data(&self) -> Result<&'v Data, String> {
        let (body, code) = (self.body()?, self.code()?);
        let found = &self.facts().data;
        let found = found.get_or_init(|| Data::of(body, &self.host.pyc.objects, code));
        found.as_ref().map_err(Clone::clone)
    }

    /// An answer; nothing if there is none, which then fails the visit. A panic of the host would end
    /// the process at the boundary.
    fn answer<T: Default>(&self, answer: impl FnOnce() -> Result<T, String>) -> T {
        let result = catch_unwind(AssertUnwindSafe(answer));
        let result = result.unwrap_or_else(|_| Err(FAILED.to_owned()));
        result.unwrap_or_else(|message| {
            self.failure.borrow_mut().get_or_insert(message);
            T::default()
        })
    }
}

fn instructions(body: &Body) -> Vec<Instr> {
    let arrivals = rewrite::arrivals(body);
    let all = body.instrs.iter().enumerate().map(|(index, instr)| {
        let arg = match instr.arg {
            Arg::None => 0,
            Arg::Int(value) | Arg::Const(value) | Arg::Local(value) | Arg::Name(value, _) => value,
            Arg::Locals(one, other) => one << 4 | other,
            Arg::Jump(label) => body.at(label) as u32,
        };
        let flags = [
            (
                analysis::cfg::can_raise(body.isa, instr.opcode),
                abi::instr::CAN_RAISE,
            ),
            (
                rewrite::is_conditional(body, index),
                abi::instr::CONDITIONAL,
            ),
            (rewrite::takes_code(body, index), abi::instr::TAKES_CODE),
            (arrivals[index] == Arrives::Always, abi::instr::ARRIVES),
            (
                arrivals[index] == Arrives::Sometimes,
                abi::instr::MAY_ARRIVE,
            ),
        ];
        let flags = flags.into_iter().filter(|(holds, _)| *holds);
        Instr::new(
            instr.opcode.0,
            flags.fold(0, |all, (_, flag)| all | flag),
            arg,
            instr.location.line.max(0) as u32,
            index as u32,
        )
    });
    all.collect()
}

fn flow(body: &Body, exceptions: Exceptions) -> Flow {
    let cfg = Cfg::of(body, exceptions);
    let dominators = analysis::dominators(&cfg.graph, cfg.entry);
    let post_dominators = analysis::post_dominators(&cfg.graph, cfg.exit);
    let loops = analysis::loops(&cfg.graph, &dominators);
    let plus_one = |number: Option<usize>| number.map_or(0, |number| number as u32 + 1);
    let blocks = cfg.graph.node_indices().map(|node| {
        let block = cfg.block(node);
        let last = block.last().map(|last| &body.instrs[last]);
        Block {
            start: block.start,
            end: block.end,
            dominator: plus_one(dominators.immediate(node).map(|node| node.index())),
            post_dominator: plus_one(post_dominators.immediate(node).map(|node| node.index())),
            innermost: plus_one(loops.innermost(node).map(|id| id.0 as usize)),
            handled: last.is_some_and(|last| body.handler(last).is_some()),
            walked: dominators.walked(node).into(),
        }
    });
    let edges = cfg.graph.node_indices().flat_map(|node| {
        cfg.edges_out(node)
            .into_iter()
            .map(move |(_, to, edge)| FlowEdge {
                from: node.index() as u32,
                to: to.index() as u32,
                kind: edge.kind.number(),
                back: edge.is_back,
                reserved: 0,
            })
    });
    let all_loops = loops.loops.iter().map(|one| Loop {
        head: one.head.index() as u32,
        parent: plus_one(one.parent.map(|id| id.0 as usize)),
        depth: one.depth,
        reserved: 0,
    });
    Flow {
        blocks: blocks.collect(),
        edges: edges.collect(),
        loops: all_loops.collect(),
    }
}

impl RawView for View<'_> {
    fn kind(&self) -> u8 {
        use equip_plugin_api::view::Kind as Shown;
        abi::kind_number(match self.declaration.kind {
            Kind::Module => Shown::Module,
            Kind::Class => Shown::Class,
            Kind::Function => Shown::Function,
            Kind::Lambda => Shown::Lambda,
            Kind::Comprehension => Shown::Comprehension,
            Kind::Annotation => Shown::Annotation,
        })
    }

    fn index(&self) -> u32 {
        self.declaration.id.0
    }

    fn parent(&self) -> u32 {
        self.declaration.parent.map_or(0, |id| id.0 + 1)
    }

    fn first_line(&self) -> u32 {
        self.declaration.first_line
    }

    fn end_line(&self) -> u32 {
        self.declaration.end_line
    }

    fn flags(&self) -> u32 {
        self.declaration.flags
    }

    fn declarations(&self) -> u32 {
        self.host.declarations.list.len() as u32
    }

    fn runtime_is_unseen(&self) -> bool {
        self.host.pyc.isa.unseen_without_resume
    }

    fn name(&self) -> RStr<'_> {
        self.declaration.name.as_ref().into()
    }

    fn qualname(&self) -> RStr<'_> {
        self.declaration.qualname.as_ref().into()
    }

    fn key(&self) -> RStr<'_> {
        let key = self.answer(|| {
            let keys = self.host.keys.get_or_init(|| self.host.declarations.keys());
            Ok(keys[self.declaration.id.0 as usize].as_str())
        });
        key.into()
    }

    fn module_name(&self) -> RStr<'_> {
        self.host.name.into()
    }

    fn file_path(&self) -> RStr<'_> {
        self.host.file_path.as_str().into()
    }

    fn class_name(&self) -> RStr<'_> {
        let class = self
            .declaration
            .class
            .map(|id| self.host.declarations.list[id.0 as usize].name.as_ref());
        class.unwrap_or_default().into()
    }

    fn parameters(&self) -> RSlice<'_, Parameter<'_>> {
        let parameters = self.parameters.get_or_init(|| {
            let all = self
                .declaration
                .parameters
                .iter()
                .map(|parameter| Parameter {
                    name: parameter.name.as_ref().into(),
                    kind: match parameter.kind {
                        ParameterKind::PositionalOnly => 0,
                        ParameterKind::Positional => 1,
                        ParameterKind::VarPositional => 2,
                        ParameterKind::KeywordOnly => 3,
                        ParameterKind::VarKeyword => 4,
                    },
                });
            all.collect()
        });
        parameters.as_slice().into()
    }

    fn bases(&self) -> RVec<RStr<'_>> {
        self.declaration
            .bases
            .iter()
            .map(|base| base.as_str().into())
            .collect()
    }

    fn decorators(&self) -> RVec<RStr<'_>> {
        self.declaration
            .decorators
            .iter()
            .map(|name| name.as_str().into())
            .collect()
    }

    fn imports(&self) -> RSlice<'_, Import<'_>> {
        let imports = self.imports.get_or_init(|| {
            let all = self.host.declarations.imports.iter().map(|import| Import {
                module: import.module.as_str().into(),
                alias: import.alias.as_deref().unwrap_or_default().into(),
                names: import
                    .names
                    .iter()
                    .map(|(name, alias)| ImportedName {
                        name: name.as_str().into(),
                        alias: alias.as_deref().unwrap_or_default().into(),
                    })
                    .collect(),
                line: import.line,
                level: import.level,
                star: import.star,
            });
            all.collect()
        });
        imports.as_slice().into()
    }

    fn lines(&self) -> RSlice<'_, u32> {
        let all = self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().lines);
            Ok(cell.get_or_init(|| rewrite::lines(body)).as_slice())
        });
        all.into()
    }

    fn instructions(&self) -> RSlice<'_, Instr> {
        let all = self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().instructions);
            Ok(cell.get_or_init(|| instructions(body)).as_slice())
        });
        all.into()
    }

    fn blocks(&self, exceptions: bool) -> RSlice<'_, Block> {
        self.answer(|| Ok(self.flow(exceptions)?.blocks.as_slice()))
            .into()
    }

    fn edges(&self, exceptions: bool) -> RSlice<'_, FlowEdge> {
        self.answer(|| Ok(self.flow(exceptions)?.edges.as_slice()))
            .into()
    }

    fn loops(&self, exceptions: bool) -> RSlice<'_, Loop> {
        self.answer(|| Ok(self.flow(exceptions)?.loops.as_slice()))
            .into()
    }

    fn live(&self, instr: u32) -> RVec<RStr<'_>> {
        self.answer(|| Ok(self.data()?.live(instr as usize).map(RStr::from).collect()))
    }

    fn uses(&self, instr: u32) -> RVec<Use<'_>> {
        self.answer(|| {
            let uses = self.data()?.uses(instr as usize).iter();
            let uses = uses.map(|(variable, definitions)| Use {
                variable: variable.as_str().into(),
                definitions: definitions.clone().into(),
            });
            Ok(uses.collect())
        })
    }

    fn local_types(&self, instr: u32) -> RVec<LocalTypes<'_>> {
        self.answer(|| {
            let types = self.data()?.types(instr as usize);
            let types = types.map(|(name, types)| LocalTypes {
                name: name.into(),
                types,
            });
            Ok(types.collect())
        })
    }

    fn condition(&self, instr: u32) -> RStr<'_> {
        self.answer(|| Ok(self.data()?.condition(instr as usize).unwrap_or_default()))
            .into()
    }

    fn calls(&self) -> RVec<Call<'_>> {
        self.answer(|| {
            let (body, cell) = (self.body()?, &self.facts().calls);
            let calls = cell.get_or_init(|| analysis::call_sites(body, &self.host.pyc.objects));
            let calls = calls.iter().map(|call| Call {
                name: call.name.as_str().into(),
                instruction: call.at as u32,
                line: body.instrs[call.at].location.line.max(0) as u32,
            });
            Ok(calls.collect())
        })
    }

    fn operand(&self, instr: u32) -> RString {
        let text = self.answer(|| {
            let body = self.body()?;
            let instr = body.instrs.get(instr as usize);
            let instr = instr.ok_or("no such instruction")?;
            let label = |at: u32| at.to_string();
            Ok(listing::operand(
                body,
                &self.host.pyc.objects,
                instr,
                &label,
            ))
        });
        text.into()
    }
}
