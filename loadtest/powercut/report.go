package main

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// report is what was seen. It is safe for concurrent use until it is printed.
type report struct {
	o options

	mu      sync.Mutex
	entries []*entry // guarded by mu
	found   int
	lost    []string // one line each
	doubled []string // one line each
	dropped lost
	synced  int
}

func (r *report) accept(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.entries = append(r.entries, e)
}

func (r *report) accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.entries)
}

func (r *report) cut(l lost, synced int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.dropped.bytes += l.bytes
	r.dropped.names += l.names
	r.synced += synced
}

func (r *report) lose(e *entry, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lost = append(r.lost, fmt.Sprintf("LOST %s of round %d: %s", e.id, e.round, why))
}

func (r *report) twice(e *entry, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found++
	r.doubled = append(r.doubled, fmt.Sprintf("ENDED TWICE %s of round %d: %s", e.id, e.round, why))
}

func (r *report) find() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.found++
}

// few is how many jobs are told of each kind of trouble.
const few = 3

func (r *report) print(out io.Writer) {
	say(out, "| power cuts, profile %s, seed %d | |\n|---|---|\n", r.o.profile, r.o.seed)
	say(out, "| rounds | %d |\n", r.o.rounds)
	say(out, "| jobs accepted | %d |\n", len(r.entries))
	say(out, "| found, and ended | %d |\n", r.found)
	say(out, "| **lost** | **%d** |\n", len(r.lost))
	say(out, "| **ended twice** | **%d** |\n", len(r.doubled))
	say(out, "| syncs that wrote something | %d |\n", r.synced)
	say(out, "| dropped at the cuts | %d bytes, %d changes of names |\n\n", r.dropped.bytes, r.dropped.names)
	for _, lines := range [][]string{r.lost, r.doubled} {
		for _, l := range lines[:min(few, len(lines))] {
			say(out, "- %s\n", l)
		}
	}
}

// verdict is nil for a run that shows what its profile promises.
func (r *report) verdict() error {
	switch {
	case len(r.entries) == 0:
		return errors.New("no job was accepted: this shows nothing")
	case r.dropped.bytes == 0:
		return errors.New("nothing was dropped at the cuts: this shows nothing")
	case r.o.profile == fast && len(r.lost) == 0:
		return errors.New("with the profile fast no job was lost: this shows nothing")
	case r.o.profile == durable && len(r.lost)+len(r.doubled) > 0:
		return errors.New("with the profile durable, jobs were lost or ended twice")
	}
	return nil
}
