package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"time"
)

const (
	clientPause = 40 * time.Millisecond // between a client's jobs, at the most
	longest     = 100_000               // bytes of a long input, and of its output
	checkers    = 6
	settle      = time.Minute
)

// entry is a job whose acceptance a client read.
type entry struct {
	id    string
	round int
	end   map[string]any // as a client saw it; nil if none did
}

// client submits jobs until the power is cut: half of them it waits for, and of the others it looks at some.
func (g *game) client(ctx context.Context, round int, rng *rand.Rand) {
	for ctx.Err() == nil {
		header := map[string]string{}
		if rng.IntN(2) == 0 {
			header["Prefer"] = "wait=10"
		}
		status, _, answer, err := g.c.Do(ctx, http.MethodPost, "/v1/jobs", header, body(rng))
		job := map[string]any{}
		if err == nil && (status == http.StatusOK || status == http.StatusAccepted) && json.Unmarshal(answer, &job) == nil {
			id, _ := job["id"].(string)
			e := &entry{id: id, round: round}
			g.r.accept(e)
			g.look(ctx, e, job, rng)
		}
		_ = wait(ctx, time.Duration(rng.Int64N(int64(clientPause)))) // the loop looks at ctx
	}
}

// body is a request: some are of another class, some wait elsewhere for their time, and some are long, so that they take
// many pages and fill the broker's files until it starts new ones.
func body(rng *rand.Rand) []byte {
	input := map[string]any{"ms": 1 + rng.IntN(30)}
	request := map[string]any{"model": "sleep", "input": input}
	switch rng.IntN(8) {
	case 0:
		request["priority"] = "batch"
	case 1:
		request["not_before"] = time.Now().Add(time.Duration(rng.Int64N(int64(time.Second)))).UTC().Format(time.RFC3339Nano)
	case 2:
		input["echo"] = strings.Repeat("x", rng.IntN(longest))
	}
	b, _ := json.Marshal(request) // never fails: texts and numbers
	return b
}

// look notes an end that a client saw, and asks for one now and then.
func (g *game) look(ctx context.Context, e *entry, job map[string]any, rng *rand.Rand) {
	if !ended(job) && rng.IntN(2) == 0 {
		status, _, answer, err := g.c.Do(ctx, http.MethodGet, "/v1/jobs/"+e.id+"?wait=1", nil, nil)
		later := map[string]any{}
		if err != nil || status != http.StatusOK || json.Unmarshal(answer, &later) != nil {
			return
		}
		job = later
	}
	if ended(job) {
		e.end = job
	}
}

func ended(job map[string]any) bool {
	switch job["status"] {
	case "succeeded", "failed", "canceled", "expired":
		return true
	}
	return false
}

// check reads every accepted job until it has ended, and its log.
func (g *game) check(ctx context.Context) error {
	until := time.Now().Add(settle)
	work := make(chan *entry)
	failed := make(chan error, checkers)
	var all sync.WaitGroup
	for range checkers {
		all.Go(func() {
			for e := range work {
				if err := g.checkOne(ctx, e, until); err != nil && len(failed) < checkers {
					select {
					case failed <- err:
					default: // enough are told
					}
				}
			}
		})
	}
	for _, e := range g.r.entries {
		work <- e
	}
	close(work)
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

func (g *game) checkOne(ctx context.Context, e *entry, until time.Time) error {
	for {
		status, _, answer, err := g.c.Do(ctx, http.MethodGet, "/v1/jobs/"+e.id+"?wait=5", nil, nil)
		if err != nil {
			return err
		}
		job := map[string]any{}
		switch readable := json.Unmarshal(answer, &job) == nil; {
		case status != http.StatusOK || !readable:
			g.r.lose(e, fmt.Sprintf("status %d", status))
			return nil
		case ended(job):
			return g.checkEnd(ctx, e, job)
		case time.Now().After(until):
			g.r.lose(e, fmt.Sprintf("has not ended: %s", answer))
			return nil
		}
	}
}

// checkEnd holds a job's end against its log, and against the end that a client saw before a cut.
func (g *game) checkEnd(ctx context.Context, e *entry, job map[string]any) error {
	status, _, log, err := g.c.Do(ctx, http.MethodGet, "/v1/jobs/"+e.id+"/events", map[string]string{"Accept": "text/event-stream"}, nil)
	if err != nil {
		return err
	}
	dones := strings.Count("\n"+string(log), "\nevent: done\n")
	switch {
	case status != http.StatusOK || dones != 1:
		g.r.twice(e, fmt.Sprintf("its log has %d ends: status %d: %s", dones, status, log))
	case e.end != nil && !reflect.DeepEqual(e.end, job):
		g.r.twice(e, fmt.Sprintf("a client saw %s, and now it is %s", brief(e.end), brief(job)))
	default:
		g.r.find()
	}
	return nil
}

func brief(job map[string]any) string {
	return fmt.Sprintf("%v at %v in attempt %v", job["status"], job["finished_at"], job["attempt"])
}
