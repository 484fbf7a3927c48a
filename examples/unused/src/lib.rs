//! Lists the functions of all modules that were imported, but which nobody called.

use equip_plugin_api::prelude::*;

#[derive(Clone)]
struct Unused {
    /// Name and line of the module's functions.
    functions: Vec<Value>,
}

impl Plugin for Unused {
    const OPTIONS: Schema = Schema::NONE;
    const SITES: &'static [SiteKind] = &[SiteKind::Before];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_unused.py"];

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(Unused {
            functions: Vec::new(),
        })
    }

    fn finish(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.functions.is_empty() {
            edits.import("from equip_unused import register")?;
            let all = Value::Tuple(std::mem::take(&mut self.functions));
            let call = Snippet::new("register('{file_path}', {all})").with("all", all);
            edits.bind("called", call)?;
        }
        Ok(String::new())
    }
}

impl MethodVisitor for Unused {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let id = self.functions.len();
        let name = method.qualname().into();
        self.functions
            .push(Value::Tuple(vec![method.first_line().into(), name]));
        // One store for each call, of the same value: cheap, and no harm under threads.
        edits.before(Snippet::new("called[{id}] = 1").with("id", id))
    }
}

export_plugin!(Unused: MethodVisitor, about = "lists functions that were never called");
