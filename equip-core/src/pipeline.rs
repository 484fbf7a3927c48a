//! START HERE: the main road. A file's bytes and the edits that were asked for become new bytes,
//! proved sound; [`run`](crate::run) does that for a whole program.

use std::path::Path;
use std::sync::Arc;

use equip_plugin_api::edit::{OnError, Site, Value};
use rustc_hash::FxHashMap;

use crate::body;
use crate::code::flags;
use crate::compile::{Environment, Snippets, hash};
use crate::declaration::{Declaration, Declarations, Kind};
use crate::edits::{self, Author, BadEdit, Binding, ESCAPED, Edits, LOG, site_name};
use crate::isa::{Opcode, StopIterations};
use crate::marshal::ObjectId;
use crate::provenance::{PluginRecord, Provenance};
use crate::pyc::PycFile;
use crate::rewrite::{self, Host, Interner, Place, Probe, Refusal, Scope};
use crate::snippet::{HIDDEN, Meaning, Template};
use crate::verify::{self, Complaint};

/// A pipeline: who asks for edits, in order, and the compiled snippets of the run.
pub struct Pipeline<'p> {
    /// The authors.
    pub authors: &'p [Author],
    /// Compiles snippets.
    pub snippets: &'p Snippets,
}

/// One file that is being worked on.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'s> {
    /// Dotted name of the module.
    pub module_name: &'s str,
    /// Optimisation level of the file.
    pub optimize: u8,
}

/// Why a file was not instrumented.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An edit that cannot be made: a fault of its author.
    #[error(transparent)]
    Edit(#[from] Box<BadEdit>),
    /// A function of the program that cannot be understood.
    #[error("{qualname}: {error}")]
    Function {
        /// The function.
        qualname: String,
        /// Why.
        error: body::Error,
    },
    /// The verifier refused what equip made: a bug of equip.
    #[error("{0}")]
    Unsound(Complaint),
    /// The interpreter that snippets are compiled with is missing or broke off.
    #[error("{0}")]
    Interpreter(String),
}

/// The result for one file.
#[derive(Debug)]
pub struct Instrumented {
    /// The file's new bytes, provenance included.
    pub bytes: Vec<u8>,
    /// How many code objects were edited.
    pub functions: usize,
    /// How many edits were made.
    pub edits: usize,
}

