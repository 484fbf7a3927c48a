//! How data flows through a code object, as plugins are shown it: for each instruction, worked out at once.

use std::collections::BTreeMap;

use fixedbitset::FixedBitSet;

use crate::analysis::{
    Cfg, Exceptions, Expressions, Liveness, ReachingDefinitions, Types, Variable,
};
use crate::body::Body;
use crate::code::CodeObject;
use crate::marshal::{ObjectId, Objects};

/// What is known of each instruction that control can reach.
#[derive(Clone, Default)]
pub struct Data {
    variables: Vec<String>,
    locals: Vec<String>,
    live: Vec<FixedBitSet>,
    /// Of each read its variable, and the instructions that define it, plus 1; 0 for the entry.
    uses: BTreeMap<usize, Vec<(String, Vec<u32>)>>,
    /// Of each slot, the bits of its types.
    types: Vec<Vec<u32>>,
    conditions: BTreeMap<usize, String>,
}

impl Data {
    /// Of a body and the code object that it was decoded from.
    ///
    /// # Errors
    /// It is no sound code.
    pub fn of(body: &Body, objects: &Objects<'_>, code: &CodeObject) -> Result<Data, String> {
        let text = |id: ObjectId| {
            objects
                .str(id)
                .map(|text| text.into_owned())
                .unwrap_or_default()
        };
        let locals: Vec<String> = body.locals.iter().map(|slot| text(slot.name)).collect();
        let name = |variable: Variable| match variable {
            Variable::Slot(slot) => locals[slot as usize].clone(),
            Variable::Name(name) => text(body.names[name as usize]),
        };
        let cfg = Cfg::of(body, Exceptions::Followed);
        let count = body.instrs.len();
        let mut data = Data {
            live: vec![FixedBitSet::new(); count],
            types: vec![Vec::new(); count],
            ..Data::default()
        };

        let liveness = Liveness::of(body);
        let solution = liveness.solve(&cfg);
        let variables = liveness.variables();
        data.variables = variables.all().iter().map(|one| name(*one)).collect();
        for node in cfg.graph.node_indices() {
            solution.before_each(&liveness, body, &cfg, node, |at, live| {
                data.live[at] = live.clone();
            });
        }

        let definitions = ReachingDefinitions::of(body);
        for one in definitions.chains(&cfg).uses {
            let made = one.definitions.iter().map(|index| {
                let at = definitions.definitions[*index].at;
                at.map_or(0, |at| at as u32 + 1)
            });
            let used = (name(one.variable), made.collect());
            data.uses.entry(one.at).or_default().push(used);
        }

        let types = Types::of(body, objects, code).map_err(|error| error.to_string())?;
        let solution = types.solve(&cfg);
        for node in cfg.graph.node_indices() {
            solution.before_each(&types, body, &cfg, node, |at, values| {
                let slots = 0..locals.len() as u32;
                data.types[at] = slots.map(|slot| values.slot(slot).told().bits()).collect();
            });
        }

        let found = Expressions::of(body, objects, &cfg).map_err(|error| error.to_string())?;
        let conditions = found.conditions.into_iter();
        data.conditions = conditions
            .map(|(at, tree)| (at, tree.to_string()))
            .collect();
        data.locals = locals;
        Ok(data)
    }

    /// The variables that are live right before an instruction.
    pub fn live(&self, at: usize) -> impl Iterator<Item = &str> {
        let live = self.live.get(at).into_iter().flat_map(FixedBitSet::ones);
        live.map(|number| self.variables[number].as_str())
    }

    /// What an instruction reads, and the instructions that define it, plus 1; 0 for the entry.
    pub fn uses(&self, at: usize) -> &[(String, Vec<u32>)] {
        self.uses.get(&at).map_or(&[], Vec::as_slice)
    }

    /// Bits of the types that each local may have right before an instruction.
    pub fn types(&self, at: usize) -> impl Iterator<Item = (&str, u32)> {
        let types = self.types.get(at).into_iter().flatten();
        self.locals.iter().map(String::as_str).zip(types.copied())
    }

    /// What a conditional tests.
    pub fn condition(&self, at: usize) -> Option<&str> {
        self.conditions.get(&at).map(String::as_str)
    }
}
