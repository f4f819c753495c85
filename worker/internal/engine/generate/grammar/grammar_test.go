package grammar_test

import (
	"bytes"
	stdjson "encoding/json"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/grammar"
)

// vocabulary has every byte, eos as id 0, nil as id 1, and n made-up tokens, some of which split characters or join
// pieces of JSON.
func vocabulary(tb testing.TB, n int) *grammar.Vocabulary {
	tb.Helper()
	v, err := grammar.NewVocabulary(tokens(n), []int32{0})
	require.NoError(tb, err)
	return v
}

func tokens(n int) [][]byte {
	out := [][]byte{nil, nil}
	for b := range 256 {
		out = append(out, []byte{byte(b)})
	}
	pieces := []string{
		`{"`, `":`, `": `, `", "`, `","`, `"}`, `"]`, `},`, `{}`, `[]`, "\n", "  ", "\n  ", ` "`, `": "`, `":"`, `\"`, `\u`, `\\`,
		`true`, `false`, `null`, `12`, `-`, `0.`, `e+`, `1,`, `},{"`, `"],`, `]]`, `name`, `"name"`, `a`, `ab`, `"b`, `é`, `漢`, `字`,
		"\xe6\xbc", "\xa2\xe5", "\xf0\x9f", "\x98\x80", `😀`, `D83D\`, `uDE00`, `tr`, `ue`, `2026-`, `-12`, `T1`, `:00`, `Z"`,
	}
	r := rand.New(rand.NewPCG(1, uint64(n)))
	for len(out) < 258+n {
		var t []byte
		for range 1 + r.IntN(3) {
			if r.IntN(3) == 0 {
				for range 1 + r.IntN(6) {
					t = append(t, byte('a'+r.IntN(26)))
				}
			} else {
				t = append(t, pieces[r.IntN(len(pieces))]...)
			}
		}
		out = append(out, t)
	}
	return out
}

// schemas use every keyword that is kept to.
func schemas() map[string]string {
	return map[string]string{
		"any object": `{"type":"object"}`,
		"any":        `true`,
		"person": `{"type":"object","properties":{"name":{"type":"string","description":"who"},"age":{"type":"integer",
			"minimum":0,"maximum":130},"tags":{"type":"array","items":{"type":"string"}},"ok":{"type":"boolean"}},
			"required":["name","age"],"additionalProperties":false}`,
		"all optional":  `{"type":"object","properties":{"a":{"type":"null"},"b":{"const":1},"c":{"enum":["x","y\n",3,null,{"k":[1]}]}}}`,
		"additional":    `{"type":"object","properties":{"a":{"type":"integer"},"ab":{"type":"integer"}},"required":["ab"],"additionalProperties":{"type":"string"}}`,
		"patterns":      `{"type":"object","patternProperties":{"^x-":{"type":"integer"},"z$":{"minimum":5}},"properties":{"x-a":{"maximum":9}},"additionalProperties":false}`,
		"required free": `{"type":"object","required":["q","r"],"additionalProperties":{"type":"boolean"}}`,
		"tuple":         `{"type":"array","prefixItems":[{"type":"string","maxLength":3},{"type":"number"}],"items":{"type":"null"},"minItems":1,"maxItems":5}`,
		"old tuple":     `{"$schema":"http://json-schema.org/draft-07/schema#","type":"array","items":[{"type":"integer"},{"type":"boolean"}],"additionalItems":false,"minItems":2}`,
		"list":          `{"type":"array","items":{"type":["integer","null"]},"minItems":3,"maxItems":4}`,
		"tree":          `{"$ref":"#/$defs/node","$defs":{"node":{"type":"object","properties":{"v":{"type":"integer"},"kids":{"type":"array","items":{"$ref":"#/$defs/node"}}},"required":["v","kids"],"additionalProperties":false}}}`,
		"linked":        `{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#"},{"type":"null"}]}},"required":["next"]}`,
		"anyOf":         `{"anyOf":[{"type":"object","properties":{"kind":{"const":"a"},"x":{"type":"number"}},"required":["kind","x"]},{"type":"object","properties":{"kind":{"const":"b"}},"required":["kind"]},{"type":"string"}]}`,
		"allOf":         `{"allOf":[{"type":"object","properties":{"a":{"type":"integer","minimum":3}},"required":["a"]},{"properties":{"a":{"maximum":20},"b":{"type":"string"}},"required":["b"]}]}`,
		"distributed":   `{"type":"object","properties":{"a":{"type":"integer"}},"anyOf":[{"required":["a"]},{"properties":{"b":{"type":"null"}},"required":["b"]}]}`,
		"lengths":       `{"type":"array","items":{"type":"string","minLength":2,"maxLength":4},"minItems":1,"maxItems":3}`,
		"long":          `{"type":"string","minLength":30}`,
		"pattern":       `{"type":"string","pattern":"^[a-z]{2,5}(-\\d+)?$"}`,
		"pattern loose": `{"type":"string","pattern":"\"x|y$","maxLength":12}`,
		"unicode":       `{"type":"string","pattern":"^[à-中😀]{1,4}.$"}`,
		"formats": `{"type":"array","prefixItems":[{"format":"date"},{"format":"time"},{"format":"date-time"},{"format":"uuid"},
			{"format":"email"},{"format":"ipv4"},{"format":"ipv6"},{"format":"hostname"},{"format":"uri"},{"format":"duration"}],
			"minItems":10,"maxItems":10}`,
		"integers": `{"type":"array","items":{"type":"integer","minimum":-17,"exclusiveMaximum":1205},"minItems":2,"maxItems":9}`,
		"numbers":  `{"type":"array","items":{"type":"number","exclusiveMinimum":-0.25,"maximum":12.375},"minItems":2,"maxItems":9}`,
		"negative": `{"type":"array","items":{"type":"number","minimum":-10.5,"exclusiveMaximum":0},"minItems":2,"maxItems":9}`,
		"above":    `{"type":"array","items":{"minimum":1e3,"type":"number"},"minItems":1,"maxItems":9}`,
		"number":   `{"type":"number"}`,
		"mixed":    `{"type":["string","null","boolean","integer"]}`,
		"enum cut": `{"type":"string","enum":["a","bb","ccc",7],"minLength":2}`,
		"keys":     `{"type":"object","properties":{"quo\"te":{"type":"null"},"Ünï\n":{"type":"null"},"":{"type":"null"}},"required":["quo\"te","Ünï\n",""]}`,
		"pruned":   `{"type":"object","properties":{"a":{"type":"null"},"b":false,"c":{"$ref":"#/$defs/endless"}},"required":["a"],"$defs":{"endless":{"type":"object","properties":{"x":{"$ref":"#/$defs/endless"}},"required":["x"]}}}`,
	}
}

