package generate

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// runs is the decoder's session and the tensors of its runs. It is for one goroutine at a time.
type runs struct {
	g       *graph
	session *onnx.Session

	ids, mask, positions, keep onnx.Tensor[int64]
	embeds                     onnx.Tensor[float32]
	useCache                   onnx.Tensor[bool]
	logits                     onnx.Raw
	past, present              []onnx.Raw

	dims    []int64
	inputs  []onnx.Value
	outputs []onnx.Value
	row     []float32 // one row of logits, where they are no float32
}

// tokens is what a run is fed: count tokens a row, of as many rows as the lane has.
type tokens struct {
	count     int
	ids       []int64   // [rows, count]; nil with embeds
	embeds    []float32 // [rows, count, width]
	positions []int64   // [axes, rows, count]
}

func newRuns(rt *onnx.Runtime, path string, g *graph, o onnx.Options) (*runs, error) {
	o.Inputs, o.Outputs = g.inputs, g.outputs
	s, err := rt.LoadHeader(path, g.header, o)
	if err != nil {
		return nil, err
	}
	n := len(g.cache)
	return &runs{
		g: g, session: s, past: make([]onnx.Raw, n), present: make([]onnx.Raw, n),
		inputs: make([]onnx.Value, 0, len(g.inputs)), outputs: make([]onnx.Value, 0, len(g.outputs)),
	}, nil
}

func (r *runs) close() error {
	r.free()
	for _, t := range []interface{ Free() }{&r.ids, &r.mask, &r.positions, &r.keep, &r.embeds, &r.useCache, &r.logits} {
		t.Free()
	}
	return r.session.Close()
}

// free lets go of the lanes' memory.
func (r *runs) free() {
	for i := range r.past {
		r.past[i].Free()
		r.present[i].Free()
	}
}

// forward runs the decoder over a lane. The cache goes on where it was; the logits of each row's last token are read by
// last. When it fails the lane is as it was.
func (r *runs) forward(ctx context.Context, l *lane, t tokens) error {
	if l.g.inPlace && l.longest()+t.count > l.past {
		l.relayout(l.length(l.longest() + t.count))
	}
	rows, past := len(l.rows), l.past
	r.inputs, r.outputs = r.inputs[:0], r.outputs[:0]
	if err := errors.Join(r.feed(l, t), r.bindLogits(rows, t.count)); err != nil {
		return err
	}
	for i := range r.g.cache {
		c := &r.g.cache[i]
		r.dims = c.shape(r.dims, rows, past)
		reads, length := l.cur[i][:c.bytes(rows, past)], past
		if err := r.past[i].Bind(c.dtype, reads, r.dims...); err != nil {
			return err
		}
		writes := reads
		if !r.g.inPlace {
			length += t.count
			l.next[i] = room(l.next[i], c.bytes(rows, length), 0, r.g.spare(c, rows))
			writes = l.next[i]
		}
		r.dims = c.shape(r.dims, rows, length)
		if err := r.present[i].Bind(c.dtype, writes, r.dims...); err != nil {
			return err
		}
		r.inputs, r.outputs = append(r.inputs, &r.past[i]), append(r.outputs, &r.present[i])
	}
	if err := r.session.Run(ctx, r.inputs, r.outputs); err != nil {
		return err
	}
	l.ran(t.count)
	return nil
}

// feed fills the inputs before the cache.
func (r *runs) feed(l *lane, t tokens) error {
	rows, count := int64(len(l.rows)), int64(t.count)
	var err error
	if r.g.embeds {
		err = r.embeds.Bind(t.embeds, rows, count, r.g.width)
		r.inputs = append(r.inputs, &r.embeds)
	} else {
		err = r.ids.Bind(t.ids, rows, count)
		r.inputs = append(r.inputs, &r.ids)
	}
	if err != nil {
		return err
	}
	if r.g.mask {
		if err := r.fillMask(l, t.count); err != nil {
			return err
		}
	}
	if r.g.axes > 0 {
		shape := []int64{int64(r.g.axes), rows, count}
		if r.g.axes == 1 {
			shape = shape[1:]
		}
		if err := r.positions.Bind(t.positions, shape...); err != nil {
			return err
		}
		r.inputs = append(r.inputs, &r.positions)
	}
	return r.feedFlags(l.past)
}

