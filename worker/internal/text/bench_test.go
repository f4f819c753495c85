package text_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text"
)

// prose is all of the fixtures' strings, a few times over.
func prose(tb testing.TB) string {
	tb.Helper()
	var list []string
	readFixture(tb, "strings", &list)
	return strings.Repeat(strings.Join(list, " "), 10)
}

// BenchmarkShapes is the speed of encoding by kinds of tokenizers.
func BenchmarkShapes(b *testing.B) {
	s := prose(b)
	for _, name := range fixtureNames(b) {
		tok, _ := loadFixture(b, name)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(s)))
			b.ReportAllocs()
			n := 0
			for b.Loop() {
				n += len(tok.Encode(s, text.Options{}).IDs)
			}
			b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "tokens/s")
		})
	}
}

// BenchmarkOneWord shows that a word of a megabyte costs no more than its length.
func BenchmarkOneWord(b *testing.B) {
	for _, name := range []string{"gemma", "llama2", "gpt4o", "t5"} {
		tok, _ := loadFixture(b, name)
		for what, s := range map[string]string{
			"a": strings.Repeat("a", 1<<20), "spaces": strings.Repeat(" ", 1<<20) + "x", "words": strings.Repeat("the quick ", 1<<17)[:1<<20],
		} {
			b.Run(name+"/"+what, func(b *testing.B) {
				b.SetBytes(int64(len(s)))
				for b.Loop() {
					tok.Encode(s, text.Options{})
				}
			})
		}
	}
}

// BenchmarkLoad loads a byte-level tokenizer of 150,000 tokens.
func BenchmarkLoad(b *testing.B) {
	vocab, merges := map[string]int{}, [][2]string{}
	var list []string
	add := func(token string) {
		vocab[token] = len(vocab)
		list = append(list, token)
	}
	for c := 'a'; c <= 'z'; c++ {
		add(string(c))
	}
	for i := 0; len(vocab) < 150_000; i++ {
		for c := 'a'; c <= 'z'; c++ {
			merges = append(merges, [2]string{list[i], string(c)})
			add(list[i] + string(c))
		}
	}
	model, err := json.Marshal(map[string]any{"type": "BPE", "vocab": vocab, "merges": merges})
	require.NoError(b, err)
	whole := fmt.Appendf(nil, `{"version":"1.0","pre_tokenizer":{"type":"ByteLevel","add_prefix_space":false,"trim_offsets":true},"model":%s}`, model)
	b.SetBytes(int64(len(whole)))
	b.ReportAllocs()
	for b.Loop() {
		_, err := text.Parse(whole)
		require.NoError(b, err)
	}
}

// BenchmarkStream is the cost of a token in a stream.
func BenchmarkStream(b *testing.B) {
	for _, name := range []string{"qwen2", "llama2", "xlm-r"} {
		tok, _ := loadFixture(b, name)
		ids := tok.Encode(prose(b)[:4096], text.Options{}).IDs
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			d := text.NewDecoder(tok, true)
			for i := 0; b.Loop(); i++ {
				d.Next(ids[i%len(ids)])
			}
		})
	}
}
