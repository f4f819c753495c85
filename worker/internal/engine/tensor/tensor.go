// Package tensor runs any ONNX model by its own inputs and outputs: what goes in and comes out are tensors, of every
// element type of the protocol, as JSON numbers or as base64 of their bytes.
//
// Types and shapes are the graph's. A model whose first axis is one of examples, which its manifest says by
// tensor.batch, answers several requests in one run: those whose other dimensions are equal share it, and each gets the
// rows that are its own. Outputs that are no tensors, such as the list of maps that exported classifiers give beside
// their labels, are left out.
//
// Data come out flat, row by row, as JSON values. NaN and the infinities, which JSON lacks, are null there; asked for as
// raw an output is exact. Strings that are not UTF-8 come as raw in any case.
package tensor

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Kind is the engine's name in a manifest.
const Kind = "tensor"

// maxRows bounds the rows that share a run where the manifest does not, by batch.max_tokens.
const maxRows = 1024

// maxOutput bounds an answer, in bytes of JSON, as an input is bounded.
const maxOutput = job.ResolvedMost

// maxMemory bounds what runs of all tensor models of a process take together, in bytes: a graph may make large outputs of
// small inputs.
const maxMemory = 4 << 30

// Options say how the model runs.
type Options struct {
	Instances int    // runs at once; less than 1 means 1
	Threads   int    // of one run, counting the caller's; less than 1 means 1
	Device    string // as onnx.Options has it
}

// Engine is a loaded model.
type Engine struct {
	inputs  []onnx.Spec
	outputs []onnx.Spec
	about   job.About
	batch   bool
	loners  atomic.Uint64 // numbers the requests that share no run

	lanes    chan *lane // idle ones
	all      []*lane
	sessions []*onnx.Session
}

// New loads the model in the version folder dir.
func New(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	e := &Engine{}
	if err := e.load(rt, dir, m, o); err != nil {
		return nil, errors.Join(fmt.Errorf("tensor: %w", err), e.Close())
	}
	return e, nil
}

func (e *Engine) load(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) error {
	f, err := folder.Open(dir, m)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	c := model.Tensor{}
	if m.Tensor != nil {
		c = *m.Tensor
	}
	name, err := f.Graph(c.Model)
	if err != nil {
		return fmt.Errorf("%w (manifest: tensor.model)", err)
	}
	h, err := f.Header(name)
	if err != nil {
		return err
	}
	if err := e.inspect(h, c.Batch); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	options := onnx.Options{
		Threads: o.Threads, Device: o.Device, Inputs: namesOf(e.inputs), Outputs: namesOf(e.outputs),
		Limited: true, Shrink: true,
	}
	if err := rt.Limit(maxMemory); err != nil {
		return err
	}
	o.Instances = max(o.Instances, 1)
	e.lanes = make(chan *lane, o.Instances)
	for i := range o.Instances {
		// A session serves several runs at once, each on its caller's thread. Its further threads it has only once.
		if i == 0 || o.Threads > 1 {
			s, err := rt.LoadHeader(f.Path(name), h, options)
			if err != nil {
				return err
			}
			e.sessions = append(e.sessions, s)
		}
		l := newLane(e, e.sessions[len(e.sessions)-1])
		e.all = append(e.all, l)
		e.lanes <- l
	}
	return nil
}

// inspect holds the graph against what requests can carry, and where batches are wanted against those.
func (e *Engine) inspect(h *onnx.Header, batch bool) error {
	e.batch = batch
	for _, s := range h.Inputs {
		if !carried(s.DType) {
			return fmt.Errorf("input %q is of type %s, which a request can't carry", s.Name, s.DType)
		}
		if batch && s.Dims != nil && (len(s.Dims) == 0 || s.Dims[0] >= 0) {
			return fmt.Errorf("input %q of shape %v has no free first axis, which tensor.batch needs", s.Name, s.Dims)
		}
		if first := axis(e.inputs); batch && first != "" && len(s.Names) > 0 && s.Names[0] != "" && s.Names[0] != first {
			return fmt.Errorf("input %q counts %q on its first axis, and another input %q; tensor.batch needs them to be one", s.Name, s.Names[0], first)
		}
		e.inputs = append(e.inputs, s)
		e.about.Inputs = append(e.about.Inputs, spec(s))
	}
	if batch && len(e.inputs) == 0 {
		return errors.New("the model has no inputs, and tensor.batch needs some")
	}
	for _, s := range h.Outputs {
		if s.DType == tensor.Invalid { // a sequence or a map
			continue
		}
		if !carried(s.DType) {
			return fmt.Errorf("output %q is of type %s, which an answer can't carry", s.Name, s.DType)
		}
		if batch && s.Dims != nil && (len(s.Dims) == 0 || s.Dims[0] >= 0) {
			return fmt.Errorf("output %q of shape %v has no free first axis, which tensor.batch needs", s.Name, s.Dims)
		}
		e.outputs = append(e.outputs, s)
		e.about.Outputs = append(e.about.Outputs, spec(s))
	}
	if len(e.outputs) == 0 {
		return errors.New("the model has no outputs that are tensors")
	}
	return nil
}

// axis is what the graph calls the first axis of its inputs; empty where it has no name.
func axis(inputs []onnx.Spec) string {
	for _, s := range inputs {
		if len(s.Names) > 0 && s.Names[0] != "" {
			return s.Names[0]
		}
	}
	return ""
}

// carried tells whether the protocol has the type.
func carried(d tensor.DType) bool { return d > tensor.Invalid && d <= tensor.String }

func spec(s onnx.Spec) job.Spec {
	return job.Spec{Name: s.Name, Datatype: s.DType.String(), Shape: s.Dims}
}

func namesOf(specs []onnx.Spec) []string {
	names := make([]string, len(specs))
	for i := range specs {
		names[i] = specs[i].Name
	}
	return names
}

// About is what the model takes and gives.
func (e *Engine) About() job.About { return e.about }

// MaxTokens bounds a batch; the cost of a request is its rows.
func (e *Engine) MaxTokens() int { return maxRows }

// Close frees the model. No call may be under way.
func (e *Engine) Close() error {
	var errs []error
	for _, l := range e.all {
		l.free()
	}
	for _, s := range e.sessions {
		errs = append(errs, s.Close())
	}
	e.all, e.sessions = nil, nil
	return errors.Join(errs...)
}
