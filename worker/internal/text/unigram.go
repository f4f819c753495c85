package text

import (
	"errors"
	"fmt"
	"math"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// unigram takes the tokens whose scores sum up to most.
type unigram struct {
	vocabulary
	scores       []float64
	trie         *trie
	unknown      int32
	unknownScore float64
	byteFallback bool
	bytes        [256]int32 // tokens such as <0x0A>, -1 for none
}

// maxPiece bounds a token's bytes, as every place of a text looks that far ahead.
const maxPiece = 4096

// scoredJSON reads [["token", score], …].
type scoredJSON struct {
	tokens []string
	scores []float64
}

// UnmarshalJSONFrom is what package json calls.
func (v *scoredJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if d.PeekKind() != '[' {
		return errors.New("the vocabulary is not a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	powers := newPowers()
	for d.PeekKind() != ']' {
		var kinds [4]jsontext.Kind
		var token string
		var score float64
		for i := range kinds {
			t, err := d.ReadToken()
			if err != nil {
				return err
			}
			switch kinds[i] = t.Kind(); {
			case i == 1 && kinds[i] == '"':
				token = t.String()
			case i == 2 && kinds[i] == '0':
				score = powers.number(t.String())
			}
		}
		if kinds != [4]jsontext.Kind{'[', '"', '0', ']'} {
			return fmt.Errorf("entry %d of the vocabulary is not a token and its score", len(v.tokens))
		}
		if v.tokens, v.scores = append(v.tokens, token), append(v.scores, score); len(v.tokens) > maxTokens {
			return fmt.Errorf("the vocabulary has more than %d tokens", maxTokens)
		}
	}
	_, err := d.ReadToken()
	return err
}

func newUnigram(raw jsontext.Value) (*unigram, error) {
	var c struct {
		Type         string     `json:"type"`
		Unknown      *int       `json:"unk_id"`
		ByteFallback bool       `json:"byte_fallback"`
		Vocab        scoredJSON `json:"vocab"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Unknown == nil {
		return nil, errors.New("without unk_id it is not supported")
	}
	if *c.Unknown < 0 || *c.Unknown >= len(c.Vocab.tokens) {
		return nil, fmt.Errorf("unk_id %d is not in the vocabulary", *c.Unknown)
	}
	m := &unigram{
		unknown: int32(*c.Unknown), byteFallback: c.ByteFallback, scores: c.Vocab.scores, //nolint:gosec // bounded
	}
	ids := make(map[string]int32, len(c.Vocab.tokens))
	least := math.Inf(1)
	for i, token := range c.Vocab.tokens {
		if len(token) > maxPiece {
			return nil, fmt.Errorf("a token is longer than %d bytes", maxPiece)
		}
		ids[token] = int32(i)
		least = min(least, m.scores[i])
	}
	m.vocabulary = vocabulary{ids: ids, tokens: c.Vocab.tokens, has: make([]bool, len(c.Vocab.tokens))}
	for i := range m.has {
		m.has[i] = true
	}
	m.unknownScore = least - 10
	m.trie = newTrie(ids)
	for b := range m.bytes {
		m.bytes[b] = -1
		if id, ok := ids[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.bytes[b] = id
		}
	}
	return m, nil
}

func (m *unigram) count() int { return len(m.tokens) }

func (m *unigram) spelled() int32 { return m.unknown }

// bestPath is the best way to a place: the token that ends there and where it begins, -1 for none yet.
type bestPath struct {
	score float64
	from  int32
	id    int32
}

func (m *unigram) tokenize(word []rune, literal bool, sc *modelScratch, out []piece) []piece {
	sc.bytes = appendRunes(sc.bytes[:0], word)
	m.search(sc, literal)
	begin := len(out)
	// From the end, unknown ones in a row as one.
	n := int32(len(sc.bytes)) //nolint:gosec // a text has no more bytes than an int32 counts
	for end := n; end > 0; {
		id, from := sc.best[end].id, sc.best[end].from
		for id == m.unknown && from > 0 && sc.best[from].id == m.unknown {
			from = sc.best[from].from
		}
		out = m.emit(sc.bytes[from:end], int(from), int(end), out)
		end = from
	}
	list := out[begin:]
	for i, j := 0, len(list)-1; i < j; i, j = i+1, j-1 {
		list[i], list[j] = list[j], list[i]
	}
	toRunes(word, list)
	return out
}

func (m *unigram) search(sc *modelScratch, literal bool) {
	b := sc.bytes
	n := len(b)
	if cap(sc.best) < n+1 {
		sc.best = make([]bestPath, n+1)
	}
	sc.best = sc.best[:n+1]
	for i := range sc.best {
		sc.best[i] = bestPath{from: -1}
	}
	offer := func(end, at int, id int32, score float64) {
		if t := &sc.best[end]; t.from < 0 || score > t.score {
			*t = bestPath{score, int32(at), id} //nolint:gosec // a text has no more bytes than an int32 counts
		}
	}
	for at := 0; at < n; {
		_, size := utf8.DecodeRune(b[at:])
		here := sc.best[at].score
		single := false
		node := int32(0)
		for i := at; i < n; i++ {
			if node = m.trie.step(node, b[i]); node == 0 {
				break
			}
			id := m.trie.nodes[node].id
			if id < 0 || literal && id != m.unknown && m.special[id] {
				continue
			}
			offer(i+1, at, id, m.scores[id]+here)
			single = single || i+1-at == size
		}
		if !single {
			offer(at+size, at, m.unknown, m.unknownScore+here)
		}
		at += size
	}
}

// emit appends what stands for a part of a word, last token first.
func (m *unigram) emit(part []byte, from, end int, out []piece) []piece {
	id, ok := m.ids[string(part)]
	if ok {
		return append(out, piece{id, from, end})
	}
	if m.byteFallback {
		known := true
		for _, c := range part {
			known = known && m.bytes[c] >= 0
		}
		if known {
			for i := len(part) - 1; i >= 0; i-- {
				out = append(out, piece{m.bytes[part[i]], from, end})
			}
			return out
		}
	}
	return append(out, piece{m.unknown, from, end})
}

// toRunes turns places in bytes, which begin and end with runes, into places in runes.
func toRunes(word []rune, list []piece) {
	at, pos := 0, 0
	last := cut{-1, -1}
	var made cut
	for i := range list {
		p := &list[i]
		if last != (cut{p.a, p.b}) {
			last = cut{p.a, p.b}
			for pos < p.a {
				pos += utf8.RuneLen(word[at])
				at++
			}
			made.a = at
			for pos < p.b {
				pos += utf8.RuneLen(word[at])
				at++
			}
			made.b = at
		}
		p.a, p.b = made.a, made.b
	}
}
