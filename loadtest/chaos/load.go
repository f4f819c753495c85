package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// many is a number of attempts that kills hardly ever use up.
const many = 20

// client has one job at a time.
type client struct {
	number  int
	rng     *rand.Rand
	api     *caller
	tenants []tenant
	ledger  *ledger
	crashes *sync.Mutex // held by the client that has a crash job: more than one at a time would be a load of nothing else
	keyed   bool        // the gateway takes Idempotency-Key
	hooks   *receiver
}

func (c *client) between(low, high int) time.Duration {
	return time.Duration(low+c.rng.IntN(high-low+1)) * time.Millisecond
}

// run does jobs until ctx ends; the last one is seen to its end as long as work lasts.
func (c *client) run(ctx, work context.Context) {
	for ctx.Err() == nil {
		c.one(work)
		_ = wait(ctx, c.between(0, 100)) // the loop looks at ctx
	}
}

// one submits a job of a random kind and follows it in that kind's way.
func (c *client) one(ctx context.Context) {
	s := spec{ms: c.rng.IntN(150), maxAttempts: many, priority: []string{"interactive", "standard", "standard", "batch"}[c.rng.IntN(4)]}
	t := c.tenants[c.rng.IntN(len(c.tenants))]
	if c.rng.IntN(8) == 0 {
		s.ms = 500 + c.rng.IntN(1000)
	}
	switch n := c.rng.IntN(100); {
	case n < 20:
		s.kind = "sync"
		c.sync(ctx, c.ledger.open(t, s))
	case n < 26:
		s.kind = "async"
		c.async(ctx, c.ledger.open(t, s))
	case n < 30:
		s.kind, s.hook = "hooked", c.hooks
		c.async(ctx, c.ledger.open(t, s))
	case n < 36:
		s.kind, s.delay = "scheduled", c.between(50, 1500)
		c.async(ctx, c.ledger.open(t, s))
	case n < 40:
		s.kind, s.ttl = "with ttl", float64(200+c.rng.IntN(800))/1000
		c.async(ctx, c.ledger.open(t, s))
	case n < 52:
		s.kind, s.tokens, s.ms = "stream", 1+c.rng.IntN(8), s.ms+100
		c.stream(ctx, c.ledger.open(t, s))
	case n < 60:
		s.kind, s.tokens = "events", c.rng.IntN(6)
		e := c.ledger.open(t, s)
		if c.submit(ctx, e) {
			c.follow(ctx, e)
		}
	case n < 64:
		s.kind, s.fails, s.maxAttempts = "redone", 1, 1
		c.redo(ctx, c.ledger.open(t, s))
	case n < 72:
		s.kind = "retried"
		s.fails = 1 + c.rng.IntN(2)
		c.async(ctx, c.ledger.open(t, s))
	case n < 84:
		s.kind, s.ms = "contested", c.rng.IntN(600)
		c.contested(ctx, c.ledger.open(t, s))
	case n < 90:
		s.kind, s.ms = "hung up", 200+c.rng.IntN(500)
		c.hangUp(ctx, c.ledger.open(t, s))
	case n < 98 && c.keyed:
		s.kind = "keyed"
		c.twice(ctx, c.ledger.open(t, s))
	case n >= 98 && c.crashes.TryLock():
		defer c.crashes.Unlock()
		s.kind, s.crash, s.maxAttempts = "crash", true, 2
		c.async(ctx, c.ledger.open(t, s))
		_ = wait(ctx, 3*time.Second) // a pause for the workers
	default:
		s.kind = "async"
		c.async(ctx, c.ledger.open(t, s))
	}
}

func (e *entry) body() map[string]any {
	input := map[string]any{"ms": e.spec.ms, "echo": e.op, "tokens": e.spec.tokens, "fail_attempts": e.spec.fails}
	if e.spec.crash {
		input["crash"] = true
	}
	body := map[string]any{
		"model": "sleep", "input": input, "max_attempts": e.spec.maxAttempts, "priority": e.spec.priority,
		"metadata": map[string]string{"op": e.op},
	}
	if h := e.spec.hook; h != nil {
		body["webhook"] = map[string]any{"url": h.url + e.op, "secret": h.secret}
	}
	if e.spec.ttl > 0 {
		body["ttl"] = e.spec.ttl
	}
	if !e.after.IsZero() {
		body["not_before"] = e.after
	}
	return body
}

