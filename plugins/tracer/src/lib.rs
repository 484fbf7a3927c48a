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

/// What a probe does: whether it runs for each call, or only for those that are traced, and the call of the runtime.
/// `call` is the state of a call; None if it is not traced.
#[derive(Clone, Copy)]
struct Event {
    always: bool,
    does: &'static str,
}

const fn always(does: &'static str) -> Event {
    let always = true;
    Event { always, does }
}

const fn traced(does: &'static str) -> Event {
    let always = false;
    Event { always, does }
}

const CALL: Event = always("call = enter({id}, ({arguments},))");
const CALL_BARE: Event = always("call = enter({id}, ())");
const RETURN: Event = traced("leave(call, {return_value})");
const RETURN_BARE: Event = traced("leave(call, None)");
const RAISE: Event = traced("leave(call, {exception}, 'raise')");
const YIELD: Event = traced("leave(call, {yield_value}, 'yield')");
const RESUME: Event = traced("resume(call, {yield_value}, {exception})");

impl Event {
    /// Its snippet, by whether functions of runtime modules are unseen.
    fn snippet(self, unseen: bool) -> String {
        // Else `sys.settrace` and `sys.setprofile` are off meanwhile; but for those whose function is none of Python's: it
        // may be in C, and could not be put back so.
        let does = match unseen {
            true => self.does.to_owned(),
            false => format!(
                "\
trace = gettrace()
profile = getprofile()
if trace is None and profile is None or hiding.now:
    {does}
else:
    traces = is_python(kind_of(trace))
    profiles = is_python(kind_of(profile))
    try:
        hiding.now = True
        if traces: settrace(None)
        if profiles: setprofile(None)
        {does}
    finally:
        if profiles: setprofile(profile)
        if traces: settrace(trace)
        hiding.now = False",
                does = self.does
            ),
        };
        match self.always {
            true => does,
            false => format!("if call is not None:\n    {}", does.replace('\n', "\n    ")),
        }
    }
}

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
    fn finish(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.functions.is_empty() {
            edits.import("from equip_tracer import register, leave, resume")?;
            if !module.runtime_is_unseen() {
                edits.import("from equip_tracer import gettrace, settrace, kind_of, is_python")?;
                edits.import("from equip_tracer import getprofile, setprofile, hiding")?;
            }
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
        let unseen = method.runtime_is_unseen();
        edits.before(Snippet::new(&call.snippet(unseen)).with("id", id))?;
        edits.after(&*RETURN.snippet(unseen))?;
        edits.on_raise(&*RAISE.snippet(unseen))?;
        if kind != 'f' {
            edits.on_yield(&*YIELD.snippet(unseen))?;
            edits.on_resume(&*RESUME.snippet(unseen))?;
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
        let unseen = class.runtime_is_unseen();
        edits.before(Snippet::new(&CALL_BARE.snippet(unseen)).with("id", id))?;
        edits.after(&*RETURN_BARE.snippet(unseen))?;
        edits.on_raise(&*RAISE.snippet(unseen))
    }
}

impl ModuleVisitor for Tracer {
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        if !self.settings.modules {
            return Ok(());
        }
        let id = self.add('f', module.key(), &[]);
        let unseen = module.runtime_is_unseen();
        let call = CALL_BARE.snippet(unseen);
        let call = Snippet::new(&call).with("id", id);
        edits.at(Site::ModuleEnter(When::Always), call)?;
        let leave = RETURN_BARE.snippet(unseen);
        edits.at(Site::ModuleExit(When::Always), &*leave)?;
        edits.on_raise(&*RAISE.snippet(unseen))
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