func validator(tb testing.TB, schema string) *jsonschema.Schema {
	tb.Helper()
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(tb, err)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	require.NoError(tb, c.AddResource("schema.json", doc))
	s, err := c.Compile("schema.json")
	require.NoError(tb, err)
	return s
}

// walk takes random allowed tokens until the text ends. After some tokens it prefers to end and to close, as a budget
// would make it.
func walk(t *testing.T, m *grammar.Matcher, vocab [][]byte, r *rand.Rand) []byte {
	t.Helper()
	s := m.Start()
	var text []byte
	for n := 0; ; n++ {
		require.Lessf(t, n, 20_000, "it does not end: %.300s", text)
		mask, err := s.Mask()
		require.NoErrorf(t, err, "after %s", text)
		if r.IntN(50) == 0 {
			s = s.Clone()
		}
		require.Equal(t, s.Done(), mask.Has(0))
		id := choose(r, func(id int32) bool { return mask.Has(id) }, mask.Next, len(vocab), n)
		require.NoErrorf(t, s.Accept(id), "after %s", text)
		if id == 0 {
			require.True(t, s.Done())
			return text
		}
		text = append(text, vocab[id]...)
	}
}

func choose(r *rand.Rand, has func(int32) bool, next func(int32) int32, size, n int) int32 {
	if n > 60 || r.IntN(4) == 0 {
		ends := []int32{0, 2 + '"', 2 + 'z', 2 + '}', 2 + ']', 2 + ',', 2 + ':'}
		for _, id := range ends[:7-r.IntN(2)] {
			if has(id) && r.IntN(3) > 0 {
				return id
			}
		}
	}
	if id := next(int32(r.IntN(size))); id >= 0 {
		return id
	}
	return next(0)
}

