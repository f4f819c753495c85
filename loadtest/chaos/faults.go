package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// faultKind names what is done to the processes.
type faultKind string

const (
	killWorker  faultKind = "kill worker"
	killGateway faultKind = "kill gateway"
	killBroker  faultKind = "kill broker"
	killBoth    faultKind = "kill both" // a worker and a gateway at once
	stopWorker  faultKind = "stop worker"
	stopGateway faultKind = "stop gateway"
	stopBroker  faultKind = "stop broker"
	termWorker  faultKind = "restart worker"  // by SIGTERM
	termGateway faultKind = "restart gateway" // by SIGTERM
	cut         faultKind = "cut connections" // to the broker
	hole        faultKind = "black hole"      // connections to the broker that stay and pass nothing on
	fillDisk    faultKind = "fill disk"       // the broker's, to the last byte
	nearlyFill  faultKind = "nearly fill disk"
	killFull    faultKind = "kill on a full disk" // the gateway, or the broker where it is a process of its own
	crashed     faultKind = "worker killed by a job"
)

// deal makes a deck of faults.
func deal(counts map[faultKind]int) (deck []faultKind) {
	for _, k := range []faultKind{
		killWorker, killGateway, killBroker, killBoth, stopWorker, stopGateway, stopBroker, termWorker, termGateway,
		cut, hole, fillDisk, nearlyFill, killFull,
	} {
		for range counts[k] {
			deck = append(deck, k)
		}
	}
	return deck
}

// fault is one that was injected.
type fault struct {
	kind  faultKind
	at    time.Time
	until time.Time // when it was over, the process started again; zero while it lasts
	times int       // how often connections were cut
}

// faultLog remembers all faults, with those that jobs cause.
type faultLog struct {
	mu         sync.Mutex
	all        []*fault        // guarded by mu
	kills      int             // guarded by mu: SIGKILLs
	small      bool            // a write that the disk refused may lock the embedded broker up, whose gateway then ends
	gaveUp     int             // guarded by mu: gateways and workers that ended because the broker died while they started
	recoveries []time.Duration // guarded by mu: from a disk's having room again to the next accepted job
	broken     []string        // guarded by mu: ends that nobody asked for, and stops that were not clean
}

func (l *faultLog) begin(k faultKind) *fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := &fault{kind: k, at: time.Now()}
	l.all = append(l.all, f)
	return f
}

func (l *faultLog) end(f *fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.until = time.Now()
}

// again notes one more blow of a fault.
func (l *faultLog) again(f *fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f.times++
}

// recovered notes how long after its disk had room again a job was accepted.
func (l *faultLog) recovered(d time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recoveries = append(l.recoveries, d)
}

func (l *faultLog) count(kills int) (all int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kills += kills
	return l.kills
}

func (l *faultLog) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.broken = append(l.broken, fmt.Sprintf(format, args...))
}

// patience is how long a starting process waits for a broker that has gone away again, before it gives up.
const patience = 15 * time.Second

// unasked is called when a process ended by itself: a worker that a crash job killed, or a bug.
func (l *faultLog) unasked(s *server, how error) {
	if how != nil && how.Error() == "signal: killed" && s.name[0] == 'w' {
		l.end(l.begin(crashed))
		return
	}
	if how != nil && how.Error() == "signal: terminated" {
		return // it was asked to while it was starting, before it hears signals
	}
	if how != nil && how.Error() == "exit status 1" && s.name[0] != 'b' && (s.age() < patience || l.small && s.name[0] == 'g') {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.gaveUp++
		return
	}
	l.wrong("%s ended by itself: %v", s.name, how)
}

func (l *faultLog) snapshot() []fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := make([]fault, 0, len(l.all))
	for _, f := range l.all {
		out = append(out, *f)
	}
	return out
}

