//! For tests: a probe at every site of every function. What the program does must not change.

use equip_plugin_api::prelude::*;

options! {
    /// Which sites.
    #[derive(Clone)]
    pub struct AllSites {
        before: bool = true,
        after: bool = true,
        lines: bool = true,
        branches: bool,
        loops: bool,
        calls: bool,
        handlers: bool,
        arguments: bool = true,
        classes: bool = true,
        modules: bool = true,
        busy: bool,
    }
}

const BEFORE: &str = "\
probe = '{qualname}', {lineno}, {site_lineno}
seen = probe";

const ARGUMENTS: &str = "shown = ({arguments}, {arg0})";

const AFTER: &str = "\
kept = {return_value}
{return_value} = None
{return_value} = kept";

/// The same with control flow of its own; a loop in a probe is seen by who traces lines.
const BUSY_AFTER: &str = "\
kept = {return_value}
{return_value} = None
try:
    {return_value} = kept
finally:
    kept = None
for again in (1, 2):
    if again == 1:
        continue
    held = [lambda: again for _ in (1,)]";

const LINE: &str = "line = {site_lineno}";

const BRANCH: &str = "\
edge = {site_lineno}
edge = edge, edge";

const CALLED: &str = "\
called = {callee}
again = called";

const RETURNED: &str = "\
kept = {result}
{result} = None
{result} = kept";

const HANDLED: &str = "\
handled = {exception}
again = handled";

const PLAIN: &str = "\
a = '{qualname}'
b = a";

impl Plugin for AllSites {
    const OPTIONS: Schema = Schema::of::<AllSites>();

    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
    }
}

impl AllSites {
    fn every_scope(&self, edits: &mut Edits<'_>) -> Result {
        if self.before {
            edits.before(BEFORE)?;
        }
        if self.lines {
            edits.each_line(LINE)?;
        }
        if self.branches {
            edits.branch(Edge::True, BRANCH)?;
            edits.branch(Edge::False, BRANCH)?;
        }
        if self.calls {
            edits.before_call(CALLED)?;
            edits.after_call(RETURNED)?;
        }
        if self.handlers {
            edits.handler(HANDLED)?;
        }
        if self.loops {
            for edge in [LoopEdge::Head, LoopEdge::Back, LoopEdge::Exit] {
                edits.loops(edge, BRANCH)?;
            }
        }
        Ok(())
    }
}

impl ModuleVisitor for AllSites {
    fn visit_module(&mut self, _module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        if self.modules {
            self.every_scope(edits)?;
            edits.module_enter_exit()?;
        }
        Ok(())
    }
}

trait EnterExit {
    fn module_enter_exit(&mut self) -> Result;
}

impl EnterExit for Edits<'_> {
    fn module_enter_exit(&mut self) -> Result {
        self.at(Site::ModuleEnter(When::Always), PLAIN)?;
        self.at(Site::ModuleExit(When::Always), PLAIN)?;
        self.module_enter(PLAIN)?;
        self.module_exit(PLAIN)
    }
}

impl ClassVisitor for AllSites {
    fn visit_class(&mut self, _class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        if self.classes {
            self.every_scope(edits)?;
            edits.after(PLAIN)?;
        }
        Ok(())
    }
}

impl MethodVisitor for AllSites {
    const COMPREHENSIONS: bool = true;

    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        self.every_scope(edits)?;
        if self.arguments && method.kind() != Kind::Comprehension {
            edits.before(ARGUMENTS)?;
        }
        if self.after {
            edits.after(if self.busy { BUSY_AFTER } else { AFTER })?;
        }
        Ok(())
    }
}

export_plugin!(AllSites: ModuleVisitor + ClassVisitor + MethodVisitor, about = "for tests: every site of every function");
