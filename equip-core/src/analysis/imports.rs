//! Which modules of a program import which others. Reads import statements only: what is imported by
//! `importlib` is not seen, and an import that is never run is.

use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

use crate::declaration::{Declarations, Import};
use crate::pyc::PycFile;

/// One module of a program.
#[derive(Clone, Copy)]
pub struct Module<'m> {
    /// Its dotted name.
    pub name: &'m str,
    /// Whether it is the `__init__` of a package.
    pub is_package: bool,
    /// What it declares.
    pub declarations: &'m Declarations<'m>,
    /// Its file.
    pub pyc: &'m PycFile<'m>,
}

/// A node of the graph of imports.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Imported {
    /// A module of the program, by its index.
    Module(usize),
    /// Another, by its dotted name.
    External(String),
}

/// Modules, and an edge for each import statement and module, which holds its line.
#[derive(Clone, Debug, Default)]
pub struct ImportGraph {
    /// The modules of the program in their order, then others.
    pub graph: DiGraph<Imported, u32>,
}

/// The graph of imports of a program. `from p import m` leads to the module `p.m` where the program has one,
/// and to `p`, which Python imports first. Packages around an imported module are imported, too, unless they
/// are around the importing one as well.
pub fn import_graph(modules: &[Module<'_>]) -> ImportGraph {
    let mut graph = DiGraph::new();
    let mut by_name: FxHashMap<&str, Vec<NodeIndex>> = FxHashMap::default();
    for (number, module) in modules.iter().enumerate() {
        let node = graph.add_node(Imported::Module(number));
        by_name.entry(module.name).or_default().push(node);
    }
    let mut external: FxHashMap<String, NodeIndex> = FxHashMap::default();
    for (number, module) in modules.iter().enumerate() {
        for import in &module.declarations.imports {
            let mut targets = Vec::new();
            for name in names(module, import, &|name| by_name.contains_key(name)) {
                match by_name.get(name.as_str()) {
                    Some(nodes) => targets.extend(nodes),
                    None => targets.push(*external.entry(name).or_insert_with_key(|name| {
                        graph.add_node(Imported::External(name.clone()))
                    })),
                }
            }
            targets.sort();
            targets.dedup();
            for target in targets {
                graph.add_edge(NodeIndex::new(number), target, import.line);
            }
        }
    }
    ImportGraph { graph }
}

/// The modules that an import statement imports.
fn names(module: &Module<'_>, import: &Import, is_module: &dyn Fn(&str) -> bool) -> Vec<String> {
    let base = absolute(module, import.level, &import.module);
    let mut all: Vec<String> = Vec::new();
    let around = base.match_indices('.').map(|(at, _)| &base[..at]);
    let is_around = |package: &str| {
        let below = module.name.strip_prefix(package);
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    };
    let more = around.filter(|name| is_module(name) && !is_around(name));
    all.extend(more.map(str::to_owned));
    let members = import
        .names
        .iter()
        .map(|(name, _)| format!("{base}.{name}"));
    all.extend(members.filter(|name| is_module(name)));
    all.push(base);
    all.retain(|name| name != module.name || is_self_import(import));
    all
}

/// `from . import x` in a package names the package itself, which is no import of it.
fn is_self_import(import: &Import) -> bool {
    import.level == 0 && import.names.is_empty() && !import.star
}

/// The dotted name of a module that another imports, with so many dots in front.
pub(super) fn absolute(module: &Module<'_>, level: u32, written: &str) -> String {
    if level == 0 {
        return written.to_owned();
    }
    // A module's dots begin at its package, which a package is itself.
    let up = level as usize - usize::from(module.is_package);
    let mut package = module.name;
    for _ in 0..up {
        package = package.rsplit_once('.').map_or("", |(package, _)| package);
    }
    match (package, written) {
        ("", _) => format!("{}{written}", ".".repeat(level as usize)), // beyond the top: kept as written
        (_, "") => package.to_owned(),
        _ => format!("{package}.{written}"),
    }
}
