//! For tests: numbers the functions of a program, and leaves the map from numbers to functions beside it.

use equip_plugin_api::prelude::*;

options! {
    /// What to do wrong.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// The hook that fails.
        pub fails: Hook,
        /// Panics there instead.
        pub panics: bool,
        /// The name of the side file.
        pub file: String = "functions.txt".to_owned(),
        /// Asks for a site that is not declared.
        pub undeclared: bool,
    }
}

options! {
    /// Hooks.
    #[derive(Clone, Copy, Debug, PartialEq)]
    pub enum Hook {
        /// All is well.
        None,
        /// Before the first module.
        Begin,
        /// After the last one.
        End,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct Whole {
    settings: Settings,
    /// How many modules the program has: visitors have it too.
    modules: usize,
    module: String,
    functions: Vec<(u32, String)>,
}

impl Whole {
    fn fail(&self, hook: Hook) -> Result {
        match (self.settings.fails == hook, self.settings.panics) {
            (false, _) => Ok(()),
            (true, false) => Err(Error::new(format!("{hook:?} fails"))),
            (true, true) => panic!("{hook:?} panics"),
        }
    }
}

impl Plugin for Whole {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[SiteKind::Before];

    fn configure(options: Options<'_>) -> Result<Self> {
        Ok(Whole {
            settings: options.parse()?,
            modules: 0,
            module: String::new(),
            functions: Vec::new(),
        })
    }

    fn finish(&mut self, module: &Module<'_>, _edits: &mut Edits<'_>) -> Result<String> {
        self.module = module.module_name().to_owned();
        Ok(format!("one of {}", self.modules))
    }
}

impl MethodVisitor for Whole {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        let id = method.index();
        self.functions.push((id, method.key().to_owned()));
        if self.settings.undeclared {
            edits.after("pass")?;
        }
        edits.before(Snippet::new("print({id})").with("id", id))
    }
}

impl ProgramVisitor for Whole {
    fn begin(&mut self, program: &Program<'_>) -> Result {
        self.modules = program.modules().len();
        self.fail(Hook::Begin)
    }

    fn end(&mut self, program: &Program<'_>, modules: Vec<Self>) -> Result<String> {
        self.fail(Hook::End)?;
        let mut map = String::new();
        for module in &modules {
            for (id, key) in &module.functions {
                map.push_str(&format!("{} {id} {key}\n", module.module));
            }
        }
        program.write(&self.settings.file, map)?;
        Ok(format!("{} of {} modules", modules.len(), self.modules))
    }
}

export_plugin!(Whole: MethodVisitor + ProgramVisitor, about = "for tests: looks at a program as a whole");
