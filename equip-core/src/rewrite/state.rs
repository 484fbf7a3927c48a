//! Private names that live from one site of a call to the next: what `before` assigns, `on_exit`
//! reads. They are at the bottom of the evaluation stack, so that each frame has its own, whatever
//! calls what, and nobody who looks at the frame's variables sees them. The verifier could not let
//! a snippet find such a name unbound; where it may be, a function keeps it in a slot, which CPython
//! checks. In other code, and where `before` may fail without a word, it is None then.

use std::sync::Arc;

use equip_plugin_api::edit::{OnError, Site, When};
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Place, Probe, Scope};
use crate::fragment::Fragment;

/// Where a name is kept during a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// On the stack, that many slots above its bottom.
    Stack(u32),
    /// In a slot of the frame.
    Slot,
}

/// The names that are kept, by layer.
#[derive(Clone, Debug, Default)]
pub(super) struct State {
    names: FxHashMap<(u32, String), Kept>,
    /// How many are on the stack.
    pub depth: u32,
}

impl State {
    /// The state of one function: names that some snippet of a layer assigns, and one of the same
    /// layer wants before it has assigned them itself.
    pub fn of(probes: &[Probe<'_>], fragments: &[Arc<Fragment>], scope: Scope) -> State {
        let mut state = State::default();
        let both = || probes.iter().zip(fragments).filter(|(p, _)| !p.binds);
        if both().all(|(_, fragment)| fragment.assigned.is_empty()) {
            return state;
        }
        for (probe, fragment) in both() {
            for name in &fragment.assigned {
                let key = (probe.layer, name.clone());
                if state.names.contains_key(&key) {
                    continue;
                }
                let mine = || both().filter(|(other, _)| other.layer == probe.layer);
                // What only this probe speaks of is state where it finds what it has left.
                let finds = |(other, fragment): (&Probe<'_>, &Arc<Fragment>)| {
                    let is_itself = std::ptr::eq(probe, other);
                    fragment.wanted.contains(name) && !(is_itself && runs_once(probe.place))
                };
                if !mine().any(finds) {
                    continue;
                }
                let assigns = |(probe, fragment): (&Probe<'_>, &Arc<Fragment>)| {
                    let first = is_first(probe.place);
                    // A snippet that may fail in silence may leave None as well.
                    let quiet = probe.on_error != OnError::Raise;
                    first && (fragment.binds(name) || quiet && fragment.assigned.contains(name))
                };
                let certain = mine().any(assigns)
                    && !mine().any(|(_, fragment)| fragment.deleted.contains(name));
                let kept = match certain || scope != Scope::Function {
                    true => {
                        state.depth += 1;
                        Kept::Stack(state.depth - 1)
                    }
                    false => Kept::Slot,
                };
                state.names.insert(key, kept);
            }
        }
        state
    }

    /// The same with some of the names on the stack in slots instead.
    pub fn without(&self, deep: &std::collections::BTreeSet<u32>) -> State {
        let below = |place: u32| deep.range(..place).count() as u32;
        let moved = self.names.iter().map(|(key, kept)| {
            let kept = match kept {
                Kept::Stack(place) if deep.contains(place) => Kept::Slot,
                Kept::Stack(place) => Kept::Stack(place - below(*place)),
                Kept::Slot => Kept::Slot,
            };
            (key.clone(), kept)
        });
        State {
            names: moved.collect(),
            depth: self.depth - deep.len() as u32,
        }
    }

    /// Where a name of a layer is kept, if it is.
    pub fn kept(&self, layer: u32, name: &str) -> Option<Kept> {
        if self.names.is_empty() {
            return None;
        }
        self.names.get(&(layer, name.to_owned())).copied()
    }
}

/// Whether nothing of a layer runs earlier in a call.
fn is_first(place: Place) -> bool {
    matches!(
        place,
        Place::At(Site::Before | Site::ModuleEnter(When::Always))
    )
}

/// Whether a site is reached no more than once in a call.
fn runs_once(place: Place) -> bool {
    is_first(place) || matches!(place, Place::At(Site::After | Site::OnRaise | Site::OnExit))
}

/// Layers that have code at a site, largest first.
pub(super) fn layers(probes: &[Probe<'_>], site: Site) -> Vec<u32> {
    let mut seen = FxHashSet::default();
    let mine = probes.iter().filter(|probe| probe.place == Place::At(site));
    let mut layers: Vec<u32> = mine
        .map(|probe| probe.layer)
        .filter(|layer| seen.insert(*layer))
        .collect();
    layers.sort_unstable_by(|a, b| b.cmp(a));
    layers
}
