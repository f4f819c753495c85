// Package runner keeps the loaded models and runs requests on them. It reads the model repository, makes an engine for
// each version by the factory of its kind, and gives every engine a loop: a Unary one gets its requests prepared in the
// caller's goroutine, batched, and run by as many goroutines as it has instances; a Generator gets one goroutine that
// steps it. A model that can't be loaded is offered with its error and the rest goes on.
package runner

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// Config says what to load.
type Config struct {
	ModelsDir string             // the repository; empty means none
	Entries   []model.Entry      // what to load in place of a repository
	Builtin   []*model.Manifest  // models without a folder; one in the repository of that name and version wins
	Cores     int                // instances × threads of a model stay within it; 0 means all that the process may use
	Factories map[string]Factory // by kind of engine
}

// Factory makes engines of one kind. One of the two is set.
type Factory struct {
	Unary     func(Build) (engine.Unary, error)
	Generator func(Build) (engine.Generator, error)
}

// Build is what an engine is made from.
type Build struct {
	Dir       string // the version's folder; empty for a built-in model
	Manifest  *model.Manifest
	Instances int // how many RunBatch may run at once
	Threads   int // of one run
}

// Runner runs requests on the loaded models. Its methods may be called by several goroutines at once.
type Runner struct {
	log      *slog.Logger
	metrics  *metrics
	cores    int
	families []*family // ordered by name, not changed after New

	mu     sync.Mutex
	closed bool
	calls  sync.WaitGroup // Run calls under way; added to under mu
}

// loop serves one engine.
type loop interface {
	run(ctx context.Context, r engine.Request, emit func([]byte) error) (engine.Result, error)
	slots() int
	about() job.About // does not change
	batches() bool    // what has no slot waits as well in it as outside: it is put into the next batch
	// stop ends what runs and waits; the engine is closed after it.
	stop()
	close() error
}

// version is one loaded version of a model.
type version struct {
	manifest *model.Manifest
	loop     loop
	about    job.About
}

// family is all versions of one model.
type family struct {
	name     string
	versions []*version // ascending; the last is the latest
	err      error      // why there are none, or what else is wrong
	meter    meter
}

// New loads every model. Only a repository that can't be read is an error, or a bad configuration.
func New(c Config, log *slog.Logger, registry prometheus.Registerer) (*Runner, error) {
	r := &Runner{log: log, cores: c.Cores}
	if r.cores <= 0 {
		r.cores = runtime.GOMAXPROCS(0)
	}
	var err error
	if r.metrics, err = newMetrics(registry); err != nil {
		return nil, fmt.Errorf("runner: %w", err)
	}
	entries, err := entriesOf(c)
	if err != nil {
		return nil, fmt.Errorf("runner: %w", err)
	}
	for i := range entries {
		r.load(&entries[i], c.Factories)
	}
	return r, nil
}

// entriesOf lists the built-in models that the repository does not have, and then the repository's.
func entriesOf(c Config) ([]model.Entry, error) {
	found := c.Entries
	if c.ModelsDir != "" {
		var err error
		if found, err = model.Scan(c.ModelsDir); err != nil {
			return nil, err
		}
	}
	var entries []model.Entry
	for _, m := range c.Builtin {
		shadowed := false
		for i := range found {
			shadowed = shadowed || found[i].Name == m.Name && found[i].Version == m.Version
		}
		if !shadowed {
			entries = append(entries, model.Entry{Name: m.Name, Version: m.Version, Manifest: m})
		}
	}
	return append(entries, found...), nil
}

// load makes one entry's engine and loop. What fails is kept as its family's error.
func (r *Runner) load(e *model.Entry, factories map[string]Factory) {
	f := r.family(e.Name)
	l, err := r.open(e, factories, &f.meter)
	if err != nil {
		r.log.Error("a model can't be loaded", "model", e.Name, "version", e.Version, "error", err.Error())
		f.err = fmt.Errorf("version %s: %w", e.Version, err)
		r.metrics.loaded.WithLabelValues(e.Name, e.Version, strings.ToValidUTF8(err.Error(), "?")).Set(0)
		return
	}
	r.metrics.loaded.WithLabelValues(e.Name, e.Version, "").Set(1)
	f.add(&version{e.Manifest, l, l.about()})
	f.meter.holds(l.slots())
	r.log.Info("model loaded", "model", e.Name, "version", e.Version, "engine", e.Manifest.Engine, "slots", l.slots())
}

func (r *Runner) open(e *model.Entry, factories map[string]Factory, m *meter) (l loop, err error) {
	if e.Err != nil {
		return nil, e.Err
	}
	f, ok := factories[e.Manifest.Engine]
	if !ok {
		return nil, fmt.Errorf("there is no engine %q", e.Manifest.Engine)
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("its engine panicked while it was made: %v", p)
		}
	}()
	b := Build{Dir: e.Dir, Manifest: e.Manifest, Threads: max(e.Manifest.Threads, 1)}
	b.Instances = r.instances(e, b.Threads)
	if f.Unary != nil {
		eng, err := f.Unary(b)
		if err != nil {
			return nil, err
		}
		return newUnary(eng, b, r.log, r.metrics.of(e.Name), m), nil
	}
	eng, err := f.Generator(b)
	if err != nil {
		return nil, err
	}
	return newGenerator(eng, b, r.log, r.metrics.of(e.Name), m), nil
}