// inject deals faults until enough processes were killed or the time is over.
func (s *site) inject(ctx context.Context, progress func(kills int)) error {
	rng := rand.New(rand.NewPCG(s.o.seed, 2)) //nolint:gosec // no secret
	begin := time.Now()
	over := func() bool {
		return s.faults.count(0) >= s.p.kills || s.o.limit > 0 && time.Since(begin) > s.o.limit
	}
	for {
		deck := append([]faultKind(nil), s.p.faults...)
		rng.Shuffle(len(deck), func(i, j int) { deck[i], deck[j] = deck[j], deck[i] })
		for _, k := range deck {
			if over() {
				return nil
			}
			if err := s.fault(ctx, rng, k); err != nil {
				return err
			}
			progress(s.faults.count(0))
		}
	}
}

// fault injects one and waits until everything is up again, or, now and then, does not wait, so that the next one hits
// processes that have just begun.
func (s *site) fault(ctx context.Context, rng *rand.Rand, k faultKind) error {
	worker := s.workers[rng.IntN(len(s.workers))]
	gateway := s.gateways[rng.IntN(len(s.gateways))]
	broker := gateway
	if len(s.brokers) > 0 {
		broker = s.brokers[rng.IntN(len(s.brokers))]
	}
	down := time.Duration(rng.IntN(400)) * time.Millisecond
	switch k {
	case killWorker:
		s.kill(ctx, k, down, worker)
	case killGateway:
		s.kill(ctx, k, down, gateway)
	case killBroker:
		s.kill(ctx, k, down, broker)
	case killBoth:
		s.kill(ctx, k, down, worker, gateway)
	case stopWorker:
		s.freeze(ctx, k, lease+lease/2+3*down, worker)
	case stopGateway:
		s.freeze(ctx, k, lease+lease/2+down, gateway)
	case stopBroker:
		s.freeze(ctx, k, lease+lease/2+down, broker)
	case termWorker:
		s.term(ctx, k, worker)
	case termGateway:
		s.term(ctx, k, gateway)
	case cut:
		s.cut(ctx, rng)
	case hole:
		s.hole(ctx, rng, lease+lease/2+5*down)
	case fillDisk, nearlyFill, killFull:
		if err := s.fill(ctx, k, gateway, broker, lease+5*down); err != nil {
			return err
		}
	case crashed:
	}
	between := time.Duration(rng.IntN(300)) * time.Millisecond
	if rng.IntN(4) > 0 {
		if err := awaitUp(ctx, s.servers()...); err != nil {
			return err
		}
	}
	return wait(ctx, between)
}

// kill ends processes with SIGKILL and starts them again after a while.
func (s *site) kill(ctx context.Context, k faultKind, down time.Duration, targets ...*server) {
	f := s.faults.begin(k)
	defer s.faults.end(f)
	for _, t := range targets {
		release, ended, ok := t.hold(syscall.SIGKILL)
		defer release()
		if !ok {
			continue // it is down as it is
		}
		s.faults.count(1)
		<-ended
	}
	_ = wait(ctx, down) // the caller looks at ctx
}

// freeze stops a process for longer than its leases last: it wakes up not knowing that they are gone.
func (s *site) freeze(ctx context.Context, k faultKind, d time.Duration, t *server) {
	f := s.faults.begin(k)
	defer s.faults.end(f)
	if t.signal(syscall.SIGSTOP) {
		_ = wait(ctx, d) // the caller looks at ctx
		t.signal(syscall.SIGCONT)
	}
}

// term restarts a process as an operator does, and wants it to end in time and without an error.
func (s *site) term(ctx context.Context, k faultKind, t *server) {
	if awaitUp(ctx, t) != nil {
		return
	}
	f := s.faults.begin(k)
	defer s.faults.end(f)
	release, ended, ok := t.hold(syscall.SIGTERM)
	defer release()
	if !ok {
		return
	}
	select {
	case <-ended:
		if how := t.end(); how != nil {
			s.faults.unasked(t, how) // while it drained, a job may have killed it
		}
	case <-time.After(termTimeout):
		s.faults.wrong("%s did not end within %v of SIGTERM", t.name, termTimeout)
		t.signal(syscall.SIGKILL)
		<-ended
	}
}
