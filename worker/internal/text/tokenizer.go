package text

import (
	"sync"
)

// Tokenizer turns text into tokens. It may be used by several goroutines at once.
type Tokenizer struct {
	before     *addedTokens // looked for in the original
	normalizer normalizer   // nil changes nothing
	after      *addedTokens // looked for in normalized text
	pre        pretokenizer // nil leaves one word
	model      tokenModel
	template   template

	scratch sync.Pool // of *scratch
}

// Options say how a text is encoded.
type Options struct {
	Bare    bool // without the special tokens that the model wants around a text
	Literal bool // special tokens spelled out in the text are text: nothing a user writes becomes [SEP]
}

// Encoding is a text as tokens, and where in the text each came from.
type Encoding struct {
	IDs   []int32
	Spans []Span
}

// scratch is memory that one Encode uses and the next uses again.
type scratch struct {
	original, normalized line
	words, cuts          []cut
	pieces               []piece
	bytes                []byte
}

// VocabSize is one more than the largest id that can come out.
func (t *Tokenizer) VocabSize() int { return t.model.size() }

// ID finds a token's id by its text.
func (t *Tokenizer) ID(token string) (int32, bool) { return t.model.id(token) }

// Encode turns s into tokens. Its time is linear in the length of s.
func (t *Tokenizer) Encode(s string, o Options) Encoding {
	sc := t.take()
	defer t.scratch.Put(sc)
	n := len(s)/2 + len(t.template.before) + len(t.template.after)
	e := Encoding{make([]int32, 0, n), make([]Span, 0, n)}
	if !o.Bare {
		e.addAll(t.template.before)
	}
	sc.original.read(s)
	t.before.each(sc.original, o.Literal, func(part line) {
		t.encodePart(part, o, sc, &e)
	}, e.add)
	if !o.Bare {
		e.addAll(t.template.after)
	}
	return e
}

// encodePart encodes text between added tokens.
func (t *Tokenizer) encodePart(part line, o Options, sc *scratch, e *Encoding) {
	if t.normalizer != nil {
		sc.normalized.reset()
		t.normalizer.normalize(&part, &sc.normalized)
		part = sc.normalized
	}
	t.after.each(part, o.Literal, func(plain line) {
		t.encodeWords(plain, o, sc, e)
	}, e.add)
}

func (t *Tokenizer) encodeWords(plain line, o Options, sc *scratch, e *Encoding) {
	sc.words = append(sc.words[:0], cut{0, len(plain.runes)})
	words := sc.words
	if t.pre != nil {
		sc.cuts = t.pre.split(&plain, sc.words, sc.cuts[:0])
		words = sc.cuts
	}
	for _, w := range words {
		word := plain.sub(w.a, w.b)
		if len(word.runes) == 0 {
			continue
		}
		sc.pieces, sc.bytes = t.model.tokenize(word.runes, o.Literal, sc.bytes, sc.pieces[:0])
		for _, p := range sc.pieces {
			e.add(p.id, Span{word.from[p.a].Start, word.from[p.b-1].End})
		}
	}
}

func (t *Tokenizer) take() *scratch {
	if sc, ok := t.scratch.Get().(*scratch); ok {
		return sc
	}
	return &scratch{}
}

func (e *Encoding) add(id int32, at Span) {
	e.IDs, e.Spans = append(e.IDs, id), append(e.Spans, at)
}

func (e *Encoding) addAll(ids []int32) {
	for _, id := range ids {
		e.add(id, Span{})
	}
}
