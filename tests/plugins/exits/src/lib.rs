//! For tests: probes at every way into and out of a function.

use equip_plugin_api::prelude::*;

options! {
    /// What the probes do.
    #[derive(Clone, Copy, PartialEq)]
    enum Mode {
        /// Log each event of each function, for comparison with `tests/oracle/exits.py`.
        Events,
        /// Hand an object from site to site and check that each call sees its own, class and module
        /// bodies included.
        State,
        /// Nothing that a program could notice, with state of each call, class and module bodies included.
        Silent,
        /// Print site and qualname.
        Print,
    }
}

options! {
    /// What becomes of probes that fail.
    #[derive(Clone, Copy, PartialEq)]
    enum Failing {
        Raise,
        Ignore,
        Log,
    }
}

options! {
    /// Which probes, and where.
    #[derive(Clone)]
    pub struct Exits {
        mode: Mode,
        /// The file for events, or for what is wrong with the state. The runtime module reads it.
        #[allow(dead_code)]
        output: String,
        /// Every probe raises instead.
        failing: Option<Failing>,
        /// What failing probes raise.
        error: String = "ValueError('failing probe')".to_owned(),
        /// The sites; all where none is named.
        sites: Vec<String>,
        /// The one function; all where none is named.
        function: String,
    }
}

/// The snippet of each site; none where it is empty.
struct Probes {
    before: &'static str,
    after: &'static str,
    on_raise: &'static str,
    on_exit: &'static str,
    on_yield: &'static str,
    on_resume: &'static str,
}

// When a program ends, its modules' globals become None while generators are still closed.
const EVENTS: Probes = Probes {
    before: "if exits_note is not None: exits_note(('START', '{qualname}'))",
    after: "if exits_note is not None: exits_note(('RETURN', '{qualname}', exits_type({return_value}).__name__))",
    on_raise: "if exits_note is not None: exits_note(('RAISE', '{qualname}', exits_type({exception}).__name__, '%s' % (exits_info()[1] is {exception})))",
    on_exit: "if exits_note is not None: exits_note(('EXIT', '{qualname}'))",
    on_yield: "if exits_note is not None: exits_note(('YIELD', '{qualname}', exits_type({yield_value}).__name__))",
    on_resume: "if exits_note is not None: exits_note(('RESUME', '{qualname}', exits_type({yield_value}).__name__) if {exception} is None else ('RESUME', '{qualname}', 'THROW', exits_type({exception}).__name__))",
};

const STATE: Probes = Probes {
    before: "mark = exits_opened('{qualname}') if exits_opened is not None else None",
    after: "if mark is not None and exits_check is not None: exits_check('after', mark, '{qualname}')",
    on_raise: "if mark is not None and exits_check is not None: exits_check('on_raise', mark, '{qualname}')",
    on_exit: "if mark is not None and exits_check is not None: exits_check('on_exit', mark, '{qualname}')",
    on_yield: "if mark is not None and exits_check is not None: exits_check('on_yield', mark, '{qualname}')",
    on_resume: "if mark is not None and exits_check is not None: exits_check('on_resume', mark, '{qualname}')",
};

// No calls, and nothing that the garbage collector counts. A debugger may jump over `before`.
const SILENT: Probes = Probes {
    before: "\
held = '{qualname}', {lineno}
failed = None
count = False",
    after: "\
kept = {return_value}
{return_value} = None
{return_value} = kept
count = not count",
    on_raise: "\
failed = {exception}
count = not count",
    on_exit: "\
failed = None
held = held, count",
    on_yield: "\
waiting = {yield_value}
{yield_value} = None
{yield_value} = waiting
waiting = None
count = not count",
    on_resume: "\
came = {yield_value}
came = {exception}
came = None
count = not count",
};

/// Class and module bodies have no value to return.
const SILENT_BODY_AFTER: &str = "count = not count";

const PRINT: Probes = Probes {
    before: "print('exits before {qualname}')",
    after: "print('exits after {qualname}')",
    on_raise: "print('exits on_raise {qualname}')",
    on_exit: "print('exits on_exit {qualname}')",
    on_yield: "print('exits on_yield {qualname}')",
    on_resume: "print('exits on_resume {qualname}')",
};

impl Plugin for Exits {
    const OPTIONS: Schema = Schema::of::<Exits>();

    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_exits.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
    }
}

impl Exits {
    fn every_site(&self, code: &Code<'_>, edits: &mut Edits<'_>) -> Result {
        if !self.function.is_empty() && code.qualname() != self.function {
            return Ok(());
        }
        let mut probes = match self.mode {
            Mode::Events => EVENTS,
            Mode::State => STATE,
            Mode::Silent => SILENT,
            Mode::Print => PRINT,
        };
        let body = matches!(code.kind(), Kind::Module | Kind::Class);
        if body && self.mode == Mode::Silent {
            probes.after = SILENT_BODY_AFTER;
        }
        let mut sites = vec![
            (Site::Before, "before", probes.before),
            (Site::After, "after", probes.after),
            (Site::OnRaise, "on_raise", probes.on_raise),
            (Site::OnExit, "on_exit", probes.on_exit),
        ];
        if !body {
            sites.push((Site::OnYield, "on_yield", probes.on_yield));
            sites.push((Site::OnResume, "on_resume", probes.on_resume));
        }
        sites.retain(|(_, name, _)| self.sites.is_empty() || self.sites.iter().any(|s| s == name));
        let failure = format!("raise {}", self.error);
        for (site, _, probe) in sites {
            let snippet = match self.failing {
                None => Snippet::new(probe),
                Some(Failing::Raise) => Snippet::new(&failure).on_error(OnError::Raise),
                Some(Failing::Ignore) => Snippet::new(&failure).on_error(OnError::Ignore),
                Some(Failing::Log) => Snippet::new(&failure).on_error(OnError::Log),
            };
            edits.at(site, snippet)?;
        }
        Ok(())
    }

    /// Whether class and module bodies have probes too: where their events are no matter.
    fn bodies(&self) -> bool {
        self.failing.is_some() || matches!(self.mode, Mode::State | Mode::Silent)
    }
}

impl ModuleVisitor for Exits {
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        if self.failing.is_none() && matches!(self.mode, Mode::Events | Mode::State) {
            edits.import("from equip_exits import exits_note, exits_type, exits_info")?;
            edits.import("from equip_exits import exits_opened, exits_check")?;
        }
        match self.bodies() {
            true => self.every_site(module, edits),
            false => Ok(()),
        }
    }
}

impl ClassVisitor for Exits {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        match self.bodies() {
            true => self.every_site(class, edits),
            false => Ok(()),
        }
    }
}

impl MethodVisitor for Exits {
    const COMPREHENSIONS: bool = true;

    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        self.every_site(method, edits)
    }
}

export_plugin!(Exits: ModuleVisitor + ClassVisitor + MethodVisitor, about = "for tests: every way into and out of every function");
