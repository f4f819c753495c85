package ucd

import (
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Norm decomposes and composes as Unicode 9 does, which is what the reference's library knows.
type Norm struct {
	newer   *Set
	compose map[[2]rune]rune
	lower   map[rune]rune
}

// Tables are the tables of normalization and lower case, made once.
//
//nolint:gochecknoglobals // read-only tables are one for the process
var Tables = sync.OnceValue(func() *Norm {
	n := &Norm{newer: Of(newer), compose: map[[2]rune]rune{}, lower: map[rune]rune{}}
	for _, r := range Ranges(composed) {
		for c := r.First; c <= r.Last; c++ {
			d := []rune(string(norm.NFD.PropertiesString(string(c)).Decomposition()))
			last := len(d) - 1
			first := []rune(norm.NFC.String(string(d[:last])))
			if len(first) == 1 {
				n.compose[[2]rune{first[0], d[last]}] = c
			}
		}
	}
	for _, r := range Ranges(lowercase) {
		for c := r.First; c <= r.Last; c++ {
			n.lower[c] = r.Value
		}
	}
	return n
})

// Hangul syllables decompose by arithmetic, not by table.
const (
	hangulFirst, hangulLast      = 0xAC00, 0xD7A3
	leadBase, vowelBase, endBase = 0x1100, 0x1161, 0x11A7
	leads, vowels, ends          = 19, 21, 28
)

// Class is the combining class of r.
func (n *Norm) Class(r rune) uint8 {
	if r < 0x300 || n.newer.Has(r) {
		return 0
	}
	var buf [utf8.UTFMax]byte
	return norm.NFD.Properties(buf[:utf8.EncodeRune(buf[:], r)]).CCC()
}

// Decompose appends the full decomposition of r, or r itself.
func (n *Norm) Decompose(out []rune, r rune, compatible bool) []rune {
	if r < 0xA0 {
		return append(out, r)
	}
	if r >= hangulFirst && r <= hangulLast {
		i := r - hangulFirst
		out = append(out, leadBase+i/(vowels*ends), vowelBase+i%(vowels*ends)/ends)
		if end := i % ends; end != 0 {
			out = append(out, endBase+end)
		}
		return out
	}
	if n.newer.Has(r) {
		return append(out, r)
	}
	var buf [utf8.UTFMax]byte
	form := norm.NFD
	if compatible {
		form = norm.NFKD
	}
	d := form.Properties(buf[:utf8.EncodeRune(buf[:], r)]).Decomposition()
	if len(d) == 0 {
		return append(out, r)
	}
	for len(d) > 0 {
		x, size := utf8.DecodeRune(d)
		out, d = append(out, x), d[size:]
	}
	return out
}

// Compose gives what a and b become together.
func (n *Norm) Compose(a, b rune) (rune, bool) {
	if a >= leadBase && a < leadBase+leads && b >= vowelBase && b < vowelBase+vowels {
		return hangulFirst + ((a-leadBase)*vowels+b-vowelBase)*ends, true
	}
	if a >= hangulFirst && a <= hangulLast && b > endBase && b < endBase+ends && (a-hangulFirst)%ends == 0 {
		return a + b - endBase, true
	}
	if a < ' ' || b < 0x300 {
		return 0, false
	}
	c, ok := n.compose[[2]rune{a, b}]
	return c, ok
}

// ToLower gives the lower case of r and, for the one letter that has it, a second code point.
func (n *Norm) ToLower(r rune) (first, second rune) {
	if r < 0x80 {
		if r >= 'A' && r <= 'Z' {
			r += 'a' - 'A'
		}
		return r, 0
	}
	if r == 'İ' {
		return 'i', 0x307
	}
	if l, ok := n.lower[r]; ok {
		return l, 0
	}
	return unicode.ToLower(r), 0
}
