package text

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// precompiled is SentencePiece's own normalizer: a double array of UTF-8 bytes whose leaves point at replacements.
type precompiled struct {
	units []uint32
	text  []byte // the replacements, each with a zero after it
}

func newPrecompiled(raw jsontext.Value) (*precompiled, error) {
	var c struct {
		Type string  `json:"type"`
		Map  *string `json:"precompiled_charsmap"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Map == nil {
		return nil, errors.New("precompiled_charsmap is missing")
	}
	b, err := base64.StdEncoding.DecodeString(*c.Map)
	if err != nil {
		return nil, errors.New("precompiled_charsmap is not base64")
	}
	if len(b) < 4 {
		return nil, errors.New("precompiled_charsmap is too short")
	}
	size := binary.LittleEndian.Uint32(b) / 4
	b = b[4:]
	if uint64(size)*4 > uint64(len(b)) || size == 0 {
		return nil, errors.New("precompiled_charsmap is shorter than it says")
	}
	p := &precompiled{units: make([]uint32, size), text: b[4*size:]}
	for i := range p.units {
		p.units[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	if !utf8.Valid(p.text) {
		return nil, errors.New("precompiled_charsmap holds invalid UTF-8")
	}
	return p, nil
}

// find gives the replacement of the shortest key that b begins with; that one stands for all of b.
func (p *precompiled) find(b []byte) ([]byte, bool) {
	at := func(i uint32) uint32 {
		if i >= uint32(len(p.units)) { //nolint:gosec // bounded by the file's size
			return 0
		}
		return p.units[i]
	}
	offset := func(u uint32) uint32 { return u >> 10 << (u & (1 << 9) >> 6) }
	node := offset(at(0))
	for _, c := range b {
		if c == 0 {
			break
		}
		node ^= uint32(c)
		u := at(node)
		if u&(1<<31|0xFF) != uint32(c) {
			return nil, false
		}
		node ^= offset(u)
		if u>>8&1 == 1 {
			start := int(at(node) & (1<<31 - 1))
			if start > len(p.text) {
				return nil, false
			}
			end := start
			for end < len(p.text) && p.text[end] != 0 {
				end++
			}
			return p.text[start:end], true
		}
	}
	return nil, false
}

func (p *precompiled) normalize(in, out *line) {
	edits := make([]edit, 0, len(in.runes))
	changed := false
	var buf []byte
	swap := func(old int, replacement []byte) {
		changed = true
		n := 0
		for _, r := range string(replacement) {
			edits = append(edits, edit{r, 0})
			n++
		}
		switch last := len(edits) - 1; {
		case n > old:
			for i := range n - old {
				edits[last-i].change = 1
			}
		case n < old && last >= 0:
			edits[last].change -= int32(old - n) //nolint:gosec // a few
		}
	}
	for begin := 0; begin < len(in.runes); {
		end := graphemeEnd(in.runes, begin)
		size := 0
		for i := begin; i < end && size < 6; i++ {
			size += utf8.RuneLen(in.runes[i])
		}
		if size < 6 {
			buf = appendRunes(buf[:0], in.runes[begin:end])
			if r, ok := p.find(buf); ok {
				swap(end-begin, r)
				begin = end
				continue
			}
		}
		for _, c := range in.runes[begin:end] {
			buf = utf8.AppendRune(buf[:0], c)
			if r, ok := p.find(buf); ok {
				swap(1, r)
			} else {
				edits = append(edits, edit{c, 0})
			}
		}
		begin = end
	}
	if !changed {
		out.runes, out.from = append(out.runes, in.runes...), append(out.from, in.from...)
		return
	}
	apply(in, edits, 0, out)
}

func appendRunes(b []byte, runes []rune) []byte {
	for _, r := range runes {
		b = utf8.AppendRune(b, r)
	}
	return b
}
