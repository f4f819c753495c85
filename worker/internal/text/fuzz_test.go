package text_test

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/penstock-dev/penstock/worker/internal/text"
)

// small makes a fixture's tokenizer small enough to be a seed: its stages with next to no vocabulary.
func small(tb testing.TB, name string) []byte {
	tb.Helper()
	var f fixture
	readFixture(tb, name, &f)
	var whole map[string]any
	if err := json.Unmarshal(f.Tokenizer, &whole); err != nil {
		tb.Fatal(err)
	}
	model, _ := whole["model"].(map[string]any)
	switch v := model["vocab"].(type) {
	case []any:
		model["vocab"] = v[:min(len(v), 12)]
	case map[string]any:
		short := map[string]any{}
		for token, id := range v {
			if n, _ := id.(float64); n < 12 {
				short[token] = id
			}
		}
		model["vocab"] = short
	}
	if _, ok := model["merges"]; ok {
		model["merges"] = []any{}
	}
	b, err := json.Marshal(whole)
	if err != nil {
		tb.Fatal(err)
	}
	return b
}

// FuzzParse loads what may be no tokenizer at all, and uses what can be loaded.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"gpt2", "llama3", "deepseek3", "llama2", "gemma", "t5-old", "bert-chinese", "electra-japanese", "word-level-pieces", "bpe-prefixed"} {
		f.Add(small(f, name), "héllo  wörld 中文\n")
	}
	f.Add([]byte(`{"model":{"type":"BPE","vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]}}`), "abab")
	f.Fuzz(func(t *testing.T, b []byte, s string) {
		if len(b) > 1<<16 || len(s) > 1<<10 {
			return
		}
		tok, err := text.Parse(b)
		if err != nil {
			return
		}
		for _, o := range []text.Options{{}, {Bare: true, Literal: true}, {Plain: []text.Range{{Start: 1, End: 3}}}} {
			check(t, tok, s, tok.Encode(s, o))
		}
		tok.EncodePair(s, s, text.Options{})
	})
}

// check holds an encoding against what is true of all.
func check(t *testing.T, tok *text.Tokenizer, s string, e text.Encoding) {
	t.Helper()
	if len(e.IDs) != len(e.Spans) || e.Types != nil && len(e.Types) != len(e.IDs) {
		t.Fatalf("%d ids, %d spans, %d types", len(e.IDs), len(e.Spans), len(e.Types))
	}
	n := int32(utf8.RuneCountInString(s))
	for i, sp := range e.Spans {
		if sp.Start < 0 || sp.End < sp.Start || sp.End > n {
			t.Fatalf("span %d is %v, of %d", i, sp, n)
		}
		if int(e.IDs[i]) < tok.VocabSize() {
			tok.Token(e.IDs[i])
			tok.TokenBytes(e.IDs[i])
		}
	}
	checkStream(t, tok, e.IDs)
}

// checkStream decodes ids at once and one by one: both give the same, and no part ends within a character.
func checkStream(t *testing.T, tok *text.Tokenizer, ids []int32) {
	t.Helper()
	for _, skip := range []bool{false, true} {
		want := tok.Decode(ids, skip)
		if !utf8.ValidString(want) {
			t.Fatalf("%q is not UTF-8", want)
		}
		d := text.NewDecoder(tok, skip)
		var got strings.Builder
		for _, id := range ids {
			s := d.Next(id)
			if !utf8.ValidString(s) {
				t.Fatalf("%q is not UTF-8", s)
			}
			got.WriteString(s)
		}
		got.WriteString(d.Flush())
		if got.String() != want {
			t.Fatalf("%q in a stream, %q at once", got.String(), want)
		}
	}
}

// fixtureTokenizers are those of all fixtures.
func fixtureTokenizers(tb testing.TB) (list []*text.Tokenizer) {
	tb.Helper()
	for _, name := range fixtureNames(tb) {
		tok, _ := loadFixture(tb, name)
		list = append(list, tok)
	}
	return list
}

// FuzzShapes encodes with one of the fixtures' tokenizers.
func FuzzShapes(f *testing.F) {
	list := fixtureTokenizers(f)
	for i := range list {
		f.Add(uint8(i), "héllo  <s>wörld</s> 中文\n\n 한글 e\u0323\u0301 \U0001d15e 12345", false)
	}
	f.Fuzz(func(t *testing.T, which uint8, s string, literal bool) {
		tok := list[int(which)%len(list)]
		check(t, tok, s, tok.Encode(s, text.Options{Literal: literal}))
	})
}

// FuzzDecode decodes ids that no text has.
func FuzzDecode(f *testing.F) {
	list := fixtureTokenizers(f)
	for i := range list {
		f.Add(uint8(i), []byte("\x00\x01\x30\x02\x9f\x01\xff\xff\x01\x80\x03\x20"))
	}
	f.Fuzz(func(t *testing.T, which uint8, b []byte) {
		if len(b) > 1<<12 {
			return
		}
		var ids []int32
		for ; len(b) > 1; b = b[2:] {
			ids = append(ids, int32(b[0])<<8&0x7FF|int32(b[1]))
		}
		checkStream(t, list[int(which)%len(list)], ids)
	})
}
