package main

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/http1"
)

// report is what a run prints. Shares are of all of the machine's cores together.
type report struct {
	Scenario string             `json:"scenario"`
	Callers  int                `json:"callers"`
	Seconds  float64            `json:"seconds"`
	Requests int                `json:"requests"`
	OK       int                `json:"ok"`
	Errors   map[string]int     `json:"errors"` // by status; "network" and "answer" for the rest
	Sample   string             `json:"sample,omitempty"`
	PerSec   float64            `json:"per_s"` // of good answers
	P50      float64            `json:"p50_us"`
	P90      float64            `json:"p90_us"`
	P99      float64            `json:"p99_us"`
	Max      float64            `json:"max_us"`
	CPU      float64            `json:"generator_cpu_share"`
	Others   map[string]float64 `json:"cpu_share,omitempty"` // of the watched processes
}

// generate runs a closed loop: each caller sends its next request when the last one is answered.
func generate(ctx context.Context, o runOptions) (report, error) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(o.procs))
	d, err := http1.NewDialer(o.target.addr, o.target.name, o.target.caFile)
	if err != nil {
		return report{}, err
	}
	s := scenarios()[o.scenario]
	g := &generator{
		dialer: d, scenario: s, requests: s.requests(o.target, o.size),
		until: time.Now().Add(o.warm + o.duration + time.Minute), bound: int64(o.requests),
	}
	cs := make([]*caller, o.callers)
	for i := range cs {
		cs[i] = &caller{g: g, next: i * len(g.requests) / o.callers, errs: map[string]int{}}
		if cs[i].conn, err = d.Open(ctx, g.until); err != nil {
			return report{}, err
		}
		defer cs[i].close()
	}
	if o.warm > 0 {
		g.loop(ctx, cs, o.warm)
		for _, c := range cs {
			c.took, c.sent = c.took[:0], 0
			clear(c.errs)
		}
	}
	before := measureCPU(o.watch)
	begin := time.Now()
	g.loop(ctx, cs, o.duration)
	elapsed := time.Since(begin)
	r := gather(cs, elapsed)
	r.Scenario, r.Callers = o.scenario, o.callers
	r.CPU, r.Others = measureCPU(o.watch).since(before, elapsed*time.Duration(runtime.NumCPU()))
	return r, nil
}

// generator is what the callers share; only sent changes.
type generator struct {
	dialer   *http1.Dialer
	scenario scenario
	requests [][]byte
	until    time.Time
	bound    int64
	sent     atomic.Int64 // counted only with a bound
}

// loop has all callers send for d.
func (g *generator) loop(ctx context.Context, cs []*caller, d time.Duration) {
	stop := time.Now().Add(d)
	var all sync.WaitGroup
	for _, c := range cs {
		all.Go(func() { c.loop(ctx, stop) })
	}
	all.Wait()
}

// caller is one connection and what it saw.
type caller struct {
	g      *generator
	conn   *http1.Conn
	next   int
	sent   int
	took   []time.Duration // of good answers
	errs   map[string]int
	sample string // a bad answer
}

// maxRedials ends a caller whose server is gone.
const maxRedials = 100

func (c *caller) loop(ctx context.Context, stop time.Time) {
	for redials := 0; redials < maxRedials && ctx.Err() == nil; {
		begin := time.Now()
		if begin.After(stop) || c.g.bound > 0 && c.g.sent.Add(1) > c.g.bound {
			return
		}
		if c.conn == nil {
			redials++
			var err error
			if c.conn, err = c.g.dialer.Open(ctx, c.g.until); err != nil {
				c.bad("network", err.Error())
				continue
			}
		}
		c.one(begin)
	}
}

// one sends the next request.
func (c *caller) one(begin time.Time) {
	request := c.g.requests[c.next%len(c.g.requests)]
	c.next++
	c.sent++
	status, body, err := c.conn.Do(request)
	took := time.Since(begin)
	switch {
	case err != nil:
		c.bad("network", err.Error())
		c.close()
		return
	case status != c.g.scenario.status:
		c.bad(strconv.Itoa(status), string(body))
	case !bytes.Contains(body, []byte(c.g.scenario.holds)):
		c.bad("answer", string(body))
	default:
		c.took = append(c.took, took)
	}
	if c.conn.Last() {
		c.close()
	}
}

func (c *caller) bad(kind, text string) {
	c.errs[kind]++
	if c.sample == "" {
		c.sample = text[:min(len(text), 500)]
	}
}

func (c *caller) close() {
	if c.conn != nil {
		_ = c.conn.Close() // its answers were read
		c.conn = nil
	}
}

// gather adds the callers up.
func gather(cs []*caller, elapsed time.Duration) report {
	r := report{Seconds: elapsed.Seconds(), Errors: map[string]int{}}
	var all []time.Duration
	for _, c := range cs {
		all = append(all, c.took...)
		r.Requests += c.sent
		for kind, n := range c.errs {
			r.Errors[kind] += n
		}
		if r.Sample == "" {
			r.Sample = c.sample
		}
	}
	slices.Sort(all)
	r.OK = len(all)
	r.PerSec = float64(r.OK) / elapsed.Seconds()
	r.P50, r.P90, r.P99, r.Max = percentile(all, 0.5), percentile(all, 0.9), percentile(all, 0.99), percentile(all, 1)
	return r
}

// failed tells whether so many requests went wrong that the rest says nothing.
func (r *report) failed() error {
	if r.OK == 0 || r.Requests-r.OK > r.Requests/100 {
		return errors.New(r.Scenario + ": " + strconv.Itoa(r.Requests-r.OK) + " of " + strconv.Itoa(r.Requests) + " went wrong: " + r.Sample)
	}
	return nil
}
