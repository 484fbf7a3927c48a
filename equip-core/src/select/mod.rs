//! The selection language: which declarations of a program are meant. One page with examples:
//! docs/selection.md.

mod glob;
mod grammar;
mod near;

use std::cell::OnceCell;
use std::path::Path;

pub use glob::Pattern;
use grammar::{Comparison, Number};
pub use grammar::{KINDS, KindTest, NUMBERS, Node, SelectError, TEXTS, Text, known};
pub use near::{Names, near_misses, near_names};

use crate::analysis::{Cfg, Exceptions, Expressions, call_graph};
use crate::body::{self, Body};
use crate::code::{CodeObject, flags};
use crate::declaration::{DeclId, Declaration, Declarations, Kind};
use crate::pyc::PycFile;
use crate::rewrite;

/// What a module's own body is called in patterns.
pub const MODULE: &str = "<module>";

/// A parsed selection.
#[derive(Clone, Debug)]
pub struct Selection {
    /// Its text.
    pub text: String,
    root: Node,
}

/// A module whose declarations are being selected; what is asked often is worked out once.
pub struct Subject<'s, 'a> {
    pyc: &'s PycFile<'a>,
    declarations: &'s Declarations<'a>,
    module: &'s str,
    file: &'s Path,
    /// Made when the first is asked for: most selections ask for none.
    facts: OnceCell<Vec<OnceCell<Facts>>>,
}

/// What needs the instructions of a declaration.
struct Facts {
    size: u32,
    loop_depth: u32,
    calls: Vec<String>,
    lines: Vec<u32>,
}

impl<'s, 'a> Subject<'s, 'a> {
    /// A module of that dotted name, from that file.
    pub fn new(
        pyc: &'s PycFile<'a>,
        declarations: &'s Declarations<'a>,
        module: &'s str,
        file: &'s Path,
    ) -> Self {
        Subject {
            pyc,
            declarations,
            module,
            file,
            facts: OnceCell::new(),
        }
    }

    /// Its dotted name.
    pub fn module(&self) -> &'s str {
        self.module
    }

    /// What it declares.
    pub fn declarations(&self) -> &'s Declarations<'a> {
        self.declarations
    }

    fn get(&self, id: DeclId) -> &'s Declaration<'a> {
        &self.declarations.list[id.0 as usize]
    }

    /// Code that cannot be decoded has no facts.
    fn facts(&self, id: DeclId) -> &Facts {
        let all = self.facts.get_or_init(|| {
            let each = self.declarations.list.iter();
            each.map(|_| OnceCell::new()).collect()
        });
        all[id.0 as usize].get_or_init(|| {
            let code = self.pyc.objects.code(self.get(id).code);
            let decoded = code.and_then(|code| {
                let body = body::decode(self.pyc.isa, &self.pyc.objects, code).ok()?;
                Some((code, body))
            });
            match decoded {
                Some((code, body)) => self.work_out(code, &body),
                None => Facts {
                    size: 0,
                    loop_depth: 0,
                    calls: Vec::new(),
                    lines: Vec::new(),
                },
            }
        })
    }

    fn work_out(&self, code: &CodeObject, body: &Body) -> Facts {
        // Calls in handlers count: with the edges that lead there.
        let all = Cfg::of(body, Exceptions::Followed);
        let calls = Expressions::of(body, &self.pyc.objects, &all)
            .map(|found| found.calls)
            .unwrap_or_default();
        let table = self.pyc.objects.bytes(code.linetable).unwrap_or_default();
        let mut lines: Vec<u32> = body::lines_of(table, code.firstlineno)
            .filter_map(|line| u32::try_from(line).ok())
            .collect();
        lines.sort_unstable();
        lines.dedup();
        Facts {
            size: body.instrs.len() as u32,
            loop_depth: rewrite::loop_depth(body),
            calls: calls
                .values()
                .filter_map(|call| call_graph::called(&call.function))
                .collect(),
            lines,
        }
    }

    /// The name of a declaration in patterns.
    pub fn qualname(&self, id: DeclId) -> &str {
        let one = self.get(id);
        match one.kind {
            Kind::Module => MODULE,
            _ => one.qualname.as_ref(),
        }
    }
}

impl Selection {
    /// Parses a selection.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn parse(text: &str) -> Result<Selection, SelectError> {
        let root = grammar::parse(text)?;
        Ok(Selection {
            text: text.to_owned(),
            root,
        })
    }

    /// Whether a declaration is meant. A comprehension goes with what it stands in, unless
    /// the selection speaks of comprehensions; scopes of the compiler's own are never meant.
    pub fn matches(&self, subject: &Subject<'_, '_>, mut id: DeclId) -> bool {
        if !self.speaks_of(KindTest::Comprehensions) {
            while let (Kind::Comprehension, Some(parent)) =
                (subject.get(id).kind, subject.get(id).parent)
            {
                id = parent;
            }
        }
        subject.get(id).kind != Kind::Annotation && matches(&self.root, subject, id)
    }

    /// Whether code that is injected without a visitor goes there: into functions and lambdas, and into
    /// classes, module bodies and comprehensions where the selection speaks of that kind or
    /// names just that declaration.
    pub fn takes(&self, subject: &Subject<'_, '_>, id: DeclId) -> bool {
        let kind = match subject.get(id).kind {
            Kind::Annotation => return false,
            Kind::Function | Kind::Lambda => return self.matches(subject, id),
            Kind::Class => KindTest::Classes,
            Kind::Module => KindTest::Modules,
            Kind::Comprehension => KindTest::Comprehensions,
        };
        let named = || {
            any(&self.root, &|node| match node {
                Node::Is(pattern) => pattern.is_exact() && is(pattern, subject, id),
                _ => false,
            })
        };
        self.matches(subject, id) && (self.speaks_of(kind) || named())
    }

    fn speaks_of(&self, kind: KindTest) -> bool {
        any(
            &self.root,
            &|node| matches!(node, Node::Kind(one) if *one == kind),
        )
    }

    /// The tree, for those who explain it.
    pub fn root(&self) -> &Node {
        &self.root
    }
}

