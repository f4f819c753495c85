"""Writes snippets of templates with what Python's Jinja2 makes of them, one JSON object a line.

    python3 -m venv v && v/bin/pip install jinja2==3.1.6
    v/bin/python snippets.py 0 6000 > ../jinja/testdata/snippets.jsonl  # every operation with many operands
    v/bin/python snippets.py 7 2500 > ../jinja/testdata/programs.jsonl  # random programs; another seed, others

`go test -run Snippets ../jinja` compares them; PENSTOCK_CHAT_SNIPPETS names a file other than the one kept here.
"""
import json
import random
import re
import sys

from jinjaenv import render

VARS = {
    "s": "Hello, wide World",
    "e": "",
    "u": "naïve 漢字 😀 straße",
    "m": "  two\n lines\t here \n",
    "h": "<b>bold & 'quoted' \"text\"</b>",
    "i": 42,
    "n": -7,
    "z": 0,
    "f": 3.75,
    "g": -0.5,
    "big": 12345678901234567890123,
    "t": True,
    "x": None,
    "l": [3, 1, 2],
    "ls": ["b", "A", "c", "a"],
    "lm": [1, "a", None, 2.5, [1], {"k": 1}],
    "el": [],
    "d": {"b": 1, "a": 2, "C": None},
    "ed": {},
    "ld": [
        {"name": "x", "n": 2, "sub": {"v": 1}},
        {"name": "Y", "n": 1, "sub": {"v": 3}},
        {"name": "x", "n": 3, "sub": {"v": 2}},
        {"n": 5},
    ],
    "nest": {"a": [1, {"b": "c"}], "q": "it's", "items": [1, 2]},
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hello", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
    ],
}

