//! What a plugin asks for, as text that people review.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use equip_core::declaration::{DeclId, Declarations};
use equip_core::edits::site_name;
use equip_core::plugin::EditSink;
use equip_core::snippet::repr;
use equip_core::{OnError, Site, Value};

/// Takes edits and makes nothing of them.
pub struct Recorder<'d> {
    declarations: &'d Declarations<'d>,
    top: String,
    edits: BTreeMap<u32, String>,
}

impl<'d> Recorder<'d> {
    pub fn new(declarations: &'d Declarations<'d>) -> Self {
        Recorder {
            declarations,
            top: String::new(),
            edits: BTreeMap::new(),
        }
    }

    /// All of it, in code order; `note` is what the plugin says of the module.
    pub fn text(self, note: &str) -> String {
        let mut text = self.top;
        let keys = self.declarations.keys();
        for (id, edits) in self.edits {
            let line = self.declarations.list[id as usize].first_line;
            let _ = write!(text, "  {} line {line}\n{edits}", keys[id as usize]);
        }
        if !note.is_empty() {
            let _ = writeln!(text, "  says {note}");
        }
        text
    }
}

fn snippet(out: &mut String, indent: &str, code: &str, values: &[(String, Value)]) {
    for line in code.lines() {
        let _ = writeln!(out, "{}", format!("{indent}{line}").trim_end());
    }
    for (name, value) in values {
        let _ = writeln!(out, "{indent}  {{{name}}} = {}", repr(value));
    }
}

impl EditSink for Recorder<'_> {
    fn edit(
        &mut self,
        decl: DeclId,
        site: Site,
        code: &str,
        values: Vec<(String, Value)>,
        on_error: Option<OnError>,
    ) -> Result<(), String> {
        let out = self.edits.entry(decl.0).or_default();
        let rule = on_error.map_or(String::new(), |rule| format!(", on error {}", rule.name()));
        let _ = writeln!(out, "    {}{rule}", site_name(site));
        snippet(out, "      ", code, &values);
        Ok(())
    }

    fn import(&mut self, statement: &str, public: bool) -> Result<(), String> {
        let public = if public { "public " } else { "" };
        let line = format!("  {public}{statement}\n");
        // Equal ones are one.
        if !self.top.contains(&line) {
            self.top.push_str(&line);
        }
        Ok(())
    }

    fn bind(&mut self, name: &str, code: &str, values: Vec<(String, Value)>) -> Result<(), String> {
        let _ = writeln!(self.top, "  bind {name}");
        snippet(&mut self.top, "    ", code, &values);
        Ok(())
    }

    fn log(&mut self, _level: u32, _message: &str) {}
}
