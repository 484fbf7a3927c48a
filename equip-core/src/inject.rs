//! Injections: edits that a pipeline file asks for without a plugin. A selection says which declarations,
//! the site where in them.

use equip_plugin_api::edit::{Edge, LoopEdge, OnError, Site, When};

use crate::analysis::call_sites;
use crate::body::{self, Body};
use crate::declaration::{Declaration, Kind};
use crate::edits::{Author, BadEdit, Edits, Requested, Templates, site_name};
use crate::marshal::Objects;
use crate::pyc::PycFile;
use crate::rewrite;
use crate::select::{Pattern, Selection, Subject};

/// Where in what is selected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// A site that each declaration has.
    Site(Site),
    /// A line, in those that have code of it.
    Line(u32),
    /// Edges of conditionals: both, or one; all conditionals, or those on one line.
    Branch(Option<Edge>, Option<u32>),
    /// What happens at loops: all, or those with their head on one line.
    Loop(LoopEdge, Option<u32>),
    /// Right before calls.
    BeforeCall,
    /// When they have returned.
    AfterCall,
    /// The very start of selected modules.
    ModuleEnter(When),
    /// Their very end.
    ModuleExit(When),
    /// Only imports, at the top of modules with anything selected.
    Import,
}

impl At {
    /// The site in words, for messages.
    pub fn name(self) -> String {
        match self {
            At::Site(site) => site_name(site),
            At::Line(line) => site_name(Site::Line(line)),
            At::Branch(..) => site_name(Site::Branch(Edge::True)),
            At::Loop(edge, _) => site_name(Site::Loop(edge)),
            At::BeforeCall => site_name(Site::BeforeCall),
            At::AfterCall => site_name(Site::AfterCall),
            At::ModuleEnter(when) => site_name(Site::ModuleEnter(when)),
            At::ModuleExit(when) => site_name(Site::ModuleExit(when)),
            At::Import => "import".to_owned(),
        }
    }

    /// The line that it is about.
    pub fn line(self) -> Option<u32> {
        match self {
            At::Line(line) => Some(line),
            At::Branch(_, line) | At::Loop(_, line) => line,
            _ => None,
        }
    }
}

/// Code that goes to one kind of site of all that is selected.
#[derive(Clone, Debug)]
pub struct Injection {
    /// Where.
    pub at: At,
    /// In what.
    pub selection: Selection,
    /// Of several declarations of one qualname only the n-th, from 1, in code order.
    pub nth: Option<u32>,
    /// Of calls only those of what is called so, as written.
    pub calls: Option<Pattern>,
    /// The snippet; empty for what only imports.
    pub code: String,
    /// Statements at the top of the module.
    pub imports: Vec<String>,
    /// Whether these bind plain names.
    pub public: bool,
    /// What becomes of errors.
    pub on_error: OnError,
}

/// What an injection found in one module.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// Declarations that are selected.
    pub selected: usize,
    /// Edits asked for.
    pub placed: usize,
}

impl Injection {
    /// Asks for the edits of one module.
    ///
    /// # Errors
    /// The snippet is no template, an import no import statement.
    pub fn place(
        &self,
        pyc: &PycFile<'_>,
        subject: &Subject<'_, '_>,
        edits: &mut Edits,
        templates: &Templates,
        author: (usize, &Author),
    ) -> Result<Found, BadEdit> {
        let mut found = Found::default();
        for one in &subject.declarations().list {
            if !self.selects(subject, one) {
                continue;
            }
            found.selected += 1;
            for site in self.sites(pyc, one) {
                let requested = Requested {
                    text: &self.code,
                    values: Vec::new(),
                    on_error: Some(self.on_error),
                };
                edits.add(templates, author, one.id, site, requested)?;
                found.placed += 1;
            }
        }
        if found.placed > 0 || self.at == At::Import && found.selected > 0 {
            for statement in &self.imports {
                edits.import(templates, author, statement, self.public)?;
                found.placed += usize::from(self.at == At::Import);
            }
        }
        Ok(found)
    }

    fn selects(&self, subject: &Subject<'_, '_>, one: &Declaration<'_>) -> bool {
        let selected = match self.at {
            At::ModuleEnter(_) | At::ModuleExit(_) => {
                one.kind == Kind::Module && self.selection.matches(subject, one.id)
            }
            At::Import => self.selection.matches(subject, one.id),
            _ => self.selection.takes(subject, one.id),
        };
        selected && self.is_nth(subject, one)
    }

