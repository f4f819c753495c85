package ucd_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

func TestSets(t *testing.T) {
	t.Parallel()
	categories := strings.Fields(ucd.Categories)
	of := func(r rune) string { return categories[ucd.Of(ucd.Category).Value(r)-1] }
	for r, want := range map[rune]string{'a': "Ll", 'A': "Lu", '1': "Nd", ' ': "Zs", '中': "Lo", '😀': "So", '\n': "Cc", 0x301: "Mn", 0xE000: "Co"} {
		assert.Equal(t, want, of(r), "%q", r)
	}
	assert.Zero(t, ucd.Of(ucd.Category).Value(0x378))
	assert.Zero(t, ucd.Of(ucd.Category).Value(-1))
	assert.Zero(t, ucd.Of(ucd.Category).Value(0x110000))
	assert.True(t, ucd.Of(ucd.OldPunct).Has('。'))
	assert.False(t, ucd.Of(ucd.OldPunct).Has('中'))
	assert.Equal(t, "Han", strings.Fields(ucd.Scripts)[ucd.Of(ucd.Script).Value('中')-1])
	assert.Panics(t, func() { ucd.Of("nonsense") })
}

// TestRangesAndSetsAgree holds each set against its own ranges, at their edges.
func TestRangesAndSetsAgree(t *testing.T) {
	t.Parallel()
	for _, name := range []string{
		ucd.Category, ucd.Word, ucd.Alpha, ucd.Upper, ucd.Lower, ucd.Punct, ucd.Graph, ucd.Print, ucd.Emoji, ucd.Pictographic,
		ucd.Script, ucd.PieceScript, ucd.Numeric, ucd.RustWord, ucd.OldPunct, ucd.OldOther, ucd.OldNonspacing,
		ucd.CombiningMark, ucd.Grapheme, ucd.Linker, ucd.ConjunctMark,
	} {
		ranges := ucd.Ranges(name)
		require.NotEmpty(t, ranges, name)
		set, end := ucd.Of(name), rune(-1)
		for _, r := range ranges {
			require.Greater(t, r.First, end, name)
			require.Equal(t, byte(r.Value), set.Value(r.First), name)
			require.Equal(t, byte(r.Value), set.Value(r.Last), name)
			if r.First > end+1 {
				require.Zero(t, set.Value(r.First-1), name)
			}
			end = r.Last
		}
	}
}

func TestNormalization(t *testing.T) {
	t.Parallel()
	n := ucd.Tables()
	assert.Equal(t, []rune("e\u0301"), n.Decompose(nil, 'é', false))
	assert.Equal(t, []rune("ﬁ"), n.Decompose(nil, 'ﬁ', false))
	assert.Equal(t, []rune("fi"), n.Decompose(nil, 'ﬁ', true))
	assert.Equal(t, []rune("\u1112\u1161\u11ab"), n.Decompose(nil, '한', false))
	assert.EqualValues(t, 230, n.Class(0x301))
	for _, x := range []struct{ a, b, want rune }{{'e', 0x301, 'é'}, {0x1112, 0x1161, '하'}, {'하', 0x11AB, '한'}, {'ạ', 0x302, 'ậ'}} {
		got, ok := n.Compose(x.a, x.b)
		assert.True(t, ok)
		assert.Equal(t, x.want, got)
	}
	_, ok := n.Compose('q', 0x301)
	assert.False(t, ok)
	first, second := n.ToLower('İ')
	assert.Equal(t, []rune{'i', 0x307}, []rune{first, second})
	first, second = n.ToLower(0x10D50)
	assert.Equal(t, []rune{0x10D70, 0}, []rune{first, second})
}
