package limits

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
)

const (
	maxWaiting   = 100_000 // corrections; beyond it the oldest holds end by themselves
	maxBatch     = 512
	retryEvery   = 500 * time.Millisecond
	applyTimeout = 2 * time.Second
	remembered   = 8192 // refunded jobs, so that a repeated call refunds once
)

// item is one correction on its way.
type item struct {
	change Change
	ended  bool   // of a job, or of its wait: which holds and which day is worked out on the way
	refund string // what is given back, by name; empty when nothing is
	at     time.Time
}

// settler applies corrections behind the requests' backs: whatever waits goes out together.
type settler struct {
	counters Counters
	tenants  Tenants
	onLost   func(n int)
	wake     chan struct{} // of length 1
	stop     chan struct{}
	done     chan struct{}
	once     sync.Once

	mu      sync.Mutex
	waiting []item

	seen map[string]struct{} // names of refunds; owned by the goroutine
	ring []string            // the same, oldest first from next
	next int
}

func startSettler(c Counters, t Tenants, onLost func(int)) *settler {
	s := &settler{
		counters: c, tenants: t, onLost: onLost,
		wake: make(chan struct{}, 1), stop: make(chan struct{}), done: make(chan struct{}),
		seen: make(map[string]struct{}), ring: make([]string, remembered),
	}
	go s.run()
	return s
}

// push hands one correction over. It never blocks.
func (s *settler) push(it item) {
	s.mu.Lock()
	full := len(s.waiting) >= maxWaiting
	if !full {
		s.waiting = append(s.waiting, it)
	}
	s.mu.Unlock()
	if full {
		s.onLost(1)
		return
	}
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *settler) run() {
	defer close(s.done)
	for {
		select {
		case <-s.stop:
			return
		case <-s.wake:
		}
		for s.settle(context.Background()) != nil {
			t := time.NewTimer(retryEvery)
			select {
			case <-s.stop:
				t.Stop()
				return
			case <-t.C:
			}
		}
	}
}

// settle applies all that waits. What could not be applied waits again.
func (s *settler) settle(ctx context.Context) error {
	for {
		s.mu.Lock()
		n := min(maxBatch, len(s.waiting))
		batch := s.waiting[:n:n]
		s.waiting = s.waiting[n:]
		if len(s.waiting) == 0 {
			s.waiting = nil
		}
		s.mu.Unlock()
		if n == 0 {
			return nil
		}
		actx, cancel := context.WithTimeout(ctx, applyTimeout)
		changes, err := s.resolve(actx, batch)
		if err == nil && len(changes) > 0 {
			err = s.counters.Apply(actx, changes)
		}
		cancel()
		if err != nil {
			s.mu.Lock()
			s.waiting = append(batch, s.waiting...)
			s.mu.Unlock()
			return err
		}
		s.remember(batch)
	}
}

// resolve works out what the end of each job changes. A tenant that is gone has nothing to change.
func (s *settler) resolve(ctx context.Context, batch []item) ([]Change, error) {
	changes := make([]Change, 0, len(batch))
	for _, it := range batch {
		c := it.change
		if it.ended {
			t, err := s.tenants.Tenant(ctx, c.Tenant)
			switch {
			case errors.Is(err, tenant.ErrNotFound), errors.Is(err, tenant.ErrMalformed):
				t = nil // what there is of it ends by itself
			case err != nil:
				return nil, err
			}
			if t != nil {
				c.Held, c.Queued = c.Held && t.MaxInFlight > 0, c.Queued && t.MaxQueued > 0
			}
			if !c.Held && !c.Queued {
				c.Job = ""
			}
			if _, twice := s.seen[it.refund]; it.refund != "" && !twice && t != nil {
				counted := jobTime(it.change.Job, it.at)
				if counted.IsZero() {
					counted = it.at
				}
				c.Day, _ = dayOf(counted, t.Zone())
				c.Jobs = -1
			}
			if c.Job == "" && c.Jobs == 0 {
				continue
			}
		}
		changes = append(changes, c)
	}
	return changes, nil
}

// remember notes which jobs were refunded.
func (s *settler) remember(batch []item) {
	for _, it := range batch {
		if it.refund == "" {
			continue
		}
		delete(s.seen, s.ring[s.next])
		s.ring[s.next] = it.refund
		s.seen[it.refund] = struct{}{}
		s.next = (s.next + 1) % len(s.ring)
	}
}

// close ends the goroutine and applies what still waits, in ctx's time.
func (s *settler) close(ctx context.Context) error {
	s.once.Do(func() { close(s.stop) })
	<-s.done
	return s.settle(ctx)
}
