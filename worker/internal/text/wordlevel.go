package text

import (
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// wordLevel takes words as they are.
type wordLevel struct {
	vocabulary
	unknown int32
}

func newWordLevel(raw jsontext.Value) (*wordLevel, error) {
	var c struct {
		Type    string           `json:"type"`
		Unknown string           `json:"unk_token"`
		Vocab   map[string]int64 `json:"vocab"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	ids, err := checkIDs(c.Vocab)
	if err != nil {
		return nil, err
	}
	m := &wordLevel{}
	if m.vocabulary, err = newVocabulary(ids); err != nil {
		return nil, err
	}
	var ok bool
	if m.unknown, ok = m.id(c.Unknown); !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", c.Unknown)
	}
	return m, nil
}

func (m *wordLevel) tokenize(word []rune, literal bool, sc *modelScratch, out []piece) []piece {
	sc.bytes = appendRunes(sc.bytes[:0], word)
	id, ok := m.ids[string(sc.bytes)]
	if !ok || literal && m.special[id] {
		id = m.unknown
	}
	return append(out, piece{id, 0, len(word)})
}
