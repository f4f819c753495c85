package chat

import (
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat/jinja"
)

// matcher finds special tokens in a text, whatever their case: some tokenizers lower a text first.
type matcher struct {
	from    []string // the request's slice, to know it again
	sorted  []string // lowered
	first   [256]bool
	longest int
}

func newMatcher(specials []string) *matcher {
	m := &matcher{from: specials}
	for _, s := range specials {
		if s == "" {
			continue
		}
		s = lower(s)
		m.sorted = append(m.sorted, s)
		m.first[s[0]] = true
		m.longest = max(m.longest, len(s))
	}
	slices.Sort(m.sorted)
	m.sorted = slices.Compact(m.sorted)
	return m
}

// lower folds ASCII only, so that bytes stay where they are.
func lower(s string) string {
	if strings.IndexFunc(s, func(c rune) bool { return c >= 'A' && c <= 'Z' }) < 0 {
		return s
	}
	b := []byte(s)
	for i, c := range b {
		b[i] = lowerByte(c)
	}
	return string(b)
}

func lowerByte(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// at gives the length of the longest token that begins at byte i of s, or 0.
func (m *matcher) at(s string, i int) int {
	lo, hi, found := 0, len(m.sorted), 0
	for n := 0; lo < hi && i+n < len(s); n++ {
		c := lowerByte(s[i+n])
		lo = m.search(lo, hi, n, c)
		if c < 255 {
			hi = m.search(lo, hi, n, c+1)
		}
		if lo < hi && len(m.sorted[lo]) == n+1 {
			found = n + 1
		}
	}
	return found
}

// search finds the first of the tokens [lo, hi), which are equal up to byte n, whose byte n is c or above.
func (m *matcher) search(lo, hi, n int, c byte) int {
	for lo < hi {
		mid := (lo + hi) / 2
		if s := m.sorted[mid]; len(s) <= n || s[n] < c {
			lo = mid + 1
		} else {
			hi = mid
		}
	}
	return lo
}

func (t *Template) matcher(specials []string) *matcher {
	m := t.specials.Load()
	if m != nil && len(m.from) == len(specials) && &m.from[0] == &specials[0] {
		return m
	}
	m = newMatcher(specials)
	t.specials.Store(m)
	return m
}

// plain finds the client's bytes that are part of something that reads as a special token. Tokens may overlap: only the
// client's own bytes are given, so that one of the template's that touches them stays special.
func (t *Template) plain(res jinja.Result, specials []string) []text.Range {
	if len(specials) == 0 || len(res.Client) == 0 {
		return nil
	}
	m := t.matcher(specials)
	var out []text.Range
	add := func(lo, hi int) {
		if n := len(out); n > 0 && lo <= out[n-1].End {
			out[n-1].End = max(out[n-1].End, hi)
			return
		}
		out = append(out, text.Range{Start: lo, End: hi})
	}
	spans := res.Client
	next := 0
	for k := range spans {
		for i := max(next, spans[k].Start-m.longest+1); i < spans[k].End; i++ {
			if !m.first[lowerByte(res.Text[i])] {
				continue
			}
			n := m.at(res.Text, i)
			if n == 0 {
				continue
			}
			for _, s := range spans[k:] {
				if s.Start >= i+n {
					break
				}
				if lo, hi := max(s.Start, i), min(s.End, i+n); lo < hi {
					add(lo, hi)
				}
			}
		}
		next = spans[k].End
	}
	return out
}
