package text_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

const folder = "worker/models/uninlu-tiny"

// vocab is small enough to check by hand.
func vocab() []string {
	return []string{
		"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "un", "##aff", "##able", "want", "##ed", "hello", ",", "!", "中", "国",
		"a", "##a", "e", "i", "[", "]", "sep", "ᄒ", "##ᅡ", "##ᆫ",
	}
}

// bertJSON is a tokenizer.json of BERT's kind over vocab, its stages as given.
func bertJSON(normalizer, pre, post, added string) []byte {
	ids := map[string]int{}
	for i, t := range vocab() {
		ids[t] = i
	}
	v, err := json.Marshal(ids)
	if err != nil {
		panic(err)
	}
	return fmt.Appendf(nil, `{"version":"1.0","truncation":null,"padding":null,"added_tokens":[%s],"normalizer":%s,"pre_tokenizer":%s,
		"post_processor":%s,"decoder":{"type":"WordPiece","prefix":"##","cleanup":true},
		"model":{"type":"WordPiece","unk_token":"[UNK]","continuing_subword_prefix":"##","max_input_chars_per_word":20,"vocab":%s}}`,
		added, normalizer, pre, post, v)
}

const (
	bertNormalizer = `{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,"strip_accents":null,"lowercase":true}`
	bertPre        = `{"type":"BertPreTokenizer"}`
	bertPost       = `{"type":"TemplateProcessing","single":[{"SpecialToken":{"id":"[CLS]","type_id":0}},{"Sequence":{"id":"A","type_id":0}},
		{"SpecialToken":{"id":"[SEP]","type_id":0}}],"pair":[],"special_tokens":{"[CLS]":{"id":"[CLS]","ids":[2],"tokens":["[CLS]"]},
		"[SEP]":{"id":"[SEP]","ids":[3],"tokens":["[SEP]"]}}}`
	sepToken  = `{"id":3,"content":"[SEP]","single_word":false,"lstrip":false,"rstrip":false,"normalized":false,"special":true}`
	maskToken = `{"id":4,"content":"[MASK]","single_word":false,"lstrip":true,"rstrip":false,"normalized":false,"special":true}`
)

func bert(tb testing.TB) *text.Tokenizer {
	tb.Helper()
	t, err := text.Parse(bertJSON(bertNormalizer, bertPre, bertPost, sepToken+","+maskToken))
	require.NoError(tb, err)
	return t
}

// show spells an encoding out: token@start-end.
func show(e text.Encoding) string {
	var parts []string
	for i, id := range e.IDs {
		parts = append(parts, fmt.Sprintf("%s@%d-%d", vocab()[id], e.Spans[i].Start, e.Spans[i].End))
	}
	return strings.Join(parts, " ")
}

// manyA is what follows the first of 20 letters.
func manyA() string {
	var b strings.Builder
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&b, " ##a@%d-%d", i, i+1)
	}
	return b.String()
}

func TestEncode(t *testing.T) {
	t.Parallel()
	tok := bert(t)
	for in, want := range map[string]string{
		"":                      "",
		"unaffable":             "un@0-2 ##aff@2-5 ##able@5-9",
		"UNwanted, Hello!":      "[UNK]@0-8 ,@8-9 hello@10-15 !@15-16",
		"wanted":                "want@0-4 ##ed@4-6",
		"中国hello":               "中@0-1 国@1-2 hello@2-7",
		"héllo":                 "hello@0-5",
		"he\u0301llo":           "hello@0-6",
		"İ":                     "i@0-1",
		"h\u0000ello\u200b":     "hello@0-6",
		"hello\u3000\u00a0中":    "hello@0-5 中@7-8",
		"한":                     "ᄒ@0-1 ##ᅡ@0-1 ##ᆫ@0-1",
		"😀中":                    "[UNK]@0-1 中@1-2",
		"aaaaaaaaaaaaaaaaaaaa":  "a@0-1" + manyA(),
		"aaaaaaaaaaaaaaaaaaaaa": "[UNK]@0-21",
		"hello[SEP]中":           "hello@0-5 [SEP]@5-10 中@10-11",
		"a [MASK] a":            "a@0-1 [MASK]@1-8 a@9-10",
		"\xff中":                 "中@1-2",
	} {
		assert.Equal(t, want, show(tok.Encode(in, text.Options{Bare: true})), "%q", in)
	}
	assert.Equal(t, "[CLS]@0-0 中@0-1 [SEP]@0-0", show(tok.Encode("中", text.Options{})))
}

