package text

import (
	"errors"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// bert is BERT's own normalizer.
type bert struct {
	clean   bool // drop control characters, make white space a space
	chinese bool // put spaces around CJK ideographs
	strip   bool // decompose and drop non-spacing marks
	lower   bool
}

func newBertFrom(raw jsontext.Value) (*bert, error) {
	var c struct {
		Type         string `json:"type"`
		CleanText    *bool  `json:"clean_text"`
		Chinese      *bool  `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"`
		Lowercase    *bool  `json:"lowercase"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.CleanText == nil || c.Chinese == nil || c.Lowercase == nil {
		return nil, errors.New("clean_text, handle_chinese_chars or lowercase is missing")
	}
	return newBert(*c.CleanText, *c.Chinese, c.StripAccents, *c.Lowercase), nil
}

// newBert makes the normalizer; accents are stripped where lowercase is asked for, unless stripAccents says.
func newBert(clean, chinese bool, stripAccents *bool, lower bool) *bert {
	b := &bert{clean: clean, chinese: chinese, strip: lower, lower: lower}
	if stripAccents != nil {
		b.strip = *stripAccents
	}
	return b
}

// normalize is one pass over the runes, but for text that must be decomposed as a whole.
func (b *bert) normalize(in, out *line) {
	if !b.strip || plainEnough(in.runes) {
		b.before(in, out, b.lower)
		return
	}
	var cleaned, decomposed line
	cleaned.shift = in.shift
	b.before(in, &cleaned, false)
	form{}.normalize(&cleaned, &decomposed)
	marks, tables := ucd.Of(ucd.OldNonspacing), ucd.Tables()
	for i, r := range decomposed.runes {
		if r >= 0x300 && marks.Has(r) {
			continue
		}
		b.add(r, decomposed.from[i], out, tables)
	}
}

// plainEnough tells text that neither decomposes nor holds marks.
func plainEnough(text []rune) bool {
	for _, r := range text {
		if r >= 0xC0 && !isCommon(r) && (r < 0x2010 || r > 0x2027) && (r < 0x3001 || r > 0x3029) && (r < 0xFF01 || r > 0xFF5E) {
			return false
		}
	}
	return true
}

func (b *bert) add(r rune, from Span, out *line, tables *ucd.Norm) {
	if !b.lower {
		out.add(r, from)
		return
	}
	first, second := tables.ToLower(r)
	out.add(first, from)
	if second != 0 {
		out.add(second, from)
	}
}

// before does what comes before the decomposition, and lower case where there is none.
func (b *bert) before(in, out *line, lower bool) {
	other, tables := ucd.Of(ucd.OldOther), ucd.Tables()
	for i, r := range in.runes {
		from := in.from[i]
		if b.clean && !isCommon(r) {
			switch {
			case unicode.IsSpace(r) && (r < 0x80 && r != '\v' && r != '\f' || r > 0x85):
				r = ' '
			case r == 0, r == unicode.ReplacementChar, other.Has(r):
				continue
			}
		}
		ideograph := b.chinese && isIdeograph(r)
		if ideograph {
			out.add(' ', from)
		}
		if lower {
			b.add(r, from, out, tables)
		} else {
			out.add(r, from)
		}
		if ideograph {
			out.add(' ', from)
		}
	}
}

// isCommon tells the block of most Chinese text, in which nothing is white space, punctuation, a control character, a
// letter with a case or composed of others.
func isCommon(r rune) bool { return r >= 0x4E00 && r <= 0x9FFF }

// isIdeograph tells the blocks that BERT takes for Chinese; kana and Hangul are not among them.
func isIdeograph(r rune) bool {
	switch {
	case r >= 0x4E00 && r <= 0x9FFF, r >= 0x3400 && r <= 0x4DBF, r >= 0xF900 && r <= 0xFAFF:
		return true
	case r < 0x20000:
		return false
	}
	return r <= 0x2A6DF || r >= 0x2A700 && r <= 0x2B73F || r >= 0x2B740 && r <= 0x2B81F ||
		r >= 0x2B920 && r <= 0x2CEAF || r >= 0x2F800 && r <= 0x2FA1F
}
