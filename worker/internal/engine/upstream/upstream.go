// Package upstream runs a model that another server has: Ollama, or whatever speaks OpenAI's protocol, such as vLLM and
// llama.cpp's server. A job's input goes there in the server's own words, and its answer comes back as deltas. Several
// servers may have the same model: each call goes to the one with the fewest under way. A server that fails is left out
// until it answers again. Nothing of a job chooses the server, the key or the path.
package upstream

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// Kind is the engine's name in a manifest.
const Kind = "upstream"

// Engine is an engine.Generator: each call has a goroutine of its own, and Step hands out what they heard.
type Engine struct {
	settings settings
	client   *http.Client
	replicas []*replica

	stop    context.CancelFunc // ends calls and looks at health
	base    context.Context    //nolint:containedctx // of what outlives the call that started it, until Close
	running sync.WaitGroup
	wake    chan struct{} // a token when there are events

	mu     sync.Mutex
	last   engine.SeqID
	calls  map[engine.SeqID]context.CancelFunc // guarded by mu
	events []engine.Event                      // guarded by mu: not handed out yet
}

// New makes the engine of a manifest and begins to look at its servers' health. environ reads the environment.
func New(m *model.Manifest, environ func(string) string) (*Engine, error) {
	s, err := read(m, environ)
	if err != nil {
		return nil, fmt.Errorf("upstream: %w", err)
	}
	base, stop := context.WithCancel(context.Background())
	e := &Engine{
		settings: s, base: base, stop: stop, wake: make(chan struct{}, 1), calls: map[engine.SeqID]context.CancelFunc{},
		client: &http.Client{
			Transport: &http.Transport{
				DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
				TLSHandshakeTimeout: 5 * time.Second, ResponseHeaderTimeout: s.firstByte,
				MaxIdleConnsPerHost: s.concurrency, IdleConnTimeout: 90 * time.Second,
				MaxResponseHeaderBytes: 64 << 10, DisableCompression: true,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}
	for _, u := range s.urls {
		e.replicas = append(e.replicas, &replica{url: u, room: s.concurrency})
	}
	for _, r := range e.replicas {
		e.running.Go(func() { e.watch(r) })
	}
	return e, nil
}

// Slots is how many calls may be under way.
func (e *Engine) Slots() int { return len(e.replicas) * e.settings.concurrency }

// About tells what the manifest says of the servers' model.
func (e *Engine) About() job.About {
	return job.About{Context: e.settings.context, Images: e.settings.images, Chat: true}
}

// Admit begins a call, or says engine.ErrBusy when every server that is well has as many as it may. With no server well
// it is a no_workers fault.
func (e *Engine) Admit(_ context.Context, r engine.Request) (engine.SeqID, error) { //nolint:contextcheck // the call goes on after it
	to, err := e.take(nil)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(e.base)
	e.mu.Lock()
	e.last++
	id := e.last
	e.calls[id] = cancel
	e.mu.Unlock()
	e.running.Go(func() {
		defer cancel()
		result, err := e.call(ctx, id, to, r.Input)
		e.end(id, result, err)
	})
	return id, nil
}

// call asks a server, and another one where the first gave nothing yet and is at fault itself. It gives to back.
func (e *Engine) call(ctx context.Context, id engine.SeqID, to *replica, in []byte) (engine.Result, error) {
	c, err := input.ParseChat(in)
	if err == nil {
		err = e.settings.api.check(c)
	}
	if err != nil {
		e.give(to, nil)
		return engine.Result{}, err
	}
	var tried []*replica
	for {
		said, result, err := e.ask(ctx, id, to, c)
		bad := blames(err)
		if ctx.Err() != nil {
			bad = nil // the call was closed by us
		}
		e.give(to, bad)
		if err == nil || said || bad == nil || ctx.Err() != nil {
			return result, err
		}
		tried = append(tried, to)
		next, busy := e.take(tried)
		if busy != nil {
			return result, err
		}
		to = next
	}
}

// emit tells a delta.
func (e *Engine) emit(id engine.SeqID, delta []byte) { e.tell(engine.Event{Seq: id, Delta: delta}) }

func (e *Engine) end(id engine.SeqID, result engine.Result, err error) {
	e.tell(engine.Event{Seq: id, Done: true, Result: result, Err: err})
	e.mu.Lock()
	delete(e.calls, id)
	e.mu.Unlock()
}

// tell leaves an event for Step, unless its call was canceled.
func (e *Engine) tell(ev engine.Event) {
	e.mu.Lock()
	if _, wanted := e.calls[ev.Seq]; wanted {
		e.events = append(e.events, ev)
	}
	e.mu.Unlock()
	e.rouse()
}

// Step gives what the calls heard, and waits for the first where there is nothing. It also returns when a server came
// back, as there may be room for whoever waits.
func (e *Engine) Step(ctx context.Context) ([]engine.Event, error) {
	if events := e.heard(); len(events) > 0 {
		return events, nil
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.wake:
		return e.heard(), nil
	}
}

func (e *Engine) heard() []engine.Event {
	e.mu.Lock()
	defer e.mu.Unlock()
	events := e.events
	e.events = nil
	return events
}

// Cancel closes a call.
func (e *Engine) Cancel(id engine.SeqID) {
	e.mu.Lock()
	cancel := e.calls[id]
	delete(e.calls, id)
	e.mu.Unlock()
	if cancel != nil {
		cancel()
	}
}

// Close closes all calls and waits for them.
func (e *Engine) Close() error {
	e.stop()
	e.running.Wait()
	e.client.CloseIdleConnections()
	return nil
}

// none is what a call hears when no server is well.
func none() error {
	return &fault.Error{Code: fault.NoWorkers, Detail: "no server of this model answers", RetryAfter: defaultRetriesAfter}
}
