// Package embed makes vectors of texts: an encoder, pooling over its tokens, and where the model has it a length of 1.
// It takes folders as sentence-transformers and optimum leave them: an ONNX graph, tokenizer.json, modules.json,
// 1_Pooling/config.json, sentence_bert_config.json, tokenizer_config.json, config.json. What is not there has a default,
// and the manifest's section embed overrides. A graph that has an output sentence_embedding pools by itself. Prompts of
// config_sentence_transformers.json are not used: what is sent is what is embedded.
//
// Texts of similar length share a run, whosever they are. Padding is masked and to the right, so that a text's vector
// does not depend on its company.
package embed

import (
	"context"
	"errors"
	"fmt"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// Kind is the engine's name in a manifest.
const Kind = "embed"

// longWarmUp bounds the tokens of the text that is tried when a model is loaded: what a run needs grows with their square.
const longWarmUp = 2048

// Options say how the model runs.
type Options struct {
	Instances int    // runs at once; less than 1 means 1
	Threads   int    // of one run, counting the caller's; less than 1 means 1
	Device    string // as onnx.Options has it
}

// Engine is a loaded model.
type Engine struct {
	tokenizer *text.Tokenizer
	settings  settings
	graph     graph
	width     int // of a vector
	suffix    int // special tokens behind a text

	lanes    chan *lane // idle ones
	all      []*lane
	sessions []*onnx.Session
}

// New loads the model in the version folder dir.
func New(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	e := &Engine{}
	err := e.load(rt, dir, m, o)
	if err == nil {
		err = e.warmUp()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("embed: %w", err), e.Close())
	}
	return e, nil
}

func (e *Engine) load(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) error {
	f, err := folder.Open(dir, m)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if e.tokenizer, err = text.Load(f); err != nil {
		return err
	}
	c := model.Embed{}
	if m.Embed != nil {
		c = *m.Embed
	}
	name, err := graphFile(f, c.Model)
	if err != nil {
		return err
	}
	h, err := f.Header(name)
	if err != nil {
		return err
	}
	if e.settings, err = readSettings(f, c); err != nil {
		return err
	}
	if e.graph, err = inspect(h, c.Pooling != ""); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if e.graph.pooled {
		e.settings.pooling = ""
	} else if e.settings.refusal != nil {
		return e.settings.refusal
	}
	e.pad(f)
	e.findSuffix()
	return e.openLanes(rt, f.Path(name), h, o)
}

// graphFile is the model's graph by the names that exports give it.
func graphFile(f *folder.Folder, name string) (string, error) {
	for _, usual := range []string{"model.onnx", "onnx/model.onnx"} {
		if name == "" && f.Has(usual) {
			name = usual
		}
	}
	name, err := f.Graph(name)
	if err != nil {
		return "", fmt.Errorf("%w (manifest: embed.model)", err)
	}
	return name, nil
}

func (e *Engine) openLanes(rt *onnx.Runtime, path string, h *onnx.Header, o Options) error {
	options := onnx.Options{Threads: o.Threads, Device: o.Device, Inputs: e.graph.inputs, Outputs: []string{e.graph.output}}
	o.Instances = max(o.Instances, 1)
	e.lanes = make(chan *lane, o.Instances)
	for i := range o.Instances {
		// A session serves several runs at once, each on its caller's thread. Its further threads it has only once.
		if i == 0 || o.Threads > 1 {
			s, err := rt.LoadHeader(path, h, options)
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

// findSuffix counts the special tokens behind a text, which a text that is cut keeps.
func (e *Engine) findSuffix() {
	none := e.encode("")
	some := e.encode("a")
	before := 0
	for before < min(len(none), len(some)) && none[before] == some[before] {
		before++
	}
	e.suffix = len(none) - before
}

func (e *Engine) encode(s string) []int32 {
	return e.tokenizer.Encode(s, text.Options{Literal: true}).IDs
}

// warmUp learns the vector's width from a run, and shows by another that a long text fits.
func (e *Engine) warmUp() error {
	l := e.all[0]
	width, err := l.measure()
	if err != nil {
		return fmt.Errorf("the first run failed: %w", err)
	}
	e.width = width
	long := row{ids: make([]int32, min(e.settings.maxTokens, longWarmUp)), into: make([]float32, width)}
	if err := l.runRows(context.Background(), []row{long}); err != nil {
		return fmt.Errorf("a text of %d tokens failed, and embed.max_tokens allows it: %w", len(long.ids), err)
	}
	l.settle()
	return nil
}

// About is what the model takes and gives.
func (e *Engine) About() job.About {
	return job.About{Context: e.settings.maxTokens, Dimensions: e.width}
}

// MaxTokens bounds a batch: a request that asks much shares it with few, so that these do not wait long for it.
func (e *Engine) MaxTokens() int { return 2 * maxRunTokens }

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
