//! What a visitor asks for: edits. Visitors never change the program; they name a site and the
//! Python source to put there, and the host splices it in when every visitor has been asked.

/// A constant that a plugin passes with an edit: the value of one placeholder of its snippet.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// `None`
    None,
    /// `True` or `False`
    Bool(bool),
    /// An integer of 64 bits.
    Int(i64),
    /// A float; compared and stored by its bits.
    Float(f64),
    /// Text.
    Str(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A tuple of values.
    Tuple(Vec<Value>),
}

macro_rules! value_from {
    ($($from:ty => |$v:ident| $to:expr),* $(,)?) => {
        $(impl From<$from> for Value { fn from($v: $from) -> Self { $to } })*
    };
}

value_from! {
    bool => |v| Value::Bool(v),
    i64 => |v| Value::Int(v),
    i32 => |v| Value::Int(v.into()),
    u32 => |v| Value::Int(v.into()),
    usize => |v| Value::Int(v as i64),
    f64 => |v| Value::Float(v),
    &str => |v| Value::Str(v.to_owned()),
    String => |v| Value::Str(v),
    Vec<Value> => |v| Value::Tuple(v),
}

/// Under which condition code at the start or end of a module runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum When {
    /// Only `if __name__ == '__main__'`.
    Main,
    /// Whenever the module's body runs, on import too.
    Always,
}

/// Which side of an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Position {
    /// Runs first.
    Before,
    /// Runs when the instruction has completed.
    After,
}

/// What becomes of an error that a snippet raises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum OnError {
    /// It goes on into the program, as an error of the program's own would.
    #[default]
    Raise,
    /// The snippet ends, the program goes on. What is no `Exception` (Ctrl-C, `SystemExit`) is let
    /// through all the same.
    Ignore,
    /// As [`OnError::Ignore`], and the first error of each site is one line on stderr.
    Log,
}

impl OnError {
    /// All of them.
    pub const ALL: [OnError; 3] = [OnError::Raise, OnError::Ignore, OnError::Log];

    /// Its name, as users write it.
    pub const fn name(self) -> &'static str {
        match self {
            OnError::Raise => "raise",
            OnError::Ignore => "ignore",
            OnError::Log => "log",
        }
    }

    /// The one of that name.
    pub fn named(name: &str) -> Option<OnError> {
        OnError::ALL.into_iter().find(|one| one.name() == name)
    }
}

/// Which way control goes at a conditional.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Edge {
    /// The condition holds; a `for` has an item; what is asked to be None is None.
    True,
    /// It does not; the `for` is exhausted.
    False,
}

/// What happens at a loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LoopEdge {
    /// The next item is asked for, or the condition evaluated: where control comes in, and in each round. The head of
    /// `while True` is the start of its body.
    Head,
    /// Control goes back to the head, from the end of the body or by `continue`.
    Back,
    /// The head is left: the items are at an end, or the condition does not hold. Not by `break`, `return` or an exception
    /// (but for the one that ends an `async for`); `while True` has none. One line may hide a `break`: `if a or b: break` right
    /// at the start of a `while` whose condition has several lines.
    Exit,
}

/// Where code is put.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Site {
    /// When the body starts: once per call.
    Before,
    /// Before each normal return; `{return_value}` may be read and rebound.
    After,
    /// Each time the given line is reached, one of [`Code::lines`](crate::view::Code::lines): each time
    /// `sys.settrace` would tell of it in the plain program, also where a jump leads back on one line.
    Line(u32),
    /// Each time any line is reached.
    EachLine,
    /// The very start of a module, after docstring, `__future__` and imports of plugins.
    ModuleEnter(When),
    /// The very end of a module.
    ModuleExit(When),
    /// Beside the instruction of that index (of [`Instr::index`](crate::view::Instr)).
    Instruction(u32, Position),
    /// When an exception leaves the function; it goes on unchanged. `{exception}` is what the caller
    /// will see: of a generator the `RuntimeError` that an escaping `StopIteration` becomes.
    OnRaise,
    /// When the function is left, by return or by exception: once per call, as `finally` would.
    OnExit,
    /// Before a generator or coroutine suspends; `{yield_value}` may be read and rebound.
    OnYield,
    /// When control takes that edge of a conditional: of `if`, `while`, `and`, `or`, `not`, a conditional expression,
    /// a comprehension's condition, a pattern of `match`, `for` (item, exhausted). `{site_lineno}` is the line of the
    /// conditional. What the compiler adds (which `except` clause matches) is none, nor is `async for`.
    Branch(Edge),
    /// The same of the one conditional whose instruction has that index (of
    /// [`Instr::index`](crate::view::Instr)).
    BranchAt(u32, Edge),
    /// When that happens at a loop: `for`, `async for`, `while`, the loops of comprehensions. `{site_lineno}` is the line of
    /// its head, at all three. A `for` whose body never comes back is one, such a `while` is an `if` to CPython. Up to
    /// CPython 3.13 `while True` and one that its body begins with are one loop.
    Loop(LoopEdge),
    /// The same of the one loop whose head is the instruction of that index.
    LoopAt(u32, LoopEdge),
    /// When a generator or coroutine goes on: `{yield_value}` is what was sent in (the value of the
    /// `yield`), `{exception}` what was thrown in; the other one is None.
    OnResume,
    /// Right before each call that the source makes, one of [`Code::calls`](crate::view::Code::calls), when what is
    /// called and all arguments have been evaluated; `{callee}` is what is called. `{site_lineno}` is the line of the call.
    BeforeCall,
    /// The same of the one call whose instruction has that index.
    BeforeCallAt(u32),
    /// When such a call has returned, not when it raises; `{result}` may be read and rebound.
    AfterCall,
    /// The same of the one call whose instruction has that index.
    AfterCallAt(u32),
    /// When an `except` clause is entered, before it binds the name behind `as`; `{exception}` is what it handles, in
    /// `except*` the group of what it matched. `{site_lineno}` is the line of the `except`. `finally`, `with` and what else
    /// the compiler handles exceptions for are none.
    Handler,
}

