package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/picture"
	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

const oneJob = 20 * time.Millisecond // run of most jobs here

// quiet measures how long one tenant's jobs wait, alone and behind all that another has submitted.
func quiet(ctx context.Context, r *run) (err error) {
	const slots = 16
	jobs, alone, beside := pick(r, 2_000, 100_000), pick(r, 4*time.Second, time.Minute), pick(r, time.Second, time.Minute)
	s, err := r.start(ctx, slots)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	one, err := s.Tenant(ctx, "quiet", nil)
	if err != nil {
		return err
	}
	noisy, err := s.Tenant(ctx, "noisy", nil)
	if err != nil {
		return err
	}
	calls, l := newLoad(ctx)
	defer func() { err = errors.Join(err, l.end(calls)) }()
	t := &tally{}
	began := time.Now()
	capacity := slots / oneJob.Seconds()
	l.nowAndThen(calls, one, capacity/50, t)
	if err := wait(calls, alone); err != nil {
		return err
	}
	submitting := time.Now()
	var some kept
	if err := queueUp(calls, s, noisy, jobs, &some); err != nil {
		return err
	}
	full := time.Now()
	r.note("quiet: %d jobs queued after %s", jobs, full.Sub(submitting).Round(time.Millisecond))
	_, to, used, err := measured(calls, s, slots, 0, beside)
	if err != nil {
		return err
	}
	if err := l.end(calls); err != nil {
		return err
	}
	other, err := some.read(ctx, noisy)
	if err != nil {
		return err
	}
	a, m, b := t.between(began, submitting), t.between(submitting, full), t.between(full, to)
	r.say("A quiet tenant sends jobs of 20 ms one at a time, %.0f a second, to a worker with %d slots: alone for %s, while a "+
		"noisy tenant submits %d jobs, and for %s from when so many wait. Noisy: every hundredth that had started by then.",
		capacity/50, slots, alone, jobs, beside)
	r.table([]string{"quiet tenant", "jobs", "wait p50", "p99", "most"}, [][]string{
		{"alone", number(len(a)), msOf(a.wait(0.5)), msOf(a.wait(0.99)), msOf(a.wait(1))},
		{"while the other submits", number(len(m)), msOf(m.wait(0.5)), msOf(m.wait(0.99)), msOf(m.wait(1))},
		{"beside the backlog", number(len(b)), msOf(b.wait(0.5)), msOf(b.wait(0.99)), msOf(b.wait(1))},
	})
	late := other.between(full, to)
	r.say("The noisy tenant's jobs that started beside them had waited %s (p50). The slots were in use %s of the time.",
		late.wait(0.5).Round(time.Millisecond), percent(used))
	most := a.wait(0.99)*3/2 + oneJob
	r.bound(fmt.Sprintf("p99 beside the backlog, %s, is at most 1.5 × alone plus a job's run, %s", msOf(b.wait(0.99)), msOf(most)),
		len(a) > 0 && len(b) > 0 && b.wait(0.99) <= most)
	return r.draw("fairness-real.svg", "A quiet tenant behind another's backlog (real processes)", began, to, map[string]*tally{"quiet": t, "noisy": other})
}

// nowAndThen sends one job at a time, at random moments.
func (l *load) nowAndThen(ctx context.Context, c *stack.Client, perSecond float64, t *tally) {
	l.all.Go(func() {
		for {
			pause := time.Duration(rand.ExpFloat64() * (float64(time.Second)/perSecond - float64(oneJob))) //nolint:gosec // no secret
			if wait(ctx, pause) != nil {
				return
			}
			j, err := c.Run(ctx, sleepFor(oneJob), nil)
			if err != nil {
				l.failed(fmt.Errorf("%s: %w", c.Tenant, err))
				return
			}
			t.add(j)
		}
	})
}

// kept are the ids of some of the submitted jobs. It is safe for concurrent use.
type kept struct {
	mu  sync.Mutex
	ids []string // guarded by mu
}

func (k *kept) add(id string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.ids = append(k.ids, id)
}

// read looks at those that have ended.
func (k *kept) read(ctx context.Context, c *stack.Client) (*tally, error) {
	t := &tally{}
	err := spread(ctx, len(k.ids), atOnce, func(ctx context.Context, i int) error {
		j, err := c.Get(ctx, k.ids[i])
		if err == nil && j.Status == "succeeded" {
			t.add(j)
		}
		return err
	})
	return t, err
}

// queueUp submits jobs until so many wait, and keeps the id of every hundredth.
func queueUp(ctx context.Context, s *stack.Stack, c *stack.Client, jobs int, some *kept) error {
	input := sleepFor(oneJob)
	begun, err := attempts(ctx, s)
	if err != nil {
		return err
	}
	for sent, missing := 0, jobs; missing > jobs/100; {
		err := spread(ctx, missing, atOnce, func(ctx context.Context, i int) error {
			id, err := c.Submit(ctx, input, nil)
			if err == nil && i%100 == 0 {
				some.add(id)
			}
			return err
		})
		if err != nil {
			return err
		}
		sent += missing
		now, err := attempts(ctx, s)
		if err != nil {
			return err
		}
		missing = jobs - (sent - int(now-begun))
	}
	return nil
}

// attempts is how many jobs the workers have run.
func attempts(ctx context.Context, s *stack.Stack) (n float64, err error) {
	for _, w := range s.Workers() {
		m, err := w.Metrics(ctx)
		if err != nil {
			return 0, err
		}
		n += m.Sum("penstock_worker_attempts_total")
	}
	return n, nil
}

// draw writes a picture of waits over time, where pictures are wanted.
func (r *run) draw(file, title string, from, to time.Time, groups map[string]*tally) error {
	if r.pictures == "" {
		return nil
	}
	var points []picture.Point
	for name, t := range groups {
		for _, e := range t.between(from, to) {
			points = append(points, picture.Point{At: e.started.Sub(from), Wait: e.wait, Group: name})
		}
	}
	svg := picture.Waits(title, to.Sub(from), points, "quiet", "noisy")
	return os.WriteFile(filepath.Join(r.pictures, file), []byte(svg), 0o644) //nolint:gosec // a page's picture
}
