package grammar

import (
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// ErrStuck says that no token of the vocabulary can go on. It happens only where the vocabulary lacks single bytes that
// the grammar needs.
var ErrStuck = errors.New("grammar: no token of the vocabulary goes on from here")

// State is how far one text has come. One goroutine at a time may use it; Clone is for another answer.
type State struct {
	m        *Matcher
	at       *state
	finished bool
}

// Start is the state before the first token.
func (m *Matcher) Start() *State {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.threads = m.threads[:0]
	m.enter(m.g.root, nil)
	return &State{m: m, at: m.intern()}
}

// Clone is a state that goes on by itself from the same place.
func (s *State) Clone() *State {
	c := *s
	return &c
}

// Mask is the set of tokens that may come next; end tokens are in it where the text may end. It is shared: read it, do
// not change it. ErrStuck says that it would be empty.
func (s *State) Mask() (*tokenset.Bitset, error) {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if s.finished {
		mask := tokenset.New(s.m.v.Len())
		for _, id := range s.m.v.eos {
			mask.Add(id)
		}
		return mask, nil
	}
	mask := s.m.maskOf(s.at)
	if mask.Empty() {
		return nil, ErrStuck
	}
	return mask, nil
}

// Accept moves on by one token. An error leaves the state where it was.
func (s *State) Accept(id int32) error {
	if id < 0 || int(id) >= s.m.v.Len() {
		return fmt.Errorf("grammar: token %d is not in the vocabulary of %d", id, s.m.v.Len())
	}
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	if slices.Contains(s.m.v.eos, id) {
		if !s.finished && !s.at.complete() {
			return errors.New("grammar: the text may not end here")
		}
		s.finished = true
		return nil
	}
	text := s.m.v.tokens[id]
	if s.finished || len(text) == 0 || len(text) > maxToken {
		return fmt.Errorf("grammar: token %d is not allowed here", id)
	}
	at := s.at
	for _, b := range text {
		if at = s.m.step(at, b); at == nil {
			return fmt.Errorf("grammar: token %d is not allowed here", id)
		}
	}
	s.at = at
	return nil
}

// Done tells whether the text is complete as it stands; it may still be able to go on, as a number is.
func (s *State) Done() bool {
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	return s.finished || s.at.complete()
}

// complete tells whether the document is complete.
func (s *state) complete() bool { return len(s.threads) > 0 && s.threads[0].leaf == nil }