FILTERS = {
    "abs": [""], "attr": ["('a')", "('upper')", "('items')"], "batch": ["(2)", "(2,'x')", "(3,none)", "(0)", "(1.5)"],
    "capitalize": [""], "center": ["", "(30)", "(9)", "(0)"], "count": [""], "d": ["", "('q')", "('q',true)"],
    "default": ["(1)", "('q',true)", "(default_value=[],boolean=true)"],
    "dictsort": ["", "(true)", "(false,'value')", "(reverse=true)", "(by='x')"],
    "e": [""], "escape": [""], "filesizeformat": ["", "(true)"], "first": [""],
    "float": ["", "(1.5)", "('d')"], "forceescape": [""], "format": ["", "(1)", "('a',2)", "(a=1)"],
    "groupby": ["('name')", "('n')", "('name',default='zz')", "('sub.v',default=0)", "(0)", "('name',case_sensitive=true,default='')"],
    "indent": ["", "(2)", "(2,true)", "('>>')", "(2,true,true)", "(width=1,blank=true)"],
    "int": ["", "(5)", "(0,16)", "(base=2)", "(default=none)"], "join": ["", "(',')", "('-','name')", "(attribute='n')", "(d=1)"],
    "last": [""], "length": [""], "list": [""], "lower": [""], "items": [""],
    "map": ["('upper')", "(attribute='name')", "(attribute='name',default='?')", "('int')", "('default','k')", "()", "('nope')", "('length')", "(attribute=0)", "(attribute='sub.v')", "('tojson')", "('string')"],
    "min": ["", "(true)", "(attribute='n')"], "max": ["", "(attribute='n')", "(case_sensitive=true)"],
    "reject": ["", "('none')", "('odd')", "('eq',1)", "('in',[1,2])"],
    "rejectattr": ["('name')", "('n','gt',1)", "('name','defined')", "('n','equalto',2)"],
    "replace": ["('l','L')", "('','-')", "('l','L',1)", "('o','')", "(' ','_')", "(1,2)"], "reverse": [""],
    "round": ["", "(1)", "(1,'floor')", "(0,'ceil')", "(-1)", "(precision=2)", "(method='x')"], "safe": [""],
    "select": ["", "('string')", "('gt',1)", "('nope')", "('number')", "('mapping')", "('defined')"],
    "selectattr": ["('name')", "('n','gt',1)", "('name','eq','x')", "('sub.v','lt',3)", "('name','in',['x'])", "('sub','defined')"],
    "slice": ["(2)", "(2,'x')", "(3)", "(0)"], "sort": ["", "(true)", "(attribute='n')", "(reverse=true,case_sensitive=true)", "(attribute='name,n')"],
    "string": [""], "striptags": [""], "sum": ["", "(attribute='n')", "(start=10)", "('n',1)"], "title": [""],
    "tojson": ["", "(indent=2)", "(ensure_ascii=true)", "(separators=(',',':'))", "(sort_keys=true)", "(indent=1,sort_keys=true)", "(indent='\\t')", "(indent=0)", "(true)"],
    "trim": ["", "('H ')", "(none)", "('<b>')"], "truncate": ["", "(9)", "(5,true)", "(7,false,'…')", "(9,true,'',0)", "(6,leeway=0)"],
    "unique": ["", "(true)", "(attribute='name')"], "upper": [""], "urlencode": [""], "wordcount": [""],
    "wordwrap": ["", "(6)", "(5,false)", "(8,wrapstring='|')", "(4,true,'/')"], "xmlattr": ["", "(false)"],
}
TESTS = {
    "odd": [""], "even": [""], "divisibleby": [" 2", "(3)", "(0)"], "defined": [""], "undefined": [""], "none": [""],
    "boolean": [""], "true": [""], "false": [""], "integer": [""], "float": [""], "string": [""], "mapping": [""],
    "number": [""], "sequence": [""], "iterable": [""], "callable": [""], "sameas": [" none", " true", "(false)"],
    "escaped": [""], "in": [" [1,2,'a',none]", " 'Hello'", "(d)"], "eq": [" 42", "('a')"], "ne": [" 1"], "lt": [" 5"], "gt": [" 1"],
    "le": ["(2)"], "ge": ["(2)"], "equalto": [" none"], "lower": [""], "upper": [""], "filter": [""], "test": [""],
}
STR = [
    "upper()", "lower()", "title()", "capitalize()", "swapcase()", "casefold()", "strip()", "lstrip()", "rstrip()", "strip('H d')",
    "lstrip(' t')", "rstrip('\\n')", "strip(none)", "split()", "split(' ')", "split(',',1)", "split('l')", "rsplit('l',1)", "split(none,1)", "rsplit(none,1)",
    "split('')", "split(maxsplit=1)", "splitlines()", "splitlines(true)", "partition(',')", "rpartition(' ')", "partition('zz')", "replace('l','L')",
    "replace('l','L',1)", "replace('','.')", "replace('','.',2)", "startswith('He')", "startswith(('x','H'))", "endswith('d')", "startswith('e',1)", "endswith('l',0,4)",
    "find('o')", "rfind('o')", "find('zz')", "find('o',6)", "index('o')", "index('zz')", "rindex('l')", "count('l')", "count('')", "count('l',4)", "count('l',-4,-1)",
    "center(30)", "center(30,'*')", "ljust(20,'.')", "rjust(20)", "zfill(20)", "expandtabs()", "expandtabs(3)", "isalnum()", "isalpha()", "isdecimal()",
    "isdigit()", "isnumeric()", "isspace()", "isupper()", "islower()", "istitle()", "isascii()", "isidentifier()", "isprintable()", "join(['a','b'])", "join(ls)", "join([1])",
    "format()", "removeprefix('He')", "removesuffix('ld')", "nope()", "upper", "__class__", "upper(1)", "zfill('a')", "format_map({})",
]
DICT = ["items()", "keys()", "values()", "get('a')", "get('zz')", "get('zz',1)", "get()", "copy()", "pop('a')", "update({})", "nope", "a", "b.c", "items", "keys()|list", "items()|list", "values()|list", "get([1])", "setdefault('a')", "_x", "__len__"]
LIST = ["count(1)", "index(2)", "index(99)", "copy()", "append(1)", "pop()", "sort()", "0", "5", "insert(0,1)", "nope"]
NUM = ["real", "imag", "numerator", "bit_length()", "is_integer()", "conjugate()", "denominator"]
PERCENT = ["'%s'", "'%d'", "'%5d'", "'%-5d|'", "'%05d'", "'%+d'", "'% d'", "'%x'", "'%#x'", "'%X'", "'%o'", "'%.2f'", "'%8.3f'", "'%-9.1f|'", "'%e'", "'%g'", "'%.3g'", "'%r'", "'%10s|'", "'%-10s|'", "'%.2s'", "'%c'", "'%%'", "'%i'", "'%G'", "'%q'", "'%'", "'%s %s'", "'no'", "'%#o'", "'%(a)s'", "'%a'", "'%010.2f'", "'%+.1e'", "'%*d'"]
SPEC = ["", ":d", ":5", ":<8", ":>8", ":^9", ":*^9", ":05", ":+", ": ", ":x", ":#x", ":b", ":o", ":X", ":,", ":_", ":.2f", ":8.2f", ":e", ":g", ":.3", ":%", ":s", ":c", "!r", "!s", "!s:>9", "!a", ":=+8", ":08.1f", ":,.2f", ":n", ":G", ":.0f", ":zz", ":{0}", ":010,", ":_x", ":#b", ":+.3g", ":.1%"]
NAMES = list(VARS) + ["undef", "d.a", "d.zz", "nest.a", "nest['q']", "ld[0].name", "nest.items", "'lit'", "12", "1.5", "[1,2]", "{'k':1}", "(1,2)", "l[1:]", "s[::-1]", "range(4)", "'42'", "'3.7'", "' 0x1f '", "'1e3'", "1e20", "1e-7", "0.1", "100.0", "2.5", "1234567.891", "'a-b c_d'", "'%s'", "''", "-3", "l|map('string')", "messages", "messages[0].content", "d.items()", "h|safe", "1e16", "123456789", "'<p>x</p>'", "true", "false", "'true'", "0.5", "1.0"]
BIN = ["+", "-", "*", "/", "//", "%", "**", "~", "==", "!=", "<", "<=", ">", ">=", "in", "not in", "and", "or"]