impl Pipeline<'_> {
    /// Hash of all that decides the result beside the original.
    pub fn hash(&self) -> String {
        let mut parts: Vec<&[u8]> = vec![env!("CARGO_PKG_VERSION").as_bytes()];
        for author in self.authors {
            parts.extend([
                author.name.as_bytes(),
                author.version.as_bytes(),
                author.options.as_bytes(),
                author.selection.as_bytes(),
                author.on_error.name().as_bytes(),
            ]);
            for (name, source) in &author.runtimes {
                parts.extend([name.as_bytes(), source.as_bytes()]);
            }
        }
        hash(&parts)
    }

    fn provenance(&self, original: &[u8]) -> Provenance {
        let record = |author: &Author| PluginRecord {
            name: author.name.clone(),
            version: author.version.clone(),
            options: hash(&[author.options.as_bytes()]),
        };
        Provenance {
            format: 1,
            equip: env!("CARGO_PKG_VERSION").to_owned(),
            plugins: self.authors.iter().map(record).collect(),
            pipeline: self.hash(),
            original: hash(&[original]),
        }
    }

    /// Edits in, bytes out. Pure: the same file, edits and snippets give the same bytes. Nothing
    /// that the verifier complains about comes out.
    ///
    /// # Errors
    /// [`Error`]; the first that is met.
    pub fn apply(
        &self,
        original: &[u8],
        mut pyc: PycFile<'_>,
        declarations: &Declarations<'_>,
        edits: &Edits,
        subject: Subject<'_>,
    ) -> Result<Instrumented, Error> {
        let with_escape;
        let (edits, escape) = match escaping(&pyc, declarations, edits) {
            None => (edits, None),
            Some(author) => {
                let mut more = edits.clone();
                more.import_escape((author, &self.authors[author]))
                    .map_err(Box::new)?;
                with_escape = more;
                (&with_escape, Some(author))
            }
        };
        let hidden = self.hidden_names(&edits.bindings);
        let top: Vec<_> = edits
            .bindings
            .iter()
            .map(|binding| self.binding_values(&pyc, binding, subject.optimize))
            .collect::<Result<_, _>>()?;
        let unbinds = unbinds(edits);
        let mut order: Vec<usize> = (0..edits.list.len()).collect();
        order.sort_by_key(|index| {
            (
                edits.list[*index].declaration,
                edits.list[*index].author,
                *index,
            )
        });
        let mut interner = Interner::default();
        let mut edited: Vec<ObjectId> = Vec::new();
        let mut next = 0;
        for declaration in &declarations.list {
            let first = next;
            while next < order.len() && edits.list[order[next]].declaration == declaration.id {
                next += 1;
            }
            let mine = &order[first..next];
            let is_module = declaration.kind == Kind::Module;
            let binds = is_module && !top.is_empty();
            if mine.is_empty() && !binds {
                continue;
            }
            let mut probes: Vec<Probe<'_>> = Vec::with_capacity(mine.len() + top.len());
            let mut sources: Vec<Source<'_>> = Vec::with_capacity(mine.len() + top.len());
            if is_module {
                for (binding, values) in edits.bindings.iter().zip(&top) {
                    probes.push(Probe {
                        plugin: &self.authors[binding.author].name,
                        layer: binding.author as u32,
                        place: Place::Top,
                        template: &binding.template,
                        values,
                        hidden: if binding.public {
                            &hidden.none
                        } else {
                            &hidden.by_author[binding.author]
                        },
                        binds: true,
                        on_error: OnError::Raise,
                    });
                    sources.push(Source::Binding(binding));
                }
                for (binding, template) in &unbinds {
                    probes.push(Probe {
                        plugin: &self.authors[binding.author].name,
                        layer: binding.author as u32,
                        place: Place::Top,
                        template,
                        values: &[],
                        hidden: &hidden.by_author[binding.author],
                        binds: true,
                        on_error: OnError::Raise,
                    });
                    sources.push(Source::Binding(binding));
                }
            }
            for index in mine {
                let edit = &edits.list[*index];
                probes.push(Probe {
                    plugin: &self.authors[edit.author].name,
                    layer: edit.author as u32,
                    place: Place::At(edit.site),
                    template: &edit.template,
                    values: &edit.values,
                    hidden: &hidden.by_author[edit.author],
                    binds: false,
                    on_error: edit.on_error,
                });
                sources.push(Source::Edit(edit.author, edit.site));
            }
            let kind = escape.and_then(|_| kind_of_generator(&pyc, declaration));
            let is_async_generator = kind == Some(ASYNC_GENERATOR);
            let escaping = kind.map(|_| Template::verbatim(&edits::escape(is_async_generator)));
            let kind = kind.map(|kind| [("kind".to_owned(), Value::Str(kind.to_owned()))]);
            if let (Some(author), Some(template), Some(kind)) = (&escape, &escaping, &kind)
                && mine
                    .iter()
                    .any(|index| edits.list[*index].site == Site::OnRaise)
            {
                probes.push(Probe {
                    plugin: &self.authors[*author].name,
                    layer: *author as u32,
                    place: Place::Escape,
                    template,
                    values: kind,
                    hidden: &hidden.by_author[*author],
                    binds: false,
                    on_error: OnError::Raise,
                });
                sources.push(Source::Edit(*author, Site::OnRaise));
            }
            self.edit(
                &mut pyc,
                declarations,
                declaration,
                &probes,
                &sources,
                &mut interner,
                subject,
            )?;
            edited.push(declaration.code);
        }
        let functions = edited.len();
        let mut bytes = pyc.to_bytes();
        judge(&pyc, &bytes, &edited)?;
        self.provenance(original).append(&mut bytes);
        Ok(Instrumented {
            bytes,
            functions,
            edits: edits.list.len() + edits.bindings.len(),
        })
    }

    #[allow(clippy::too_many_arguments)]
    fn edit(
        &self,
        pyc: &mut PycFile<'_>,
        declarations: &Declarations<'_>,
        declaration: &Declaration<'_>,
        probes: &[Probe<'_>],
        sources: &[Source<'_>],
        interner: &mut Interner,
        subject: Subject<'_>,
    ) -> Result<(), Error> {
        let code = pyc
            .objects
            .code(declaration.code)
            .expect("declarations are code objects")
            .clone();
        let in_function = |error| Error::Function {
            qualname: declaration.qualname.clone().into_owned(),
            error,
        };
        let body = body::decode(pyc.isa, &pyc.objects, &code).map_err(in_function)?;
        let class = match declaration.kind {
            Kind::Class => Some(declaration),
            _ => declaration
                .class
                .map(|id| &declarations.list[id.0 as usize]),
        };
        let class_name = class.map(|class| class.name.as_ref());
        let environment = Environment::new(pyc.isa, subject.optimize, code.flags, class_name);
        let compiler = self.snippets.within(pyc.isa, environment);
        let file_path = pyc
            .objects
            .str(code.filename)
            .map(|name| name.into_owned())
            .unwrap_or_default();
        let enclosing = declaration
            .class
            .map(|id| declarations.list[id.0 as usize].name.as_ref());
        let constant = |name: &str, site_line: i32| match name {
            "method_name" => Value::Str(declaration.name.clone().into_owned()),
            "qualname" => Value::Str(declaration.qualname.clone().into_owned()),
            "class_name" => enclosing.map_or(Value::None, |name| Value::Str(name.to_owned())),
            "module_name" => Value::Str(subject.module_name.to_owned()),
            "file_name" => Value::Str(
                file_path
                    .rsplit(['/', '\\'])
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            ),
            "file_path" => Value::Str(file_path.clone()),
            "lineno" => Value::Int(declaration.first_line.into()),
            "end_lineno" => Value::Int(declaration.end_line.into()),
            "site_lineno" => Value::Int(site_line.into()),
            _ => Value::None,
        };
        let scope = match declaration.kind {
            Kind::Module => Scope::Module,
            _ if code.flags & flags::OPTIMIZED == 0 => Scope::Class,
            _ => Scope::Function,
        };
        let reads_arguments = probes.iter().any(|probe| {
            probe
                .template
                .uses(|m| matches!(m, Meaning::Arg(_) | Meaning::Arguments))
                .is_some()
        });
        let host = Host {
            scope,
            parameters: &declaration.parameters,
            nested_deletes: reads_arguments && nested_deletes(pyc, declaration.code),
            constant: &constant,
        };
        let body = rewrite::rewrite(body, &mut pyc.objects, interner, &host, probes, &compiler);
        let body = body.map_err(|(probe, refusal)| match refusal {
            Refusal::Body(error) => in_function(error),
            Refusal::Compiler(message) => Error::Interpreter(message),
            refusal => {
                let (author, site) = sources[probe].describe();
                let text = probes[probe].template.text().to_owned();
                Error::Edit(Box::new(BadEdit {
                    author,
                    declaration: Some(declaration.id),
                    site,
                    text,
                    refusal,
                }))
            }
        })?;
        let new = body::assemble(body, &code, &mut pyc.objects).map_err(in_function)?;
        pyc.objects.replace_code(declaration.code, new);
        Ok(())
    }

    fn hidden_names(&self, bindings: &[Binding]) -> Hidden {
        let mut by_author: Vec<FxHashMap<String, String>> =
            vec![FxHashMap::default(); self.authors.len()];
        for binding in bindings.iter().filter(|binding| !binding.public) {
            for name in &binding.names {
                let global = format!("{HIDDEN}{}.{name}", self.authors[binding.author].name);
                by_author[binding.author].insert(name.clone(), global);
            }
        }
        Hidden {
            by_author,
            none: FxHashMap::default(),
        }
    }

    /// The values of a binding: its own, and where it imports a runtime module, what that needs.
    fn binding_values(
        &self,
        pyc: &PycFile<'_>,
        binding: &Binding,
        optimize: u8,
    ) -> Result<Vec<(String, Value)>, Error> {
        let mut values = binding.values.clone();
        let author = &self.authors[binding.author];
        if let Some((name, source)) = binding.runtime.map(|runtime| runtime.of(author)) {
            let code = self
                .snippets
                .runtime(pyc.isa, optimize, name, source, &author.options)
                .map_err(|refusal| Error::Interpreter(refusal.to_string()))?;
            let parts = [
                author.name.as_bytes(),
                author.version.as_bytes(),
                author.options.as_bytes(),
                source.as_bytes(),
            ];
            let key = format!("{HIDDEN}{name}.{}", &hash(&parts)[..16]);
            values.extend([
                ("key".to_owned(), Value::Str(key)),
                ("name".to_owned(), Value::Str(name.to_owned())),
                ("code".to_owned(), Value::Bytes(Arc::unwrap_or_clone(code))),
            ]);
        }
        Ok(values)
    }
}

const ASYNC_GENERATOR: &str = "async generator";

/// What a generator is called in the message of an exception that may not leave it.
fn kind_of_generator(pyc: &PycFile<'_>, declaration: &Declaration<'_>) -> Option<&'static str> {
    let bits = pyc.objects.code(declaration.code)?.flags;
    match bits {
        _ if bits & flags::ASYNC_GENERATOR != 0 => Some(ASYNC_GENERATOR),
        _ if bits & flags::COROUTINE != 0 => Some("coroutine"),
        _ if bits & flags::GENERATOR != 0 => Some("generator"),
        _ => None,
    }
}

