package uninlu

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/text"
)

// decode takes one window's logits for a row. With the last window's, the row's findings are complete.
func (e *Engine) decode(r *row, w int, heads, tails []float32) {
	u := r.unit
	n := len(u.encoding.IDs)
	if len(u.windows) == 1 {
		r.found = e.spans(u, heads[:n], tails[:n])
		return
	}
	if r.heads == nil {
		r.heads, r.tails = make([]float32, n), make([]float32, n)
	}
	at := u.windows[w]
	for k := range at.to - at.from {
		p := at.from + k
		if p < r.filled {
			r.heads[p] = (r.heads[p] + heads[k]) / 2
			r.tails[p] = (r.tails[p] + tails[k]) / 2
		} else {
			r.heads[p], r.tails[p] = heads[k], tails[k]
		}
	}
	r.filled = at.to
	if w == len(u.windows)-1 {
		r.found = e.spans(u, r.heads, r.tails)
		r.heads, r.tails = nil, nil
	}
}

// spans pairs every head over the threshold with the first tail at or after it. Empty spans are dropped.
func (e *Engine) spans(u *unit, heads, tails []float32) []finding {
	var found []finding
	tail := 0 // the first tail at or after the head
	for i, h := range heads {
		if !(h > e.threshold) { // also when it is no number
			continue
		}
		for tail = max(tail, i); tail < len(tails) && !(tails[tail] > e.threshold); {
			tail++
		}
		if tail == len(tails) {
			break
		}
		s := text.Span{Start: u.encoding.Spans[i].Start, End: u.encoding.Spans[tail].End}
		if s.Start < s.End {
			found = append(found, finding{span: s, text: u.span(s)})
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int {
		if d := a.span.Start - b.span.Start; d != 0 {
			return int(d)
		}
		return int(a.span.End - b.span.End)
	})
	return found
}

// render writes {"output":[[{"type","span","offset":[a,b]},…],…]}, one list a path from the root to a leaf, in the
// order of the schema and then of the text.
func render(roots []*row) []byte {
	w := writer{out: append(make([]byte, 0, 128), `{"output":[`...)}
	w.rows(roots)
	return append(w.out, "]}"...)
}

type writer struct {
	out  []byte
	path [][]byte // the items on the way, rendered
	some bool     // a path was written
}

func (w *writer) rows(rows []*row) {
	for _, r := range rows {
		for i := range r.found {
			f := &r.found[i]
			w.path = append(w.path, item(r.node.key, f))
			if r.node.inner == nil {
				w.leaf()
			} else {
				w.rows(f.inner)
			}
			w.path = w.path[:len(w.path)-1]
		}
	}
}

func (w *writer) leaf() {
	if w.some {
		w.out = append(w.out, ',')
	}
	w.some = true
	for i, p := range w.path {
		open := byte(',')
		if i == 0 {
			open = '['
		}
		w.out = append(append(w.out, open), p...)
	}
	w.out = append(w.out, ']')
}

// item renders one step of a path. What is quoted came out of JSON, so it is valid and quoting can't fail.
func item(kind string, f *finding) []byte {
	b := append(make([]byte, 0, 64+len(kind)+len(f.text)), `{"type":`...)
	b, _ = jsontext.AppendQuote(b, kind)
	b = append(b, `,"span":`...)
	b, _ = jsontext.AppendQuote(b, f.text)
	b = append(b, `,"offset":[`...)
	b = strconv.AppendInt(b, int64(f.span.Start), 10)
	b = append(b, ',')
	b = strconv.AppendInt(b, int64(f.span.End), 10)
	return append(b, "]}"...)
}
