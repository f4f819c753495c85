package generate

import "strings"

// stopper looks for texts that end an answer, also where they cross the borders of tokens. It holds back what may be
// the beginning of one.
type stopper struct {
	stops  []string
	held   string
	closed bool // one was found
}

// add takes more text, and gives what is certain not to belong to a stop text. found: a stop text is complete, and what
// came before it is all that is left of the answer.
func (s *stopper) add(text string) (certain string, found bool) {
	if len(s.stops) == 0 || text == "" {
		return text, false
	}
	all := s.held + text
	first := -1
	for _, stop := range s.stops {
		if i := strings.Index(all, stop); i >= 0 && (first < 0 || i < first) {
			first = i
		}
	}
	if first >= 0 {
		s.held, s.closed = "", true
		return all[:first], true
	}
	keep := 0
	for _, stop := range s.stops {
		for n := min(len(stop)-1, len(all)); n > keep; n-- {
			if strings.HasSuffix(all, stop[:n]) {
				keep = n
			}
		}
	}
	s.held = all[len(all)-keep:]
	return all[:len(all)-keep], false
}

// flush gives what was held back, at the end of the answer.
func (s *stopper) flush() string {
	held := s.held
	s.held = ""
	return held
}
