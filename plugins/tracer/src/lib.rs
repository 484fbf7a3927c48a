//! Traces each call with its arguments, its result or exception, and its suspensions.
//!
//! A probe notes one event; the runtime module streams them, as indented text or as trace events for
//! Perfetto (`ui.perfetto.dev`) and `chrome://tracing`. What is written is sound wherever it is cut.

use equip_plugin_api::prelude::*;

options! {
    /// How the trace is written.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Format {
        /// Lines, indented by depth.
        Text,
        /// A JSON array of trace events.
        Chrome,
    }
}

options! {
    /// What a user can set. The runtime module reads the same options, with the same defaults.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Name of the file, below the folder in which the program was started; by default text goes to
        /// stderr, events to `trace.json`. A second process puts its number behind: `trace.json.4711`.
        pub output: Option<String>,
        /// How the trace is written.
        pub format: Format,
        /// Shows arguments.
        pub include_args: bool = true,
        /// Most characters of one value.
        pub max_repr: u32 = 120,
        /// Leaves out calls that are shorter; of what can suspend, each stretch counts by itself.
        pub min_duration_us: f64,
        /// Of the calls that begin while their thread is in no other traced function, only each n-th is
        /// traced, the first included, with all that it calls. A generator keeps what its first call got.
        pub sample: u32 = 1,
        /// Measures CPU time, too.
        pub cpu: bool,
        /// Shows objects by their own `__repr__`: code of the program's runs then. Otherwise what is not
        /// made of builtin types is shown by class and address.
        pub user_repr: bool,
        /// Traces bodies of modules.
        pub modules: bool,
        /// Traces bodies of classes.
        pub classes: bool,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct Tracer {
    settings: Settings,
    functions: Vec<String>,
}

// `call` is the state of a call; None if it is not traced.
const CALL: &str = "call = enter({id}, ({arguments},))";
const CALL_BARE: &str = "call = enter({id}, ())";
const RETURN: &str = "if call is not None: leave(call, {return_value})";
const RETURN_BARE: &str = "if call is not None: leave(call, None)";
const RAISE: &str = "if call is not None: leave(call, {exception}, 'raise')";
const YIELD: &str = "if call is not None: leave(call, {yield_value}, 'yield')";
const RESUME: &str = "if call is not None: resume(call, {yield_value}, {exception})";

impl Tracer {
    /// The number of a function that is to be traced.
    fn add(&mut self, kind: char, key: &str, parameters: &[String]) -> usize {
        let line = format!("{kind}\t{key}\t{}", parameters.join(","));
        self.functions.push(line);
        self.functions.len() - 1
    }
}

impl Plugin for Tracer {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[
        SiteKind::Before,
        SiteKind::After,
        SiteKind::OnRaise,
        SiteKind::OnYield,
        SiteKind::OnResume,
        SiteKind::ModuleEnter,
        SiteKind::ModuleExit,
    ];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_tracer.py"];

    // At the recursion limit a probe cannot be called, and when the program ends it is gone.
    const ON_ERROR: OnError = OnError::Ignore;

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings: Settings = options.parse()?;
        if settings.sample == 0 {
            return Err(Error::new("sample: 0 of the calls are none; 1 is all"));
        }
        if !(0.0..=1e12).contains(&settings.min_duration_us) {
            return Err(Error::new("min_duration_us: not a number of microseconds"));
        }
        let functions = Vec::new();
        Ok(Tracer {
            settings,
            functions,
        })
    }

    /// One list for the module, made when all of its functions are known.
    fn finish(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.functions.is_empty() {
            edits.import("from equip_tracer import register, leave, resume")?;
            let enter = Snippet::new("register({module_name}, {functions})");
            edits.bind("enter", enter.with("functions", self.functions.join("\n")))?;
        }
        Ok(String::new())
    }
}

impl MethodVisitor for Tracer {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let parameters: Vec<String> = match self.settings.include_args {
            true => method.parameters().iter().map(written).collect(),
            false => Vec::new(),
        };
        let kind = match method {
            _ if method.is_async_generator() => 'a',
            _ if method.is_coroutine() => 'c',
            _ if method.is_generator() => 'g',
            _ => 'f',
        };
        let call = if parameters.is_empty() {
            CALL_BARE
        } else {
            CALL
        };
        let id = self.add(kind, method.key(), &parameters);
        edits.before(Snippet::new(call).with("id", id))?;
        edits.after(RETURN)?;
        edits.on_raise(RAISE)?;
        if kind != 'f' {
            edits.on_yield(YIELD)?;
            edits.on_resume(RESUME)?;
        }
        Ok(())
    }
}

impl ClassVisitor for Tracer {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        if !self.settings.classes {
            return Ok(());
        }
        let id = self.add('f', class.key(), &[]);
        edits.before(Snippet::new(CALL_BARE).with("id", id))?;
        edits.after(RETURN_BARE)?;
        edits.on_raise(RAISE)
    }
}

impl ModuleVisitor for Tracer {
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        if !self.settings.modules {
            return Ok(());
        }
        let id = self.add('f', module.key(), &[]);
        let call = Snippet::new(CALL_BARE).with("id", id);
        edits.at(Site::ModuleEnter(When::Always), call)?;
        edits.at(Site::ModuleExit(When::Always), RETURN_BARE)?;
        edits.on_raise(RAISE)
    }
}

/// A parameter as a signature has it.
fn written(parameter: &Parameter<'_>) -> String {
    let stars = match parameter.kind() {
        ParameterKind::VarPositional => "*",
        ParameterKind::VarKeyword => "**",
        _ => "",
    };
    format!("{stars}{}", parameter.name())
}

export_plugin!(
    Tracer: ModuleVisitor + ClassVisitor + MethodVisitor,
    about = "traces calls, results, exceptions and suspensions"
);
