package text

import (
	"errors"
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// pretokenizer cuts words into smaller ones, and may rewrite them.
type pretokenizer interface {
	split(w *words)
}

// words are a line and the words in it, in order, with memory for a stage to write its own into.
type words struct {
	line      line
	cuts      []cut
	own       [2]line // lines that stages wrote
	turn      int     // which of own is free
	spareCuts []cut
	matches   []match
}

// each goes through the words, of which keep makes new ones with put.
func (w *words) each(one func(c cut)) {
	w.spareCuts = w.spareCuts[:0]
	for _, c := range w.cuts {
		one(c)
	}
	w.cuts, w.spareCuts = w.spareCuts, w.cuts
}

// put adds a word, but for an empty one.
func (w *words) put(a, b int) {
	if a < b {
		w.spareCuts = append(w.spareCuts, cut{a, b})
	}
}

// rewrite makes a new line of the words; one appends its word to the new line.
func (w *words) rewrite(one func(word line, out *line)) {
	out := &w.own[w.turn]
	w.turn ^= 1
	out.reset()
	out.shift = w.line.shift
	for i, c := range w.cuts {
		start := len(out.runes)
		one(w.line.sub(c.a, c.b), out)
		w.cuts[i] = cut{start, len(out.runes)}
	}
	w.line = *out
}

func newPretokenizer(raw jsontext.Value, depth int) (pretokenizer, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return nil, err
	}
	if depth > maxNested {
		return nil, fmt.Errorf("pre-tokenizers are nested deeper than %d", maxNested)
	}
	p, err := pretokenizerOf(kind, raw, depth)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer %q: %w", kind, err)
	}
	return p, nil
}

func pretokenizerOf(kind string, raw jsontext.Value, depth int) (pretokenizer, error) {
	switch kind {
	case "Sequence":
		return newPretokenizers(raw, depth)
	case "WhitespaceSplit":
		return runeSplit{isSpace, removed, false}, bare(raw)
	case "BertPreTokenizer":
		return bertSplit(), bare(raw)
	case "Whitespace":
		return whitespace{}, bare(raw)
	case "Punctuation":
		c := struct {
			Type     string   `json:"type"`
			Behavior behavior `json:"behavior"`
		}{Behavior: isolated}
		err := strict(raw, &c)
		return runeSplit{isPunctuation, c.Behavior, false}, err
	case "Digits":
		var c struct {
			Type       string `json:"type"`
			Individual *bool  `json:"individual_digits"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		if c.Individual == nil {
			return nil, errors.New("individual_digits is missing")
		}
		if *c.Individual {
			return runeSplit{isNumeric, isolated, false}, nil
		}
		return runeSplit{isNumeric, contiguous, false}, nil
	case "CharDelimiterSplit":
		var c struct {
			Type      string `json:"type"`
			Delimiter string `json:"delimiter"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		r, err := oneRune("delimiter", c.Delimiter)
		return runeSplit{func(x rune) bool { return x == r }, removed, false}, err
	case "Split":
		return newSplit(raw)
	case "ByteLevel":
		return newByteLevel(raw)
	case "Metaspace":
		return newMetaspace(raw)
	case "UnicodeScripts":
		return scripts{}, bare(raw)
	case "FixedLength":
		c := struct {
			Type   string `json:"type"`
			Length int    `json:"length"`
		}{Length: 5}
		err := strict(raw, &c)
		if err == nil && c.Length < 1 {
			err = fmt.Errorf("length is %d", c.Length)
		}
		return fixedLength(c.Length), err
	}
	return nil, errors.New("not supported")
}

// bertSplit cuts at white space and drops it, and makes each punctuation mark a word.
func bertSplit() pretokenizers {
	return pretokenizers{runeSplit{isSpace, removed, false}, runeSplit{isPunctuation, isolated, false}}
}

// oneRune checks that a setting is one character.
func oneRune(name, s string) (rune, error) {
	r := []rune(s)
	if len(r) != 1 {
		return 0, fmt.Errorf("%s %q is not one character", name, s)
	}
	return r[0], nil
}

// pretokenizers apply one after the other.
type pretokenizers []pretokenizer

func newPretokenizers(raw jsontext.Value, depth int) (pretokenizer, error) {
	var c struct {
		Type          string           `json:"type"`
		Pretokenizers []jsontext.Value `json:"pretokenizers"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	var list pretokenizers
	for _, r := range c.Pretokenizers {
		p, err := newPretokenizer(r, depth+1)
		if err != nil {
			return nil, err
		}
		if p == nil {
			return nil, errors.New("a pre-tokenizer is null")
		}
		list = append(list, p)
	}
	return list, nil
}

func (list pretokenizers) split(w *words) {
	for _, p := range list {
		p.split(w)
	}
}

// whitespace takes runs of word characters and runs of others, without the white space between.
type whitespace struct{}

func (whitespace) split(w *words) {
	set := ucd.Of(ucd.RustWord)
	kind := func(r rune) int {
		switch {
		case set.Has(r):
			return 1
		case isSpace(r):
			return 0
		}
		return 2
	}
	w.each(func(c cut) {
		for a := c.a; a < c.b; {
			k := kind(w.line.runes[a])
			b := a + 1
			for b < c.b && kind(w.line.runes[b]) == k {
				b++
			}
			if k > 0 {
				w.put(a, b)
			}
			a = b
		}
	})
}

// scripts cuts where the script changes, as SentencePiece's trainer does: kana are Han, and a space belongs to what it
// stands in. What comes before the first letter is lost, as in the reference.
type scripts struct{}

const (
	scriptHan      = 42
	scriptHiragana = 47
	scriptKatakana = 55
)

func (scripts) split(w *words) {
	set := ucd.Of(ucd.PieceScript)
	w.each(func(c cut) {
		last, start := -1, -1
		for i := c.a; i < c.b; i++ {
			r := w.line.runes[i]
			script := int(set.Value(r))
			switch {
			case r == ' ':
				continue
			case r == 0x30FC, script == scriptHiragana, script == scriptKatakana:
				script = scriptHan
			case script == 0:
				continue
			}
			if script != last {
				if start >= 0 {
					w.put(start, i)
				}
				start = i
			}
			last = script
		}
		if start >= 0 {
			w.put(start, c.b)
		}
	})
}

// fixedLength cuts after so many runes.
type fixedLength int

func (n fixedLength) split(w *words) {
	w.each(func(c cut) {
		for a := c.a; a < c.b; {
			b := a + min(int(n), c.b-a)
			w.put(a, b)
			a = b
		}
	})
}

func isSpace(r rune) bool { return !isCommon(r) && unicode.IsSpace(r) }

// isPunctuation is BERT's idea of it: Unicode's, and all of ASCII that is neither letter, digit nor space.
func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	return !isCommon(r) && ucd.Of(ucd.OldPunct).Has(r)
}

func isNumeric(r rune) bool { return !isCommon(r) && ucd.Of(ucd.Numeric).Has(r) }
