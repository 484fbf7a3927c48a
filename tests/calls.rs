//! Calls and `except` clauses: probes see what the source tells when it counts itself.

use crate::harness::{
    Programs, compiled_library, debug_interpreters, difference, equip, instrument, interpreters,
    ok, python, root, scratch, text, told,
};
use equip_core::analysis::{Beside, call_sites};
use equip_core::body;
use equip_core::declaration::{Kind, declarations};
use equip_core::pyc::PycFile;
use equip_core::rewrite;

#[test]
fn calls_and_handlers_are_what_the_source_tells() {
    for one in interpreters().iter().chain(debug_interpreters()) {
        let programs = Programs::of_folders(one, &["tests/calls"], |_| true);
        let (folder, names) = (programs.folder.path(), &programs.names);
        let plain = told(one, folder, "call_sites.py", "plain", names);
        let options = ["--plugin", "events", "--set", "events.what='calls'"];
        instrument(one, folder, &options);
        let probed = told(one, folder, "call_sites.py", "probed", names);
        let path = one.path.display();
        assert!(plain == probed, "{path}: {}", difference(&plain, &probed));
        let count = |event: &str| plain.matches(event).count();
        assert!(
            count(" ended SystemError('at the end')") == names.len(),
            "{plain}"
        );
        println!(
            "{path}: {} calls, {} returned, {} handlers",
            count(" before "),
            count(" after "),
            count(" handler ")
        );
    }
}

/// The sites of a compiled file, as the oracle reads them.
fn listed(bytes: &[u8], out: &mut String) {
    let pyc = PycFile::parse(bytes).expect("a pyc");
    let declarations = declarations(&pyc);
    let file = pyc.objects.str(pyc.module().filename).expect("a name");
    out.push_str(&format!("{file}\tfile\t\t0\t0\n"));
    for one in &declarations.list {
        if one.kind == Kind::Annotation {
            continue;
        }
        let code = pyc.objects.code(one.code).expect("code");
        let body = body::decode(pyc.isa, &pyc.objects, code).expect("decodes");
        for call in call_sites(&body, &pyc.objects) {
            let at = body.instrs[call.at].location;
            let kind = match call.beside {
                Beside::Argument => "decorator",
                _ => "call",
            };
            let (line, column) = (at.end_line, at.end_column);
            out.push_str(&format!(
                "{file}\t{kind}\t{}\t{line}\t{column}\n",
                call.name
            ));
        }
        for (_, line) in rewrite::handlers(&body) {
            out.push_str(&format!("{file}\texcept\t\t{line}\t0\n"));
        }
    }
}

#[test]
fn sites_are_those_of_the_syntax_tree() {
    for one in interpreters() {
        let folder = scratch();
        let mut sites = String::new();
        for file in compiled_library(one, folder.path()) {
            if file.to_string_lossy().ends_with(".0.pyc") {
                listed(&std::fs::read(file).unwrap(), &mut sites);
            }
        }
        let list = folder.path().join("sites.txt");
        std::fs::write(&list, sites).unwrap();
        let mut command = python(one, folder.path());
        command.arg(root().join("tests/oracle/call_sites.py"));
        let told = text(&ok(command.arg("compare").arg(&list)).stdout);
        println!("{}: {told}", one.path.display());
        assert_eq!(told.lines().count(), 1, "{told}");
    }
}

/// A program, what is injected into it, and what it then prints.
struct Case {
    what: &'static str,
    program: &'static str,
    pipeline: &'static str,
    prints: &'static str,
}

