//! What a program declares: module, classes, functions, imports; read from code objects alone.

use std::borrow::Cow;

use rustc_hash::{FxHashMap, FxHashSet};

use crate::code::{CodeObject, flags};
use crate::isa::{Flow, Isa, NullSlot, OpInfo, Opcode, Operand};
use crate::marshal::{ObjectId, Objects};
use crate::pyc::PycFile;

/// Names one declaration of a module; the module itself is number 0. Pre-order, so a parent
/// always has a smaller number than its children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DeclId(pub u32);

/// What kind of scope a code object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The module's own body.
    Module,
    /// A class body.
    Class,
    /// `def` or `async def`.
    Function,
    /// `lambda`
    Lambda,
    /// A comprehension or generator expression that has a code object of its own.
    Comprehension,
    /// `__annotate__`, type parameters, type aliases, bounds: scopes of the compiler's own.
    Annotation,
}

/// How a parameter takes its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ParameterKind {
    /// Before `/`.
    PositionalOnly,
    /// Ordinary.
    Positional,
    /// `*args`
    VarPositional,
    /// After `*`.
    KeywordOnly,
    /// `**kwargs`
    VarKeyword,
}

/// One parameter, in signature order (positional, `*args`, keyword-only, `**kwargs`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// How it takes its arguments.
    pub kind: ParameterKind,
    /// Its slot in the frame (`co_localsplusnames`).
    pub slot: u32,
}

/// One module, class, function or other scope.
#[derive(Clone, Debug)]
pub struct Declaration<'a> {
    /// Its number in the module.
    pub id: DeclId,
    /// What it is.
    pub kind: Kind,
    /// Its code object.
    pub code: ObjectId,
    /// The scope that holds it; `None` for the module.
    pub parent: Option<DeclId>,
    /// `co_name`
    pub name: Cow<'a, str>,
    /// `co_qualname`
    pub qualname: Cow<'a, str>,
    /// The nearest enclosing class (not itself), at any distance.
    pub class: Option<DeclId>,
    /// First line (`co_firstlineno`: the first decorator's, where there is one).
    pub first_line: u32,
    /// Last line that any instruction of it (nested scopes included) has.
    pub end_line: u32,
    /// `co_flags`
    pub flags: u32,
    /// Parameters of a function or lambda, else empty.
    pub parameters: Vec<Parameter<'a>>,
    /// Base classes as dotted names, `...` for what is no plain name; classes only.
    pub bases: Vec<String>,
    /// Decorators as dotted names, `...` for what is no plain name, outermost first.
    pub decorators: Vec<String>,
}

/// One import statement (one `IMPORT_NAME`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// The scope that it stands in.
    pub scope: DeclId,
    /// Its line.
    pub line: u32,
    /// Leading dots of a relative import.
    pub level: u32,
    /// The dotted module name as written; empty for `from . import x`.
    pub module: String,
    /// Imported names and their aliases; empty for `import a.b`.
    pub names: Vec<(String, Option<String>)>,
    /// `as` name of `import a.b as c`.
    pub alias: Option<String>,
    /// `from m import *`
    pub star: bool,
}

/// All declarations of one file, in pre-order.
#[derive(Clone, Debug, Default)]
pub struct Declarations<'a> {
    /// Pre-order; the index of each is its [`DeclId`].
    pub list: Vec<Declaration<'a>>,
    /// Import statements in code order.
    pub imports: Vec<Import>,
}

