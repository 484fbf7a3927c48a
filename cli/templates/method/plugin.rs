//! Tells of each call with its arguments and what becomes of it, on standard error.

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set, as `--set template-name.only=load`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Only functions whose dotted name holds this.
        pub only: String,
        /// Lambdas, too.
        pub lambdas: bool,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct TemplateName {
    settings: Settings,
}

impl Plugin for TemplateName {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[SiteKind::Before, SiteKind::After, SiteKind::OnRaise];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/template_name_runtime.py"];
    // Whatever goes wrong in telling is no matter of the program's.
    const ON_ERROR: OnError = OnError::Ignore;

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings = options.parse()?;
        Ok(TemplateName { settings })
    }
}

impl MethodVisitor for TemplateName {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let skipped = method.is_lambda() && !self.settings.lambdas;
        if skipped || !method.qualname().contains(&self.settings.only) {
            return Ok(());
        }
        edits.import("from template_name_runtime import tell")?;
        // Without parameters `{arguments}` is `None`.
        edits.before(match method.parameters() {
            [] => "tell('call', '{qualname}')",
            _ => "tell('call', '{qualname}', {arguments})",
        })?;
        edits.after("tell('back', '{qualname}', {return_value})")?;
        edits.on_raise("tell('fail', '{qualname}', {exception})")
    }
}

export_plugin!(TemplateName: MethodVisitor, about = "tells of each call with its arguments and what becomes of it");
