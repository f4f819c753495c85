package grammar

import (
	"errors"
	"slices"
)

// expr is a regular expression over bytes.
type expr struct {
	op       op
	lo, hi   byte    // opRange
	subs     []*expr // opSeq, opAlt; the one of opRepeat
	min, max int     // opRepeat; max is -1 when there is none
}

type op uint8

const (
	opRange op = iota
	opSeq
	opAlt
	opRepeat
)

// errComplex says that an automaton would pass its limit.
var errComplex = errors.New("is too complex")

const (
	maxNFA  = 200_000    // states of one expression
	maxDFA  = 20_000     // states of one automaton
	maxWork = 10_000_000 // of one schema's automata: members of the sets that their construction looks at
)

// work is what may still be spent on the automata of one schema.
type work struct{ left int }

// spend takes n off and tells whether there was as much.
func (w *work) spend(n int) bool {
	w.left -= n
	return w.left >= 0
}

func bytesIn(lo, hi byte) *expr { return &expr{op: opRange, lo: lo, hi: hi} }
func seq(subs ...*expr) *expr   { return &expr{op: opSeq, subs: subs} }
func alt(subs ...*expr) *expr   { return &expr{op: opAlt, subs: subs} }
func opt(sub *expr) *expr       { return repeat(sub, 0, 1) }
func digit() *expr              { return bytesIn('0', '9') }
func digits(from, to int) *expr { return repeat(digit(), from, to) }
func repeat(sub *expr, from, to int) *expr {
	return &expr{op: opRepeat, subs: []*expr{sub}, min: from, max: to}
}

func literal(s string) *expr {
	e := seq()
	for i := range len(s) {
		e.subs = append(e.subs, bytesIn(s[i], s[i]))
	}
	return e
}

// nfa is Thompson's construction: a state has either one byte edge or up to two empty ones.
type nfa struct {
	states []nstate
}

type nstate struct {
	lo, hi byte
	to     int32 // target of the byte edge, -1: none
	a, b   int32 // targets of the empty edges, -1: none
}

func (n *nfa) add() (int32, error) {
	if len(n.states) >= maxNFA {
		return 0, errComplex
	}
	n.states = append(n.states, nstate{to: -1, a: -1, b: -1})
	return int32(len(n.states) - 1), nil //nolint:gosec // below maxNFA
}

// build makes states that read e and then go to next; it returns where they begin.
func (n *nfa) build(e *expr, next int32) (int32, error) {
	switch e.op {
	case opRange:
		s, err := n.add()
		if err == nil {
			n.states[s].lo, n.states[s].hi, n.states[s].to = e.lo, e.hi, next
		}
		return s, err
	case opSeq:
		var err error
		for _, sub := range slices.Backward(e.subs) {
			if next, err = n.build(sub, next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case opAlt:
		start := int32(-1)
		for _, sub := range slices.Backward(e.subs) {
			s, err := n.build(sub, next)
			if err != nil {
				return 0, err
			}
			if start, err = n.fork(s, start); err != nil {
				return 0, err
			}
		}
		if start < 0 { // no alternative: a state without an edge
			return n.add()
		}
		return start, nil
	default:
		return n.repeat(e, next)
	}
}

// fork is a state that goes on at a, and at b unless it is -1.
func (n *nfa) fork(a, b int32) (int32, error) {
	s, err := n.add()
	if err == nil {
		n.states[s].a, n.states[s].b = a, b
	}
	return s, err
}

func (n *nfa) repeat(e *expr, next int32) (int32, error) {
	sub, at := e.subs[0], next
	if e.max < 0 {
		loop, err := n.fork(-1, next)
		if err != nil {
			return 0, err
		}
		body, err := n.build(sub, loop)
		if err != nil {
			return 0, err
		}
		n.states[loop].a = body
		at = loop
	}
	for i := e.max; i > e.min; i-- {
		body, err := n.build(sub, at)
		if err != nil {
			return 0, err
		}
		if at, err = n.fork(body, next); err != nil {
			return 0, err
		}
	}
	for range e.min {
		var err error
		if at, err = n.build(sub, at); err != nil {
			return 0, err
		}
	}
	return at, nil
}
