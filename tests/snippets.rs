//! What snippets can say, and what they see, at the sites of every supported version.

use crate::harness::{equip, interpreters, name_of, python, same_behaviour, scratch, text};

/// A program, a snippet and where it goes, and what the program then prints.
struct Case {
    what: &'static str,
    program: &'static str,
    options: &'static [&'static str],
    code: &'static str,
    prints: &'static str,
}

const F: &str = "def f(a, b=2, *c, d=4, **e):\n    return a\nprint(f(1))\n";

const CASES: &[Case] = &[
    Case {
        what: "all arguments, in signature order",
        program: F,
        options: &[],
        code: "print({arguments})",
        prints: "1 2 () 4 {}\n1\n",
    },
    Case {
        what: "one argument, read and assigned",
        program: F,
        options: &[],
        code: "{arg0} += 10",
        prints: "11\n",
    },
    Case {
        what: "parameters that may be unbound are shown as ...",
        program: "def f(a, b):\n    del a\n    x = b\n    return x\nprint(f(1, 2))\n",
        options: &["site='after'"],
        code: "print({arguments})",
        prints: "Ellipsis 2\n2\n",
    },
    Case {
        what: "arguments in cells",
        program: "def f(a):\n    def g():\n        nonlocal a\n        a += 1\n        return a\n    return g()\nprint(f(1))\n",
        options: &["site='after'", "function='f'"],
        code: "print({arg0}, {return_value})",
        prints: "2 2\n2\n",
    },
    Case {
        what: "what a snippet assigns is private",
        program: "def f():\n    x = 1\n    return x, sorted(locals())\nprint(f())\n",
        options: &["site='each_line'"],
        code: "x = 'other'\ny = x",
        prints: "(1, ['x'])\n",
    },
    Case {
        what: "nonlocal writes the function's own",
        program: "def f():\n    x = 1\n    y = 2\n    return x\nprint(f())\n",
        options: &["site='line'", "line=4"],
        code: "nonlocal x\nx = x + 41",
        prints: "42\n",
    },
    Case {
        what: "nonlocal reaches a closure's variable",
        program: "def f():\n    x = 1\n    def g():\n        return x\n    r = g()\n    return r, x\nprint(f())\n",
        options: &["function='f.<locals>.g'"],
        code: "nonlocal x\nx = x + 1",
        prints: "(2, 2)\n",
    },
    Case {
        what: "global writes the module's",
        program: "count = 0\ndef f():\n    return count\nprint(f(), f())\n",
        options: &[],
        code: "global count\ncount += 1",
        prints: "1 2\n",
    },
    Case {
        what: "names that it only reads are the function's, then global, then builtin",
        program: "g = 'global'\ndef f(l):\n    return l\nf('local')\n",
        options: &[],
        code: "print(l, g, len('abc'))",
        prints: "local global 3\n",
    },
    Case {
        what: "nested scopes capture by value",
        program: "def f(a):\n    b = a + 1\n    return b\nprint(f(1))\n",
        options: &["site='line'", "line=3"],
        code: "print([a + i for i in range(2)], sum(b * i for i in (1, 2)), (lambda: a + b)())\ndef inner(n):\n    return n + a\nprint(inner(5))",
        prints: "[1, 2] 6 3\n6\n2\n",
    },
    Case {
        what: "nested scopes capture what the snippet assigns, and what placeholders say",
        program: "def f(a):\n    return a\nprint(f(1))\n",
        options: &["site='after'"],
        code: "k = 5\nprint([k + i for i in (1,)], (lambda: ({return_value}, {arg0}, '{qualname}', k))())",
        prints: "[6] (1, 1, 'f', 5)\n1\n",
    },
    Case {
        what: "return_value, read and rebound",
        program: "def f():\n    return 20\nprint(f())\n",
        options: &["site='after'"],
        code: "{return_value} = {return_value} * 2 + 2",
        prints: "42\n",
    },
    Case {
        what: "every return, also an implicit one and one from within a try",
        program: "def f(n):\n    for i in range(3):\n        try:\n            if n == i:\n                return i\n        finally:\n            pass\n    with open(__file__):\n        if n == 5:\n            return 'five'\nprint(f(0), f(5), f(9))\n",
        options: &["site='after'"],
        code: "{return_value} = [{return_value}]",
        prints: "[0] ['five'] [None]\n",
    },
    Case {
        what: "control flow of its own",
        program: "def f(n):\n    return n\nprint(f(4))\n",
        options: &[],
        code: "total = 0\nfor i in range({arg0}):\n    if i == 1:\n        continue\n    total += i\nelse:\n    total += 100\ntry:\n    1 / 0\nexcept ZeroDivisionError as error:\n    print(total, error)\nwhile True:\n    break\nwith open(__file__) as file:\n    assert file",
        prints: "105 division by zero\n4\n",
    },
    Case {
        what: "f-strings, format specs and quotes of every sort",
        program: "def f(n):\n    return n\nf(7)\n",
        options: &[],
        code: "print(f'{{n:03d}} {{n!r:>3}}', \"{qualname}'s\", '{lineno}', {lineno} + 1, '''{file_name}''')",
        prints: "007   7 f's 1 2 p.py\n",
    },
    Case {
        what: "placeholders that are constants",
        program: "class C:\n    def m(self):\n        return 1\nC().m()\n",
        options: &[],
        code: "print('{method_name}', '{class_name}', '{qualname}', '{module_name}', {lineno})",
        prints: "m C C.m p 2\n",
    },
    Case {
        what: "private names of a class are mangled as its own",
        program: "class C:\n    def __init__(self):\n        self.__x = 5\n    def m(self):\n        return self.__x\nprint(C().m())\n",
        options: &["function='C.m'"],
        code: "print(self.__x)\nself.__x += 1",
        prints: "5\n6\n",
    },
    Case {
        what: "generators: at the first step, and where they return",
        program: "def g(n):\n    for i in range(n):\n        yield i\n    return 'end'\nit = g(2)\nprint('made')\nprint(list(it))\n",
        options: &[],
        code: "print('starts', {arg0})",
        prints: "made\nstarts 2\n[0, 1]\n",
    },
    Case {
        what: "coroutines and lambdas",
        program: "import asyncio\nasync def co(a):\n    await asyncio.sleep(0)\n    return a\nprint(asyncio.run(co(1)), (lambda x: x)(2))\n",
        options: &["site='after'"],
        code: "{return_value} = '{method_name}', {return_value}",
        prints: "('co', 1) ('<lambda>', 2)\n",
    },
    Case {
        what: "each line, as often as it is reached",
        program: "def f():\n    n = 0\n    for i in range(2):\n        n += i\n    return n\nf()\n",
        options: &["site='each_line'"],
        code: "print({site_lineno}, end=' ')",
        prints: "2 3 4 3 4 3 5 ",
    },
    Case {
        what: "a docstring stays where it is",
        program: "def f():\n    'doc'\n    return 1\ndef g():\n    return 'no doc'\nprint(f.__doc__, g.__doc__, f())\n",
        options: &["site='after'"],
        code: "'a string of the snippet'\n{return_value} = {return_value}",
        prints: "doc None 1\n",
    },
    Case {
        what: "a hidden import",
        program: "def f():\n    return 1\nf()\nprint([name for name in dir() if 'time' in name and not name.startswith('__equip.')])\n",
        options: &["import='from time import monotonic as clock'"],
        code: "print(clock() > 0)",
        prints: "True\n[]\n",
    },
    Case {
        what: "a name that is bound twice and never read",
        program: "def f():\n    return 1\nprint(f())\n",
        options: &["import='from time import time, monotonic as time'"],
        code: "pass",
        prints: "1\n",
    },
    Case {
        what: "a public import",
        program: "'doc'\nfrom __future__ import annotations\ndef f():\n    return math.pi > 3\nprint(f(), __doc__)\n",
        options: &["import='import math'", "public=true"],
        code: "assert math",
        prints: "True doc\n",
    },
    Case {
        what: "an import inside the snippet",
        program: "def f():\n    return 1\nf()\n",
        options: &[],
        code: "import os.path as p\nfrom collections import OrderedDict as O\nprint(p.basename('a/b'), O().__class__.__name__)",
        prints: "b OrderedDict\n",
    },
    Case {
        what: "class bodies: the class's own names",
        program: "class C:\n    a = 1\n    b = 2\nprint(sorted(k for k in vars(C) if not k.startswith('__')))\n",
        options: &["site='class'"],
        code: "t = '{qualname}'\nprint(t, __qualname__)",
        prints: "C C\n['a', 'b']\n",
    },
    Case {
        what: "module_enter is for `__main__` only",
        program: "print(__name__)\n",
        options: &["site='module_enter'"],
        code: "print('enter', '{module_name}')",
        prints: "p\n",
    },
    Case {
        what: "module_exit on import too",
        program: "x = 1\nprint(x)\n",
        options: &["site='always'"],
        code: "print('exit', x, '{module_name}')",
        prints: "1\nexit 1 p\n",
    },
    Case {
        what: "walrus, star-expressions, chained comparisons, slices, del of its own names",
        program: "def f(a):\n    return a\nf([1, 2, 3])\n",
        options: &[],
        code: "if (n := len(a)) > 2 and 1 < n < 9:\n    first, *rest = a\n    print(first, rest, a[1:], [*a, n], {{**{{'k': n}}}})\n    del rest",
        prints: "1 [2, 3] [2, 3] [1, 2, 3, 3] {'k': 3}\n",
    },
    Case {
        what: "state goes from site to site, each call its own, and is no local",
        program: "def f(n):\n    x = f(n - 1) if n else 0\n    return x, sorted(locals())\nprint(f(2)[1], f.__code__.co_varnames)\n",
        options: &[
            "site='none'",
            "sites={before='t = [n]', on_exit='print(t)'}",
        ],
        code: "",
        prints: "[0]\n[1]\n[2]\n['n', 'x'] ('n', 'x')\n",
    },
    Case {
        what: "state that `before` may leave unbound is checked",
        program: "def f(n):\n    return n\nprint(f(1), f(2))\n",
        options: &[
            "site='none'",
            "sites={before=\"if n == 2: t = 'two'\", on_exit=\"try: print(t)\\nexcept UnboundLocalError: print('unbound')\"}",
        ],
        code: "",
        prints: "unbound\ntwo\n1 2\n",
    },
    Case {
        what: "a snippet counts for itself",
        program: "def f(n):\n    for i in range(n):\n        pass\n    return n\nf(3)\nf(1)\n",
        options: &[
            "site='none'",
            "sites={before='seen = 0', each_line='seen += 1', on_exit='print(seen)'}",
        ],
        code: "",
        prints: "8\n4\n",
    },
    Case {
        what: "a nested scope reads state by value",
        program: "def f(n):\n    return n\nf(1)\n",
        options: &[
            "site='none'",
            "sites={before='t = 5', on_exit='print([t + i for i in (1, 2)], (lambda: t)())'}",
        ],
        code: "",
        prints: "[6, 7] 5\n",
    },
    Case {
        what: "state in class and module bodies is in no namespace",
        program: "class C:\n    a = 1\n    exec('b = 2')\n    print(sorted(k for k in locals() if k[:2] != '__'))\nprint(locals() is globals())\n",
        options: &[
            "site='none'",
            "everywhere=true",
            "sites={before=\"t = '{qualname}'\", on_exit='print(t)'}",
        ],
        code: "",
        prints: "['a', 'b']\nC\nTrue\n<module>\n",
    },
    Case {
        what: "state in generators, what is yielded and sent, rebound",
        program: "def g():\n    got = yield 1\n    yield got\nx, y = g(), g()\nprint(next(x), next(y), x.send('a'), y.send('b'))\n",
        options: &[
            "site='none'",
            "sites={before='n = 0', on_yield=\"n += 1\\n{yield_value} = ({yield_value}, n)\", on_resume='{yield_value} = ({yield_value}, {exception})'}",
        ],
        code: "",
        prints: "(1, 1) (1, 1) (('a', None), 2) (('b', None), 2)\n",
    },
    Case {
        what: "an exception is read, not rebound",
        program: "def f(n):\n    return 1 / n\ntry: f(0)\nexcept ZeroDivisionError as e: print(e)\n",
        options: &[
            "site='none'",
            "sites={on_raise='print(type({exception}).__name__, {site_lineno})'}",
        ],
        code: "",
        prints: "ZeroDivisionError 2\ndivision by zero\n",
    },
    Case {
        what: "a name that a class within the snippet assigns is the class's, or global",
        program: "def f(a):\n    if a: z = 1\n    return 5\nz = 'global'\nprint(f(0))\n",
        options: &[],
        code: "class K:\n    z = z\nprint(K.z)",
        prints: "global\n5\n",
    },
    Case {
        what: "what nested scopes capture may be unbound until they read it: of a class body's function",
        program: "def o(a):\n    if a: y = 1\n    class K:\n        n = 1\n        def m(self): return y\n    return K.n\nprint(o(0))\n",
        options: &["site='class'"],
        code: "h = lambda: y\ntry: h()\nexcept NameError: print('unbound')",
        prints: "unbound\n1\n",
    },
    Case {
        what: "what nested scopes capture may be unbound until they read it: state",
        program: "def f(a):\n    return a\nprint(f(5))\n",
        options: &[
            "site='none'",
            "sites={before=\"h = lambda: e\\ntry: h()\\nexcept NameError: print('unbound')\", after='e = 1'}",
        ],
        code: "",
        prints: "unbound\n5\n",
    },
    Case {
        what: "an unbound local whose name a comprehension within a nested function has, too",
        program: "def f(a):\n    if a: z = 1\n    return 5\nprint(f(0))\n",
        options: &[],
        code: "def fn():\n    q = [1 for z in range(3)]\n    return lambda: z\nfn()",
        prints: "5\n",
    },
    Case {
        what: "a name that a comprehension captures, within a try, and that is assigned behind it",
        program: F,
        options: &[],
        code: "try: c = [(lambda: y)() for y in (1, 2)]\nexcept KeyError: pass\ny = 1\nprint(c, y)",
        prints: "[1, 2] 1\n1\n",
    },
    Case {
        what: "an exception that nested scopes capture, and a deep stack",
        program: "def f():\n    raise ValueError(1)\ntry: f()\nexcept ValueError as e: print(repr(e))\n",
        options: &[
            "site='none'",
            "sites={on_raise=\"h = lambda: {exception}\\nprint('S', repr(h()), *[(lambda: {exception})() for _ in 'a'])\"}",
        ],
        code: "",
        prints: "S ValueError(1) 1\nValueError(1)\n",
    },
    Case {
        what: "f-strings within f-strings, other literals in them, colons that begin no format",
        program: F,
        options: &[],
        code: "print(f'{{ f\"{qualname}\" }} {{ rf\"{qualname}.\" + \"{{x}}\" }} {{ (lambda: \"{lineno}\")() }} {{ {{\"k\": {arg0}}}[\"k\"]:\"^5}} {{a!r:>{{b + 1}}}} {{a = }}')",
        prints: "f f.{x} 1 \"\"1\"\"   1 a = 1\n1\n",
    },
    Case {
        what: "lone surrogates",
        program: F,
        options: &[],
        code: "print(ascii('\\ud800'), (lambda: ascii('\\udfff'))())",
        prints: "'\\ud800' '\\udfff'\n1\n",
    },
    Case {
        what: "names that no other site reads are gone behind the snippet, bound or not",
        program: "def f(a):\n    x = 1\n    return sorted(locals())\nprint(f(1))\n",
        options: &[],
        code: "for v in range(a): pass\nprint(v)\nif not a: w = 1\ntry: w\nexcept UnboundLocalError: print('unbound')",
        prints: "0\nunbound\n['a', 'x']\n",
    },
    Case {
        what: "the same in a class body",
        program: "class C:\n    x = 1\n    print(sorted(k for k in locals() if k[:2] != '__'))\nprint(sorted(k for k in vars(C) if k[:2] != '__'))\n",
        options: &["site='class'"],
        code: "for v in range(1): pass\nprint(v)",
        prints: "0\n['x']\n['x']\n",
    },
    Case {
        what: "ways out of a `with` within a `try`",
        program: F,
        options: &[],
        code: "import contextlib\ntry:\n    with contextlib.suppress(KeyError) as z:\n        match [d for d in range(3)]:\n            case int(q):\n                d = 1\n        with contextlib.suppress(ValueError) as q:\n            x = type(f'{{a}}')\n            print('within')\n            raise ValueError\n    pass\nexcept Exception as e:\n    c += 1",
        prints: "within\n1\n",
    },
    Case {
        what: "errors that are ignored end the snippet and nothing else",
        program: "def f(n):\n    try:\n        return n\n    except ValueError:\n        return 'caught'\nprint(f(1))\n",
        options: &["on_error='ignore'", "site='each_line'"],
        code: "raise ValueError",
        prints: "1\n",
    },
];

