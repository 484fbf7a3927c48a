//! Says what plugins are shown of the flow of control and of data, one line for each fact.

use std::fmt::Write;

use equip_plugin_api::prelude::*;

/// What was shown.
#[derive(Clone, Debug, Default)]
pub struct Views {
    said: String,
}

impl Plugin for Views {
    const OPTIONS: Schema = Schema::NONE;

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(Views::default())
    }

    fn finish(&mut self, _module: &Module<'_>, _edits: &mut Edits<'_>) -> Result<String> {
        Ok(std::mem::take(&mut self.said))
    }
}

impl MethodVisitor for Views {
    fn visit_method(&mut self, method: &Method<'_>, _edits: &mut Edits<'_>) -> Result {
        let flow = method.flow(Exceptions::Ignored);
        let instrs = method.instructions();
        let said = &mut self.said;
        let line = |instr: &Instr| instr.line().unwrap_or_default();
        for instr in instrs.iter().filter(|instr| flow.block_of(instr).is_some()) {
            if let Some(condition) = method.condition(instr) {
                let _ = writeln!(said, "{}: tests {condition}", line(instr));
            }
            for used in method.uses(instr) {
                let from = used.definitions().map(|definition| match definition {
                    Definition::Entry => "entry".to_owned(),
                    Definition::Instruction(at) => line(&instrs[at as usize]).to_string(),
                });
                let from: Vec<_> = from.collect();
                let _ = writeln!(
                    said,
                    "{}: reads {} of {}",
                    line(instr),
                    used.variable(),
                    from.join(" ")
                );
            }
            if matches!(instr.opcode(), Opcode::RETURN_VALUE) {
                for local in method.local_types(instr) {
                    let _ = writeln!(
                        said,
                        "{}: {} is {}",
                        line(instr),
                        local.name(),
                        local.types()
                    );
                }
                let _ = writeln!(said, "{}: live {:?}", line(instr), method.live(instr));
            }
        }
        for edge in flow.edges().iter().filter(|edge| edge.is_back()) {
            let head = flow.loops().iter().any(|one| one.head() == edge.to());
            let inside = flow.blocks()[edge.from()].innermost_loop().is_some();
            let around = flow.dominates(edge.to(), edge.from());
            let after = flow.post_dominates(flow.exit(), edge.from());
            let _ = writeln!(said, "back edge {head} {inside} {around} {after}");
        }
        let entry = flow.edges_out(0).iter().map(|edge| edge.to());
        let _ = writeln!(
            said,
            "{} loops, entry leads on: {}",
            flow.loops().len(),
            entry.count() > 0
        );
        Ok(())
    }
}

export_plugin!(Views: MethodVisitor, about = "says what it is shown");
