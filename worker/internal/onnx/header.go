package onnx

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Spec is one input or output of a model.
type Spec struct {
	Name  string
	DType tensor.DType // Invalid for a sequence, a map or an unknown type
	Dims  []int64      // -1 where the size is free; nil when the rank is unknown
	Names []string     // of the dimensions: equal names are equal sizes; "" where there is none
}

// Header is what a model file says of itself.
type Header struct {
	Inputs   []Spec // in the file's order; constants that the file lists among its inputs are left out
	Outputs  []Spec
	Opset    map[string]int64 // version by domain; "" is ONNX's own
	Ops      map[string]int   // operators by "domain.Name", ONNX's own without a domain, and how often; subgraphs too
	External []string         // files that hold weights, relative to the model's folder, each once
}

// ReadHeader reads a model file's header without its weights. A file that is damaged, or whose external data lie
// outside its folder, is an error.
func ReadHeader(path string) (*Header, error) {
	f, err := os.Open(path) //nolint:gosec // an operator's model
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	h, err := scanHeader(f)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	if err := h.checkExternal(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	return h, nil
}

// Input finds an input by name, and is nil when there is none.
func (h *Header) Input(name string) *Spec { return byName(h.Inputs, name) }

// Output finds an output by name, and is nil when there is none.
func (h *Header) Output(name string) *Spec { return byName(h.Outputs, name) }

func byName(specs []Spec, name string) *Spec {
	for i := range specs {
		if specs[i].Name == name {
			return &specs[i]
		}
	}
	return nil
}

// check holds the names that a session is to use against the file.
func (h *Header) check(inputs, outputs []string) error {
	for _, n := range inputs {
		if h.Input(n) == nil {
			return fmt.Errorf("the model has no input %q; it has %s", n, names(h.Inputs))
		}
	}
	for _, n := range outputs {
		if h.Output(n) == nil {
			return fmt.Errorf("the model has no output %q; it has %s", n, names(h.Outputs))
		}
	}
	for _, s := range h.Inputs {
		if !slices.Contains(inputs, s.Name) {
			return fmt.Errorf("the model wants input %q, which this engine does not give", s.Name)
		}
	}
	return nil
}

func names(specs []Spec) string {
	var s []string
	for _, x := range specs {
		s = append(s, x.Name)
	}
	return strings.Join(s, ", ")
}

// checkExternal refuses weights outside the folder, also behind symbolic links.
func (h *Header) checkExternal(dir string) error {
	if len(h.External) == 0 {
		return nil
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close() //nolint:errcheck // nothing was written
	for _, p := range h.External {
		if !filepath.IsLocal(filepath.FromSlash(p)) {
			return fmt.Errorf("its external data %q leave its folder", p)
		}
		st, err := root.Stat(filepath.FromSlash(p))
		if err != nil {
			return fmt.Errorf("its external data %q can't be read inside its folder: %w", p, err)
		}
		if !st.Mode().IsRegular() {
			return fmt.Errorf("its external data %q are no file", p)
		}
	}
	return nil
}

var errDamaged = errors.New("not an ONNX model, or a damaged one")
