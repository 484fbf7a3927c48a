//! How long calls take: for each function a histogram, printed when the program ends.

use equip_plugin_api::prelude::*;

#[derive(Clone)]
struct Histogram {
    /// Numbers of the functions of the module that is being visited.
    names: Vec<Value>,
}

impl Plugin for Histogram {
    const OPTIONS: Schema = Schema::NONE;
    const SITES: &'static [SiteKind] = &[SiteKind::Before, SiteKind::OnExit];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_histogram.py"];

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(Histogram { names: Vec::new() })
    }

    /// The names of all functions go to the top of the module, once.
    fn finish(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.names.is_empty() {
            edits.import("from equip_histogram import clock, register")?;
            let names = Value::Tuple(std::mem::take(&mut self.names));
            let call = Snippet::new("register('{module_name}', {names})").with("names", names);
            edits.bind("note", call)?;
        }
        Ok(String::new())
    }
}

impl MethodVisitor for Histogram {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let id = self.names.len();
        self.names.push(method.key().into());
        // `start` is a private name of this call: its own in recursion, threads and generators.
        edits.before("start = clock()")?;
        edits.on_exit(Snippet::new("note({id}, clock() - start)").with("id", id))
    }
}

export_plugin!(Histogram: MethodVisitor, about = "shows how long calls take, function by function");
