//! For tests: puts the snippet of its options before each function, or at another site.

use std::collections::BTreeMap;

use equip_plugin_api::prelude::*;

options! {
    /// What to put where.
    #[derive(Clone)]
    pub struct Snippets {
        code: String,
        site: String,
        line: u32,
        function: String,
        import: String,
        public: bool,
        /// Site and code of further snippets, for class and module bodies too where `everywhere` is set.
        sites: BTreeMap<String, String>,
        everywhere: bool,
    }
}

impl Snippets {
    fn further(&self, edits: &mut Edits<'_>) -> Result {
        for (site, code) in &self.sites {
            // `before2` is one more `before`.
            let site = match site.trim_end_matches(char::is_numeric) {
                "before" => Site::Before,
                "after" => Site::After,
                "each_line" => Site::EachLine,
                "on_raise" => Site::OnRaise,
                "on_exit" => Site::OnExit,
                "on_yield" => Site::OnYield,
                "on_resume" => Site::OnResume,
                "true" => Site::Branch(Edge::True),
                "false" => Site::Branch(Edge::False),
                "head" => Site::Loop(LoopEdge::Head),
                "back" => Site::Loop(LoopEdge::Back),
                "exit" => Site::Loop(LoopEdge::Exit),
                "before_call" => Site::BeforeCall,
                "after_call" => Site::AfterCall,
                "handler" => Site::Handler,
                other => return Err(Error::new(format!("no site {other}"))),
            };
            edits.at(site, code)?;
        }
        Ok(())
    }
}

impl Plugin for Snippets {
    const OPTIONS: Schema = Schema::of::<Snippets>();

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
        self.further(edits)?;
        match self.site.as_str() {
            "module_enter" | "module_exit" | "always" | "class" | "none" => Ok(()),
            "after" => edits.after(&self.code),
            "line" => edits.line(self.line, &self.code),
            "each_line" => edits.each_line(&self.code),
            _ => edits.before(&self.code),
        }
    }
}

impl ClassVisitor for Snippets {
    fn visit_class(&mut self, _class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        if self.everywhere {
            self.further(edits)?;
        }
        match self.site.as_str() {
            "class" => edits.before(&self.code),
            _ => Ok(()),
        }
    }
}

impl ModuleVisitor for Snippets {
    fn visit_module(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        if self.everywhere {
            self.further(edits)?;
        }
        match self.site.as_str() {
            "module_enter" => edits.module_enter(&self.code),
            "module_exit" => edits.module_exit(&self.code),
            "always" => edits.at(Site::ModuleExit(When::Always), &self.code),
            _ => Ok(()),
        }
    }
}

export_plugin!(Snippets: ModuleVisitor + ClassVisitor + MethodVisitor, about = "for tests: a snippet from the options");