// What a random walk under the mask writes is JSON and meets the schema.
func TestWalksAreValid(t *testing.T) {
	t.Parallel()
	vocab := tokens(1500)
	v := vocabulary(t, 1500)
	for name, schema := range schemas() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g, err := grammar.Compile(jsontext.Value(schema))
			require.NoError(t, err)
			valid := validator(t, schema)
			m := grammar.NewMatcher(g, v)
			r := rand.New(rand.NewPCG(9, uint64(len(schema))))
			for range 40 {
				text := walk(t, m, vocab, r)
				require.Truef(t, stdjson.Valid(text), "%s", text)
				doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
				require.NoErrorf(t, err, "%s", text)
				require.NoErrorf(t, valid.Validate(doc), "%s", text)
			}
		})
	}
}

// feed runs a text through a matcher, cut into tokens at random, and tells how far it came.
func feed(t *testing.T, m *grammar.Matcher, ids map[string]int32, r *rand.Rand, text string) (int, bool) {
	t.Helper()
	s := m.Start()
	for i := 0; i < len(text); {
		n := 1
		for k := min(12, len(text)-i); k > 1; k-- {
			if _, ok := ids[text[i:i+k]]; ok && r.IntN(2) == 0 {
				n = k
				break
			}
		}
		id := ids[text[i:i+n]]
		mask, err := s.Mask()
		require.NoError(t, err)
		err = s.Accept(id)
		require.Equalf(t, err == nil, mask.Has(id), "mask and accept of %q after %q", text[i:i+n], text[:i])
		if err != nil {
			return i, false
		}
		i += n
	}
	return len(text), s.Done()
}

func index(vocab [][]byte) map[string]int32 {
	ids := map[string]int32{}
	for id, t := range vocab {
		if t != nil {
			ids[string(t)] = int32(id)
		}
	}
	return ids
}

// Documents that meet the schema are accepted however they are cut, and those that do not are not.
func TestDocuments(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		good, bad []string
	}{
		{
			"any object",
			[]string{`{}`, `{"a":{"b":[1,2.5e-7,{"c":"\u00e9\ud83d\ude00漢"}]},"d":null}`, "{\n  \"a\": [\n    true\n  ]\n}", `{ "a": 1 }`},
			[]string{`[]`, `{"a"}`, `{"a":1,}`, `{"a":01}`, `{"a":"\x"}`, `{"a":"\ud83d"}`, `{"a":"\ude00"}`, "{\"a\":\"\xff\"}", `{   }`, `{"a":1}}`, "{\"a\":\"\n\"}", "{\"a\":\"\xed\xa0\x80\"}"},
		},
		{"person", []string{`{"name":"a","age":0}`, `{"name": "", "age": 130, "ok": false}`, `{"name":"b","age":7,"tags":["x"]}`}, []string{`{"age":0,"name":"a"}`, `{"name":"a"}`, `{"name":"a","age":131}`, `{"name":"a","age":-1}`, `{"name":"a","age":1,"z":1}`, `{"name":"a","age":1.0}`}},
		{"additional", []string{`{"ab":1}`, `{"a":2,"ab":1,"abc":"x","b":"y"}`, `{"ab":1,"":"x"}`}, []string{`{"a":1}`, `{"ab":1,"a":"x"}`, `{"ab":1,"ab":"x"}`, `{"ab":1,"c":1}`}},
		{"patterns", []string{`{}`, `{"x-a":9}`, `{"x-b":1,"fooz":5.5,"x-z":6}`}, []string{`{"x-a":10}`, `{"x-b":"s"}`, `{"x-z":4}`, `{"b":1}`}},
		{"tuple", []string{`["abc",1.5]`, `["漢字é"]`, `["\ud83d\ude00bc",1,null,null,null]`}, []string{`[]`, `["abcd"]`, `["a",null]`, `["a",1,null,null,null,null]`}},
		{"tree", []string{`{"v":1,"kids":[{"v":2,"kids":[]},{"v":3,"kids":[{"v":4,"kids":[]}]}]}`}, []string{`{"v":1}`, `{"v":1,"kids":[1]}`}},
		{"allOf", []string{`{"a":3,"b":""}`, `{"a":20,"b":"x"}`}, []string{`{"a":2,"b":""}`, `{"a":21,"b":""}`, `{"a":3}`}},
		{"distributed", []string{`{"a":1}`, `{"b":null}`, `{"a":1,"b":null}`}, []string{`{}`}},
		{"lengths", []string{`["ab","abcd"]`, `["\u00e9\"x"]`, `["\ud83d\ude00\n"]`}, []string{`["a"]`, `["abcde"]`, `["\u00e9"]`}},
		{"pattern loose", []string{`"a\"xb"`, `"yy"`}, []string{`"yx"`, `"aaaaaaaaaaaay"`}},
		{"integers", []string{`[-17,1204]`, `[0,999]`}, []string{`[-18,1]`, `[1,1205]`, `[01,1]`, `[1]`}},
		{"numbers", []string{`[-0.249,12.375]`, `[0,12.37500]`, `[12.37499,-0.0]`}, []string{`[-0.25,1]`, `[12.3751,1]`, `[13,1]`, `[-1,1]`}},
		{"negative", []string{`[-10.5,-0.001]`, `[-9,-10.49]`}, []string{`[0,-1]`, `[-0,-1]`, `[-10.51,-1]`, `[-0.0,-1]`}},
		{"number", []string{`0`, `-1.5e10`, `123456789012345`, `1E-99`}, []string{`1e999`, `.5`, `+1`, `1.`, `1234567890123456`}},
		{"enum cut", []string{`"bb"`, `"ccc"`}, []string{`"a"`, `7`}},
		{"pruned", []string{`{"a":null}`}, []string{`{"a":null,"b":1}`, `{"a":null,"c":{}}`}},
		{"formats", []string{`["2024-02-29","23:59:59Z","2026-12-01T10:00:00.5+08:00","01234567-89ab-CDEF-0123-456789abcdef","a.b@c.org","255.0.10.1","fe80::1","a-b.example","https://example.org/x?y=1","P1DT2H"]`}, []string{`["2023-02-29"`, `["2024-13-01"`, `["2024-04-31"`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			vocab := tokens(800)
			ids := index(vocab)
			g, err := grammar.Compile(jsontext.Value(schemas()[c.name]))
			require.NoError(t, err)
			m := grammar.NewMatcher(g, vocabulary(t, 800))
			r := rand.New(rand.NewPCG(4, 4))
			for range 8 {
				for _, text := range c.good {
					n, done := feed(t, m, ids, r, text)
					require.Truef(t, done, "%s stops at %q", text, text[n:])
				}
				for _, text := range c.bad {
					_, done := feed(t, m, ids, r, text)
					require.False(t, done, text)
				}
			}
		})
	}
}

