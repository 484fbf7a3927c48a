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
            edits.import(&self.import)?;
        }
        match self.site.as_str() {
            "after" => edits.after(&self.code),
            "line" => edits.line(self.line, &self.code),
            "each_line" => edits.each_line(&self.code),
            _ => edits.before(&self.code),
        }
    }
}

export_plugin!(Snippets: MethodVisitor, about = "for tests: a snippet from the options");
