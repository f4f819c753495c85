package grammar

import (
	"encoding/binary"
	"slices"
)

// dfa is a deterministic automaton over bytes; it begins in state 0. Every state can reach an accepting one.
type dfa struct {
	states []dstate
}

type dstate struct {
	edges  []edge // by lo; they do not overlap
	accept bool
}

type edge struct {
	lo, hi byte
	to     int32
}

// next is the state after b, or -1.
func (d *dfa) next(at int32, b byte) int32 {
	for _, e := range d.states[at].edges {
		if b < e.lo {
			return -1
		}
		if b <= e.hi {
			return e.to
		}
	}
	return -1
}

// accepts tells whether d reads the whole of s.
func (d *dfa) accepts(s string) bool {
	at := int32(0)
	for i := 0; i < len(s) && at >= 0; i++ {
		at = d.next(at, s[i])
	}
	return at >= 0 && d.states[at].accept
}

// empty tells whether d reads nothing at all; trim leaves such an automaton one state.
func (d *dfa) empty() bool {
	return len(d.states) == 1 && !d.states[0].accept && len(d.states[0].edges) == 0
}

// subsets is the construction's table of sets of NFA states.
type subsets struct {
	nfa   *nfa
	index map[string]int32
	sets  [][]int32
	work  *work
	seen  []int32 // round in which a state was last added
	round int32
	key   []byte
}

// determinize makes the automaton of an expression.
func (w *work) determinize(e *expr) (*dfa, error) {
	n := &nfa{}
	final, err := n.add()
	if err != nil {
		return nil, err
	}
	start, err := n.build(e, final)
	if err != nil {
		return nil, err
	}
	s := &subsets{nfa: n, work: w, index: map[string]int32{}, seen: make([]int32, len(n.states))}
	s.round++
	if _, err = s.intern(s.close(nil, start)); err != nil {
		return nil, err
	}
	d := &dfa{}
	for i := 0; i < len(s.sets); i++ { //nolint:intrange // the sets grow on the way
		st := dstate{}
		_, st.accept = slices.BinarySearch(s.sets[i], final)
		if st.edges, err = s.edges(s.sets[i]); err != nil {
			return nil, err
		}
		d.states = append(d.states, st)
	}
	return d.trim(), nil
}

// close adds a state and all that empty edges reach from it.
func (s *subsets) close(set []int32, from int32) []int32 {
	stack := []int32{from}
	for len(stack) > 0 {
		at := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if at < 0 || s.seen[at] == s.round {
			continue
		}
		s.seen[at] = s.round
		st := &s.nfa.states[at]
		if st.a < 0 && st.b < 0 {
			set = append(set, at)
			continue
		}
		stack = append(stack, st.a, st.b)
		s.work.left--
	}
	return set
}

func (s *subsets) intern(set []int32) (int32, error) {
	slices.Sort(set)
	s.key = s.key[:0]
	for _, at := range set {
		s.key = binary.LittleEndian.AppendUint32(s.key, uint32(at)) //nolint:gosec // not negative
	}
	if i, ok := s.index[string(s.key)]; ok {
		return i, nil
	}
	if len(s.sets) >= maxDFA || !s.work.spend(len(set)) {
		return 0, errComplex
	}
	i := int32(len(s.sets)) //nolint:gosec // below maxDFA
	s.index[string(s.key)] = i
	s.sets = append(s.sets, slices.Clone(set))
	return i, nil
}

// edges cuts the bytes at every border of the set's edges and interns where each piece leads.
func (s *subsets) edges(set []int32) ([]edge, error) {
	var borders [257]bool
	some := false
	for _, at := range set {
		if st := &s.nfa.states[at]; st.to >= 0 {
			borders[st.lo], borders[int(st.hi)+1] = true, true
			some = true
		}
	}
	if !some {
		return nil, nil
	}
	var edges []edge
	var target []int32
	for lo := 0; lo < 256; {
		hi := lo + 1
		for hi < 256 && !borders[hi] {
			hi++
		}
		target = target[:0]
		s.round++
		for _, at := range set {
			if st := &s.nfa.states[at]; st.to >= 0 && int(st.lo) <= lo && hi-1 <= int(st.hi) {
				target = s.close(target, st.to)
			}
		}
		if !s.work.spend(len(set)) {
			return nil, errComplex
		}
		if len(target) > 0 {
			to, err := s.intern(target)
			if err != nil {
				return nil, err
			}
			edges = appendEdge(edges, edge{byte(lo), byte(hi - 1), to})
		}
		lo = hi
	}
	return edges, nil
}

