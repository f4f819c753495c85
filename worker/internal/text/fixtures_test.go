package text_test

import (
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text"
)

// sample is what the reference made of a string.
type sample struct {
	IDs     []int32 `json:"ids"`
	Offsets []int32 `json:"offsets"`
	Types   []int32 `json:"types"`
	Decoded string  `json:"decoded"`
	Skipped string  `json:"skipped"`
}

// fixture is a tokenizer, and what the reference made of the fixtures' strings with it.
type fixture struct {
	Tokenizer json.RawMessage `json:"tokenizer"`
	Cases     []sample        `json:"cases"`
	Pairs     []sample        `json:"pairs"`
	Bare      [][]int32       `json:"bare"`
}

func readFixture(tb testing.TB, name string, into any) {
	tb.Helper()
	f, err := os.Open(filepath.Join("testdata", "fixtures", name+".json.gz"))
	require.NoError(tb, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(tb, err)
	b, err := io.ReadAll(z)
	require.NoError(tb, err)
	require.NoError(tb, json.Unmarshal(b, into))
}

func loadFixture(tb testing.TB, name string) (*text.Tokenizer, fixture) {
	tb.Helper()
	var f fixture
	readFixture(tb, name, &f)
	tok, err := text.Parse(f.Tokenizer)
	require.NoError(tb, err)
	return tok, f
}

func fixtureNames(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", "fixtures", "*.json.gz"))
	require.NoError(tb, err)
	var names []string
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".json.gz"); name != "strings" {
			names = append(names, name)
		}
	}
	require.Greater(tb, len(names), 30)
	return names
}

func flat(spans []text.Span) []int32 {
	out := make([]int32, 0, 2*len(spans))
	for _, s := range spans {
		out = append(out, s.Start, s.End)
	}
	return out
}

// TestFixtures holds every shape of tokenizer against what the reference implementation made of the same strings.
func TestFixtures(t *testing.T) {
	t.Parallel()
	var list []string
	readFixture(t, "strings", &list)
	for _, name := range fixtureNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tok, f := loadFixture(t, name)
			for i, c := range f.Cases {
				e := tok.Encode(list[i], text.Options{})
				assert.Equal(t, c.IDs, e.IDs, "%q", list[i])
				assert.Equal(t, c.Offsets, flat(e.Spans), "%q", list[i])
				assert.Equal(t, c.Decoded, tok.Decode(c.IDs, false), "%q", list[i])
				assert.Equal(t, c.Skipped, tok.Decode(c.IDs, true), "%q", list[i])
				assert.Equal(t, c.Decoded, stream(tok, c.IDs, false), "%q", list[i])
			}
			for i, c := range f.Pairs {
				e := tok.EncodePair(list[i], list[40+i], text.Options{})
				if e.Types == nil {
					e.Types = make([]int32, len(e.IDs))
				}
				assert.Equal(t, c.IDs, e.IDs, "%q", list[i])
				assert.Equal(t, c.Offsets, flat(e.Spans), "%q", list[i])
				assert.Equal(t, c.Types, e.Types, "%q", list[i])
			}
			for i, ids := range f.Bare {
				assert.Equal(t, ids, tok.Encode(list[i], text.Options{Bare: true}).IDs, "%q", list[i])
			}
		})
	}
}

// stream decodes ids one by one.
func stream(tok *text.Tokenizer, ids []int32, skip bool) string {
	d := text.NewDecoder(tok, skip)
	var b strings.Builder
	for _, id := range ids {
		b.WriteString(d.Next(id))
	}
	b.WriteString(d.Flush())
	return b.String()
}
