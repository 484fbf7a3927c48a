//! Counts the calls of each function, and where asked its returns, raises and yields.
//!
//! An event is one increment in a list of its module; when a process ends, the runtime module adds
//! its counts to `counts.json`: file → function → count, or → count of each kind of event.

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set. The runtime module reads `output`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Name of the file of counts, below the folder in which the program was started; by default
        /// `counts.json`.
        pub output: Option<String>,
        /// Leaves out methods such as `__init__`.
        pub skip_dunder: bool,
        /// Counts normal returns too.
        pub returns: bool,
        /// Counts the exceptions that leave the function too.
        pub raises: bool,
        /// Counts how often a generator or coroutine suspends too.
        pub yields: bool,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct CallCount {
    settings: Settings,
    keys: Vec<String>,
}

// The increment is one bytecode instruction after another with no point at which CPython lets
// another thread run, so it is exact. When a program ends, its modules' globals become None while
// finalisers still run, and a function may have been given other globals: those calls go uncounted.
const HIT: &str = "\
try:
    hits[{id}] += 1
except:
    pass";

impl Plugin for CallCount {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[
        SiteKind::Before,
        SiteKind::After,
        SiteKind::OnRaise,
        SiteKind::OnYield,
    ];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_callcount.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        let (settings, keys) = (options.parse()?, Vec::new());
        Ok(CallCount { settings, keys })
    }

    /// One list for the module, made when all of its functions are known.
    fn finish(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.keys.is_empty() {
            edits.import("from equip_callcount import register")?;
            let hits = Snippet::new("register({file_path}, {keys})");
            edits.bind("hits", hits.with("keys", self.keys.join("\n")))?;
        }
        Ok(String::new())
    }
}

impl MethodVisitor for CallCount {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let settings = &self.settings;
        if settings.skip_dunder && method.name().starts_with("__") && method.name().ends_with("__")
        {
            return Ok(());
        }
        // In the order of the runtime's columns; a function has all of them, one after another.
        let asked = [
            (true, Site::Before),
            (settings.returns, Site::After),
            (settings.raises, Site::OnRaise),
            (settings.yields, Site::OnYield),
        ];
        let sites = asked
            .into_iter()
            .filter_map(|(wanted, site)| wanted.then_some(site));
        let width = sites.clone().count();
        for (column, site) in sites.enumerate() {
            let id = self.keys.len() * width + column;
            edits.at(site, Snippet::new(HIT).with("id", id))?;
        }
        self.keys.push(method.key().to_owned());
        Ok(())
    }
}

export_plugin!(CallCount: MethodVisitor, about = "counts the calls of each function");
