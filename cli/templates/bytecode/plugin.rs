//! Tells which function writes or deletes a global variable, each time it does: on standard error.

use equip_plugin_api::prelude::*;

options! {
    /// What a user can set, as `--set template-name.names='["cache"]'`.
    #[derive(Clone, Debug)]
    pub struct Settings {
        /// Only variables of these names; none for all.
        pub names: Vec<String>,
    }
}

/// The plugin.
#[derive(Clone, Debug)]
pub struct TemplateName {
    settings: Settings,
}

impl Plugin for TemplateName {
    const OPTIONS: Schema = Schema::of::<Settings>();
    const SITES: &'static [SiteKind] = &[SiteKind::Instruction];
    // Whatever goes wrong in telling is no matter of the program's.
    const ON_ERROR: OnError = OnError::Ignore;

    fn configure(options: Options<'_>) -> Result<Self> {
        let settings = options.parse()?;
        Ok(TemplateName { settings })
    }
}

impl BytecodeVisitor for TemplateName {
    const OPCODES: &'static [Opcode] = &[Opcode::STORE_GLOBAL, Opcode::DELETE_GLOBAL];

    fn visit_instruction(
        &mut self,
        code: &Code<'_>,
        instr: &Instr,
        edits: &mut Edits<'_>,
    ) -> Result {
        // A module's own variables are global ones, too.
        if code.kind() == Kind::Module {
            return Ok(());
        }
        let name = code.operand(instr);
        if !self.settings.names.is_empty() && !self.settings.names.contains(&name) {
            return Ok(());
        }
        let does = match instr.opcode() {
            Opcode::STORE_GLOBAL => "writes",
            _ => "deletes",
        };
        edits.import("import sys")?;
        let tell = Snippet::new("print({place}, {does}, {name}, file=sys.stderr)")
            .with(
                "place",
                format!(
                    "{}:{}: {}",
                    code.file_name(),
                    instr.line().unwrap_or(0),
                    code.qualname()
                ),
            )
            .with("does", does)
            .with("name", name);
        edits.at(Site::Instruction(instr.index(), Position::Before), tell)
    }
}

export_plugin!(TemplateName: BytecodeVisitor, about = "tells who writes global variables");