/// Snippets that are refused, and what the user is told.
const REFUSED: &[(&str, &str, &str)] = &[
    (
        "before",
        "print({exception})",
        "{exception} is known at the sites `on_raise`, `on_resume` and `handler` only",
    ),
    (
        "on_exit",
        "print({return_value})",
        "{return_value} is known at the site `after` only",
    ),
    (
        "after",
        "print({yield_value})",
        "{yield_value} is known at the sites `on_yield` and `on_resume` only",
    ),
    (
        "on_raise",
        "{exception} = None",
        "{exception} can only be read",
    ),
    (
        "on_raise",
        "print({exceptoin})",
        "did you mean {exception}?",
    ),
    (
        "before",
        "print(f'{{ {arg0} = }}')",
        "a placeholder cannot stand in a replacement field with `=`",
    ),
    (
        "before",
        "print({arg0}=1)",
        "a placeholder is no name of an argument",
    ),
    (
        "on_exit",
        "t = 1\nf = lambda: t",
        "a nested scope cannot capture t in a snippet that assigns it",
    ),
];

#[test]
fn snippets_that_cannot_be_are_refused_with_their_place() {
    let one = &interpreters()[0];
    for (site, code, message) in REFUSED {
        let folder = scratch();
        std::fs::write(folder.path().join("p.py"), "def f(n):\n    return n\n").unwrap();
        let sites = format!(
            "snippets.sites={{{site}={}, before2='print(t)'}}",
            toml::Value::String((*code).to_owned())
        );
        let output = equip(folder.path())
            .args([
                "--plugin",
                "snippets",
                "--set",
                "snippets.site=none",
                "--set",
                &sites,
            ])
            .arg("--python")
            .arg(&one.path)
            .arg("p.py")
            .output()
            .unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(3), "{site}: {code}: {said}");
        assert!(said.contains(message), "{site}: {code}: {said}");
        assert!(
            said.contains('^') && said.contains("plugin snippets"),
            "{said}"
        );
    }
}

