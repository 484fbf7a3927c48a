//! What a selection that matches nothing may have meant.

use std::collections::BTreeSet;

use super::grammar::{Node, Text};
use super::{Selection, Subject, texts};
use crate::declaration::{DeclId, Kind};
use crate::snippet::steps;

/// Names of a program that selections can speak of.
#[derive(Clone, Debug, Default)]
pub struct Names {
    modules: BTreeSet<String>,
    /// `module:qualname`
    declarations: BTreeSet<String>,
    decorators: BTreeSet<String>,
    bases: BTreeSet<String>,
    calls: BTreeSet<String>,
    names: BTreeSet<String>,
    parameters: BTreeSet<String>,
}

impl Names {
    /// Adds those of a module; what is called only where a selection speaks of it.
    pub fn add(&mut self, subject: &Subject<'_, '_>, selections: &[&Selection]) {
        self.modules.insert(subject.module().to_owned());
        let calls = selections.iter().any(|selection| {
            super::any(selection.root(), &|node| {
                matches!(node, Node::Text(Text::Calls, _))
            })
        });
        for (index, one) in subject.declarations().list.iter().enumerate() {
            let id = DeclId(index as u32);
            if matches!(one.kind, Kind::Annotation | Kind::Comprehension) {
                continue;
            }
            self.declarations
                .insert(format!("{}:{}", subject.module(), subject.qualname(id)));
            let lists = [
                (Text::Decorated, &mut self.decorators),
                (Text::Bases, &mut self.bases),
                (Text::Name, &mut self.names),
                (Text::Parameter, &mut self.parameters),
            ];
            for (text, names) in lists {
                texts(text, subject, id, &mut |found| {
                    names.insert(found.to_owned());
                    false
                });
            }
            if calls {
                texts(Text::Calls, subject, id, &mut |found| {
                    self.calls.insert(found.to_owned());
                    false
                });
            }
        }
    }

    fn of<'n>(
        &'n self,
        node: &'n Node,
    ) -> Option<(&'static str, &'n str, Vec<&'n BTreeSet<String>>)> {
        match node {
            Node::Is(pattern) | Node::In(pattern) if pattern.has_qualname() => {
                Some(("", &pattern.text, vec![&self.declarations]))
            }
            // What has no `:` may have been meant as a qualname.
            Node::Is(pattern) | Node::In(pattern) => {
                Some(("", &pattern.text, vec![&self.modules, &self.declarations]))
            }
            Node::Text(text, pattern) => {
                let (key, names) = match text {
                    Text::Decorated => ("decorated = ", &self.decorators),
                    Text::Bases => ("bases = ", &self.bases),
                    Text::Calls => ("calls = ", &self.calls),
                    Text::Name => ("name = ", &self.names),
                    Text::Parameter => ("parameter = ", &self.parameters),
                    Text::File => return None,
                };
                Some((key, &pattern.text, vec![names]))
            }
            _ => None,
        }
    }
}

/// Most near misses of one selection.
const SHOWN: usize = 3;

/// Names close to those of a selection, as the selection would be written; the closest first. Patterns
/// that match something have none.
pub fn near_misses(selection: &Selection, names: &Names) -> Vec<String> {
    let mut leaves = Vec::new();
    collect(selection.root(), &mut leaves);
    let mut found: Vec<(usize, String)> = Vec::new();
    for leaf in leaves {
        let Some((key, wanted, lists)) = names.of(leaf) else {
            continue;
        };
        for name in lists.into_iter().flatten() {
            let close = || Some((distance(wanted, name)?, name.clone()));
            if let Some((distance, meant)) = with_parts_of(wanted, name).or_else(close) {
                found.push((distance, format!("{key}{meant}")));
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.1 == b.1);
    found
        .into_iter()
        .map(|(_, name)| name)
        .take(SHOWN)
        .collect()
}

/// Those of some dotted names that are close to one, the closest first; or else those whose last part is.
pub fn near_names(wanted: &str, names: &BTreeSet<String>) -> Vec<String> {
    let last = |name: &str| name.rsplit('.').next().unwrap_or_default().to_owned();
    let far = |name: &String| {
        let ends = || Some(distance(&last(wanted), &last(name))? + wanted.len());
        let distance = distance(wanted, name).or_else(ends)?;
        Some((distance, name.clone()))
    };
    let mut found: Vec<_> = names.iter().filter_map(far).collect();
    found.sort();
    let found = found.into_iter().map(|(_, name)| name);
    found.take(SHOWN).collect()
}

fn collect<'n>(node: &'n Node, out: &mut Vec<&'n Node>) {
    match node {
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().for_each(|node| collect(node, out)),
        Node::Not(_) => {}
        leaf => out.push(leaf),
    }
}

/// A pattern whose plain parts, those before or behind the first wildcard, are nearly those of a name: with the name's instead.
fn with_parts_of(wanted: &str, name: &str) -> Option<(usize, String)> {
    let is_wild = |part: &str| part.contains(['*', '?', '[', '{']);
    let parts: Vec<&str> = wanted.split_inclusive(['.', ':']).collect();
    let first = parts.iter().position(|part| is_wild(part))?;
    let near = |wanted: &str, name: &str| {
        let bare = wanted.trim_end_matches(['.', ':']);
        let meant = name.trim_end_matches(['.', ':']);
        let fits = bare != meant && (name.ends_with(':') || !wanted.ends_with(':'));
        let (low, other) = (bare.to_lowercase(), meant.to_lowercase());
        let far = steps(&low, &other, 2 + bare.len() / 4).filter(|_| fits)?;
        Some((far, meant.to_owned() + &wanted[bare.len()..]))
    };
    let of_name: Vec<&str> = name.split_inclusive(['.', ':']).collect();
    if first > 0 {
        let (before, behind) = (parts[..first].concat(), parts[first..].concat());
        let meant = of_name.get(..first)?.concat();
        let (far, meant) = near(&before, &meant)?;
        return Some((far, meant + &behind));
    }
    let last = parts.iter().rposition(|part| is_wild(part))? + 1;
    let (before, behind) = (parts[..last].concat(), parts[last..].concat());
    let taken = of_name.len().checked_sub(parts.len() - last)?;
    let (far, meant) = near(&behind, &of_name[taken..].concat())?;
    Some((far, before + &meant))
}

/// How far a name is from what was written, if that is not too far; letters alone count, not their case. A name
/// whose last part is the same is near.
fn distance(wanted: &str, name: &str) -> Option<usize> {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    let plain: String = wanted.chars().filter(|c| !"*?[]{}".contains(*c)).collect();
    let last = |text: &str| {
        text.rsplit(['.', ':'])
            .next()
            .unwrap_or_default()
            .to_owned()
    };
    let steps = steps(&plain, &name, 2 + plain.len() / 4);
    let same_end = !last(&plain).is_empty() && last(&plain) == last(&name);
    steps.or(same_end.then_some(4 + plain.len() / 4))
}
