package generate

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Kind is the engine's name in a manifest.
const Kind = "generate"

// What holds where the manifest does not say.
const (
	DefaultKVCache      = 512 << 20
	DefaultMaxSequences = 8
	DefaultMaxTokens    = 1024

	defaultChunk   = 128
	largeVocab     = 1 << 16 // from here on a chunk's logits are large
	largeChunk     = 64
	defaultContext = 2048
)

// Options say how the engine runs.
type Options struct {
	Threads int    // of one run; 0 means 1
	Device  string // as onnx.Options has it
	// Front makes the front end; nil: the chat template and the tokenizer are all. The engine closes it.
	Front func(Parts) (Front, error)
	// About is what the front end adds to what the engine tells of the model.
	Images bool
}

// Engine is an engine.Generator and an engine.Preparer.
type Engine struct {
	graph      *graph
	runs       *runs
	embedder   *Embedder
	language   language
	front      Front // nil where there is none
	ending     map[int32]bool
	suppressed []int32 // ids that stand for no token
	grammars   grammars
	config     *config
	section    *model.Generate // of the manifest, never nil
	about      job.About

	context   int   // tokens of a sequence
	budget    int64 // bytes of the KV cache
	chunk     int
	maxRows   int
	maxTokens int
	reuse     bool // prompts may begin with the cache of others

	wake chan struct{} // holds a token when something was admitted or canceled

	mu      sync.Mutex
	last    engine.SeqID
	active  map[engine.SeqID]*sequence // guarded by mu
	arrived []*sequence                // admitted, and not seen by Step; guarded by mu

	stepper // Step's own
}

// New loads the model in the version folder dir.
func New(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	e, err := load(rt, dir, m, o)
	if err != nil {
		return nil, fmt.Errorf("generate: %w", err)
	}
	if err := e.runs.warmUp(context.Background(), e.embedder); err != nil {
		return nil, errors.Join(fmt.Errorf("generate: %s: %w", e.graph.file, err), e.Close())
	}
	return e, nil
}

func load(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*Engine, error) {
	files, err := folder.Open(dir, m)
	if err != nil {
		return nil, err
	}
	defer files.Close() //nolint:errcheck // nothing was written
	e, err := describe(files, m)
	if err != nil {
		return nil, err
	}
	spoken, err := loadLanguage(files)
	if err != nil {
		return nil, err
	}
	e.language = spoken
	if e.suppressed, err = spoken.unknown(e.graph.vocab); err != nil {
		return nil, err
	}
	if err := e.findEnds(e.config, e.section.EndTokens); err != nil {
		return nil, err
	}
	ro := onnx.Options{Threads: o.Threads, Device: o.Device}
	if e.runs, err = newRuns(rt, files.Path(e.graph.file), e.graph, ro); err != nil {
		return nil, err
	}
	e.stepper = newStepper(e)
	if e.graph.embeds {
		if e.embedder, err = openEmbedder(rt, files, e.section.Embed, e.graph, ro); err != nil {
			return nil, errors.Join(err, e.Close())
		}
	}
	e.about = spoken.about()
	e.about.Context, e.about.Images = e.context, o.Images
	if o.Front == nil {
		return e, nil
	}
	parts := Parts{
		Runtime: rt, Manifest: m, Files: files, Embedder: e.embedder, Context: e.context, Axes: e.graph.axes,
		Tokenizer: spoken.tokenizer, Template: spoken.template, Render: spoken.render,
	}
	front, err := o.Front(parts)
	if err != nil {
		return nil, errors.Join(err, e.Close())
	}
	e.front = front // not before: what comes with an error may be a nil of its own type
	return e, nil
}

// describe reads what a model's files say, short of loading it.
func describe(files *folder.Folder, m *model.Manifest) (*Engine, error) {
	c, err := readConfig(files)
	if err != nil {
		return nil, err
	}
	g := m.Generate
	if g == nil {
		g = &model.Generate{}
	}
	file, err := findModel(m, g.Model)
	if err != nil {
		return nil, err
	}
	e := &Engine{active: map[engine.SeqID]*sequence{}, wake: make(chan struct{}, 1), config: c, section: g}
	if e.graph, err = inspect(files, file, c); err != nil {
		return nil, err
	}
	return e, e.configure(g, c)
}

