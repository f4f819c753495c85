package text

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// wordPiece takes the longest token that a word begins with, then the longest that goes on from there, to its end.
type wordPiece struct {
	vocabulary
	first    *trie // tokens that begin a word
	next     *trie // tokens that go on, without their prefix
	unknown  int32
	maxChars int // a longer word is unknown as a whole
}

// maxWordPiece bounds maxChars, as time grows with its square.
const maxWordPiece = 10_000

func newWordPiece(raw jsontext.Value) (*wordPiece, error) {
	c := struct {
		Type     string           `json:"type"`
		Unknown  string           `json:"unk_token"`
		Prefix   string           `json:"continuing_subword_prefix"`
		MaxChars int              `json:"max_input_chars_per_word"`
		Vocab    map[string]int64 `json:"vocab"`
	}{Prefix: "##", MaxChars: 100}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	return makeWordPiece(c.Vocab, c.Unknown, c.Prefix, c.MaxChars)
}

func makeWordPiece(vocab map[string]int64, unknown, prefix string, maxChars int) (*wordPiece, error) {
	ids, err := checkIDs(vocab)
	if err != nil {
		return nil, err
	}
	m := &wordPiece{maxChars: maxChars}
	if m.vocabulary, err = newVocabulary(ids); err != nil {
		return nil, err
	}
	if maxChars > maxWordPiece {
		return nil, fmt.Errorf("max_input_chars_per_word is %d, more than %d", maxChars, maxWordPiece)
	}
	next := map[string]int32{}
	for token, id := range ids {
		if rest, ok := strings.CutPrefix(token, prefix); ok && rest != "" {
			next[rest] = id
		}
	}
	m.first, m.next = newTrie(ids), newTrie(next)
	id, ok := m.id(unknown)
	if !ok {
		return nil, fmt.Errorf("the unknown token %q is not in the vocabulary", unknown)
	}
	m.unknown = id
	return m, nil
}

func (m *wordPiece) tokenize(word []rune, literal bool, sc *modelScratch, out []piece) []piece {
	if len(word) > m.maxChars {
		return append(out, piece{m.unknown, 0, len(word)})
	}
	sc.bytes = appendRunes(sc.bytes[:0], word)
	buf := sc.bytes
	begin := len(out)
	for at, runes := 0, 0; at < len(buf); {
		tokens := m.first
		if at > 0 {
			tokens = m.next
		}
		end, id := m.match(tokens, buf, at, literal)
		if end < 0 {
			return append(out[:begin], piece{m.unknown, 0, len(word)})
		}
		n := utf8.RuneCount(buf[at:end])
		out = append(out, piece{id, runes, runes + n})
		at, runes = end, runes+n
	}
	return out
}

// match finds the longest token at the start of buf[at:] and where it ends; -1 when there is none.
func (m *wordPiece) match(tokens *trie, buf []byte, at int, literal bool) (end int, id int32) {
	end = -1
	node := int32(0)
	for i := at; i < len(buf); i++ {
		if node = tokens.step(node, buf[i]); node == 0 {
			break
		}
		if k := tokens.nodes[node].id; k >= 0 && (!literal || !m.special[k]) {
			end, id = i+1, k
		}
	}
	return end, id
}