// instances bounds what the manifest asks for by the cores.
func (r *Runner) instances(e *model.Entry, threads int) int {
	most := max(r.cores/threads, 1)
	n := e.Manifest.Instances
	if n > most {
		r.log.Warn("a model gets fewer instances than its manifest asks for", "model", e.Name, "version", e.Version,
			"asked", n, "instances", most, "threads", threads, "cores", r.cores)
	}
	if n <= 0 || n > most {
		return most
	}
	return n
}

func (r *Runner) family(name string) *family {
	for _, f := range r.families {
		if f.name == name {
			return f
		}
	}
	f := &family{name: name}
	r.families = append(r.families, f)
	return f
}

// add puts a version at its place in the order.
func (f *family) add(v *version) {
	at := len(f.versions)
	for at > 0 && model.Compare(f.versions[at-1].manifest.Version, v.manifest.Version) > 0 {
		at--
	}
	f.versions = append(f.versions[:at], append([]*version{v}, f.versions[at:]...)...)
}

// find picks a version; the empty one is the latest.
func (f *family) find(name string) *version {
	if name == "" && len(f.versions) > 0 {
		return f.versions[len(f.versions)-1]
	}
	for _, v := range f.versions {
		if v.manifest.Version == name {
			return v
		}
	}
	return nil
}

// Run runs one request and returns when it has ended. Deltas go to emit, in the caller's goroutine; an error of emit
// ends the request with it. A nil emit drops them. When ctx ends, the request leaves its queue or its run is told to
// stop, and Run returns ctx's error. Other errors are faults: model_not_found, invalid_input, deadline_exceeded past the
// manifest's own bound, and internal or no_workers, which another attempt may cure.
func (r *Runner) Run(ctx context.Context, req engine.Request, emit func(delta []byte) error) (engine.Result, error) {
	f, v, err := r.find(req.Model, req.Version)
	if err != nil {
		return engine.Result{}, err
	}
	if err := r.enter(); err != nil {
		return engine.Result{}, err
	}
	defer r.calls.Done()
	f.meter.begin(time.Now())
	defer func() { f.meter.end(time.Now()) }()
	bounded := ctx
	if v.manifest.Timeout > 0 {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, v.manifest.Timeout)
		defer cancel()
	}
	result, err := v.loop.run(bounded, req, emit)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		err = fault.New(fault.DeadlineExceeded, "the model's bound of %s for one attempt has passed", v.manifest.Timeout)
	}
	result.Version = v.manifest.Version
	return result, err
}

func (r *Runner) find(name, wanted string) (*family, *version, error) {
	for _, f := range r.families {
		if f.name != name {
			continue
		}
		v := f.find(wanted)
		if v != nil {
			return f, v, nil
		}
		if f.err != nil && len(f.versions) == 0 {
			return nil, nil, fault.Wrap(fault.ModelNotFound, f.err, "model %q can't be loaded by this worker", name)
		}
		return nil, nil, fault.New(fault.ModelNotFound, "model %q has no version %q", name, wanted)
	}
	return nil, nil, fault.New(fault.ModelNotFound, "there is no model %q", name)
}

func (r *Runner) enter() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return stopping()
	}
	r.calls.Add(1)
	return nil
}

// aboutOf is what an engine tells of its model.
func aboutOf(e any) job.About {
	if d, ok := e.(engine.Described); ok {
		return d.About()
	}
	return job.About{}
}

// stopping is what a request hears that a closing runner does not run.
func stopping() error { return fault.New(fault.NoWorkers, "the worker is stopping") }

// Offers lists every model with what it can take now, ordered by name as the repository is.
func (r *Runner) Offers() []job.Offer {
	offers, now := make([]job.Offer, 0, len(r.families)), time.Now()
	for _, f := range r.families {
		o := job.Offer{Name: f.name}
		for _, v := range f.versions {
			o.Versions = append(o.Versions, v.manifest.Version)
			o.Engine, o.Description = v.manifest.Engine, v.manifest.Description
			o.Slots, o.About, o.Batches = max(o.Slots, v.loop.slots()), v.about, v.loop.batches()
		}
		if f.err != nil && len(f.versions) == 0 {
			o.Error = f.err.Error()
		}
		var inFlight int
		inFlight, o.Rate = f.meter.read(now)
		o.Capacity = f.meter.capacity(now)
		o.Free = max(o.Slots-inFlight, 0)
		offers = append(offers, o)
	}
	return offers
}

// Close refuses what is new, ends what waits or runs with a retryable fault, and frees the engines. Drain first: wait
// until no Run is under way.
func (r *Runner) Close() error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	for _, f := range r.families {
		for _, v := range f.versions {
			v.loop.stop()
		}
	}
	r.calls.Wait()
	var errs []error
	for _, f := range r.families {
		for _, v := range f.versions {
			errs = append(errs, v.loop.close())
		}
	}
	return errors.Join(errs...)
}

// recovered makes a fault of a panic.
func recovered(log *slog.Logger, m *modelMetrics, name string, p any, stack []byte) error {
	m.panics.Inc()
	log.Error("an engine panicked", "model", name, "panic", fmt.Sprint(p), "stack", string(stack))
	return fault.Wrap(fault.Internal, fmt.Errorf("runner: panic in model %s: %v", name, p), "the model failed on this input")
}
