package text

// Range is a range of bytes of a text, [Start, End).
type Range struct{ Start, End int }