#[test]
fn snippets_do_what_they_say() {
    let mut wrong = Vec::new();
    for one in interpreters() {
        for case in CASES {
            let folder = scratch();
            std::fs::write(folder.path().join("p.py"), case.program).unwrap();
            let mut command = equip(folder.path());
            command
                .args(["-q", "--plugin", "snippets", "--python"])
                .arg(&one.path);
            let code = format!("code={}", toml::Value::String(case.code.to_owned()));
            for option in case.options.iter().copied().chain([code.as_str()]) {
                command.arg("--set").arg(format!("snippets.{option}"));
            }
            let said = command.arg("p.py").output().unwrap();
            let mut program = python(one, folder.path());
            let output = program.args(["-c", "import p"]).output().unwrap();
            let printed = text(&said.stderr) + &text(&output.stdout) + &text(&output.stderr);
            if printed != case.prints {
                let (version, what, wanted) = (one.isa.version, case.what, case.prints);
                wrong.push(format!(
                    "CPython {version}: {what}: {printed:?}, not {wanted:?}"
                ));
            }
        }
        println!("CPython {}: {} snippets", one.isa.version, CASES.len());
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Handlers of snippets stand between the program's instructions; what they may catch is their own.
#[test]
fn nothing_is_noticed_of_snippets_that_fail_or_have_handlers() {
    let chosen = [
        "arguments",
        "comprehension_cells",
        "comprehensions",
        "control",
        "coroutines",
        "exits_async_generators",
        "exits_callers",
        "exits_thrown",
        "generators",
        "namespaces",
        "tracebacks",
    ];
    let sites = [
        r#"sites={each_line="len([])", on_resume="len([])"}"#,
        r#"sites={on_yield="x = {yield_value}"}"#,
        r#"sites={each_line="try:\n    undefined_name\nexcept Exception:\n    pass"}"#,
        r#"sites={before_call="(undefined_name, {callee})", after_call="[{result} for _ in undefined_name]", handler="h = lambda: {exception}\nh.missing"}"#,
        r#"sites={before_call="try:\n    undefined_name\nexcept Exception:\n    pass", after_call="kept = {result}\n{result} = None\ntry:\n    undefined_name\nfinally:\n    {result} = kept", handler="try:\n    raise KeyError\nexcept KeyError:\n    pass"}"#,
        r#"sites={before="h = lambda: x", each_line="({arguments}, x)", after="x", on_raise="lambda: x", on_exit="h = lambda: {arg0}\nh()", on_resume="{arg0}"}"#,
    ];
    let fixed = [
        "--plugin",
        "snippets",
        "--set",
        "snippets.site=none",
        "--set",
        "snippets.on_error=ignore",
        "--set",
    ];
    let sites = sites.map(|sites| format!("snippets.{sites}"));
    let state = r#"snippets.sites={before="t = 1", each_line="t = 2", on_exit="t"}"#;
    let timed =
        r#"snippets.sites={before="t = 0", before_call="t = 1", after_call="t", handler="t = 2"}"#;
    let mut pipelines: Vec<Vec<&str>> = sites
        .iter()
        .map(|sites| [&fixed[..], &[sites]].concat())
        .collect();
    for kept in [state, timed] {
        pipelines.push([&fixed[..], &[kept, "--set", "snippets.everywhere=true"]].concat());
    }
    let pipelines: Vec<&[&str]> = pipelines.iter().map(|pipeline| &pipeline[..]).collect();
    same_behaviour(&pipelines, |program| chosen.contains(&name_of(program)));
}
