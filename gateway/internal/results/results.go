// Package results brings replies from the workers to the requests that wait for them. A reader that does not keep up
// is dropped, never waited for: the log holds what it missed.
package results

import (
	"sync"

	"github.com/penstock-dev/penstock/shared/job"
)

// Hub sorts events to readers by job. It is safe for concurrent use.
type Hub struct {
	mu      sync.Mutex
	readers map[string]*Reader // guarded by mu, by tenant and job
}

// NewHub makes an empty hub.
func NewHub() *Hub { return &Hub{readers: map[string]*Reader{}} }

// Reader receives one job's events from the moment of Expect.
type Reader struct {
	hub    *Hub
	key    string
	events chan *job.Event
	lagged chan struct{} // closed when an event found no room
	taken  bool          // guarded by hub.mu
}

// Expect registers for a job's events, room of which wait unread. There is one reader a job: the request that submits it.
func (h *Hub) Expect(tenant, id string, room int) *Reader {
	r := &Reader{hub: h, key: tenant + "." + id, events: make(chan *job.Event, room), lagged: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readers[r.key] = r
	return r
}

// Deliver hands an event to the job's reader, if there is one. It never blocks.
func (h *Hub) Deliver(tenant, id string, e *job.Event) {
	h.mu.Lock()
	defer h.mu.Unlock()
	r, ok := h.readers[tenant+"."+id]
	if !ok {
		return
	}
	select {
	case r.events <- e:
		if e.Kind == job.End {
			delete(h.readers, r.key) // nothing follows; a stream nobody has taken up yet reads the log
		}
	default:
		delete(h.readers, r.key)
		close(r.lagged)
	}
}

// Take returns the reader that a submit left for whoever follows the job's stream, or nil.
func (h *Hub) Take(tenant, id string) *Reader {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.readers[tenant+"."+id]
	if r == nil || r.taken {
		return nil
	}
	r.taken = true
	return r
}

// Drop tells every reader that it may have missed something: the connection that replies come by was lost.
func (h *Hub) Drop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for key, r := range h.readers {
		delete(h.readers, key)
		close(r.lagged)
	}
}

// Len is how many readers wait.
func (h *Hub) Len() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.readers)
}

// Events gives the job's events in the order they were stored.
func (r *Reader) Events() <-chan *job.Event { return r.events }

// Lagged is closed when the reader fell behind and was dropped: what it misses must be read from the log.
func (r *Reader) Lagged() <-chan struct{} { return r.lagged }

// Close takes the reader out.
func (r *Reader) Close() {
	r.hub.mu.Lock()
	defer r.hub.mu.Unlock()
	if r.hub.readers[r.key] == r {
		delete(r.hub.readers, r.key)
	}
}
