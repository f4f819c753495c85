package pattern

import (
	"sync"

	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// frame is where to go on when what was tried did not match: at pc from pos, then from pos-1 and so on down to low (up
// to low where it is the larger).
type frame struct {
	pc, pos, low int32
	trail        int32
}

// machine runs a program over a text.
type machine struct {
	re    *Regexp
	prog  []inst
	text  []rune
	stack []frame
	steps int

	// What is remembered, a bit for each state of each position: it leads nowhere, or as part of a look or an atomic
	// group it leads to a match, of which ends knows the end. trail holds the states on the way that is tried.
	remember  bool
	bad, good []uint64
	ends      map[int64]int32
	trail     []int64
}

// patience is how many steps a rune plain backtracking may take.
const patience = 32

var machines = sync.Pool{New: func() any { return &machine{} }} //nolint:gochecknoglobals // a pool is one for the process

// All calls found for each match in text, from left to right. Matches do not overlap, and an empty one does not follow
// the one before directly.
func (re *Regexp) All(text []rune, found func(start, end int)) {
	m, _ := machines.Get().(*machine)
	m.re, m.prog, m.text, m.steps, m.remember = re, re.fast, text, 0, false
	if re.always {
		m.startRemembering()
	}
	last := -1
	for at := 0; at <= len(text); {
		start, end := m.search(at)
		if start < 0 {
			break
		}
		if start == end && end == last {
			at++
			continue
		}
		found(start, end)
		at, last = end, end
	}
	m.text, m.ends = nil, nil
	if cap(m.bad) > 1<<17 {
		m.bad, m.good, m.trail = nil, nil, nil
	}
	if cap(m.stack) > 1<<17 {
		m.stack = nil
	}
	machines.Put(m)
}

func (m *machine) search(at int) (start, end int) {
	first := m.re.first
	for ; at <= len(m.text); at++ {
		if first != nil && (at == len(m.text) || !first.has(m.text[at])) {
			continue
		}
		end := m.run(0, at, opMatch)
		if m.impatient() { // whatever came out
			m.startRemembering()
			end = m.run(0, at, opMatch)
		}
		if end >= 0 {
			return at, end
		}
	}
	return -1, -1
}

func (m *machine) impatient() bool { return !m.remember && m.steps > patience*len(m.text)+4096 }

func (m *machine) startRemembering() {
	n := ((len(m.text)+1)*int(m.re.states) + 63) / 64
	if cap(m.bad) < n {
		m.bad, m.good = make([]uint64, n), make([]uint64, n)
	}
	m.bad, m.good = m.bad[:n], m.good[:n]
	clear(m.bad)
	clear(m.good)
	m.ends = map[int64]int32{}
	m.trail = m.trail[:0]
	m.prog, m.remember = m.re.slow, true
}

const (
	seen  = -2 // before, without a match
	fresh = -1
)

// visit gives what is known of a state: seen, fresh, or the end of the match it leads to.
func (m *machine) visit(state int32, pos int) int {
	k := int64(pos)*int64(m.re.states) + int64(state)
	word, bit := k>>6, uint64(1)<<(k&63)
	if m.good[word]&bit != 0 {
		return int(m.ends[k])
	}
	if m.bad[word]&bit != 0 {
		return seen
	}
	m.bad[word] |= bit
	m.trail = append(m.trail, k)
	return fresh
}

// settle takes back that the states on the way to a match lead nowhere; those of a look or an atomic group are known
// to lead to its end.
func (m *machine) settle(trail, end int, as op) {
	for _, k := range m.trail[trail:] {
		word, bit := k>>6, uint64(1)<<(k&63)
		m.bad[word] &^= bit
		if as != opMatch {
			m.good[word] |= bit
			m.ends[k] = int32(end) //nolint:gosec // a text has no more runes than an int32 counts
		}
	}
}

// run tries to match from pos on and gives the end of the match, or -1. It runs the whole pattern, as opMatch, or what
// is in a look or an atomic group.
func (m *machine) run(pc, pos int, as op) int {
	base, trail := len(m.stack), len(m.trail)
	end := m.loop(pc, pos, base)
	m.stack = m.stack[:base]
	if m.remember {
		if end >= 0 {
			m.settle(trail, end, as)
		}
		m.trail = m.trail[:trail]
	}
	return end
}

func (m *machine) loop(pc, pos, base int) int {
	prog, text := m.prog, m.text
	limit := patience*len(text) + 4096
	for {
		m.steps++
		in := &prog[pc]
		ok := true
		if m.remember && in.state >= 0 {
			known := m.visit(in.state, pos)
			if known >= 0 {
				return known
			}
			ok = known == fresh
		}
		if ok {
			switch in.op {
			case opMatch:
				return pos
			case opSet:
				if ok = pos < len(text) && in.set.has(text[pos]); ok {
					pos++
				}
			case opSpan:
				pos, ok = m.span(in, pos)
			case opSplit:
				pc = m.split(in, pos)
				continue
			case opJump:
			case opAssert:
				ok = holds(in.assert, text, pos)
			case opLook:
				ok = m.look(in, pos) != in.negative
			case opAtomic:
				end := m.run(int(in.sub), pos, opAtomic)
				if ok = end >= 0; ok {
					pos = end
				}
			}
		}
		if ok {
			pc = int(in.next)
			continue
		}
		if len(m.stack) == base || !m.remember && m.steps > limit {
			return -1
		}
		pc, pos = m.pop()
	}
}

// split chooses a branch by what comes next in the text, and where both could match leaves the other for later.
func (m *machine) split(in *inst, pos int) int {
	if in.first != nil && (pos == len(m.text) || !in.first.has(m.text[pos])) {
		return int(in.alt)
	}
	if in.firstAlt == nil || pos < len(m.text) && in.firstAlt.has(m.text[pos]) {
		m.push(in.alt, pos, pos)
	}
	return int(in.next)
}

func (m *machine) push(pc int32, pos, low int) {
	//nolint:gosec // a text has no more runes than an int32 counts
	m.stack = append(m.stack, frame{pc, int32(pos), int32(low), int32(len(m.trail))})
}

func (m *machine) pop() (pc, pos int) {
	f := &m.stack[len(m.stack)-1]
	pc, pos = int(f.pc), int(f.pos)
	if m.remember {
		m.trail = m.trail[:f.trail]
	}
	switch {
	case f.pos > f.low:
		f.pos--
	case f.pos < f.low:
		f.pos++
	default:
		m.stack = m.stack[:len(m.stack)-1]
	}
	return pc, pos
}

// span matches a set again and again.
func (m *machine) span(in *inst, pos int) (int, bool) {
	text := m.text
	limit := len(text)
	if in.max >= 0 && limit-pos > int(in.max) {
		limit = pos + int(in.max)
	}
	end := pos
	for end < limit && in.set.has(text[end]) {
		end++
	}
	m.steps += (end - pos) / 8
	low := pos + int(in.min)
	if end < low {
		return pos, false
	}
	if in.possessive || end == low || !in.lazy && m.prog[in.next].op == opMatch {
		return end, true
	}
	if in.lazy {
		m.push(in.next, low+1, end)
		return low, true
	}
	m.push(in.next, end-1, low)
	return end, true
}

func (m *machine) look(in *inst, pos int) bool {
	for i, sub := range in.subs {
		at := pos
		if in.back != nil {
			if at -= int(in.back[i]); at < 0 {
				continue
			}
		}
		if m.run(int(sub), at, opLook) >= 0 {
			return true
		}
	}
	return false
}

func holds(a assertion, text []rune, pos int) bool {
	n := len(text)
	switch a {
	case lineStart:
		return pos == 0 || pos < n && text[pos-1] == '\n'
	case lineEnd:
		return pos == n || text[pos] == '\n'
	case textStart:
		return pos == 0
	case textEnd:
		return pos == n
	case textEndOrNewline:
		return pos == n || pos == n-1 && text[pos] == '\n'
	case wordBoundary, notWordBoundary:
	}
	before, after := pos > 0 && isWord(text[pos-1]), pos < n && isWord(text[pos])
	return (before != after) == (a == wordBoundary)
}

func isWord(r rune) bool { return ucd.Of(ucd.Word).Has(r) }