// appendEdge joins an edge to the last one where it goes on to the same state.
func appendEdge(edges []edge, e edge) []edge {
	if n := len(edges); n > 0 && edges[n-1].to == e.to && int(edges[n-1].hi)+1 == int(e.lo) {
		edges[n-1].hi = e.hi
		return edges
	}
	return append(edges, e)
}

// trim drops the states that cannot reach an accepting one, and numbers the rest anew in the order of a walk.
func (d *dfa) trim() *dfa {
	back := make([][]int32, len(d.states))
	var queue []int32
	live := make([]bool, len(d.states))
	for i, st := range d.states {
		for _, e := range st.edges {
			back[e.to] = append(back[e.to], int32(i))
		}
		if st.accept {
			live[i] = true
			queue = append(queue, int32(i))
		}
	}
	for len(queue) > 0 {
		at := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		for _, from := range back[at] {
			if !live[from] {
				live[from] = true
				queue = append(queue, from)
			}
		}
	}
	if len(d.states) == 0 || !live[0] {
		return &dfa{states: make([]dstate, 1)}
	}
	number, order := make([]int32, len(d.states)), []int32{0}
	for i := range number {
		number[i] = -1
	}
	number[0] = 0
	out := &dfa{}
	for i := 0; i < len(order); i++ {
		st := d.states[order[i]]
		var edges []edge
		for _, e := range st.edges {
			if !live[e.to] {
				continue
			}
			if number[e.to] < 0 {
				number[e.to] = int32(len(order)) //nolint:gosec // below maxDFA
				order = append(order, e.to)
			}
			edges = appendEdge(edges, edge{e.lo, e.hi, number[e.to]})
		}
		out.states = append(out.states, dstate{edges: edges, accept: st.accept})
	}
	return out
}

// intersect reads what both read.
func (w *work) intersect(a, b *dfa) (*dfa, error) { return w.product(a, b, false) }

// subtract reads what a reads and b does not.
func (w *work) subtract(a, b *dfa) (*dfa, error) { return w.product(a, b, true) }

func (w *work) product(a, b *dfa, minus bool) (*dfa, error) {
	type pair struct{ a, b int32 } // b is -1 once b can read no more
	index, order := map[pair]int32{{0, 0}: 0}, []pair{{0, 0}}
	d := &dfa{}
	for i := 0; i < len(order); i++ {
		p := order[i]
		inB := p.b >= 0 && b.states[p.b].accept
		st := dstate{accept: a.states[p.a].accept && inB != minus}
		for _, e := range a.states[p.a].edges {
			for lo := int(e.lo); lo <= int(e.hi); {
				to, hi := int32(-1), int(e.hi)
				if p.b >= 0 {
					to, hi = b.piece(p.b, lo, hi)
				}
				if !w.spend(1) {
					return nil, errComplex
				}
				if to >= 0 || minus {
					next := pair{e.to, to}
					n, ok := index[next]
					if !ok {
						if len(order) >= maxDFA {
							return nil, errComplex
						}
						n = int32(len(order)) //nolint:gosec // below maxDFA
						index[next] = n
						order = append(order, next)
					}
					st.edges = appendEdge(st.edges, edge{byte(lo), byte(hi), n}) //nolint:gosec // below 256
				}
				lo = hi + 1
			}
		}
		d.states = append(d.states, st)
	}
	return d.trim(), nil
}

// piece is where byte lo leads from a state, and the last byte up to hi that leads there with it.
func (d *dfa) piece(at int32, lo, hi int) (int32, int) {
	for _, e := range d.states[at].edges {
		if lo < int(e.lo) {
			return -1, min(hi, int(e.lo)-1)
		}
		if lo <= int(e.hi) {
			return e.to, min(hi, int(e.hi))
		}
	}
	return -1, hi
}