def atom(r):
    return r.choice(NAMES)


def expr(r, depth=2):
    k = r.random()
    if depth <= 0 or k < 0.2:
        return atom(r)
    if k < 0.4:
        name = r.choice(list(FILTERS))
        return f"{paren(r, depth)}|{name}{r.choice(FILTERS[name])}"
    if k < 0.5:
        name = r.choice(list(TESTS))
        return f"({paren(r, depth)} is {r.choice(['', 'not '])}{name}{r.choice(TESTS[name])})"
    if k < 0.6:
        return f"({paren(r, depth)} {r.choice(BIN)} {paren(r, depth)})"
    if k < 0.68:
        return f"{paren(r, depth)}.{r.choice(STR + DICT + LIST + NUM)}"
    if k < 0.74:
        idx = r.choice(["0", "-1", "5", "'a'", "'name'", "1:", ":1", "::2", "::-1", "-2:", "1:-1", ":", "5:1:-1", "'items'", "none", "true", "1.0", "'upper'", "0,1", "i", "::0", "'1'"])
        return f"{paren(r, depth)}[{idx}]"
    if k < 0.79:
        return f"({r.choice(PERCENT)} % {paren(r, depth)})"
    if k < 0.83:
        return "('{" + r.choice(["", "0", "a", "0[a]", "0.a", "0[0]"]) + r.choice(SPEC) + "}').format(" + paren(r, depth) + ", a=" + atom(r) + ")"
    if k < 0.88:
        return f"({paren(r, depth)} if {paren(r, depth)}" + r.choice([f" else {paren(r, depth)})", ")"])
    if k < 0.91:
        return f"(not {paren(r, depth)})"
    if k < 0.94:
        return f"(-{paren(r, depth)})"
    if k < 0.97:
        return f"[{expr(r, depth - 1)}, {expr(r, depth - 1)}]"
    return "{'k': " + expr(r, depth - 1) + ", 'j': " + atom(r) + "}"


