package grammar

import (
	"slices"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// local is what a wide leaf's state says about the vocabulary whatever comes after the leaf.
type local struct {
	inside  *tokenset.Bitset // tokens that end inside the leaf
	crosses []crossing       // prefixes of tokens that end the leaf: what follows is the next state's to say
	byChars []int32          // tokens inside by the characters they begin; of the free string only
	upTo    []int            // byChars[:upTo[n]] begin at most n characters
}

type crossing struct {
	node  int32 // of the trie
	chars int32 // begun before it
}

type localKey struct {
	leaf   int32 // -1 and -2 for the shared automata
	at     int32
	shared int8
}

// localOf finds or makes the local of a wide leaf's state.
func (m *Matcher) localOf(l *leaf, at int32) *local {
	key, where := localKey{l.id, at, 0}, m.locals
	if l.shared != 0 {
		m.v.mu.Lock()
		defer m.v.mu.Unlock()
		key, where = localKey{-1, at, l.shared}, m.v.shared
	}
	if known, ok := where[key]; ok {
		return known
	}
	b := localBuilder{v: m.v, leaf: l, dense: make([]*[256]int32, len(l.dfa.states))}
	b.local = &local{inside: tokenset.New(m.v.Len())}
	b.walk(0, at, 0)
	b.count()
	where[key] = b.local
	if l.shared == 0 {
		m.size += m.v.Len() / 8
	}
	return b.local
}

type localBuilder struct {
	v     *Vocabulary
	leaf  *leaf
	local *local
	dense []*[256]int32 // the automaton's edges by byte
	chars []tokenChars
}

type tokenChars struct{ id, chars int32 }

// walk follows the trie below a node as far as the leaf goes.
func (b *localBuilder) walk(node, at, chars int32) {
	edges := b.dense[at]
	if edges == nil {
		edges = new([256]int32)
		for c := range edges {
			edges[c] = b.leaf.dfa.next(at, byte(c))
		}
		b.dense[at] = edges
	}
	nodes := b.v.nodes
	for child := node + 1; child < nodes[node].end; child = nodes[child].end {
		n := &nodes[child]
		to := edges[n.b]
		if to < 0 {
			continue
		}
		if b.leaf.dfa.states[to].accept {
			b.local.crosses = append(b.local.crosses, crossing{child, chars})
			if len(b.leaf.dfa.states[to].edges) == 0 {
				continue
			}
		}
		begun := chars
		if at == freeBody {
			begun++
		}
		if n.n > 0 {
			b.v.put(b.local.inside, n)
			if b.leaf.shared == sharedString {
				for _, id := range b.v.sorted[n.first : n.first+n.n] {
					b.chars = append(b.chars, tokenChars{id, begun})
				}
			}
		}
		if n.end > child+1 {
			b.walk(child, to, begun)
		}
	}
}

// count puts the tokens in the order of their characters.
func (b *localBuilder) count() {
	slices.SortFunc(b.chars, func(x, y tokenChars) int { return int(x.chars - y.chars) })
	l := b.local
	for i, t := range b.chars {
		for int(t.chars) > len(l.upTo) { // upTo[n] for every n below this one's
			l.upTo = append(l.upTo, i)
		}
		l.byChars = append(l.byChars, t.id)
	}
	l.upTo = append(l.upTo, len(l.byChars))
}

// add puts into a mask the tokens that end inside when room more characters may begin; -1: any number.
func (l *local) add(mask *tokenset.Bitset, room int32) {
	if room < 0 || int(room) >= len(l.upTo)-1 {
		mask.Or(l.inside)
		return
	}
	for _, id := range l.byChars[:l.upTo[room]] {
		mask.Add(id)
	}
}

// maskOf is the set of tokens that a state allows.
func (m *Matcher) maskOf(s *state) *tokenset.Bitset {
	if s.mask != nil {
		return s.mask
	}
	if len(m.states) > maxKept || len(m.frames) > 10*maxKept || m.size > maxBytesOf {
		m.forget()
	}
	mask := tokenset.New(m.v.Len())
	var narrow []thread
	m.steps = maxSteps
	for i := 0; i < len(s.threads); {
		t, n := s.threads[i], 1
		for i+n < len(s.threads) && s.threads[i+n].inSamePlace(t) {
			n++
		}
		switch {
		case t.leaf == nil:
			for _, id := range m.v.eos {
				mask.Add(id)
			}
		case t.leaf.wide:
			m.wide(s.threads[i:i+n], mask)
		default:
			narrow = append(narrow, s.threads[i:i+n]...)
		}
		i += n
	}
	if len(narrow) > 0 {
		m.threads = append(m.threads[:0], narrow...)
		m.walk(0, m.intern(), mask)
	}
	s.mask = mask
	m.size += m.v.Len() / 8
	return mask
}

// inSamePlace tells whether two threads differ in nothing but what comes after their leaf.
func (t thread) inSamePlace(o thread) bool {
	return t.leaf == o.leaf && t.at == o.at && t.count == o.count
}

// wide adds the tokens of threads in one place of a wide leaf: those that stay inside from its local, those that cross
// its end by a walk on from there.
func (m *Matcher) wide(threads []thread, mask *tokenset.Bitset) {
	t := threads[0]
	l := m.localOf(t.leaf, t.at)
	room := int32(-1)
	if t.leaf.counted && t.leaf.max >= 0 {
		room = t.leaf.max - t.count
	}
	l.add(mask, room)
	m.threads = m.threads[:0]
	for _, t := range threads {
		m.leave(t.up)
	}
	after := m.intern()
	for _, c := range l.crosses {
		if t.leaf.counted && (t.count+c.chars < t.leaf.min || room >= 0 && c.chars > room) {
			continue
		}
		m.v.put(mask, &m.v.nodes[c.node])
		m.walk(c.node, after, mask)
	}
}

// maxSteps bounds the threads that one mask follows. Past it tokens of more than a byte are left out, which costs a model
// some choice and never an end.
const maxSteps = 1_000_000

// walk adds the tokens below a trie's node that a state allows.
func (m *Matcher) walk(node int32, s *state, mask *tokenset.Bitset) {
	if m.steps < 0 && node != 0 {
		return
	}
	nodes := m.v.nodes
	for child := node + 1; child < nodes[node].end; child = nodes[child].end {
		n := &nodes[child]
		next := m.step(s, n.b)
		if next == nil {
			continue
		}
		if n.n > 0 {
			m.v.put(mask, n)
		}
		if n.end > child+1 {
			m.walk(child, next, mask)
		}
	}
}
