package grammar

import (
	"cmp"
	"encoding/binary"
	"slices"
	"sync"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

const (
	maxThreads = 2_000    // ways at once to read what was written; more are dropped, those left can all end
	maxNesting = 64       // of containers where the schema allows any value
	maxKept    = 5_000    // states in the table, of about 2 KiB each
	maxBytesOf = 16 << 20 // of masks in the table
)

// Matcher runs a grammar over a vocabulary. It remembers states and their masks, up to about 32 MiB; its states
// are made by Start. It may be shared: a mutex guards what it remembers.
type Matcher struct {
	g *Grammar
	v *Vocabulary

	mu      sync.Mutex
	states  map[string]*state
	frames  map[frame]*frame
	locals  map[localKey]*local
	size    int // bytes of the masks remembered
	nextID  uint64
	threads []thread // scratch
	key     []byte   // scratch
	steps   int      // what the current mask may still follow
}

// frame says what comes after a part that is being read: where in which container, and what is around it. Equal frames
// are one, so that equal states are found again.
type frame struct {
	node  *node
	at    int32 // items read, or the next property
	phase phase
	up    *frame
	id    uint64
	depth int32
}

type phase uint8

const (
	phaseOpen  phase = iota // after the opening bracket
	phaseDone               // after an item or a member
	phaseComma              // after a comma
	phaseKey                // after property at's key; from len(properties) on it is a free one's
)

// thread is one way to read what was written: inside a leaf, with what comes after it. Without a leaf the document is
// complete.
type thread struct {
	leaf  *leaf
	at    int32
	count int32 // characters of a counted string
	up    *frame
}

// state is a set of threads, and what was found out about it.
type state struct {
	threads []thread
	next    *[256]*state // nil: not known; dead: no way on
	mask    *tokenset.Bitset
}

// NewMatcher makes a matcher without any memory yet.
func NewMatcher(g *Grammar, v *Vocabulary) *Matcher {
	m := &Matcher{g: g, v: v}
	m.forget()
	return m
}

// forget drops every state remembered. Those in use go on, and find new ones.
func (m *Matcher) forget() {
	m.states, m.frames, m.locals, m.size = map[string]*state{}, map[frame]*frame{}, map[localKey]*local{}, 0
}

// push is the one frame of its contents.
func (m *Matcher) push(n *node, at int32, p phase, up *frame) *frame {
	f := frame{node: n, at: at, phase: p, up: up}
	if up != nil {
		f.depth = up.depth + 1
	}
	if known, ok := m.frames[f]; ok {
		return known
	}
	kept := f
	m.nextID++
	kept.id = m.nextID
	m.frames[f] = &kept
	return &kept
}

// enter adds the threads that begin to read a node.
func (m *Matcher) enter(n *node, up *frame) {
	switch n.kind {
	case nodeLeaf:
		m.begin(n.leaf, up)
	case nodeObject:
		m.begin(m.g.openObject, m.push(n, 0, phaseOpen, up))
	case nodeArray:
		m.begin(m.g.openArray, m.push(n, 0, phaseOpen, up))
	default:
		flat := n.kind == nodeAny && up != nil && up.depth >= maxNesting
		for _, a := range n.alts {
			if a.ends && (!flat || a.kind == nodeLeaf) {
				m.enter(a, up)
			}
		}
	}
}

func (m *Matcher) begin(l *leaf, up *frame) {
	if len(m.threads) < maxThreads {
		m.threads = append(m.threads, thread{leaf: l, up: up})
	}
}

// leave adds the threads that come after a part that has been read.
func (m *Matcher) leave(f *frame) {
	switch {
	case f == nil:
		m.begin(nil, nil)
	case f.node.kind == nodeObject:
		m.inObject(f)
	default:
		m.inArray(f)
	}
}

func (m *Matcher) inObject(f *frame) {
	o, n := f.node.object, len(f.node.object.properties)
	if f.phase == phaseKey {
		if i := int(f.at); i < n {
			m.enter(o.properties[i].value, m.push(f.node, f.at+1, phaseDone, f.up))
		} else {
			m.enter(o.free[i-n].value, m.push(f.node, int32(n), phaseDone, f.up)) //nolint:gosec // up to maxProperties
		}
		return
	}
	more, needed := false, false // keys may follow; one must
	for i := int(f.at); i < n && !needed; i++ {
		p := &o.properties[i]
		if !p.value.ends {
			continue
		}
		more, needed = true, p.required
		if f.phase != phaseDone {
			m.begin(p.key, m.push(f.node, int32(i), phaseKey, f.up)) //nolint:gosec // up to maxProperties
		}
	}
	for i := 0; i < len(o.free) && !needed; i++ {
		if !o.free[i].value.ends {
			continue
		}
		more = true
		if f.phase != phaseDone {
			m.begin(o.free[i].key, m.push(f.node, int32(n+i), phaseKey, f.up)) //nolint:gosec // few
		}
	}
	if f.phase == phaseDone && more {
		m.begin(m.g.comma, m.push(f.node, f.at, phaseComma, f.up))
	}
	if f.phase != phaseComma && !needed {
		m.begin(m.g.closeObject, f.up)
	}
}

func (m *Matcher) inArray(f *frame) {
	a, i := f.node.array, int(f.at)
	item := a.item(i)
	if f.phase == phaseDone {
		if item != nil {
			m.begin(m.g.comma, m.push(f.node, f.at, phaseComma, f.up))
		}
	} else if item != nil {
		next := i + 1
		if a.max < 0 { // from here on every item is like the one before
			next = min(next, max(len(a.prefix), a.min))
		}
		m.enter(item, m.push(f.node, int32(next), phaseDone, f.up)) //nolint:gosec // up to 2^30
	}
	if f.phase != phaseComma && i >= a.min {
		m.begin(m.g.closeArray, f.up)
	}
}

// step is the state after one more byte; nil when there is none.
func (m *Matcher) step(s *state, b byte) *state {
	if s.next != nil && s.next[b] != nil {
		if s.next[b].threads == nil {
			return nil
		}
		return s.next[b]
	}
	m.threads = m.threads[:0]
	m.steps -= len(s.threads)
	for _, t := range s.threads {
		if t.leaf == nil || !t.advance(b) {
			continue
		}
		st := &t.leaf.dfa.states[t.at]
		if len(st.edges) > 0 && len(m.threads) < maxThreads {
			m.threads = append(m.threads, t)
		}
		if st.accept {
			m.leave(t.up)
		}
	}
	next := &state{} // no way on
	if len(m.threads) > 0 {
		next = m.intern()
	}
	if s.next == nil {
		s.next = new([256]*state)
	}
	s.next[b] = next
	if next.threads == nil {
		return nil
	}
	return next
}

// advance reads one byte and tells whether the thread goes on.
func (t *thread) advance(b byte) bool {
	from := t.at
	if t.at = t.leaf.dfa.next(from, b); t.at < 0 {
		return false
	}
	if !t.leaf.counted || from != freeBody {
		return true
	}
	if b == '"' {
		return t.count >= t.leaf.min
	}
	t.count++
	if t.leaf.max < 0 {
		t.count = min(t.count, t.leaf.min)
		return true
	}
	return t.count <= t.leaf.max
}

func compareThreads(a, b thread) int {
	return cmp.Or(cmp.Compare(a.leaf.number(), b.leaf.number()), cmp.Compare(a.at, b.at),
		cmp.Compare(a.count, b.count), cmp.Compare(a.up.number(), b.up.number()))
}

func (l *leaf) number() int32 {
	if l == nil {
		return -1
	}
	return l.id
}

func (f *frame) number() uint64 {
	if f == nil {
		return 0
	}
	return f.id
}

// intern is the one state of the threads in m.threads.
func (m *Matcher) intern() *state {
	slices.SortFunc(m.threads, compareThreads)
	m.threads = slices.Compact(m.threads)
	m.key = m.key[:0]
	for _, t := range m.threads {
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(t.leaf.number())) //nolint:gosec // bits
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(t.at))            //nolint:gosec // bits
		m.key = binary.LittleEndian.AppendUint32(m.key, uint32(t.count))         //nolint:gosec // bits
		m.key = binary.LittleEndian.AppendUint64(m.key, t.up.number())
	}
	if s, ok := m.states[string(m.key)]; ok {
		return s
	}
	s := &state{threads: slices.Clone(m.threads)}
	m.states[string(m.key)] = s
	return s
}
