//! Logs each call of what the pipeline selects, as queries and requests: arguments, duration, result or error.
//!
//! ```toml
//! [[plugin]]
//! name = "querylog"
//! select = 'functions and (calls = "*.execute" or calls = "requests.*" or calls = "*.urlopen")'
//! ```

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set; the runtime module reads it.
    #[derive(Clone)]
    struct QueryLog {
        /// Leaves out calls that are shorter, in milliseconds.
        slower_than_ms: f64,
        /// Most characters of one value.
        width: u32 = 80,
    }
}

impl Plugin for QueryLog {
    const OPTIONS: Schema = Schema::of::<QueryLog>();
    const SITES: &'static [SiteKind] = &[SiteKind::Before, SiteKind::After, SiteKind::OnRaise];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_querylog.py"];
    // A value that cannot be shown is no error of the program.
    const ON_ERROR: OnError = OnError::Log;

    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
    }
}

impl MethodVisitor for QueryLog {
    fn visit_method(&mut self, _method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        edits.import("from equip_querylog import clock, show, done")?;
        // Arguments are shown before the function can change them.
        edits.before("shown = show(({arguments},))\nstart = clock()")?;
        edits.after("done('{module_name}:{qualname}', shown, start, 'gave', {return_value})")?;
        edits.on_raise("done('{module_name}:{qualname}', shown, start, 'raised', {exception})")
    }
}

export_plugin!(QueryLog: MethodVisitor, about = "logs calls with arguments, result and duration");