def paren(r, depth):
    e = expr(r, depth - 1)
    return e if re.fullmatch(r"[\w.]+", e) else f"({e})"


def body(r, depth):
    return "".join(stmt(r, depth) for _ in range(r.randint(1, 3)))


LOOPVARS = ["loop.index", "loop.index0", "loop.first", "loop.last", "loop.length", "loop.revindex", "loop.revindex0", "loop.previtem", "loop.nextitem", "loop.depth", "loop.cycle('a','b')", "loop.changed(v)", "v", "w", "k", "loop.changed(v, 1)", "loop.nope", "loop"]
VARN = ["v", "w", "k", "a1", "i", "s"]


def sp(r):
    return r.choice(["", "", "", "\n", "  ", "\n  ", " x ", "\n\n", "\t"])


def tag(r, s):
    return sp(r) + "{%" + r.choice(["", "", "", "-", "+"]) + " " + s + " " + r.choice(["", "", "", "-", "+"]) + "%}" + sp(r)


def simple(r):
    return r.choice([expr(r, 1), r.choice(LOOPVARS), r.choice(VARN), "ns.c", "ns.d"])


def stmt(r, depth):
    k = r.random()
    if depth <= 0 or k < 0.3:
        return sp(r) + "{{" + r.choice(["", "", "-", "+"]) + " " + simple(r) + " " + r.choice(["", "", "-"]) + "}}" + sp(r)
    if k < 0.42:
        t = r.choice(["v", "v", "v, w", "k, v", "(k, v), w"])
        it = r.choice(["l", "ls", "ld", "d.items()", "d", "range(3)", "el", "messages", "e", "s[:3]", "undef", "l|reverse", "ld|groupby('n')", "lm", "l|map('string')", "[(1,2),(3,4)]", "x", "ls|batch(2)", "d|dictsort"])
        cond = r.choice(["", "", "", " if v", " if v != 1", " if ns.c < 2", " if loop is defined", " if not v"])
        rec = r.choice(["", "", "", "", " recursive"])
        els = tag(r, "else") + body(r, depth - 1) if r.random() < 0.3 else ""
        return tag(r, f"for {t} in {it}{cond}{rec}") + body(r, depth - 1) + els + tag(r, "endfor")
    if k < 0.54:
        out = tag(r, "if " + simple(r)) + body(r, depth - 1)
        if r.random() < 0.3:
            out += tag(r, "elif " + simple(r)) + body(r, depth - 1)
        if r.random() < 0.5:
            out += tag(r, "else") + body(r, depth - 1)
        return out + tag(r, "endif")
    if k < 0.66:
        return tag(r, r.choice([f"set {r.choice(VARN)} = {simple(r)}", f"set ns.{r.choice('cd')} = {simple(r)}", f"set v, w = {simple(r)}, {simple(r)}", f"set ns.c = ns.c + 1", "set ns.d, v = 1, 2"]))
    if k < 0.71:
        return tag(r, "set " + r.choice(VARN) + r.choice(["", "", "|upper", "|trim|length"])) + body(r, depth - 1) + tag(r, "endset")
    if k < 0.8:
        name = r.choice(["m1", "m2"])
        params = r.choice(["", "v", "v, w=1", "v=2, w=v", "w, k=i"])
        call = r.choice(["", "1", "1, 2", "v=5", "3, w=4", "1,2,3", "nope=1", "*l", "**{'v':1}"])
        inner = body(r, depth - 1) + r.choice(["", "{{ varargs }}", "{{ kwargs }}", "{{ caller() if caller }}", "{{ caller is defined }}"])
        return tag(r, f"macro {name}({params})") + inner + tag(r, "endmacro") + "{{ " + name + "(" + call + ") }}"
    if k < 0.84:
        return tag(r, r.choice(["call m1()", "call(v) m1(1)", "call m2(v=1)", "call m1(w=2)"])) + body(r, depth - 1) + tag(r, "endcall")
    if k < 0.88:
        return tag(r, "filter " + r.choice(["upper", "trim", "indent(2)", "replace('a','b')|upper"])) + body(r, depth - 1) + tag(r, "endfilter")
    if k < 0.92:
        return tag(r, r.choice(["with v = 1", "with v = i, w = v", "with"])) + body(r, depth - 1) + tag(r, "endwith")
    if k < 0.94:
        return tag(r, r.choice(["break", "continue"]))
    if k < 0.96:
        return r.choice(["{# c #}", "{#- c -#}", "  {# c #}\n", "{#+ c +#}", "{#\n#}"]) + sp(r)
    if k < 0.98:
        return tag(r, "generation") + body(r, depth - 1) + tag(r, "endgeneration")
    return tag(r, "raw") + r.choice(["{{ v }}", "{% x %}\n", "\n z"]) + tag(r, "endraw")


