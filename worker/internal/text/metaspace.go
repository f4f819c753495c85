package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// metaspace puts a mark, usually ▁, in the place of spaces and before the text, and cuts before each.
type metaspace struct {
	mark  rune
	first string // always, first or never
	cut   bool
}

func newMetaspace(raw jsontext.Value) (*metaspace, error) {
	c := struct {
		Type   string  `json:"type"`
		Mark   string  `json:"replacement"`
		Prefix *bool   `json:"add_prefix_space"`
		Scheme string  `json:"prepend_scheme"`
		Split  *bool   `json:"split"`
		Legacy *string `json:"str_rep"`
	}{Scheme: "always"}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	mark, err := oneRune("replacement", c.Mark)
	if err != nil {
		return nil, err
	}
	switch c.Scheme {
	case "always", "first", "never":
	default:
		return nil, fmt.Errorf("prepend_scheme %q is not supported", c.Scheme)
	}
	if c.Prefix != nil && !*c.Prefix && c.Scheme != "never" {
		return nil, errors.New("add_prefix_space contradicts prepend_scheme")
	}
	return &metaspace{mark, c.Scheme, c.Split == nil || *c.Split}, nil
}

func (m *metaspace) split(w *words) {
	w.rewrite(func(word line, out *line) {
		if len(word.runes) > 0 && word.runes[0] != ' ' && word.runes[0] != m.mark &&
			(m.first == "always" || m.first == "first" && word.shift == 0) {
			out.add(m.mark, word.from[0])
		}
		for i, r := range word.runes {
			if r == ' ' {
				r = m.mark
			}
			out.add(r, word.from[i])
		}
	})
	if m.cut {
		is := runeMatcher(func(r rune) bool { return r == m.mark })
		w.each(func(c cut) { w.splitWord(c, is, mergedWithNext, false) })
	}
}
