package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// shortWait is what no forecast has to meet: it is shorter than the queue's depth is believed.
const shortWait = 200 * time.Millisecond

// queueKind is how jobs come into the queue.
type queueKind struct {
	name    string
	tenants int
	classes []string
	jobs    int
	steady  time.Duration // after the jobs, more come as fast as they are done, for so long
	bound   bool
}

// forecasts compares the eta_ms of jobs just submitted with how long they then waited.
func forecasts(ctx context.Context, r *run) error {
	jobs := pick(r, 600, 2000)
	standard := []string{"standard"}
	kinds := []queueKind{
		{"all at once, one tenant", 1, standard, jobs, 0, true},
		{"all at once, 5 tenants", 5, standard, jobs, 0, true},
		{"all at once, 5 tenants, 3 classes", 5, []string{"interactive", "standard", "batch"}, jobs, 0, false},
		{"as many as are done, one tenant", 1, standard, jobs / 2, pick(r, 2*time.Second, 10*time.Second), true},
		{"as many as are done, 5 tenants", 5, standard, jobs / 2, pick(r, 2*time.Second, 10*time.Second), true},
	}
	r.say("One worker with 16 slots; jobs of 5 to 50 ms at random. The `eta_ms` of the answer to a job's submission, over how long "+
		"the job then waited (`queue_ms`), of all jobs that waited more than %v. With classes, more urgent jobs that come later "+
		"pass, of which a forecast can't know.", shortWait)
	var rows [][]string
	err := r.on(ctx, 16, nil, func(s *stack.Stack) error {
		if err := warmUp(ctx, s); err != nil {
			return err
		}
		for i, k := range kinds {
			out, err := k.measure(ctx, s, fmt.Sprintf("eta%d", i+1))
			if err != nil {
				return err
			}
			r.note("eta: %s: %s", k.name, out.ratios.text())
			rows = append(rows, []string{
				k.name, strconv.Itoa(out.jobs), strconv.Itoa(len(out.ratios)), strconv.Itoa(out.silent), out.waits.ms(0.5),
				fmt.Sprintf("%.2f", out.ratios.quantile(0.5)), fmt.Sprintf("%.2f", out.ratios.quantile(0.1)), fmt.Sprintf("%.2f", out.ratios.quantile(0.9)),
			})
			if m := out.ratios.quantile(0.5); k.bound {
				defer r.bound(fmt.Sprintf("%s: 0.8 ≤ median %.2f ≤ 1.25", k.name, m), m >= 0.8 && m <= 1.25)
			}
		}
		r.table([]string{"jobs come", "jobs", "compared", "without a forecast", "waited p50", "forecast / wait p50", "p10", "p90"}, rows)
		return nil
	})
	return err
}

func (f figures) text() string {
	return fmt.Sprintf("p10 %.2f, p50 %.2f, p90 %.2f", f.quantile(0.1), f.quantile(0.5), f.quantile(0.9))
}

// warmUp lets the worker learn how much it gets done.
func warmUp(ctx context.Context, s *stack.Stack) error {
	c, err := s.Tenant(ctx, "warm", nil)
	if err != nil {
		return err
	}
	err = spread(ctx, 400, 32, func(ctx context.Context, _ int) error {
		_, err := c.Run(ctx, aQuickJob(), nil)
		return err
	})
	if err != nil {
		return err
	}
	return pause(ctx, 1500*time.Millisecond) // until its next heartbeat
}

func aQuickJob() map[string]any {
	return map[string]any{"ms": 5 + rand.IntN(46)} //nolint:gosec // no secret
}

const meanQuickJob = 27500 * time.Microsecond

// forecasted is a job and what was said of it.
type forecasted struct {
	c      *stack.Client
	id     string
	eta    float64
	waited float64
}

type comparison struct {
	jobs   int
	silent int // waited long, and no forecast was made
	ratios figures
	waits  figures
}

func (k queueKind) measure(ctx context.Context, s *stack.Stack, name string) (*comparison, error) {
	cs, err := manyTenants(ctx, s, name, k.tenants, nil)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var all []*forecasted
	submit := func(ctx context.Context, i int) error {
		j, err := submitted(ctx, cs[i%len(cs)], k.classes[i/len(cs)%len(k.classes)])
		if err != nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		all = append(all, j)
		return nil
	}
	if err := spread(ctx, k.jobs, 16, submit); err != nil {
		return nil, err
	}
	gap := meanQuickJob / 16
	begin := time.Now()
	err = spread(ctx, int(k.steady/gap), 16, func(ctx context.Context, i int) error {
		if err := pause(ctx, time.Until(begin.Add(time.Duration(i)*gap))); err != nil {
			return err
		}
		return submit(ctx, i)
	})
	if err != nil {
		return nil, err
	}
	err = spread(ctx, len(all), 16, func(ctx context.Context, i int) error {
		j, err := awaitEnd(ctx, all[i].c, all[i].id)
		if err == nil {
			all[i].waited = j.Usage.QueueMillis
		}
		return err
	})
	out := &comparison{jobs: len(all)}
	for _, j := range all {
		switch {
		case j.waited <= millis(shortWait):
			continue
		case j.eta == 0:
			out.silent++
		}
		out.ratios = append(out.ratios, j.eta/j.waited)
		out.waits = append(out.waits, j.waited)
	}
	return out, err
}

func submitted(ctx context.Context, c *stack.Client, class string) (*forecasted, error) {
	b, err := json.Marshal(map[string]any{"model": "sleep", "input": aQuickJob(), "priority": class})
	if err != nil {
		return nil, err
	}
	status, _, answer, err := c.Do(ctx, http.MethodPost, "/v1/jobs", nil, b)
	if err != nil {
		return nil, err
	}
	if status != http.StatusAccepted {
		return nil, &stack.StatusError{Status: status, Body: string(answer)}
	}
	var j stack.Job
	if err := json.Unmarshal(answer, &j); err != nil {
		return nil, err
	}
	return &forecasted{c: c, id: j.ID, eta: j.ETAMillis}, nil
}
