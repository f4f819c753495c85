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

// crowdKind is what a noisy tenant's jobs are like.
type crowdKind struct {
	name    string
	picture string // file
	run     func() time.Duration
}

// quiet measures how long one tenant's jobs wait, alone and behind all that another has submitted.
func quiet(ctx context.Context, r *run) error {
	kinds := []crowdKind{
		{"20 ms", "fairness-real.svg", func() time.Duration { return oneJob }},
		{"15 to 25 ms", "fairness-real-mixed.svg", func() time.Duration {
			return time.Duration(15+rand.IntN(11)) * time.Millisecond //nolint:gosec // no secret
		}},
	}
	const slots = 16
	jobs, alone, beside := pick(r, 2_000, 100_000), pick(r, 4*time.Second, time.Minute), pick(r, time.Second, time.Minute)
	var rows [][]string
	var most, got []time.Duration
	for _, k := range kinds {
		b, err := r.behind(ctx, k, slots, jobs, alone, beside)
		if err != nil {
			return err
		}
		row := []string{k.name}
		for _, s := range []sample{b.alone, b.meanwhile, b.beside} {
			row = append(row, msOf(s.wait(0.5)), msOf(s.wait(0.99)))
		}
		rows = append(rows, append(row, number(len(b.beside)), b.noisy.wait(0.5).Round(time.Millisecond).String(), percent(b.used)))
		most, got = append(most, b.alone.wait(0.99)*3/2+oneJob), append(got, b.beside.wait(0.99))
	}
	r.say("A quiet tenant sends jobs of 20 ms one at a time, %.0f a second, to a worker with %d slots: alone for %s, while a "+
		"noisy tenant submits until %d jobs wait, and for %s after that. Noisy: every hundredth of those that started then. Jobs that all "+
		"take equally long end in waves, and who comes between two waves waits for the next.",
		slots/oneJob.Seconds()/50, slots, alone, jobs, beside)
	r.table([]string{
		"noisy jobs", "alone p50", "p99", "meanwhile p50", "p99", "beside p50", "p99", "jobs beside", "noisy p50", "utilisation",
	}, rows)
	for i, k := range kinds {
		r.bound(fmt.Sprintf("noisy jobs of %s: p99 beside, %s, is at most 1.5 × alone plus a job's run, %s", k.name, msOf(got[i]), msOf(most[i])),
			got[i] > 0 && got[i] <= most[i])
	}
	return nil
}

// besides are the jobs of a quiet tenant in three times, and of the noisy one in the third.
type besides struct {
	alone, meanwhile, beside, noisy sample
	used                            float64
}

// behind measures one kind.
func (r *run) behind(ctx context.Context, k crowdKind, slots, jobs int, alone, beside time.Duration) (b besides, err error) {
	s, err := r.start(ctx, slots)
	if err != nil {
		return b, err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	one, err := s.Tenant(ctx, "quiet", nil)
	if err != nil {
		return b, err
	}
	noisy, err := s.Tenant(ctx, "noisy", nil)
	if err != nil {
		return b, err
	}
	calls, l := newLoad(ctx)
	defer func() { err = errors.Join(err, l.end(calls)) }()
	t := &tally{}
	began := time.Now()
	l.nowAndThen(calls, one, float64(slots)/oneJob.Seconds()/50, t)
	if err := wait(calls, alone); err != nil {
		return b, err
	}
	submitting := time.Now()
	var some kept
	if err := queueUp(calls, s, noisy, jobs, k.run, &some); err != nil {
		return b, err
	}
	full := time.Now()
	r.note("quiet: %d jobs of %s queued after %s", jobs, k.name, full.Sub(submitting).Round(time.Millisecond))
	_, to, used, err := measured(calls, s, slots, 0, beside)
	if err != nil {
		return b, err
	}
	if err := l.end(calls); err != nil {
		return b, err
	}
	other, err := some.read(ctx, noisy)
	if err != nil {
		return b, err
	}
	b = besides{t.between(began, submitting), t.between(submitting, full), t.between(full, to), other.between(full, to), used}
	title := "A quiet tenant behind another's backlog of jobs of " + k.name + ", on real processes"
	return b, r.draw(k.picture, title, began, to, map[string]*tally{"quiet": t, "noisy": other})
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
func queueUp(ctx context.Context, s *stack.Stack, c *stack.Client, jobs int, long func() time.Duration, some *kept) error {
	begun, err := attempts(ctx, s)
	if err != nil {
		return err
	}
	for sent, missing := 0, jobs; missing > jobs/100; {
		err := spread(ctx, missing, atOnce, func(ctx context.Context, i int) error {
			id, err := c.Submit(ctx, sleepFor(long()), nil)
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
