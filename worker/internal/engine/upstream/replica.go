package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// failuresToEject is how many calls in a row must fail by a server's own fault before it is left out.
const failuresToEject = 3

// replica is one server. All but url is guarded by Engine.mu.
type replica struct {
	url      *url.URL
	room     int // calls that it may still get
	calls    int // under way
	failures int // in a row
	ill      bool
}

// take picks the server with the fewest calls of those that are well and not in without, and counts a call for it.
func (e *Engine) take(without []*replica) (*replica, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var best *replica
	well := false
	for _, r := range e.replicas {
		if r.ill || slices.Contains(without, r) {
			continue
		}
		well = true
		if r.calls < r.room && (best == nil || r.calls < best.calls) {
			best = r
		}
	}
	switch {
	case best != nil:
		best.calls++
		return best, nil
	case well:
		return nil, engine.ErrBusy
	}
	return nil, none()
}

// give counts a call as ended; bad is what the server itself is to blame for.
func (e *Engine) give(r *replica, bad error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	r.calls--
	if bad == nil {
		r.failures = 0
		return
	}
	if r.failures++; r.failures >= failuresToEject || errors.Is(bad, errConnect) {
		r.ill = true // watch lets it back in
	}
}

// watch looks at a server's health until Close: a sick one comes back when it answers, one that does not answer is left
// out.
func (e *Engine) watch(r *replica) {
	tick := time.NewTicker(e.settings.every)
	defer tick.Stop()
	misses := 0
	for {
		select {
		case <-e.base.Done():
			return
		case <-tick.C:
		}
		err := e.look(r)
		if e.base.Err() != nil {
			return
		}
		if misses++; err == nil {
			misses = 0
		}
		e.mu.Lock()
		back := err == nil && r.ill
		switch {
		case back:
			r.ill, r.failures = false, 0
		case misses >= 2:
			r.ill = true
		}
		e.mu.Unlock()
		if back {
			e.rouse()
		}
	}
}

// rouse lets Step return.
func (e *Engine) rouse() {
	select {
	case e.wake <- struct{}{}:
	default:
	}
}

// look asks for something cheap that every such server has.
func (e *Engine) look(r *replica) error {
	ctx, cancel := context.WithTimeout(e.base, min(e.settings.every, 5*time.Second))
	defer cancel()
	req, err := e.request(ctx, http.MethodGet, r, e.settings.api.health(), nil)
	if err != nil {
		return err
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if _, err := io.CopyN(io.Discard, resp.Body, 1<<20); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return errors.New("upstream: the server says " + resp.Status)
	}
	return nil
}
