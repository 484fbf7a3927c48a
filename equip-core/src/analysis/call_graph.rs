//! The call graph of a program: who calls whom, as far as names tell.
//!
//! A call site leads to every function or class that its name may mean, and to a named unknown where it may
//! mean something else as well. Methods of `self`, `cls`, `super()` and of objects that a class call has
//! just made are looked up in the class, in its bases and, but for the last, in classes derived from it. A
//! decorated function is called where its name is. Calls of a comprehension are its function's. Implicit
//! calls (operators, properties, iteration, `del`) are not in the graph, but for `__enter__` and `__exit__`.

use petgraph::graph::{DiGraph, NodeIndex};
use rustc_hash::FxHashMap;

use super::expression::Expression;
use super::imports::Module;
pub use super::names::Place;
use super::names::{Exactness, Names, Thing};
use crate::declaration::{DeclId, Kind};

/// A node of the graph.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Callee {
    /// A module, class, function or lambda of the program. A class stands for its body, and for the
    /// making of objects of it.
    Declared(Place),
    /// What is not known but by name: of another module (`json.dumps`), a builtin (`print`), of an object
    /// (`x.method`, `?.method`), or nothing at all (`?`).
    Unknown(String),
}

/// An edge of the graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    /// The line; 0 where there is none.
    pub line: u32,
    /// The scope that the call stands in, and the index of its instruction there. A comprehension may have
    /// a scope of its own. None from a class to what makes its objects.
    pub instruction: Option<(DeclId, usize)>,
    /// What is called, as written.
    pub name: String,
}

/// The call graph of a program.
#[derive(Clone, Debug, Default)]
pub struct CallGraph {
    /// Declarations in their order, then unknowns.
    pub graph: DiGraph<Callee, Site>,
    nodes: FxHashMap<Callee, NodeIndex>,
}

impl CallGraph {
    /// The node of a declaration; none for comprehensions and the compiler's own scopes.
    pub fn node(&self, place: Place) -> Option<NodeIndex> {
        self.nodes.get(&Callee::Declared(place)).copied()
    }

    /// The node of an unknown name.
    pub fn unknown(&self, name: &str) -> Option<NodeIndex> {
        self.nodes.get(&Callee::Unknown(name.to_owned())).copied()
    }

    fn add(&mut self, callee: Callee) -> NodeIndex {
        let graph = &mut self.graph;
        let nodes = &mut self.nodes;
        let node = nodes.entry(callee);
        *node.or_insert_with_key(|callee| graph.add_node(callee.clone()))
    }
}

/// The call graph of some modules. Code that cannot be decoded calls nothing.
pub fn call_graph(modules: &[Module<'_>]) -> CallGraph {
    let names = Names::of(modules);
    let mut calls = CallGraph::default();
    let places = || {
        let all = modules.iter().enumerate();
        all.flat_map(|(module, one)| {
            let list = one.declarations.list.iter();
            list.map(move |one| Place {
                module,
                declaration: one.id,
            })
        })
    };
    for place in places().filter(|place| is_node(names.declaration(*place).kind)) {
        calls.add(Callee::Declared(place));
    }
    for place in places() {
        add_sites(&mut calls, &names, place);
        if names.declaration(place).kind == Kind::Class {
            add_constructors(&mut calls, &names, place);
        }
    }
    calls
}

fn is_node(kind: Kind) -> bool {
    !matches!(kind, Kind::Comprehension | Kind::Annotation)
}

fn add_sites(calls: &mut CallGraph, names: &Names<'_>, place: Place) {
    let Some(scope) = names.scope(place) else {
        return;
    };
    let mut caller = place;
    while !is_node(names.declaration(caller).kind) {
        match names.declaration(caller).parent {
            Some(declaration) => caller.declaration = declaration,
            None => return,
        }
    }
    let from = calls.add(Callee::Declared(caller));
    for (at, call) in &scope.calls {
        if is_own(&call.function) {
            continue;
        }
        let mut callees = Vec::new();
        for thing in names.resolve(place, &call.function) {
            callees.extend(callees_of(names, thing, &call.function));
        }
        if callees.is_empty() {
            callees.push(Some(Callee::Unknown(written(&call.function))));
        }
        callees.sort();
        callees.dedup();
        for callee in callees.into_iter().flatten() {
            let to = calls.add(callee);
            let site = Site {
                line: scope.body.instrs[*at].location.line.max(0) as u32,
                instruction: Some((place.declaration, *at)),
                name: written(&call.function),
            };
            calls.graph.add_edge(from, to, site);
        }
    }
}

/// What a call is to the program: what is called, as written; none for calls of the compiler's own.
pub(crate) fn called(function: &Expression) -> Option<String> {
    (!is_own(function)).then(|| written(function))
}

/// Class statements are no calls of the program's.
fn is_own(function: &Expression) -> bool {
    matches!(function, Expression::Name(name) if name == "__build_class__")
}

/// The nodes of what is called; `None` for what the graph leaves out.
fn callees_of(names: &Names<'_>, thing: Thing, function: &Expression) -> Vec<Option<Callee>> {
    match thing {
        Thing::Declared(place, exactness) => match names.declaration(place).kind {
            Kind::Class => {
                let derived = match exactness {
                    Exactness::Exact => Vec::new(),
                    Exactness::OrDerived => names.all_derived(place),
                };
                let all = std::iter::once(place).chain(derived);
                all.map(|class| Some(Callee::Declared(class))).collect()
            }
            kind if is_node(kind) => vec![Some(Callee::Declared(place))],
            _ => vec![None],
        },
        Thing::External(name) => vec![Some(Callee::Unknown(name))],
        Thing::Instance(..) => {
            let methods = names.attribute(&thing, "__call__").into_iter();
            let callees = methods.map(|method| match method {
                Thing::Declared(place, _) if is_node(names.declaration(place).kind) => {
                    Some(Callee::Declared(place))
                }
                _ => Some(Callee::Unknown(written(function))),
            });
            callees.collect()
        }
        // A module cannot be called.
        Thing::Super(_) | Thing::Module(_) | Thing::Other => {
            vec![Some(Callee::Unknown(written(function)))]
        }
    }
}

fn add_constructors(calls: &mut CallGraph, names: &Names<'_>, class: Place) {
    let from = calls.add(Callee::Declared(class));
    for thing in names.constructors(class) {
        if let Thing::Declared(place, _) = thing
            && names.declaration(place).kind == Kind::Function
        {
            let to = calls.add(Callee::Declared(place));
            let site = Site {
                line: names.declaration(class).first_line,
                instruction: None,
                name: names.declaration(place).name.to_string(),
            };
            calls.graph.add_edge(from, to, site);
        }
    }
}

/// A name for what is called.
fn written(function: &Expression) -> String {
    match function {
        Expression::Attribute(value, name) => format!("{}.{name}", written(value)),
        Expression::Name(name) | Expression::Function(_, name) => name.clone(),
        Expression::Module(name) => name.clone(),
        Expression::Call { function, .. } if is_super(function) => "super()".to_owned(),
        _ => "?".to_owned(),
    }
}

fn is_super(function: &Expression) -> bool {
    matches!(function, Expression::Name(name) if name == "super")
}
