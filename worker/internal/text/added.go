package text

import (
	"fmt"
	"slices"
	"unicode"
)

// addedToken is a token that is looked for in the text itself, before anything else.
type addedToken struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"` // not inside a word
	Lstrip     bool   `json:"lstrip"`      // takes the white space before it along
	Rstrip     bool   `json:"rstrip"`      // takes the white space after it along
	Normalized bool   `json:"normalized"`  // looked for after the normalizer
	Special    bool   `json:"special"`
}

// addedTokens finds added tokens in text; where several match at a place, the longest.
type addedTokens struct {
	byFirst map[rune][]finder
}

type finder struct {
	addedToken
	runes []rune
}

func newAddedTokens(tokens []addedToken, normalized bool, n normalizer) (*addedTokens, error) {
	a := &addedTokens{byFirst: map[rune][]finder{}}
	for _, t := range tokens {
		if t.Content == "" || t.ID < 0 {
			return nil, fmt.Errorf("added token %q with id %d", t.Content, t.ID)
		}
		if t.Normalized != normalized {
			continue
		}
		var l line
		l.read(t.Content)
		if normalized && n != nil {
			var out line
			n.normalize(&l, &out)
			l = out
		}
		if len(l.runes) == 0 {
			continue
		}
		a.byFirst[l.runes[0]] = append(a.byFirst[l.runes[0]], finder{t, l.runes})
	}
	for _, list := range a.byFirst {
		slices.SortStableFunc(list, func(x, y finder) int { return len(y.runes) - len(x.runes) })
	}
	return a, nil
}

// each calls plain for what lies between added tokens and token for each of those. Literal leaves special ones alone.
func (a *addedTokens) each(l line, literal bool, plain func(line), token func(id int32, at Span)) {
	if len(a.byFirst) == 0 {
		plain(l)
		return
	}
	last := 0
	for i := 0; i < len(l.runes); {
		f := a.match(l, i, literal)
		if f == nil {
			i++
			continue
		}
		start, end := i, i+len(f.runes)
		for f.Lstrip && start > last && unicode.IsSpace(l.runes[start-1]) {
			start--
		}
		for f.Rstrip && end < len(l.runes) && unicode.IsSpace(l.runes[end]) {
			end++
		}
		if start > last {
			plain(l.sub(last, start))
		}
		token(f.ID, Span{l.from[start].Start, l.from[end-1].End})
		i, last = end, end
	}
	if last < len(l.runes) {
		plain(l.sub(last, len(l.runes)))
	}
}

// match finds the longest added token at i.
func (a *addedTokens) match(l line, i int, literal bool) *finder {
	list := a.byFirst[l.runes[i]]
	for k := range list {
		f := &list[k]
		end := i + len(f.runes)
		if literal && f.Special || end > len(l.runes) || !slices.Equal(l.runes[i:end], f.runes) {
			continue
		}
		if f.SingleWord && (i > 0 && isWord(l.runes[i-1]) || end < len(l.runes) && isWord(l.runes[end])) {
			continue
		}
		return f
	}
	return nil
}

func isWord(r rune) bool {
	return r == '_' || unicode.In(r, unicode.L, unicode.N, unicode.M)
}