func TestLiteralTextNeverBecomesSpecialTokens(t *testing.T) {
	t.Parallel()
	tok := bert(t)
	assert.Equal(t, "[@0-1 sep@1-4 ]@4-5 中@5-6", show(tok.Encode("[SEP]中", text.Options{Bare: true, Literal: true})))

	// A tokenizer that keeps "[SEP]" in one word would find it in the vocabulary.
	spaces, err := text.Parse(bertJSON("null", `{"type":"WhitespaceSplit"}`, "null", sepToken))
	require.NoError(t, err)
	assert.Equal(t, "[SEP]@0-5", show(spaces.Encode("[SEP]", text.Options{})))
	assert.Equal(t, "[UNK]@0-5", show(spaces.Encode("[SEP]", text.Options{Literal: true})))
}

func TestOtherStages(t *testing.T) {
	t.Parallel()
	runes := `{"type":"Sequence","pretokenizers":[{"type":"WhitespaceSplit"},{"type":"Split","pattern":{"Regex":"."},"behavior":"Isolated","invert":false}]}`
	tok, err := text.Parse(bertJSON("null", runes, "null", ""))
	require.NoError(t, err)
	assert.Equal(t, "a@0-1 中@1-2 a@3-4", show(tok.Encode("a中 a", text.Options{})))

	comma := `{"type":"Split","pattern":{"String":","},"behavior":"%s","invert":false}`
	tok, err = text.Parse(bertJSON("null", fmt.Sprintf(comma, "Isolated"), "null", ""))
	require.NoError(t, err)
	assert.Equal(t, "a@0-1 ,@1-2 ,@2-3 a@3-4", show(tok.Encode("a,,a", text.Options{})))
	tok, err = text.Parse(bertJSON("null", fmt.Sprintf(comma, "Removed"), "null", ""))
	require.NoError(t, err)
	assert.Equal(t, "a@0-1 a@3-4", show(tok.Encode("a,,a", text.Options{})))

	tok, err = text.Parse(bertJSON("null", "null", `{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]}`, ""))
	require.NoError(t, err)
	assert.Equal(t, "[CLS]@0-0 hello@0-5 [SEP]@0-0", show(tok.Encode("hello", text.Options{})))

	accents := strings.Replace(bertNormalizer, `"strip_accents":null`, `"strip_accents":false`, 1)
	tok, err = text.Parse(bertJSON(accents, bertPre, "null", ""))
	require.NoError(t, err)
	assert.Equal(t, "[UNK]@0-5", show(tok.Encode("héllo", text.Options{})))

	single := `{"id":13,"content":"中","single_word":true,"lstrip":false,"rstrip":true,"normalized":true,"special":false}`
	tok, err = text.Parse(bertJSON("null", bertPre, "null", single))
	require.NoError(t, err)
	assert.Equal(t, "中@0-2 a@2-3", show(tok.Encode("中 a", text.Options{})))
}

func TestWhatIsNotSupportedIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		b    []byte
		says string
	}{
		"normalizer":     {bertJSON(`{"type":"Uppercase"}`, bertPre, bertPost, ""), "Uppercase"},
		"its settings":   {bertJSON(strings.Replace(bertNormalizer, "lowercase", "upper", 1), bertPre, bertPost, ""), "upper"},
		"pre-tokenizer":  {bertJSON(bertNormalizer, `{"type":"ByteLevel","add_prefix_space":false}`, bertPost, ""), "trim_offsets"},
		"in a sequence":  {bertJSON("null", `{"type":"Sequence","pretokenizers":[{"type":"Jieba"}]}`, bertPost, ""), "Jieba"},
		"a pattern":      {bertJSON("null", `{"type":"Split","pattern":{"Regex":"(?<=a+)b"},"behavior":"Isolated","invert":false}`, bertPost, ""), "(?<=a+)b"},
		"post-processor": {bertJSON("null", bertPre, `{"type":"RobertaProcessing"}`, ""), "RobertaProcessing"},
		"undefined":      {bertJSON("null", bertPre, strings.Replace(bertPost, `{"id":"[CLS]","type_id":0}`, `{"id":"[X]","type_id":0}`, 1), ""), "[X]"},
		"model":          {[]byte(`{"added_tokens":[],"model":{"type":"Morfessor","vocab":{}}}`), "Morfessor"},
		"no model":       {[]byte(`{"added_tokens":[]}`), "model"},
		"no unknown":     {[]byte(`{"model":{"type":"WordPiece","unk_token":"<unk>","vocab":{"a":0}}}`), "<unk>"},
		"bad id":         {[]byte(`{"model":{"type":"WordPiece","unk_token":"a","vocab":{"a":-1}}}`), "-1"},
		"not JSON":       {[]byte(`{`), "tokenizer.json"},
	} {
		_, err := text.Parse(c.b)
		require.ErrorContains(t, err, c.says, name)
	}
	_, err := text.Load(fstest.MapFS{})
	require.ErrorContains(t, err, "vocab.txt")
	_, err = text.ParseVocab([]byte("[UNK]\na\n"), nil)
	require.ErrorContains(t, err, "[CLS]")
	_, err = text.ParseVocab([]byte("[UNK]\n[CLS]\n[SEP]\n"), []byte(`{"tokenizer_class":"GPT2Tokenizer"}`))
	require.ErrorContains(t, err, "GPT2Tokenizer")
}

