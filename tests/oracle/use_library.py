"""Makes modules of the standard library do something, on the usual ways and on some where they raise."""

import argparse, ast, base64, calendar, configparser, contextlib, copy, csv, dataclasses, difflib, dis, email
import email.policy, enum, fnmatch, fractions, heapq, html.parser, inspect, io, ipaddress, json, pprint, quopri, random
import re, shlex, statistics, string, textwrap, tokenize, traceback, typing, urllib.parse
import _pydecimal

source = inspect.getsource(textwrap)

json.loads(json.dumps({"a": [1, 2.5, None, True, "x\u1234"], "b": {}}, indent=2))
for text in ("[1,", "nope", '{"a" 1}', '"\\ud834\\udd20\\q"'):
    with contextlib.suppress(ValueError):
        json.decoder.py_scanstring(text, 1)
    with contextlib.suppress(ValueError):
        json.JSONDecoder().decode(text)

textwrap.fill(source[:400], 30)
textwrap.dedent("  a\n  b")
textwrap.shorten("a b c d", 5)
list(difflib.unified_diff(list("abcd"), list("abxd")))
list(difflib.ndiff(["one\n", "two\n"], ["ome\n", "two\n"]))

parser = configparser.ConfigParser()
parser.read_string("[a]\nb=1\nc=%(b)s\n[d]\ne: 2\n")
parser["a"]["c"]
options = argparse.ArgumentParser(prog="p")
options.add_argument("-x", type=int, default=1)
options.add_argument("y", nargs="*")
options.parse_args(["-x", "3", "a", "b"])
options.format_help()
with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
    options.parse_args(["-x", "n"])
list(csv.DictReader(io.StringIO("a,b\n1,2\n")))
csv.Sniffer().sniff("a;b\n1;2\n")
html.parser.HTMLParser().feed("<p class='x'>a&amp;<br/><!-- c --></p>")
with contextlib.suppress(tokenize.TokenError):
    list(tokenize.generate_tokens(io.StringIO(source[:1500]).readline))
shlex.split("a 'b c' \"d\\\"e\" # f", comments=True)
string.Template("$a ${b}").safe_substitute(a=1)

statistics.stdev([1, 2, 3.5])
statistics.quantiles([1, 2, 3, 4])
statistics.linear_regression([1, 2, 3], [2, 4, 7])
fractions.Fraction("3/7") * fractions.Fraction(1.5) ** 2
fractions.Fraction(1, 3).limit_denominator(10)
(_pydecimal.Decimal("1.23") / 7).sqrt().quantize(_pydecimal.Decimal("0.01"))
str(_pydecimal.Decimal("1E+5"))
_pydecimal.Decimal(2).exp()
random.Random(1).shuffle(list("abc"))
random.Random(1).sample(range(100), 5)
random.Random(1).gauss(0, 1)


@dataclasses.dataclass(order=True, frozen=True)
class Point:
    x: int = 1
    y: list = dataclasses.field(default_factory=list)


class Colour(enum.Flag):
    RED = enum.auto()
    BLUE = enum.auto()
    BOTH = RED | BLUE


dataclasses.replace(Point(2), x=3)
dataclasses.asdict(Point())
inspect.signature(argparse.ArgumentParser).bind()
repr(Colour.RED | Colour.BLUE)
typing.get_type_hints(Point)
typing.Optional[typing.List[int]]

tree = ast.parse(source)
ast.unparse(tree)
ast.dump(tree, indent=1)
ast.literal_eval("{'a': [1, -2]}")
pprint.pformat({"a": list(range(40)), "b": {"c": "x" * 100}})
copy.deepcopy({"a": [Point()]})
dis.dis(textwrap.fill, file=io.StringIO())
fnmatch.translate("a*[!b]?")
list(heapq.merge([1, 3], [2]))
for pattern in (r"(?P<a>x+?)(?=y)|[^a-z\d]{2,3}(?i:b)\1?", r"(?<!a)b*\Z", r"((a)|b)*(?(2)c|d)"):
    re.compile(pattern, re.X)

urllib.parse.urljoin("http://a/b/c", "../d?e=f#g")
urllib.parse.parse_qs("a=1&b=2&a=%20")
urllib.parse.quote("a b/\u00e9")
ipaddress.ip_network("10.0.0.0/29").subnets()
list(ipaddress.ip_network("10.0.0.0/30").hosts())
ipaddress.ip_address("::1").exploded
calendar.TextCalendar().formatmonth(2024, 2)
base64.b85decode(base64.b85encode(b"abc"))
base64.b32decode(base64.b32encode(b"a"))
try:
    json.loads("{")
except ValueError as error:
    traceback.format_exception(error)
message = email.message_from_string("Subject: =?utf-8?q?a=E9?= b\nTo: a <b@c>, d@e\n\nbody\n", policy=email.policy.default)
message["to"].addresses
message.as_string()
quopri.encodestring(b"a=\xe9 ")
