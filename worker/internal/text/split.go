package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// behavior is what becomes of what a pattern matches.
type behavior string

const (
	removed            behavior = "Removed"
	isolated           behavior = "Isolated"
	mergedWithPrevious behavior = "MergedWithPrevious"
	mergedWithNext     behavior = "MergedWithNext"
	contiguous         behavior = "Contiguous"
)

// UnmarshalText refuses what it does not know.
func (b *behavior) UnmarshalText(text []byte) error {
	switch *b = behavior(text); *b {
	case removed, isolated, mergedWithPrevious, mergedWithNext, contiguous:
		return nil
	}
	return fmt.Errorf("behavior %q is not supported", text)
}

// match is a part of a word that a pattern matches, or one that lies between.
type match struct {
	a, b int
	is   bool
}

// divide makes words of a word's matches, which cover it.
func (w *words) divide(list []match, how behavior) {
	switch how {
	case isolated:
		for _, m := range list {
			w.put(m.a, m.b)
		}
	case removed:
		for _, m := range list {
			if !m.is {
				w.put(m.a, m.b)
			}
		}
	case contiguous:
		w.gather(list, func(m match, before bool) bool { return m.is == before })
	case mergedWithPrevious:
		w.gather(list, func(m match, before bool) bool { return m.is && !before })
	case mergedWithNext:
		// From the end: a match takes what comes after it.
		starts := make([]int, 0, len(list))
		before := false
		for i := len(list) - 1; i >= 0; i-- {
			if m := list[i]; m.is && !before && len(starts) > 0 {
				starts[len(starts)-1] = m.a
			} else {
				starts = append(starts, m.a)
			}
			before = list[i].is
		}
		for i := len(starts) - 1; i >= 0; i-- {
			end := list[len(list)-1].b
			if i > 0 {
				end = starts[i-1]
			}
			w.put(starts[i], end)
		}
	}
}

// gather joins a part to those before it where joins says so.
func (w *words) gather(list []match, joins func(m match, before bool) bool) {
	before, open := false, false
	var c cut
	for _, m := range list {
		if open && joins(m, before) {
			c.b = m.b
		} else {
			if open {
				w.put(c.a, c.b)
			}
			c, open = cut{m.a, m.b}, true
		}
		before = m.is
	}
	if open {
		w.put(c.a, c.b)
	}
}

// splitter is the pre-tokenizer Split.
type splitter struct {
	match  matcher
	how    behavior
	invert bool
}

func newSplit(raw jsontext.Value) (pretokenizer, error) {
	var c struct {
		Type     string    `json:"type"`
		Pattern  patternOf `json:"pattern"`
		Behavior behavior  `json:"behavior"`
		Invert   *bool     `json:"invert"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Behavior == "" || c.Invert == nil {
		return nil, errors.New("behavior or invert is missing")
	}
	m, err := c.Pattern.matcher()
	return splitter{m, c.Behavior, *c.Invert}, err
}

func (s splitter) split(w *words) {
	w.each(func(c cut) {
		w.splitWord(c, s.match, s.how, s.invert)
	})
}

func (w *words) splitWord(c cut, m matcher, how behavior, invert bool) {
	last := c.a
	if how == isolated {
		m.each(w.line.runes[c.a:c.b], func(a, b int) {
			w.put(last, c.a+a)
			w.put(c.a+a, c.a+b)
			last = c.a + b
		})
		w.put(last, c.b)
		return
	}
	list := w.matches[:0]
	m.each(w.line.runes[c.a:c.b], func(a, b int) {
		if a += c.a; a > last {
			list = append(list, match{last, a, invert})
		}
		list = append(list, match{a, c.a + b, !invert})
		last = c.a + b
	})
	if last < c.b {
		list = append(list, match{last, c.b, invert})
	}
	w.divide(list, how)
	w.matches = list
}

// runeSplit splits at single runes.
type runeSplit struct {
	is     func(r rune) bool
	how    behavior
	invert bool
}

func (s runeSplit) split(w *words) {
	if s.how != isolated && s.how != removed {
		w.each(func(c cut) { w.splitWord(c, runeMatcher(s.is), s.how, s.invert) })
		return
	}
	w.each(func(c cut) {
		start := c.a
		for i := c.a; i < c.b; i++ {
			if !s.is(w.line.runes[i]) {
				continue
			}
			w.put(start, i)
			if s.how == isolated {
				w.put(i, i+1)
			}
			start = i + 1
		}
		w.put(start, c.b)
	})
}

type runeMatcher func(r rune) bool

func (m runeMatcher) each(text []rune, found func(a, b int)) {
	for i, r := range text {
		if m(r) {
			found(i, i+1)
		}
	}
}
