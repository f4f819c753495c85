package grammar

import (
	"fmt"
	"unicode/utf8"
)

// Characters inside a JSON string. A string that a pattern, a format or a list of names restricts has one spelling for
// each character: itself in UTF-8, or the short escape where JSON asks for one. A free string has every spelling.

// shortEscapes are the control characters with an escape of their own.
const shortEscapes = "\b\f\n\r\t"

// class reads one character of the ranges, which are pairs of first and last, in its one spelling.
func class(ranges []rune) *expr {
	e := alt()
	for i := 0; i+1 < len(ranges); i += 2 {
		lo, hi := max(ranges[i], 0), min(ranges[i+1], utf8.MaxRune)
		for r := lo; r <= min(hi, 0x1f); r++ {
			e.subs = append(e.subs, control(r))
		}
		for _, r := range `"\` {
			if lo <= r && r <= hi {
				e.subs = append(e.subs, literal(`\`+string(r)))
			}
		}
		for _, part := range [][2]rune{
			{0x20, 0x21},
			{0x23, 0x5b},
			{0x5d, 0x7f},
			{0x80, 0x7ff},
			{0x800, 0xd7ff},
			{0xe000, 0xffff},
			{0x10000, utf8.MaxRune},
		} {
			if from, to := max(lo, part[0]), min(hi, part[1]); from <= to {
				utf8Range(e, from, to)
			}
		}
	}
	return e
}

// control is the spelling of a control character.
func control(r rune) *expr {
	for i, c := range shortEscapes {
		if c == r {
			return literal(`\` + "bfnrt"[i:i+1])
		}
	}
	last := fmt.Sprintf("%x", r&0xf)
	e := literal(fmt.Sprintf(`\u00%d`, r>>4))
	if last >= "a" {
		e.subs = append(e.subs, alt(literal(last), bytesIn(last[0]-'a'+'A', last[0]-'a'+'A')))
	} else {
		e.subs = append(e.subs, literal(last))
	}
	return e
}

// spell is the one spelling of a text inside a string, without the quotes.
func spell(s string) string {
	var out []byte
	for _, r := range s {
		switch {
		case r == '"' || r == '\\':
			out = append(out, '\\', byte(r))
		case r < 0x20:
			out = appendControl(out, r)
		default:
			out = utf8.AppendRune(out, r)
		}
	}
	return string(out)
}

func appendControl(out []byte, r rune) []byte {
	for i, c := range shortEscapes {
		if c == r {
			return append(out, '\\', "bfnrt"[i])
		}
	}
	return fmt.Appendf(out, `\u%04x`, r)
}

// utf8Range adds to an alternative the byte sequences of a range whose characters all have one length.
func utf8Range(e *expr, lo, hi rune) {
	for i := 1; i < utf8.RuneLen(lo); i++ {
		m := rune(1)<<(6*i) - 1
		if lo&^m == hi&^m {
			continue
		}
		if lo&m != 0 {
			utf8Range(e, lo, lo|m)
			utf8Range(e, (lo|m)+1, hi)
			return
		}
		if hi&m != m {
			utf8Range(e, lo, hi&^m-1)
			utf8Range(e, hi&^m, hi)
			return
		}
	}
	from, to := utf8.AppendRune(nil, lo), utf8.AppendRune(nil, hi)
	s := seq()
	for i := range from {
		s.subs = append(s.subs, bytesIn(from[i], to[i]))
	}
	e.subs = append(e.subs, s)
}

// anyChar reads any character in its one spelling.
func anyChar() *expr { return class([]rune{0, utf8.MaxRune}) }

// quoted reads content between quotes.
func quoted(content *expr) *expr { return seq(literal(`"`), content, literal(`"`)) }

// freeBody is the state of freeString's automaton after the opening quote and after each whole character.
const freeBody = 1

// freeString reads any JSON string in any spelling; surrogates come in pairs. States are numbered as trim walks, so the
// state after the opening quote is freeBody.
func (w *work) freeString() (*dfa, error) {
	hex := alt(bytesIn('0', '9'), bytesIn('A', 'F'), bytesIn('a', 'f'))
	d := func(lo, hi byte) *expr { return alt(bytesIn(lo, hi), bytesIn(lo-'A'+'a', hi-'A'+'a')) }
	escape := alt(
		seq(alt(bytesIn('0', '9'), d('A', 'C'), d('E', 'F')), hex, hex, hex),
		seq(d('D', 'D'), bytesIn('0', '7'), hex, hex),
		seq(d('D', 'D'), alt(bytesIn('8', '9'), d('A', 'B')), hex, hex,
			literal(`\u`), d('D', 'D'), d('C', 'F'), hex, hex),
	)
	raw := alt()
	for _, part := range [][2]rune{
		{0x20, 0x21},
		{0x23, 0x5b},
		{0x5d, 0x7f},
		{0x80, 0x7ff},
		{0x800, 0xd7ff},
		{0xe000, 0xffff},
		{0x10000, utf8.MaxRune},
	} {
		utf8Range(raw, part[0], part[1])
	}
	short := alt()
	for _, c := range []byte(`"\/bfnrt`) {
		short.subs = append(short.subs, bytesIn(c, c))
	}
	return w.determinize(quoted(repeat(alt(raw, seq(literal(`\`), alt(short, seq(literal("u"), escape)))), 0, -1)))
}
