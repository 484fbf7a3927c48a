//! Call graphs and imports: a package with every form beside the edges written down by hand, real runs,
//! standard libraries, and the command.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Instant;

use crate::harness::{
    compile, compiled_library, equip, interpreters, ok, python, root, scratch, text,
};
use equip_core::analysis::call_graph::Place;
use equip_core::analysis::{CallGraph, Callee, Imported, Module, call_graph, import_graph};
use equip_core::body;
use equip_core::declaration::{DeclId, Declarations, declarations};
use equip_core::pyc::PycFile;
use equip_core::python::Interpreter;
use petgraph::visit::EdgeRef;

/// A file of a package: dotted name, whether it is a package, bytes.
struct File {
    name: String,
    is_package: bool,
    bytes: Vec<u8>,
}

/// Files as modules, for as long as what they borrow lives.
fn with_modules<R>(files: &[File], use_them: impl FnOnce(&[Module<'_>]) -> R) -> R {
    let pycs: Vec<PycFile<'_>> = files
        .iter()
        .map(|file| PycFile::parse(&file.bytes).expect("a pyc"))
        .collect();
    let found: Vec<Declarations<'_>> = pycs.iter().map(declarations).collect();
    let modules: Vec<_> = files
        .iter()
        .zip(&pycs)
        .zip(&found)
        .map(|((file, pyc), declarations)| Module {
            name: &file.name,
            is_package: file.is_package,
            declarations,
            pyc,
        })
        .collect();
    use_them(&modules)
}

/// `module:qualname`, or the name of an unknown.
fn shown(modules: &[Module<'_>], callee: &Callee) -> String {
    match callee {
        Callee::Declared(place) => {
            let module = &modules[place.module];
            let one = &module.declarations.list[place.declaration.0 as usize];
            format!("{}:{}", module.name, one.qualname)
        }
        Callee::Unknown(name) => name.clone(),
    }
}

/// Every edge as `caller > callee @line`, once.
fn edges(modules: &[Module<'_>], calls: &CallGraph) -> BTreeSet<String> {
    let graph = &calls.graph;
    let edges = graph.edge_references().map(|edge| {
        let (from, to) = (&graph[edge.source()], &graph[edge.target()]);
        let line = edge.weight().line;
        format!("{} > {} @{line}", shown(modules, from), shown(modules, to))
    });
    edges.collect()
}

/// What the lines of a module say in comments (`# > callee, callee`), as [`edges`] shows it. The caller is
/// what `# in qualname` said last, or the module.
fn wanted(name: &str, source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut caller = "<module>".to_owned();
    for (number, line) in source.lines().enumerate() {
        if let Some((_, place)) = line.split_once("# in ") {
            caller = place.split(" > ").next().expect("a part").trim().to_owned();
        }
        let Some((_, callees)) = line.split_once(" > ") else {
            continue;
        };
        for callee in callees.split(", ") {
            let line = number + 1;
            found.insert(format!("{name}:{caller} > {} @{line}", callee.trim()));
        }
    }
    found
}

const PACKAGE: &[(&str, &str)] = &[
    (
        "p/__init__.py",
        "\
from .base import Base as Root, helper
from .sub import *
from . import sub
",
    ),
    (
        "p/base.py",
        "\
import json as j
import os.path

def helper():  # in helper
    j.dumps(1)  # > json.dumps
    os.path.join('a')  # > os.path.join
    print(1)  # > print
    return helper()  # > p.base:helper

class Base:  # in Base > p.base:Base.__init__
    def __init__(self):  # in Base.__init__
        self.setup()  # > p.base:Base.setup, p.sub.deep:Derived.setup
    def setup(self):
        pass
    def only_base(self): pass
    @classmethod  # in Base > classmethod
    def make(cls):  # in Base.make
        return cls()  # > p.base:Base, p.sub.deep:Derived, p.sub.deep:Other
    @staticmethod  # in Base > staticmethod
    def plain(x):  # in Base.plain
        x.setup()  # > x.setup
    @property  # in Base > property
    def prop(self): pass
    def uses(self):  # in Base.uses
        self.prop()  # > self.prop
        self.field()  # > self.field
        self.plain(1)  # > p.base:Base.plain
        type(self).make()  # > type, ?.make
        self.__class__.make()  # > p.base:Base.make
",
    ),
    (
        "p/sub/__init__.py",
        "\
from ..base import helper as again
def starred():  # in starred
    again()  # > p.base:helper
",
    ),
    (
        "p/sub/deep.py",
        "\
import p.base
import p.base as b
from .. import Root, helper as h, starred
from ..sub import again
from . import starred as s
import ext.mod
from ext import thing as t, other

class Derived(Root):  # in Derived > p.base:Base.__init__
    def setup(self):  # in Derived.setup
        super().setup()  # > super, p.base:Base.setup
        super(Derived, self).only_base()  # > super, p.base:Base.only_base
        self.only_base()  # > p.base:Base.only_base
        Root.setup(self)  # > p.base:Base.setup
        return [self.only_base() for _ in range(2)]  # > p.base:Base.only_base, range
    def nested(self):  # in Derived.nested
        def inner():  # in Derived.nested.<locals>.inner
            return self.setup()  # > p.sub.deep:Derived.setup
        setup = 1  # in Derived.nested
        inner()  # > p.sub.deep:Derived.nested.<locals>.inner
        Derived().setup()  # > p.sub.deep:Derived, p.sub.deep:Derived.setup
        d = Derived.make()  # > p.base:Base.make
        d.setup()  # > d.setup
        e = Derived()  # > p.sub.deep:Derived
        e.setup()  # > p.sub.deep:Derived.setup

class Other(b.Base, ext.mod.Mixin):  # in Other > p.sub.deep:Other.__new__, p.base:Base.__init__
    def __new__(cls):  # in Other.__new__
        return super().__new__(cls)  # > super, super().__new__
    def go(self):  # in Other.go
        self.setup()  # > p.base:Base.setup
        self.mixed()  # > self.mixed
    def __call__(self): pass
    def setting(self):  # in Other.setting
        self.field = self.go()  # > p.sub.deep:Other.go

def calls():  # in calls
    p.base.helper()  # > p.base:helper
    b.helper()  # > p.base:helper
    h(starred())  # > p.base:helper, p.sub:starred
    again()  # > p.base:helper
    s()  # > p.sub:starred
    p.helper()  # > p.base:helper
    p.sub.starred()  # > p.sub:starred
    ext.mod.f()  # > ext.mod.f
    t(other.x())  # > ext.thing, ext.other.x
    from ..base import helper as local
    local()  # > p.base:helper
    import p.sub.deep as me
    me.calls()  # > p.sub.deep:calls
    (lambda: h())()  # > p.sub.deep:calls.<locals>.<lambda>
    [1][0]()  # > ?
    calls()()  # > p.sub.deep:calls, ?
    h(*[1], **{})  # > p.base:helper
    with b.Base():  # > p.base:Base, ?.__enter__, ?.__exit__
        pass

if t:
    def twice(): pass
else:
    def twice(): pass
try:
    from ext import maybe
except ImportError:
    def maybe(): pass
changed = calls
def changed(): pass
count = 0
def reset():
    global count
    count = calls

def variants(x):  # in variants
    twice()  # > p.sub.deep:twice
    maybe()  # > ext.maybe, p.sub.deep:maybe
    changed()  # > p.sub.deep:calls, p.sub.deep:changed
    count()  # > p.sub.deep:calls, count
    x()  # > x
    x.y.z()  # > x.y.z
    undefined()  # > undefined
    f = h
    def g():  # in variants.<locals>.g
        f()  # > p.base:helper
        hidden()  # > hidden
    g()  # in variants > p.sub.deep:variants.<locals>.g
    try: pass
    finally: g()  # > p.sub.deep:variants.<locals>.g

class Scoped:  # in Scoped
    def hidden(self):  # in Scoped.hidden
        hidden()  # > hidden
    used = hidden(None)  # in Scoped > p.sub.deep:Scoped.hidden
    class Inner:
        pass
    def two(self):  # in Scoped.two
        self.Inner()  # > p.sub.deep:Scoped.Inner
        Other()()  # > p.sub.deep:Other, ?

def deco(f):  # in deco
    return f()  # > f
@deco  # in <module> > p.sub.deep:deco
@ext.mod.wrap(1)  # > ext.mod.wrap, ?
def decorated():  # in decorated
    decorated()  # > p.sub.deep:decorated
async def coro():  # in coro
    await coro()  # > p.sub.deep:coro
    async for x in agen(): pass  # > p.sub.deep:agen
async def agen():  # in agen
    yield h()  # > p.base:helper
def generator():  # in generator
    yield from generator()  # > p.sub.deep:generator
    yield sum(h() for _ in x)  # > sum, p.base:helper
if __name__ == '__main__':
    calls()  # in <module> > p.sub.deep:calls
",
    ),
];

fn package(python: &Interpreter) -> Vec<File> {
    let files = PACKAGE.iter().map(|(path, source)| {
        let name = path.trim_end_matches(".py").replace('/', ".");
        let (name, is_package) = match name.strip_suffix(".__init__") {
            Some(package) => (package.to_owned(), true),
            None => (name, false),
        };
        let bytes = compile(python, source, "m.py");
        File {
            name,
            is_package,
            bytes,
        }
    });
    files.collect()
}

fn source_line(part: &str) -> usize {
    let (_, source) = PACKAGE.last().expect("the last");
    1 + source
        .lines()
        .position(|line| line.contains(part))
        .expect("there")
}

#[test]
fn every_form_of_call() {
    for python in interpreters() {
        let files = package(python);
        let mut wanted_edges = BTreeSet::new();
        for (file, (_, source)) in files.iter().zip(PACKAGE) {
            wanted_edges.extend(wanted(&file.name, source));
        }
        let lambda = source_line("(lambda: h())()");
        wanted_edges.insert(format!(
            "p.sub.deep:calls.<locals>.<lambda> > p.base:helper @{lambda}"
        ));
        let got = with_modules(&files, |modules| edges(modules, &call_graph(modules)));
        let missing: Vec<_> = wanted_edges.difference(&got).collect();
        let more: Vec<_> = got.difference(&wanted_edges).collect();
        assert!(
            missing.is_empty() && more.is_empty(),
            "CPython {}: missing {missing:#?}, not wanted {more:#?}",
            python.isa.version
        );
    }
}

#[test]
fn sites_say_where_and_what() {
    let python = &interpreters()[0];
    with_modules(&package(python), |modules| {
        let calls = call_graph(modules);
        let find = |qualname: &str| {
            let found = modules[3].declarations.find(qualname).expect("declared");
            let declaration = found.id;
            Place {
                module: 3,
                declaration,
            }
        };
        let from = calls.node(find("variants")).expect("a node");
        let to = calls.unknown("x.y.z").expect("a node");
        let edge = calls.graph.find_edge(from, to).expect("an edge");
        let site = &calls.graph[edge];
        assert_eq!(site.name, "x.y.z");
        let (scope, at) = site.instruction.expect("a call");
        assert_eq!(scope, find("variants").declaration);
        let pyc = modules[3].pyc;
        let code = modules[3].declarations.list[scope.0 as usize].code;
        let code = pyc.objects.code(code).expect("code");
        let body = body::decode(pyc.isa, &pyc.objects, code).expect("sound");
        assert_eq!(body.instrs[at].location.line as u32, site.line);
        let both: Vec<_> = calls
            .graph
            .edge_weights()
            .filter(|site| site.name == "twice")
            .collect();
        assert_eq!(both.len(), 2, "both definitions: {both:?}");
    });
}

#[test]
fn imports_between_modules() {
    for python in interpreters() {
        with_modules(&package(python), |modules| {
            let imports = import_graph(modules).graph;
            let name = |one: &Imported| match one {
                Imported::Module(module) => modules[*module].name.to_owned(),
                Imported::External(name) => format!("({name})"),
            };
            let got: BTreeSet<String> = imports
                .edge_references()
                .map(|edge| {
                    let (from, to) = (&imports[edge.source()], &imports[edge.target()]);
                    format!("{} > {} @{}", name(from), name(to), edge.weight())
                })
                .collect();
            let wanted = [
                "p > p.base @1",
                "p > p.sub @2",
                "p > p.sub @3",
                "p.base > (json) @1",
                "p.base > (os.path) @2",
                "p.sub > p.base @1",
                "p.sub.deep > p.base @1",
                "p.sub.deep > p.base @2",
                "p.sub.deep > p @3",
                "p.sub.deep > p.sub @4",
                "p.sub.deep > p.sub @5",
                "p.sub.deep > (ext.mod) @6",
                "p.sub.deep > (ext) @7",
            ];
            let wanted: BTreeSet<String> = wanted.map(str::to_owned).into();
            let later =
                |edge: &&String| edge.rsplit('@').next().unwrap().parse::<u32>().unwrap() < 9;
            let got: BTreeSet<String> = got.iter().filter(later).cloned().collect();
            assert_eq!(got, wanted, "CPython {}", python.isa.version);
        });
    }
}

/// The modules below a folder, compiled, with the names of their files.
fn folder_modules(python: &Interpreter, folder: &Path, names: &[&str]) -> Vec<(File, String)> {
    let program = "
import os, py_compile, sys
folder, out = sys.argv[1], sys.argv[2]
number = 0
for name in sys.argv[3:]:
    path = os.path.join(folder, name)
    files = [path + '.py'] if os.path.isfile(path + '.py') else [
        os.path.join(d, f) for d, _, fs in os.walk(path) for f in fs if f.endswith('.py') and '/test' not in d]
    for file in sorted(files):
        py_compile.compile(file, cfile=os.path.join(out, f'{number}.pyc'), doraise=True)
        print(file)
        number += 1
";
    let out = scratch();
    let said = ok(self::python(python, folder)
        .args(["-W", "ignore", "-c", program])
        .arg(folder)
        .arg(out.path())
        .args(names));
    let files: Vec<_> = text(&said.stdout).lines().map(str::to_owned).collect();
    let modules = files.into_iter().enumerate().map(|(number, path)| {
        let bytes = std::fs::read(out.path().join(format!("{number}.pyc"))).expect("compiled");
        let below = Path::new(&path).strip_prefix(folder).expect("below");
        let name = below.with_extension("").to_string_lossy().replace('/', ".");
        let (name, is_package) = match name.strip_suffix(".__init__") {
            Some(package) => (package.to_owned(), true),
            None => (name, false),
        };
        let file = File {
            name,
            is_package,
            bytes,
        };
        (file, path)
    });
    modules.collect()
}

/// Runs a program under a profiler, and compares the calls between functions of some modules with their call
/// graph: a call of a resolved name is one of its edges.
fn assert_sound(python: &Interpreter, what: &str, folder: &Path, names: &[&str], code: &str) {
    let (files, paths): (Vec<_>, Vec<_>) =
        folder_modules(python, folder, names).into_iter().unzip();
    let work = scratch();
    let list = work.path().join("files");
    std::fs::write(&list, paths.join("\n")).expect("writable");
    let mut command = self::python(python, work.path());
    command
        .arg(root().join("tests/oracle/calls.py"))
        .arg(&list)
        .arg(folder)
        .arg(code);
    let said = ok(&mut command);
    let events: Vec<serde_json::Value> =
        serde_json::from_slice(&std::fs::read(work.path().join("calls.json")).expect("written"))
            .unwrap_or_else(|error| panic!("{error}: {}", text(&said.stdout)));
    with_modules(&files, |modules| {
        let calls = call_graph(modules);
        let (mut checked, mut unresolved, mut wrong) = (0, 0, Vec::new());
        // By file, qualname and first line; several may share them.
        let mut places: BTreeMap<(usize, String, u64), Vec<Place>> = BTreeMap::new();
        for (module, one) in modules.iter().enumerate() {
            for declared in &one.declarations.list {
                let key = (
                    module,
                    declared.qualname.to_string(),
                    declared.first_line.into(),
                );
                let declaration = declared.id;
                places.entry(key).or_default().push(Place {
                    module,
                    declaration,
                });
            }
        }
        let place = |value: &serde_json::Value| {
            let (file, name) = (value[0].as_u64()? as usize, value[1].as_str()?.to_owned());
            match places.get(&(file, name, value[2].as_u64()?))?.as_slice() {
                [one] => Some(*one),
                _ => None,
            }
        };
        let sites = sites(modules, &calls);
        for event in &events {
            let (Some(caller), Some(callee)) = (place(&event["caller"]), place(&event["callee"]))
            else {
                continue;
            };
            let at: Vec<i64> = serde_json::from_value(event["at"].clone()).expect("four numbers");
            let Some(targets) = sites.get(&(caller.module, caller.declaration, at.clone())) else {
                // Decorators are called without a call expression of their own.
                wrong.push(format!("no site: {event}"));
                continue;
            };
            if targets
                .iter()
                .any(|target| matches!(target, Callee::Unknown(_)))
            {
                unresolved += 1;
                continue;
            }
            checked += 1;
            let reached = targets.iter().any(|target| {
                let Callee::Declared(target) = target else {
                    return false;
                };
                let (Some(class), Some(to)) = (calls.node(*target), calls.node(callee)) else {
                    return false;
                };
                // A class is left by what makes its objects.
                let mut makes = calls.graph.edges_connecting(class, to);
                *target == callee || makes.any(|edge| edge.weight().instruction.is_none())
            });
            if !reached {
                wrong.push(format!("{event}: only {targets:?}"));
            }
        }
        println!(
            "CPython {}, {what}: {} kinds of call seen, {checked} at resolved names, {unresolved} at others, {} wrong",
            python.isa.version,
            events.len(),
            wrong.len()
        );
        wrong.truncate(10);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(checked > 5, "{checked}");
    });
}

type Sites = BTreeMap<(usize, DeclId, Vec<i64>), Vec<Callee>>;

/// What each call site leads to, by module, scope and position.
fn sites(modules: &[Module<'_>], calls: &CallGraph) -> Sites {
    let mut bodies = BTreeMap::new();
    let mut sites = Sites::new();
    for edge in calls.graph.edge_references() {
        let (Callee::Declared(from), Some((scope, at))) =
            (&calls.graph[edge.source()], edge.weight().instruction)
        else {
            continue;
        };
        let module = &modules[from.module];
        let body = bodies.entry((from.module, scope)).or_insert_with(|| {
            let code = module.declarations.list[scope.0 as usize].code;
            let code = module.pyc.objects.code(code).expect("code");
            body::decode(module.pyc.isa, &module.pyc.objects, code).expect("sound")
        });
        let place = body.instrs[at].location;
        let place = [place.line, place.end_line, place.column, place.end_column];
        let key = (from.module, scope, place.map(i64::from).to_vec());
        sites
            .entry(key)
            .or_default()
            .push(calls.graph[edge.target()].clone());
    }
    sites
}

#[test]
fn calls_of_real_runs_are_edges() {
    for python in interpreters() {
        let shop = root().join("examples");
        assert_sound(
            python,
            "shop",
            &shop,
            &["shop"],
            "import runpy; runpy.run_module('shop', run_name='__main__')",
        );
        let found = ok(self::python(python, &shop)
            .args(["-c", "import os; print(os.path.dirname(os.__file__))"]));
        let library = Path::new(text(&found.stdout).trim()).to_owned();
        assert_sound(python, "library", &library, LIBRARY, LIBRARY_USE);
    }
}

const LIBRARY: &[&str] = &[
    "argparse",
    "ast",
    "configparser",
    "csv",
    "dataclasses",
    "difflib",
    "email",
    "fractions",
    "html",
    "inspect",
    "json",
    "logging",
    "pprint",
    "shlex",
    "statistics",
    "string",
    "tarfile",
    "textwrap",
    "tokenize",
    "tomllib",
    "unittest",
    "urllib",
    "xml",
    "zipfile",
];

/// Exercises them.
const LIBRARY_USE: &str = r#"
import argparse, ast, configparser, csv, dataclasses, difflib, email, email.policy, fractions, html.parser, inspect
import io, json, json.decoder, json.encoder, logging, pprint, shlex, statistics, string, tarfile, textwrap, tokenize
import tomllib, unittest, urllib.parse, xml.dom.minidom, xml.etree.ElementTree as tree, zipfile
from email.message import EmailMessage
p = argparse.ArgumentParser(description='x ' * 50)
g = p.add_mutually_exclusive_group()
g.add_argument('--a', type=int, default=3); g.add_argument('-b', action='store_true')
s = p.add_subparsers(); s.add_parser('run').add_argument('files', nargs='*')
p.parse_args(['--a', '1', 'run', 'x', 'y']); p.format_help()
source = inspect.getsource(json.decoder)
ast.unparse(ast.parse(source)); ast.dump(ast.parse(source), indent=1)
list(tokenize.generate_tokens(io.StringIO(source).readline))
c = configparser.ConfigParser(); c.read_string('[a]\nx=%(y)s\ny=1\n'); c.get('a', 'x'); c.write(io.StringIO())
csv.DictWriter(io.StringIO(), ['a']).writerow({'a': 1}); list(csv.DictReader(io.StringIO('a,b\n1,2\n')))
@dataclasses.dataclass(order=True)
class D:
    x: int; y: list = dataclasses.field(default_factory=list)
dataclasses.asdict(dataclasses.replace(D(1), x=2))
list(difflib.unified_diff(source.split('\n')[:80], source.split('\n')[5:90])); difflib.get_close_matches('ape', ['apple'])
m = EmailMessage(); m['Subject'] = 'h\u00e9llo'; m['To'] = 'A <a@b.c>'; m.set_content('x'); m.add_attachment(b'1', maintype='a', subtype='b')
email.message_from_bytes(m.as_bytes(), policy=email.policy.default)['to'].addresses
fractions.Fraction(1, 3) + fractions.Fraction('2/7')
class P(html.parser.HTMLParser): pass
P().feed('<a href="x">&amp;<!-- c --></a><!DOCTYPE x>')
inspect.signature(P.feed); inspect.getmembers(P); inspect.signature(lambda a, *b, c=1, **d: 0).bind(1, 2, c=3)
json.loads(json.dumps({'a': [1, 2.5, None, {'b': 'x'}]}, indent=2)); json.JSONEncoder(indent=1).encode([{}])
json.decoder.JSONDecoder().raw_decode('[1]')
log = logging.getLogger('x'); log.addHandler(logging.StreamHandler(io.StringIO())); log.warning('a %s', 1); log.debug('x')
pprint.pformat({'a' * 30: list(range(60)), 'b': [('x' * 40, {1, 2})] * 3})
shlex.split('a "b c" d'); shlex.quote('a b')
statistics.mean([1, 2]); statistics.quantiles([1, 2, 3]); statistics.stdev([1, 2, 4]); statistics.NormalDist(0, 1).cdf(1)
string.Template('$a ${b}').substitute(a=1, b=2); string.Formatter().format('{0!r:>5} {x[0]}', 1, x=[2])
textwrap.fill('word ' * 40, 30); textwrap.dedent('  a\n  b')
tomllib.loads('a = 1\n[t]\nb = ["x", 1.5, {c = 2024-01-01}]\n[[u]]\nv = """m"""\n')
class T(unittest.TestCase):
    def setUp(self): self.addCleanup(len, '')
    def test_a(self): self.assertEqual([1], [1]); self.assertRaises(ValueError, int, 'x')
    def test_b(self):
        with self.subTest(x=1): self.assertEqual({'a': 1}, {'a': 2})
unittest.TextTestRunner(io.StringIO(), verbosity=2).run(unittest.defaultTestLoader.loadTestsFromTestCase(T))
urllib.parse.urlencode({'a': [1, 2]}, doseq=True); urllib.parse.urljoin('http://a/b', '../c?d#e'); urllib.parse.parse_qs('a=1&b=2')
xml.dom.minidom.parseString('<a b="1"><c/>t</a>').toprettyxml(); e = tree.fromstring('<a><b x="1"/></a>'); tree.tostring(e); e.find('.//b[@x]')
b = io.BytesIO()
with zipfile.ZipFile(b, 'w', zipfile.ZIP_DEFLATED) as z: z.writestr('a/b', 'x' * 100)
zipfile.ZipFile(b).read('a/b'); list(zipfile.Path(b).iterdir())
b = io.BytesIO(); t = tarfile.open(fileobj=b, mode='w:gz'); t.addfile(tarfile.TarInfo('x')); t.close(); b.seek(0); tarfile.open(fileobj=b).getnames()
"#;

#[test]
fn standard_libraries_have_graphs() {
    for python in interpreters() {
        let folder = scratch();
        let files = compiled_library(python, folder.path());
        let files: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(number, path)| File {
                name: format!("m{number}"),
                is_package: number % 7 == 0,
                bytes: std::fs::read(path).expect("readable"),
            })
            .collect();
        let start = Instant::now();
        let (nodes, sites) = with_modules(&files, |modules| {
            let calls = call_graph(modules).graph;
            import_graph(modules);
            (calls.node_count(), calls.edge_count())
        });
        println!(
            "CPython {}: {} files, {nodes} nodes, {sites} edges in {:.1?}",
            python.isa.version,
            files.len(),
            start.elapsed()
        );
    }
}

#[test]
fn whole_packages_are_quick() {
    let python = interpreters().last().expect("one");
    let found =
        ok(self::python(python, root())
            .args(["-c", "import os; print(os.path.dirname(os.__file__))"]));
    let library = Path::new(text(&found.stdout).trim()).to_owned();
    for package in ["asyncio", "json", "email", "unittest"] {
        let files: Vec<File> = folder_modules(python, &library, &[package])
            .into_iter()
            .map(|(file, _)| file)
            .collect();
        let start = Instant::now();
        with_modules(&files, |modules| {
            let calls = call_graph(modules).graph;
            let known = calls
                .edge_references()
                .filter(|edge| matches!(calls[edge.target()], Callee::Declared(_)));
            let known = known.count();
            println!(
                "{package}: {} modules, {} nodes, {} edges, {known} of them to declarations, in {:.1?}",
                files.len(),
                calls.node_count(),
                calls.edge_count(),
                start.elapsed()
            );
        });
        assert!(start.elapsed().as_secs() < 60);
    }
}

fn callgraph(python: &Interpreter, folder: &Path, options: &[&str]) -> String {
    let mut command = equip(folder);
    command
        .arg("callgraph")
        .args(options)
        .arg("--python")
        .arg(&python.path);
    text(&ok(&mut command).stdout)
}

/// A folder with the package.
fn written() -> tempfile::TempDir {
    let folder = scratch();
    for (path, source) in PACKAGE {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("writable");
        std::fs::write(path, source).expect("writable");
    }
    folder
}

#[test]
fn the_command_tells_all() {
    for python in interpreters() {
        let folder = written();
        let shown = callgraph(python, folder.path(), &["p"]);
        for wanted in [
            "function helper  line 4\n    calls p.base:helper 8\n    unknown json.dumps 5; os.path.join 6; print 7\n    called by p.base:helper 8; p.sub.deep:agen",
            "class Base  line 10\n    calls p.base:Base.__init__ 10\n",
            "function Other.__new__",
        ] {
            assert!(shown.contains(wanted), "no {wanted} in {shown}");
        }
        let imports = callgraph(python, folder.path(), &["p", "--imports"]);
        assert!(
            imports.contains("    imports p.base 1; p.sub 2, 3\n"),
            "{imports}"
        );
        assert!(
            imports.contains("    from outside json 1; os.path 2\n"),
            "{imports}"
        );
        let dot = callgraph(python, folder.path(), &["p", "--format", "dot"]);
        assert!(
            dot.starts_with("digraph calls {") && dot.contains("label=\"variants\""),
            "{dot}"
        );
        assert!(!dot.contains("print"), "{dot}");
        let dot = callgraph(
            python,
            folder.path(),
            &["p", "--imports", "--format", "dot"],
        );
        assert!(dot.contains("label=\"json\", style=dashed"), "{dot}");
    }
}

#[test]
fn json_is_the_graph() {
    let python = &interpreters()[0];
    let folder = written();
    let said = callgraph(python, folder.path(), &["p", "--format", "json"]);
    assert_eq!(
        said,
        callgraph(python, folder.path(), &["p", "--report", "json"]),
        "the same again"
    );
    let all: serde_json::Value = serde_json::from_str(&said).expect("JSON");
    let list = |key: &str| all[key].as_array().expect("a list").clone();
    let (modules, nodes, calls) = (list("modules"), list("nodes"), list("calls"));
    let number = |value: &serde_json::Value| value.as_u64().expect("a number") as usize;
    for (at, one) in modules.iter().enumerate() {
        assert_eq!(number(&one["index"]), at);
    }
    for (at, one) in nodes.iter().enumerate() {
        assert_eq!(number(&one["index"]), at);
        assert_eq!(one["module"].is_null(), one["kind"] == "unknown", "{one}");
    }
    let title = |node: usize| {
        let node = &nodes[node];
        let name = node["name"].as_str().expect("text").to_owned();
        match node["module"].as_u64() {
            Some(module) => {
                format!(
                    "{}:{name}",
                    modules[module as usize]["name"].as_str().expect("text")
                )
            }
            None => name,
        }
    };
    let got: BTreeSet<String> = calls
        .iter()
        .map(|call| {
            let (from, to) = (title(number(&call["from"])), title(number(&call["to"])));
            format!("{from} > {to} @{}", number(&call["line"]))
        })
        .collect();
    // Keys tell definitions of one name apart, which qualnames do not.
    let first = source_line("def twice");
    let (one, other) = (format!("twice:{first}"), format!("twice:{}", first + 2));
    let plain = |edge: &String| edge.replace(&one, "twice").replace(&other, "twice");
    let plain: BTreeSet<String> = got.iter().map(plain).collect();
    let wanted = with_modules(&package(python), |modules| {
        edges(modules, &call_graph(modules))
    });
    assert_eq!(plain, wanted);
    assert!(!list("imports").is_empty());
    let out = folder.path().join("calls.json");
    callgraph(
        python,
        folder.path(),
        &["p", "--format", "json", "-o", "calls.json"],
    );
    assert_eq!(
        std::fs::read_to_string(out).expect("written").trim(),
        said.trim()
    );
}

#[test]
fn broken_files_are_said_and_the_others_shown() {
    let python = &interpreters()[0];
    let folder = written();
    std::fs::write(folder.path().join("p/bad.py"), "def f(:").expect("writable");
    let mut command = equip(folder.path());
    command
        .args(["callgraph", "p", "--python"])
        .arg(&python.path);
    let output = command.output().expect("it starts");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("bad.py: line 1:"));
    assert!(text(&output.stdout).contains("function helper"));
}
