package text

import (
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/text/pattern"
)

// GPT-2's letters for bytes: printable Latin-1 stands for itself, the other bytes for letters from U+0100 on.

// byteRune is the letter of a byte.
func byteRune(b byte) rune {
	switch {
	case b <= ' ':
		return 0x100 + rune(b)
	case b < 0x7F, b > 0xA0 && b != 0xAD:
		return rune(b)
	case b < 0xA1:
		return 0x121 + rune(b-0x7F)
	}
	return 0x143
}

// runeByte is the byte of a letter.
func runeByte(r rune) (byte, bool) {
	switch {
	case r > ' ' && r < 0x7F, r > 0xA0 && r <= 0xFF && r != 0xAD:
		return byte(r), true //nolint:gosec // Latin-1
	case r >= 0x100 && r <= 0x120:
		return byte(r - 0x100), true
	case r >= 0x121 && r <= 0x142:
		return byte(r - 0x121 + 0x7F), true
	case r == 0x143:
		return 0xAD, true
	}
	return 0, false
}

// spellBytes appends a rune as the letters of its bytes.
func spellBytes(r rune, from Span, out *line) {
	if r < 0x80 {
		out.add(byteRune(byte(r)), from) //nolint:gosec // ASCII
		return
	}
	var b [utf8.UTFMax]byte
	for _, c := range b[:utf8.EncodeRune(b[:], r)] {
		out.add(byteRune(c), from)
	}
}

// gpt2 is the pattern that ByteLevel cuts words with.
const gpt2 = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// byteLevel cuts words as GPT-2 does and spells them in letters for bytes.
type byteLevel struct {
	prefix bool    // put a space before a word that does not begin with one
	match  matcher // nil does not cut
}

// byteLevelConfig is ByteLevel as a pre-tokenizer, post-processor and decoder.
type byteLevelConfig struct {
	Type   string `json:"type"`
	Prefix *bool  `json:"add_prefix_space"`
	Trim   *bool  `json:"trim_offsets"`
	Regex  bool   `json:"use_regex"`
}

func byteLevelFrom(raw jsontext.Value) (byteLevelConfig, error) {
	c := byteLevelConfig{Regex: true}
	if err := strict(raw, &c); err != nil {
		return c, err
	}
	if c.Prefix == nil || c.Trim == nil {
		return c, errors.New("add_prefix_space or trim_offsets is missing")
	}
	return c, nil
}

func newByteLevel(raw jsontext.Value) (*byteLevel, error) {
	c, err := byteLevelFrom(raw)
	if err != nil {
		return nil, err
	}
	b := &byteLevel{prefix: *c.Prefix}
	if c.Regex {
		re, err := pattern.Compile(gpt2)
		if err != nil {
			return nil, err
		}
		b.match = regex{re}
	}
	return b, nil
}

func (b *byteLevel) split(w *words) {
	if b.prefix {
		w.prepend(' ', func(line) bool { return true })
	}
	if b.match != nil {
		w.each(func(c cut) { w.splitWord(c, b.match, isolated, false) })
	}
	w.rewrite(func(word line, out *line) {
		for i, r := range word.runes {
			spellBytes(r, word.from[i], out)
		}
		// A word that comes from nothing in the original, such as one that a Replace of ^ put in, then stands there
		// unspelled as well. So the reference has it.
		if n := len(word.from); n > 0 && word.from[0].Start == word.from[n-1].End {
			out.runes, out.from = append(out.runes, word.runes...), append(out.from, word.from...)
		}
	})
}

// prepend puts r before the words that do not begin with it and that when says.
func (w *words) prepend(r rune, when func(word line) bool) {
	w.rewrite(func(word line, out *line) {
		if len(word.runes) > 0 && word.runes[0] != r && when(word) {
			out.add(r, word.from[0])
		}
		out.runes, out.from = append(out.runes, word.runes...), append(out.from, word.from...)
	})
}
