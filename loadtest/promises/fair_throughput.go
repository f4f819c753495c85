package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/http1"
	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// callersAtOnce is how many wait for a job each where throughput is measured, and how many slots the worker has.
const callersAtOnce = 64

// pace is what a stack gets done. The CPU time says more than the rate on a machine that does other things too.
type pace struct {
	perSecond float64
	cpu       float64 // µs a job of gateway and workers together
}

// throughput has callers wait for one job of 0 ms after the other, each job of the next tenant.
func throughput(ctx context.Context, s *stack.Stack, clients []*stack.Client, d time.Duration) (pace, error) {
	requests := make([][]byte, len(clients))
	for i, c := range clients {
		requests[i] = c.Render(http.MethodPost, "/v1/jobs", map[string]string{"Prefer": "wait=30"}, []byte(`{"model":"sleep","input":{"ms":0}}`))
	}
	until := time.Now().Add(d + time.Minute)
	conns := make([]*http1.Conn, callersAtOnce)
	for i := range conns {
		var err error
		if conns[i], err = s.Dial(ctx, until); err != nil {
			return pace{}, err
		}
		defer conns[i].Close() //nolint:errcheck // its answers were read
	}
	var next, done atomic.Int64
	var all sync.WaitGroup
	errs := make([]error, len(conns)) // by caller
	begin, used := time.Now(), usedCPU(s)
	for i, c := range conns {
		all.Go(func() {
			for errs[i] == nil && time.Since(begin) < d && ctx.Err() == nil {
				status, body, err := c.Do(requests[next.Add(1)%int64(len(requests))])
				switch {
				case err != nil:
					errs[i] = err
				case status != http.StatusOK || !bytes.Contains(body, []byte(`"status":"succeeded"`)):
					errs[i] = &stack.StatusError{Status: status, Body: string(body)}
				default:
					done.Add(1)
				}
			}
		})
	}
	all.Wait()
	took, jobs := time.Since(begin), float64(done.Load())
	cpu := float64((usedCPU(s) - used).Microseconds())
	return pace{perSecond: jobs / took.Seconds(), cpu: cpu / max(1, jobs)}, errors.Join(errors.Join(errs...), ctx.Err())
}

func usedCPU(s *stack.Stack) time.Duration {
	sum := s.Gateway().CPU()
	for _, w := range s.Workers() {
		sum += w.CPU()
	}
	return sum
}

// interleaved measures two paces in turn, each first in every other round, and returns the medians.
func interleaved(rounds int, measure [2]func() (pace, error)) (medians [2]pace, err error) {
	var rates, cpus [2][]float64
	for i := range 2 * rounds {
		which := (i + i/2) % 2
		p, err := measure[which]()
		if err != nil {
			return medians, err
		}
		rates[which] = append(rates[which], p.perSecond)
		cpus[which] = append(cpus[which], p.cpu)
	}
	for i := range medians {
		medians[i] = pace{perSecond: median(rates[i]), cpu: median(cpus[i])}
	}
	return medians, nil
}

func (p pace) columns() []string {
	return []string{perSecond(p.perSecond), fmt.Sprintf("%.0f µs", p.cpu)}
}

// manyActive compares one busy tenant with many that send as much together.
func manyActive(ctx context.Context, r *run) (err error) {
	const n = 256
	rounds, d := pick(r, 2, 7), pick(r, time.Second, 5*time.Second)
	s, err := r.start(ctx, callersAtOnce)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Kill()) }()
	clients, err := manyTenants(ctx, s, "tenant", n, nil)
	if err != nil {
		return err
	}
	if _, err := throughput(ctx, s, clients, d); err != nil { // warm
		return err
	}
	got, err := interleaved(rounds, [2]func() (pace, error){
		func() (pace, error) { return throughput(ctx, s, clients[:1], d) },
		func() (pace, error) { return throughput(ctx, s, clients, d) },
	})
	if err != nil {
		return err
	}
	r.say("%d callers wait for one job of 0 ms after the other, all of one tenant, or each job of the next of %d tenants. One worker "+
		"with %d slots; medians of %d rounds of %s, in turn.", callersAtOnce, n, callersAtOnce, rounds, d)
	part := got[1].perSecond / got[0].perSecond
	r.table([]string{"tenants", "jobs ended", "CPU a job, gateway and worker"}, [][]string{
		append([]string{"1"}, got[0].columns()...), append([]string{number(n)}, got[1].columns()...),
	})
	r.bound(fmt.Sprintf("256 tenants get done 0.90 of what one does, or more: %.3f", part), part >= 0.90)
	return nil
}

