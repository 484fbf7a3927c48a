//! For tests: tells each arrival at a line, what loops do, or calls and handlers, to a builtin that the test has made.

use equip_plugin_api::prelude::*;

options! {
    /// What to tell.
    #[derive(Clone)]
    struct Events {
        what: What,
        line: u32,
    }
}

options! {
    #[derive(Clone, Copy)]
    enum What {
        /// Lines, with one probe for all.
        EachLine,
        /// Lines, with a probe for each that has code.
        Line,
        /// The line of that option, in functions.
        One,
        /// What loops do.
        Loops,
        /// Calls, one by one, and `except` clauses.
        Calls,
    }
}

const HIT: &str =
    "__test_hit__((__test_thread__(), '{file_path}', '{qualname}', {lineno}, {site_lineno}))";

impl Plugin for Events {
    const OPTIONS: Schema = Schema::of::<Events>();

    fn configure(options: Options<'_>) -> Result<Self> {
        options.parse()
    }
}

impl Events {
    fn tell(&self, code: &Code<'_>, edits: &mut Edits<'_>) -> Result {
        match self.what {
            What::EachLine => edits.each_line(HIT),
            What::Line => {
                let mut lines = code.lines().iter();
                lines.try_for_each(|line| edits.line(*line, HIT))
            }
            What::One if code.kind() == Kind::Function => edits.line(self.line, HIT),
            What::One => Ok(()),
            What::Calls => {
                let told = |what: &str, name: &str, value: &str| {
                    format!("__test_hit__(('{what}', {name}, {{site_lineno}}, {value}))")
                };
                for call in code.calls() {
                    let (before, after) = (
                        told("before", "{name}", "{callee}"),
                        told("after", "{name}", "{result}"),
                    );
                    let (at, name) = (call.instruction(), call.name());
                    let snippet = |code| Snippet::new(code).with("name", name);
                    edits.at(Site::BeforeCallAt(at), snippet(&before))?;
                    edits.at(Site::AfterCallAt(at), snippet(&after))?;
                }
                edits.handler(&told("handler", "''", "{exception}"))
            }
            What::Loops => {
                let all = [
                    (LoopEdge::Head, "head"),
                    (LoopEdge::Back, "back"),
                    (LoopEdge::Exit, "exit"),
                ];
                all.into_iter().try_for_each(|(edge, name)| {
                    let told = format!("__test_hit__(('{name}', '{{qualname}}', {{site_lineno}}))");
                    edits.loops(edge, &told)
                })
            }
        }
    }
}

impl ModuleVisitor for Events {
    fn visit_module(&mut self, module: &Module<'_>, edits: &mut Edits<'_>) -> Result {
        self.tell(module, edits)
    }
}

impl ClassVisitor for Events {
    fn visit_class(&mut self, class: &Class<'_>, edits: &mut Edits<'_>) -> Result {
        self.tell(class, edits)
    }
}

impl MethodVisitor for Events {
    const COMPREHENSIONS: bool = true;

    fn visit_method(&mut self, method: &Method<'_>, edits: &mut Edits<'_>) -> Result {
        self.tell(method, edits)
    }
}

export_plugin!(Events: ModuleVisitor + ClassVisitor + MethodVisitor, about = "for tests: tells each arrival at a line");
