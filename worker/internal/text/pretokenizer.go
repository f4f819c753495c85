package text

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// pretokenizer cuts words into smaller ones. It appends to out, which shares nothing with in.
type pretokenizer interface {
	split(l *line, in, out []cut) []cut
}

func newPretokenizer(raw jsontext.Value) (pretokenizer, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return nil, err
	}
	p, err := pretokenizerOf(kind, raw)
	if err != nil {
		return nil, fmt.Errorf("pre-tokenizer %q: %w", kind, err)
	}
	return p, nil
}

func pretokenizerOf(kind string, raw jsontext.Value) (pretokenizer, error) {
	switch kind {
	case "Sequence":
		var c struct {
			Type          string           `json:"type"`
			Pretokenizers []jsontext.Value `json:"pretokenizers"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		var s sequence
		for _, r := range c.Pretokenizers {
			p, err := newPretokenizer(r)
			if err != nil {
				return nil, err
			}
			s = append(s, p)
		}
		return s, nil
	case "WhitespaceSplit":
		return whitespaceSplit{}, nil
	case "BertPreTokenizer":
		return bertSplit{}, nil
	case "Split":
		return newSplit(raw)
	}
	return nil, errors.New("not supported")
}

// sequence applies one after the other.
type sequence []pretokenizer

func (s sequence) split(l *line, in, out []cut) []cut {
	if len(s) == 0 {
		return append(out, in...)
	}
	last := len(s) - 1
	for _, p := range s[:last] {
		in = p.split(l, in, nil)
	}
	return s[last].split(l, in, out)
}

// whitespaceSplit cuts at white space and drops it.
type whitespaceSplit struct{}

func (whitespaceSplit) split(l *line, in, out []cut) []cut {
	return each(l, in, out, isSpace, nil)
}

// bertSplit cuts at white space and drops it, and makes each punctuation mark a word.
type bertSplit struct{}

func (bertSplit) split(l *line, in, out []cut) []cut {
	return each(l, in, out, isSpace, isPunctuation)
}

// each drops the runes that drop picks and isolates those that isolate picks.
func each(l *line, in, out []cut, drop, isolate func(rune) bool) []cut {
	for _, w := range in {
		start := w.a
		for i := w.a; i < w.b; i++ {
			r := l.runes[i]
			gone := drop(r)
			if !gone && (isolate == nil || !isolate(r)) {
				continue
			}
			if i > start {
				out = append(out, cut{start, i})
			}
			if !gone {
				out = append(out, cut{i, i + 1})
			}
			start = i + 1
		}
		if w.b > start {
			out = append(out, cut{start, w.b})
		}
	}
	return out
}

func isSpace(r rune) bool { return !isCommon(r) && unicode.IsSpace(r) }

// isPunctuation is BERT's idea of it: Unicode's, and all of ASCII that is neither letter, digit nor space.
func isPunctuation(r rune) bool {
	if r < 0x80 {
		return r > ' ' && r < 0x7f && (r < '0' || r > '9') && (r|0x20 < 'a' || r|0x20 > 'z')
	}
	return !isCommon(r) && unicode.Is(unicode.P, r)
}

// newSplit makes the two cases of Split that need no regular expressions: a literal string, and "." isolated.
func newSplit(raw jsontext.Value) (pretokenizer, error) {
	var c struct {
		Type    string `json:"type"`
		Pattern struct {
			String *string `json:"String"`
			Regex  *string `json:"Regex"`
		} `json:"pattern"`
		Behavior string `json:"behavior"`
		Invert   bool   `json:"invert"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	behavior := strings.ToLower(c.Behavior)
	switch {
	case c.Invert:
		return nil, errors.New("invert is not supported")
	case c.Pattern.Regex != nil && *c.Pattern.Regex == "." && behavior == "isolated":
		return runeSplit{}, nil
	case c.Pattern.Regex != nil:
		return nil, fmt.Errorf("pattern %q, %s, is not supported", *c.Pattern.Regex, c.Behavior)
	case c.Pattern.String == nil || *c.Pattern.String == "":
		return nil, errors.New("the pattern is empty")
	case behavior == "isolated" || behavior == "removed":
		return literalSplit{[]rune(*c.Pattern.String), behavior == "isolated"}, nil
	}
	return nil, fmt.Errorf("behavior %q is not supported", c.Behavior)
}

// runeSplit makes each rune a word, but for line feeds, which "." does not match.
type runeSplit struct{}

func (runeSplit) split(l *line, in, out []cut) []cut {
	return each(l, in, out, func(rune) bool { return false }, func(r rune) bool { return r != '\n' })
}

// literalSplit cuts at a string, and keeps it as a word or drops it.
type literalSplit struct {
	pattern []rune
	keep    bool
}

func (s literalSplit) split(l *line, in, out []cut) []cut {
	n := len(s.pattern)
	for _, w := range in {
		start := w.a
		for i := w.a; i+n <= w.b; {
			if string(l.runes[i:i+n]) != string(s.pattern) {
				i++
				continue
			}
			if i > start {
				out = append(out, cut{start, i})
			}
			if s.keep {
				out = append(out, cut{i, i + n})
			}
			i += n
			start = i
		}
		if w.b > start {
			out = append(out, cut{start, w.b})
		}
	}
	return out
}
