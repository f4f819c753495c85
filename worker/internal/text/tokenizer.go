package text

import (
	"slices"
	"sync"
	"unicode/utf8"
)

// Tokenizer turns text into tokens and back. It may be used by several goroutines at once.
type Tokenizer struct {
	before     finder       // looked for in the original
	normalizer normalizer   // nil changes nothing
	after      finder       // looked for in normalized text
	pre        pretokenizer // nil leaves one word
	model      tokenModel
	post       []processor
	trims      bool // a step of post takes white space off
	chain      chain
	truncation *Truncation
	padding    *Padding

	added     []AddedToken
	addedIDs  map[string]int32
	special   map[string]bool
	texts     []string // by id, as decoders see them
	known     []bool
	skipped   []bool // left out where special tokens are
	isSpecial []bool
	ends      []ends // white space at the ends of texts; only where trims

	scratch sync.Pool // of *scratch
}

// Range is a part of a string in bytes, the end excluded.
type Range struct{ Start, End int }

// Options say how a text is encoded.
type Options struct {
	Bare    bool    // without the special tokens that the model wants around a text
	Literal bool    // special tokens spelled out in the text are text: nothing a user writes becomes [SEP]
	Plain   []Range // the same for parts of the text: no special token that touches one is found; in any order
}

// Encoding is a text as tokens, and where in the text each came from.
type Encoding struct {
	IDs   []int32
	Spans []Span
	Types []int32 // which segment each token belongs to, for models that want it; nil where all are 0
}

// scratch is memory that one Encode uses and the next uses again.
type scratch struct {
	original, normalized line
	words                words
	pieces               []piece
	model                modelScratch
}

// VocabSize is one more than the largest id that can come out.
func (t *Tokenizer) VocabSize() int { return len(t.texts) }

// ID finds a token's id by its text.
func (t *Tokenizer) ID(token string) (int32, bool) {
	if id, ok := t.addedIDs[token]; ok {
		return id, true
	}
	return t.model.id(token)
}

// Token is a token's text as the vocabulary spells it, empty for an id that there is not.
func (t *Tokenizer) Token(id int32) string {
	if id < 0 || int(id) >= len(t.texts) {
		return ""
	}
	return t.texts[id]
}

// Specials are the texts of the special tokens, in the order of their ids.
func (t *Tokenizer) Specials() []string {
	var list []string
	for _, a := range t.added {
		if a.Special {
			list = append(list, a.Content)
		}
	}
	return list
}

// Added are the added tokens, special ones among them, in the order of their ids.
func (t *Tokenizer) Added() []AddedToken { return slices.Clone(t.added) }

// Encode turns s into tokens. Its time is linear in the length of s, but for the sorting of merges.
func (t *Tokenizer) Encode(s string, o Options) Encoding {
	return t.finish([]part{t.encode(s, o)}, o)
}

// EncodePair turns two texts into the tokens of both, with what the model wants around and between them. Plain holds for
// the first.
func (t *Tokenizer) EncodePair(a, b string, o Options) Encoding {
	first := t.encode(a, o)
	o.Plain = nil
	second := t.encode(b, o)
	second.kind = 1
	return t.finish([]part{first, second}, o)
}

// encode makes the tokens of a text alone.
func (t *Tokenizer) encode(s string, o Options) part {
	sc := t.take()
	defer t.give(sc)
	n := len(s)/3 + 8
	p := part{ids: make([]int32, 0, n), spans: make([]Span, 0, n)}
	sc.original.read(s)
	x := exempt{all: o.Literal, ranges: inRunes(s, o.Plain)}
	t.before.each(sc.original, &x, func(l line) {
		t.encodeLine(l, &x, sc, &p)
	}, func(a *AddedToken, at line) { t.addAdded(&p, a, at) })
	return p
}

func (t *Tokenizer) addAdded(p *part, a *AddedToken, at line) {
	p.add(a.ID, Span{at.from[0].Start, at.from[len(at.from)-1].End})
	if t.trims {
		p.ends = append(p.ends, endsOf(at.runes))
	}
}

// encodeLine encodes text between added tokens.
func (t *Tokenizer) encodeLine(l line, x *exempt, sc *scratch, p *part) {
	if t.normalizer != nil {
		sc.normalized.reset()
		sc.normalized.shift = l.shift
		t.normalizer.normalize(&l, &sc.normalized)
		l = sc.normalized
	}
	t.after.each(l, x, func(plain line) {
		t.encodeWords(plain, x, sc, p)
	}, func(a *AddedToken, at line) { t.addAdded(p, a, at) })
}

func (t *Tokenizer) encodeWords(plain line, x *exempt, sc *scratch, p *part) {
	w := &sc.words
	w.line = plain
	w.cuts = append(w.cuts[:0], cut{0, len(plain.runes)})
	if t.pre != nil {
		t.pre.split(w)
	}
	for _, c := range w.cuts {
		if c.a == c.b {
			continue
		}
		t.encodeWord(w.line.runes[c.a:c.b], w.line.from[c.a:c.b], x, sc, p)
	}
}

func (t *Tokenizer) encodeWord(word []rune, from []Span, x *exempt, sc *scratch, p *part) {
	sc.pieces = t.model.tokenize(word, false, &sc.model, sc.pieces[:0])
	if (x.all || len(x.ranges) > 0) && t.anySpecial(sc.pieces) && x.touches(from[0].Start, from[len(from)-1].End) {
		sc.pieces = t.model.tokenize(word, true, &sc.model, sc.pieces[:0])
	}
	n := len(word)
	for _, y := range sc.pieces {
		a, b := min(y.a, n-1), min(y.b, n)
		p.add(y.id, Span{from[a].Start, from[b-1].End})
		if t.trims {
			if y.id == t.model.spelled() {
				p.ends = append(p.ends, endsOf(word[a:b]))
			} else {
				p.ends = append(p.ends, t.ends[y.id])
			}
		}
	}
}

func (t *Tokenizer) anySpecial(list []piece) bool {
	for _, y := range list {
		if t.isSpecial[y.id] {
			return true
		}
	}
	return false
}

func (t *Tokenizer) take() *scratch {
	if sc, ok := t.scratch.Get().(*scratch); ok {
		return sc
	}
	return &scratch{}
}

// maxKept is the longest text, in runes, whose memory is kept for the next.
const maxKept = 1 << 18

func (t *Tokenizer) give(sc *scratch) {
	if cap(sc.original.runes) <= maxKept {
		t.scratch.Put(sc)
	}
}

// inRunes turns parts of s in bytes into code points, in order and apart.
func inRunes(s string, list []Range) []Span {
	if len(list) == 0 {
		return nil
	}
	list = slices.Clone(list)
	slices.SortFunc(list, func(a, b Range) int { return a.Start - b.Start })
	var out []Span
	at, runes := 0, int32(0)
	to := func(end int) int32 {
		for at < min(end, len(s)) {
			_, n := utf8.DecodeRuneInString(s[at:])
			at += n
			runes++
		}
		return runes
	}
	end := 0
	for _, r := range list {
		start := max(r.Start, end)
		if r.End <= start {
			continue
		}
		a := to(start)
		if at > start { // inside a code point
			a--
		}
		end = r.End
		b := to(end)
		if n := len(out); n > 0 && out[n-1].End >= a {
			out[n-1].End = b
			continue
		}
		out = append(out, Span{a, b})
	}
	return out
}