impl<'a> Declarations<'a> {
    /// The first declaration with that qualname.
    pub fn find(&self, qualname: &str) -> Option<&Declaration<'a>> {
        self.list
            .iter()
            .find(|declaration| declaration.qualname == qualname)
    }

    /// All declarations with that qualname, in code order.
    pub fn find_all<'s>(&'s self, qualname: &'s str) -> impl Iterator<Item = &'s Declaration<'a>> {
        self.list
            .iter()
            .filter(move |declaration| declaration.qualname == qualname)
    }

    /// The module itself.
    pub fn module(&self) -> &Declaration<'a> {
        &self.list[0]
    }

    /// For each declaration a key that no other of the module has: the qualname, with `:firstlineno`
    /// where several functions share it, and `:n` where that is not unique either. Classes and scopes of the
    /// compiler's own give way to functions.
    pub fn keys(&self) -> Vec<String> {
        let is_function = |one: &&Declaration<'_>| {
            !matches!(one.kind, Kind::Module | Kind::Class | Kind::Annotation)
        };
        let mut keys = vec![String::new(); self.list.len()];
        let mut taken: FxHashSet<String> = FxHashSet::default();
        let functions: Vec<_> = self.list.iter().filter(is_function).collect();
        let others: Vec<_> = self.list.iter().filter(|one| !is_function(one)).collect();
        for group in [functions, others] {
            let mut named: FxHashMap<&str, u32> = FxHashMap::default();
            let mut placed: FxHashMap<(&str, u32), u32> = FxHashMap::default();
            for one in &group {
                *named.entry(&one.qualname).or_default() += 1;
                *placed.entry((&one.qualname, one.first_line)).or_default() += 1;
            }
            let mut numbers: FxHashMap<(&str, u32), u32> = FxHashMap::default();
            for one in &group {
                let place = (one.qualname.as_ref(), one.first_line);
                let by_name = one.qualname.clone().into_owned();
                let by_line = format!("{}:{}", place.0, place.1);
                let key = if named[place.0] == 1 && !taken.contains(&by_name) {
                    by_name
                } else if placed[&place] == 1 && !taken.contains(&by_line) {
                    by_line
                } else {
                    let number = numbers.entry(place).or_default();
                    loop {
                        *number += 1;
                        let key = format!("{by_line}:{number}");
                        if !taken.contains(&key) {
                            break key;
                        }
                    }
                };
                taken.insert(key.clone());
                keys[one.id.0 as usize] = key;
            }
        }
        keys
    }
}

/// Finds all declarations of a file.
pub fn declarations<'a>(pyc: &PycFile<'a>) -> Declarations<'a> {
    let mut walk = Walk {
        pyc,
        found: Declarations::default(),
        seen: vec![false; pyc.objects.len()],
        stack: Vec::new(),
        plain: Vec::new(),
    };
    walk.declare(pyc.root, None, Some(Kind::Module));
    // Children come after their parents: one pass from the end spreads last lines upwards.
    for index in (1..walk.found.list.len()).rev() {
        let (end, parent) = (
            walk.found.list[index].end_line,
            walk.found.list[index].parent,
        );
        if let Some(parent) = parent {
            let line = &mut walk.found.list[parent.0 as usize].end_line;
            *line = (*line).max(end);
        }
    }
    walk.found
}

struct Walk<'w, 'a> {
    pyc: &'w PycFile<'a>,
    found: Declarations<'a>,
    seen: Vec<bool>,
    /// Values on the stack of all scopes that are being walked.
    stack: Vec<Value>,
    /// For each import whether it is `import m`, not `from m import n`.
    plain: Vec<bool>,
}

/// What is known of a value on the stack.
#[derive(Clone, Debug, PartialEq)]
enum Value {
    Other,
    Null,
    Const(ObjectId),
    Int(u32),
    /// A dotted name.
    Name(String),
    /// What calling a dotted name gave.
    Called(String),
    /// What is written with brackets: `Generic[K, V]`, or what stands in them.
    Written(String),
    BuildClass,
    /// A code object, function or class of that declaration.
    Made(DeclId),
    /// A module of that import, and a member of it.
    Module(usize),
    Member(usize, String),
}

