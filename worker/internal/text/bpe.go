package text

import (
	"errors"
	"fmt"
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

// bpe joins the two neighbours whose merge was learned first, again and again.
type bpe struct {
	vocabulary
	merges       pairs
	made         []int32 // what a merge gives, by its rank
	runes        runeIDs
	bytes        [256]int32 // tokens such as <0x0A>, -1 for none
	byteFallback bool
	unknown      int32 // -1 for none
	fuse         bool  // unknown ones in a row are one
	whole        bool  // a word that is a token is that, whatever the merges
	prefix       string
	suffix       string
}

type bpeConfig struct {
	Type         string     `json:"type"`
	Dropout      *float64   `json:"dropout"`
	Unknown      *string    `json:"unk_token"`
	Prefix       *string    `json:"continuing_subword_prefix"`
	Suffix       *string    `json:"end_of_word_suffix"`
	Fuse         bool       `json:"fuse_unk"`
	ByteFallback bool       `json:"byte_fallback"`
	IgnoreMerges bool       `json:"ignore_merges"`
	Vocab        vocabJSON  `json:"vocab"`
	Merges       mergesJSON `json:"merges"`
}

func newBPE(raw jsontext.Value) (*bpe, error) {
	var c bpeConfig
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Dropout != nil && *c.Dropout != 0 {
		return nil, fmt.Errorf("dropout %g is not supported", *c.Dropout)
	}
	m := &bpe{byteFallback: c.ByteFallback, unknown: -1, fuse: c.Fuse, whole: c.IgnoreMerges}
	if c.Prefix != nil {
		m.prefix = *c.Prefix
	}
	if c.Suffix != nil {
		m.suffix = *c.Suffix
	}
	if m.byteFallback && (m.prefix != "" || m.suffix != "") {
		return nil, errors.New("byte_fallback together with continuing_subword_prefix or end_of_word_suffix is not supported")
	}
	var err error
	if m.vocabulary, err = newVocabulary(c.Vocab); err != nil {
		return nil, err
	}
	if err := m.setUnknown(c.Unknown); err != nil {
		return nil, err
	}
	for b := range m.bytes {
		m.bytes[b] = -1
		if id, ok := m.ids[fmt.Sprintf("<0x%02X>", b)]; ok {
			m.bytes[b] = id
		}
	}
	m.runes = newRuneIDs(m.ids)
	return m, m.learn(c.Merges)
}

// setUnknown finds the unknown token. A file may name one that there is not as long as it is never needed, which is so
// where all bytes have letters of their own.
func (m *bpe) setUnknown(name *string) error {
	if name == nil {
		return nil
	}
	if id, ok := m.ids[*name]; ok {
		m.unknown = id
		return nil
	}
	for b := range 256 {
		if _, ok := m.ids[string(byteRune(byte(b)))]; !ok {
			return fmt.Errorf("the unknown token %q is not in the vocabulary", *name)
		}
	}
	return nil
}

func (m *bpe) learn(merges []merge) error {
	m.merges = newPairs(len(merges))
	m.made = make([]int32, len(merges))
	var buf []byte
	for rank, x := range merges {
		a, ok := m.ids[x.a]
		b, ok2 := m.ids[x.b]
		if !ok || !ok2 || len(x.b) < len(m.prefix) {
			return fmt.Errorf("merge %d, of %q and %q, is of no tokens in the vocabulary", rank, x.a, x.b)
		}
		buf = append(append(buf[:0], x.a...), x.b[len(m.prefix):]...)
		made, ok := m.ids[string(buf)]
		if !ok {
			return fmt.Errorf("merge %d makes %q, which is not in the vocabulary", rank, buf)
		}
		m.made[rank] = made
		m.merges.put(pairOf(a, b), int32(rank))
	}
	return nil
}

func (m *bpe) tokenize(word []rune, literal bool, sc *modelScratch, out []piece) []piece {
	s := &sc.bpe
	if m.whole {
		sc.bytes = appendRunes(sc.bytes[:0], word)
		if id, ok := m.ids[string(sc.bytes)]; ok && (!literal || !m.special[id]) {
			return append(out, piece{id, 0, len(word)})
		}
	}
	s.symbols = s.symbols[:0]
	if m.prefix == "" && m.suffix == "" {
		m.spell(word, literal, s)
	} else {
		m.spellAffixed(word, literal, s)
	}
	m.merge(s, literal)
	return s.pieces(word, out)
}

// spell takes a word's runes for the first tokens.
func (m *bpe) spell(word []rune, literal bool, s *bpeScratch) {
	pending := int32(0) // bytes of an unknown token that is not added yet
	for _, r := range word {
		size := int32(utf8.RuneLen(r)) //nolint:gosec // at most 4
		if id, ok := m.runes.get(r); ok && (!literal || !m.special[id]) {
			if pending > 0 {
				s.add(m.unknown, pending)
				pending = 0
			}
			s.add(id, size)
			continue
		}
		var buf [utf8.UTFMax]byte
		if m.byteFallback && m.spellBytes(buf[:utf8.EncodeRune(buf[:], r)], s) {
			continue
		}
		pending = m.missing(pending, size, s)
	}
	if pending > 0 {
		s.add(m.unknown, pending)
	}
}

// missing notes a rune without a token. Without an unknown token it is passed over.
func (m *bpe) missing(pending, size int32, s *bpeScratch) int32 {
	if m.unknown < 0 {
		return 0
	}
	if pending > 0 && m.fuse {
		return pending + size
	}
	if pending > 0 {
		s.add(m.unknown, pending)
	}
	return size
}

func (m *bpe) spellBytes(b []byte, s *bpeScratch) bool {
	for _, c := range b {
		if m.bytes[c] < 0 {
			return false
		}
	}
	for _, c := range b {
		s.add(m.bytes[c], 1)
	}
	return true
}

// spellAffixed is spell for a vocabulary that marks runes within a word and the last one.
func (m *bpe) spellAffixed(word []rune, literal bool, s *bpeScratch) {
	pending := int32(0)
	var b strings.Builder
	for i, r := range word {
		b.Reset()
		if i > 0 {
			b.WriteString(m.prefix)
		}
		b.WriteRune(r)
		if i == len(word)-1 {
			b.WriteString(m.suffix)
		}
		size := int32(utf8.RuneLen(r)) //nolint:gosec // at most 4
		if id, ok := m.ids[b.String()]; ok && (!literal || !m.special[id]) {
			if pending > 0 {
				s.add(m.unknown, pending)
				pending = 0
			}
			s.add(id, size)
			continue
		}
		pending = m.missing(pending, size, s)
	}
	if pending > 0 {
		s.add(m.unknown, pending)
	}
}

// runeIDs finds the tokens that are one rune.
type runeIDs struct {
	low  [0x180]int32
	high map[rune]int32
}

func newRuneIDs(ids map[string]int32) runeIDs {
	t := runeIDs{high: map[rune]int32{}}
	for i := range t.low {
		t.low[i] = -1
	}
	for token, id := range ids {
		r, n := utf8.DecodeRuneInString(token)
		if n != len(token) || n == 0 || r == utf8.RuneError && n == 1 {
			continue
		}
		if int(r) < len(t.low) {
			t.low[r] = id
		} else {
			t.high[r] = id
		}
	}
	return t
}

func (t *runeIDs) get(r rune) (int32, bool) {
	if int(r) < len(t.low) {
		return t.low[r], t.low[r] >= 0
	}
	id, ok := t.high[r]
	return id, ok
}

// pairs maps pairs of tokens to the ranks of their merges.
type pairs struct {
	keys  []uint64 // 0 is free; a pair is stored one larger
	ranks []int32
	shift int
}

func pairOf(a, b int32) uint64 { return uint64(uint32(a))<<32 | uint64(uint32(b)) } //nolint:gosec // ids are not negative

func newPairs(n int) pairs {
	log := max(3, bits.Len(uint(n)*2))
	return pairs{make([]uint64, 1<<log), make([]int32, 1<<log), 64 - log}
}

func (p *pairs) slot(key uint64) int {
	return int(key * 0x9E3779B97F4A7C15 >> p.shift) //nolint:gosec // shifted to the size of keys
}

func (p *pairs) put(pair uint64, rank int32) {
	key := pair + 1
	i := p.slot(key)
	for p.keys[i] != 0 && p.keys[i] != key {
		i = (i + 1) & (len(p.keys) - 1)
	}
	p.keys[i], p.ranks[i] = key, rank
}

// get gives a pair's rank, or -1.
func (p *pairs) get(pair uint64) int32 {
	key := pair + 1
	for i := p.slot(key); ; i = (i + 1) & (len(p.keys) - 1) {
		switch p.keys[i] {
		case key:
			return p.ranks[i]
		case 0:
			return -1
		}
	}
}
