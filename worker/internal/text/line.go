package text

import "unicode/utf8"

// Span is a piece of the original text, in code points, the end excluded. Special tokens have the empty span 0, 0.
type Span struct{ Start, End int32 }

// line is text under work: its runes and, for each, the piece of the original that it came from.
type line struct {
	runes []rune
	from  []Span
	shift int32 // where in the original the part begins that this is the normal form of
}

func (l *line) reset() {
	l.runes, l.from = l.runes[:0], l.from[:0]
}

func (l *line) add(r rune, from Span) {
	l.runes, l.from = append(l.runes, r), append(l.from, from)
}

// sub is the part of l from a to b. It shares memory.
func (l *line) sub(a, b int) line {
	p := line{l.runes[a:b:b], l.from[a:b:b], l.shift}
	if a < b {
		p.shift = l.from[a].Start
	}
	return p
}

// copyTo makes out the same as l.
func (l *line) copyTo(out *line) {
	out.runes, out.from, out.shift = append(out.runes[:0], l.runes...), append(out.from[:0], l.from...), l.shift
}

// before is what a rune that is put in at i comes from: what the rune before it does.
func (l *line) before(i int) Span {
	if i > 0 {
		return l.from[i-1]
	}
	return Span{l.shift, l.shift}
}

// read fills l with the original itself. Invalid UTF-8 becomes U+FFFD, a code point a byte.
func (l *line) read(s string) {
	l.reset()
	l.shift = 0
	if n := len(s); cap(l.runes) < n {
		n = utf8.RuneCountInString(s)
		l.runes, l.from = make([]rune, 0, n), make([]Span, 0, n)
	}
	i := int32(0)
	for _, r := range s {
		l.add(r, Span{i, i + 1})
		i++
	}
}

// edit is a rune of a new text: with change 0 it takes the place of one of the old, with change 1 it is put in, and with
// -n it takes the place of one and n more after it are gone. It is how the reference implementation counts, and so the
// offsets are its own even where they look odd, such as after marks that were put in order.
type edit struct {
	r      rune
	change int32
}

// apply appends what edits make of in, of which the first runes, as many as removed says, are gone.
func apply(in *line, edits []edit, removed int, out *line) {
	at := removed
	for _, e := range edits {
		if e.change > 0 || at >= len(in.from) {
			out.add(e.r, in.before(min(at, len(in.from))))
			continue
		}
		out.add(e.r, in.from[at])
		at += 1 - int(e.change)
	}
}

// cut is a word's place in a line, in runes.
type cut struct{ a, b int }