// send posts the job until something of it was sent, and notes what the answer says.
func (c *client) send(ctx context.Context, e *entry, headers ...string) (*answer, *view) {
	for {
		a := c.api.call(ctx, e.tenant.token, http.MethodPost, "/v1/jobs", e.body(), headers...)
		if a.err != nil && !a.sent {
			if wait(ctx, c.between(20, 80)) != nil {
				return a, nil
			}
			continue
		}
		return a, e.answered(a)
	}
}

// answered notes the fate that an answer to the submit tells.
func (e *entry) answered(a *answer) *view {
	v := new(view)
	switch {
	case a.err != nil || a.status >= http.StatusInternalServerError:
		e.was(indeterminate)
		return nil
	case a.status >= http.StatusBadRequest:
		e.refuse(a)
		return nil
	case json.Unmarshal(a.body, v) != nil || v.ID == "":
		e.wrong("accepted without a job: %s", a.body)
		return nil
	}
	e.accept(v.ID)
	return v
}

// full tells whether an answer says that the broker's disk is full, which is no fault of the job's.
func full(a *answer) bool {
	return a.status == http.StatusTooManyRequests && strings.Contains(string(a.body), "queue_full")
}

func (e *entry) refuse(a *answer) {
	e.was(refused)
	e.mu.Lock()
	defer e.mu.Unlock()
	e.refusal = fmt.Sprintf("status %d: %s", a.status, a.body)
}

// submit leaves the job and tells whether it was accepted.
func (c *client) submit(ctx context.Context, e *entry) bool {
	_, v := c.send(ctx, e)
	return v != nil
}

func (c *client) sync(ctx context.Context, e *entry) {
	a, v := c.send(ctx, e, "Prefer", "wait=10", "X-Detach", "true")
	if v == nil {
		return
	}
	e.saw(c.number, "get", a, v, a.body)
	if !v.ended() {
		c.poll(ctx, e)
	}
}

func (c *client) async(ctx context.Context, e *entry) {
	if c.submit(ctx, e) {
		c.poll(ctx, e)
	}
}

// poll looks at the job until it has ended, or leaves it to the check at the end.
func (c *client) poll(ctx context.Context, e *entry) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for ctx.Err() == nil {
		if v := c.get(ctx, c.number, e, "?wait=3"); v != nil && v.ended() {
			return
		}
		_ = wait(ctx, c.between(10, 60)) // the loop looks at ctx
	}
}

// get reads the job once.
func (c *client) get(ctx context.Context, number int, e *entry, query string) *view {
	e.mu.Lock()
	id := e.id
	e.mu.Unlock()
	a := c.api.call(ctx, e.tenant.token, http.MethodGet, "/v1/jobs/"+id+query, nil)
	if a.err != nil || a.status >= http.StatusInternalServerError {
		return nil
	}
	v := new(view)
	if a.status != http.StatusOK || json.Unmarshal(a.body, v) != nil {
		e.wrong("GET: status %d: %s", a.status, a.body)
		return nil
	}
	e.saw(number, "get", a, v, a.body)
	return v
}

// redo retries a job by hand, each time that it fails, until it has succeeded.
func (c *client) redo(ctx context.Context, e *entry) {
	if !c.submit(ctx, e) {
		return
	}
	for n := 0; n < many && ctx.Err() == nil; n++ {
		c.poll(ctx, e)
		e.mu.Lock()
		id, failed := e.id, strings.Contains(e.seen, `"status":"failed"`)
		e.mu.Unlock()
		if !failed {
			return
		}
		for done := false; !done && ctx.Err() == nil; {
			a := c.api.call(ctx, e.tenant.token, http.MethodPost, "/v1/jobs/"+id+"/retry", nil)
			switch {
			case a.err != nil || a.status >= http.StatusInternalServerError || a.status == http.StatusTooManyRequests:
				_ = wait(ctx, 50*time.Millisecond) // the loop looks at ctx
			case a.status == http.StatusConflict, a.status < http.StatusMultipleChoices:
				e.again() // 409: one whose answer was lost did it
				done = true
			default:
				e.wrong("retry: status %d: %s", a.status, a.body)
				return
			}
		}
	}
}

