package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// report is what a run proved.
type report struct {
	profile profile
	load    *load
	faults  []fault
	kills   int
	gaveUp  int

	mu           sync.Mutex
	broken       []string       // guarded by mu, as is all below until the check is over
	kinds        map[string]int // entries by kind
	fates        [accepted + 1]int
	idsRead      int
	ends         map[string]int // by status
	again        int            // jobs on a later attempt than they asked for
	reruns       []time.Duration
	lostJobs     int
	twiceJobs    int
	appeared     int // answers lost whose job is there
	absent       int
	streams      int
	cuts         int
	cancels      int // answered with 200
	attempts     int
	accepted     map[string]int // by tenant
	refunds      map[string]int
	listed       int
	exact        bool // the quota must be
	effects      effects
	withEffect   int
	repeated     int
	hookJobs     int
	hookRequests int
	hookDeclined int
	hookRepeats  int
	hints        int64
	proxied      int64 // bytes
	recoveries   []time.Duration
	counted      int
	expect       int
}

func (r *report) wrong(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.broken = append(r.broken, fmt.Sprintf(format, args...))
}

func (r *report) lost() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lostJobs++
}

func (r *report) twice() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.twiceJobs++
}

func (r *report) indeterminate(there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if there {
		r.appeared++
	} else {
		r.absent++
	}
}

// count takes in what a client saw.
func (r *report) count(e *entry) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.kinds[e.spec.kind]++
	r.fates[e.fate]++
	if e.stream != "" {
		r.streams++
		r.cuts += e.cuts
	}
	if e.canceled {
		r.cancels++
	}
}

// read takes in how a job ended.
func (r *report) read(e *entry, v *view) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.accepted == nil {
		r.accepted, r.refunds = map[string]int{}, map[string]int{}
	}
	r.accepted[e.tenant.id]++
	if v.refunded() {
		r.refunds[e.tenant.id]++
	}
	r.idsRead++
	r.ends[v.Status]++
	r.attempts += v.Attempt
	if v.Status == "succeeded" && v.Attempt > 1+e.spec.fails {
		r.again++
		if d, ok := r.rerun(v); ok {
			r.reruns = append(r.reruns, d)
		}
	}
}

// rerun is the time from the worker's death that a job's last attempt made up for to the job's end.
func (r *report) rerun(v *view) (time.Duration, bool) {
	var last *fault
	for i, f := range r.faults {
		if v.StartedAt != nil && f.at.After(v.CreatedAt) && f.at.Before(*v.StartedAt) {
			last = &r.faults[i]
		}
	}
	if last == nil || last.kind != killWorker && last.kind != crashed {
		return 0, false
	}
	return v.FinishedAt.Sub(last.at), true
}

func (r *report) hooked() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.hookJobs++
}

// finish adds what must not be zero.
func (r *report) finish() {
	must := map[string]int{
		"effects": r.withEffect, "webhooks delivered": r.hookJobs, "hints of a backlog": int(r.hints),
		"faults injected": len(r.faults), "processes killed": r.kills, "ids written": r.fates[accepted], "ids read": r.idsRead,
		"jobs succeeded": r.ends["succeeded"], "jobs canceled": r.ends["canceled"], "jobs run again": r.again, "streams cut": r.cuts, "jobs listed": r.listed,
	}
	if r.profile.brokers > 0 {
		must["bytes by a proxy"] = int(r.proxied)
	}
	if r.profile.small && r.profile.brokers == 0 { // a broker of its own does not answer meanwhile, and callers wait
		must["refusals while the disk was full"] = r.fates[refused]
	}
	for what, n := range must {
		if n == 0 {
			r.broken = append(r.broken, "no "+what+": the run proves nothing")
		}
	}
	if r.kills >= len(r.profile.faults) {
		for _, k := range r.profile.faults {
			if !slices.ContainsFunc(r.faults, func(f fault) bool { return f.kind == k }) {
				r.broken = append(r.broken, "no fault of the kind "+string(k))
			}
		}
	}
	slices.Sort(r.reruns)
	slices.Sort(r.recoveries)
}

func (r *report) print(w io.Writer) {
	row := func(name, format string, args ...any) {
		say(w, "| %s | %s |\n", name, fmt.Sprintf(format, args...))
	}
	p := &r.profile
	broker := "embedded in the gateway"
	if p.brokers > 0 {
		broker = fmt.Sprintf("%d nats-server", p.brokers)
	}
	say(w, "\n### %s: %d gateways, %d workers, broker %s\n\n| | |\n|---|---|\n", p.name, p.gateways, p.workers, broker)
	byKind := map[string]int{}
	for _, f := range r.faults {
		byKind[string(f.kind)]++
	}
	row("faults injected", "%d in %v: %s", len(r.faults), r.load.faults.Round(time.Second), tally(byKind))
	row("processes killed with SIGKILL", "%d, and %d by jobs", r.kills, byKind[string(crashed)])
	row("processes that gave up while they started", "%d, as the broker died meanwhile; they were started again", r.gaveUp)
	row("jobs submitted", "%d: %s", len(r.load.ledger.entries()), tally(r.kinds))
	row("ids written", "%d", r.fates[accepted])
	row("ids read", "%d, %d of them with their answer lost", r.idsRead, r.appeared)
	row("answers lost", "%d: %d of their jobs are there once, %d are not", r.appeared+r.absent, r.appeared, r.absent)
	row("refused; never sent", "%d; %d", r.fates[refused], r.fates[unsent])
	row("ended", "%s", tally(r.ends))
	row("**lost**", "**%d**", r.lostJobs)
	row("**ended twice**", "**%d**", r.twiceJobs)
	row("cancels answered with 200", "%d", r.cancels)
	row("streams read; cut and resumed", "%d; %d times, all byte-identical to the log", r.streams, r.cuts)
	row("jobs run again after a fault", "%d; %d attempts in all", r.again, r.attempts)
	if n := len(r.reruns); n > 0 {
		row("worker's kill to the end of the re-run", "p50 %v, p99 %v, of %d", at(r.reruns, 0.5), at(r.reruns, 0.99), n)
	}
	row("effects in the workers' file", "%s", r.effectsRow())
	row("webhooks", "%d jobs, each told of its end; %d deliveries, %d of them declined by the receiver, %d repeated although they had been taken", r.hookJobs, r.hookRequests, r.hookDeclined, r.hookRepeats)
	row("hints of the flooding tenant's backlog", "%d", r.hints)
	if n := len(r.recoveries); n > 0 {
		row("room on the disk to the next accepted job", "p50 %v, max %v, of %d", at(r.recoveries, 0.5), r.recoveries[n-1].Round(time.Millisecond), n)
	}
	verdict := "not compared: gateways died"
	if r.exact {
		verdict = "must be equal"
	}
	row("quota counted; accepted less given back", "%d; %d (%s)", r.counted, r.expect, verdict)
	const most, long = 30, 700
	for i, b := range r.broken {
		b = b[:min(len(b), long)]
		if i == most {
			say(w, "- and %d more\n", len(r.broken)-most)
			break
		}
		say(w, "- BROKEN: %s\n", b)
	}
}

func at(sorted []time.Duration, q float64) time.Duration {
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))].Round(time.Millisecond)
}

func tally(counts map[string]int) string {
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", k, counts[k]))
	}
	return strings.Join(parts, ", ")
}