func (r *runs) feedFlags(past int) error {
	if r.g.keep != "" {
		var shape [1]int64
		shape[0] = 1
		keep, err := r.keep.Shape(shape[:r.g.keepRank]...)
		if err != nil {
			return err
		}
		keep[0] = 1
		r.inputs = append(r.inputs, &r.keep)
	}
	if r.g.useCache {
		use, err := r.useCache.Shape(1)
		if err != nil {
			return err
		}
		use[0] = past > 0
		r.inputs = append(r.inputs, &r.useCache)
	}
	return nil
}

func (r *runs) fillMask(l *lane, count int) error {
	width := l.past + count
	if l.g.inPlace {
		width = l.longest() + count
	}
	mask, err := r.mask.Shape(int64(len(l.rows)), int64(width))
	if err != nil {
		return err
	}
	for k, row := range l.rows {
		m := mask[k*width : (k+1)*width]
		begin := l.at(row)
		end := begin + row.length + count
		clear(m[:begin])
		for i := begin; i < end; i++ {
			m[i] = 1
		}
		clear(m[end:])
	}
	r.inputs = append(r.inputs, &r.mask)
	return nil
}

func (r *runs) bindLogits(rows, count int) error {
	if r.g.keep != "" {
		count = 1
	}
	r.outputs = append(r.outputs, &r.logits)
	_, err := r.logits.Shape(r.g.logits, int64(rows), int64(count), int64(r.g.vocab))
	return err
}

// last is the logits of one row's last token. They may be changed, and hold until the next call.
func (r *runs) last(row, count int) ([]float32, error) {
	if r.g.keep != "" {
		count = 1
	}
	at, all := ((row+1)*count-1)*r.g.vocab, r.logits.Bytes()
	if r.g.logits == tensor.Float32 {
		logits, err := onnx.As[float32](all)
		if err != nil {
			return nil, err
		}
		return logits[at : at+r.g.vocab], nil
	}
	if r.row == nil {
		r.row = make([]float32, r.g.vocab)
	}
	halves(r.row, all[2*at:])
	return r.row, nil
}

// halves reads float16 numbers.
func halves(into []float32, from []byte) {
	for i := range into {
		into[i] = tensor.FromHalf(binary.LittleEndian.Uint16(from[2*i:]))
	}
}

// warmUp runs two tokens, which shows that the graph gives the shapes that it says, and tries whether it works in place.
func (r *runs) warmUp(ctx context.Context, embedder *Embedder) error {
	first, err := r.try(ctx, embedder)
	if err != nil {
		return err
	}
	if r.g.padding == padRight {
		r.g.inPlace = true
		again, err := r.try(ctx, embedder)
		r.g.inPlace = err == nil && alike(first, again)
	}
	r.free()
	return nil
}

// try runs two tokens and gives the logits of the second.
func (r *runs) try(ctx context.Context, embedder *Embedder) ([]float32, error) {
	l := newLane(r.g)
	l.rows = append(l.rows, &row{})
	t := tokens{count: 1, ids: make([]int64, 1), positions: make([]int64, r.g.axes)}
	if r.g.embeds {
		t.embeds = make([]float32, r.g.width)
		if err := embedder.Embed(ctx, []int32{0}, t.embeds); err != nil {
			return nil, fmt.Errorf("the first vector failed: %w", err)
		}
	}
	for k := range 2 {
		for i := range t.positions {
			t.positions[i] = int64(k)
		}
		if err := r.forward(ctx, l, t); err != nil {
			return nil, fmt.Errorf("its first run failed: %w", err)
		}
	}
	logits, err := r.last(0, 1)
	return slices.Clone(logits), err
}

// alike tells whether two rows of logits are the same but for rounding.
func alike(a, b []float32) bool {
	for i := range a {
		if d := math.Abs(float64(a[i]) - float64(b[i])); !(d <= 1e-3*(1+math.Abs(float64(a[i])))) { // NaN too
			return false
		}
	}
	return true
}
