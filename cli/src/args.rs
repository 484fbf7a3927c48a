//! What the user can say.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Instruments compiled Python programs without touching their source.
///
/// `equip --plugin callcount app/` puts the plugin's code into the bytecode of app/; then the
/// program is started as always. `equip restore app/` undoes it.
#[derive(Debug, Parser)]
#[command(name = "equip", version, subcommand_negates_reqs = true)]
pub struct Arguments {
    /// What to do instead of instrumenting.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    #[allow(missing_docs)]
    pub plugins: Plugins,

    /// A pipeline file (equip.toml, or a pyproject.toml with [tool.equip]); else, without --plugin, one is looked for from
    /// the target upward.
    #[arg(long, value_name = "FILE", global = true)]
    pub config: Option<PathBuf>,

    /// Let a pipeline file that was found, not named, choose interpreters and libraries.
    #[arg(long, global = true)]
    pub trust_config: bool,

    /// The Python that the program runs with: a path, or a name on PATH.
    #[arg(long, value_name = "PYTHON", global = true)]
    pub python: Option<PathBuf>,

    /// Compile every source anew, whatever bytecode there is.
    #[arg(long)]
    pub force_rebuild: bool,

    /// Do everything but write, and show what would be put where.
    #[arg(long)]
    pub dry_run: bool,

    /// How to report: text on standard error, or JSON on standard output.
    #[arg(long, value_enum, default_value_t = Format::Text, global = true)]
    pub report: Format,

    /// Leave the targets as they are: instrument a copy of them in this folder.
    #[arg(long, value_name = "FOLDER")]
    pub out: Option<PathBuf>,

    /// Threads; 0 for one for each core.
    #[arg(long, short, default_value_t = 0, global = true)]
    pub jobs: usize,

    /// Say more; repeat for still more.
    #[arg(long, short, action = clap::ArgAction::Count, global = true)]
    pub verbose: u8,

    /// Say nothing but errors.
    #[arg(long, short, conflicts_with = "verbose", global = true)]
    pub quiet: bool,

    /// Folders, `.py` and `.pyc` files; those of the pipeline file where none is named.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<PathBuf>,
}

/// Other commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Show what a program declares: modules, imports, classes, functions.
    Decls(Targets),
    /// Show bytecode; a target may be followed by `:` and a qualname.
    Dis(Dis),
    // Clap would prefer a line here to what is on the type.
    #[allow(missing_docs)]
    Cfg(Cfg),
    #[allow(missing_docs)]
    Callgraph(CallGraph),
    /// Judge every code object of a program.
    Verify(Targets),
    /// Say whether a pipeline is valid, its plugins load and its snippets compile, and what it would touch.
    Check(Pipeline),
    #[allow(missing_docs)]
    Select(Select),
    /// Show the bytecode of a function before and after instrumenting.
    Diff(Diff),
    /// Write a commented pipeline file for a project.
    Init(Init),
    /// Print the JSON Schema of pipeline files.
    Schema,
    /// Put the originals back.
    Restore(Targets),
    /// Show which files are plain, instrumented or out of date.
    Status(Targets),
    /// Start an instrumented script or module.
    Run(Run),
    /// List the plugins that are found by name: what they do, their options, where they are.
    Plugins,
    /// Make a crate of a plugin that does something at once, with tests.
    NewPlugin(NewPlugin),
    /// Print the counts that callcount left as a table.
    Counts(Counts),
    #[allow(missing_docs)]
    Coverage(Coverage),
}

/// Folders, `.py` and `.pyc` files.
#[derive(Debug, Args)]
pub struct Targets {
    /// Folders, `.py` and `.pyc` files.
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<PathBuf>,
}

/// Plugins, and their options.
#[derive(Debug, Args)]
pub struct Plugins {
    /// A plugin: a name (`callcount`), a file name (`libcallcount.so`) or a path; repeat for several.
    #[arg(long, value_name = "PLUGIN")]
    pub plugin: Vec<String>,

    /// An option of a plugin, its value in TOML (or a bare word): --set callcount.output=x.json
    #[arg(long, value_name = "PLUGIN.KEY=VALUE")]
    pub set: Vec<String>,
}

/// A pipeline and its targets.
#[derive(Debug, Args)]
pub struct Pipeline {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub plugins: Plugins,

    /// Folders, `.py` and `.pyc` files; those of the pipeline file where none is named.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<PathBuf>,
}

