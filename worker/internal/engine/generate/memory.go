package generate

import (
	"os"
	"path/filepath"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
)

// Memory is what a model takes, in bytes.
type Memory struct {
	Weights   int64 // of the decoder's files, which ONNX Runtime reads into memory
	PerToken  int64 // of the KV cache, for one token of one sequence, counted twice, as a run reads one copy and writes another; once where the graph turns out to work in place
	Sequence  int64 // of the KV cache, for a sequence as long as the context
	KVCache   int64 // the most that all sequences and kept prefixes take
	Context   int   // tokens
	Sequences int   // at once, at most
}

// Estimate tells what the model in the version folder dir takes, from its files alone.
func Estimate(dir string, m *model.Manifest) (Memory, error) {
	files, err := folder.Open(dir, m)
	if err != nil {
		return Memory{}, err
	}
	defer files.Close() //nolint:errcheck // nothing was written
	e, err := describe(files, m)
	if err != nil {
		return Memory{}, err
	}
	mem := Memory{
		PerToken: e.graph.tokenCost(), Sequence: e.cost(1, e.context), KVCache: e.budget, Context: e.context, Sequences: e.maxRows,
	}
	for _, name := range append([]string{filepath.Base(e.graph.file)}, e.graph.header.External...) {
		st, err := os.Stat(filepath.Join(filepath.Dir(files.Path(e.graph.file)), filepath.FromSlash(name)))
		if err != nil {
			return Memory{}, err
		}
		mem.Weights += st.Size()
	}
	return mem, nil
}
