//! What the names of a program are bound to, scope by scope: functions, classes, modules, instances of
//! classes, or something else. Values are not followed through calls, containers and attributes of objects.
//!
//! Every binding of a name counts, wherever in its scope it stands: a name with several definitions is all
//! of them, and one that is also assigned something else is unknown as well. Not seen is what is done from
//! outside (`module.f = g`, `setattr`, `globals()`), and what `import *` takes from modules outside.

use std::cell::RefCell;

use rustc_hash::{FxHashMap, FxHashSet};

use super::cfg::{Cfg, Exceptions};
use super::evaluate::{Call, Expressions};
use super::expression::Expression;
use super::imports::{Module, absolute};
use super::variables::Variable;
use crate::body::{self, Arg, Body};
use crate::code::kinds;
use crate::declaration::{DeclId, Declaration, Kind};
use crate::isa::Opcode;

/// A declaration of a program: index of the module, and number in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index of the module.
    pub module: usize,
    /// The declaration.
    pub declaration: DeclId,
}

/// What an expression may be.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Thing {
    /// A function or class of the program. A class may be one of its subclasses, too, if it is `cls`.
    Declared(Place, Exactness),
    /// An object of that class, or of a subclass.
    Instance(Place, Exactness),
    /// What `super()` gives in methods of that class.
    Super(Place),
    /// A module of the program.
    Module(usize),
    /// A module outside, a name in one, or a builtin.
    External(String),
    /// Anything.
    Other,
}

/// Whether a class is meant itself, or one that is derived from it may be meant as well.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Exactness {
    Exact,
    OrDerived,
}

/// One code object.
pub(super) struct Scope {
    pub body: Body,
    pub calls: Vec<(usize, Call)>,
    /// By name, each value and the scope that it was computed in.
    bound: FxHashMap<String, Vec<(DeclId, Expression)>>,
    /// Slots that the frame has itself, and those that an enclosing one has.
    own: FxHashSet<String>,
    free: FxHashSet<String>,
    /// Names that it reads or writes in the module, or as builtins.
    global: FxHashSet<String>,
}

pub(super) struct Names<'p> {
    pub modules: &'p [Module<'p>],
    /// By module and declaration; none where the code cannot be decoded.
    pub scopes: Vec<Vec<Option<Scope>>>,
    by_name: FxHashMap<&'p str, Vec<usize>>,
    /// By module, the declaration of each code object.
    by_code: Vec<FxHashMap<u32, DeclId>>,
    /// By module, modules that it imports all names from.
    stars: Vec<Vec<String>>,
    /// Attributes that anything assigns: methods of that name may be hidden.
    assigned: FxHashSet<String>,
    bases: FxHashMap<Place, Vec<Option<Place>>>,
    derived: FxHashMap<Place, Vec<Place>>,
    /// Names that are being looked up: an alias may lead back to itself.
    busy: RefCell<FxHashSet<(Place, String)>>,
    known: RefCell<FxHashMap<(Place, String), Vec<Thing>>>,
}

