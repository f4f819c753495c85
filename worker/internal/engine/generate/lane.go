package generate

import "slices"

const (
	slack    = 32  // tokens that the padding may be longer than the longest row before the rows are laid out anew
	headroom = 128 // tokens a row that a slab has room for when it grows
)

// lane is the KV cache of some rows that run together. Rows lie one after the other, each padded to past tokens. It
// belongs to whoever steps the engine.
//
// A graph that works in place has one slab a tensor: past is its length, with room behind each row's tokens. Any other
// has two, and past is what the longest row has.
type lane struct {
	g    *graph
	rows []*row
	past int      // tokens of each row, padding counted
	cur  [][]byte // a slab for each tensor of the cache; what lies after the rows is room
	next [][]byte // what the next run writes; not for a graph that works in place
}

// row is one sequence in a lane.
type row struct {
	length int   // tokens in the cache
	next   int64 // position of the next token
	choice *choice
}

func newLane(g *graph) *lane {
	return &lane{g: g, cur: make([][]byte, len(g.cache)), next: make([][]byte, len(g.cache))}
}

// at is where a row's tokens begin between its padding.
func (l *lane) at(r *row) int {
	if l.g.padding == padRight {
		return 0
	}
	return l.past - r.length
}

// length is how long rows are made whose longest has so many tokens.
func (l *lane) length(tokens int) int {
	if l.g.inPlace {
		return tokens + headroom
	}
	return tokens
}

// longest is the tokens of the longest row.
func (l *lane) longest() int {
	n := 0
	for _, r := range l.rows {
		n = max(n, r.length)
	}
	return n
}

// bytes is the memory that the lane holds.
func (l *lane) bytes() int64 {
	var n int64
	for i := range l.cur {
		n += int64(cap(l.cur[i]) + cap(l.next[i]))
	}
	return n
}

// spare is how many bytes more a slab of so many rows gets when it grows. One that is worked on in place has its room in
// the rows.
func (g *graph) spare(c *cacheSpec, rows int) int {
	if g.inPlace {
		return 0
	}
	return c.bytes(rows, headroom)
}

// room makes a slab hold n bytes, and keeps its first ones; where it must grow it has more to spare.
func room(slab []byte, n, keep, spare int) []byte {
	if cap(slab) >= n {
		return slab[:n]
	}
	grown := make([]byte, n, n+spare)
	copy(grown, slab[:keep])
	return grown
}

// add puts a row of another lane's first tokens into the lane, as its last.
func (l *lane) add(r, from *row, source *lane) {
	if len(l.rows) == 0 {
		l.past = l.length(r.length)
	}
	if r.length > l.past {
		l.relayout(l.length(r.length))
	}
	n := len(l.rows)
	for i := range l.g.cache {
		c := &l.g.cache[i]
		used := c.bytes(n, l.past)
		need := c.bytes(n+1, l.past)
		l.cur[i] = room(l.cur[i], need, used, l.g.spare(c, n+1))
		copyRow(c, l.cur[i][used:], l.past, l.at(r), r.length, source.row(i, from), source.past, source.at(from))
	}
	l.rows = append(l.rows, r)
}

// addPart makes the first tokens of another lane's row, as many as r has, the lane's only row.
func (l *lane) addPart(r, from *row, source *lane) {
	l.past = l.length(r.length)
	l.fill(r, from, source)
}

// fill makes the first tokens of another lane's row the lane's only row.
func (l *lane) fill(r, from *row, source *lane) {
	for i := range l.g.cache {
		c := &l.g.cache[i]
		l.cur[i] = room(l.cur[i], c.bytes(1, l.past), 0, l.g.spare(c, 1))
		copyRow(c, l.cur[i], l.past, l.at(r), r.length, source.row(i, from), source.past, source.at(from))
	}
	l.rows = append(l.rows[:0], r)
}

// addExact is addPart without room to grow.
func (l *lane) addExact(r, from *row, source *lane) {
	for i := range l.g.cache {
		l.cur[i] = make([]byte, l.g.cache[i].bytes(1, r.length))
	}
	l.past = r.length
	l.fill(r, from, source)
}

// take makes the lane hold what another did, whose only row it was. The other is empty then.
func (l *lane) take(r *row, source *lane) {
	l.cur, source.cur = source.cur, l.cur
	l.next, source.next = source.next, l.next
	l.past = source.past
	l.rows = append(l.rows[:0], r)
	source.clear()
}

// row is a row's block in a tensor's slab.
func (l *lane) row(tensor int, r *row) []byte {
	size := l.g.cache[tensor].bytes(1, l.past)
	k := slices.Index(l.rows, r)
	return l.cur[tensor][k*size : (k+1)*size]
}

// remove takes a row out; the last takes its place.
func (l *lane) remove(r *row) {
	k, last := slices.Index(l.rows, r), len(l.rows)-1
	if k < 0 {
		return
	}
	if k != last {
		for i := range l.g.cache {
			copy(l.row(i, r), l.row(i, l.rows[last]))
		}
		l.rows[k] = l.rows[last]
	}
	l.rows[last] = nil
	l.rows = l.rows[:last]
	longest := l.longest()
	if length := l.length(longest); l.past > length+longest/4+slack {
		l.relayout(length)
	}
}

// relayout pads all rows to past tokens.
func (l *lane) relayout(past int) {
	for i := range l.g.cache {
		c := &l.g.cache[i]
		size := c.bytes(1, past)
		l.next[i] = room(l.next[i], len(l.rows)*size, 0, l.g.spare(c, len(l.rows)))
		for k, r := range l.rows {
			at := 0
			if l.g.padding != padRight {
				at = past - r.length
			}
			copyRow(c, l.next[i][k*size:], past, at, r.length, l.row(i, r), l.past, l.at(r))
		}
	}
	l.cur, l.next = l.next, l.cur
	l.past = past
	if l.g.inPlace {
		clear(l.next)
	}
}

// copyRow copies tokens of one row's block into another's, and clears the padding there: what a masked place holds must
// be a number, as 0 × NaN is NaN.
func copyRow(c *cacheSpec, to []byte, toPast, toAt, tokens int, from []byte, fromPast, fromAt int) {
	for o := range c.outer {
		a := to[o*toPast*c.inner : (o+1)*toPast*c.inner]
		b := from[o*fromPast*c.inner : (o+1)*fromPast*c.inner]
		begin, end := toAt*c.inner, (toAt+tokens)*c.inner
		clear(a[:begin])
		copy(a[begin:end], b[fromAt*c.inner:])
		clear(a[end:])
	}
}

// ran makes what a run has written the lane's cache, with so many tokens more.
func (l *lane) ran(tokens int) {
	if !l.g.inPlace {
		l.cur, l.next = l.next, l.cur
		l.past += tokens
	}
	for _, r := range l.rows {
		r.length += tokens
	}
}

// clear drops all rows and keeps the memory.
func (l *lane) clear() {
	clear(l.rows)
	l.rows, l.past = l.rows[:0], 0
}

// release drops the memory too.
func (l *lane) release() {
	l.clear()
	clear(l.cur)
	clear(l.next)
}
