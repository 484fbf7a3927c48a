//! A plugin from outside of equip's workspace that implements all four visitors: it notes where the
//! program goes, and says at the end what it was shown.
#![warn(missing_docs)]

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Starts each note.
        pub prefix: String = "sample".to_owned(),
        /// Leaves out functions with more parameters than this.
        pub limits: Limits,
    }
}

options! {
    /// Bounds on what is instrumented.
    #[derive(Clone, Debug)]
    pub struct Limits {
        /// The most parameters that a function may have.
        pub parameters: usize = 255,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct Sample {
    settings: Settings,
    seen: Seen,
}

#[derive(Clone, Debug, Default)]
struct Seen {
    imports: usize,
    classes: usize,
    methods: usize,
    returns: usize,
}

impl Plugin for Sample {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const RUNTIME: &'static [Runtime] = runtime!["runtime/sample_runtime.py"];

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings: Settings = options.parse()?;
        if settings.prefix.is_empty() {
            return Err(Error::new("prefix: must not be empty"));
        }
        let seen = Seen::default();
        Ok(Sample { settings, seen })
    }

    fn finish(&mut self, module: &Module<'_>, _edits: &mut Edits<'_>) -> Result<String> {
        let Seen {
            imports,
            classes,
            methods,
            returns,
        } = self.seen;
        Ok(format!(
            "{}: {imports} imports, {classes} classes, {methods} methods, {returns} returns",
            module.module_name()
        ))
    }
}

impl ModuleVisitor for Sample {
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        self.seen.imports = module.imports().len();
        edits.import("from sample_runtime import note")?;
        edits.bind(
            "prefix",
            Snippet::new("{text} + ' '").with("text", self.settings.prefix.as_str()),
        )
    }
}

impl ClassVisitor for Sample {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        self.seen.classes += 1;
        let bases = class.bases().join(", ");
        edits.before(Snippet::new("note(prefix, 'class {qualname}', {bases})").with("bases", bases))
    }
}

impl MethodVisitor for Sample {
    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        self.seen.methods += 1;
        if method.parameters().len() > self.settings.limits.parameters {
            edits.log(
                Level::Info,
                format_args!("{} has too many parameters", method.key()),
            );
            return Ok(());
        }
        edits.before("note(prefix, 'enter {qualname}', {arguments})")?;
        edits.after("note(prefix, 'leave {qualname}', {return_value})")
    }
}

impl BytecodeVisitor for Sample {
    const OPCODES: &'static [Opcode] = &[Opcode::RETURN_VALUE, Opcode::RETURN_CONST];

    fn visit_instruction(
        &mut self,
        _code: &Code<'_>,
        _instr: &Instr,
        _edits: &mut Edits<'_>,
    ) -> Result {
        self.seen.returns += 1;
        Ok(())
    }
}

export_plugin!(
    Sample: ModuleVisitor + ClassVisitor + MethodVisitor + BytecodeVisitor,
    about = "notes where the program goes"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_checked() {
        let configure = |json| Sample::configure(Options::from_json(json));
        assert_eq!(configure("").unwrap().settings.prefix, "sample");
        let wrong = configure(r#"{"limits": {"parameters": "two"}}"#).unwrap_err();
        assert!(
            wrong
                .to_string()
                .starts_with("limits.parameters: invalid type"),
            "{wrong}"
        );
        assert_eq!(
            configure(r#"{"prefix": ""}"#).unwrap_err().to_string(),
            "prefix: must not be empty"
        );
    }
}
