package text

// Span is a piece of the original text, in code points, the end excluded. Special tokens have the empty span 0, 0.
type Span struct{ Start, End int32 }

// line is text under work: its runes and, for each, the piece of the original that it came from.
type line struct {
	runes []rune
	from  []Span
}

func (l *line) reset() {
	l.runes, l.from = l.runes[:0], l.from[:0]
}

func (l *line) add(r rune, from Span) {
	l.runes, l.from = append(l.runes, r), append(l.from, from)
}

// sub is the part of l from a to b. It shares memory.
func (l *line) sub(a, b int) line { return line{l.runes[a:b], l.from[a:b]} }

// read fills l with the original itself. Invalid UTF-8 becomes U+FFFD, a code point a byte.
func (l *line) read(s string) {
	l.reset()
	i := int32(0)
	for _, r := range s {
		l.add(r, Span{i, i + 1})
		i++
	}
}

// cut is a word's place in a line, in runes.
type cut struct{ a, b int }