/// Whether any part of a selection is such a one.
fn any(node: &Node, wanted: &dyn Fn(&Node) -> bool) -> bool {
    match node {
        Node::Or(nodes) | Node::And(nodes) => nodes.iter().any(|node| any(node, wanted)),
        Node::Not(node) => any(node, wanted),
        leaf => wanted(leaf),
    }
}

fn is(pattern: &Pattern, subject: &Subject<'_, '_>, id: DeclId) -> bool {
    pattern.matches_first(subject.module) && pattern.matches_qualname(subject.qualname(id))
}

fn matches(node: &Node, subject: &Subject<'_, '_>, id: DeclId) -> bool {
    let one = subject.get(id);
    match node {
        Node::Or(nodes) => nodes.iter().any(|node| matches(node, subject, id)),
        Node::And(nodes) => nodes.iter().all(|node| matches(node, subject, id)),
        Node::Not(node) => !matches(node, subject, id),
        Node::Kind(kind) => is_of(*kind, subject, id),
        Node::Is(pattern) => is(pattern, subject, id),
        Node::In(pattern) if !pattern.has_qualname() => pattern.matches_first(subject.module),
        Node::In(pattern) => {
            let around = std::iter::successors(one.parent, |id| subject.get(*id).parent);
            around.into_iter().any(|outer| is(pattern, subject, outer))
        }
        Node::Text(text, pattern) => {
            texts(*text, subject, id, &mut |found| {
                pattern.matches_first(found)
            }) || { *text == Text::File && pattern.matches_path(subject.file) }
        }
        Node::Number(number, comparison, wanted) => {
            let found = match number {
                Number::Size => subject.facts(id).size,
                Number::LoopDepth => subject.facts(id).loop_depth,
                Number::Lines => one.end_line.saturating_sub(one.first_line) + 1,
                Number::Parameters => one.parameters.len() as u32,
            };
            match comparison {
                Comparison::Equal => found == *wanted,
                Comparison::Unequal => found != *wanted,
                Comparison::Less => found < *wanted,
                Comparison::AtMost => found <= *wanted,
                Comparison::More => found > *wanted,
                Comparison::AtLeast => found >= *wanted,
            }
        }
        Node::Line(first, last) => {
            let lines = &subject.facts(id).lines;
            let start = lines.partition_point(|line| line < first);
            lines.get(start).is_some_and(|line| line <= last)
        }
    }
}

/// Asks of each text of a declaration whether it is wanted.
fn texts(
    text: Text,
    subject: &Subject<'_, '_>,
    id: DeclId,
    wanted: &mut dyn FnMut(&str) -> bool,
) -> bool {
    let one = subject.get(id);
    match text {
        Text::Decorated => one.decorators.iter().any(|name| wanted(name)),
        Text::Bases => {
            let class = match (one.kind, one.parent) {
                (Kind::Class, _) => one,
                (Kind::Function | Kind::Lambda, Some(parent)) => subject.get(parent),
                _ => return false,
            };
            class.bases.iter().any(|name| wanted(name))
        }
        Text::Calls => subject.facts(id).calls.iter().any(|name| wanted(name)),
        Text::Name => wanted(&one.name),
        Text::Parameter => one
            .parameters
            .iter()
            .any(|parameter| wanted(&parameter.name)),
        Text::File => false,
    }
}

fn is_of(kind: KindTest, subject: &Subject<'_, '_>, id: DeclId) -> bool {
    let one = subject.get(id);
    let parent = one.parent.map(|id| subject.get(id));
    // What has type parameters stands in a scope of the compiler's own.
    let parent = match parent {
        Some(scope) if scope.kind == Kind::Annotation => scope.parent.map(|id| subject.get(id)),
        other => other,
    };
    let function = one.kind == Kind::Function;
    let method = function && parent.is_some_and(|parent| parent.kind == Kind::Class);
    let has = |flag: u32| one.flags & flag != 0;
    let under = |names: &[&str]| {
        method
            && one
                .decorators
                .iter()
                .any(|decorator| names.contains(&decorator.rsplit('.').next().unwrap_or_default()))
    };
    match kind {
        KindTest::Functions => function,
        KindTest::Methods => method,
        KindTest::Lambdas => one.kind == Kind::Lambda,
        KindTest::Generators => function && has(flags::GENERATOR),
        KindTest::Coroutines => function && has(flags::COROUTINE),
        KindTest::AsyncGenerators => function && has(flags::ASYNC_GENERATOR),
        KindTest::Properties => under(&[
            "property",
            "cached_property",
            "abstractproperty",
            "setter",
            "deleter",
            "getter",
        ]),
        KindTest::StaticMethods => under(&["staticmethod"]),
        KindTest::ClassMethods => under(&["classmethod"]),
        KindTest::Nested => {
            matches!(one.kind, Kind::Function | Kind::Lambda)
                && parent.is_some_and(|parent| !matches!(parent.kind, Kind::Class | Kind::Module))
        }
        KindTest::Classes => one.kind == Kind::Class,
        KindTest::Modules => one.kind == Kind::Module,
        KindTest::Comprehensions => one.kind == Kind::Comprehension,
    }
}
