package text

import (
	"errors"
	"fmt"
	"unicode"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// AddedToken is a token that is looked for in the text itself, before anything else.
type AddedToken struct {
	ID         int32
	Content    string
	SingleWord bool // not inside a word
	Lstrip     bool // takes the white space before it along
	Rstrip     bool // takes the white space after it along
	Normalized bool // looked for after the normalizer
	Special    bool // left out of decoded text where asked for
}

// addedJSON is an added token as a file holds it. Its id is what the reference gives it, whatever the file says.
type addedJSON struct {
	ID         *int32  `json:"id"`
	Content    *string `json:"content"`
	SingleWord *bool   `json:"single_word"`
	Lstrip     *bool   `json:"lstrip"`
	Rstrip     *bool   `json:"rstrip"`
	Normalized *bool   `json:"normalized"`
	Special    *bool   `json:"special"`
}

func (a addedJSON) token() (AddedToken, error) {
	switch {
	case a.Content == nil:
		return AddedToken{}, errors.New("an added token has no content")
	case a.ID == nil || a.SingleWord == nil || a.Lstrip == nil || a.Rstrip == nil || a.Normalized == nil || a.Special == nil:
		return AddedToken{}, fmt.Errorf("added token %q lacks one of id, single_word, lstrip, rstrip, normalized, special", *a.Content)
	case len(*a.Content) > maxPiece:
		return AddedToken{}, fmt.Errorf("an added token is longer than %d bytes", maxPiece)
	}
	return AddedToken{*a.ID, *a.Content, *a.SingleWord, *a.Lstrip, *a.Rstrip, *a.Normalized, *a.Special}, nil
}

// finder finds added tokens in text; where several match at a place, the longest. Of two that look the same once they
// are normalized it finds the last; the reference takes either, by chance.
type finder struct {
	tokens []AddedToken
	first  [2]uint64 // ASCII that a token begins with
	others bool      // a token begins with something else
	next   map[uint64]int32
	ends   []int32 // for each node, 1 + the token's index, 0 for none
}

func (f *finder) add(t AddedToken, pattern []rune) {
	if len(pattern) == 0 {
		return
	}
	if f.next == nil {
		f.next, f.ends = map[uint64]int32{}, []int32{0}
	}
	if r := pattern[0]; r < 0x80 {
		f.first[r>>6] |= 1 << (r & 63)
	} else {
		f.others = true
	}
	node := int32(0)
	for _, r := range pattern {
		key := uint64(node)<<32 | uint64(r) //nolint:gosec // neither is negative
		child, ok := f.next[key]
		if !ok {
			child = int32(len(f.ends)) //nolint:gosec // bounded by the file's size
			f.next[key] = child
			f.ends = append(f.ends, 0)
		}
		node = child
	}
	f.tokens = append(f.tokens, t)
	f.ends[node] = int32(len(f.tokens)) //nolint:gosec // bounded by the file's size
}

// exempt says which special tokens are text.
type exempt struct {
	all    bool
	ranges []Span // in order and apart
}

// touches tells whether any of the code points from a to b is exempt.
func (x *exempt) touches(a, b int32) bool {
	if x.all {
		return true
	}
	lo, hi := 0, len(x.ranges)
	for lo < hi {
		mid := (lo + hi) / 2
		if x.ranges[mid].End <= a {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo < len(x.ranges) && x.ranges[lo].Start < b
}

// each calls plain for what lies between added tokens and token for each of those, with the text that it takes.
func (f *finder) each(l line, x *exempt, plain func(line), token func(t *AddedToken, at line)) {
	n := len(l.runes)
	last := 0
	for i := 0; i < n && len(f.tokens) > 0; {
		if r := l.runes[i]; r < 0x80 && f.first[r>>6]&(1<<(r&63)) == 0 || r >= 0x80 && !f.others {
			i++
			continue
		}
		t, end := f.match(l, i, x)
		if t == nil {
			i++
			continue
		}
		start, stop := i, end
		i = end
		if x.all && t.Special || t.SingleWord && insideWord(l.runes, start, end) {
			continue
		}
		if t.Lstrip {
			for start > 0 && unicode.IsSpace(l.runes[start-1]) {
				start--
			}
			start = max(start, last)
		}
		for t.Rstrip && stop < n && unicode.IsSpace(l.runes[stop]) {
			stop++
		}
		if start >= stop { // all of it went with the one before
			continue
		}
		if start > last {
			plain(l.sub(last, start))
		}
		token(t, l.sub(start, stop))
		last = stop
	}
	if last < n {
		plain(l.sub(last, n))
	}
}

// match finds the longest added token at i, but for special ones that reach into exempt text.
func (f *finder) match(l line, i int, x *exempt) (found *AddedToken, end int) {
	node := int32(0)
	for k := i; k < len(l.runes); k++ {
		var ok bool
		if node, ok = f.next[uint64(node)<<32|uint64(l.runes[k])]; !ok { //nolint:gosec // neither is negative
			break
		}
		if at := f.ends[node]; at > 0 {
			t := &f.tokens[at-1]
			if !x.all && t.Special && x.touches(l.from[i].Start, l.from[k].End) {
				continue
			}
			found, end = t, k+1
		}
	}
	return found, end
}

func insideWord(text []rune, start, end int) bool {
	set := ucd.Of(ucd.RustWord)
	return start > 0 && set.Has(text[start-1]) || end < len(text) && set.Has(text[end])
}

// add takes in the added tokens, under the ids that the reference gives them: that of a token of the model with the same
// text, or else the next after the model's tokens.
func (t *Tokenizer) add(list []AddedToken) error {
	byID := map[int32]AddedToken{}
	normal := map[int32]string{}   // normal forms that differ from the content
	next := int32(t.model.count()) //nolint:gosec // bounded by the file's size
	t.addedIDs, t.special = map[string]int32{}, map[string]bool{}
	for _, a := range list {
		if a.Content == "" {
			continue
		}
		id, ok := t.ID(a.Content)
		if !ok {
			id = next
			next++
		}
		a.ID = id
		t.addedIDs[a.Content], byID[id] = id, a
		if a.Special {
			t.special[a.Content] = true
		}
		if n := t.normalForm(a); n != a.Content {
			if normal[id] = n; n == "" {
				return fmt.Errorf("added token %q is nothing once it is normalized", a.Content)
			}
		}
	}
	largest := t.model.size()
	for id := range byID {
		largest = max(largest, int(id)+1)
	}
	t.texts, t.known, t.skipped = make([]string, largest), make([]bool, largest), make([]bool, largest)
	t.isSpecial = make([]bool, largest)
	specialIDs := map[int32]bool{}
	for id := range int32(largest) { //nolint:gosec // bounded by the file's size
		t.texts[id], t.known[id] = t.model.token(id)
		if a, ok := byID[id]; ok {
			t.added = append(t.added, a)
			specialIDs[id], t.isSpecial[id] = a.Special, a.Special
			t.texts[id], t.known[id] = a.Content, true
			if n, ok := normal[id]; ok {
				t.texts[id] = n
			}
			if a.Normalized {
				t.after.add(a, []rune(t.texts[id]))
			} else {
				t.before.add(a, []rune(a.Content))
			}
		}
		t.skipped[id] = t.known[id] && t.special[t.texts[id]]
	}
	t.model.setSpecial(specialIDs)
	return nil
}

// normalForm is what a token is looked for as.
func (t *Tokenizer) normalForm(a AddedToken) string {
	if !a.Normalized || t.normalizer == nil {
		return a.Content
	}
	var l, out line
	l.read(a.Content)
	t.normalizer.normalize(&l, &out)
	return string(out.runes)
}
