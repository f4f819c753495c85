package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

const (
	overloadSlots = 16
	overloadTimes = 3               // of the capacity
	patience      = 3 * time.Second // of a client, on the wire
)

// overload measures what is left of the capacity when three times as much is asked for, and how the rest is refused.
func overload(ctx context.Context, r *run) error {
	return r.on(ctx, overloadSlots, nil, func(s *stack.Stack) error {
		cs, err := manyTenants(ctx, s, "crowd", 8, nil)
		if err != nil {
			return err
		}
		quiet, err := s.Tenant(ctx, "aside", nil)
		if err != nil {
			return err
		}
		capacity, err := closedLoop(ctx, cs, 2*overloadSlots, pick(r, 2*time.Second, 4*time.Second))
		if err != nil {
			return err
		}
		before, err := oneByOne(ctx, cs[0], 40)
		if err != nil {
			return err
		}
		r.note("overload: capacity %.0f/s, alone p50 %s", capacity, before.ms(0.5))
		if err := connect(ctx, cs[0], pick(r, 500, 1000)); err != nil {
			return err
		}
		bounded := flood(ctx, cs, `"ttl":1.9,`, overloadTimes*capacity, pick(r, 3*time.Second, 15*time.Second))
		aside, err := oneByOne(ctx, quiet, 20) // a second after the last request
		if err != nil {
			return err
		}
		if err := bounded.rest(ctx); err != nil {
			return err
		}
		after, err := oneByOne(ctx, cs[0], 40)
		if err != nil {
			return err
		}
		if err := connect(ctx, cs[0], int(2.5*overloadTimes*capacity)); err != nil {
			return err
		}
		open := flood(ctx, cs, "", overloadTimes*capacity, pick(r, 3*time.Second, 6*time.Second))
		if err := open.rest(ctx); err != nil {
			return err
		}
		r.say("One worker with %d slots, jobs of 50 ms: %d callers in a closed loop get %.0f/s. Then 8 tenants send %d times as much "+
			"at random times, for %v, each request with `Prefer: wait=2` and a client that hangs up after 3 s. Latencies are from the "+
			"moment when a request was due. Told: how long the job may wait (`ttl` 1.9); not told: `Prefer` alone, where a job that was "+
			"not done in time is answered with 202 and goes on.", overloadSlots, 2*overloadSlots, capacity, overloadTimes, bounded.lasted)
		r.table([]string{"deadline", "sent", "succeeded/s", "of capacity", "their p50", "p99", "refused", "p50", "p99", "202", "expired", "time-outs", "other"},
			[][]string{bounded.row("told", capacity), open.row("not told", capacity)})
		r.table([]string{"one caller", "p50", "p99"}, [][]string{
			{"before", before.ms(0.5), before.ms(0.99)},
			{"another tenant, 1 s after the last request", aside.ms(0.5), aside.ms(0.99)},
			{"one of the 8 tenants, 1 s after the last answer", after.ms(0.5), after.ms(0.99)},
		})
		share := bounded.perSecond() / capacity
		r.bound(fmt.Sprintf("succeeded %.1f %% of capacity ≥ 95 %%", 100*share), share >= 0.95)
		r.bound("p99 of refusals "+bounded.refused.ms(0.99)+" ≤ 50 ms", bounded.refused.quantile(0.99) <= 50)
		odd := bounded.accepted + bounded.expired + bounded.hungUp + bounded.other
		r.bound(fmt.Sprintf("neither done nor refused: %d of %d ≤ 1 %%", odd, bounded.sent), odd <= bounded.sent/100)
		r.bound("another tenant's p50 1 s after the last request "+aside.ms(0.5)+" ≤ 1.5 × "+before.ms(0.5),
			aside.quantile(0.5) <= 1.5*before.quantile(0.5))
		r.bound("p50 1 s after the last answer "+after.ms(0.5)+" ≤ 1.5 × "+before.ms(0.5),
			after.quantile(0.5) <= 1.5*before.quantile(0.5))
		return nil
	})
}

// closedLoop has callers ask again as soon as they have their answer, and returns how many answers came a second.
func closedLoop(ctx context.Context, cs []*stack.Client, callers int, d time.Duration) (float64, error) {
	begin := time.Now()
	from, end := begin.Add(d/4), begin.Add(d)
	var done atomic.Int64
	err := spread(ctx, callers, callers, func(ctx context.Context, i int) error {
		for time.Now().Before(end) {
			if _, err := cs[i%len(cs)].Run(ctx, map[string]any{"ms": 50}, nil); err != nil {
				return err
			}
			if now := time.Now(); now.After(from) && now.Before(end) {
				done.Add(1)
			}
		}
		return nil
	})
	return float64(done.Load()) / end.Sub(from).Seconds(), err
}

