"""Writes what snippets.py does not reach: corners of the language, one JSON object a line. Run as
`v/bin/python more.py > ../jinja/testdata/more.jsonl`."""
import json

from jinjaenv import render

VARS = {"x": 3, "s": "a b", "l": [1, 2, 3], "d": {"k": "v", "n": {"m": [1, {"z": 0}]}}, "t": True, "none_": None, "h": "<i>"}
SOURCES = r"""
{% block a %}A{{ x }}{% endblock %}
{% set y = 1 %}{% block a %}{{ y }}{% endblock a %}{{ y }}
{% for y in l %}{% block b scoped %}{{ y }}{% endblock %}{% endfor %}
{% for y in l %}{% block b %}{{ y }}{% endblock %}{% endfor %}
{% print x, 1 %}
{{ 1 if false }}|{{ (1 if false) is defined }}
{{ 'a' 'b' "c" }}
{{ "\x41\u00e9\n\t\\\'\"\q\101" }}
{{ '中\中' }}
{{ 1_000 }} {{ 0x1F }} {{ 0b101 }} {{ 0o17 }} {{ 1e3 }} {{ 1.5e-3 }} {{ 1_0.5 }} {{ 10.0e2 }}
{{ 1.real }}
{{ l.0 }} {{ d.n.m.1.z }} {{ d.n.m[1]['z'] }}
{{ l[0,1] }}
{{ {}.x }}|{{ [].x }}|{{ x.y }}
{{ x.y.z }}
{{ nope.z }}
{{ nope['z'] }}
{{ nope() }}
{{ x() }}
{{ -x ** 2 }} {{ 2 ** 3 ** 2 }} {{ 2 ** -1 }} {{ -2 ** 2 }} {{ (-2) ** 2 }}
{{ 7 // -2 }} {{ -7 // 2 }} {{ 7 % -3 }} {{ -7 % 3 }} {{ 7.5 // 2 }} {{ -7.5 % 2 }} {{ 1 / 3 }} {{ 6 / 2 }}
{{ 1 < 2 < 3 }} {{ 1 < 2 > 3 }} {{ 1 == 1.0 == true }} {{ 3 in l and not 4 in l }} {{ not 1 == 2 }}
{{ 'a' < 'b' }} {{ [1,2] < [1,3] }} {{ (1,) < (1,2) }}
{{ 'a' < 1 }}
{{ x is divisibleby 3 and x is odd }} {{ x is not none }} {{ x is number is defined }}
{{ x is eq 3 or false }} {{ x is in [1,3] }} {{ none_ is none }} {{ x if x is gt 2 else 0 }}
{{ not x is none }} {{ x is not defined or true }}
{{ l|map('string')|join('-')|upper }} {{ l | sum | string ~ 'x' }}
{{ -1|abs }} {{ (-1)|abs }} {{ -x|abs }} {{ 1 + 2|string }}
{{ 1 + '2' }}
{{ '2' * 3 }} {{ 3 * [0] }} {{ 'a' * -1 }} {{ (1,2) * 2 }}
{{ 9223372036854775807 + 1 }} {{ -9223372036854775808 - 1 }} {{ 9223372036854775807 * 2 }} {{ 2 ** 70 }} {{ 10 ** 25 // 3 }} {{ -(2**63) }}
{{ 2**63 - 1 }} {{ (2**64) % 1000 }} {{ 2**64 == 2.0**64 }} {{ 2**64 > 1e10 }} {{ (2**100)|tojson }} {{ 1e308 * 10 }}
{{ 0.1 + 0.2 }} {{ 1e22 }} {{ 1.0 }} {{ 1e15 }} {{ 1e16 }} {{ 123456789012345678.0 }} {{ 0.00001 }} {{ 1e-5 }} {{ 5e-324 }} {{ -0.0 }}
{% set a, b = 1, 2 %}{{ a }}{{ b }}{% set a, b = b, a %}{{ a }}{{ b }}
{% set (a, b) = [1, 2] %}{{ a }}{{ b }}
{% set a, b = [1] %}
{% set a, b = [1,2,3] %}
{% set a = 1, 2 %}{{ a }} {% set a = () %}{{ a }} {% set a = (1,) %}{{ a }}
{% set true = 1 %}
{% set d.k = 1 %}
{% set ns = namespace(a=1) %}{% set ns.b = 2 %}{{ ns.a + ns.b }}{{ ns.c }}|{{ ns['a'] }}|{{ ns }}
{% set ns = namespace({'a': 1}, b=2) %}{{ ns.a }}{{ ns.b }}
{% for i in l %}{% set x = i %}{% endfor %}{{ x }}
{% for i in l %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}
{% for i in [1] %}{{ q }}{% endfor %}{% set q = 5 %}{{ q }}
{% if false %}{% set x = 1 %}{% endif %}{{ x }}
{% if true %}{% set x = 1 %}{% endif %}{{ x }}
{% macro m() %}{{ x }}{{ w }}{% endmacro %}{% set w = 7 %}{{ m() }}{% set w = 8 %}{{ m() }}
{% macro m(a, b=a ~ '!') %}{{ a }}{{ b }}{% endmacro %}{{ m(1) }}{{ m(b=2) }}{{ m(1, 2) }}{{ m() }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(1, 2) }}
{% macro m(a) %}{{ a }}{% endmacro %}{{ m(c=2) }}
{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, c=4) }}{{ m.name }}{{ m.arguments }}{{ m.catch_kwargs }}{{ m.caller }}
{% macro m() %}[{{ caller(1, b=2) }}]{% endmacro %}{% call(a, b) m() %}{{ a }}{{ b }}{% endcall %}
{% macro m() %}[{{ caller() }}]{% endmacro %}{{ m() }}
{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}
{% macro f(n) %}{{ n }}{{ f(n - 1) if n > 0 }}{% endmacro %}{{ f(5) }}
{% for i in [[1,[2]],3] recursive %}{{ loop.depth }}{{ loop(i) if i is sequence else i }}{% endfor %}
{% for i in l %}{{ loop(i) }}{% endfor %}
{% for i in l %}{% for j in l %}{{ loop.index }}{{ i }}{% endfor %}{{ loop.index }}{% endfor %}
{% for k, v in d.items() %}{{ k }}={{ v }};{% endfor %}{% for k in d %}{{ k }}{% endfor %}
{% for a in l if a > 5 %}x{% else %}none{% endfor %}
{% for a in l %}{% break %}{% else %}E{% endfor %}
{% for a in l %}{% continue %}{% else %}E{% endfor %}
{% for a in l %}{% if a == 2 %}{% break %}{% endif %}{{ a }}{% else %}E{% endfor %}
{% set ns = namespace(n=0) %}{% for a in l if ns.n < 2 %}{{ a }}{% set ns.n = ns.n + 1 %}{% endfor %}
{% for a in l if loop.index > 1 %}{{ a }}{% endfor %}
{% for loop in l %}{% endfor %}
{% break %}
{% for a in x %}{% endfor %}
{% for a in none_ %}{% endfor %}
{% for a in 'héy' %}{{ a }},{% endfor %}
{% filter upper %}a{{ s }}{% endfilter %}{% filter replace('a', 'b') | upper %}aa{% endfilter %}
{% set z | upper | trim %} q {% endset %}[{{ z }}]
{% with a = 1, b = a %}{{ a }}{{ b }}{% endwith %}{{ a }}
{% with %}{% set q = 1 %}{{ q }}{% endwith %}{{ q }}
{% raw %}{{ x }}{% endraw %}{%- raw -%} y {%- endraw -%} z
{# a #}b{#- c -#} d {# {{ x }} #}
{% if x %}a{% elif t %}b{% else %}c{% endif %}{% if not x %}{% elif t %}b{% endif %}
{% if x == 3 and (s or l) %}y{% endif %}
{{ h|e }}{{ h|safe }}{{ h|safe|e }}{{ (h|safe) ~ h }}{{ (h|safe) + h }}{{ h|e|upper }}{{ '%s' % (h|safe) }}{{ (h|safe) % () }}{{ (h|e).replace('&', h) }}{{ [h|safe] }}
{{ d|tojson }}{{ d|tojson(indent=2) }}{{ [1.0, 2e20, none, true]|tojson }}{{ '</é"\\\n\u2028'|tojson }}{{ (1,2)|tojson }}{{ {1: 2, none: 3, true: 4}|tojson }}
{{ nope|tojson }}
{{ dict(a=1, b=2) }}{{ dict([('a', 1)]) }}{{ dict(d, z=1) }}
{{ range(3) }}{{ range(1, 10, 3)|list }}{{ range(5)[1:3] }}{{ range(3)|length }}{{ 2 in range(3) }}
{{ range(1000000) }}
{{ cycler(1, 2).next() }}{% set j = joiner('|') %}{{ j() }}{{ j() }}
{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %B %A %a %j %p %I %y %-d %%') }}
{{ raise_exception('stop') }}
{{ l.append(1) }}
{{ d.update({}) }}
{{ l.append is defined }}{{ d.items is defined }}{{ d.nope is defined }}{{ s.upper is callable }}
{{ ''.__class__ }}{{ ''.__class__.__mro__ }}
{{ [1, 'a', none, 1.5, {'b': (1,)}, "it's", '"', '\n'] }}
{{ 'x'|nope }}
{% if false %}{{ 'x'|nope }}{% endif %}ok
{% if true %}{{ 'x'|nope }}{% endif %}ok
{{ 'a' if true else 'x'|nope }}
{{ x is nope }}
{% nope %}
{% if x %}
{{ x
{{ x }
{{ (x] }}
{% endif %}
{% else %}
{{ }}
{{ x y }}
{{ 'abc }}
{{ x | }}
{{ x. }}
{{ @ }}
{% for %}{% endfor %}
{% set %}
{{ x[ }}
{{ f(a=1, 2) }}
{{ dict(**{'a': 1}) }}{{ dict(*[[('q', 1)]]) }}
{{ '{} {1}'.format(1, 2) }}
{{ '{0} {1} {a}'.format(1, 2, a=3) }}{{ '{:>5}|{:<5}|{:^5}'.format(1, 'a', 2.5) }}{{ '{0.a}{0[a]}'.format({'a': 1}) }}
{{ '%(a)s %(b)05d' % {'a': 1, 'b': 2} }} {{ '%s %s' % (1, 2) }} {{ '%5.2f|%-5s|%+d' % (1.234, 'a', 5) }}
{{ s.split() }}{{ s.split('a') }}{{ 'a,b,,c'.split(',') }}{{ ' a  b '.split() }}{{ ' a  b '.split(' ') }}
{{ s[0] }}{{ s[-1] }}{{ s[9] }}{{ s[::-1] }}{{ s[1:] }}{{ l[-2:] }}{{ l[5:] }}{{ l[::2] }}
{{ l == [1,2,3] }}{{ d == {'k': 'v'} }}{{ {'a': 1, 'b': 2} == {'b': 2, 'a': 1} }}{{ 1 == true }}{{ '1' == 1 }}{{ none_ == none }}{{ nope == nope2 }}{{ nope == none }}
{{ loop is defined }}{{ self is defined }}
{{ x if x > 2 else 'n' if x > 1 else 'm' }}
{{ [x for x in l] }}
{{ lambda: 1 }}
{{ x := 1 }}
{{ not }}
{{ x|default('d')|default }}{{ nope|default('d') }}{{ ''|default('d') }}{{ ''|default('d', true) }}{{ none_|default('d') }}
{{ 'ﬁß'|upper }}{{ 'ΑΣ'|lower }}{{ 'İ'|lower|length }}{{ 'ǆ'|title }}{{ 'éa b-c (d'|title }}{{ "they're"|title }}{{ "they're".title() }}
{{ (1,2,3)|first }}{{ l|last }}{{ []|first is defined }}{{ d|list }}{{ 'abc'|list }}
{{ d|length }}{{ x|length }}
{{ [3,1,2]|sort }}{{ ['b','A']|sort }}{{ ['b','A']|sort(case_sensitive=true) }}{{ [1,'a']|sort }}
{{ 5|round }}{{ 2.5|round }}{{ 3.5|round }}{{ 2.675|round(2) }}{{ 1234.5|round(-2) }}{{ 5|round(1) }}{{ 2.1|round(0,'ceil') }}
{{ 'x'|int }}{{ '12'|int }}{{ '1.9'|int }}{{ '0x1A'|int(base=16) }}{{ none_|int }}{{ [1]|int }}{{ 'x'|int(-1) }}{{ '٣'|int }}{{ ' 7 '|int }}{{ '1_0'|int }}
{{ 'x'|float }}{{ '1e3'|float }}{{ 'inf'|float }}{{ 'nan'|float }}{{ '1_0.5'|float }}
{{ d.get('k') }}{{ d.get('z') }}{{ d.get('z', 'q') }}{{ d['k'] }}{{ d['z'] }}{{ 'k' in d }}{{ 'v' in d }}
  {% if true %}  
  a
  {% endif %}  
b
  {%- if true -%}  
  a
  {%- endif -%}  
b
  {%+ if true +%}  
  a
  {%+ endif +%}  
b
x  {# c #}
y
{{ x }}{% autoescape false %}{{ h }}{% endautoescape %}
{% generation %}{{ x }}{% set x = 9 %}{% endgeneration %}{{ x }}
{% for i in l %}{% generation %}{{ loop.index }}{{ i }}{% endgeneration %}{% endfor %}
{% for i in l %}{% generation %}{% break %}{% endgeneration %}{% endfor %}
{% for i in l %}{% set q %}{% if i == 2 %}{% break %}{% endif %}{{ i }}{% endset %}{{ q }}{% endfor %}
{{ "a\
b" }}
{{ '' ~ none ~ true ~ 1.0 ~ nope }}
{{ nope + 1 }}
{{ 1 + nope }}
{{ nope < 1 }}
{{ -nope }}
{{ nope in [1] }}{{ 1 in nope }}
{{ 1 in 'a' }}
{{ nope|length }}{{ nope|list }}{{ nope|upper }}{{ nope|join }}{{ nope|first }}{{ nope|trim }}{{ nope|string }}{{ nope|e }}
{{ nope|int }}
{{ nope|round }}
{{ nope|abs }}
{{ (nope or 'x') }}{{ nope and 'x' }}{{ not nope }}{{ nope if nope else 'y' }}
{{ l|batch(2)|list }}{{ l|slice(2)|list }}{{ l|batch(2, 0)|map('join')|list }}
{{ [{'a': {'b': 1}}]|map(attribute='a.b')|list }}{{ [[1,2]]|map(attribute=1)|list }}{{ [{'a':1}]|sum(attribute='a') }}
{{ l|select('odd')|list }}{{ l|reject('odd')|list }}{{ ['a','',none]|select|list }}{{ l|map('multiply')|list }}
{{ [1,1,2]|unique|list }}{{ ['a','A']|unique|list }}{{ l|max }}{{ l|min }}{{ []|max }}
{{ 'hello world foo'|truncate(8) }}{{ 'hello world foo bar'|truncate(8, true) }}{{ 'a b'|center(9) }}|{{ 'a\nb'|indent }}
{{ 1.5.is_integer() }}{{ (5).bit_length() }}
{{ s is string }}{{ l is sequence }}{{ d is mapping }}{{ d is sequence }}{{ d is iterable }}{{ x is iterable }}{{ t is number }}{{ t is integer }}{{ 1.0 is float }}{{ t is boolean }}
{{ l is sameas l }}{{ none_ is sameas none }}{{ 1 is sameas 1 }}{{ x is lt(5) }}{{ 'a' is filter }}{{ 'upper' is filter }}{{ 'odd' is test }}
""".strip("\n").split("\n")
MULTI = ["  {% if true %}  \n  a\n  {% endif %}  \nb\n", "  {%- if true -%}  \n  a\n  {%- endif -%}  \nb\n", "  {%+ if true +%}  \n  a\n  {%+ endif +%}  \nb\n\n", "x  {# c #}\ny", "a\r\nb\r{{ x }}\r\n", "{% raw %}\n{{ a }}\n{% endraw %}\nb", "  {% raw %}  x\n  {% endraw %}\n  b", "{{ 'a\nb' }}\n{% set x = '\\\n' %}{{ x }}|", "\n\n{% if x %}\n\n{{ x }}\n\n{% endif %}\n\n", "\t{% set y = 1 %}\t{{ y }}\t{% set z = 1 %}\n", "{{ x }}\n{{- x -}}\n{{ x }}\n", "{%- macro m(a,\n   b=2) %}\n  {{ a }}{{ b }}\n{% endmacro %}\n{{ m(1) }}", "{# multi\nline #}\n  {#- x #}\n", "\u00a0{%- if x %}\u00a0{{- x }}\u2003{% endif %}", "{{ {'a': {'b': {}}} }}{{ {'a': '}}'} }}{{ '%}' }}{% set q = '%}' %}{{ q }}"]


def main():
    print(json.dumps(VARS))
    for src in SOURCES + MULTI:
        out, err = render(src, json.loads(json.dumps(VARS)))
        print(json.dumps({"src": src, "out": out} if err is None else {"src": src, "err": err[:200]}, ensure_ascii=False))


main()
