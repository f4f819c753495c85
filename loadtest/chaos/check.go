package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"
)

// check compares what the clients saw with what can be read now.
func (s *site) check(ctx context.Context, l *load) (*report, error) {
	ctx, cancel := context.WithTimeout(ctx, settleTimeout+time.Duration(len(l.ledger.entries()))*20*time.Millisecond)
	defer cancel()
	r := &report{profile: s.p, load: l, faults: s.faults.snapshot(), kills: s.faults.count(0), gaveUp: s.faults.gaveUp, ends: map[string]int{}, kinds: map[string]int{}}
	r.broken = append(r.broken, s.faults.broken...)
	r.recoveries, r.hints = s.faults.recoveries, s.hints.Load()
	c := s.caller()
	entries := l.ledger.entries()
	err := spread(entries, func(e *entry) error { return s.checkOne(ctx, c, r, e) })
	if err != nil {
		return nil, err
	}
	listed, err := s.list(ctx, c, l.tenants)
	if err != nil {
		return nil, err
	}
	r.listed = len(listed)
	if err := s.checkList(ctx, c, r, entries, listed); err != nil {
		return nil, err
	}
	if err := s.checkQuota(ctx, c, r, l); err != nil {
		return nil, err
	}
	if r.effects, err = s.readEffects(); err != nil {
		return nil, err
	}
	r.checkEffects(entries)
	var broken []string
	r.hookRequests, r.hookDeclined, r.hookRepeats, broken = s.hooks.count()
	r.broken = append(r.broken, broken...)
	for _, p := range s.proxies {
		r.proxied += p.passed()
	}
	for _, p := range s.panics() {
		r.wrong("%s", p)
	}
	r.finish()
	return r, nil
}

// spread calls f for every entry, some at a time, and returns an error of one.
func spread(entries []*entry, f func(*entry) error) error {
	work := make(chan *entry)
	failed := make(chan error, 16)
	var all sync.WaitGroup
	for range cap(failed) {
		all.Go(func() {
			for e := range work {
				if err := f(e); err != nil {
					select {
					case failed <- err:
					default:
					}
				}
			}
		})
	}
	for _, e := range entries {
		work <- e
	}
	close(work)
	all.Wait()
	select {
	case err := <-failed:
		return err
	default:
		return nil
	}
}

// checkOne checks what one client saw of its job.
func (s *site) checkOne(ctx context.Context, c *caller, r *report, e *entry) error {
	r.count(e)
	for _, b := range e.broken {
		r.wrong("%s %s (%s): %s", e.op, e.id, e.spec.kind, b)
	}
	if e.fate != accepted {
		return nil
	}
	v, err := s.checkJob(ctx, c, r, e)
	if err != nil || v == nil {
		return err
	}
	return s.checkEnd(ctx, r, e, v)
}

// checkEnd checks how an accepted job ended, and what came of that outside.
func (s *site) checkEnd(ctx context.Context, r *report, e *entry, v *view) error {
	r.read(e, v)
	e.end = v
	broken := s.expected(e, v, r.faults)
	if e.spec.hook != nil {
		b, err := e.spec.hook.await(ctx, v)
		if err != nil {
			return err
		}
		if b != "" {
			broken = append(broken, b)
		}
		r.hooked()
	}
	for _, b := range broken {
		if strings.Contains(b, "LOST") {
			r.lost()
		}
		r.wrong("%s %s (%s): %s", e.op, e.id, e.spec.kind, b)
	}
	return nil
}

