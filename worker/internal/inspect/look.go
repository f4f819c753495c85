package inspect

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/engine/vision"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// Look prints what a model's files say of themselves. An error says what is wrong with one of them.
func Look(dir string, m *model.Manifest, out io.Writer) error {
	p := printer{out: out}
	weights := int64(0)
	p.line("model", "%s, version %s", m.Name, m.Version)
	p.line("engine", "%s", m.Engine)
	for _, name := range graphsOf(m.Files) {
		path := filepath.Join(dir, filepath.FromSlash(name))
		h, err := onnx.ReadHeader(path)
		if err != nil {
			return err
		}
		size, err := sizeOf(path, h)
		if err != nil {
			return err
		}
		weights += size
		p.line("graph", "%s, %s, opset %d, %d kinds of operators", name, Bytes(size), h.Opset[""], len(h.Ops))
		p.specs("input", h.Inputs)
		p.specs("output", h.Outputs)
	}
	if err := p.tokenizer(dir, m); err != nil {
		return err
	}
	if err := p.memory(dir, m, weights); err != nil {
		return err
	}
	return p.err
}

type printer struct {
	out io.Writer
	err error
}

func (p *printer) line(name, format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintf(p.out, "  %-10s %s\n", name, fmt.Sprintf(format, args...))
	}
}

// specs prints inputs or outputs; those of a key-value cache in one line.
func (p *printer) specs(what string, specs []onnx.Spec) {
	cache := 0
	for i := range specs {
		s := &specs[i]
		if strings.HasPrefix(s.Name, "past_key_values.") || strings.HasPrefix(s.Name, "present.") {
			if cache++; cache > 1 {
				continue
			}
		}
		p.line(what, "%s: %s %s", s.Name, s.DType, shape(s.Dims))
	}
	if cache > 1 {
		p.line(what, "and %d more of the cache", cache-1)
	}
}

func shape(dims []int64) string {
	if dims == nil {
		return "of any rank"
	}
	var parts []string
	for _, d := range dims {
		if d < 0 {
			parts = append(parts, "?")
		} else {
			parts = append(parts, strconv.FormatInt(d, 10))
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// tokenizer prints what the tokenizer is, where there is one.
func (p *printer) tokenizer(dir string, m *model.Manifest) error {
	if !m.Has(text.TokenizerFile) && !m.Has(text.VocabFile) {
		return nil
	}
	t, err := text.Load(os.DirFS(dir))
	if err != nil {
		return err
	}
	ids := len(t.Encode("Hello, 世界!", text.Options{}).IDs)
	p.line("tokenizer", "%d tokens; “Hello, 世界!” is %d of them", t.VocabSize(), ids)
	return nil
}

// sizeOf is what a graph takes with its external data.
func sizeOf(path string, h *onnx.Header) (int64, error) {
	size := int64(0)
	files := []string{path}
	for _, e := range h.External {
		files = append(files, filepath.Join(filepath.Dir(path), filepath.FromSlash(e)))
	}
	for _, f := range files {
		st, err := os.Stat(f)
		if errors.Is(err, fs.ErrNotExist) {
			return 0, fmt.Errorf("%s is missing", f)
		}
		if err != nil {
			return 0, err
		}
		size += st.Size()
	}
	return size, nil
}

// memory prints what a model takes, as far as its files tell: the engines know best.
func (p *printer) memory(dir string, m *model.Manifest, weights int64) error {
	if weights == 0 {
		return nil
	}
	p.line("memory", "%s of weights, at least once again while it loads", Bytes(weights))
	if m.Engine != generate.Kind && m.Engine != vision.Kind {
		return nil
	}
	g, err := generate.Estimate(dir, m)
	if err != nil {
		return err
	}
	p.line("cache", "%s a token, %s a sequence of %d; %s at most for all sequences, of which there are up to %d at once",
		Bytes(g.PerToken), Bytes(g.Sequence), g.Context, Bytes(g.KVCache), g.Sequences)
	if m.Engine != vision.Kind {
		return nil
	}
	v, err := vision.Estimate(dir, m)
	if err != nil {
		return err
	}
	p.line("pictures", "%d tokens at most; %s to decode one, %s as patches, %s for those seen last", v.Tokens, Bytes(v.Decode), Bytes(v.Patches), Bytes(v.Features))
	return nil
}

// Bytes writes a size as people read it.
func Bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
