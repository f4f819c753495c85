package main

import (
	"fmt"
	"sync"
	"time"
)

// spec is one job that a client wants.
type spec struct {
	kind        string
	ms          int
	tokens      int
	fails       int
	crash       bool
	maxAttempts int
	priority    string
	ttl         float64       // seconds; 0 for none
	delay       time.Duration // until not_before
	hook        *receiver     // of its webhook; nil for none
}

// fate is what a client knows of its submit.
type fate int

const (
	unsent        fate = iota // nothing of it left the client
	indeterminate             // it was sent, and no answer came
	refused                   // it was answered with a refusal
	accepted                  // its id was told
)

// entry is what one client did with one job, and saw of it.
type entry struct {
	op     string // the client's own name of the job, in its metadata and its echo
	tenant tenant
	spec   spec
	after  time.Time // not_before; zero for none

	mu       sync.Mutex
	fate     fate        // guarded by mu
	id       string      // guarded by mu
	history  []operation // guarded by mu
	stream   string      // guarded by mu: what it read of the job's events, pieced together
	cuts     int         // guarded by mu: how often that stream was cut and resumed
	whole    bool        // guarded by mu: the stream was read to its end
	seen     string      // guarded by mu: the job as it was first seen ended
	refusal  string      // guarded by mu: the answer that refused it
	canceled bool        // guarded by mu: a cancel was answered with 200
	touched  bool        // guarded by mu: it may have been canceled, by a request or by hanging up
	broken   []string    // guarded by mu: promises broken on the way
	end      *view       // as the check found it
}

// operation is one call on a job, with its times: the history that has to be linearizable.
type operation struct {
	client        int
	name          string // get, cancel
	begin, finish time.Time
	known         bool // an answer came
	status        int  // of HTTP
	state         string
	attempt       int
}

func (e *entry) wrong(format string, args ...any) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.broken = append(e.broken, fmt.Sprintf(format, args...))
}

func (e *entry) accept(id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fate == accepted && e.id != id {
		e.broken = append(e.broken, "two ids for one key: "+e.id+", "+id)
	}
	e.fate, e.id = accepted, id
}

func (e *entry) was(f fate) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.fate != accepted && e.fate != indeterminate {
		e.fate = f
	}
}

func (e *entry) cut() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.cuts++
}

// again notes a retry by hand: the end that was seen is none any more.
func (e *entry) again() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.seen, e.history = "", nil
}

func (e *entry) touch() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.touched = true
}

// saw notes the job's state as an answer told it. An end never changes once it was told.
func (e *entry) saw(client int, name string, a *answer, v *view, raw []byte) {
	e.mu.Lock()
	defer e.mu.Unlock()
	op := operation{client: client, name: name, begin: a.begin, finish: a.end, known: a.err == nil && a.status < 500, status: a.status}
	if v != nil {
		op.state, op.attempt = v.Status, v.Attempt
		if v.ended() {
			if e.seen == "" {
				e.seen = string(raw)
			} else if !sameJSON([]byte(e.seen), raw) {
				e.broken = append(e.broken, fmt.Sprintf("two ends: %s, then %s", e.seen, raw))
			}
		}
	}
	e.history = append(e.history, op)
}

// ledger is every job of a run.
type ledger struct {
	mu  sync.Mutex
	all []*entry // guarded by mu
}

func (l *ledger) open(t tenant, s spec) *entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	e := &entry{op: fmt.Sprintf("op-%06d", len(l.all)+1), tenant: t, spec: s}
	if s.delay > 0 {
		e.after = time.Now().Add(s.delay).Truncate(time.Microsecond)
	}
	l.all = append(l.all, e)
	return e
}

func (l *ledger) entries() []*entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*entry(nil), l.all...)
}
