package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

const (
	tenantCount   = 3               // of the clients; one more floods
	settleTimeout = 3 * time.Minute // for what is still under way after the last fault
)

// play runs one profile: start, load and faults, settle, check.
func play(ctx context.Context, o *options, p profile, progress io.Writer) (r *report, err error) {
	s, l, err := run(ctx, o, p, progress)
	keep := o.keep
	if s != nil {
		defer func() { err = errors.Join(err, s.stop(keep)) }()
	}
	if err != nil {
		if s != nil && ctx.Err() == nil {
			keep = true
			err = fmt.Errorf("%w; see the logs in %s", err, s.dir)
		}
		return nil, err
	}
	say(progress, "%s: checking %d jobs\n", p.name, len(l.ledger.entries()))
	r, err = s.check(ctx, l)
	if err == nil && len(r.broken) > 0 {
		keep = true
		r.broken = append(r.broken, "the processes' logs are kept in "+s.dir)
	}
	return r, err
}

// load is what was put on a site.
type load struct {
	ledger  *ledger
	tenants []tenant
	begin   time.Time
	faults  time.Duration // how long they went on
}

// run starts a site and loads it while faults are injected; at its end everything is up and nobody calls.
func run(ctx context.Context, o *options, p profile, progress io.Writer) (*site, *load, error) {
	s, err := newSite(ctx, o, p)
	if err != nil {
		return nil, nil, err
	}
	if err := s.start(ctx); err != nil {
		return s, nil, err
	}
	l := &load{ledger: &ledger{}}
	if l.tenants, err = s.tenants(ctx, tenantCount+1); err != nil {
		return s, nil, err
	}
	ordinary, flooding := l.tenants[:tenantCount], l.tenants[tenantCount]
	heard, stopHearing, err := s.hearHints(ctx, s.broker, flooding.id)
	if err != nil {
		return s, nil, err
	}
	defer stopHearing()
	s.hints = heard
	s.probe = func() *entry {
		return l.ledger.open(ordinary[0], spec{kind: "async", maxAttempts: many, priority: "standard"})
	}
	keyed := s.takesKeys(ctx, l)
	if err := wait(ctx, 1500*time.Millisecond); err != nil { // an embedded Redis may lose its last second
		return s, nil, err
	}
	calls, stopCalls := context.WithCancel(ctx)
	work, stopWork := context.WithCancel(ctx)
	defer stopCalls()
	defer stopWork()
	var clients sync.WaitGroup
	var crashes sync.Mutex
	for i := range o.clients {
		c := &client{
			number: i, rng: rand.New(rand.NewPCG(o.seed, uint64(100+i))), api: s.caller(), tenants: ordinary, //nolint:gosec // no secret
			ledger: l.ledger, crashes: &crashes, keyed: keyed, hooks: s.hooks,
		}
		clients.Go(func() { c.run(calls, work) })
	}
	flooder := s.flooder(l, flooding)
	clients.Go(func() { flooder.flood(calls, work) })
	l.begin = time.Now()
	told := l.begin
	err = s.inject(ctx, func(kills int) {
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			say(progress, "%s: %d of %d kills, %d jobs, %v\n", p.name, kills, p.kills, len(l.ledger.entries()), time.Since(l.begin).Round(time.Second))
		}
	})
	l.faults = time.Since(l.begin)
	stopCalls()
	if err == nil {
		err = awaitUp(ctx, s.servers()...)
	}
	late := time.AfterFunc(settleTimeout, stopWork)
	defer late.Stop()
	if err != nil {
		stopWork()
	}
	clients.Wait()
	return s, l, errors.Join(err, s.failure())
}

// takesKeys tells whether the gateway knows Idempotency-Key.
func (s *site) takesKeys(ctx context.Context, l *load) bool {
	e := l.ledger.open(l.tenants[0], spec{kind: "async", maxAttempts: many, priority: "standard"})
	a := s.caller().call(ctx, e.tenant.token, http.MethodPost, "/v1/jobs", e.body(), "Idempotency-Key", "chaos")
	return e.answered(a) != nil
}
