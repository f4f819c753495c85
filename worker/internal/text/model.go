package text

import (
	"errors"
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"
)

// piece is a token inside a word, its place in runes of the word.
type piece struct {
	id   int32
	a, b int
}

// tokenModel cuts words into tokens.
type tokenModel interface {
	// tokenize appends to out. With literal set no token of a special kind comes out, but the unknown one.
	tokenize(word []rune, literal bool, sc *modelScratch, out []piece) []piece
	// id finds a token's id.
	id(token string) (int32, bool)
	// token is a token's text.
	token(id int32) (string, bool)
	// count is how many tokens there are, and size one more than the largest id.
	count() int
	size() int
	// spelled is the id of tokens that stand for text of their own rather than that of the vocabulary, -1 for none.
	spelled() int32
	// setSpecial tells the model which of its ids are special tokens.
	setSpecial(ids map[int32]bool)
}

// modelScratch is memory that models use again.
type modelScratch struct {
	bytes []byte
	bpe   bpeScratch
	best  []bestPath
}

// vocabulary is the tokens of a model, and those of them that are special.
type vocabulary struct {
	ids     map[string]int32
	tokens  []string
	has     []bool
	special map[int32]bool
}

// spareIDs is how far ids may leave gaps, as memory for all up to the largest is taken.
const spareIDs = 1 << 20

func newVocabulary(ids map[string]int32) (vocabulary, error) {
	v := vocabulary{ids: ids}
	largest := int32(-1)
	for token, id := range ids {
		if id < 0 || int(id) >= spareIDs+2*len(ids) {
			return v, fmt.Errorf("token %q of %d has id %d", token, len(ids), id)
		}
		largest = max(largest, id)
	}
	v.tokens, v.has = make([]string, largest+1), make([]bool, largest+1)
	for token, id := range ids {
		v.tokens[id], v.has[id] = token, true
	}
	return v, nil
}

func (v *vocabulary) id(token string) (int32, bool) {
	id, ok := v.ids[token]
	return id, ok
}

func (v *vocabulary) token(id int32) (string, bool) {
	if id < 0 || int(id) >= len(v.tokens) || !v.has[id] {
		return "", false
	}
	return v.tokens[id], true
}

func (v *vocabulary) count() int { return len(v.ids) }

func (v *vocabulary) size() int { return len(v.tokens) }

func (v *vocabulary) spelled() int32 { return -1 }

func (v *vocabulary) setSpecial(ids map[int32]bool) { v.special = ids }

// checkIDs turns ids as a file holds them into ours.
func checkIDs(vocab map[string]int64) (map[string]int32, error) {
	out := make(map[string]int32, len(vocab))
	for token, id := range vocab {
		if id < 0 || id >= math.MaxInt32 {
			return nil, fmt.Errorf("token %q has id %d", token, id)
		}
		out[token] = int32(id)
	}
	return out, nil
}

func newModel(raw jsontext.Value) (tokenModel, error) {
	if len(raw) == 0 || raw.Kind() != '{' {
		return nil, errors.New("the model is missing")
	}
	kind, err := kindOf(raw)
	if err != nil {
		if kind, err = oldKind(raw); err != nil {
			return nil, fmt.Errorf("model: %w", err)
		}
	}
	var m tokenModel
	switch kind {
	case "BPE":
		m, err = newBPE(raw)
	case "WordPiece":
		m, err = newWordPiece(raw)
	case "WordLevel":
		m, err = newWordLevel(raw)
	case "Unigram":
		m, err = newUnigram(raw)
	default:
		return nil, fmt.Errorf("model %q is not supported", kind)
	}
	if err != nil {
		return nil, fmt.Errorf("model %s: %w", kind, err)
	}
	return m, nil
}

// oldKind tells what an old file's model is, which does not say: the first kind that has all it needs.
func oldKind(raw jsontext.Value) (string, error) {
	var c struct {
		Vocab    jsontext.Value `json:"vocab"`
		Merges   jsontext.Value `json:"merges"`
		Unknown  jsontext.Value `json:"unk_token"`
		Prefix   jsontext.Value `json:"continuing_subword_prefix"`
		MaxChars jsontext.Value `json:"max_input_chars_per_word"`
	}
	if err := loose(raw, &c); err != nil {
		return "", err
	}
	switch words := c.Vocab.Kind() == '{'; {
	case words && c.Merges.Kind() == '[':
		return "BPE", nil
	case words && c.Unknown.Kind() == '"' && c.Prefix.Kind() == '"' && c.MaxChars.Kind() == '0':
		return "WordPiece", nil
	case words && c.Unknown.Kind() == '"':
		return "WordLevel", nil
	case c.Vocab.Kind() == '[':
		return "Unigram", nil
	}
	return "", errors.New("the type is missing")
}