/// The first author that sees exceptions leave a generator, where CPython's compiler leaves it to the
/// caller to turn them into what they become.
fn escaping(pyc: &PycFile<'_>, declarations: &Declarations<'_>, edits: &Edits) -> Option<usize> {
    if pyc.isa.stop_iterations == StopIterations::ConvertedByFrame {
        return None;
    }
    let mut seen = edits.list.iter().filter(|edit| edit.site == Site::OnRaise);
    let found = seen.find(|edit| {
        let declaration = &declarations.list[edit.declaration.0 as usize];
        kind_of_generator(pyc, declaration).is_some()
    });
    found.map(|edit| edit.author)
}

/// Statements that delete what only other bindings read, so that the module's namespace keeps no more
/// than the snippets in its functions need.
fn unbinds(edits: &Edits) -> Vec<(&Binding, Template)> {
    let needed = |binding: &Binding, name: &str| {
        let mut mine = edits
            .list
            .iter()
            .filter(|edit| edit.author == binding.author);
        mine.any(|edit| {
            // A value may be text of the snippet.
            let mut values = edit.values.iter().map(|(_, value)| value);
            let logs = edit.on_error == OnError::Log && name == LOG;
            let escapes = edit.site == Site::OnRaise && name == ESCAPED;
            logs || escapes
                || edit.template.text().contains(name)
                || values.any(|value| matches!(value, Value::Str(text) if text.contains(name)))
        })
    };
    let mut found = Vec::new();
    // Two statements may bind one name, which is deleted once.
    let mut deleted = rustc_hash::FxHashSet::default();
    for binding in edits.bindings.iter().filter(|binding| !binding.public) {
        let names = binding.names.iter();
        let names: Vec<_> = names
            .filter(|name| !needed(binding, name))
            .filter(|name| deleted.insert((binding.author, name.as_str())))
            .map(String::as_str)
            .collect();
        if !names.is_empty() {
            let statement = format!("del {}", names.join(", "));
            let template = Template::parse(&statement, &[]);
            found.extend(template.ok().map(|template| (binding, template)));
        }
    }
    found
}

