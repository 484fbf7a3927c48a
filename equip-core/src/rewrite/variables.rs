//! What: how snippets reach variables: those of their host, and private ones of their own.

use super::private::{Private, UNSETTLED};
use super::splice::SiteState;
use super::splicer::Splicer;
use super::state::Kept;
use super::taken::Holds;
use super::{Probe, Scope};
use crate::body::{Arg, Instr, Slot};
use crate::code::kinds;
use crate::isa::{ClassDeref, Opcode};
use crate::snippet::{self, HIDDEN};

/// How the host keeps a variable.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Variable {
    /// A slot; whether it is certainly bound at the site.
    Fast(u32, bool),
    /// A cell in a slot.
    Deref(u32),
    /// A cell that the class namespace may shadow.
    ClassDeref(u32),
    /// In the namespace of a class or module.
    Name,
    /// Global or builtin.
    Global,
}

impl<'s, 'a, 'h> Splicer<'s, 'a, 'h> {
    pub(super) fn variable(&self, name: &str, site: &SiteState) -> Variable {
        if let Some(n) = snippet::arg_of(name) {
            let slot = self.host.parameters[n as usize].slot;
            return self.slot_variable(slot, site);
        }
        let named = self.body.locals[..self.decoded].iter().position(|slot| {
            self.objects.str_bytes(slot.name) == Some(name.as_bytes())
                && (self.host.scope == Scope::Function || slot.kind & kinds::FREE != 0)
        });
        match (named, self.host.scope) {
            (Some(slot), Scope::Function) => self.slot_variable(slot as u32, site),
            (Some(slot), Scope::Class) => Variable::ClassDeref(slot as u32),
            (_, Scope::Function) => Variable::Global,
            (_, Scope::Class | Scope::Module) => Variable::Name,
        }
    }

    fn slot_variable(&self, slot: u32, site: &SiteState) -> Variable {
        let kind = self.body.locals[slot as usize].kind;
        if kind & kinds::FREE != 0 {
            return Variable::Deref(slot);
        }
        let mut parameters = self.host.parameters.iter();
        let is_parameter = parameters.any(|parameter| parameter.slot == slot);
        match site.at.map_or(Holds::Own, |at| self.taken.holds(slot, at)) {
            Holds::TakenCell => return Variable::Deref(slot),
            Holds::Taken => return Variable::Fast(slot, false),
            // The name is the comprehension's; outside of it, it means what it means to the function.
            Holds::Own | Holds::Unclear if self.taken.is_only_taken(slot) && !is_parameter => {
                return Variable::Global;
            }
            Holds::Unclear => return Variable::Fast(slot, false),
            Holds::Own => {}
        }
        if kind & kinds::CELL != 0 {
            return Variable::Deref(slot);
        }
        let touches = |instr: &Instr| match instr.opcode {
            Opcode::DELETE_FAST | Opcode::LOAD_FAST_AND_CLEAR => instr.arg == Arg::Local(slot),
            _ => false,
        };
        let certain = is_parameter && (site.starts || !self.old.iter().any(touches));
        Variable::Fast(slot, certain)
    }

    /// Whether a parameter may be unbound here, so that reading it could raise.
    pub(super) fn may_be_unbound(&self, variable: Variable, site: &SiteState) -> bool {
        match variable {
            Variable::Fast(_, certain) => !certain,
            Variable::Deref(slot) => {
                let deletes = |instr: &Instr| {
                    instr.opcode == Opcode::DELETE_DEREF && instr.arg == Arg::Local(slot)
                };
                !site.starts && (self.host.nested_deletes || self.old.iter().any(deletes))
            }
            _ => false,
        }
    }

    /// Whether reading a variable of the frame may find none. Cells are assigned by who knows whom.
    pub(super) fn could_raise(&self, variable: Variable, site: &SiteState) -> bool {
        match variable {
            Variable::Fast(_, certain) => !certain,
            Variable::Deref(slot) => {
                let mut parameters = self.host.parameters.iter();
                !site.starts || !parameters.any(|parameter| parameter.slot == slot)
            }
            Variable::ClassDeref(_) => true,
            Variable::Name | Variable::Global => false,
        }
    }

