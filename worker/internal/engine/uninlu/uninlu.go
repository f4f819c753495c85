// Package uninlu runs SiameseUniNLU networks: one model for entities, relations, events, sentiment, classification,
// matching, inference and reading. A request is a text and a schema, and each key of the schema is a question about the
// text. The text is encoded once; then all questions of one level of the schema, of all requests of a batch, go through
// the pointer network together, and the spans they find make the questions of the next level.
package uninlu

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// Kind is the engine's name in a manifest.
const Kind = "uninlu"

// The graphs of a model.
const (
	encoderFile = "text_encoder.onnx"
	pointerFile = "pointer.onnx"
)

// What the network was trained with, where the manifest does not say.
const (
	defaultWindow    = 384
	defaultSlide     = 352
	defaultHintMax   = 128
	defaultThreshold = 0.5
)

// Bounds of one request and one run. They keep what a hostile request costs in memory and time within reason.
const (
	MaxText  = 100_000 // code points of text
	MaxKeys  = 256     // keys of a schema, over all levels
	MaxKey   = 1_000   // code points of one key
	MaxDepth = 8       // levels of a schema
	MaxRows  = 4096    // questions × windows of one request, over all levels

	maxRunTokens = 4096 // rows × padded tokens of one run of a graph; at least one row runs
	bucket       = 16   // texts whose lengths round up to the same multiple share a batch
)

// Options say how the engine runs.
type Options struct {
	Instances int    // how many RunBatch may run at once; 0 means 1
	Threads   int    // of one run; 0 means 1
	Device    string // as onnx.Options has it
}

// Engine is an engine.Unary. Prepare may be called by any number of goroutines, RunBatch by as many as there are
// instances; more wait.
type Engine struct {
	tokenizer *text.Tokenizer
	positions bool // the pointer takes hint_position_ids, so that padding changes nothing
	width     int  // of the hidden states
	window    int
	slide     int
	hintMax   int
	threshold float32
	pad       int64

	lanes chan *lane // idle ones
	all   []*lane
	pairs []pair // what the lanes run
}

// New loads the model in the version folder dir.
func New(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	e, err := load(rt, dir, m, o)
	if err != nil {
		return nil, fmt.Errorf("uninlu: %w", err)
	}
	if err := e.warmUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("uninlu: the first run failed: %w", err), e.Close())
	}
	return e, nil
}

func load(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	e := &Engine{}
	e.configure(m.Uninlu)
	var err error
	if e.tokenizer, err = loadTokenizer(dir, m); err != nil {
		return nil, err
	}
	if id, ok := e.tokenizer.ID("[PAD]"); ok {
		e.pad = int64(id)
	}
	graphs, err := e.inspect(dir, m)
	if err != nil {
		return nil, err
	}
	o.Instances = max(o.Instances, 1)
	e.lanes = make(chan *lane, o.Instances)
	for i := range o.Instances {
		// A session serves several runs at once, each on its caller's thread. Its further threads it has only once.
		if i == 0 || o.Threads > 1 {
			p, err := loadPair(rt, graphs, o)
			if err != nil {
				return nil, errors.Join(err, e.Close())
			}
			e.pairs = append(e.pairs, p)
		}
		l := &lane{e: e, pair: e.pairs[len(e.pairs)-1]}
		e.all = append(e.all, l)
		e.lanes <- l
	}
	return e, nil
}

func (e *Engine) configure(u *model.Uninlu) {
	c := model.Uninlu{}
	if u != nil {
		c = *u
	}
	e.window, e.slide, e.hintMax, e.threshold = c.Window, c.Slide, c.HintMax, float32(c.Threshold)
	if e.window == 0 {
		e.window = defaultWindow
	}
	if e.slide == 0 {
		e.slide = min(defaultSlide, e.window)
	}
	if e.hintMax == 0 {
		e.hintMax = defaultHintMax
	}
	if c.Threshold == 0 {
		e.threshold = defaultThreshold
	}
}

// vouched is a folder of which only the files exist that the manifest vouches for.
type vouched struct {
	dir      fs.FS
	manifest *model.Manifest
}

// Open opens a vouched file.
func (v vouched) Open(name string) (fs.File, error) {
	if !v.manifest.Has(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return v.dir.Open(name)
}

func loadTokenizer(dir string, m *model.Manifest) (*text.Tokenizer, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	defer root.Close() //nolint:errcheck // nothing was written
	return text.Load(vouched{root.FS(), m})
}

// graphs are the model's two files and what they say of themselves.
type graphs struct {
	encoder, pointer             string
	encoderHeader, pointerHeader *onnx.Header
	positions                    bool
}

// inspect reads the headers and holds them against what this engine can run.
func (e *Engine) inspect(dir string, m *model.Manifest) (*graphs, error) {
	for _, name := range []string{encoderFile, pointerFile} {
		if !m.Has(name) {
			return nil, fmt.Errorf("the manifest lists no %s; a model exported as one graph is not supported", name)
		}
	}
	g := &graphs{encoder: filepath.Join(dir, encoderFile), pointer: filepath.Join(dir, pointerFile)}
	var err error
	if g.encoderHeader, err = header(g.encoder, m); err != nil {
		return nil, err
	}
	if g.pointerHeader, err = header(g.pointer, m); err != nil {
		return nil, err
	}
	hidden := g.encoderHeader.Output("sequence_output")
	if hidden == nil || hidden.DType != tensor.Float32 || len(hidden.Dims) != 3 || hidden.Dims[2] <= 0 {
		return nil, fmt.Errorf("%s: want an output sequence_output, FP32 [batch, text_len, width] with a fixed width", encoderFile)
	}
	e.width = int(hidden.Dims[2])
	g.positions = g.pointerHeader.Input("hint_position_ids") != nil
	e.positions = g.positions
	for _, s := range slices.Concat(g.encoderHeader.Inputs, g.pointerHeader.Inputs) {
		want := tensor.Int64
		if s.Name == "sequence_output" {
			want = tensor.Float32
		}
		if s.DType != want {
			return nil, fmt.Errorf("input %s is %s and not %s", s.Name, s.DType, want)
		}
	}
	return g, nil
}

// header reads a graph's header and refuses weights that the manifest does not vouch for.
func header(path string, m *model.Manifest) (*onnx.Header, error) {
	h, err := onnx.ReadHeader(path)
	if err != nil {
		return nil, err
	}
	for _, p := range h.External {
		if !m.Has(filepath.ToSlash(filepath.Clean(p))) {
			return nil, fmt.Errorf("%s keeps weights in %q, which the manifest does not list", filepath.Base(path), p)
		}
	}
	return h, nil
}

// warmUp runs the largest shapes once on each lane, which also shows that the network has positions enough for them.
func (e *Engine) warmUp() error {
	for _, l := range e.all {
		u := &unit{schema: []node{{key: "?"}}, length: e.window, windows: []window{{0, e.window}}}
		u.encoding.IDs, u.encoding.Spans = make([]int32, e.window), make([]text.Span, e.window)
		u.hints = [][]int32{make([]int32, e.hintMax)}
		if _, err := l.run(context.Background(), []*unit{u}); err != nil {
			return err
		}
	}
	return nil
}

// Close frees the model. No call may be under way.
func (e *Engine) Close() error {
	var errs []error
	for _, l := range e.all {
		l.free()
	}
	for _, p := range e.pairs {
		errs = append(errs, p.close())
	}
	e.all, e.pairs = nil, nil
	return errors.Join(errs...)
}