// connect opens connections, as clients keep them: a flood of handshakes would be measured otherwise.
func connect(ctx context.Context, c *stack.Client, n int) error {
	id, err := c.Submit(ctx, map[string]any{"ms": 0}, map[string]any{"not_before": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	wait := fmt.Sprintf("/v1/jobs/%s?wait=%d", id, 2+n/400)
	return spread(ctx, n, n, func(ctx context.Context, _ int) error {
		_, _, _, err := c.Do(ctx, http.MethodGet, wait, nil, nil)
		return err
	})
}

// oneByOne has one caller run jobs, and returns how long each took.
func oneByOne(ctx context.Context, c *stack.Client, n int) (took figures, err error) {
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	for range n {
		begin := time.Now()
		if _, err := c.Run(ctx, map[string]any{"ms": 50}, nil); err != nil {
			return nil, err
		}
		took = append(took, millis(time.Since(begin)))
	}
	return took, nil
}

// flooded is what became of a flood.
type flooded struct {
	lasted  time.Duration
	clients []*stack.Client
	running sync.WaitGroup

	mu                               sync.Mutex
	sent                             int     // guarded by mu, as is all below
	good                             figures // how long they took
	steady                           int     // good ones after the first fifth of the time
	refused                          figures // how long they took
	accepted, expired, hungUp, other int
	odd                              string // the last of the others
	left                             []left
}

// left is a job that goes on without its caller.
type left struct {
	c  *stack.Client
	id string
}

// flood sends requests at random times, so many a second, without waiting for answers. Some may be under way when it
// returns: rest waits for them.
func flood(ctx context.Context, cs []*stack.Client, opts string, rate float64, d time.Duration) *flooded {
	f := &flooded{lasted: d, clients: cs}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // no secret
	body := []byte(`{"model":"sleep",` + opts + `"input":{"ms":50}}`)
	begin := time.Now()
	for due := time.Duration(0); due < d; due += time.Duration(rng.ExpFloat64() / rate * float64(time.Second)) {
		if pause(ctx, time.Until(begin.Add(due))) != nil {
			break
		}
		at, c := begin.Add(due), cs[f.sent%len(cs)]
		f.sent++
		f.running.Go(func() { f.send(ctx, c, body, at, begin) })
	}
	return f
}

func (f *flooded) send(ctx context.Context, c *stack.Client, body []byte, due, begin time.Time) {
	ctx, cancel := context.WithDeadline(ctx, due.Add(patience))
	defer cancel()
	status, _, answer, err := c.Do(ctx, http.MethodPost, "/v1/jobs", map[string]string{"Prefer": "wait=2"}, body)
	now := time.Now()
	took := millis(now.Sub(due))
	var j struct {
		ID     string `json:"id"`
		Status any    `json:"status"` // a problem's is a number
		Code   string `json:"code"`
	}
	if err == nil {
		err = json.Unmarshal(answer, &j)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		f.hungUp++
	case err != nil:
		f.other++
		f.odd = err.Error()
	case status == http.StatusOK && j.Status == "succeeded":
		f.good = append(f.good, took)
		if since := now.Sub(begin); since > f.lasted/5 && since <= f.lasted {
			f.steady++
		}
	case (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) && j.Code != "":
		f.refused = append(f.refused, took)
	case status == http.StatusAccepted:
		f.accepted++
		f.left = append(f.left, left{c, j.ID})
	case j.Status == "expired":
		f.expired++
	default:
		f.other++
		f.odd = fmt.Sprintf("status %d: %s", status, answer)
	}
}

// rest waits for the answers that are still to come, and cancels jobs that go on without their callers.
func (f *flooded) rest(ctx context.Context) error {
	f.running.Wait()
	return spread(ctx, len(f.left), 16, func(ctx context.Context, i int) error {
		l := f.left[i]
		_, _, _, err := l.c.Do(ctx, http.MethodPost, "/v1/jobs/"+l.id+"/cancel", nil, nil)
		return err
	})
}

// perSecond is how many succeeded a second, after the first fifth of the time.
func (f *flooded) perSecond() float64 { return float64(f.steady) / (f.lasted * 4 / 5).Seconds() }

func (f *flooded) row(name string, capacity float64) []string {
	other := strconv.Itoa(f.other)
	if f.odd != "" {
		other += " (" + f.odd + ")"
	}
	return []string{
		name, strconv.Itoa(f.sent), fmt.Sprintf("%.0f", f.perSecond()), fmt.Sprintf("%.1f %%", 100*f.perSecond()/capacity),
		f.good.ms(0.5), f.good.ms(0.99), strconv.Itoa(len(f.refused)), f.refused.ms(0.5), f.refused.ms(0.99),
		strconv.Itoa(f.accepted), strconv.Itoa(f.expired), strconv.Itoa(f.hungUp), other,
	}
}
