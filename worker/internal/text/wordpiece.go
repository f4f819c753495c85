package text

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// wordPiece takes the longest token that a word begins with, then the longest that goes on from there, to its end.
type wordPiece struct {
	first    map[string]int32 // tokens that begin a word
	next     map[string]int32 // tokens that go on, without their prefix
	unknown  int32
	longest  int // bytes of the longest token
	maxChars int // a longer word is unknown as a whole
	prefix   string
	specials map[int32]bool
	ids      int
}

func newWordPiece(raw jsontext.Value) (*wordPiece, error) {
	c := struct {
		Type     string           `json:"type"`
		Unknown  string           `json:"unk_token"`
		Prefix   string           `json:"continuing_subword_prefix"`
		MaxChars int              `json:"max_input_chars_per_word"`
		Vocab    map[string]int64 `json:"vocab"`
	}{Prefix: "##", MaxChars: 100}
	if err := strict(raw, &c); err != nil {
		return nil, fmt.Errorf("model WordPiece: %w", err)
	}
	return makeWordPiece(c.Vocab, c.Unknown, c.Prefix, c.MaxChars)
}

func makeWordPiece(vocab map[string]int64, unknown, prefix string, maxChars int) (*wordPiece, error) {
	m := &wordPiece{
		first: make(map[string]int32, len(vocab)), next: map[string]int32{}, specials: map[int32]bool{},
		maxChars: maxChars, prefix: prefix,
	}
	for token, id := range vocab {
		if id < 0 || id >= math.MaxInt32 {
			return nil, fmt.Errorf("model WordPiece: token %q has id %d", token, id)
		}
		m.ids = max(m.ids, int(id)+1)
		m.longest = max(m.longest, len(token))
		m.first[token] = int32(id)
		if rest, ok := strings.CutPrefix(token, prefix); ok && rest != "" {
			m.next[rest] = int32(id)
		}
	}
	id, ok := m.first[unknown]
	if !ok {
		return nil, fmt.Errorf("model WordPiece: the unknown token %q is not in the vocabulary", unknown)
	}
	m.unknown = id
	return m, nil
}

func (m *wordPiece) id(token string) (int32, bool) {
	id, ok := m.first[token]
	return id, ok
}

func (m *wordPiece) size() int { return m.ids }

func (m *wordPiece) special(id int32) { m.specials[id] = true }

func (m *wordPiece) tokenize(word []rune, literal bool, buf []byte, out []piece) ([]piece, []byte) {
	if len(word) > m.maxChars {
		return append(out, piece{m.unknown, 0, len(word)}), buf
	}
	buf = buf[:0]
	for _, r := range word {
		buf = utf8.AppendRune(buf, r)
	}
	begin := len(out)
	for at, runes := 0, 0; at < len(buf); {
		tokens := m.first
		if at > 0 {
			tokens = m.next
		}
		end, id := m.match(tokens, buf, at, literal)
		if end < 0 {
			return append(out[:begin], piece{m.unknown, 0, len(word)}), buf
		}
		n := utf8.RuneCount(buf[at:end])
		out = append(out, piece{id, runes, runes + n})
		at, runes = end, runes+n
	}
	return out, buf
}

// match finds the longest token at the start of buf[at:] and where it ends; -1 when there is none.
func (m *wordPiece) match(tokens map[string]int32, buf []byte, at int, literal bool) (end int, id int32) {
	for end = min(len(buf), at+m.longest); end > at; end-- {
		if end < len(buf) && !utf8.RuneStart(buf[end]) {
			continue
		}
		if id, ok := tokens[string(buf[at:end])]; ok && (!literal || !m.specials[id]) {
			return end, id
		}
	}
	return -1, 0
}