impl<'a> Walk<'_, 'a> {
    fn declare(
        &mut self,
        id: ObjectId,
        parent: Option<DeclId>,
        kind: Option<Kind>,
    ) -> Option<DeclId> {
        if std::mem::replace(&mut self.seen[id.0 as usize], true) {
            return None;
        }
        let objects = &self.pyc.objects;
        let code = objects.code(id)?;
        let text = |id| objects.long_str(id).unwrap_or_default();
        let (name, qualname) = (text(code.name), text(code.qualname));
        let decl = DeclId(self.found.list.len() as u32);
        let kind = kind.unwrap_or_else(|| self.kind(code, &name));
        let class = parent.and_then(|id| {
            let parent = &self.found.list[id.0 as usize];
            if parent.kind == Kind::Class {
                Some(id)
            } else {
                parent.class
            }
        });
        let parameters = match kind {
            Kind::Function | Kind::Lambda => parameters(objects, code),
            _ => Vec::new(),
        };
        let first_line = code.firstlineno.max(0) as u32;
        let table = objects.bytes(code.linetable).unwrap_or_default();
        let last = crate::body::lines_of(table, code.firstlineno)
            .max()
            .unwrap_or(0)
            .max(0) as u32;
        self.found.list.push(Declaration {
            id: decl,
            kind,
            code: id,
            parent,
            name,
            qualname,
            class,
            first_line,
            end_line: last.max(first_line),
            flags: code.flags,
            parameters,
            bases: Vec::new(),
            decorators: Vec::new(),
        });
        self.scope(decl, code);
        Some(decl)
    }

    fn kind(&self, code: &CodeObject, name: &str) -> Kind {
        let objects = &self.pyc.objects;
        let first = objects
            .items(code.localsplusnames)
            .first()
            .and_then(|id| objects.str_bytes(*id));
        match name {
            _ if !code.is_optimized() => Kind::Class,
            "<lambda>" => Kind::Lambda,
            "<listcomp>" | "<setcomp>" | "<dictcomp>" | "<genexpr>" => Kind::Comprehension,
            name if name.starts_with("<generic parameters of ") => Kind::Annotation,
            // The compiler's own has a parameter that no source can name, or is positional-only `format`.
            "__annotate__"
                if first == Some(b".format")
                    || first == Some(b"format") && code.posonlyargcount == 1 =>
            {
                Kind::Annotation
            }
            _ => Kind::Function,
        }
    }

    /// Follows the instructions of a scope in a straight line, knowing values where that is easy.
    fn scope(&mut self, decl: DeclId, code: &CodeObject) {
        let pyc = self.pyc;
        let (isa, objects) = (pyc.isa, &pyc.objects);
        let consts = code.consts(objects);
        let bytes = code.bytecode(objects);
        let imports = isa.number(Opcode::IMPORT_NAME);
        let interesting = consts.iter().any(|id| objects.code(*id).is_some())
            || bytes.iter().step_by(2).any(|byte| Some(*byte) == imports);
        if !interesting {
            return;
        }
        let base = self.stack.len();
        let mut instrs = Instrs {
            isa,
            bytes,
            unit: 0,
        };
        let mut lines = None;
        let mut keywords = 0usize;
        while let Some((unit, op, arg)) = instrs.next() {
            let name = |index: u32| -> String {
                let id = code.names(objects).get(index as usize);
                id.and_then(|id| objects.str(*id))
                    .map(|name| name.into_owned())
                    .unwrap_or_default()
            };
            let slot = |index: u32| -> Value {
                let id = objects.items(code.localsplusnames).get(index as usize);
                Value::Name(
                    id.and_then(|id| objects.str(*id))
                        .unwrap_or_default()
                        .into_owned(),
                )
            };
            match op.opcode {
                Opcode::LOAD_CONST => {
                    let id = consts.get(arg as usize).copied();
                    let value = match id {
                        Some(id) if objects.code(id).is_some() => {
                            let kind = annotation_scope(isa, &instrs);
                            match self.declare(id, Some(decl), kind) {
                                Some(made) => Value::Made(made),
                                None => Value::Other,
                            }
                        }
                        Some(id) => Value::Const(id),
                        None => Value::Other,
                    };
                    self.stack.push(value);
                }
                Opcode::LOAD_SMALL_INT => self.stack.push(Value::Int(arg)),
                Opcode::LOAD_NAME => self.stack.push(Value::Name(name(arg))),
                Opcode::LOAD_GLOBAL => {
                    let value = Value::Name(name(arg >> 1));
                    let null = (arg & 1 != 0).then_some(Value::Null);
                    match isa.null_slot {
                        NullSlot::BelowCallable => {
                            self.stack.extend(null.into_iter().chain([value]))
                        }
                        NullSlot::AboveCallable => {
                            self.stack.extend([value].into_iter().chain(null))
                        }
                    }
                }
                Opcode::LOAD_FAST
                | Opcode::LOAD_FAST_BORROW
                | Opcode::LOAD_FAST_CHECK
                | Opcode::LOAD_DEREF
                | Opcode::LOAD_CLASSDEREF => self.stack.push(slot(arg)),
                Opcode::LOAD_FAST_LOAD_FAST | Opcode::LOAD_FAST_BORROW_LOAD_FAST_BORROW => {
                    self.stack.extend([slot(arg >> 4), slot(arg & 15)]);
                }
                Opcode::LOAD_FROM_DICT_OR_DEREF => {
                    self.pop(base);
                    self.stack.push(slot(arg));
                }
                Opcode::LOAD_FROM_DICT_OR_GLOBALS => {
                    self.pop(base);
                    self.stack.push(Value::Name(name(arg)));
                }
                Opcode::PUSH_NULL => self.stack.push(Value::Null),
                Opcode::LOAD_BUILD_CLASS => self.stack.push(Value::BuildClass),
                Opcode::LOAD_ATTR | Opcode::LOAD_METHOD => {
                    let (index, method) = match op.operand {
                        Operand::NameShift1 => (arg >> 1, arg & 1 != 0),
                        _ => (arg, op.opcode == Opcode::LOAD_METHOD),
                    };
                    let object = self.pop(base);
                    let value = match &object {
                        Value::Name(object) => Value::Name(format!("{object}.{}", name(index))),
                        _ => Value::Other,
                    };
                    self.stack.push(value);
                    if method {
                        self.stack.push(object);
                    }
                }
                Opcode::MAKE_FUNCTION => {
                    let function = self.pop(base);
                    let flags = if op.has_arg { arg.count_ones() } else { 0 };
                    for _ in 0..flags {
                        self.pop(base);
                    }
                    self.stack.push(function);
                }
                Opcode::SET_FUNCTION_ATTRIBUTE => {
                    let function = self.pop(base);
                    self.pop(base);
                    self.stack.push(function);
                }
                Opcode::KW_NAMES => {
                    keywords = consts
                        .get(arg as usize)
                        .map_or(0, |id| objects.items(*id).len());
                }
                Opcode::PRECALL => {}
                Opcode::CALL | Opcode::CALL_KW => {
                    if op.opcode == Opcode::CALL_KW
                        && let Value::Const(names) = self.pop(base)
                    {
                        keywords = objects.items(names).len();
                    }
                    self.call(base, arg as usize, keywords, isa.null_slot);
                    keywords = 0;
                }
                Opcode::CALL_FUNCTION_EX => {
                    // The bases of a class are in a tuple that is not looked into.
                    let from = self.stack.len().saturating_sub(4).max(base);
                    let builds = self.stack[from..].contains(&Value::BuildClass);
                    self.effect(base, op.effect.of(arg));
                    if let (true, Some(made)) = (builds, self.last_class()) {
                        self.found.list[made.0 as usize]
                            .bases
                            .push("...".to_owned());
                        self.pop(base);
                        self.stack.push(Value::Made(made));
                    }
                }
                Opcode::BINARY_SUBSCR => self.subscript(base),
                Opcode::BINARY_OP if isa.binary_operators.get(arg as usize) == Some(&"[]") => {
                    self.subscript(base);
                }
                Opcode::BUILD_TUPLE if arg > 0 => {
                    let from = self.stack.len().saturating_sub(arg as usize).max(base);
                    let items: Vec<_> = self.stack.drain(from..).map(|v| dotted(&v)).collect();
                    self.stack
                        .push(match items.iter().any(|item| item == "...") {
                            true => Value::Other,
                            false => Value::Written(items.join(", ")),
                        });
                }
                Opcode::SWAP => {
                    let (len, n) = (self.stack.len(), arg as usize);
                    if n > 0 && len >= base + n {
                        self.stack.swap(len - 1, len - n);
                    }
                }
                Opcode::COPY => {
                    let (len, n) = (self.stack.len(), arg as usize);
                    let value = if n > 0 && len >= base + n {
                        self.stack[len - n].clone()
                    } else {
                        Value::Other
                    };
                    self.stack.push(value);
                }
                Opcode::POP_TOP => {
                    self.pop(base);
                }
                Opcode::IMPORT_NAME => {
                    let names = self.pop(base);
                    let level = match self.pop(base) {
                        Value::Int(level) => level,
                        Value::Const(id) => objects.int(id).unwrap_or(0) as u32,
                        _ => 0,
                    };
                    let lines: &Vec<i32> = lines.get_or_insert_with(|| unit_lines(pyc, code));
                    let index = if op.operand == Operand::NameShift2 {
                        arg >> 2
                    } else {
                        arg
                    };
                    let star = match names {
                        Value::Const(id) => {
                            let mut items = objects.items(id).iter();
                            items.any(|id| objects.str_bytes(*id) == Some(b"*"))
                        }
                        _ => false,
                    };
                    self.plain
                        .push(!matches!(names, Value::Const(id) if objects.tuple(id).is_some()));
                    self.stack.push(Value::Module(self.found.imports.len()));
                    self.found.imports.push(Import {
                        scope: decl,
                        line: lines.get(unit).copied().unwrap_or(0).max(0) as u32,
                        level,
                        module: name(index),
                        names: Vec::new(),
                        alias: None,
                        star,
                    });
                }
                Opcode::IMPORT_FROM => {
                    let value = match self.stack.last() {
                        Some(Value::Module(import)) => Value::Member(*import, name(arg)),
                        // `import a.b.c as d` goes down one name at a time.
                        Some(Value::Member(import, above)) => {
                            Value::Member(*import, format!("{above}.{}", name(arg)))
                        }
                        _ => Value::Other,
                    };
                    self.stack.push(value);
                }
                Opcode::STORE_NAME | Opcode::STORE_GLOBAL => {
                    let value = self.pop(base);
                    self.store(value, name(arg));
                }
                Opcode::STORE_FAST | Opcode::STORE_DEREF => {
                    let value = self.pop(base);
                    if let Value::Name(name) = slot(arg) {
                        self.store(value, name);
                    }
                }
                _ if matches!(op.flow, Flow::Exit | Flow::Jump) => self.stack.truncate(base),
                _ => {
                    let packed = match op.operand {
                        Operand::NameShift1 => arg & 1,
                        Operand::NameShift2 => arg & 3,
                        _ => arg,
                    };
                    self.effect(base, op.effect.of(packed));
                }
            }
        }
        self.stack.truncate(base);
    }

    fn pop(&mut self, base: usize) -> Value {
        if self.stack.len() > base {
            self.stack.pop().unwrap_or(Value::Other)
        } else {
            Value::Other
        }
    }

    fn effect(&mut self, base: usize, effect: i64) {
        let len = self.stack.len();
        if effect > 0 {
            self.stack.resize(len + effect as usize, Value::Other);
        } else {
            let popped = effect.unsigned_abs() as usize;
            self.stack.truncate(len.saturating_sub(popped).max(base));
            if self.stack.len() > base {
                self.stack.pop();
                self.stack.push(Value::Other);
            }
        }
    }

    fn subscript(&mut self, base: usize) {
        let (inner, outer) = (self.pop(base), self.pop(base));
        let (inner, outer) = (dotted(&inner), dotted(&outer));
        self.stack.push(match outer == "..." {
            true => Value::Other,
            false => Value::Written(format!("{outer}[{inner}]")),
        });
    }

    fn call(&mut self, base: usize, count: usize, keywords: usize, null_slot: NullSlot) {
        let from = self.stack.len().saturating_sub(count + 2).max(base);
        let values = self.stack.split_off(from);
        if values.len() < count + 2 {
            self.stack.push(Value::Other);
            return;
        }
        let args = &values[2..];
        // What is decorated stands where a method's object would: no other call has a function there.
        if let ([callee, Value::Made(made)], []) = (&values[..2], args) {
            let decorator = match callee {
                Value::Name(name) | Value::Called(name) => Some(name.clone()),
                Value::Null | Value::Made(_) => None,
                _ => Some("...".to_owned()),
            };
            if let Some(decorator) = decorator {
                let decorators = &mut self.found.list[made.0 as usize].decorators;
                decorators.insert(0, decorator);
                self.stack.push(values[1].clone());
                return;
            }
        }
        let callee = match (null_slot, &values[0]) {
            (NullSlot::BelowCallable, Value::Null) => &values[1],
            (_, callee) => callee,
        };
        let result = match (callee, args) {
            (Value::BuildClass, [Value::Made(made), _, bases @ ..]) => {
                let plain = bases.len() - keywords.min(bases.len());
                let bases = bases[..plain].iter().map(dotted);
                // The compiler's own, of classes with type parameters.
                let bases = bases.filter(|base| base != ".generic_base");
                self.found.list[made.0 as usize].bases = bases.collect();
                Value::Made(*made)
            }
            (Value::Name(name), _) => Value::Called(name.clone()),
            (Value::Made(made), _) => self.generic(*made),
            _ => Value::Other,
        };
        self.stack.push(result);
    }

    /// What a function gives that the compiler puts around a class or function with type parameters.
    fn generic(&self, made: DeclId) -> Value {
        let list = &self.found.list;
        let is_inside = |one: &&Declaration<'_>| {
            one.parent == Some(made) && matches!(one.kind, Kind::Class | Kind::Function)
        };
        let around = list[made.0 as usize].kind == Kind::Annotation;
        let inside = list[made.0 as usize..].iter().find(is_inside);
        match inside {
            Some(one) if around => Value::Made(one.id),
            _ => Value::Other,
        }
    }

    fn last_class(&self) -> Option<DeclId> {
        self.found
            .list
            .iter()
            .rev()
            .find(|one| one.kind == Kind::Class)
            .map(|one| one.id)
    }

    fn store(&mut self, value: Value, name: String) {
        match value {
            Value::Module(import) if self.plain[import] => {
                let import = &mut self.found.imports[import];
                let root = import.module.split('.').next().unwrap_or_default();
                import.alias = (root != name).then_some(name);
            }
            Value::Member(import, _) if self.plain[import] => {
                self.found.imports[import].alias = Some(name)
            }
            Value::Member(import, member) => {
                let alias = (member != name).then_some(name);
                self.found.imports[import].names.push((member, alias));
            }
            _ => {}
        }
    }
}

