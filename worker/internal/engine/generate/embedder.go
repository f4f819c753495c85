package generate

import (
	"context"
	"fmt"
	"sync"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// embedFiles are the names under which exporters write the graph that turns tokens into vectors.
func embedFiles() []string { return []string{"embed_tokens.onnx", "onnx/embed_tokens.onnx"} }

// Embedder turns tokens into the vectors that a decoder of vectors takes. Its methods may be called by several
// goroutines at once.
type Embedder struct {
	session *onnx.Session
	width   int
	vocab   int

	mu   sync.Mutex
	free []*embedding // not in use; guarded by mu
}

// embedding is the tensors of one run.
type embedding struct {
	ids     onnx.Tensor[int64]
	vectors onnx.Tensor[float32]
}

// openEmbedder loads the graph that the manifest lists for it.
func openEmbedder(rt *onnx.Runtime, files *folder.Folder, named string, g *graph, o onnx.Options) (*Embedder, error) {
	file := named
	for _, name := range embedFiles() {
		if file == "" && files.Has(name) {
			file = name
		}
	}
	if file == "" || !files.Has(file) {
		return nil, fmt.Errorf("%s takes %s, and the manifest lists no %s that gives them", g.file, inputEmbeds, embedFiles()[0])
	}
	h, err := files.Header(file)
	if err != nil {
		return nil, err
	}
	if len(h.Outputs) != 1 || h.Outputs[0].DType != tensor.Float32 || len(h.Outputs[0].Dims) != 3 {
		return nil, fmt.Errorf("%s: want one output, FP32 [batch, tokens, %d]", file, g.width)
	}
	if d := h.Outputs[0].Dims[2]; d > 0 && d != g.width {
		return nil, fmt.Errorf("%s gives vectors of %d, and %s takes vectors of %d", file, d, g.file, g.width)
	}
	o.Inputs, o.Outputs = []string{inputIDs}, []string{h.Outputs[0].Name}
	s, err := rt.LoadHeader(files.Path(file), h, o)
	if err != nil {
		return nil, err
	}
	return &Embedder{session: s, width: int(g.width), vocab: g.vocab}, nil
}

// Width is the length of a vector.
func (e *Embedder) Width() int { return e.width }

// Embed writes the vectors of ids into a slice of len(ids) × Width.
func (e *Embedder) Embed(ctx context.Context, ids []int32, into []float32) error {
	b := e.take()
	defer e.give(b)
	in, err := b.ids.Shape(1, int64(len(ids)))
	if err != nil {
		return err
	}
	for i, id := range ids {
		if id < 0 || int(id) >= e.vocab {
			return fmt.Errorf("generate: token %d is not in the vocabulary of %d", id, e.vocab)
		}
		in[i] = int64(id)
	}
	if err := b.vectors.Bind(into, 1, int64(len(ids)), int64(e.width)); err != nil {
		return err
	}
	return e.session.Run(ctx, []onnx.Value{&b.ids}, []onnx.Value{&b.vectors})
}

func (e *Embedder) take() *embedding {
	e.mu.Lock()
	defer e.mu.Unlock()
	if n := len(e.free); n > 0 {
		b := e.free[n-1]
		e.free = e.free[:n-1]
		return b
	}
	return &embedding{}
}

func (e *Embedder) give(b *embedding) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.free = append(e.free, b)
}

func (e *Embedder) close() error {
	if e == nil {
		return nil
	}
	for _, b := range e.free {
		b.ids.Free()
		b.vectors.Free()
	}
	return e.session.Close()
}