// checkJob waits for a job's end and reads its log: one end, told the same wherever it is told.
func (s *site) checkJob(ctx context.Context, c *caller, r *report, e *entry) (*view, error) {
	wrong := func(format string, args ...any) {
		r.wrong("%s %s (%s): "+format, append([]any{e.op, e.id, e.spec.kind}, args...)...)
	}
	v := new(view)
	var a *answer
	for begin := time.Now(); ; {
		var err error
		if a, err = c.persist(ctx, e.tenant.token, "/v1/jobs/"+e.id+"?wait=10"); err != nil {
			return nil, err
		}
		if readable := json.Unmarshal(a.body, v) == nil; a.status != http.StatusOK || !readable {
			r.lost()
			wrong("LOST: status %d: %s", a.status, a.body)
			return nil, nil //nolint:nilnil // it is told
		}
		if v.ended() {
			break
		}
		if time.Since(begin) > settleTimeout {
			r.lost()
			wrong("LOST: has not ended %v after the last fault: %s", settleTimeout, a.body)
			return nil, nil //nolint:nilnil // it is told
		}
	}
	log, err := c.persist(ctx, e.tenant.token, "/v1/jobs/"+e.id+"/events")
	if err != nil {
		return nil, err
	}
	text, dones, last := "", 0, ""
	readMessages(strings.NewReader(string(log.body)), func(m message) bool {
		text += m.text
		if want := strings.Count(text, "\n\n"); m.id != want {
			wrong("its log has event %d where %d is due", m.id, want)
		}
		if last = m.name; m.name == "done" {
			dones++
			if !sameJSON([]byte(m.data), a.body) {
				r.twice()
				wrong("ENDED TWICE: its log says %s, the job %s", m.data, a.body)
			}
		}
		return true
	})
	if dones != 1 || last != "done" {
		r.twice()
		wrong("its log has %d ends, the last event is %q: %s", dones, last, log.body)
	}
	if e.seen != "" && !sameJSON([]byte(e.seen), a.body) {
		r.twice()
		wrong("ENDED TWICE: it was %s, and is %s", e.seen, a.body)
	}
	if e.stream != "" && (e.whole && e.stream != text || !strings.HasPrefix(text, e.stream)) {
		wrong("the stream a client read is not the log: %q, and %q", e.stream, text)
	}
	return v, nil
}

// expected tells what is wrong with an end.
func (s *site) expected(e *entry, v *view, faults []fault) (broken []string) {
	bad := func(format string, args ...any) { broken = append(broken, fmt.Sprintf(format, args...)) }
	reruns := v.Attempt - 1 - e.spec.fails
	most := e.spec.maxAttempts
	if e.spec.kind == "redone" { // each retry by hand gives attempts, one whose answer was lost perhaps too
		most, reruns = v.Max, 0
	}
	exhausted := v.Status == "failed" && v.Error != nil && v.Error.Code == "attempts_exhausted"
	if v.Metadata["op"] != e.op {
		bad("is another job: %v", v.Metadata)
	}
	if v.Attempt > most || v.Max != most {
		bad("attempt %d of %d, of %d asked for", v.Attempt, v.Max, most)
	}
	if v.StartedAt != nil && v.StartedAt.Before(e.after) {
		bad("started %v, before its not_before %v", v.StartedAt, e.after)
	}
	switch {
	case e.canceled && v.Status != "canceled":
		bad("was canceled, and is %s", v.Status)
	case v.Status == "canceled":
		if !e.touched {
			bad("nobody canceled it")
		}
		return broken
	case e.spec.crash:
		if !exhausted || v.Attempt != e.spec.maxAttempts {
			bad("kills its worker, and ended as %s on attempt %d", v.Status, v.Attempt)
		}
		return broken
	case v.Status == "succeeded":
		// An attempt that began when the broker had forgotten the one before it takes its place in the log at its end,
		// and so may be a later one than it told its model.
		if v.Output == nil || v.Output.Echo != e.op || v.Output.Attempt > v.Attempt || v.Output.Attempt <= e.spec.fails {
			bad("attempt %d succeeded with %+v", v.Attempt, v.Output)
		}
	case v.Status == "expired" && e.spec.ttl > 0:
		if v.FinishedAt.Before(v.CreatedAt.Add(time.Duration(e.spec.ttl * float64(time.Second)))) {
			bad("expired before its ttl of %g s: %v", e.spec.ttl, v.FinishedAt)
		}
	case exhausted && e.spec.kind == "redone": // its client went
	case exhausted:
		reruns++ // the last attempt failed too
	default:
		bad("ended as %s: %+v", v.Status, v.Error)
	}
	if n := explained(v, faults); reruns > n {
		bad("ran %d times more than it should, and the faults meanwhile explain %d", reruns, n)
	}
	return broken
}

// explained is how many attempts the faults during a job's life can have cost it. A process that is stopped for several
// leases can be given the job again in each.
func explained(v *view, faults []fault) (n int) {
	for _, f := range faults {
		if v.FinishedAt != nil && f.at.After(*v.FinishedAt) || f.until.Add(5*time.Second).Before(v.CreatedAt) {
			continue
		}
		n += 1 + f.times
		switch f.kind {
		case stopWorker, stopGateway, stopBroker, hole, fillDisk, killFull:
			n += int(math.Ceil(f.until.Sub(f.at).Seconds() / lease.Seconds()))
		default:
		}
	}
	return n
}

// listedJob is a job in a tenant's list.
type listedJob struct {
	view
	tenant tenant
}