func TestVocabFile(t *testing.T) {
	t.Parallel()
	v := []byte(strings.Join(vocab(), "\n") + "\n")
	tok, err := text.ParseVocab(v, nil)
	require.NoError(t, err)
	want := bert(t)
	for _, s := range []string{"UNaffable héllo, 中国!", "hello[SEP]", ""} {
		assert.Equal(t, want.Encode(s, text.Options{}), tok.Encode(s, text.Options{}), s)
	}
	tok, err = text.ParseVocab(v, []byte(`{"do_lower_case":false,"unk_token":{"content":"[UNK]","__type":"AddedToken"}}`))
	require.NoError(t, err)
	assert.Equal(t, "[UNK]@0-5", show(tok.Encode("Hello", text.Options{Bare: true})))
}

// TestDemoModel holds both forms of the demo model's tokenizer against what the reference implementation gave.
func TestDemoModel(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(onnxlib.Root(t), folder)
	b, err := os.ReadFile(filepath.Join(dir, "testdata", "tokens.json"))
	require.NoError(t, err)
	var samples []struct {
		Text    string     `json:"text"`
		IDs     []int32    `json:"ids"`
		Offsets [][2]int32 `json:"offsets"`
	}
	require.NoError(t, json.Unmarshal(b, &samples))
	require.NotEmpty(t, samples)

	whole := os.DirFS(filepath.Join(dir, "1"))
	fromJSON, err := text.Load(whole)
	require.NoError(t, err)
	v, err := os.ReadFile(filepath.Join(dir, "1", text.VocabFile))
	require.NoError(t, err)
	config, err := os.ReadFile(filepath.Join(dir, "1", text.ConfigFile))
	require.NoError(t, err)
	fromVocab, err := text.Load(fstest.MapFS{text.VocabFile: {Data: v}, text.ConfigFile: {Data: config}})
	require.NoError(t, err)
	require.Equal(t, fromJSON.VocabSize(), fromVocab.VocabSize())

	for _, s := range samples {
		for _, tok := range []*text.Tokenizer{fromJSON, fromVocab} {
			e := tok.Encode(s.Text, text.Options{})
			assert.Equal(t, s.IDs, e.IDs, "%q", s.Text)
			got := make([][2]int32, len(e.Spans))
			for i, sp := range e.Spans {
				got[i] = [2]int32{sp.Start, sp.End}
			}
			assert.Equal(t, s.Offsets, got, "%q", s.Text)
		}
	}
}

func FuzzEncode(f *testing.F) {
	for _, s := range []string{"héllo 中国, [SEP]!", "a\xffb", "e\u0301\u0301", "한글", "İI", "\u0000 \u2028"} {
		f.Add(s, true)
		f.Add(s, false)
	}
	tok := bert(f)
	f.Fuzz(func(t *testing.T, s string, literal bool) {
		e := tok.Encode(s, text.Options{Literal: literal})
		if len(e.IDs) != len(e.Spans) || len(e.IDs) < 2 {
			t.Fatalf("%d ids and %d spans", len(e.IDs), len(e.Spans))
		}
		n, last := int32(utf8.RuneCountInString(s)), int32(0)
		for i, sp := range e.Spans[1 : len(e.Spans)-1] {
			if sp.Start < last || sp.End < sp.Start || sp.End > n {
				t.Fatalf("span %d is %v after %d, of %d", i, sp, last, n)
			}
			last = sp.Start
			if literal && e.IDs[i+1] > 1 && e.IDs[i+1] < 5 && e.IDs[i+1] != 2 {
				t.Fatalf("special token %d in literal text", e.IDs[i+1])
			}
		}
	})
}

// BenchmarkEncode shows the cost of usual text, and that a word of a megabyte costs no more than its length.
func BenchmarkEncode(b *testing.B) {
	tok, err := text.Load(os.DirFS(filepath.Join(onnxlib.Root(b), folder, "1")))
	require.NoError(b, err)
	for name, s := range map[string]string{
		"sentence":      "3月5日，谷爱凌在北京获得自由式滑雪金牌。",
		"long word":     strings.Repeat("a", 1<<20),
		"long text":     strings.Repeat("王伟在北京工作，", 12_500),
		"marks on mark": "e" + strings.Repeat("\u0301", 1<<19),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			for b.Loop() {
				tok.Encode(s, text.Options{Literal: true})
			}
		})
	}
}