// A schema that cannot be kept to is a fault at its place.
func TestRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"items":`, 200) + `{}` + strings.Repeat(`}`, 200)
	wide := `{"allOf":[` + strings.Repeat(`{"anyOf":[{"minimum":1},{"maximum":2},{"type":"null"}]},`, 20) + `{}]}`
	var double strings.Builder
	double.WriteString(`{"$ref":"#/$defs/x00","$defs":{`)
	for i := range 40 {
		a := string(rune('0'+i/10)) + string(rune('0'+i%10))
		b := string(rune('0'+(i+1)/10)) + string(rune('0'+(i+1)%10))
		double.WriteString(`"x` + a + `":{"anyOf":[{"$ref":"#/$defs/x` + b + `"},{"$ref":"#/$defs/x` + b + `"}]},`)
	}
	double.WriteString(`"x40":{}}}`)
	for _, c := range []struct{ schema, field, want string }{
		{`{`, "", "not valid JSON"},
		{`{} {}`, "", "followed by something else"},
		{`3`, "", "object or a boolean"},
		{`{"type":"text"}`, "type", "must be one of"},
		{`{"properties":{"n":{"multipleOf":2}}}`, "properties.n.multipleOf", "multipleOf is not supported"},
		{`{"not":{}}`, "not", "not supported"},
		{`{"if":{}}`, "if", "not supported"},
		{`{"uniqueItems":true}`, "uniqueItems", "not supported"},
		{`{"items":{"pattern":"(?=a)"}}`, "items.pattern", "not understood"},
		{`{"pattern":"a\\b"}`, "pattern", "not understood"},
		{`{"pattern":"(a$)b"}`, "pattern", "ends"},
		{`{"pattern":"(.{1,500}a){1,2}"}`, "pattern", "too complex"},
		{`{"pattern":"^(a|b)*a(a|b){18}$"}`, "pattern", "too complex"},
		{`{"format":"iri"}`, "format", "not supported"},
		{`{"minimum":"1"}`, "minimum", "must be a number"},
		{`{"minimum":1e999999999}`, "minimum", "exponent"},
		{`{"minLength":-1}`, "minLength", "whole number"},
		{`{"minLength":1.5}`, "minLength", "whole number"},
		{`{"$ref":"http://example.org/x"}`, "$ref", "within the schema"},
		{`{"$ref":"#/$defs/x"}`, "$ref", "names nothing"},
		{`{"$ref":"#"}`, "", "without an end"},
		{`{"anyOf":[{"type":"null"},{"$ref":"#"}]}`, "", "without an end"},
		{`{"allOf":[{"$ref":"#/$defs/a"}],"$defs":{"a":{"allOf":[{"$ref":"#/$defs/a"}]}}}`, "$defs.a", "without an end"},
		{`{"type":"object","properties":{"a":{"$ref":"#"}},"required":["a"]}`, "", "no document"},
		{`false`, "", "no document"},
		{`{"type":"string","minLength":3,"maxLength":2}`, "", "no document"},
		{`{"type":"string","enum":[1,2]}`, "", "no document"},
		{`{"type":"integer","minimum":3,"maximum":2}`, "", "no document"},
		{`{"type":"string","pattern":"^a$","minLength":2}`, "", "no document"},
		{`{"type":"array","minItems":3,"maxItems":2}`, "", "no document"},
		{`{"type":"array","minItems":1,"items":false}`, "", "no document"},
		{`{"minProperties":1,"type":"object"}`, "minProperties", "supported up to"},
		{`{"maxProperties":1,"type":"object"}`, "maxProperties", "supported where"},
		{`{"enum":[{"a":1}],"required":["a"]}`, "enum[0]", "beside other keywords"},
		{deep, "", "levels"},
		{wide, "", "more than 2000 alternatives"},
		{double.String(), "", "more than 2000 alternatives"},
		{`{"title":"` + strings.Repeat("x", 300_000) + `"}`, "", "limit is"},
		{`{"type":"string","pattern":"^x","maxLength":1000000}`, "pattern", "too complex"},
	} {
		_, err := grammar.Compile(jsontext.Value(c.schema))
		require.Errorf(t, err, "%.100s", c.schema)
		require.Equal(t, fault.InvalidInput, fault.CodeOf(err))
		require.Containsf(t, err.Error(), c.want, "%.100s", c.schema)
		if c.field != "" {
			require.Equal(t, c.field, fault.From(err).Field)
		}
	}
}

// What only tells the reader something is passed over.
func TestNotes(t *testing.T) {
	t.Parallel()
	_, err := grammar.Compile(jsontext.Value(`{"$schema":"x","$id":"y","title":"t","description":"d","default":1,"examples":[1],
		"$comment":"c","deprecated":true,"readOnly":true,"type":"integer","format":"int32","x-own":{},"uniqueItems":false}`))
	require.NoError(t, err)
}

// The end token is allowed just where the text may end, and nothing but it afterwards.
func TestEnd(t *testing.T) {
	t.Parallel()
	g, err := grammar.Compile(jsontext.Value(`{"type":"integer"}`))
	require.NoError(t, err)
	s := grammar.NewMatcher(g, vocabulary(t, 0)).Start()
	require.False(t, s.Done())
	require.ErrorContains(t, s.Accept(0), "may not end here")
	require.NoError(t, s.Accept(2+'7'))
	require.True(t, s.Done())
	other := s.Clone()
	require.NoError(t, s.Accept(0))
	require.Error(t, s.Accept(2+'7'))
	mask, err := s.Mask()
	require.NoError(t, err)
	require.Equal(t, 1, mask.Count())
	require.NoError(t, other.Accept(2+'7'))
	require.Error(t, other.Accept(1))
	require.Error(t, other.Accept(-1))
	require.Error(t, other.Accept(100_000))
}

// A vocabulary without the bytes that a grammar needs gets an error, not an empty mask.
func TestStuck(t *testing.T) {
	t.Parallel()
	g, err := grammar.Compile(jsontext.Value(`{"const":"ab"}`))
	require.NoError(t, err)
	v, err := grammar.NewVocabulary([][]byte{nil, []byte(`"a`), []byte(`c"`)}, []int32{0})
	require.NoError(t, err)
	s := grammar.NewMatcher(g, v).Start()
	require.NoError(t, s.Accept(1))
	_, err = s.Mask()
	require.ErrorIs(t, err, grammar.ErrStuck)

	_, err = grammar.NewVocabulary([][]byte{nil}, nil)
	require.Error(t, err)
	_, err = grammar.NewVocabulary([][]byte{nil}, []int32{1})
	require.Error(t, err)
}
