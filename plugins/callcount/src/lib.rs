//! Counts the calls of each function.
//!
//! A call is one increment in a list of its module; when the program ends, the runtime module
//! writes `counts.json`: file → function → count.

use equip_plugin_api::prelude::*;

/// What a user can set.
#[derive(Clone, Debug, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CallCount {
    /// Name of the file of counts, below the folder in which the program was started.
    pub output: Option<String>,
    /// Leaves out methods such as `__init__`.
    pub skip_dunder: bool,
    #[serde(skip)]
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
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_callcount.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
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
        if self.skip_dunder && method.name().starts_with("__") && method.name().ends_with("__") {
            return Ok(());
        }
        edits.before(Snippet::new(HIT).with("id", self.keys.len()))?;
        self.keys.push(method.key().to_owned());
        Ok(())
    }
}

export_plugin!(CallCount: MethodVisitor, about = "counts the calls of each function");