/// Python source with placeholders, and the values of those that the host does not know.
#[derive(Clone, Debug, PartialEq)]
pub struct Snippet<'a> {
    /// The template, in `str.format` syntax.
    pub code: &'a str,
    /// Name and value of each placeholder that the plugin itself fills.
    pub values: Vec<(&'a str, Value)>,
    /// What becomes of its errors; the plugin's own rule ([`Plugin::ON_ERROR`]) where nothing is said.
    ///
    /// [`Plugin::ON_ERROR`]: crate::Plugin::ON_ERROR
    pub on_error: Option<OnError>,
}

impl<'a> Snippet<'a> {
    /// A snippet without values of its own.
    pub fn new(code: &'a str) -> Self {
        Snippet {
            code,
            values: Vec::new(),
            on_error: None,
        }
    }

    /// Says what becomes of errors that the snippet raises.
    #[must_use]
    pub fn on_error(mut self, on_error: OnError) -> Self {
        self.on_error = Some(on_error);
        self
    }

    /// Gives the placeholder `{name}` a constant value.
    #[must_use]
    pub fn with(mut self, name: &'a str, value: impl Into<Value>) -> Self {
        self.values.push((name, value.into()));
        self
    }
}

impl<'a> From<&'a str> for Snippet<'a> {
    fn from(code: &'a str) -> Self {
        Snippet::new(code)
    }
}

impl<'a> From<&'a String> for Snippet<'a> {
    fn from(code: &'a String) -> Self {
        Snippet::new(code)
    }
}

/// How much a message of a plugin matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Always shown.
    Error = 1,
    /// Always shown.
    Warn = 2,
    /// Shown with `-v`.
    Info = 3,
    /// Shown with `-vv`.
    Debug = 4,
}

/// Takes the edits of a visitor. They are about the declaration that is being visited; imports and
/// bindings are about its module.
pub struct Edits<'a>(pub(crate) crate::abi::RawEditsMut<'a>);

impl Edits<'_> {
    /// Code at a site.
    ///
    /// # Errors
    /// The snippet is no template: the host says why.
    pub fn at<'s>(&mut self, site: Site, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        crate::abi::edit(&mut self.0, site, &snippet.into())
    }

    /// Code that runs when the body starts: once per call.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn before<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::Before, snippet)
    }

    /// Code that runs before each normal return; may read and rebind `{return_value}`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn after<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::After, snippet)
    }

    /// Code that runs when an exception leaves the function; it may read `{exception}`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn on_raise<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::OnRaise, snippet)
    }

    /// Code that runs when the function is left, whatever the way: once per call.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn on_exit<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::OnExit, snippet)
    }

    /// Code that runs before a generator or coroutine suspends; may read and rebind `{yield_value}`.
    /// In what never suspends it goes nowhere.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn on_yield<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::OnYield, snippet)
    }

    /// Code that runs when a generator or coroutine goes on: by a value, `{yield_value}`, or by an
    /// exception, `{exception}`. In what never suspends it goes nowhere.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn on_resume<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::OnResume, snippet)
    }

    /// Code that runs each time a line is reached.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn line<'s>(&mut self, line: u32, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::Line(line), snippet)
    }

    /// Code that runs each time any line is reached.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn each_line<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::EachLine, snippet)
    }

    /// Code that runs each time control takes that edge of a conditional.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn branch<'s>(&mut self, edge: Edge, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::Branch(edge), snippet)
    }

    /// Code that runs each time that happens at a loop.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn loops<'s>(&mut self, edge: LoopEdge, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::Loop(edge), snippet)
    }

    /// Code that runs right before each call; it may read `{callee}`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn before_call<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::BeforeCall, snippet)
    }

    /// Code that runs when a call has returned; may read and rebind `{result}`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn after_call<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::AfterCall, snippet)
    }

    /// Code that runs when an `except` clause is entered; it may read `{exception}`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn handler<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::Handler, snippet)
    }

    /// Code at the very start of a module that is run as `__main__`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn module_enter<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::ModuleEnter(When::Main), snippet)
    }

    /// Code at the normal end of a module that is run as `__main__`.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn module_exit<'s>(&mut self, snippet: impl Into<Snippet<'s>>) -> crate::Result {
        self.at(Site::ModuleExit(When::Main), snippet)
    }

    /// Code at the very start of a module, under a condition.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn module_enter_on<'s>(
        &mut self,
        when: When,
        snippet: impl Into<Snippet<'s>>,
    ) -> crate::Result {
        self.at(Site::ModuleEnter(when), snippet)
    }

    /// Code at the normal end of a module, under a condition.
    ///
    /// # Errors
    /// As [`Edits::at`].
    pub fn module_exit_on<'s>(
        &mut self,
        when: When,
        snippet: impl Into<Snippet<'s>>,
    ) -> crate::Result {
        self.at(Site::ModuleExit(when), snippet)
    }

    /// An import at the top of the module. Its names are seen by this plugin's snippets alone.
    ///
    /// # Errors
    /// It is no import statement on one line.
    pub fn import(&mut self, statement: &str) -> crate::Result {
        crate::abi::import(&mut self.0, statement, false)
    }

    /// An import at the top of the module that binds plain names, which the program sees.
    ///
    /// # Errors
    /// It is no import statement on one line.
    pub fn import_public(&mut self, statement: &str) -> crate::Result {
        crate::abi::import(&mut self.0, statement, true)
    }

    /// Evaluates a Python expression at the top of the module, where imports go; this plugin's
    /// snippets read its value by that name.
    ///
    /// # Errors
    /// As [`Edits::at`], or `name` is no identifier.
    pub fn bind<'s>(&mut self, name: &str, expression: impl Into<Snippet<'s>>) -> crate::Result {
        crate::abi::bind(&mut self.0, name, &expression.into())
    }

    /// A message through the host.
    pub fn log(&self, level: Level, message: impl std::fmt::Display) {
        self.0
            .log(level as u32, message.to_string().as_str().into());
    }
}

