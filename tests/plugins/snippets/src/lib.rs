//! For tests: puts the snippet of its options before each function, or at another site.

use equip_plugin_api::prelude::*;

/// What to put where.
#[derive(Clone, Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Snippets {
    code: String,
    site: String,
    line: u32,
    function: String,
    import: String,
    public: bool,
}

impl Plugin for Snippets {
    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
    }
}

impl MethodVisitor for Snippets {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        if !self.function.is_empty() && method.qualname() != self.function {
            return Ok(());
        }
        if !self.import.is_empty() {
            match self.public {
                true => edits.import_public(&self.import)?,
                false => edits.import(&self.import)?,
            }
        }
        match self.site.as_str() {
            "module_enter" | "module_exit" | "always" | "class" => Ok(()),
            "after" => edits.after(&self.code),
            "line" => edits.line(self.line, &self.code),
            "each_line" => edits.each_line(&self.code),
            _ => edits.before(&self.code),
        }
    }
}

impl ClassVisitor for Snippets {
    fn visit_class(&mut self, _class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        match self.site.as_str() {
            "class" => edits.before(&self.code),
            _ => Ok(()),
        }
    }
}

impl ModuleVisitor for Snippets {
    fn visit_module(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        match self.site.as_str() {
            "module_enter" => edits.module_enter(&self.code),
            "module_exit" => edits.module_exit(&self.code),
            "always" => edits.at(Site::ModuleExit(When::Always), &self.code),
            _ => Ok(()),
        }
    }
}

export_plugin!(Snippets: ModuleVisitor + ClassVisitor + MethodVisitor, about = "for tests: a snippet from the options");