// list reads every job of every tenant.
func (s *site) list(ctx context.Context, c *caller, tenants []tenant) (all []listedJob, err error) {
	for _, t := range tenants {
		for cursor := ""; ; {
			a, err := c.persist(ctx, t.token, "/v1/jobs?limit=100&cursor="+url.QueryEscape(cursor))
			if err != nil {
				return nil, err
			}
			var page struct {
				Data []view  `json:"data"`
				Next *string `json:"next_cursor"`
			}
			if err := json.Unmarshal(a.body, &page); err != nil || a.status != http.StatusOK {
				return nil, fmt.Errorf("list: status %d: %s", a.status, a.body)
			}
			for _, v := range page.Data {
				all = append(all, listedJob{view: v, tenant: t})
			}
			if page.Next == nil {
				break
			}
			cursor = *page.Next
		}
	}
	return all, nil
}

// checkList holds the lists against the ledger: every accepted job once under its own name, a refused one never, one
// whose answer was lost at most once, and that one ended like any other.
func (s *site) checkList(ctx context.Context, c *caller, r *report, entries []*entry, listed []listedJob) error {
	byOp := map[string][]listedJob{}
	for _, j := range listed {
		op := j.Metadata["op"]
		byOp[op] = append(byOp[op], j)
	}
	for _, e := range entries {
		found := byOp[e.op]
		delete(byOp, e.op)
		switch {
		case e.fate == accepted && (len(found) != 1 || found[0].ID != e.id || found[0].tenant != e.tenant):
			r.wrong("%s %s (%s): stands %d times in the list: %+v", e.op, e.id, e.spec.kind, len(found), found)
		case e.fate == indeterminate && len(found) > 1:
			r.wrong("%s (%s): its answer was lost, and it was accepted %d times", e.op, e.spec.kind, len(found))
		case (e.fate == refused || e.fate == unsent) && len(found) > 0:
			r.wrong("%s (%s): was refused or never sent, and stands in the list as %s: %s", e.op, e.spec.kind, found[0].ID, e.refusal)
		}
	}
	for op, found := range byOp {
		r.wrong("%d jobs of %q, which nobody submitted", len(found), op)
	}
	return spread(entries, func(e *entry) error {
		if e.fate != indeterminate {
			return nil
		}
		at := slices.IndexFunc(listed, func(j listedJob) bool { return j.Metadata["op"] == e.op })
		if at < 0 {
			r.indeterminate(false)
			return nil
		}
		r.indeterminate(true)
		e.id = listed[at].ID
		e.touched = true // whoever lost the answer may count as one who hung up
		v, err := s.checkJob(ctx, c, r, e)
		if err != nil || v == nil {
			return err
		}
		return s.checkEnd(ctx, r, e, v)
	})
}

// checkQuota compares the day's counters with the jobs. Only where no gateway was hurt must they be equal: a dead one
// takes with it what it had counted and not stored, or not yet given back.
func (s *site) checkQuota(ctx context.Context, c *caller, r *report, l *load) error {
	r.exact = !slices.ContainsFunc(r.faults, func(f fault) bool {
		return f.kind != killWorker && f.kind != stopWorker && f.kind != termWorker && f.kind != crashed
	})
	for _, t := range l.tenants {
		want := r.accepted[t.id] - r.refunds[t.id]
		var usage struct {
			Used     int  `json:"used"`
			InFlight *int `json:"in_flight"`
		}
		for try := 0; ; try++ {
			a, err := c.persist(ctx, t.token, "/v1/usage")
			if err != nil {
				return err
			}
			if err := json.Unmarshal(a.body, &usage); err != nil {
				return fmt.Errorf("usage: status %d: %s", a.status, a.body)
			}
			settled := usage.Used == want && usage.InFlight != nil && *usage.InFlight == 0
			if settled || !r.exact || try == 50 {
				break
			}
			if err := wait(ctx, 100*time.Millisecond); err != nil {
				return err
			}
		}
		r.counted += usage.Used
		r.expect += want
		if r.exact && (usage.Used != want || usage.InFlight == nil || *usage.InFlight != 0) {
			r.wrong("%s: the quota counts %d jobs, in flight %v; accepted less given back are %d", t.id, usage.Used, usage.InFlight, want)
		}
	}
	return nil
}

func sameJSON(a, b []byte) bool {
	var x, y any
	return json.Unmarshal(a, &x) == nil && json.Unmarshal(b, &y) == nil && reflect.DeepEqual(x, y)
}