// idleTenants compares the throughput of a stack on which many tenants had backlogs once with that of a stack where one
// tenant sent as many jobs.
func idleTenants(ctx context.Context, r *run) (err error) {
	n, each := pick(r, 100, 1_000), 30
	rounds, d := pick(r, 2, 7), pick(r, time.Second, 5*time.Second)
	var stacks [2]*stack.Stack
	var users [2][]*stack.Client
	var before, after [2]int
	for i := range stacks {
		s, err := r.start(ctx, callersAtOnce)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Kill()) }()
		if users[i], err = manyTenants(ctx, s, "tenant", 1+(n-1)*i, nil); err != nil {
			return err
		}
		// The first consumers are there once a job has run.
		if _, err := throughput(ctx, s, users[i][:1], d); err != nil {
			return err
		}
		stacks[i] = s
		if before[i], err = s.JobConsumers(ctx); err != nil {
			return err
		}
	}
	most := 0
	for i, s := range stacks {
		begun, err := attempts(ctx, s)
		if err != nil {
			return err
		}
		input := map[string]any{"ms": 1}
		err = spread(ctx, n*each, atOnce, func(ctx context.Context, k int) error {
			_, err := users[i][k/each%len(users[i])].Submit(ctx, input, nil) // a tenant's jobs at once, so that it has a backlog
			return err
		})
		if err != nil {
			return err
		}
		for done := begun; done < begun+float64(n*each); {
			consumers, err := s.JobConsumers(ctx)
			if err != nil {
				return err
			}
			most = max(most, consumers)
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return err
			}
			if done, err = attempts(ctx, s); err != nil {
				return err
			}
		}
	}
	// A backlog's consumer goes when nobody has asked it for a while.
	if err := wait(ctx, pick(r, 8*time.Second, 30*time.Second)); err != nil {
		return err
	}
	for i, s := range stacks {
		if after[i], err = s.JobConsumers(ctx); err != nil {
			return err
		}
	}
	got, err := interleaved(rounds, [2]func() (pace, error){
		func() (pace, error) { return throughput(ctx, stacks[0], users[0][:1], d) },
		func() (pace, error) { return throughput(ctx, stacks[1], users[1][:1], d) },
	})
	if err != nil {
		return err
	}
	r.say("On one stack, each of %d tenants had %d jobs once; on the other, one tenant had as many. Then %d callers of one tenant "+
		"wait for one job of 0 ms after the other. Medians of %d rounds of %s, in turn. Consumers: of the stream of jobs, before these jobs and after; "+
		"%d were seen at most while they ran.", n, each, callersAtOnce, rounds, d, most)
	part := got[1].perSecond / got[0].perSecond
	r.table([]string{"stack", "jobs ended", "CPU a job, gateway and worker", "consumers before", "after"}, [][]string{
		append(append([]string{"one tenant"}, got[0].columns()...), number(before[0]), number(after[0])),
		append(append([]string{fmt.Sprintf("%d idle tenants", n)}, got[1].columns()...), number(before[1]), number(after[1])),
	})
	r.bound(fmt.Sprintf("with idle tenants it is 0.95 of that without, or more: %.3f", part), part >= 0.95)
	r.bound("idle tenants cost no consumer", after[1] == before[1])
	return nil
}