/// Print the declarations that a selection matches.
///
/// equip select 'methods in "shop.**" and calls = "*.execute"' app/
///
/// Kinds: functions, methods, lambdas, generators, coroutines, async_generators, properties, staticmethods,
/// classmethods, nested, classes, modules, comprehensions. Tests: decorated, bases, calls, name, parameter, file
/// (= or != a pattern); size, lines, loop_depth, parameters (compared with a number); line = 10..20. A pattern is
/// module:qualname, or a module; * is any text without a dot, ** any number of parts. and, or, not, parentheses.
#[derive(Debug, Args)]
pub struct Select {
    /// The selection.
    #[arg(value_name = "SELECTION")]
    pub selection: String,

    /// Folders, `.py` and `.pyc` files.
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<PathBuf>,
}

/// What to compare: what a pipeline would make of it, or without one, what is in the file already.
#[derive(Debug, Args)]
pub struct Diff {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub plugins: Plugins,

    /// A `.py` or `.pyc`, `:` and a qualname.
    #[arg(value_name = "TARGET:QUALNAME")]
    pub target: String,
}

/// For which project.
#[derive(Debug, Args)]
pub struct Init {
    /// Its folder.
    #[arg(value_name = "FOLDER", default_value = ".")]
    pub folder: PathBuf,
}

/// What to disassemble.
#[derive(Debug, Args)]
pub struct Dis {
    /// A folder, `.py` or `.pyc`, with `:qualname` behind it to see one declaration.
    #[arg(value_name = "TARGET[:QUALNAME]", required = true)]
    pub targets: Vec<String>,
}

/// Show the flow of control; a target may be followed by `:` and a qualname.
///
/// Blocks are numbered in code order; the last is the exit, where all ways out end. JSON is a list of
/// graphs with `file`, `python`, `qualname`, `key`, `kind`, `first_line`, `end_line`, `source`,
/// `exceptions`, `entry`, `exit`, and
///
/// - `blocks`: `index`, `first_line`, `last_line`, `source` (`line`, `text`), `instructions`
///   (`index`, `opcode`, `operand`, `line`, `end_line`, `column`, `end_column`),
///   `immediate_dominator`, `immediate_post_dominator`, `dominance_frontier`, `loop` (the
///   innermost), `loop_depth`, `control_dependences` (edges);
/// - `edges`: `index`, `from`, `to`, `kind` (next, true, false, jump, resume, exception, raise,
///   return), `back`;
/// - `loops`: `index`, `head`, `back_edges`, `parent`, `depth`, `blocks`, `exits` (edges);
/// - `irreducible`: `blocks`, `entries`.
///
/// What is not known, or not there, is null. Keys are only ever added.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct Cfg {
    /// A folder, `.py` or `.pyc`, with `:qualname` behind it to see one declaration.
    #[arg(value_name = "TARGET[:QUALNAME]", required = true)]
    pub targets: Vec<String>,

    /// What to make: text; JSON (as with --report json); Graphviz's dot; a picture of one function.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<GraphFormat>,

    /// Without the edges of instructions that raise unasked, and what only they lead to.
    #[arg(long)]
    pub no_exceptions: bool,

    /// Write there, not to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Show who calls whom, as far as names tell; or which module imports which.
///
/// All targets are one program. Calls lead to its functions, classes and modules where names allow, and
/// else to what is known by name only (`print`, `json.dumps`, `x.method`, `?`). A name with several
/// definitions leads to all of them. JSON has
///
/// - `modules`: `index`, `name`, `file` (null outside the program), `python`, `package`;
/// - `nodes`: `index`, `kind` (module, class, function, lambda, unknown), `name`, `module`, `first_line`;
/// - `calls`: `from`, `to` (nodes), `line`, `name` (as written), `scope` and `instruction` (as in `equip dis`);
/// - `imports`: `from`, `to` (modules), `line`.
///
/// What is not known, or not there, is null. Keys are only ever added.
#[derive(Debug, Args)]
#[command(verbatim_doc_comment)]
pub struct CallGraph {
    /// Folders, `.py` and `.pyc` files.
    #[arg(value_name = "TARGET", required = true)]
    pub targets: Vec<PathBuf>,

    /// Imports between modules in place of calls.
    #[arg(long)]
    pub imports: bool,

    /// What to make: text; JSON (as with --report json), which has both; Graphviz's dot, without unknown callees.
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub format: Option<CallFormat>,

    /// Write there, not to standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to start.
#[derive(Debug, Args)]
pub struct Run {
    /// A script, or `-m` and a module, as for Python; then the program's arguments.
    #[arg(
        value_name = "SCRIPT|-m MODULE [ARGS]",
        trailing_var_arg = true,
        allow_hyphen_values = true,
        required = true
    )]
    pub program: Vec<OsString>,
}

/// What to make.
#[derive(Debug, Args)]
pub struct NewPlugin {
    /// Name of the plugin, of its crate, and of the folder that is made here.
    #[arg(value_name = "NAME")]
    pub name: String,

