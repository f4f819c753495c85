package embed

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

const (
	// maxRunTokens bounds the tokens of one run, padding included, but for a text that has more alone.
	maxRunTokens = 4096
	// keepMost bounds the memory that a lane keeps for the encoder's output, in bytes.
	keepMost = 32 << 20
)

// lane is one instance: memory that one run after another uses. It is for one goroutine at a time.
type lane struct {
	e       *Engine
	session *onnx.Session

	in      []onnx.Raw
	out     onnx.Raw
	inputs  []onnx.Value // of in
	outputs []onnx.Value // of out
	numbers []float32    // the output's, where it has another type
}

func newLane(e *Engine, s *onnx.Session) *lane {
	l := &lane{e: e, session: s, in: make([]onnx.Raw, len(e.graph.inputs))}
	for i := range l.in {
		l.inputs = append(l.inputs, &l.in[i])
	}
	l.outputs = []onnx.Value{&l.out}
	return l
}

func (l *lane) free() {
	for i := range l.in {
		l.in[i].Free()
	}
	l.out.Free()
}

// settle lets go of memory that only many or long texts need.
func (l *lane) settle() {
	if len(l.out.Bytes()) > keepMost {
		l.out.Unbind(0)
		l.numbers = nil
	}
}

// row is one text, and where its vector goes.
type row struct {
	ids  []int32
	into []float32
}

// RunBatch embeds units of one key.
func (e *Engine) RunBatch(ctx context.Context, units []engine.Unit) ([]engine.Outcome, error) {
	mine, err := own(units)
	if err != nil {
		return nil, err
	}
	n := 0
	for _, u := range mine {
		n += len(u.texts)
	}
	vectors := make([]float32, n*e.width)
	rows := make([]row, 0, n)
	for _, u := range mine {
		for _, ids := range u.texts {
			at := len(rows) * e.width
			rows = append(rows, row{ids, vectors[at : at+e.width]})
		}
	}
	if err := e.embed(ctx, rows); err != nil {
		return nil, err
	}
	out := make([]engine.Outcome, len(mine))
	at := 0
	for i, u := range mine {
		next := at + len(u.texts)*e.width
		out[i].Result = engine.Result{Output: u.render(vectors[at:next], e.width), BatchSize: len(mine), InputTokens: u.tokens}
		at = next
	}
	return out, nil
}

// embed fills the vectors, in runs of rows of similar length.
func (e *Engine) embed(ctx context.Context, rows []row) error {
	var l *lane
	select {
	case l = <-e.lanes:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() {
		l.settle()
		e.lanes <- l
	}()
	slices.SortStableFunc(rows, func(a, b row) int { return len(b.ids) - len(a.ids) })
	for len(rows) > 0 {
		n := together(rows)
		if err := l.runRows(ctx, rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

// together is how many rows, longest first, share a run: as many as its tokens allow, and none that would be padded by
// more than a quarter.
func together(rows []row) int {
	longest := len(rows[0].ids)
	for n := range rows {
		if n > 0 && ((n+1)*longest > maxRunTokens || len(rows[n].ids)*5 < longest*4 && longest > 16) {
			return n
		}
	}
	return len(rows)
}

// runRows runs rows of which the first is the longest.
func (l *lane) runRows(ctx context.Context, rows []row) error {
	n, length := len(rows), len(rows[0].ids)
	if err := l.fill(rows, length); err != nil {
		return err
	}
	dims := [3]int64{int64(n), int64(length), int64(l.e.width)}
	shape := dims[:]
	if l.e.graph.pooled {
		dims[1] = dims[2]
		shape = dims[:2]
	}
	if _, err := l.out.Shape(l.e.graph.dtype, shape...); err != nil {
		return err
	}
	if err := l.session.Run(ctx, l.inputs, l.outputs); err != nil {
		return err
	}
	numbers, err := l.floats()
	if err != nil {
		return err
	}
	each := len(numbers) / n
	for i := range rows {
		pool(rows[i].into, numbers[i*each:(i+1)*each], len(rows[i].ids), l.e.settings.pooling)
	}
	return nil
}

// fill writes the inputs, padded to length.
func (l *lane) fill(rows []row, length int) error {
	for i, name := range l.e.graph.inputs {
		b, err := l.in[i].Shape(l.e.graph.dtypes[i], int64(len(rows)), int64(length))
		if err != nil {
			return err
		}
		if l.e.graph.dtypes[i] == tensor.Int64 {
			err = fillOne[int64](b, name, rows, length, l.e.settings.padding)
		} else {
			err = fillOne[int32](b, name, rows, length, l.e.settings.padding)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func fillOne[T int32 | int64](b []byte, name string, rows []row, length int, pad int64) error {
	all, err := onnx.As[T](b)
	if err != nil {
		return err
	}
	for i := range rows {
		to, ids := all[i*length:(i+1)*length], rows[i].ids
		switch name {
		case "input_ids":
			for k, id := range ids {
				to[k] = T(id)
			}
			for k := len(ids); k < length; k++ {
				to[k] = T(pad)
			}
		case "attention_mask":
			for k := range to {
				to[k] = 0
				if k < len(ids) {
					to[k] = 1
				}
			}
		case "position_ids":
			for k := range to {
				to[k] = T(k)
			}
		default:
			clear(to)
		}
	}
	return nil
}

// floats is the output as float32.
func (l *lane) floats() ([]float32, error) {
	b := l.out.Bytes()
	if l.e.graph.dtype == tensor.Float32 {
		return onnx.As[float32](b)
	}
	if n := len(b) / 2; cap(l.numbers) < n {
		l.numbers = make([]float32, n)
	} else {
		l.numbers = l.numbers[:n]
	}
	from := tensor.FromHalf
	if l.e.graph.dtype == tensor.BFloat16 {
		from = tensor.FromBFloat
	}
	for i := range l.numbers {
		l.numbers[i] = from(binary.LittleEndian.Uint16(b[2*i:]))
	}
	return l.numbers, nil
}

// measure runs one short text to learn how wide a vector is.
func (l *lane) measure() (int, error) {
	ids := l.e.encode("a")
	if len(ids) == 0 {
		return 0, errors.New("the tokenizer finds no tokens in a text")
	}
	if len(ids) > l.e.settings.maxTokens {
		return 0, fmt.Errorf("%d tokens, as embed.max_tokens allows, hold no text", l.e.settings.maxTokens)
	}
	if err := l.fill([]row{{ids: ids}}, len(ids)); err != nil {
		return 0, err
	}
	l.out.Auto()
	if err := l.session.Run(context.Background(), l.inputs, l.outputs); err != nil {
		return 0, err
	}
	dims, want := l.out.Dims(), 3
	if l.e.graph.pooled {
		want = 2
	}
	if len(dims) != want || dims[0] != 1 || want == 3 && dims[1] != int64(len(ids)) || dims[want-1] < 1 {
		return 0, fmt.Errorf("output %q came out as %v for one text of %d tokens", l.e.graph.output, slices.Clone(dims), len(ids))
	}
	return int(dims[want-1]), nil
}
