package text

import (
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/text/unicode/norm"
)

// normalizer rewrites a line. It appends to out, which is empty and shares nothing with in.
type normalizer interface {
	normalize(in, out *line)
}

func newNormalizer(raw jsontext.Value) (normalizer, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return nil, err
	}
	if kind != "BertNormalizer" {
		return nil, fmt.Errorf("normalizer %q is not supported", kind)
	}
	var c struct {
		Type         string `json:"type"`
		CleanText    bool   `json:"clean_text"`
		Chinese      bool   `json:"handle_chinese_chars"`
		StripAccents *bool  `json:"strip_accents"`
		Lowercase    bool   `json:"lowercase"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, fmt.Errorf("normalizer %q: %w", kind, err)
	}
	return newBert(c.CleanText, c.Chinese, c.StripAccents, c.Lowercase), nil
}

// bert is BERT's own normalizer, all of it in one pass over the runes.
type bert struct {
	clean   bool // drop control characters, make white space a space
	chinese bool // put spaces around CJK ideographs
	strip   bool // decompose and drop non-spacing marks
	lower   bool
}

// newBert makes the normalizer; accents are stripped where lowercase is asked for, unless stripAccents says.
func newBert(clean, chinese bool, stripAccents *bool, lower bool) *bert {
	b := &bert{clean: clean, chinese: chinese, strip: lower, lower: lower}
	if stripAccents != nil {
		b.strip = *stripAccents
	}
	return b
}

func (b *bert) normalize(in, out *line) {
	for i, r := range in.runes {
		from := in.from[i]
		if r < 0x80 {
			b.ascii(r, from, out)
			continue
		}
		if isCommon(r) {
			if b.chinese {
				out.add(' ', from)
				out.add(r, from)
				out.add(' ', from)
			} else {
				out.add(r, from)
			}
			continue
		}
		if b.clean {
			if r == unicode.ReplacementChar || isControl(r) {
				continue
			}
			if unicode.IsSpace(r) {
				r = ' '
			}
		}
		if b.chinese && isIdeograph(r) {
			out.add(' ', from)
			b.accents(r, from, out)
			out.add(' ', from)
			continue
		}
		b.accents(r, from, out)
	}
}

func (b *bert) ascii(r rune, from Span, out *line) {
	if b.clean {
		switch {
		case r == '\t' || r == '\n' || r == '\r':
			r = ' '
		case r < 0x20 || r == 0x7f:
			return
		}
	}
	if b.lower && r >= 'A' && r <= 'Z' {
		r += 'a' - 'A'
	}
	out.add(r, from)
}

// accents decomposes r canonically and drops its non-spacing marks, where asked to. The order of the marks, which
// normalization would settle, does not matter once they are gone.
func (b *bert) accents(r rune, from Span, out *line) {
	if !b.strip {
		b.lowercase(r, from, out)
		return
	}
	if r >= hangulFirst && r <= hangulLast {
		hangul(r, from, out)
		return
	}
	var buf [4]byte
	p := norm.NFD.Properties(append(buf[:0], string(r)...))
	d := p.Decomposition()
	if d == nil {
		if !unicode.Is(unicode.Mn, r) {
			b.lowercase(r, from, out)
		}
		return
	}
	for _, x := range string(d) {
		if !unicode.Is(unicode.Mn, x) {
			b.lowercase(x, from, out)
		}
	}
}

func (b *bert) lowercase(r rune, from Span, out *line) {
	switch {
	case !b.lower:
		out.add(r, from)
	case r == 'İ': // the one letter whose lower case is two
		out.add('i', from)
		out.add(0x307, from)
	default:
		out.add(unicode.ToLower(r), from)
	}
}

// Hangul syllables decompose by arithmetic, not by table.
const (
	hangulFirst, hangulLast      = 0xAC00, 0xD7A3
	leadBase, vowelBase, endBase = 0x1100, 0x1161, 0x11A7
	vowels, ends                 = 21, 28
)

func hangul(r rune, from Span, out *line) {
	n := r - hangulFirst
	out.add(leadBase+n/(vowels*ends), from)
	out.add(vowelBase+n%(vowels*ends)/ends, from)
	if end := n % ends; end != 0 {
		out.add(endBase+end, from)
	}
}

// isControl is what BERT cleans away: control, format, private use and surrogates. unicode.C would not do, as it holds
// unassigned code points too.
func isControl(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) && !unicode.IsSpace(r)
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