/// Kinds of sites: [`Site`] without its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum SiteKind {
    /// [`Site::Before`]
    Before,
    /// [`Site::After`]
    After,
    /// [`Site::Line`]
    Line,
    /// [`Site::EachLine`]
    EachLine,
    /// [`Site::ModuleEnter`]
    ModuleEnter,
    /// [`Site::ModuleExit`]
    ModuleExit,
    /// [`Site::Instruction`]
    Instruction,
    /// [`Site::OnRaise`]
    OnRaise,
    /// [`Site::OnExit`]
    OnExit,
    /// [`Site::OnYield`]
    OnYield,
    /// [`Site::OnResume`]
    OnResume,
    /// [`Site::Branch`] and [`Site::BranchAt`]
    Branch,
    /// [`Site::Loop`] and [`Site::LoopAt`]
    Loop,
    /// [`Site::BeforeCall`] and [`Site::BeforeCallAt`]
    BeforeCall,
    /// [`Site::AfterCall`] and [`Site::AfterCallAt`]
    AfterCall,
    /// [`Site::Handler`]
    Handler,
}

impl SiteKind {
    /// Its name, as messages have it.
    pub fn name(self) -> &'static str {
        match self {
            SiteKind::Before => "before",
            SiteKind::After => "after",
            SiteKind::Line => "line",
            SiteKind::EachLine => "each_line",
            SiteKind::ModuleEnter => "module_enter",
            SiteKind::ModuleExit => "module_exit",
            SiteKind::Instruction => "instruction",
            SiteKind::OnRaise => "on_raise",
            SiteKind::OnExit => "on_exit",
            SiteKind::OnYield => "on_yield",
            SiteKind::OnResume => "on_resume",
            SiteKind::Branch => "branch",
            SiteKind::Loop => "loop",
            SiteKind::BeforeCall => "before_call",
            SiteKind::AfterCall => "after_call",
            SiteKind::Handler => "handler",
        }
    }
}

impl Site {
    /// Its kind.
    pub fn kind(self) -> SiteKind {
        match self {
            Site::Before => SiteKind::Before,
            Site::After => SiteKind::After,
            Site::Line(_) => SiteKind::Line,
            Site::EachLine => SiteKind::EachLine,
            Site::ModuleEnter(_) => SiteKind::ModuleEnter,
            Site::ModuleExit(_) => SiteKind::ModuleExit,
            Site::Instruction(..) => SiteKind::Instruction,
            Site::OnRaise => SiteKind::OnRaise,
            Site::OnExit => SiteKind::OnExit,
            Site::OnYield => SiteKind::OnYield,
            Site::OnResume => SiteKind::OnResume,
            Site::Branch(_) | Site::BranchAt(..) => SiteKind::Branch,
            Site::Loop(_) | Site::LoopAt(..) => SiteKind::Loop,
            Site::BeforeCall | Site::BeforeCallAt(_) => SiteKind::BeforeCall,
            Site::AfterCall | Site::AfterCallAt(_) => SiteKind::AfterCall,
            Site::Handler => SiteKind::Handler,
        }
    }
}
