package grammar_test

import (
	"math/rand/v2"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/grammar"
)

// typical is a schema of the size that callers send.
const typical = `{"type":"object","properties":{
	"name":{"type":"string","maxLength":80},
	"email":{"type":"string","format":"email"},
	"age":{"type":"integer","minimum":0,"maximum":150},
	"score":{"type":"number","minimum":0,"maximum":1},
	"status":{"enum":["new","open","closed","rejected"]},
	"born":{"type":"string","format":"date"},
	"tags":{"type":"array","items":{"type":"string"},"maxItems":8},
	"address":{"type":"object","properties":{"street":{"type":"string"},"city":{"type":"string"},
		"zip":{"type":"string","pattern":"^[0-9]{5}$"}},"required":["street","city"],"additionalProperties":false},
	"items":{"type":"array","items":{"type":"object","properties":{"sku":{"type":"string"},"count":{"type":"integer"},
		"note":{"type":["string","null"]}},"required":["sku","count"],"additionalProperties":false}}},
	"required":["name","age","status","address","items"],"additionalProperties":false}`

// realistic makes a vocabulary shaped like a byte-level BPE's: words with and without a space before them, pieces of
// punctuation, runs of spaces, characters of three bytes.
func realistic(n int) [][]byte {
	r := rand.New(rand.NewPCG(2, uint64(n)))
	out := [][]byte{nil, nil}
	for b := range 256 {
		out = append(out, []byte{byte(b)})
	}
	marks := []string{`"`, `":`, `",`, `"}`, `"]`, `":"`, `{"`, `."`, `,"`, `)`, `),`, `}`, `},`, `]`, `],`, ` "`, ` {`, `: `, `\`, `\n`, `'`, `/`}
	syllables := []string{"an", "er", "in", "on", "st", "re", "th", "al", "ing", "ed", "pro", "con", "ver", "mo", "li", "ta", "us"}
	for len(out) < n {
		var t strings.Builder
		switch k := r.IntN(20); {
		case k < 12:
			if r.IntN(2) == 0 {
				t.WriteByte(' ')
			}
			for range 1 + r.IntN(4) {
				t.WriteString(syllables[r.IntN(len(syllables))])
			}
			t.WriteByte(byte('a' + r.IntN(26)))
		case k < 17:
			for range 1 + r.IntN(3) {
				t.WriteRune(rune(0x4e00 + r.IntN(5000)))
			}
		case k < 18:
			t.WriteString(strconv.Itoa(r.IntN(1000)))
		default:
			for range 1 + r.IntN(4) {
				t.WriteString(marks[r.IntN(len(marks))])
			}
		}
		out = append(out, []byte(t.String()))
	}
	return out
}

// document meets typical, as a model would write it.
const document = `{"name": "Ada Lovelace", "email": "ada@example.org", "age": 36, "score": 0.97, "status": "open",` +
	` "born": "1815-12-10", "tags": ["first", "analytical engine", "数学"], "address": {"street": "St James's Square 12",` +
	` "city": "London", "zip": "12345"}, "items": [{"sku": "A-1", "count": 3, "note": "with \"quotes\" and 漢字"},` +
	` {"sku": "B-22", "count": 10, "note": null}, {"sku": "C-333", "count": 7}]}`

// cut takes the longest token each time.
func cut(vocab [][]byte, text string) []int32 {
	ids := index(vocab)
	var out []int32
	for i := 0; i < len(text); {
		n := min(16, len(text)-i)
		for n > 1 {
			if _, ok := ids[text[i:i+n]]; ok {
				break
			}
			n--
		}
		out = append(out, ids[text[i:i+n]])
		i += n
	}
	return append(out, 0)
}

func BenchmarkCompile(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, err := grammar.Compile(jsontext.Value(typical))
		require.NoError(b, err)
	}
}

func BenchmarkVocabulary(b *testing.B) {
	vocab := realistic(152_000)
	for b.Loop() {
		_, err := grammar.NewVocabulary(vocab, []int32{0})
		require.NoError(b, err)
	}
}

// BenchmarkMask writes one document. cold: with a new schema over a vocabulary that has served others; warm: a schema
// that has served before. One operation is one document; the metrics are for one token.
func BenchmarkMask(b *testing.B) {
	for _, size := range []int{1_000, 32_000, 152_000} {
		vocab := realistic(size)
		ids := cut(vocab, document)
		v, err := grammar.NewVocabulary(vocab, []int32{0})
		require.NoError(b, err)
		for _, kind := range []string{"cold", "warm"} {
			b.Run(strconv.Itoa(size)+"/"+kind, func(b *testing.B) {
				g, err := grammar.Compile(jsontext.Value(typical))
				require.NoError(b, err)
				write(b, grammar.NewMatcher(g, v), ids, nil) // what the vocabulary remembers for every schema
				before := heap()
				m := grammar.NewMatcher(g, v)
				costs := write(b, m, ids, nil)
				memory := heap() - before
				for b.Loop() {
					if kind == "cold" {
						m = grammar.NewMatcher(g, v)
					}
					costs = write(b, m, ids, costs[:0])
				}
				b.ReportMetric(float64(memory)/(1<<20), "MiB")
				report(b, costs)
				runtime.KeepAlive(m)
			})
		}
	}
}

func heap() int64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return int64(s.HeapAlloc)
}

func write(b *testing.B, m *grammar.Matcher, ids []int32, costs []time.Duration) []time.Duration {
	b.Helper()
	s := m.Start()
	for _, id := range ids {
		from := time.Now()
		mask, err := s.Mask()
		if err != nil || !mask.Has(id) {
			b.Fatal("the document is not allowed")
		}
		if err = s.Accept(id); err != nil {
			b.Fatal(err)
		}
		costs = append(costs, time.Since(from))
	}
	return costs
}

// report gives the median, the mean and the worst cost of one token of the last document.
func report(b *testing.B, costs []time.Duration) {
	b.Helper()
	slices.Sort(costs)
	var sum time.Duration
	for _, c := range costs {
		sum += c
	}
	us := func(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
	b.ReportMetric(us(costs[len(costs)/2]), "median-µs/token")
	b.ReportMetric(us(sum)/float64(len(costs)), "mean-µs/token")
	b.ReportMetric(us(costs[len(costs)-1]), "worst-µs/token")
}
