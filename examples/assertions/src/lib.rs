//! Which `assert` statements are ever evaluated? For each its place, how often it ran, and how often it failed.

use equip_plugin_api::prelude::*;

#[derive(Clone)]
struct Assertions {
    /// Lines of the module's assertions.
    lines: Vec<Value>,
}

impl Plugin for Assertions {
    const OPTIONS: Schema = Schema::NONE;
    const SITES: &'static [SiteKind] = &[SiteKind::Line, SiteKind::Instruction];
    const RUNTIME: &'static [Runtime] = runtime!["runtime/equip_assertions.py"];

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(Assertions { lines: Vec::new() })
    }

    fn finish(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result<String> {
        if !self.lines.is_empty() {
            edits.import("from equip_assertions import register")?;
            let lines = Value::Tuple(std::mem::take(&mut self.lines));
            let call = Snippet::new("register('{file_path}', {lines})").with("lines", lines);
            edits.bind("counts", call)?;
        }
        Ok(String::new())
    }
}

impl BytecodeVisitor for Assertions {
    // What a failing assertion loads; from 3.14 on it is the first of the common constants.
    const OPCODES: &'static [Opcode] =
        &[Opcode::LOAD_ASSERTION_ERROR, Opcode::LOAD_COMMON_CONSTANT];

    fn visit_instruction(
        &mut self,
        code: &Code<'_>,
        instr: &Instr,
        edits: &mut Edits<'_>,
    ) -> Result {
        let Some(line) = instr.line() else {
            return Ok(());
        };
        if instr.opcode() == Opcode::LOAD_COMMON_CONSTANT && instr.arg() != 0 {
            return Ok(());
        }
        let id = self.lines.len();
        self.lines.push(line.into());
        if code.lines().contains(&line) {
            edits.line(line, Snippet::new("counts[{id}][0] += 1").with("id", id))?;
        }
        let failed = Snippet::new("counts[{id}][1] += 1").with("id", id);
        edits.at(Site::Instruction(instr.index(), Position::Before), failed)
    }
}

export_plugin!(Assertions: BytecodeVisitor, about = "counts evaluated and failed assertions");
