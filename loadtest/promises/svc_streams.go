package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// openStreams measures what a thousand streams that wait cost the gateway.
func openStreams(ctx context.Context, r *run) error {
	n := pick(r, 100, 1000)
	return r.on(ctx, 16, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "streams", nil)
		if err != nil {
			return err
		}
		ids := make([]string, n)
		later := map[string]any{"not_before": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)}
		err = spread(ctx, n, 16, func(ctx context.Context, i int) (err error) {
			ids[i], err = c.Submit(ctx, map[string]any{"ms": 1}, later)
			return err
		})
		if err != nil {
			return err
		}
		quiet := pick(r, 2*time.Second, 60*time.Second)
		before, err := look(ctx, s.Gateway(), quiet)
		if err != nil {
			return err
		}
		open, closeAll := context.WithCancel(ctx)
		defer closeAll()
		var heard atomic.Int64
		bodies := make([]*http.Response, n)
		err = spread(ctx, n, 32, func(_ context.Context, i int) (err error) {
			bodies[i], err = c.Stream(open, "/v1/jobs/"+ids[i]+"/events", "") //nolint:bodyclose // closeAll ends them
			if err == nil && bodies[i].StatusCode != http.StatusOK {
				err = errors.New("stream: " + bodies[i].Status)
			}
			if err != nil {
				return err
			}
			if _, err := readSSE(bufio.NewReader(bodies[i].Body)); err == nil {
				heard.Add(1)
			}
			return nil
		})
		if err != nil {
			return err
		}
		during, err := look(ctx, s.Gateway(), quiet)
		if err != nil {
			return err
		}
		runtime.KeepAlive(bodies)
		closeAll()
		after, err := look(ctx, s.Gateway(), 5*quiet/2) // nothing is collected sooner where nothing is allocated
		if err != nil {
			return err
		}
		r.say("%d streams of scheduled jobs, all open at once, %d of which told the job's status. The gateway's memory is read after "+
			"a quiet minute.", n, heard.Load())
		r.table([]string{"", "resident", "Go heap in use", "goroutines' stacks", "goroutines"}, [][]string{
			before.row("before"), during.row("open"), after.row("closed"),
		})
		more := during.resident - before.resident
		r.say("A stream: %.1f KiB resident, %.1f KiB of heap and stacks.", float64(more)/float64(n)/1024,
			(during.heap+during.stacks-before.heap-before.stacks)/float64(n)/1024)
		r.bound(fmt.Sprintf("%d streams: %s more resident ≤ 64 MiB", n, mib(more)), more <= 64<<20)
		return nil
	})
}

// footprint is a process's memory.
type footprint struct {
	resident                 int64
	heap, stacks, goroutines float64
}

// look leaves a process alone for a while and reads its memory. A gateway that has little to do gives back every quarter of
// a minute what it does not hold.
func look(ctx context.Context, p *stack.Process, quiet time.Duration) (f footprint, err error) {
	if err := pause(ctx, quiet); err != nil {
		return f, err
	}
	m, err := p.Metrics(ctx)
	return footprint{
		resident: p.RSS(), heap: m.Sum("go_memstats_heap_inuse_bytes"), stacks: m.Sum("go_memstats_stack_inuse_bytes"),
		goroutines: m.Sum("go_goroutines"),
	}, err
}

func (f footprint) row(name string) []string {
	return []string{name, mib(f.resident), mib(int64(f.heap)), mib(int64(f.stacks)), fmt.Sprint(f.goroutines)}
}

const (
	cutTokens = 20
	cutMillis = 400
	cuts      = 5
)