impl<'p> Names<'p> {
    pub fn of(modules: &'p [Module<'p>]) -> Names<'p> {
        let mut names = Names {
            modules,
            scopes: Vec::new(),
            by_name: FxHashMap::default(),
            by_code: Vec::new(),
            stars: Vec::new(),
            assigned: FxHashSet::default(),
            bases: FxHashMap::default(),
            derived: FxHashMap::default(),
            busy: RefCell::default(),
            known: RefCell::default(),
        };
        for (number, module) in modules.iter().enumerate() {
            names.by_name.entry(module.name).or_default().push(number);
            let list = &module.declarations.list;
            names
                .by_code
                .push(list.iter().map(|one| (one.code.0, one.id)).collect());
            let stars = module
                .declarations
                .imports
                .iter()
                .filter(|import| import.star);
            let stars = stars.map(|import| absolute(module, import.level, &import.module));
            names.stars.push(stars.collect());
            let mut outside = Vec::new();
            let mut scopes: Vec<_> = list
                .iter()
                .map(|one| scope(module, one, &mut names.assigned, &mut outside))
                .collect();
            // What `global` and `nonlocal` bind belongs to another scope.
            for (from, name, value, owner) in outside {
                let to = match owner {
                    Owner::Module => Some(0),
                    Owner::Enclosing => owner_of(list, &scopes, from, &name),
                };
                if let Some(Some(scope)) = to.and_then(|to| scopes.get_mut(to)) {
                    scope.bound.entry(name).or_default().push((from, value));
                }
            }
            names.scopes.push(scopes);
        }
        names.hierarchy();
        names
    }

    pub fn declaration(&self, place: Place) -> &'p Declaration<'p> {
        &self.modules[place.module].declarations.list[place.declaration.0 as usize]
    }

    pub fn scope(&self, place: Place) -> Option<&Scope> {
        self.scopes[place.module][place.declaration.0 as usize].as_ref()
    }

    fn parent(&self, place: Place) -> Option<Place> {
        let declaration = self.declaration(place).parent?;
        Some(Place {
            declaration,
            ..place
        })
    }

    /// The class whose methods `super()` and `__class__` are about.
    fn class_around(&self, place: Place) -> Option<Place> {
        let declaration = self.declaration(place).class?;
        Some(Place {
            declaration,
            ..place
        })
    }

    /// What an expression of a scope may be.
    pub fn resolve(&self, at: Place, expression: &Expression) -> Vec<Thing> {
        use Expression as E;
        let mut found = match expression {
            E::Name(name) => self.name(at, name),
            E::Module(text) => {
                let level = text.len() - text.trim_start_matches('.').len();
                let name = absolute(&self.modules[at.module], level as u32, &text[level..]);
                self.module(&name)
            }
            E::Function(code, _) => match self.by_code[at.module].get(&code.0) {
                Some(declaration) => {
                    let place = Place {
                        declaration: *declaration,
                        ..at
                    };
                    vec![Thing::Declared(place, Exactness::Exact)]
                }
                None => vec![Thing::Other],
            },
            E::Attribute(value, name) => {
                let values = self.resolve(at, value);
                values
                    .iter()
                    .flat_map(|value| self.attribute(value, name))
                    .collect()
            }
            E::Call {
                function,
                arguments,
                ..
            } => self.result(at, function, arguments),
            // Subscripted classes: `Base[int]`.
            E::Item(value, _) => {
                let is_class = |one: &Thing| match one {
                    Thing::Declared(place, _) => self.declaration(*place).kind == Kind::Class,
                    _ => false,
                };
                let values = self.resolve(at, value);
                let classes = values.into_iter().map(|one| match is_class(&one) {
                    true => one,
                    false => Thing::Other,
                });
                classes.collect()
            }
            E::Constant(text) if text == "None" => Vec::new(), // no one calls it
            _ => vec![Thing::Other],
        };
        found.sort();
        found.dedup();
        found
    }

    fn module(&self, name: &str) -> Vec<Thing> {
        match self.by_name.get(name) {
            Some(all) => all.iter().map(|one| Thing::Module(*one)).collect(),
            None => vec![Thing::External(name.to_owned())],
        }
    }

    fn name(&self, at: Place, name: &str) -> Vec<Thing> {
        let key = (at, name.to_owned());
        if let Some(known) = self.known.borrow().get(&key) {
            return known.clone();
        }
        if !self.busy.borrow_mut().insert(key.clone()) {
            return Vec::new();
        }
        let found = self.name_afresh(at, name);
        self.busy.borrow_mut().remove(&key);
        // What was found while another was looked up may lack what that one gives.
        if self.busy.borrow().is_empty() {
            self.known.borrow_mut().insert(key, found.clone());
        }
        found
    }

    fn name_afresh(&self, at: Place, name: &str) -> Vec<Thing> {
        let Some(scope) = self.scope(at) else {
            return vec![Thing::Other];
        };
        if name == "__class__" && (scope.free.contains(name) || scope.own.contains(name)) {
            let class = self.class_around(at);
            return class.map_or(vec![Thing::Other], |class| {
                vec![Thing::Declared(class, Exactness::Exact)]
            });
        }
        let known = [&scope.own, &scope.free, &scope.global];
        if !known.iter().any(|names| names.contains(name)) {
            return vec![Thing::External(name.to_owned())]; // one that the compiler brings
        }
        let mut found = Vec::new();
        // An inlined comprehension may have a local of its own beside the global of that name, and a class
        // body reads what is outside until it has bound the name itself.
        if scope.own.contains(name) {
            found.extend(self.own(at, scope, name));
        }
        if scope.free.contains(name) {
            let list = &self.modules[at.module].declarations.list;
            let scopes = &self.scopes[at.module];
            match owner_of(list, scopes, at.declaration, name) {
                Some(owner) => {
                    let declaration = DeclId(owner as u32);
                    found.extend(self.name(Place { declaration, ..at }, name));
                }
                None => found.push(Thing::Other),
            }
        }
        if scope.global.contains(name) {
            let module = Place {
                declaration: DeclId(0),
                ..at
            };
            let in_class =
                self.declaration(at).kind == Kind::Class && scope.bound.contains_key(name);
            if in_class {
                found.extend(self.bound(at, scope, name));
            }
            let is_bound = |scope: &Scope| scope.bound.contains_key(name);
            if !in_class || self.scope(module).is_some_and(is_bound) {
                found.extend(self.global(at.module, name));
            }
        }
        found
    }

    /// A local or cell: what is bound to it, or the object that a method has got.
    fn own(&self, at: Place, scope: &Scope, name: &str) -> Vec<Thing> {
        let one = self.declaration(at);
        let parent = self
            .parent(at)
            .map(|parent| (parent, self.declaration(parent).kind));
        let is = |what: &str| one.decorators.iter().any(|decorator| decorator == what);
        let is_first = one
            .parameters
            .first()
            .is_some_and(|first| first.name == name);
        let is_method = one.kind == Kind::Function && !is("staticmethod");
        match parent {
            Some((class, Kind::Class))
                if is_first && is_method && !scope.bound.contains_key(name) =>
            {
                let implicit = ["__new__", "__init_subclass__", "__class_getitem__"];
                match is("classmethod") || implicit.contains(&&*one.name) {
                    true => vec![Thing::Declared(class, Exactness::OrDerived)],
                    false => vec![Thing::Instance(class, Exactness::OrDerived)],
                }
            }
            _ => {
                let is_parameter = one
                    .parameters
                    .iter()
                    .any(|parameter| parameter.name == name);
                let unseen =
                    (is_parameter || !scope.bound.contains_key(name)).then_some(Thing::Other);
                self.bound(at, scope, name)
                    .into_iter()
                    .chain(unseen)
                    .collect()
            }
        }
    }

    fn bound(&self, at: Place, scope: &Scope, name: &str) -> Vec<Thing> {
        let values = scope.bound.get(name).map_or(&[][..], Vec::as_slice);
        let things = values.iter().flat_map(|(scope, value)| {
            let from = Place {
                declaration: *scope,
                ..at
            };
            self.stored(from, name, value)
        });
        things.collect()
    }

    /// What a name is that this value is stored in: with a decorated function or class it is that.
    fn stored(&self, at: Place, name: &str, value: &Expression) -> Vec<Thing> {
        let mut inside = value;
        while let Expression::Call {
            function,
            arguments,
            ..
        } = inside
            && !is_class_creation(function)
            && !matches!(**function, Expression::Function(..))
            && let [one] = &arguments[..]
        {
            if hides(function) {
                return vec![Thing::Other];
            }
            inside = one;
        }
        if matches!(inside, Expression::Call { .. } | Expression::Function(..)) {
            let made = self.resolve(at, inside);
            let named = |thing: &Thing| match thing {
                Thing::Declared(place, _) => self.is_named(*place, name),
                _ => false,
            };
            if made.iter().all(named) {
                return made;
            }
        }
        self.resolve(at, value)
    }

    /// Whether a declaration has that name, which classes may have changed (`_C__name`).
    fn is_named(&self, place: Place, name: &str) -> bool {
        let own = &*self.declaration(place).name;
        own == name || own.starts_with("__") && name.starts_with('_') && name.ends_with(own)
    }

    /// A name in a module, or a builtin.
    fn global(&self, module: usize, name: &str) -> Vec<Thing> {
        let place = Place {
            module,
            declaration: DeclId(0),
        };
        let scope = self.scope(place);
        let mut found = scope.map_or(Vec::new(), |scope| self.bound(place, scope, name));
        let is_bound = scope.is_some_and(|scope| scope.bound.contains_key(name));
        for from in &self.stars[module] {
            for thing in self.module(from) {
                match thing {
                    Thing::Module(other) if self.exports(other, name) => {
                        found.extend(self.member(other, name));
                    }
                    Thing::External(_) if !is_bound => found.push(Thing::Other),
                    _ => {}
                }
            }
        }
        match is_bound || !found.is_empty() {
            true => found,
            false => vec![Thing::External(name.to_owned())],
        }
    }

    fn exports(&self, module: usize, name: &str) -> bool {
        let place = Place {
            module,
            declaration: DeclId(0),
        };
        let key = (place, "*".to_owned());
        if !self.busy.borrow_mut().insert(key.clone()) {
            return false;
        }
        let bound = |scope: &Scope| scope.bound.contains_key(name);
        let through = || {
            let mut stars = self.stars[module].iter();
            stars.any(|from| {
                let others = self.by_name.get(from.as_str());
                others.is_some_and(|all| all.iter().any(|other| self.exports(*other, name)))
            })
        };
        let exports = self.scope(place).is_some_and(bound) || through();
        self.busy.borrow_mut().remove(&key);
        exports
    }

    /// `module.name`, from outside.
    fn member(&self, module: usize, name: &str) -> Vec<Thing> {
        let full = format!("{}.{name}", self.modules[module].name);
        let mut found = match self.exports(module, name) {
            true => {
                let declaration = DeclId(0);
                let place = Place {
                    module,
                    declaration,
                };
                self.global_of(place, name)
            }
            false => Vec::new(),
        };
        if let Some(all) = self.by_name.get(full.as_str()) {
            found.extend(all.iter().map(|one| Thing::Module(*one)));
        }
        if found.is_empty() {
            found.push(Thing::External(full));
        }
        found
    }

    /// As [`Names::name`] for names of a module, which may be asked for from anywhere.
    fn global_of(&self, place: Place, name: &str) -> Vec<Thing> {
        let key = (place, name.to_owned());
        if !self.busy.borrow_mut().insert(key.clone()) {
            return Vec::new();
        }
        let found = self.global(place.module, name);
        self.busy.borrow_mut().remove(&key);
        found
    }

    /// An attribute of a thing.
    pub fn attribute(&self, value: &Thing, name: &str) -> Vec<Thing> {
        let classes: Vec<Place> = match value {
            Thing::Module(module) => return self.member(*module, name),
            Thing::External(text) => return self.module(&format!("{text}.{name}")),
            Thing::Other => return vec![Thing::Other],
            Thing::Instance(class, exactness) if name == "__class__" => {
                return vec![Thing::Declared(*class, *exactness)];
            }
            Thing::Declared(place, _) if self.declaration(*place).kind != Kind::Class => {
                return vec![Thing::Other];
            }
            Thing::Declared(class, exactness) | Thing::Instance(class, exactness) => {
                let derived = match exactness {
                    Exactness::Exact => Vec::new(),
                    Exactness::OrDerived => self.all_derived(*class),
                };
                std::iter::once(*class).chain(derived).collect()
            }
            Thing::Super(class) => std::iter::once(*class)
                .chain(self.all_derived(*class))
                .collect(),
        };
        let behind = match value {
            Thing::Super(own) => Some(*own),
            _ => None,
        };
        let found = classes
            .iter()
            .flat_map(|class| self.in_class(*class, behind, name));
        let mut found: Vec<_> = found.collect();
        if self.assigned.contains(name) {
            found.push(Thing::Other);
        }
        found
    }

    /// What a class has under a name, itself or from its bases; behind one of them only, for `super()`.
    fn in_class(&self, class: Place, behind: Option<Place>, name: &str) -> Vec<Thing> {
        let order = self.resolution_order(class);
        let start = match behind {
            Some(own) => order
                .iter()
                .position(|one| *one == Some(own))
                .map_or(0, |at| at + 1),
            None => 0,
        };
        for base in &order[start..] {
            let Some(base) = base else {
                return vec![Thing::Other];
            };
            let Some(scope) = self.scope(*base) else {
                return vec![Thing::Other];
            };
            if scope.bound.contains_key(name) {
                return self.bound(*base, scope, name);
            }
        }
        vec![Thing::Other] // of `object`, or of a metaclass, or an attribute of instances
    }

    /// A class and its bases, in the order in which Python looks (C3); none stands for one that is not known.
    pub fn resolution_order(&self, class: Place) -> Vec<Option<Place>> {
        let mut busy = FxHashSet::default();
        self.linear(class, &mut busy)
    }

    fn linear(&self, class: Place, busy: &mut FxHashSet<Place>) -> Vec<Option<Place>> {
        let mut order = vec![Some(class)];
        if !busy.insert(class) {
            return order;
        }
        let bases = self.bases.get(&class).map_or(&[][..], Vec::as_slice);
        let mut lists: Vec<Vec<Option<Place>>> = bases
            .iter()
            .map(|base| base.map_or(vec![None], |base| self.linear(base, busy)))
            .collect();
        lists.push(bases.to_vec());
        busy.remove(&class);
        loop {
            lists.retain(|list| !list.is_empty());
            let in_tail = |one: &Option<Place>| lists.iter().any(|list| list[1..].contains(one));
            // What is not known has no place of its own, and may come again.
            let heads = || lists.iter().map(|list| list[0]);
            let next = heads().find(|head| head.is_none() || !in_tail(head));
            let Some(next) = next.or_else(|| heads().next()) else {
                return order;
            };
            order.push(next);
            match next {
                None => {
                    let at = lists.iter().position(|list| list[0].is_none());
                    if let Some(at) = at {
                        lists[at].remove(0);
                    }
                }
                Some(_) => lists
                    .iter_mut()
                    .for_each(|list| list.retain(|one| *one != next)),
            }
        }
    }

    pub fn all_derived(&self, class: Place) -> Vec<Place> {
        let mut found: Vec<Place> = Vec::new();
        let mut todo = vec![class];
        while let Some(one) = todo.pop() {
            for derived in self.derived.get(&one).into_iter().flatten() {
                if !found.contains(derived) && *derived != class {
                    found.push(*derived);
                    todo.push(*derived);
                }
            }
        }
        found
    }

    /// What a call gives, where that is plain.
    fn result(&self, at: Place, function: &Expression, arguments: &[Expression]) -> Vec<Thing> {
        if is_class_creation(function) {
            return match arguments.first() {
                Some(body @ Expression::Function(..)) => self.resolve(at, body),
                _ => vec![Thing::Other],
            };
        }
        let functions = self.resolve(at, function);
        let results = functions.into_iter().map(|function| match function {
            Thing::External(name) if name == "super" => match arguments {
                [] => self.class_around(at).map_or(Thing::Other, Thing::Super),
                [class, _] => match &self.resolve(at, class)[..] {
                    [Thing::Declared(class, _)] => Thing::Super(*class),
                    _ => Thing::Other,
                },
                _ => Thing::Other,
            },
            Thing::Declared(place, exactness) => match self.declaration(place).kind {
                Kind::Class if self.makes_its_own(place) => Thing::Instance(place, exactness),
                // The compiler's own function around what has type parameters.
                Kind::Annotation => self.generic(place),
                _ => Thing::Other,
            },
            _ => Thing::Other,
        });
        results.collect()
    }

    /// Whether calling a class gives an object of it.
    fn makes_its_own(&self, class: Place) -> bool {
        let mut order = self.resolution_order(class).into_iter().flatten();
        !order.any(|base| {
            let scope = self.scope(base);
            scope.is_some_and(|scope| scope.bound.contains_key("__new__"))
        })
    }

    fn generic(&self, around: Place) -> Thing {
        let declarations = self.modules[around.module].declarations;
        let inside = declarations.list.iter().find(|one| {
            one.parent == Some(around.declaration)
                && matches!(one.kind, Kind::Class | Kind::Function)
                && around_name(&self.declaration(around).name) == Some(&*one.name)
        });
        inside.map_or(Thing::Other, |one| {
            let place = Place {
                declaration: one.id,
                ..around
            };
            Thing::Declared(place, Exactness::Exact)
        })
    }

    /// Bases of all classes, and what is derived from each.
    fn hierarchy(&mut self) {
        let mut bases: FxHashMap<Place, Vec<Option<Place>>> = FxHashMap::default();
        for (module, scopes) in self.scopes.iter().enumerate() {
            for (number, scope) in scopes.iter().enumerate() {
                let declaration = DeclId(number as u32);
                let at = Place {
                    module,
                    declaration,
                };
                for (_, call) in scope.iter().flat_map(|scope| &scope.calls) {
                    if let Some((class, its)) = self.created(at, call) {
                        bases.insert(class, its);
                    }
                }
            }
        }
        for (class, its) in &bases {
            for base in its.iter().flatten() {
                self.derived.entry(*base).or_default().push(*class);
            }
        }
        self.derived.values_mut().for_each(|all| all.sort());
        self.bases = bases;
        // Names were looked up without bases.
        self.known.borrow_mut().clear();
    }

    /// The class that a call creates, and its bases.
    fn created(&self, at: Place, call: &Call) -> Option<(Place, Vec<Option<Place>>)> {
        let Some(Expression::Function(code, _)) = call.arguments.first() else {
            return None;
        };
        if !is_class_creation(&call.function) {
            return None;
        }
        let declaration = *self.by_code[at.module].get(&code.0)?;
        let named = call.arguments.len().saturating_sub(call.keywords.len());
        let written = call.arguments.get(2..named).unwrap_or_default();
        let is_own =
            |base: &Expression| matches!(base, Expression::Name(name) if name.starts_with('.'));
        let base = |base: &Expression| match &self.resolve(at, base)[..] {
            [Thing::Declared(place, _)] if self.declaration(*place).kind == Kind::Class => {
                Some(*place)
            }
            _ => None,
        };
        let bases = written.iter().filter(|base| !is_own(base)).map(base);
        Some((Place { declaration, ..at }, bases.collect()))
    }

    /// The functions that make an object of a class: `__new__` and `__init__`, its own or of bases.
    pub fn constructors(&self, class: Place) -> Vec<Thing> {
        let names = ["__new__", "__init__"];
        let found = names
            .iter()
            .flat_map(|name| self.in_class(class, None, name));
        let is_known = |thing: &Thing| matches!(thing, Thing::Declared(..));
        found.filter(is_known).collect()
    }
}

