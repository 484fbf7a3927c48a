//! Shows which module runs when, indented below the one that imports it, and for how long: on standard error.

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set, as `--set template-name.times=false`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Shows how long each module takes, what it imports included.
        pub times: bool = true,
        /// Leaves out modules that take fewer milliseconds than this from the times.
        pub least_ms: f64 = 1.0,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct TemplateName {
    settings: Settings,
}

impl Plugin for TemplateName {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[SiteKind::ModuleEnter, SiteKind::OnExit];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/template_name_runtime.py"];
    // Whatever goes wrong in telling is no matter of the program's.
    const ON_ERROR: OnError = OnError::Ignore;

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings: Settings = options.parse()?;
        if settings.least_ms < 0.0 {
            return Err(Error::new("least_ms: no module takes less than nothing"));
        }
        Ok(TemplateName { settings })
    }
}

impl ModuleVisitor for TemplateName {
    fn visit_module(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        edits.import("from template_name_runtime import enter, leave")?;
        // `started` is private to this plugin, and lives from one site to the other.
        edits.module_enter_on(When::Always, "started = enter('{module_name}')")?;
        if self.settings.times {
            let leave = Snippet::new("leave('{module_name}', started, {least})");
            edits.on_exit(leave.with("least", self.settings.least_ms))
        } else {
            edits.on_exit("leave('{module_name}', started)")
        }
    }
}

export_plugin!(TemplateName: ModuleVisitor, about = "shows which module runs when, and for how long");