def program(r):
    return "{% set ns = namespace(c=0, d='') %}" + body(r, r.randint(1, 3)) + r.choice(["", "\n", "\n\n"])


UNSTABLE = re.compile(r"(?i)(%20|[ -])at(%20|[ -])0|\dj\b|^\{[^:]*\}$|set\(| at 0x|object at|<built-in|generator|bound method")


# What would take Python for ever.
ENDLESS = re.compile(r"\*\* *\(*-?(big|1e20|1e16|123456789|i\b|42|f\b)|big\)* *\*\*|batch\(1\.5\)|(big|123456789)\)* \*|\* \(*(big|123456789)|\*\* \(.*\*\*")


def err_slice(src):
    """Jinja2 computes slices of constants before it runs, by rules of their own: they are left out."""
    return re.search(r"(\b[\d.e]+|true|false|\))\[[^\]]*:", src)


def main():
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    r = random.Random(seed)
    sources = []
    if seed == 0:
        for n in NAMES:
            sources += [f"{{{{ {n}|{f}{a} }}}}" for f, alls in FILTERS.items() for a in alls]
            sources += [f"{{{{ {n} is {t}{a} }}}}" for t, alls in TESTS.items() for a in alls]
            sources += [f"{{{{ ({n}).{a} }}}}" for a in STR + DICT + LIST + NUM]
            sources += [f"{{{{ {p} % {n} }}}}" for p in PERCENT]
            sources += ["{{ '{" + p + "}'.format(" + n + ") }}" for p in SPEC]
            sources += [f"{{{{ ({n}) {op} ({o}) }}}}" for op in BIN for o in NAMES]
            sources += [f"{{{{ {n}|{f}{a}|list }}}}" for f in ("batch", "slice", "map", "select", "reject", "selectattr", "rejectattr", "unique", "items", "reverse") for a in FILTERS[f]]
        if count < len(sources):
            sources = r.sample(sources, count)
    else:
        for _ in range(count):
            sources.append("{{ " + expr(r, 3) + " }}" if r.random() < 0.5 else program(r))
    print(json.dumps(VARS, ensure_ascii=False))
    for src in sources:
        if ENDLESS.search(src):
            continue
        if re.search(r"[\d'\])e]\)*\[[^\]]*:", src) and err_slice(src):
            continue
        out, err = render(src, json.loads(json.dumps(VARS)))
        if out is not None and (UNSTABLE.search(out) or len(out) > 20000):
            continue
        o = {"src": src}
        if err is None:
            o["out"] = out
        else:
            o["err"] = err[:200]
        try:
            line = json.dumps(o, ensure_ascii=False)
            line.encode()
        except UnicodeEncodeError:
            continue
        print(line)


main()