struct Hidden {
    by_author: Vec<FxHashMap<String, String>>,
    none: FxHashMap<String, String>,
}

enum Source<'s> {
    Binding(&'s Binding),
    Edit(usize, Site),
}

impl Source<'_> {
    fn describe(&self) -> (usize, String) {
        match self {
            Source::Binding(binding) => (binding.author, "import".to_owned()),
            Source::Edit(author, site) => (*author, site_name(*site)),
        }
    }
}

/// Whether code below a code object deletes variables of enclosing functions.
fn nested_deletes(pyc: &PycFile<'_>, code: ObjectId) -> bool {
    let Some(deletes) = pyc.isa.number(Opcode::DELETE_DEREF) else {
        return false;
    };
    let mut todo: Vec<ObjectId> = vec![code];
    while let Some(id) = todo.pop() {
        let Some(code) = pyc.objects.code(id) else {
            continue;
        };
        if code
            .bytecode(&pyc.objects)
            .iter()
            .step_by(2)
            .any(|byte| *byte == deletes)
        {
            return true;
        }
        todo.extend(code.consts(&pyc.objects));
    }
    false
}

/// Judges the written bytes of the code objects that were edited: they are read back, and found
/// again by their place in writing order.
fn judge(pyc: &PycFile<'_>, bytes: &[u8], edited: &[ObjectId]) -> Result<(), Error> {
    let unreadable = |error: crate::pyc::Error| {
        let message = format!("the written file cannot be read back: {error}");
        Error::Unsound(Complaint::file(message))
    };
    let written = PycFile::parse(bytes).map_err(unreadable)?;
    let edited: rustc_hash::FxHashSet<_> = edited.iter().copied().collect();
    let places = pyc.code_objects();
    let again = written.code_objects();
    let judged: Vec<_> = places
        .iter()
        .zip(&again)
        .filter(|(id, _)| edited.contains(id))
        .map(|(_, again)| *again)
        .collect();
    match verify::verify(&written, &judged).into_iter().next() {
        Some(complaint) => Err(Error::Unsound(complaint)),
        None => Ok(()),
    }
}

/// Whether a module does something of its own when it is started as a script: it compares
/// `__name__` with `'__main__'`, or its file has a name that cannot be imported.
pub fn is_entry_script(pyc: &PycFile<'_>, source: Option<&Path>) -> bool {
    let module = pyc.module();
    let names = module.names(&pyc.objects).iter();
    let tests_name = names
        .clone()
        .any(|id| pyc.objects.str_bytes(*id) == Some(b"__name__"));
    let mut consts = module.consts(&pyc.objects).iter();
    let main = consts.any(|id| pyc.objects.str_bytes(*id) == Some(b"__main__"));
    let stem = source
        .and_then(Path::file_stem)
        .map(|stem| stem.to_string_lossy());
    let is_main_module = stem.as_deref() == Some("__main__");
    let importable = stem.is_none_or(|stem| {
        !stem.is_empty()
            && stem.chars().all(|c| c.is_alphanumeric() || c == '_')
            && !stem.starts_with(|c: char| c.is_numeric())
    });
    !is_main_module && (tests_name && main || !importable)
}
