package lanes

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Run tells workers of backlogs until ctx ends.
func (l *Lanes) Run(ctx context.Context) error {
	stop, err := l.queue.OnHints("", l.heard)
	if err != nil {
		return err
	}
	defer stop()
	defer l.queue.OnReconnect(l.reconnected)()
	timer := time.NewTimer(0)
	defer timer.Stop()
	var turned, scanned, scanDue time.Time
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.rouse:
		}
		now := time.Now()
		if l.wantsScan() || now.After(scanDue) {
			scanned = now
			if l.look(ctx) != nil {
				scanDue = now.Add(tellEvery)
			} else {
				scanDue = now.Add(max(scanEvery, scanShare*time.Since(scanned)))
			}
		}
		if now.Sub(turned) >= tellEvery {
			turned = now
			l.ask(ctx, now)
		}
		next, idle := l.turn(now)
		if idle {
			next = time.Until(scanDue)
		}
		timer.Reset(next)
	}
}

// Again tells of all backlogs at once: a worker has come that knows of none.
func (l *Lanes) Again() {
	l.mu.Lock()
	l.told = time.Time{}
	l.mu.Unlock()
	l.wake()
}

// heard hears another gateway's hints.
func (l *Lanes) heard(h queue.Hint) {
	if h.From == l.name {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of(h.Lane)
	if t.others.IsZero() {
		l.wake()
	}
	t.others = time.Now()
	if h.Weight > 0 {
		t.weight = h.Weight
	}
}

// reconnected forgets what may not be true any more, as ends of jobs may have been missed.
func (l *Lanes) reconnected() {
	l.mu.Lock()
	for k, t := range l.tallies {
		t.express, t.doubt = 0, t.backlog > 0
		l.drop(k, t)
	}
	l.scan, l.told = true, time.Time{}
	l.mu.Unlock()
	l.wake()
}

func (l *Lanes) wantsScan() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	want := l.scan
	l.scan = false
	return want
}

// look looks through the queue for backlogs that nobody tells of: their gateway has died, or this one was not there.
func (l *Lanes) look(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	found, err := l.queue.Backlogs(ctx)
	if err != nil {
		l.log.WarnContext(ctx, "backlogs cannot be looked for", "error", err)
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, k := range found {
		if t := l.of(k); t.backlog == 0 && t.others.IsZero() {
			t.backlog, t.doubt = 1, true
			l.told = time.Time{}
		}
	}
	return nil
}

// turn sends the hints that are due. It returns when there is more to do, or that there is nothing.
func (l *Lanes) turn(now time.Time) (next time.Duration, idle bool) {
	l.mu.Lock()
	var out []fair.Hint
	if now.Sub(l.passed) >= tellEvery || l.told.IsZero() {
		l.passed = now
		out = l.pass(now)
	}
	out = append(out, l.hinter.Due(now)...)
	l.due = l.hinter.Waiting()
	due, idle := l.due, len(l.tallies) == 0
	l.mu.Unlock()
	for _, h := range out {
		l.tell(h)
	}
	if due {
		return hintTick, false
	}
	return tellEvery, idle
}

// pass goes through the tallies, and returns the hints about all backlogs when it is time to tell of them. It is called
// with mu held.
func (l *Lanes) pass(now time.Time) (all []fair.Hint) {
	for k, t := range l.tallies {
		if !t.others.IsZero() && now.Sub(t.others) >= silentAfter {
			t.others = time.Time{}
			t.backlog, t.doubt = max(1, t.backlog), true
		}
		if t.express > 0 && now.Sub(t.changed) > forgetAfter {
			t.express = 0
			l.drop(k, t)
		}
		if t.backlog > 0 {
			all = append(all, hintOf(k, t.weight))
		}
	}
	if now.Sub(l.told) < time.Duration(len(all))*time.Second/mostTold {
		return nil
	}
	l.told = now
	return all
}

// ask asks the queue for backlogs that are doubted, the longest unasked first as far as it matters.
func (l *Lanes) ask(ctx context.Context, now time.Time) {
	var doubted []queue.Lane
	l.mu.Lock()
	for k, t := range l.tallies {
		if t.backlog > 0 && !t.doubt && now.Sub(t.changed) > doubtAfter {
			t.doubt = true
		}
		if t.backlog > 0 && t.doubt && now.Sub(t.asked) >= 5*tellEvery && len(doubted) < mostAsked {
			t.asked = now
			doubted = append(doubted, k)
		}
	}
	l.mu.Unlock()
	for _, k := range doubted {
		has, err := l.queue.HasBacklog(ctx, k)
		l.mu.Lock()
		t := l.tallies[k]
		if err == nil && !has && t != nil && t.changed.Before(now) {
			t.backlog, t.doubt = 0, false
			l.drop(k, t)
		}
		l.mu.Unlock()
	}
}
