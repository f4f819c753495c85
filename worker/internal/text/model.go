package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// piece is a token inside a word, its place in runes of the word.
type piece struct {
	id   int32
	a, b int
}

// tokenModel cuts words into tokens. It appends to out. With literal set, no token of a special kind may come out.
type tokenModel interface {
	tokenize(word []rune, literal bool, buf []byte, out []piece) ([]piece, []byte)
	// id finds a token's id.
	id(token string) (int32, bool)
	// size is one more than the largest id.
	size() int
	// special tells the model which of its ids are special tokens.
	special(id int32)
}

func newModel(raw jsontext.Value) (tokenModel, error) {
	var c struct {
		Type string `json:"type"`
	}
	if err := loose(raw, &c); err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	switch c.Type {
	case "WordPiece":
		return newWordPiece(raw)
	case "":
		return nil, errors.New("model: the type is missing")
	}
	return nil, fmt.Errorf("model %q is not supported", c.Type)
}