fn dotted(value: &Value) -> String {
    match value {
        Value::Name(text) | Value::Written(text) => text.clone(),
        Value::Called(name) => format!("{name}(...)"),
        _ => "...".to_owned(),
    }
}

/// Instructions of a scope: first code unit, facts, operand. Ends at what is no instruction.
#[derive(Clone)]
struct Instrs<'b> {
    isa: &'static Isa,
    bytes: &'b [u8],
    unit: usize,
}

impl Iterator for Instrs<'_> {
    type Item = (usize, &'static OpInfo, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let start = self.unit;
        let mut arg = 0u32;
        loop {
            let number = *self.bytes.get(2 * self.unit)?;
            arg = arg << 8 | u32::from(*self.bytes.get(2 * self.unit + 1)?);
            let op = self.isa.op(number)?;
            self.unit += 1 + usize::from(op.caches);
            if op.opcode != Opcode::EXTENDED_ARG {
                return Some((start, op, arg));
            }
        }
    }
}

/// Whether the function that is about to be made evaluates a type alias, or a bound or default of a
/// type parameter.
fn annotation_scope(isa: &Isa, after: &Instrs<'_>) -> Option<Kind> {
    let makes = |op: &OpInfo| {
        matches!(
            op.opcode,
            Opcode::MAKE_FUNCTION | Opcode::SET_FUNCTION_ATTRIBUTE
        )
    };
    let mut rest = after.clone().skip_while(|(_, op, _)| makes(op));
    let (_, first, count) = rest.next()?;
    let named = |names: &[&str], arg: u32, wanted: &[&str]| {
        names
            .get(arg as usize)
            .is_some_and(|name| wanted.iter().any(|wanted| name.ends_with(wanted)))
    };
    let evaluates = match first.opcode {
        Opcode::CALL_INTRINSIC_2 => {
            let wanted = [
                "TYPEVAR_WITH_BOUND",
                "TYPEVAR_WITH_CONSTRAINTS",
                "SET_TYPEPARAM_DEFAULT",
            ];
            named(isa.intrinsics_2, count, &wanted)
        }
        Opcode::BUILD_TUPLE if count == 3 => rest.next().is_some_and(|(_, op, arg)| {
            op.opcode == Opcode::CALL_INTRINSIC_1 && named(isa.intrinsics_1, arg, &["TYPEALIAS"])
        }),
        _ => false,
    };
    evaluates.then_some(Kind::Annotation)
}