fn is_class_creation(function: &Expression) -> bool {
    matches!(function, Expression::Name(name) if name == "__build_class__")
}

/// Whether a decorator makes something else than a function that is called in its stead.
fn hides(decorator: &Expression) -> bool {
    let name = decorator.dotted().unwrap_or_default();
    let last = name.rsplit('.').next().unwrap_or_default();
    ["property", "cached_property", "setter", "getter", "deleter"].contains(&last)
}

fn around_name(name: &str) -> Option<&str> {
    name.strip_prefix("<generic parameters of ")?
        .strip_suffix('>')
}

/// Whose variable it is that a scope binds.
enum Owner {
    Module,
    Enclosing,
}

/// The scope around one whose frame has a variable: functions only, since class bodies enclose nothing.
fn owner_of(
    list: &[Declaration<'_>],
    scopes: &[Option<Scope>],
    from: DeclId,
    name: &str,
) -> Option<usize> {
    let mut at = list[from.0 as usize].parent;
    while let Some(parent) = at {
        let index = parent.0 as usize;
        let has = |scope: &Scope| scope.own.contains(name);
        if list[index].kind != Kind::Class && scopes[index].as_ref().is_some_and(has) {
            return Some(index);
        }
        at = list[index].parent;
    }
    None
}

fn scope(
    module: &Module<'_>,
    one: &Declaration<'_>,
    assigned: &mut FxHashSet<String>,
    outside: &mut Vec<(DeclId, String, Expression, Owner)>,
) -> Option<Scope> {
    let objects = &module.pyc.objects;
    let code = objects.code(one.code)?;
    let body = body::decode(module.pyc.isa, objects, code).ok()?;
    let cfg = Cfg::of(&body, Exceptions::Followed);
    let found = Expressions::of(&body, objects, &cfg).ok()?;
    let text = |id| objects.str(id).unwrap_or_default().into_owned();
    let mut scope = Scope {
        calls: found.calls.into_iter().collect(),
        bound: FxHashMap::default(),
        own: FxHashSet::default(),
        free: FxHashSet::default(),
        global: FxHashSet::default(),
        body,
    };
    for slot in &scope.body.locals {
        let names = match slot.kind & kinds::FREE != 0 {
            true => &mut scope.free,
            false => &mut scope.own,
        };
        names.insert(text(slot.name));
    }
    for instr in &scope.body.instrs {
        match (instr.opcode, instr.arg) {
            (Opcode::STORE_ATTR, Arg::Name(name, _)) => {
                assigned.insert(text(scope.body.names[name as usize]));
            }
            (
                Opcode::LOAD_GLOBAL
                | Opcode::LOAD_NAME
                | Opcode::LOAD_FROM_DICT_OR_GLOBALS
                | Opcode::STORE_NAME
                | Opcode::STORE_GLOBAL,
                Arg::Name(name, _),
            ) => {
                scope.global.insert(text(scope.body.names[name as usize]));
            }
            _ => {}
        }
    }
    for ((at, variable), value) in found.stored {
        let opcode = scope.body.instrs[at].opcode;
        let (name, owner) = match variable {
            Variable::Slot(slot) => {
                let slot = scope.body.locals[slot as usize];
                let free = slot.kind & kinds::FREE != 0;
                (text(slot.name), free.then_some(Owner::Enclosing))
            }
            Variable::Name(name) => {
                let global = opcode == Opcode::STORE_GLOBAL && one.kind != Kind::Module;
                let name = text(scope.body.names[name as usize]);
                (name, global.then_some(Owner::Module))
            }
        };
        match owner {
            Some(owner) => outside.push((one.id, name, value, owner)),
            None => scope.bound.entry(name).or_default().push((one.id, value)),
        }
    }
    Some(scope)
}
