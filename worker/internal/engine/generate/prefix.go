package generate

import "slices"

// leastPrefix is how many tokens a beginning must have to be worth keeping or copying.
const leastPrefix = 16

// prefixes are the caches of sequences that have ended, the one used last at the end. They belong to whoever calls Step.
type prefixes struct {
	kept  []*prefix
	bytes int64
}

// prefix is one row by itself: its tokens, and their cache without padding.
type prefix struct {
	ids  []int32
	lane *lane
	row  *row
}

// shrink drops what was used longest ago until the rest fits.
func (p *prefixes) shrink(most int64) {
	for len(p.kept) > 0 && p.bytes > most {
		p.drop(0)
	}
}

func (p *prefixes) drop(i int) {
	p.bytes -= p.kept[i].lane.bytes()
	p.kept = slices.Delete(p.kept, i, i+1)
}

// keep copies the cache of a row that has ended, unless there is no memory for it.
func (e *Engine) keep(l *lane, r *row, s *sequence, answer []int32) {
	if !e.reuse || r.length < leastPrefix || s.fresh {
		return
	}
	ids := append(slices.Clone(s.start.IDs), answer...)[:r.length]
	for i, k := range e.prefixes.kept {
		if n := commonPrefix(k.ids, ids); n == len(ids) {
			return // a longer one has it all
		} else if n == len(k.ids) {
			e.prefixes.drop(i)
			break
		}
	}
	e.mu.Lock()
	left := e.budget - e.promised()
	e.mu.Unlock()
	size := int64(r.length) * e.graph.perToken
	if size > left {
		return
	}
	e.prefixes.shrink(left - size)
	k := &prefix{ids: ids, lane: newLane(e.graph), row: &row{length: r.length}}
	k.lane.addExact(k.row, r, l)
	e.prefixes.kept = append(e.prefixes.kept, k)
	e.prefixes.bytes += k.lane.bytes()
}

// common finds the row whose tokens begin most like ids, and how many they have in common: among the kept ones and those
// that decode. At least one token of ids is left to run.
func (e *Engine) common(ids []int32) (from *row, source *lane, n int) {
	best := -1
	for i, k := range e.prefixes.kept {
		if c := min(commonPrefix(k.ids, ids), len(ids)-1); c > n {
			from, source, n, best = k.row, k.lane, c, i
		}
	}
	for _, l := range e.lanes {
		for _, r := range l.rows {
			s := r.choice.sequence
			if s.fresh {
				continue
			}
			c := commonPrefix(s.start.IDs, ids)
			if c == len(s.start.IDs) {
				c += commonPrefix(r.choice.tokens, ids[c:])
			}
			if c = min(c, r.length, len(ids)-1); c > n {
				from, source, n, best = r, l, c, -1
			}
		}
	}
	if n < leastPrefix {
		return nil, nil, 0
	}
	if best >= 0 { // it was used last
		k := e.prefixes.kept[best]
		e.prefixes.kept = append(slices.Delete(e.prefixes.kept, best, best+1), k)
	}
	return from, source, n
}

func commonPrefix(a, b []int32) int {
	n := min(len(a), len(b))
	for i := range n {
		if a[i] != b[i] {
			return i
		}
	}
	return n
}
