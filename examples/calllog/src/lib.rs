//! The ancestor's simplest example: before each function, its place and its live arguments.

use equip_plugin_api::prelude::*;

#[derive(Clone)]
struct CallLog;

impl Plugin for CallLog {
    const OPTIONS: Schema = Schema::NONE;
    const SITES: &'static [SiteKind] = &[SiteKind::Before];

    fn configure(_options: Options<'_>) -> Result<Self> {
        Ok(CallLog)
    }
}

impl MethodVisitor for CallLog {
    fn visit_method(&mut self, _method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        edits.before(
            "print('>> START')
print('[CALL] {file_name}::{method_name}:{lineno}', {arguments})
print('<< END')",
        )
    }
}

export_plugin!(CallLog: MethodVisitor, about = "prints each call with its arguments");
