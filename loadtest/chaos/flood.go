package main

import (
	"context"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"

	"github.com/penstock-dev/penstock/shared/queue"
)

const (
	// floodJobs is how many jobs the flooding tenant has unfinished: far more than all workers' slots and what it may
	// have on the express lane beside them.
	floodJobs = 120
	// sleepSlots is how many jobs a worker runs at once.
	sleepSlots = 8
)

// flood keeps a tenant's backlog lane filled, with a pause now and then in which it runs empty. One job in twelve is
// canceled where it waits.
func (c *client) flood(ctx, work context.Context) {
	var under []*entry
	for ctx.Err() == nil {
		for batch := 0; batch < 2*floodJobs && ctx.Err() == nil; batch++ {
			s := spec{kind: "flood", ms: 100 + c.rng.IntN(400), maxAttempts: many, priority: "standard"}
			if c.rng.IntN(4) == 0 {
				s.priority = "batch"
			}
			e := c.ledger.open(c.tenants[0], s)
			if !c.submit(work, e) {
				_ = wait(ctx, c.between(100, 300)) // the loop looks at ctx
				continue
			}
			if c.rng.IntN(12) == 0 {
				c.cancel(work, c.number, e)
				continue
			}
			if under = append(under, e); len(under) >= floodJobs {
				c.poll(work, under[0])
				under = under[1:]
			}
		}
		for _, e := range under {
			if ctx.Err() != nil {
				return // the check at the end sees to them
			}
			c.poll(work, e)
		}
		under = under[:0]
		_ = wait(ctx, c.between(0, 2000)) // the loop looks at ctx
	}
}

// flooder is the client that does it, for a tenant of its own.
func (s *site) flooder(l *load, t tenant) *client {
	return &client{
		number: 999, rng: rand.New(rand.NewPCG(s.o.seed, 3)), api: s.caller(), tenants: []tenant{t}, ledger: l.ledger, //nolint:gosec // no secret
	}
}

// hearHints counts how often workers are told that a tenant has a backlog. It returns when it hears.
func (s *site) hearHints(ctx context.Context, url, tenant string) (heard *atomic.Int64, stop func(), err error) {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	q, err := queue.Open(ctx, queue.Options{Name: "chaos", Join: true, URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		return nil, nil, err
	}
	heard = new(atomic.Int64)
	forget, err := q.OnHints("sleep", func(h queue.Hint) {
		if h.Lane.Tenant == tenant {
			heard.Add(1)
		}
	})
	if err != nil {
		q.Close()
		return nil, nil, err
	}
	return heard, func() { forget(); q.Close() }, nil
}
