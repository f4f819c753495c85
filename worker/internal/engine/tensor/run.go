package tensor

import (
	"context"
	"fmt"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// keepMost bounds the memory that a lane keeps for gathering one input, in bytes.
const keepMost = 4 << 20

// lane is one instance: values that one run after another uses. It is for one goroutine at a time.
type lane struct {
	e       *Engine
	session *onnx.Session

	in, out         []onnx.Raw
	inputs, outputs []onnx.Value // of in and out; an output is nil in a run that does not want it
}

func newLane(e *Engine, s *onnx.Session) *lane {
	l := &lane{e: e, session: s, in: make([]onnx.Raw, len(e.inputs)), out: make([]onnx.Raw, len(e.outputs))}
	for i := range l.in {
		l.inputs = append(l.inputs, &l.in[i])
	}
	l.outputs = make([]onnx.Value, len(l.out))
	return l
}

func (l *lane) free() {
	for i := range l.in {
		l.in[i].Free()
	}
	for i := range l.out {
		l.out[i].Free()
	}
}

// settle lets go of the requests' data and of what the runtime allocated, and of memory that only large requests need.
func (l *lane) settle() {
	for i := range l.in {
		l.in[i].Unbind(keepMost)
	}
	for i := range l.out {
		l.out[i].Unbind(0)
	}
}

// RunBatch runs units of one key, all in one run.
func (e *Engine) RunBatch(ctx context.Context, units []engine.Unit) ([]engine.Outcome, error) {
	mine, err := own(units)
	if err != nil || len(mine) == 0 {
		return nil, err
	}
	var l *lane
	select {
	case l = <-e.lanes:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		l.settle()
		e.lanes <- l
	}()
	return l.run(ctx, mine)
}

func (l *lane) run(ctx context.Context, units []*unit) ([]engine.Outcome, error) {
	rows := 0
	clear(l.outputs)
	for _, u := range units {
		rows += u.rows
		for _, w := range u.wanted {
			if l.outputs[w.output] == nil {
				l.out[w.output].Auto()
				l.outputs[w.output] = &l.out[w.output]
			}
		}
	}
	for i := range l.in {
		if err := l.gather(i, units, rows); err != nil {
			return nil, err
		}
	}
	if err := l.session.Run(ctx, l.inputs, l.outputs); err != nil {
		return nil, l.e.failed(ctx, err)
	}
	if err := l.divisible(len(units), rows); err != nil {
		return nil, err
	}
	return l.outcomes(units, rows), nil
}

// gather makes one input of all units. A unit that runs alone is viewed where it lies.
func (l *lane) gather(i int, units []*unit, rows int) error {
	first := &units[0].inputs[i]
	into, shape := &l.in[i], first.Shape
	if len(units) > 1 {
		var dims [tensor.MaxRank]int64
		shape = append(append(dims[:0], int64(rows)), first.Shape[1:]...)
	}
	switch {
	case first.DType == tensor.String:
		values := first.Strings
		if len(units) > 1 {
			values = nil
			for _, u := range units {
				values = append(values, u.inputs[i].Strings...)
			}
		}
		return into.SetStrings(values, shape...)
	case len(units) == 1:
		return into.Bind(first.DType, first.Data, shape...)
	}
	data, err := into.Shape(first.DType, shape...)
	if err != nil {
		return err
	}
	for _, u := range units {
		data = data[copy(data, u.inputs[i].Data):]
	}
	return nil
}

// divisible tells whether what came out can be given to several units by rows.
func (l *lane) divisible(units, rows int) error {
	if units == 1 {
		return nil
	}
	for i, v := range l.outputs {
		if v == nil {
			continue
		}
		if dims := l.out[i].Dims(); len(dims) == 0 || dims[0] != int64(rows) {
			return fmt.Errorf("tensor: output %q came out as %v for %d rows: the model knows no batches, and its manifest says tensor.batch",
				l.e.outputs[i].Name, append([]int64{}, dims...), rows)
		}
	}
	return nil
}