// configure takes the manifest's figures, and else those of the files or our own.
func (e *Engine) configure(g *model.Generate, c *config) error {
	e.context = firstSet(c.context, g.Context, defaultContext)
	if g.Context > 0 {
		if c.context > 0 && g.Context > c.context {
			return fmt.Errorf("generate.context: %d is more than the %d that the model's files say", g.Context, c.context)
		}
		e.context = g.Context
	}
	e.budget = int64(g.KVCache)
	if e.budget == 0 {
		e.budget = DefaultKVCache
	}
	e.chunk = defaultChunk
	if e.graph.vocab > largeVocab && e.graph.keep == "" {
		e.chunk = largeChunk
	}
	e.chunk = firstSet(g.PrefillChunk, e.chunk)
	e.maxRows = firstSet(g.MaxSequences, DefaultMaxSequences)
	e.maxTokens = firstSet(g.MaxTokens, c.defaults.maxTokens, DefaultMaxTokens)
	e.reuse = (g.PrefixCache == nil || *g.PrefixCache) && !e.graph.useCache
	if e.cost(1, 1) > e.budget {
		return fmt.Errorf("generate.kv_cache: %d bytes hold no sequence at all; one token takes %d", e.budget, e.graph.tokenCost())
	}
	return nil
}

func firstSet(values ...int) int {
	for _, v := range values {
		if v > 0 {
			return v
		}
	}
	return 0
}

// findEnds collects the tokens that end an answer.
func (e *Engine) findEnds(c *config, named []string) error {
	e.ending = map[int32]bool{}
	for _, id := range c.eos {
		e.ending[id] = true
	}
	if len(c.eos) == 0 && c.eosToken != "" {
		named = append(slices.Clone(named), c.eosToken)
	}
	for _, name := range named {
		id, ok := e.language.id(name)
		if !ok {
			return fmt.Errorf("the token %q, which is to end an answer, is not in the vocabulary", name)
		}
		e.ending[id] = true
	}
	if len(e.ending) == 0 {
		return fmt.Errorf("neither %s, %s nor %s says which token ends an answer: say so in generate.end_tokens",
			generationFile, configFile, tokenizerFile)
	}
	return nil
}

func (e *Engine) ends(id int32) bool { return e.ending[id] }

// Slots is how many requests the engine takes at once.
func (e *Engine) Slots() int { return e.maxRows }

// About tells what the model takes.
func (e *Engine) About() job.About { return e.about }

// cost is what so many rows of so many tokens take of the KV cache.
func (e *Engine) cost(rows, tokens int) int64 {
	return int64(rows) * int64(tokens+headroom) * e.graph.tokenCost()
}

// holds is how many tokens one row may have.
func (e *Engine) holds(rows int) int {
	return int(e.budget/(int64(rows)*e.graph.tokenCost())) - headroom
}

// Admit takes in a request that Prepare has prepared. engine.ErrBusy: there are as many sequences as fit, or the KV
// cache is promised to them.
func (e *Engine) Admit(ctx context.Context, r engine.Request) (engine.SeqID, error) {
	s, ok := r.Prepared.(*sequence)
	if !ok {
		p, err := e.prepare(ctx, r)
		if err != nil {
			return 0, err
		}
		s = p
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	rows, longest := len(s.choices), s.need()
	for _, other := range e.active {
		rows += len(other.choices)
		longest = max(longest, other.need())
	}
	if rows > e.maxRows || e.cost(rows, longest) > e.budget {
		return 0, engine.ErrBusy
	}
	e.last++
	s.id = e.last
	e.active[s.id] = s
	e.arrived = append(e.arrived, s)
	e.poke()
	return s.id, nil
}

// poke wakes a Step that waits.
func (e *Engine) poke() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// Cancel drops a sequence. Its room is free at once; what it has in the cache is left out by the next step.
func (e *Engine) Cancel(id engine.SeqID) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s := e.active[id]; s != nil {
		s.canceled.Store(true)
		delete(e.active, id)
		e.poke()
	}
}

// promised is what the sequences that are admitted may come to take of the KV cache. The caller holds mu.
func (e *Engine) promised() int64 {
	rows, longest := 0, 0
	for _, s := range e.active {
		rows += len(s.choices)
		longest = max(longest, s.need())
	}
	return e.cost(rows, longest)
}

// Close frees the model. No call may be under way.
func (e *Engine) Close() error {
	var errs []error
	if e.front != nil {
		errs = append(errs, e.front.Close())
	}
	errs = append(errs, e.embedder.close())
	if e.runs != nil {
		errs = append(errs, e.runs.close())
	}
	e.front, e.embedder, e.runs = nil, nil, nil
	e.stepper = stepper{}
	return errors.Join(errs...)
}

// refused makes a fault of what went wrong with one sequence.
func refused(err error) error {
	if f := (*fault.Error)(nil); errors.As(err, &f) {
		return err
	}
	return fault.Wrap(fault.Internal, err, "the model failed on this input")
}
