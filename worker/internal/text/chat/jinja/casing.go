package jinja

import (
	"strings"
	"unicode"
)

// cased changes the case of a string; which bytes are a client's is lost and all of them count as such if any is.
func (r *run) cased(s *Str, how string) *Str {
	r.grow(len(s.s))
	var b strings.Builder
	b.Grow(len(s.s))
	rs := []rune(s.s)
	prev := false
	for i, c := range rs {
		switch how {
		case "upper":
			upperRune(&b, c)
		case "lower":
			lowerRune(&b, rs, i)
		case "casefold":
			foldRune(&b, c)
		case "capitalize":
			if i == 0 {
				titleRune(&b, c)
			} else {
				lowerRune(&b, rs, i)
			}
		case "swapcase":
			if upperish(c) {
				lowerRune(&b, rs, i)
			} else {
				upperRune(&b, c)
			}
		case "title":
			if prev {
				lowerRune(&b, rs, i)
			} else {
				titleRune(&b, c)
			}
			prev = lowerish(c) || upperish(c) || unicode.IsTitle(c)
		}
	}
	return s.like(b.String())
}

// special gives the upper case of characters that become several, as Python has them.
func special(c rune) string {
	switch c {
	case 'ß':
		return "SS"
	case 'ŉ':
		return "ʼN"
	case 'ǰ':
		return "J̌"
	case 'ΐ':
		return "Ϊ́"
	case 'ΰ':
		return "Ϋ́"
	case 'և':
		return "ԵՒ"
	case 'ﬀ':
		return "FF"
	case 'ﬁ':
		return "FI"
	case 'ﬂ':
		return "FL"
	case 'ﬃ':
		return "FFI"
	case 'ﬄ':
		return "FFL"
	case 'ﬅ', 'ﬆ':
		return "ST"
	}
	return ""
}

func upperRune(b *strings.Builder, c rune) {
	if s := special(c); s != "" {
		b.WriteString(s)
		return
	}
	b.WriteRune(unicode.ToUpper(c))
}

func titleRune(b *strings.Builder, c rune) {
	if s := special(c); s != "" {
		for i, x := range s {
			if i == 0 {
				b.WriteRune(x)
				continue
			}
			b.WriteRune(unicode.ToLower(x))
		}
		return
	}
	b.WriteRune(unicode.ToTitle(c))
}

func foldRune(b *strings.Builder, c rune) {
	if s := special(c); s != "" {
		b.WriteString(strings.ToLower(s))
		return
	}
	if c == 'ς' {
		c = 'σ'
	}
	b.WriteRune(unicode.ToLower(c))
}

// lowerRune knows the two characters whose lower case depends on where they stand, or is two.
func lowerRune(b *strings.Builder, rs []rune, i int) {
	switch c := rs[i]; c {
	case 'İ':
		b.WriteString("i̇")
	case 'Σ':
		if finalSigma(rs, i) {
			b.WriteRune('ς')
		} else {
			b.WriteRune('σ')
		}
	default:
		b.WriteRune(unicode.ToLower(c))
	}
}

func finalSigma(rs []rune, i int) bool {
	cased := func(c rune) bool { return lowerish(c) || upperish(c) || unicode.IsTitle(c) }
	ignorable := func(c rune) bool {
		return unicode.In(c, unicode.Mn, unicode.Me, unicode.Cf, unicode.Lm, unicode.Sk) ||
			strings.ContainsRune("'.:·’", c)
	}
	before := false
	for j := i - 1; j >= 0; j-- {
		if !ignorable(rs[j]) {
			before = cased(rs[j])
			break
		}
	}
	if !before {
		return false
	}
	for j := i + 1; j < len(rs); j++ {
		if !ignorable(rs[j]) {
			return !cased(rs[j])
		}
	}
	return true
}