// cutStreams cuts the connections of many streams, and looks for gaps and repeats in what was read of each.
func cutStreams(ctx context.Context, r *run) error {
	n := pick(r, 200, 10_000)
	return r.on(ctx, 128, nil, func(s *stack.Stack) error {
		c, err := s.Tenant(ctx, "cuts", nil)
		if err != nil {
			return err
		}
		var mu sync.Mutex
		var all seen
		begin := time.Now()
		err = spread(ctx, n, 100, func(ctx context.Context, i int) error {
			t, err := followCut(ctx, c, i%20 == 0)
			mu.Lock()
			defer mu.Unlock()
			all.add(t)
			if done := all.streams; done%1000 == 0 {
				r.note("cut: %d of %d, %v", done, n, time.Since(begin).Round(time.Second))
			}
			return err
		})
		if err != nil {
			return err
		}
		r.say("%d jobs with %d deltas in %d ms each, at most 100 at a time. Each stream is cut %d times, after a random number of events "+
			"or at a random moment, and resumed with `Last-Event-ID`. Every twentieth is then read once more from the start, and "+
			"compared byte for byte.", n, cutTokens, cutMillis, cuts)
		r.table([]string{"streams", "cuts", "events", "gaps", "repeats", "without `done`", "other bytes", "attempts beyond the first"}, [][]string{{
			strconv.Itoa(all.streams), strconv.Itoa(all.cuts), strconv.Itoa(all.events), strconv.Itoa(all.gaps), strconv.Itoa(all.repeats),
			strconv.Itoa(all.endless), strconv.Itoa(all.differ), strconv.Itoa(all.restarts),
		}})
		r.bound("no gap, no repeat, no stream without its end, no other bytes", all.gaps+all.repeats+all.endless+all.differ == 0)
		return nil
	})
}

// seen counts what was read of streams.
type seen struct {
	streams, cuts, events, gaps, repeats, endless, differ, restarts int
}

func (t *seen) add(o seen) {
	t.streams += o.streams
	t.cuts += o.cuts
	t.events += o.events
	t.gaps += o.gaps
	t.repeats += o.repeats
	t.endless += o.endless
	t.differ += o.differ
	t.restarts += o.restarts
}

// followCut submits a job and reads its stream in pieces.
func followCut(ctx context.Context, c *stack.Client, again bool) (t seen, err error) {
	t.streams = 1
	id, first, err := c.SubmitStream(ctx, map[string]any{"ms": cutMillis, "tokens": cutTokens}, nil)
	if err != nil {
		return t, err
	}
	if err := first.Body.Close(); err != nil { // the first cut, before anything was read
		return t, err
	}
	path := "/v1/jobs/" + id + "/events"
	f := &follower{seen: &t}
	for t.cuts < cuts && !f.done {
		last := f.last
		if err := f.piece(ctx, c, path); err != nil {
			return t, err
		}
		if f.done && last == f.last {
			break
		}
		t.cuts++
	}
	if err := f.read(ctx, c, path, strconv.Itoa(f.last), 0); err != nil && !f.done {
		return t, err
	}
	if !f.done {
		t.endless++
	}
	if again {
		whole := &follower{seen: &seen{}}
		if err := whole.read(ctx, c, path, "", 0); err != nil {
			return t, err
		}
		if whole.text.String() != f.text.String() {
			t.differ++
		}
	}
	return t, nil
}

// follower is a reader of one job's events.
type follower struct {
	*seen
	last int
	done bool
	text strings.Builder
}

// piece reads some of a stream and hangs up: after some events, or in the middle of whatever comes.
func (f *follower) piece(ctx context.Context, c *stack.Client, path string) error {
	last := ""
	if f.last > 0 {
		last = strconv.Itoa(f.last)
	}
	if rand.IntN(2) == 0 { //nolint:gosec // no secret
		return f.read(ctx, c, path, last, 1+rand.IntN(2*cutTokens/(cuts+1))) //nolint:gosec // no secret
	}
	most := 2 * cutMillis * time.Millisecond / (cuts + 1)
	cut, hangUp := context.WithTimeout(ctx, time.Duration(rand.Int64N(int64(most)))) //nolint:gosec // no secret
	defer hangUp()
	if err := f.read(cut, c, path, last, 0); err != nil && cut.Err() == nil {
		return err
	}
	return ctx.Err()
}

// read reads a stream from after the last event, at most so many events; 0 reads all.
func (f *follower) read(ctx context.Context, c *stack.Client, path, last string, most int) error {
	res, err := c.Stream(ctx, path, last)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // hanging up is what is meant
	if res.StatusCode != http.StatusOK {
		return errors.New(path + ": " + res.Status)
	}
	events := bufio.NewReader(res.Body)
	for n := 0; !f.done && (most == 0 || n < most); n++ {
		e, err := readSSE(events)
		if err != nil {
			return err
		}
		f.take(&e)
	}
	return nil
}

func (f *follower) take(e *sse) {
	f.events++
	switch {
	case e.id <= f.last:
		f.repeats++
	case e.id > f.last+1:
		f.gaps++
	}
	if e.name == "restart" {
		f.restarts++
	}
	f.last, f.done = max(f.last, e.id), e.name == "done"
	f.text.WriteString(e.text)
}
