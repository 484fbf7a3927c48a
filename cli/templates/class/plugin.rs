//! Finds lists, dicts and sets that a class has for all of its instances, where each was perhaps to have its
//! own: on standard error.

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set, as `--set template-name.constants=true`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Also those with names in capitals.
        pub constants: bool,
        /// Leaves out classes with one of these bases, as they are written.
        pub except_bases: Vec<String> = vec!["Enum".to_owned(), "enum.Enum".to_owned()],
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct TemplateName {
    settings: Settings,
}

impl Plugin for TemplateName {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[SiteKind::After];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/template_name_runtime.py"];
    // Whatever goes wrong in telling is no matter of the program's.
    const ON_ERROR: OnError = OnError::Ignore;

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings = options.parse()?;
        Ok(TemplateName { settings })
    }
}

impl ClassVisitor for TemplateName {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        let except = &self.settings.except_bases;
        if class
            .bases()
            .iter()
            .any(|base| except.iter().any(|name| name == base))
        {
            return Ok(());
        }
        edits.import("from template_name_runtime import shared")?;
        // At the end of a class body its locals are what the class will have.
        let shared = "shared('{file_name}:{lineno}', '{qualname}', locals(), {constants})";
        edits.after(Snippet::new(shared).with("constants", self.settings.constants))
    }
}

export_plugin!(TemplateName: ClassVisitor, about = "finds lists, dicts and sets that all instances of a class share");