    fn is_nth(&self, subject: &Subject<'_, '_>, one: &Declaration<'_>) -> bool {
        let before = || {
            let list = subject.declarations().list.iter();
            list.take(one.id.0 as usize)
                .filter(|other| other.qualname == one.qualname && other.kind == one.kind)
                .count()
        };
        self.nth.is_none_or(|nth| before() + 1 == nth as usize)
    }

    fn sites(&self, pyc: &PycFile<'_>, one: &Declaration<'_>) -> Vec<Site> {
        match self.at {
            At::Site(site) => vec![site],
            At::ModuleEnter(when) => vec![Site::ModuleEnter(when)],
            At::ModuleExit(when) => vec![Site::ModuleExit(when)],
            At::Import => Vec::new(),
            At::BeforeCall => self.at_calls(pyc, one, Site::BeforeCall, Site::BeforeCallAt),
            At::AfterCall => self.at_calls(pyc, one, Site::AfterCall, Site::AfterCallAt),
            At::Line(line) => match of_lines(pyc, one).contains(&line) {
                true => vec![Site::Line(line)],
                false => Vec::new(),
            },
            At::Branch(edge, None) => edges(edge).into_iter().map(Site::Branch).collect(),
            At::Loop(edge, None) => vec![Site::Loop(edge)],
            At::Branch(edge, Some(line)) => {
                let at = of_body(pyc, one, |body, _| rewrite::conditionals(body)).into_iter();
                let at = at.filter(|(_, found)| *found == line);
                let both = |index| {
                    edges(edge)
                        .into_iter()
                        .map(move |edge| Site::BranchAt(index, edge))
                };
                at.flat_map(|(index, _)| both(index)).collect()
            }
            At::Loop(edge, Some(line)) => {
                let at = of_body(pyc, one, |body, _| rewrite::loop_heads(body)).into_iter();
                let at = at.filter(|(_, found)| *found == line);
                at.map(|(index, _)| Site::LoopAt(index, edge)).collect()
            }
        }
    }

    /// The site at each call, or those at calls of what is meant.
    fn at_calls(
        &self,
        pyc: &PycFile<'_>,
        one: &Declaration<'_>,
        each: Site,
        at: fn(u32) -> Site,
    ) -> Vec<Site> {
        let Some(name) = &self.calls else {
            return vec![each];
        };
        let all = of_body(pyc, one, call_sites).into_iter();
        let meant = all.filter(|call| name.matches_first(&call.name));
        meant.map(|call| at(call.at as u32)).collect()
    }

    /// All that is called in what it selects of a module, as written.
    pub fn called(&self, pyc: &PycFile<'_>, subject: &Subject<'_, '_>) -> Vec<String> {
        let all = subject.declarations().list.iter();
        let selected = all.filter(|one| self.selects(subject, one));
        let calls = selected.flat_map(|one| of_body(pyc, one, call_sites));
        calls.map(|call| call.name).collect()
    }

    /// Lines of a module that it could have been about, had it named them.
    pub fn lines(&self, pyc: &PycFile<'_>, subject: &Subject<'_, '_>) -> Vec<u32> {
        let mut found = Vec::new();
        for one in &subject.declarations().list {
            if !self.selects(subject, one) {
                continue;
            }
            let second = |(_, line): (u32, u32)| line;
            match self.at {
                At::Line(_) => found.extend(of_lines(pyc, one)),
                At::Branch(..) => {
                    let all = of_body(pyc, one, |body, _| rewrite::conditionals(body));
                    found.extend(all.into_iter().map(second));
                }
                At::Loop(..) => {
                    let all = of_body(pyc, one, |body, _| rewrite::loop_heads(body));
                    found.extend(all.into_iter().map(second));
                }
                _ => {}
            }
        }
        found.sort_unstable();
        found.dedup();
        found
    }
}

fn edges(edge: Option<Edge>) -> Vec<Edge> {
    edge.map_or_else(|| vec![Edge::True, Edge::False], |edge| vec![edge])
}

/// What is true of the body of a declaration; nothing of one that cannot be decoded.
fn of_body<T: Default>(
    pyc: &PycFile<'_>,
    one: &Declaration<'_>,
    fact: impl FnOnce(&Body, &Objects<'_>) -> T,
) -> T {
    let code = pyc.objects.code(one.code);
    let body = code.and_then(|code| body::decode(pyc.isa, &pyc.objects, code).ok());
    body.map(|body| fact(&body, &pyc.objects))
        .unwrap_or_default()
}

fn of_lines(pyc: &PycFile<'_>, one: &Declaration<'_>) -> Vec<u32> {
    of_body(pyc, one, |body, _| rewrite::lines(body))
}
