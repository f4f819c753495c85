package jinja_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text/chat/jinja"
)

func small() jinja.Limits {
	return jinja.Limits{Steps: 200_000, Memory: 8 << 20, Output: 1 << 20, Depth: 100}
}

// TestHostile runs templates that would never end, or fill the memory.
func TestHostile(t *testing.T) {
	t.Parallel()
	for _, src := range []string{
		"{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
		"{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}",
		"{{ range(10**9)|list }}",
		"{{ 'a' * 10**9 }}", "{{ [0] * 10**9 }}", "{{ 'a' * 10**30 }}", "{{ ('a' * 10**6) * 10**6 }}",
		"{{ 10 ** (10 ** 10) }}", "{{ 2 ** 100000000 }}", "{{ (10 ** 4000) ** 4000 }}",
		"{% set ns = namespace(s='x') %}{% for i in range(64) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(100000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s }}",
		"{% set ns = namespace(s=[1]) %}{% for i in range(50000) %}{% set ns.s = [ns.s] %}{% endfor %}{{ ns.s|tojson }}",
		"{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(64) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}" +
			"{% endfor %}{{ ns.s == ns.t }}",
		"{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
		"{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
		"{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}{{ m() }}",
		"{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
		"{{ 'a'|center(10**9) }}", "{{ 'a'.ljust(10**9) }}", "{{ '%1000000000d' % 1 }}", "{{ '{:1000000000}'.format(1) }}",
		"{{ '%.1000000000f' % 1.5 }}", "{{ 'a'|indent(10**9) }}", "{{ [1]|tojson(indent=10**9) }}", "{{ 'a'.zfill(10**12) }}",
		"{{ '\t'.expandtabs(10**9) }}", "{{ [1]|batch(10**9, 0)|list }}", "{{ [1]|slice(10**9)|list }}",
		"{{ ('a' * 100000).replace('', 'b' * 100000) }}", "{{ ('b' * 100000).join(('a' * 100000)|list) }}",
		"{{ range(100000)|map('string')|join('x' * 100000) }}", "{{ 10 ** 5000 }}",
		"{% set x = range(100000)|list %}{{ x|map('default', x)|list|tojson }}",
		"{{ [[]] * 100000 }}{% for a in range(100000) %}{{ [1] * 100000 }}{% endfor %}",
		strings.Repeat("{% if 1 %}", 5000), "{{ " + strings.Repeat("(", 5000), "{{ " + strings.Repeat("-", 5000) + "1 }}",
		"{{ " + strings.Repeat("not ", 5000) + "1 }}", "{{ 1" + strings.Repeat("+1", 5000) + " }}",
		"{{ x" + strings.Repeat(".x", 5000) + " }}", "{{ " + strings.Repeat("[", 5000) + " }}",
		"{{ 1" + strings.Repeat(" if 1", 5000) + " }}", strings.Repeat("{% for a in b %}", 3000),
	} {
		err := render1(src)
		require.Error(t, err, src)
		e, ok := errors.AsType[*jinja.Error](err)
		require.True(t, ok)
		assert.NotEqual(t, jinja.Bug, e.Kind, "%s: %s", src, err)
	}
}

func render1(src string) error {
	tpl, err := jinja.Parse(src)
	if err != nil {
		return err
	}
	vars := map[string]jinja.Value{"s": jinja.ClientText("a <s> b"), "l": jinja.NewList(int64(1), jinja.Text("x"), 2.5)}
	res, err := tpl.Render(vars, now(), small())
	at := 0
	for _, p := range res.Client {
		if p.Start < at || p.End <= p.Start || p.End > len(res.Text) {
			return errors.New("the client's ranges are out of order")
		}
		at = p.End
	}
	return err
}

func seeds() []string {
	return []string{
		"{{ s }}", "{% for i in l %}{{ loop.index }}{{ i }}{% endfor %}", "{% set x = s.split() %}{{ x|join('-') }}",
		"{% macro m(a, b=1) %}{{ a }}{{ caller() }}{% endmacro %}{% call m(1) %}x{% endcall %}", "{{ l|tojson(indent=2) }}",
		"{%- if s is defined -%} a {%- elif not l %} b {% else %} c {% endif %}", "{# c #}{% raw %}{{ x }}{% endraw %}",
		"{{ '%s %d %5.2f' % (s, 1, 2.5) }}{{ '{:>5} {!r}'.format(1, s) }}", "{{ s[1:3] ~ s[::-1] }}{{ l[-1] // 2 ** 3 }}",
		"{% filter upper %}{% with a = 1 %}{{ a }}{% endwith %}{% endfilter %}", "{{ s|wordwrap(3)|indent|truncate(5)|title }}",
		"{% block b %}{% generation %}{% do l %}{% endgeneration %}{% endblock %}", "{{ l|groupby(0)|map(attribute=1)|list }}",
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		if _, err := jinja.Parse(src); err != nil {
			e, ok := errors.AsType[*jinja.Error](err)
			require.True(t, ok)
			require.NotEqual(t, jinja.Bug, e.Kind, err)
		}
	})
}

func FuzzRender(f *testing.F) {
	for _, s := range seeds() {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		err := render1(src)
		if err == nil {
			return
		}
		e, ok := errors.AsType[*jinja.Error](err)
		require.True(t, ok, err)
		require.NotEqual(t, jinja.Bug, e.Kind, err)
	})
}
