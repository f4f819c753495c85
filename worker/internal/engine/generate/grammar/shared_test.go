package grammar_test

import (
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/grammar"
)

// Many may use one matcher at once, and matchers over one vocabulary.
func TestShared(t *testing.T) {
	t.Parallel()
	vocab := tokens(300)
	v := vocabulary(t, 300)
	c := grammar.NewCache(v, 2)
	for i := range 6 {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			m, err := c.Schema(jsontext.Value(schemas()[[]string{"any object", "person", "tree"}[i%3]]))
			require.NoError(t, err)
			r := rand.New(rand.NewPCG(uint64(i), 1))
			for range 5 {
				walk(t, m, vocab, r)
			}
		})
	}
}

// The cache gives the same matcher for the same text, drops the one used longest ago and keeps no errors.
func TestCache(t *testing.T) {
	t.Parallel()
	c := grammar.NewCache(vocabulary(t, 0), 2)
	get := func(schema string) *grammar.Matcher {
		m, err := c.Schema(jsontext.Value(schema))
		require.NoError(t, err)
		return m
	}
	a, b := get(`{"type":"null"}`), get(`{"type":"boolean"}`)
	require.Same(t, a, get(`{"type":"null"}`))
	get(`{"type":"string"}`)
	require.Same(t, a, get(`{"type":"null"}`))
	require.NotSame(t, b, get(`{"type":"boolean"}`))
	any1, err := c.AnyObject()
	require.NoError(t, err)
	any2, err := c.AnyObject()
	require.NoError(t, err)
	require.Same(t, any1, any2)
	_, err = c.Schema(jsontext.Value(`false`))
	require.Error(t, err)
}

// Masks outlive the matcher's memory of them: a text far longer than it remembers goes on.
func TestForgets(t *testing.T) {
	t.Parallel()
	v := vocabulary(t, 0)
	g, err := grammar.Compile(jsontext.Value(`{"type":"string","minLength":12000}`))
	require.NoError(t, err)
	s := grammar.NewMatcher(g, v).Start()
	require.NoError(t, s.Accept(2+'"'))
	for i := range 12_000 {
		mask, err := s.Mask()
		require.NoError(t, err)
		require.False(t, mask.Has(2+'"'), i)
		require.NoError(t, s.Accept(2+'a'))
	}
	require.NoError(t, s.Accept(2+'"'))
	require.True(t, s.Done())
}

// What schemas from the field say in words of their own is understood: OpenAPI's nullable, \u in a pattern, functions
// without parameters, escapes in references.
func TestFromTheField(t *testing.T) {
	t.Parallel()
	vocab := tokens(0)
	ids := index(vocab)
	for _, c := range []struct {
		schema    string
		good, bad []string
	}{
		{`{"type":"string","nullable":true,"enum":["a"]}`, []string{`"a"`, `null`}, []string{`"b"`}},
		{`{"type":"string","pattern":"^[\\u00e0-\\u00ff]+\\/$"}`, []string{`"éà/"`}, []string{`"e/"`, `"/"`}},
		{`{"type":"object","properties":{}}`, []string{`{}`}, []string{`{"a":1}`}},
		{`{"type":"object","required":["a"]}`, []string{`{"a":[]}`, `{"a":1,"b":2}`}, []string{`{}`}},
		{`{"$ref":"#/$defs/a~1b%20c~0","$defs":{"a/b c~":{"const":7}}}`, []string{`7`}, []string{`8`}},
		{
			`{"definitions":{"x":{"type":"boolean"}},"properties":{"x":{"$ref":"#/definitions/x","description":"d"}}}`,
			[]string{`{"x":true}`, `{}`},
			[]string{`{"x":1}`},
		},
		{`{"oneOf":[{"const":"a","title":"A"},{"const":"b"}]}`, []string{`"a"`, `"b"`}, []string{`"c"`}},
		{`{"type":"string","pattern":"^a.c$"}`, []string{`"abc"`, `"a\"c"`, `"a漢c"`}, []string{`"a\nc"`, `"ac"`, `"\u0061bc"`}},
	} {
		g, err := grammar.Compile(jsontext.Value(c.schema))
		require.NoError(t, err, c.schema)
		m := grammar.NewMatcher(g, vocabulary(t, 0))
		r := rand.New(rand.NewPCG(1, 1))
		for _, text := range c.good {
			_, done := feed(t, m, ids, r, text)
			require.Truef(t, done, "%s under %s", text, c.schema)
		}
		for _, text := range c.bad {
			_, done := feed(t, m, ids, r, text)
			require.Falsef(t, done, "%s under %s", text, c.schema)
		}
	}
}
