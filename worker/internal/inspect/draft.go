// Package inspect looks at a model's folder as an operator would: which engine could run it, what its files say, how much
// memory it takes, and whether it answers. It is behind `worker check` and `worker manifest`.
package inspect

import (
	"errors"
	"fmt"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Draft makes a manifest for a folder as exports come: the engine is told by the graphs' inputs and outputs, the files are
// those that an engine may read, and the name and version are the folder's.
func Draft(dir string) (*model.Manifest, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	all, err := model.Hashes(dir)
	if err != nil {
		return nil, err
	}
	graphs := map[string]*onnx.Header{}
	for _, p := range graphsOf(all) {
		if graphs[p], err = onnx.ReadHeader(filepath.Join(dir, filepath.FromSlash(p))); err != nil {
			return nil, err
		}
	}
	m := &model.Manifest{Name: filepath.Base(filepath.Dir(abs)), Version: filepath.Base(abs)}
	var chosen []string
	if m.Engine, chosen, err = engineOf(all, graphs); err != nil {
		return nil, err
	}
	m.Files = files(all, graphs, chosen)
	switch {
	case !model.ValidName(m.Name):
		return nil, fmt.Errorf("the folder above is called %q, which can't be a model's name: a repository is NAME/VERSION/", m.Name)
	case !model.ValidVersion(m.Version):
		return nil, fmt.Errorf("the folder is called %q, which can't be a version: a repository is NAME/VERSION/", m.Version)
	}
	return m, nil
}

func graphsOf(files map[string]string) []string {
	var out []string
	for p := range files {
		if path.Ext(p) == ".onnx" {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

// named finds a graph by its file's name, at the top or in a folder of its own such as onnx/.
func named(graphs map[string]*onnx.Header, name string) string {
	best := ""
	for p := range graphs {
		if path.Base(p) == name && (best == "" || len(p) < len(best)) {
			best = p
		}
	}
	return best
}

// engineOf tells which engine runs the graphs, and which of them it needs.
func engineOf(all map[string]string, graphs map[string]*onnx.Header) (engine string, chosen []string, err error) {
	if len(graphs) == 0 {
		return "", nil, errors.New("the folder holds no *.onnx")
	}
	if encoder, pointer := named(graphs, "text_encoder.onnx"), named(graphs, "pointer.onnx"); encoder != "" && pointer != "" {
		return "uninlu", []string{encoder, pointer}, nil
	}
	vision, embed := named(graphs, "vision_encoder.onnx"), named(graphs, "embed_tokens.onnx")
	for _, name := range []string{"decoder_model_merged.onnx", "decoder_model.onnx", "model.onnx"} {
		if decoder := named(graphs, name); vision != "" && embed != "" && decoder != "" {
			return "vision", []string{vision, embed, decoder}, nil
		}
	}
	one := named(graphs, "model.onnx")
	if one == "" {
		if len(graphs) > 1 {
			return "", nil, fmt.Errorf("the folder holds %s, and none of them is called model.onnx: which is meant can't be told", strings.Join(slices.Sorted(maps.Keys(graphs)), ", "))
		}
		one = slices.Collect(maps.Keys(graphs))[0]
	}
	h := graphs[one]
	_, tokens := all["tokenizer.json"]
	_, vocabulary := all["vocab.txt"]
	switch {
	case slices.ContainsFunc(h.Inputs, func(s onnx.Spec) bool { return strings.HasPrefix(s.Name, "past_key_values.") }):
		return "generate", []string{one}, nil
	case (tokens || vocabulary) && h.Input("input_ids") != nil && vectors(h):
		return "embed", []string{one}, nil
	}
	return "tensor", []string{one}, nil
}

func vectors(h *onnx.Header) bool {
	return h.Output("last_hidden_state") != nil || h.Output("token_embeddings") != nil || h.Output("sentence_embedding") != nil
}

// files are the chosen graphs with their weights, and the small files that tell of tokens, templates and sizes.
func files(all map[string]string, graphs map[string]*onnx.Header, chosen []string) map[string]string {
	out := map[string]string{}
	for _, p := range chosen {
		out[p] = all[p]
		for _, w := range graphs[p].External {
			w = path.Join(path.Dir(p), w)
			out[w] = all[w]
		}
	}
	for p, sum := range all {
		switch path.Ext(p) {
		case ".json", ".txt", ".jinja":
			if !strings.HasSuffix(strings.ToLower(p), "readme.txt") && !strings.HasPrefix(p, "testdata/") {
				out[p] = sum
			}
		}
	}
	return out
}

// YAML writes a manifest as an operator would.
func YAML(m *model.Manifest) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "name: %s\nversion: %q\nengine: %s\ndescription: \"\"\nlicense: \"\"\nfiles:\n", m.Name, m.Version, m.Engine)
	for _, p := range slices.Sorted(maps.Keys(m.Files)) {
		fmt.Fprintf(&b, "  %s: %s\n", p, m.Files[p])
	}
	return []byte(b.String())
}
