package tensor

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// unit is a prepared request.
type unit struct {
	inputs []input.Tensor // in the graph's order
	wanted []wanted
	rows   int // of the first axis; 1 where the model knows no batches
	key    string
}

// wanted is one output of a request.
type wanted struct {
	output int // in the graph
	raw    bool
}

// Key is what the dimensions behind the first one are. A request that can't share a run has a key of its own.
func (u *unit) Key() string { return u.key }

// Rows is how many examples it has.
func (u *unit) Rows() int { return u.rows }

// Cost is the rows.
func (u *unit) Cost() int { return max(u.rows, 1) }

// Prepare checks a request against the graph.
func (e *Engine) Prepare(_ context.Context, r engine.Request) (engine.Unit, error) {
	t, err := input.ParseTensors(r.Input)
	if err != nil {
		return nil, err
	}
	if err := t.Fit(e.about.Inputs, e.about.Outputs); err != nil {
		return nil, err
	}
	if len(e.inputs) != len(t.Inputs) { // Fit proves nothing of a model without inputs
		return nil, fault.Invalid("inputs", "has %d tensors, and the model takes %d", len(t.Inputs), len(e.inputs))
	}
	u := &unit{inputs: make([]input.Tensor, len(e.inputs)), rows: 1}
	for i := range t.Inputs {
		k := slices.IndexFunc(e.about.Inputs, func(s job.Spec) bool { return s.Name == t.Inputs[i].Name })
		u.inputs[k] = t.Inputs[i]
		u.inputs[k].Data = onnx.Aligned(u.inputs[k].Data)
	}
	u.wanted = e.wanted(t.Outputs)
	if !e.batch {
		u.key = e.alone()
		return u, nil
	}
	return u, e.bucket(u, t.Inputs)
}

// wanted turns the outputs that are asked for into those of the graph; none means all.
func (e *Engine) wanted(asked []input.Wanted) []wanted {
	var all []wanted
	for _, w := range asked {
		k := slices.IndexFunc(e.about.Outputs, func(s job.Spec) bool { return s.Name == w.Name })
		all = append(all, wanted{k, w.Raw})
	}
	if len(asked) == 0 {
		for k := range e.outputs {
			all = append(all, wanted{output: k})
		}
	}
	return all
}

// bucket counts the rows, in which all inputs must agree, and makes the key of the other dimensions.
func (e *Engine) bucket(u *unit, asSent []input.Tensor) error {
	for i := range asSent {
		in := &asSent[i]
		field := "inputs[" + strconv.Itoa(i) + "].shape"
		if len(in.Shape) == 0 {
			return fault.Invalid(field, "has no dimensions, and the first one counts the examples")
		}
		if in.Shape[0] != asSent[0].Shape[0] {
			return fault.Invalid(field, "begins with %d, and that of %q with %d: the first dimension counts the examples",
				in.Shape[0], asSent[0].Name, asSent[0].Shape[0])
		}
	}
	u.rows = int(asSent[0].Shape[0])
	if u.rows == 0 {
		u.key = e.alone()
		return nil
	}
	var key []byte
	for i := range u.inputs {
		for _, d := range u.inputs[i].Shape[1:] {
			key = append(strconv.AppendInt(key, d, 10), ',')
		}
		key = append(key, ';')
	}
	u.key = string(key)
	return nil
}

// alone is a key that no other request has.
func (e *Engine) alone() string { return "#" + strconv.FormatUint(e.loners.Add(1), 36) }

// own is the units as this package's.
func own(units []engine.Unit) ([]*unit, error) {
	mine := make([]*unit, len(units))
	for i, u := range units {
		m, ok := u.(*unit)
		if !ok {
			return nil, fmt.Errorf("tensor: unit %d is of another engine: %T", i, u)
		}
		mine[i] = m
	}
	return mine, nil
}
