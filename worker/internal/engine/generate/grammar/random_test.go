package grammar_test

import (
	"bytes"
	stdjson "encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/grammar"
)

// randomSchema puts keywords together without much sense, as combinations of hand-written schemas do.
func randomSchema(r *rand.Rand, depth int) string {
	if depth == 0 {
		return []string{`{"type":"null"}`, `true`, `{"type":"boolean"}`, `{"type":"integer","minimum":5}`, `{"const":"k"}`}[r.IntN(5)]
	}
	sub := func() string { return randomSchema(r, depth-1) }
	list := func() string {
		var parts []string
		for range 1 + r.IntN(3) {
			parts = append(parts, sub())
		}
		return "[" + strings.Join(parts, ",") + "]"
	}
	keywords := map[string]string{}
	for range 1 + r.IntN(4) {
		switch r.IntN(20) {
		case 0, 1:
			keywords["type"] = []string{`"object"`, `"array"`, `"string"`, `"number"`, `["integer","string"]`, `["array","null"]`}[r.IntN(6)]
		case 2, 3, 4:
			keywords["properties"] = fmt.Sprintf(`{"a":%s,"b":%s,"c":%s}`, sub(), sub(), sub())
		case 5:
			keywords["required"] = []string{`["a"]`, `["b","c"]`, `["d"]`}[r.IntN(3)]
		case 6, 7:
			keywords["additionalProperties"] = []string{`false`, `true`, sub()}[r.IntN(3)]
		case 8:
			keywords["items"] = sub()
		case 9:
			keywords["prefixItems"] = list()
		case 10:
			keywords["minItems"], keywords["maxItems"] = strconv.Itoa(r.IntN(3)), strconv.Itoa(2+r.IntN(3))
		case 11:
			keywords["minLength"] = strconv.Itoa(r.IntN(5))
		case 12:
			keywords["maxLength"] = strconv.Itoa(2 + r.IntN(5))
		case 13:
			keywords["pattern"] = []string{`"^[a-c]+$"`, `"z"`, `"^.{1,3}$"`, `"[^x]y?$"`}[r.IntN(4)]
		case 14:
			keywords["minimum"] = []string{"-3", "0", "1.5", "100"}[r.IntN(4)]
		case 15:
			keywords["exclusiveMaximum"] = []string{"7", "0", "1e3", "99.25"}[r.IntN(4)]
		case 16:
			keywords["anyOf"] = list()
		case 17:
			keywords["allOf"] = list()
		case 18:
			keywords["enum"] = `["a","abc",1,2.5,null,true,-3,"xyz",{"a":1},[1]]`
		case 19:
			keywords["patternProperties"] = fmt.Sprintf(`{"^[ab]":%s,"z":%s}`, sub(), sub())
		}
	}
	var parts []string
	for k, v := range keywords {
		parts = append(parts, strconv.Quote(k)+":"+v)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

// What is written under a schema put together at random meets it.
func TestRandomSchemas(t *testing.T) {
	t.Parallel()
	vocab := tokens(300)
	v := vocabulary(t, 300)
	r := rand.New(rand.NewPCG(8, 8))
	compiled := 0
	for range 250 {
		schema := randomSchema(r, 1+r.IntN(3))
		g, err := grammar.Compile(jsontext.Value(schema))
		if err != nil {
			continue
		}
		compiled++
		valid := validator(t, schema)
		m := grammar.NewMatcher(g, v)
		for range 5 {
			text := walk(t, m, vocab, r)
			require.Truef(t, stdjson.Valid(text), "%s under %s", text, schema)
			doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
			require.NoError(t, err)
			require.NoErrorf(t, valid.Validate(doc), "%s under %s", text, schema)
		}
	}
	require.Greater(t, compiled, 120)
}

// FuzzCompile: no schema makes the compiler panic or hang, and what it makes can always go on.
func FuzzCompile(f *testing.F) {
	for _, s := range schemas() {
		f.Add([]byte(s), []byte{1, 2, 3})
	}
	f.Add([]byte(typical), []byte("some choices"))
	v, err := grammar.NewVocabulary(tokens(100), []int32{0})
	require.NoError(f, err)
	f.Fuzz(func(t *testing.T, schema, choices []byte) {
		g, err := grammar.Compile(schema)
		if err != nil {
			return
		}
		s := grammar.NewMatcher(g, v).Start()
		for _, c := range choices {
			mask, err := s.Mask()
			require.NoError(t, err)
			id := mask.Next(int32(c))
			if id < 0 {
				id = mask.Next(0)
			}
			require.NoError(t, s.Accept(id))
		}
	})
}

// FuzzWalk: whatever tokens a model prefers, the mask never runs dry, Accept agrees with it, and a complete text is JSON.
func FuzzWalk(f *testing.F) {
	vocab := tokens(400)
	v, err := grammar.NewVocabulary(vocab, []int32{0})
	require.NoError(f, err)
	var matchers []*grammar.Matcher
	for _, name := range []string{"any object", "person", "tree", "anyOf", "lengths", "patterns", "numbers", "formats"} {
		g, err := grammar.Compile(jsontext.Value(schemas()[name]))
		require.NoError(f, err)
		matchers = append(matchers, grammar.NewMatcher(g, v))
		f.Add(byte(len(matchers)), []byte("a walk of no great length \x00\x10\xff"))
	}
	f.Fuzz(func(t *testing.T, which byte, choices []byte) {
		s := matchers[int(which)%len(matchers)].Start()
		var text []byte
		for i := 0; i+1 < len(choices); i += 2 {
			mask, err := s.Mask()
			require.NoError(t, err)
			id := int32(choices[i])<<8 | int32(choices[i+1])
			id %= int32(len(vocab))
			if !mask.Has(id) {
				require.Error(t, s.Accept(id))
				if id = mask.Next(id); id < 0 {
					id = mask.Next(0)
				}
			}
			require.NoError(t, s.Accept(id))
			if id == 0 {
				break
			}
			text = append(text, vocab[id]...)
		}
		if s.Done() {
			require.Truef(t, stdjson.Valid(text), "%q", text)
		}
	})
}
