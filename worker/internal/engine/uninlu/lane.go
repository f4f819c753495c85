package uninlu

import (
	"context"
	"errors"

	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// lane is one instance: memory that one run after another uses. It is for one goroutine at a time.
type lane struct {
	e *Engine
	pair

	hidden []float32 // [windows, length, width] of the batch at hand
	masks  []int64   // [windows, length]
	length int       // tokens that every text of the batch is padded to

	ids, textMask, hintIDs, hintMask, hintAt onnx.Tensor[int64]
	encoded, sequence, heads, tails          onnx.Tensor[float32]
}

// pair is the model's two graphs, loaded.
type pair struct{ encoder, pointer *onnx.Session }

func loadPair(rt *onnx.Runtime, g *graphs, o Options) (pair, error) {
	var p pair
	var err error
	p.encoder, err = rt.LoadHeader(g.encoder, g.encoderHeader, onnx.Options{
		Threads: o.Threads, Device: o.Device,
		Inputs: []string{"input_ids", "attention_mask"}, Outputs: []string{"sequence_output"},
	})
	if err != nil {
		return p, err
	}
	inputs := []string{"sequence_output", "attention_mask", "hint_ids", "hint_attention_mask"}
	if g.positions {
		inputs = append(inputs, "hint_position_ids")
	}
	p.pointer, err = rt.LoadHeader(g.pointer, g.pointerHeader, onnx.Options{
		Threads: o.Threads, Device: o.Device, Inputs: inputs, Outputs: []string{"head_logits", "tail_logits"},
	})
	if err != nil {
		return p, errors.Join(err, p.encoder.Close())
	}
	return p, nil
}

func (p pair) close() error { return errors.Join(p.encoder.Close(), p.pointer.Close()) }

// free gives back the tensors. The sessions are the engine's.
func (l *lane) free() {
	for _, t := range []interface{ Free() }{
		&l.ids, &l.textMask, &l.hintIDs, &l.hintMask, &l.hintAt, &l.encoded, &l.sequence, &l.heads, &l.tails,
	} {
		t.Free()
	}
}

// shrink lets go of memory that only a very long text needs.
func (l *lane) shrink() {
	if cap(l.hidden) <= 8*maxRunTokens*l.e.width {
		return
	}
	l.encoded.Free() // views of it
	l.sequence.Free()
	l.textMask.Free()
	l.hidden, l.masks = nil, nil
}

// place is a window of one of the batch's texts.
type place struct {
	unit *unit
	window
}

// encode runs the text encoder over all windows and leaves the hidden states and masks in the lane.
func (l *lane) encode(ctx context.Context, places []place) error {
	l.length = 0
	for i := range places {
		l.length = max(l.length, places[i].unit.length)
	}
	l.hidden = grow(l.hidden, len(places)*l.length*l.e.width)
	l.masks = grow(l.masks, len(places)*l.length)
	step := rowsPerRun(l.length)
	for from := 0; from < len(places); from += step {
		if err := l.encodeSome(ctx, places, from, min(from+step, len(places))); err != nil {
			return err
		}
	}
	return nil
}

func (l *lane) encodeSome(ctx context.Context, places []place, from, to int) error {
	n, length, width := int64(to-from), int64(l.length), int64(l.e.width)
	ids, err := l.ids.Shape(n, length)
	if err != nil {
		return err
	}
	masks := l.masks[from*l.length : to*l.length]
	for i, p := range places[from:to] {
		at := i * l.length
		tokens := p.unit.encoding.IDs[p.from:p.to]
		for k, id := range tokens {
			ids[at+k], masks[at+k] = int64(id), 1
		}
		for k := at + len(tokens); k < at+l.length; k++ {
			ids[k], masks[k] = l.e.pad, 0
		}
	}
	if err := l.textMask.Bind(masks, n, length); err != nil {
		return err
	}
	out := l.hidden[from*l.length*l.e.width : to*l.length*l.e.width]
	if err := l.encoded.Bind(out, n, length, width); err != nil {
		return err
	}
	return l.encoder.Run(ctx, []onnx.Value{&l.ids, &l.textMask}, []onnx.Value{&l.encoded})
}

// question is one hint put to one window.
type question struct {
	row    *row
	place  int // index of the window in the batch
	tokens int // of the window, without padding: the hint's positions go on from there
}

// ask runs the pointer over some questions, and gives the logits, [questions, length] each.
func (l *lane) ask(ctx context.Context, questions []question) (heads, tails []float32, err error) {
	hintLen := 0
	for i := range questions {
		hintLen = max(hintLen, len(questions[i].row.hint))
	}
	n := len(questions)
	if err := errors.Join(l.fillTexts(questions), l.fillHints(questions, hintLen)); err != nil {
		return nil, nil, err
	}
	if heads, err = l.heads.Shape(int64(n), int64(l.length)); err != nil {
		return nil, nil, err
	}
	if tails, err = l.tails.Shape(int64(n), int64(l.length)); err != nil {
		return nil, nil, err
	}
	inputs := []onnx.Value{&l.sequence, &l.textMask, &l.hintIDs, &l.hintMask, &l.hintAt}
	if !l.e.positions {
		inputs = inputs[:4]
	}
	err = l.pointer.Run(ctx, inputs, []onnx.Value{&l.heads, &l.tails})
	return heads, tails, err
}

// fillTexts gives each question its window's hidden states and mask. Windows that follow one another are not copied.
func (l *lane) fillTexts(questions []question) error {
	n, each := len(questions), l.length*l.e.width
	dims := []int64{int64(n), int64(l.length), int64(l.e.width)}
	if first := questions[0].place; inOrder(questions) {
		return errors.Join(
			l.sequence.Bind(l.hidden[first*each:(first+n)*each], dims...),
			l.textMask.Bind(l.masks[first*l.length:(first+n)*l.length], dims[:2]...),
		)
	}
	sequence, err := l.sequence.Shape(dims...)
	if err != nil {
		return err
	}
	masks, err := l.textMask.Shape(dims[:2]...)
	if err != nil {
		return err
	}
	for i, q := range questions {
		copy(sequence[i*each:(i+1)*each], l.hidden[q.place*each:])
		copy(masks[i*l.length:(i+1)*l.length], l.masks[q.place*l.length:])
	}
	return nil
}

func inOrder(questions []question) bool {
	for i := range questions {
		if questions[i].place != questions[0].place+i {
			return false
		}
	}
	return true
}

func (l *lane) fillHints(questions []question, hintLen int) error {
	n, length := int64(len(questions)), int64(hintLen)
	ids, err := l.hintIDs.Shape(n, length)
	if err != nil {
		return err
	}
	masks, err := l.hintMask.Shape(n, length)
	if err != nil {
		return err
	}
	at, err := l.hintAt.Shape(n, length)
	if err != nil {
		return err
	}
	for i, q := range questions {
		from := i * hintLen
		begin := int64(q.tokens)
		for k := range hintLen {
			ids[from+k], masks[from+k], at[from+k] = l.e.pad, 0, begin+int64(k)
		}
		for k, id := range q.row.hint {
			ids[from+k], masks[from+k] = int64(id), 1
		}
	}
	return nil
}

// rowsPerRun is how many rows of that many tokens one run takes.
func rowsPerRun(tokens int) int { return max(maxRunTokens/max(tokens, 1), 1) }

// grow gives a slice of n elements, with s's memory where it is enough.
func grow[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n, n+n/4)
	}
	return s[:n]
}