/// The line of each code unit.
fn unit_lines(pyc: &PycFile<'_>, code: &CodeObject) -> Vec<i32> {
    let table = pyc.objects.bytes(code.linetable).unwrap_or_default();
    crate::body::lines_by_unit(table, code.firstlineno).collect()
}

fn parameters<'a>(objects: &Objects<'a>, code: &CodeObject) -> Vec<Parameter<'a>> {
    let names = objects.items(code.localsplusnames);
    let (count, keyword) = (code.argcount, code.kwonlyargcount);
    let has = |flag| code.flags & flag != 0;
    let parameter = |slot: u32, kind| {
        let name = objects.long_str(*names.get(slot as usize)?)?;
        Some(Parameter { name, kind, slot })
    };
    let positional = (0..count).map(|slot| match slot < code.posonlyargcount {
        true => (slot, ParameterKind::PositionalOnly),
        false => (slot, ParameterKind::Positional),
    });
    let (total, starred) = (count.saturating_add(keyword), has(flags::VARARGS));
    let var = starred.then_some((total, ParameterKind::VarPositional));
    let keyword = (count..total).map(|slot| (slot, ParameterKind::KeywordOnly));
    let double = total.saturating_add(u32::from(starred));
    let kw = has(flags::VARKEYWORDS).then_some((double, ParameterKind::VarKeyword));
    let all = positional
        .take(names.len())
        .chain(var)
        .chain(keyword.take(names.len()))
        .chain(kw);
    all.filter_map(|(slot, kind)| parameter(slot, kind))
        .collect()
}