// stream submits for the event stream, which then goes on elsewhere.
func (c *client) stream(ctx context.Context, e *entry) {
	for {
		one, hangUp := context.WithTimeout(ctx, requestTimeout)
		a := c.api.open(one, e.tenant.token, http.MethodPost, "/v1/jobs", e.body(), "Accept", "text/event-stream", "X-Detach", "true")
		if a.stream == nil {
			hangUp()
			if a.sent {
				e.was(indeterminate)
				return
			}
			if wait(ctx, c.between(20, 80)) != nil {
				return
			}
			continue
		}
		id := a.header.Get("X-Job-Id")
		done := false
		switch {
		case a.status == http.StatusOK && id != "":
			e.accept(id)
			done = e.take(a.stream, 1+c.rng.IntN(8))
		case a.status == http.StatusOK:
			e.wrong("a stream without X-Job-Id")
		case a.status < http.StatusInternalServerError:
			a.body, _ = io.ReadAll(a.stream) // only told
			e.refuse(a)
		default:
			e.was(indeterminate)
		}
		hangUp()
		_ = a.stream.Close() // whatever is left of it is not wanted
		if id != "" && a.status == http.StatusOK && !done {
			e.cut()
			c.follow(ctx, e)
		}
		return
	}
}

// contested is looked at by two clients and canceled by a third, at once.
func (c *client) contested(ctx context.Context, e *entry) {
	if !c.submit(ctx, e) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	pauses := make([]time.Duration, 40)
	for i := range pauses {
		pauses[i] = c.between(0, 40)
	}
	cancelAfter := c.between(0, 700)
	var all sync.WaitGroup
	for i := range 2 {
		all.Go(func() {
			for n := range 400 {
				if v := c.get(ctx, 1000*(i+1)+c.number, e, ""); v != nil && v.ended() {
					return
				}
				if wait(ctx, pauses[(n+20*i)%len(pauses)]) != nil {
					return
				}
			}
		})
	}
	all.Go(func() {
		_ = wait(ctx, cancelAfter) // cancel looks at ctx
		c.cancel(ctx, 3000+c.number, e)
	})
	all.Wait()
}

// cancel asks for the job's end until it is answered.
func (c *client) cancel(ctx context.Context, number int, e *entry) {
	e.touch()
	e.mu.Lock()
	id := e.id
	e.mu.Unlock()
	for ctx.Err() == nil {
		a := c.api.call(ctx, e.tenant.token, http.MethodPost, "/v1/jobs/"+id+"/cancel", nil)
		if a.err != nil || a.status >= http.StatusInternalServerError {
			if a.sent {
				e.saw(number, "cancel", a, nil, nil)
			}
			_ = wait(ctx, 50*time.Millisecond) // the loop looks at ctx
			continue
		}
		v := new(view)
		switch a.status {
		case http.StatusOK:
			if json.Unmarshal(a.body, v) != nil || v.Status != "canceled" {
				e.wrong("cancel answered 200 with %s", a.body)
				return
			}
			e.mu.Lock()
			e.canceled = true
			e.mu.Unlock()
			e.saw(number, "cancel", a, v, a.body)
		case http.StatusConflict:
			e.saw(number, "cancel", a, nil, nil)
		default:
			e.wrong("cancel: status %d: %s", a.status, a.body)
		}
		return
	}
}

// hangUp leaves in the middle of a synchronous call, which cancels the job unless it has ended.
func (c *client) hangUp(ctx context.Context, e *entry) {
	e.touch()
	one, cancel := context.WithTimeout(ctx, c.between(20, 600))
	defer cancel()
	c.send(one, e, "Prefer", "wait=10")
}

// twice submits under a key until an answer comes, and then once more: one job.
func (c *client) twice(ctx context.Context, e *entry) {
	for n := 0; n < 2 && ctx.Err() == nil; {
		a, v := c.send(ctx, e, "Idempotency-Key", strings.ToUpper(e.op))
		if v != nil {
			n++
			continue
		}
		if a.err == nil && a.status < http.StatusInternalServerError && a.status != http.StatusConflict && !full(a) {
			e.wrong("a key is refused: status %d: %s", a.status, a.body)
			return
		}
		_ = wait(ctx, c.between(20, 100)) // the loop looks at ctx
	}
	e.mu.Lock()
	ok := e.fate == accepted
	e.mu.Unlock()
	if ok {
		c.poll(ctx, e)
	}
}
