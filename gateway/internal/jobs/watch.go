package jobs

import (
	"slices"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

// staleRead is the pause before a log that does not show yet what it was said to hold is read again: in a cluster, a
// copy may answer that is behind.
const staleRead = 5 * time.Millisecond

// unheard is how long a watcher goes without a hint before it reads the log all the same: hints may get lost.
const unheard = 5 * time.Second

// longUnheard is the same of a stream of a job of which nothing was heard for long: thousands may wait.
const longUnheard = 2 * time.Minute

// watcher remembers how far a job's log has grown.
type watcher struct {
	stop func()

	mu     sync.Mutex
	newest uint64        // guarded by mu: the highest sequence heard of
	again  bool          // guarded by mu: hints may have been missed
	bell   chan struct{} // rings when one of them has changed
}

// watch hears of a job's log. What this gateway made it hears of anyway; another's job costs a subscription.
func (s *Service) watch(tenantID, id string) (*watcher, error) {
	w := &watcher{bell: make(chan struct{}, 1)}
	if job.Mark(id) == s.ids.Mark() {
		w.stop = s.watchers.add(tenantID, id, w)
		return w, nil
	}
	stop, err := s.queue.Watch(tenantID, id, w.grown)
	if err != nil {
		return nil, unavailable(err)
	}
	w.stop = stop
	return w, nil
}

func (w *watcher) grown(seq uint64) {
	w.mu.Lock()
	w.newest = max(w.newest, seq)
	w.again = w.again || seq == 0
	w.mu.Unlock()
	select {
	case w.bell <- struct{}{}:
	default:
	}
}

// watchers are those of jobs that this gateway made.
type watchers struct {
	mu    sync.Mutex
	byJob map[jobKey][]*watcher // guarded by mu
}

type jobKey struct{ tenant, id string }

func (ws *watchers) add(tenantID, id string, w *watcher) (stop func()) {
	k := jobKey{tenantID, id}
	ws.mu.Lock()
	defer ws.mu.Unlock()
	ws.byJob[k] = append(ws.byJob[k], w)
	return func() {
		ws.mu.Lock()
		defer ws.mu.Unlock()
		rest := slices.DeleteFunc(ws.byJob[k], func(x *watcher) bool { return x == w })
		if ws.byJob[k] = rest; len(rest) == 0 {
			delete(ws.byJob, k)
		}
	}
}

func (ws *watchers) grown(tenantID, id string, seq uint64) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, w := range ws.byJob[jobKey{tenantID, id}] {
		w.grown(seq)
	}
}

// missed tells all that there may be more than they heard of.
func (ws *watchers) missed() {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, list := range ws.byJob {
		for _, w := range list {
			w.grown(0)
		}
	}
}

// wake gives a channel that says when to read the log again, which was read up to sequence read.
func (w *watcher) wake(read uint64) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.again {
		w.again = false
		return closed()
	}
	if w.newest > read {
		return after(staleRead)
	}
	return w.bell
}

func closed() <-chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

func after(d time.Duration) <-chan struct{} {
	c := make(chan struct{})
	time.AfterFunc(d, func() { close(c) })
	return c
}