    pub(super) fn read(&mut self, variable: Variable, name: &str, site: &SiteState) {
        let checked = match self.body.isa.load_fast_checks {
            true => Opcode::LOAD_FAST,
            false => Opcode::LOAD_FAST_CHECK,
        };
        match variable {
            Variable::Fast(slot, true) => self.push(Opcode::LOAD_FAST, Arg::Local(slot), site),
            Variable::Fast(slot, false) => self.push(checked, Arg::Local(slot), site),
            Variable::Deref(slot) => self.push(Opcode::LOAD_DEREF, Arg::Local(slot), site),
            Variable::ClassDeref(slot) => match self.body.isa.class_deref {
                ClassDeref::Classderef => {
                    self.push(Opcode::LOAD_CLASSDEREF, Arg::Local(slot), site)
                }
                ClassDeref::FromDict => {
                    self.push(Opcode::LOAD_LOCALS, Arg::None, site);
                    self.push(Opcode::LOAD_FROM_DICT_OR_DEREF, Arg::Local(slot), site);
                }
            },
            Variable::Name => {
                let name = self.name(name);
                self.push(Opcode::LOAD_NAME, Arg::Name(name, 0), site);
            }
            Variable::Global => {
                let name = self.name(name);
                self.push(Opcode::LOAD_GLOBAL, Arg::Name(name, 0), site);
            }
        }
    }

    pub(super) fn write(&mut self, variable: Variable, name: &str, site: &SiteState) {
        match variable {
            Variable::Fast(slot, _) => self.push(Opcode::STORE_FAST, Arg::Local(slot), site),
            Variable::Deref(slot) | Variable::ClassDeref(slot) => {
                self.push(Opcode::STORE_DEREF, Arg::Local(slot), site);
            }
            Variable::Name => {
                let name = self.name(name);
                self.push(Opcode::STORE_NAME, Arg::Name(name, 0), site);
            }
            Variable::Global => {
                let name = self.name(name);
                self.push(Opcode::STORE_GLOBAL, Arg::Name(name, 0), site);
            }
        }
    }

    // ---- names, constants, slots that are added --------------------------------------------

    /// A private name, which will be on the stack if it can.
    pub(super) fn private_slot(&mut self, plugin: &str, name: &str) -> u32 {
        self.private(plugin, name, kinds::LOCAL, None)
    }

    /// A private name whose slot holds a cell: CPython tells by the kind how to show it.
    pub(super) fn private_cell(&mut self, plugin: &str, name: &str) -> u32 {
        self.private(plugin, name, kinds::LOCAL | kinds::CELL, None)
    }

    /// A private name of a snippet's own scope.
    pub(super) fn private_name(&mut self, probe: &Probe<'_>, name: &str) -> u32 {
        let kept = self.state.kept(probe.layer, name);
        self.private(probe.plugin, name, kinds::LOCAL, kept)
    }

    /// Names of slots cannot be written in any source.
    pub(super) fn private(
        &mut self,
        plugin: &str,
        name: &str,
        kind: u8,
        kept: Option<Kept>,
    ) -> u32 {
        let name = format!("{HIDDEN}{plugin}.{name}");
        let mut privates = self.privates.iter();
        let known = privates.position(|known| known.name == name && known.kind == kind);
        let index = known.unwrap_or_else(|| {
            self.privates.push(Private { name, kind, kept });
            self.privates.len() - 1
        });
        UNSETTLED + index as u32
    }

    /// The slot of a private name that needs one.
    pub(super) fn slot_of(&mut self, private: usize) -> u32 {
        let Private { name, kind, .. } = &self.privates[private];
        let (mut name, kind) = (name.clone(), *kind);
        let known = self.slots.get(&name).copied();
        if let Some(slot) = known.filter(|slot| self.body.locals[*slot as usize].kind == kind) {
            return slot;
        }
        // The other kind, if another snippet of the plugin has that.
        if known.is_some() {
            name.push('\'');
        }
        if let Some(slot) = self.slots.get(&name) {
            return *slot;
        }
        let id = match self.interner.names.get(&name) {
            Some(id) => *id,
            None => {
                let id = self.objects.push_str(&name, true);
                self.interner.names.insert(name.clone(), id);
                id
            }
        };
        self.body.locals.push(Slot { name: id, kind });
        let slot = self.body.locals.len() as u32 - 1;
        self.slots.insert(name, slot);
        slot
    }

    pub(super) fn clear(&mut self, slot: u32, bound: bool, site: &SiteState) {
        if !bound {
            let none = self.none();
            self.push(Opcode::LOAD_CONST, Arg::Const(none), site);
            self.push(Opcode::STORE_FAST, Arg::Local(slot), site);
        }
        self.push(Opcode::DELETE_FAST, Arg::Local(slot), site);
    }
}
