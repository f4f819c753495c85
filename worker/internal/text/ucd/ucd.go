package ucd

import (
	_ "embed"
	"encoding/binary"
	"sync"
)

//go:embed tables.bin
var packed []byte

// Set is a set of code points, or a map of them to small numbers. Its methods are safe for concurrent use.
type Set struct {
	pages  [maxRune/pageSize + 1]uint16
	values [][pageSize]byte // the first is all zeros
}

const (
	maxRune  = 0x10FFFF
	pageSize = 256
)

// Range is a run of code points, Last included.
type Range struct {
	First, Last, Value rune
}

// Names of the sets.
const (
	Category      = "category" // 1 + the index in Categories
	Word          = "word"
	Alpha         = "alpha"
	Upper         = "upper"
	Lower         = "lower"
	Punct         = "punct"
	Graph         = "graph"
	Print         = "print"
	Emoji         = "emoji"
	Pictographic  = "pictographic"
	Script        = "script"               // 1 + the index in Scripts
	PieceScript   = "sentencepiece_script" // as the pre-tokenizer UnicodeScripts counts them
	Numeric       = "numeric"
	RustWord      = "rust_word"
	OldPunct      = "old_punctuation" // without ASCII's symbols
	OldOther      = "old_other"
	OldNonspacing = "old_nonspacing"
	CombiningMark = "combining_mark"
	newer         = "norm_newer"
	composed      = "composed"
	Grapheme      = "grapheme"
	Linker        = "incb_linker"
	ConjunctMark  = "incb_extend"
	lowercase     = "lowercase"
)

// Categories are the general categories in the order of their values; a code point without one is unassigned.
const Categories = "Lu Ll Lt Lm Lo Mn Mc Me Nd Nl No Pc Pd Ps Pe Pi Pf Po Sm Sc Sk So Zs Zl Zp Cc Cf Co"

// Scripts are the scripts in the order of their values.
const Scripts = "Adlam Ahom Arabic Armenian Avestan Balinese Bamum Batak Bengali Bopomofo Brahmi Braille Buginese Buhid " +
	"Canadian_Aboriginal Carian Chakma Cham Cherokee Common Coptic Cuneiform Cypriot Cyrillic Deseret Devanagari " +
	"Egyptian_Hieroglyphs Ethiopic Georgian Glagolitic Gothic Grantha Greek Gujarati Gurmukhi Han Hangul Hanunoo Hebrew " +
	"Hiragana Inherited Javanese Kaithi Kannada Katakana Kayah_Li Kharoshthi Khmer Khojki Lao Latin Lepcha Limbu Linear_A " +
	"Linear_B Lisu Malayalam Mandaic Meetei_Mayek Mongolian Myanmar New_Tai_Lue Newa Nko Nushu Ogham Ol_Chiki Oriya Osage " +
	"Runic Samaritan Saurashtra Shavian Sinhala Sundanese Syloti_Nagri Syriac Tagalog Tagbanwa Tai_Le Tai_Tham Tai_Viet " +
	"Tamil Tangut Telugu Thaana Thai Tibetan Tifinagh Ugaritic Vai Wancho Yi"

// sets are made when they are first asked for, and kept.
var sets sync.Map //nolint:gochecknoglobals // read-only tables are one for the process

// Of gives a set by its name. It panics where there is none of that name.
func Of(name string) *Set {
	if s, ok := sets.Load(name); ok {
		set, _ := s.(*Set)
		return set
	}
	s, _ := sets.LoadOrStore(name, FromRanges(Ranges(name)))
	set, _ := s.(*Set)
	return set
}

// Ranges are the runs of a set, in order.
func Ranges(name string) []Range {
	body := section(name)
	n, body := number(body)
	out := make([]Range, 0, n)
	end := 0
	for range n {
		var gap, length, value int
		gap, body = number(body)
		length, body = number(body)
		value, body = number(body)
		out = append(out, Range{rune(end + gap), rune(end + gap + length - 1), rune(value)}) //nolint:gosec // our own table
		end += gap + length
	}
	return out
}

func section(name string) []byte {
	for b := packed; len(b) > 0; {
		n, rest := number(b)
		found := string(rest[:n])
		size, body := number(rest[n:])
		if found == name {
			return body[:size]
		}
		b = body[size:]
	}
	panic("ucd: no set " + name)
}

func number(b []byte) (int, []byte) {
	v, n := binary.Uvarint(b)
	return int(v), b[n:] //nolint:gosec // our own table
}

// FromRanges makes a set of ranges, which must be in order and apart.
func FromRanges(ranges []Range) *Set {
	s := &Set{values: make([][pageSize]byte, 1, 8)}
	full := map[rune]uint16{} // pages of one value, shared
	for _, r := range ranges {
		for c := r.First; c <= r.Last; {
			page, at := c/pageSize, c%pageSize
			if at == 0 && r.Last-c >= pageSize-1 && s.pages[page] == 0 {
				k, ok := full[r.Value]
				if !ok {
					var p [pageSize]byte
					for i := range p {
						p[i] = byte(r.Value) //nolint:gosec // sets have small values
					}
					k = s.add(p)
					full[r.Value] = k
				}
				s.pages[page] = k
				c += pageSize
				continue
			}
			if s.pages[page] == 0 {
				s.pages[page] = s.add([pageSize]byte{})
			}
			s.values[s.pages[page]][at] = byte(r.Value) //nolint:gosec // sets have small values
			c++
		}
	}
	return s
}

func (s *Set) add(p [pageSize]byte) uint16 {
	s.values = append(s.values, p)
	return uint16(len(s.values) - 1) //nolint:gosec // there are 4,352 pages
}

// Value is what the set says of r, 0 where it says nothing.
func (s *Set) Value(r rune) byte {
	if uint32(r) > maxRune { //nolint:gosec // a negative rune is too large
		return 0
	}
	return s.values[s.pages[r/pageSize]][r%pageSize]
}

// Has tells whether the set says anything of r.
func (s *Set) Has(r rune) bool { return s.Value(r) != 0 }