const CASES: &[Case] = &[
    Case {
        what: "calls by name, nested like decorators",
        program: "\
class Cursor:
    def execute(self, text):
        return text.upper()
def run(cursor):
    return [len('abc'), cursor.execute('a'), len('a')]
print(run(Cursor()))
",
        pipeline: r#"
[[inject]]
at = "before_call"
calls = "*.execute"
match = "functions"
code = "print('one', {callee}.__self__.__class__.__name__, {callee}.__name__, {site_lineno})"
[[inject]]
at = "before_call"
calls = "*.execute"
match = "functions"
code = "print('two', '{qualname}')"
[[inject]]
at = "after_call"
calls = "*.execute"
match = "functions"
code = "print('one has', {result})"
[[inject]]
at = "after_call"
calls = "*.execute"
match = "functions"
code = "{result} += '2'"
"#,
        prints: "one Cursor execute 5\ntwo run\none has A2\n[3, 'A2', 1]\n",
    },
    Case {
        what: "every call, arguments first, in module and class bodies",
        program: "\
def f(*a):
    return a
class C:
    x = f(f(1), 2, k := f())
print(C.x)
",
        pipeline: r#"
[[inject]]
at = "before_call"
match = "modules or classes"
code = "log(getattr({callee}, '__name__', 0), {site_lineno})"
imports = ["from builtins import print as log"]
"#,
        prints: "f 4\nf 4\nf 4\nprint 5\n((1,), 2, ())\n",
    },
    Case {
        what: "a result that is rebound where the stack is deep",
        program: "\
def g(n):
    return n
def f():
    return (1, 2, 3, 4, 5, 6, 7, 8, [9, 10, 11, {12: g(13), 14: [g(k) for k in (15, 16)]}], g(17))
print(f(), sorted(locals())[-1])
print((1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, [12, 13, g(14)]))
",
        pipeline: r#"
[[inject]]
at = "after_call"
calls = "g"
match = "functions or comprehensions or modules"
code = """
a, b = {result}, {result} * 2
{result} = [b, a][0]
shown = [lambda: a for _ in (b,)]
"""
"#,
        prints: "(1, 2, 3, 4, 5, 6, 7, 8, [9, 10, 11, {12: 26, 14: [30, 32]}], 34) g\n(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, [12, 13, 28])\n",
    },
    Case {
        what: "names live from before a call to behind it, whatever is called between",
        program: "\
def f(n):
    return f(f(n - 1)) if n > 0 else 0
f(2)
",
        pipeline: r#"
[[inject]]
at = "before_call"
match = "p:f"
plugin = "timer"
code = "began = len(__import__('sys')._getframe().f_code.co_name)"
[[inject]]
at = "after_call"
match = "p:f"
plugin = "timer"
code = "print('{site_lineno}', began, {result})"
"#,
        prints: "2 1 0\n2 1 0\n2 1 0\n2 1 0\n",
    },
    Case {
        what: "handlers see what they handle; what they raise leaves them as the program's errors do",
        program: "\
def f(n):
    try:
        try:
            return 1 // n
        except ValueError:
            return 'no'
        except (TypeError, ZeroDivisionError) as error:
            return 'handled'
        finally:
            print('finally')
    except:
        return 'bare'
print(f(0), f('a'), f(1))
",
        pipeline: r#"
[[inject]]
at = "handler"
match = "functions"
code = """
print({site_lineno}, type({exception}).__name__)
if isinstance({exception}, TypeError):
    raise KeyError
"""
"#,
        prints: "7 ZeroDivisionError\nfinally\n7 TypeError\nfinally\n11 KeyError\nfinally\nhandled bare 1\n",
    },
    Case {
        what: "errors of snippets at calls are the program's, or nobody's",
        program: "\
def f():
    try:
        return int('3')
    except ZeroDivisionError:
        return abs(-4)
print(f())
",
        pipeline: r#"
[[inject]]
at = "before_call"
calls = "int"
match = "functions"
code = "1 / 0"
[[inject]]
at = "after_call"
match = "functions"
on_error = "ignore"
code = """
{result} = 5
1 / 0
"""
"#,
        prints: "5\n",
    },
    Case {
        what: "the wish of a name that only some of the versions load without binding",
        program: "\
class A:
    def m(self, *a, **k):
        return a, k
class B(A):
    def m(self, *a, **k):
        return super().m(*a, **k), super().m(1), A.m(self, k=2)
print(B().m(3))
",
        pipeline: r#"
[[inject]]
at = "before_call"
calls = "{super().m,A.m,?.m}"
match = "methods"
code = "print(type({callee}).__name__, [{callee}.__qualname__ for _ in (1,)])"
"#,
        prints: "method ['A.m']\nmethod ['A.m']\nfunction ['A.m']\n(((3,), {}), ((1,), {}), ((), {'k': 2}))\n",
    },
];

#[test]
fn injections_at_calls_and_handlers_do_what_they_say() {
    let mut wrong = Vec::new();
    for one in interpreters().iter().chain(debug_interpreters()) {
        for case in CASES {
            let folder = scratch();
            std::fs::write(folder.path().join("p.py"), case.program).unwrap();
            std::fs::write(folder.path().join("equip.toml"), case.pipeline).unwrap();
            let mut command = equip(folder.path());
            command.args(["-q", "--python"]).arg(&one.path).arg("p.py");
            let said = text(&command.output().unwrap().stderr);
            let mut program = python(one, folder.path());
            let output = program.args(["-c", "import p"]).output().unwrap();
            let printed = said + &text(&output.stdout) + &text(&output.stderr);
            if printed != case.prints {
                let (path, what, wanted) = (one.path.display(), case.what, case.prints);
                wrong.push(format!("{path}: {what}: {printed:?}, not {wanted:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_cannot_be_at_a_call_is_said() {
    let one = interpreters().last().expect("one at least");
    for (inject, status, message) in [
        (
            "at = 'after_call'\ncode = 'print({callee})'",
            3,
            "{callee} is known at the site `before_call` only: `after_call` has {result}",
        ),
        (
            "at = 'before_call'\ncode = 'print({result})'",
            3,
            "{result} is known at the site `after_call` only: `before_call` has {callee}",
        ),
        (
            "at = 'before'\ncode = 'print({callee})'",
            3,
            "{callee} is known at the site `before_call` only",
        ),
        (
            "at = 'before_call'\ncode = '{callee} = 1'",
            3,
            "{callee} can only be read",
        ),
        (
            "at = 'handler'\ncode = '{exception} = 1'",
            3,
            "{exception} can only be read",
        ),
        (
            "at = 'before_call'\ncode = 'print({exception})'",
            3,
            "`on_raise`, `on_resume` and `handler` only",
        ),
        (
            "at = 'handler'\ncalls = 'g'\ncode = 'x = 1'",
            3,
            "`calls` means nothing at handler",
        ),
        (
            "at = 'before_call'\ncalls = ''\ncode = 'x = 1'",
            3,
            "an empty pattern matches nothing",
        ),
        (
            "at = 'before_call'\ncalls = '*.exceute'\ncode = 'x = 1'",
            0,
            "near misses: cursor.execute",
        ),
    ] {
        let folder = scratch();
        let program = "\
def f(cursor):
    try:
        return cursor.execute(len('a'))
    except KeyError:
        return None
";
        std::fs::write(folder.path().join("p.py"), program).unwrap();
        let pipeline = format!("[[inject]]\nmatch = 'functions'\n{inject}\n");
        std::fs::write(folder.path().join("equip.toml"), pipeline).unwrap();
        let mut command = equip(folder.path());
        let command = command.arg("--python").arg(&one.path).arg("p.py");
        let output = command.output().unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(status), "{inject}: {said}");
        assert!(said.contains(message), "{inject}: {said}");
        assert!(said.contains("--> equip.toml:"), "{inject}: {said}");
    }
}