    /// What the plugin is shown.
    #[arg(long, value_enum, default_value_t = PluginKind::Method)]
    pub kind: PluginKind,

    /// The folder of equip's source, which the crate depends on; else the one that this equip was built from.
    #[arg(long, value_name = "FOLDER")]
    pub api_path: Option<PathBuf>,

    /// A git repository of equip that the crate depends on instead, as cargo takes it: https://…, ssh://…, file://….
    #[arg(long, value_name = "URL", conflicts_with = "api_path")]
    pub api_git: Option<String>,

    /// Which commit or tag of that repository; else the newest of its default branch, as Cargo.lock then keeps it.
    #[arg(long, value_name = "REV", requires = "api_git")]
    pub api_rev: Option<String>,
}

/// Which of the visitors a new plugin is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum PluginKind {
    /// Functions: tells of each call with its arguments and what becomes of it.
    Method,
    /// Modules: shows which module runs when, and for how long.
    Module,
    /// Classes: finds lists, dicts and sets that all instances share.
    Class,
    /// Instructions: tells who writes global variables.
    Bytecode,
}

/// Which counts, and how many.
#[derive(Debug, Args)]
pub struct Counts {
    /// The file of counts.
    #[arg(value_name = "COUNTS", default_value = "counts.json")]
    pub file: PathBuf,

    /// Only that many, those with the most calls first.
    #[arg(long, value_name = "N")]
    pub top: Option<usize>,
}

/// Report what the coverage plugin measured: lines and branches, as coverage.py does.
///
/// Sources are read with the Python that ran them, and are never run. Settings come from the files that
/// coverage.py reads: of [run] source, include, omit; of [report] exclude_lines, exclude_also,
/// partial_branches, partial_branches_always, partial_also, include, omit, include_namespace_packages,
/// fail_under, precision, show_missing, skip_covered, skip_empty.
#[derive(Debug, Args)]
pub struct Coverage {
    /// Which report.
    #[command(subcommand)]
    pub command: CoverageCommand,
}

/// Reports.
#[derive(Debug, Subcommand)]
pub enum CoverageCommand {
    /// A table (JSON with --report json).
    Report(CoverageTable),
    /// Pages with the sources, in a folder (htmlcov).
    Html(CoverageReport),
    /// Cobertura's XML (coverage.xml).
    Xml(CoverageReport),
    /// LCOV's tracefile (coverage.lcov).
    Lcov(CoverageReport),
    /// JSON with coverage.py's keys (coverage.json).
    Json(CoverageReport),
    /// Merge data files into one.
    Combine(CoverageCombine),
}

/// What a table shows.
#[derive(Debug, Args)]
pub struct CoverageTable {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub common: CoverageReport,

    /// With the lines and branches that were missed.
    #[arg(long, short = 'm')]
    pub show_missing: bool,

    /// Without files that miss nothing.
    #[arg(long)]
    pub skip_covered: bool,
}

/// Which data, which files, and where to.
#[derive(Debug, Args)]
pub struct CoverageReport {
    /// Files of data, or folders of them.
    #[arg(long, value_name = "FOLDER|FILE", num_args = 1.., default_value = "equip-coverage")]
    pub data: Vec<PathBuf>,

    /// Only files that match one of these patterns.
    #[arg(long, value_name = "GLOB", num_args = 1.., value_delimiter = ',')]
    pub include: Vec<String>,

    /// No files that match one of these patterns.
    #[arg(long, value_name = "GLOB", num_args = 1.., value_delimiter = ',')]
    pub omit: Vec<String>,

    /// Only files below these folders (or of these packages), and all of them, those too that never ran.
    #[arg(long, value_name = "DIR", num_args = 1.., value_delimiter = ',')]
    pub source: Vec<String>,

    /// Settings as coverage.py has them; else those that coverage.py would find in this folder.
    #[arg(long, value_name = "FILE")]
    pub rcfile: Option<PathBuf>,

    /// End with status 2 where the total is less.
    #[arg(long, value_name = "PERCENT")]
    pub fail_under: Option<f64>,

    /// Write there (`-`: to standard output).
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to merge, and where to.
#[derive(Debug, Args)]
pub struct CoverageCombine {
    /// Files of data, or folders of them.
    #[arg(long, value_name = "FOLDER|FILE", num_args = 1.., default_value = "equip-coverage")]
    pub data: Vec<PathBuf>,

    /// The file to write.
    #[arg(long, short, value_name = "FILE", required = true)]
    pub output: PathBuf,
}

/// Forms of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
    /// For browsers.
    Svg,
}

/// Forms of a graph of calls or imports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum CallFormat {
    /// For people.
    Text,
    /// For programs.
    Json,
    /// For Graphviz.
    Dot,
}

/// Forms of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// For programs.
    Json,
}
