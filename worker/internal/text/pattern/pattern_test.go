package pattern

import (
	"compress/gzip"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func find(re *Regexp, s string) []int {
	found := []int{}
	re.All([]rune(s), func(a, b int) {
		if a < b {
			found = append(found, a, b)
		}
	})
	return found
}

// TestAsOniguruma holds random patterns against what the reference's engine found with them, with plain backtracking and
// with states remembered. Few of them may be refused.
func TestAsOniguruma(t *testing.T) {
	t.Parallel()
	f, err := os.Open("testdata/matches.json.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	var list []struct {
		Pattern string   `json:"pattern"`
		Texts   []string `json:"texts"`
		Matches [][]int  `json:"matches"`
	}
	require.NoError(t, json.NewDecoder(z).Decode(&list))
	require.Greater(t, len(list), 1000)
	refused := 0
	for _, x := range list {
		re, err := Compile(x.Pattern)
		if err != nil {
			require.ErrorContains(t, err, "not supported", x.Pattern)
			refused++
			continue
		}
		for i, s := range x.Texts {
			assert.Equal(t, x.Matches[i], find(re, s), "%q in %q", x.Pattern, s)
			careful := *re
			careful.always = true
			assert.Equal(t, x.Matches[i], find(&careful, s), "%q in %q, remembering", x.Pattern, s)
		}
	}
	assert.Less(t, refused, len(list)/10)
}

func TestWhatIsNotTakenIsNamed(t *testing.T) {
	t.Parallel()
	for source, says := range map[string]string{
		"(a":                     "(",
		"a)":                     ")",
		"[a":                     "[",
		`(a)\1`:                  `\1`,
		`\k<n>`:                  `\k`,
		`\R`:                     `\R`,
		`\X`:                     `\X`,
		`\p{Nonsense}`:           "Nonsense",
		"(?<=a+)":                "behind",
		"(a*)*":                  "nothing",
		"(?i:ss)":                "ss",
		"(?i:[ß])":               "ß",
		"*a":                     "*",
		"a{5000}":                "5000",
		"(?~a)":                  "(?~",
		"[[:nonsense:]]":         "nonsense",
		strings.Repeat("(", 200): "nested",
		"(((a{1000}){1000}){9})": "large",
		`a\`:                     "backslash",
		"\xff":                   "UTF-8",
	} {
		_, err := Compile(source)
		require.ErrorContains(t, err, says, source)
	}
}

// TestTimeIsLinear would not end if it were not.
func TestTimeIsLinear(t *testing.T) {
	t.Parallel()
	text := strings.Repeat("a", 1<<16)
	for _, source := range []string{
		`(?:a+)+$b`, `a+b|c`, `(?:a|a)*b`, `(?=a*b)a`, `a++b`, `(?>a+)b`, `\d{1,3}(?=(?:a{3})*\b)|a(?=(?:aaa)*b)`,
	} {
		re, err := Compile(source)
		require.NoError(t, err)
		assert.Empty(t, find(re, text), source)
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		`'s| ?\p{L}+|\s+(?!\S)`, `(?i:[a-c&&[^b]]++|x{1,3}?)`, `[[:^alpha:]\d-]`, `(?<n>a|b)(?<!c)\b`, `\x{4e2d}\u4e2d`, `(?x: a # b`,
	} {
		f.Add(s, "a'b c 中")
	}
	f.Fuzz(func(t *testing.T, source, s string) {
		re, err := Compile(source)
		if err != nil {
			return
		}
		careful := *re
		careful.always = true
		runes := []rune(s)
		if len(runes) > 1000 {
			return
		}
		last := 0
		re.All(runes, func(a, b int) {
			if a < last || b < a || b > len(runes) {
				t.Fatalf("match %d-%d after %d of %d", a, b, last, len(runes))
			}
			last = b
		})
		if a, b := find(re, s), find(&careful, s); len(a) != len(b) {
			t.Fatalf("%v, remembering %v", a, b)
		}
	})
}

func BenchmarkGPT4(b *testing.B) {
	re, err := Compile(`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`)
	require.NoError(b, err)
	text := []rune(strings.Repeat("It's a fine day: 12,345 birds sing.\n  古老的桥，河水很清。", 100))
	b.SetBytes(int64(len(string(text))))
	for b.Loop() {
		re.All(text, func(int, int) {})
	}
}
