//! What: constants of a snippet in its host; nested code gets its reserved and hidden names replaced.

use super::Refusal;
use super::splice::Splice;
use super::splicer::Splicer;
use crate::body::{self, Arg, Instr};
use crate::fragment::reads_global;
use crate::isa::{NullSlot, Opcode};
use crate::marshal::ObjectId;
use equip_plugin_api::edit::Value;

impl<'s, 'a, 'h> Splicer<'s, 'a, 'h> {
    /// Index in the host of a constant of the snippet; nested code gets its reserved and hidden
    /// names replaced.
    pub(super) fn import_constant(
        &mut self,
        splice: &Splice<'_>,
        id: ObjectId,
    ) -> Result<u32, Refusal> {
        let from = &splice.fragment.objects;
        if from.is_none(id) {
            return Ok(self.none());
        }
        // Lone surrogates are no text to Rust.
        let text = from.str_bytes(id).map(str::from_utf8);
        if let Some(Ok(text)) = text {
            let id = self.object(&Value::Str(text.to_owned()));
            return Ok(self.constant_index(id));
        }
        let imported = self.objects.import(from, id);
        let id = self.nested(splice, imported)?;
        Ok(self.constant_index(id))
    }

    fn nested(&mut self, splice: &Splice<'_>, id: ObjectId) -> Result<ObjectId, Refusal> {
        let Some(code) = self.objects.code(id).cloned() else {
            return Ok(id);
        };
        let mut body = body::decode(self.body.isa, self.objects, &code)?;
        for index in 0..body.consts.len() {
            body.consts[index] = self.nested(splice, body.consts[index])?;
        }
        let null_first = body.isa.null_slot == NullSlot::BelowCallable;
        let instrs = std::mem::take(&mut body.instrs);
        let mut moved = Vec::with_capacity(instrs.len() + 1);
        for mut instr in instrs {
            moved.push(body.instrs.len() as u32);
            let Arg::Name(index, flags) = instr.arg else {
                body.instrs.push(instr);
                continue;
            };
            let name = self
                .objects
                .str(body.names[index as usize])
                .map(|name| name.into_owned());
            let name = name.unwrap_or_default();
            if reads_global(instr.opcode)
                && let Some(global) = splice.probe.hidden.get(&name)
                && !splice.fragment.globals.contains(&name)
            {
                let id = self.objects.push_str(global, true);
                body.names.push(id);
                instr.arg = Arg::Name(body.names.len() as u32 - 1, flags);
                body.instrs.push(instr);
                continue;
            }
            let constant = splice.probe.template.constant(&name, splice.value);
            match constant.filter(|_| reads_global(instr.opcode)) {
                Some(value) => {
                    let value = self.object(&value);
                    body.consts.push(value);
                    let null = Instr {
                        opcode: Opcode::PUSH_NULL,
                        arg: Arg::None,
                        ..instr
                    };
                    let load = Instr {
                        opcode: Opcode::LOAD_CONST,
                        arg: Arg::Const(body.consts.len() as u32 - 1),
                        ..instr
                    };
                    let with_null = flags & 1 != 0 && instr.opcode == Opcode::LOAD_GLOBAL;
                    if instr.opcode == Opcode::LOAD_FROM_DICT_OR_GLOBALS {
                        body.instrs.push(Instr {
                            opcode: Opcode::POP_TOP,
                            arg: Arg::None,
                            ..instr
                        });
                    }
                    body.instrs
                        .extend((with_null && null_first).then_some(null));
                    body.instrs.push(load);
                    body.instrs
                        .extend((with_null && !null_first).then_some(null));
                }
                None => body.instrs.push(instr),
            }
        }
        moved.push(body.instrs.len() as u32);
        for label in &mut body.labels {
            *label = moved[*label as usize];
        }
        let new = body::assemble(body, &code, self.objects)?;
        self.objects.replace_code(id, new);
        Ok(id)
    }
}
