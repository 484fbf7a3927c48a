//! The call graph and the imports of a program as plain data; a file for each way of showing them. What is
//! here is what JSON shows: its field names are promised to programs.

pub mod dot;
pub mod text;

use equip_core::analysis::{self, Callee, Imported, call_graph, import_graph};
use equip_core::declaration::Kind;
use serde::Serialize;

use crate::commands::inspect::kind_name;

/// What is known of a program.
#[derive(Debug, Serialize)]
pub struct Calls {
    pub modules: Vec<Module>,
    pub nodes: Vec<Node>,
    pub calls: Vec<Call>,
    pub imports: Vec<Import>,
}

/// A module of the program, or one outside.
#[derive(Debug, Serialize)]
pub struct Module {
    pub index: usize,
    pub name: String,
    /// As it was named; none outside.
    pub file: Option<String>,
    /// The version that it is for.
    pub python: Option<String>,
    pub package: bool,
}

/// What calls or is called.
#[derive(Debug, Serialize)]
pub struct Node {
    pub index: usize,
    /// module, class, function, lambda, or unknown.
    pub kind: &'static str,
    /// The qualname, with line and number where several have it; of what is unknown, its name.
    pub name: String,
    pub module: Option<usize>,
    pub first_line: Option<u32>,
}

/// What one call site may call.
#[derive(Debug, Serialize)]
pub struct Call {
    pub from: usize,
    pub to: usize,
    pub line: Option<u32>,
    /// As written.
    pub name: String,
    /// In the scope that `equip dis` shows under that key; none from a class to what makes its objects.
    pub scope: Option<String>,
    pub instruction: Option<usize>,
}

/// An import of one module by another.
#[derive(Debug, Serialize)]
pub struct Import {
    pub from: usize,
    pub to: usize,
    pub line: u32,
}

impl Calls {
    /// Of some modules, with their files.
    pub fn of(modules: &[analysis::Module<'_>], files: &[String]) -> Calls {
        let keys: Vec<_> = modules.iter().map(|one| one.declarations.keys()).collect();
        let mut shown: Vec<_> = modules
            .iter()
            .zip(files)
            .enumerate()
            .map(|(index, (one, file))| Module {
                index,
                name: one.name.to_owned(),
                file: Some(file.clone()),
                python: Some(one.pyc.isa.version.to_string()),
                package: one.is_package,
            })
            .collect();
        let graph = call_graph(modules).graph;
        let nodes = graph.node_indices().map(|node| {
            let index = node.index();
            match &graph[node] {
                Callee::Declared(place) => {
                    let at = place.declaration.0 as usize;
                    let one = &modules[place.module].declarations.list[at];
                    Node {
                        index,
                        kind: kind_name(one.kind),
                        name: keys[place.module][at].clone(),
                        module: Some(place.module),
                        first_line: (one.kind != Kind::Module).then_some(one.first_line),
                    }
                }
                Callee::Unknown(name) => Node {
                    index,
                    kind: "unknown",
                    name: name.clone(),
                    module: None,
                    first_line: None,
                },
            }
        });
        let calls = graph.raw_edges().iter().map(|edge| {
            let site = &edge.weight;
            let scope = site
                .instruction
                .and_then(|(scope, _)| match graph[edge.source()] {
                    Callee::Declared(place) => Some(keys[place.module][scope.0 as usize].clone()),
                    Callee::Unknown(_) => None,
                });
            Call {
                from: edge.source().index(),
                to: edge.target().index(),
                line: Some(site.line).filter(|line| *line > 0),
                name: site.name.clone(),
                scope,
                instruction: site.instruction.map(|(_, at)| at),
            }
        });
        let (nodes, calls) = (nodes.collect(), calls.collect());
        let imports = import_graph(modules).graph;
        for node in imports.node_indices() {
            if let Imported::External(name) = &imports[node] {
                shown.push(Module {
                    index: node.index(),
                    name: name.clone(),
                    file: None,
                    python: None,
                    package: false,
                });
            }
        }
        let imports = imports.raw_edges().iter().map(|edge| Import {
            from: edge.source().index(),
            to: edge.target().index(),
            line: edge.weight,
        });
        Calls {
            modules: shown,
            nodes,
            calls,
            imports: imports.collect(),
        }
    }

    /// A node as people read it: `module:qualname`, or the name of what is unknown.
    fn title(&self, node: &Node) -> String {
        match node.module {
            Some(module) if node.kind == "module" => self.modules[module].name.clone(),
            Some(module) => format!("{}:{}", self.modules[module].name, node.name),
            None => node.name.clone(),
        }
    }
}
