package consume

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// Runner runs attempts on the models that this worker has loaded.
type Runner interface {
	// Run returns when the attempt has ended; cancelling ctx ends it early. emit takes the deltas of a streaming model.
	Run(ctx context.Context, r engine.Request, emit func(delta []byte) error) (engine.Result, error)
	// Offers lists the models, with their slots.
	Offers() []job.Offer
}

// Config is how this worker consumes. Zero values take the defaults named.
type Config struct {
	WorkerID    string
	Timeout     time.Duration // of an attempt whose job names none; 10 min
	RetryDelay  time.Duration // before the second attempt, doubled for each further one; 200 ms
	MaxDelay    time.Duration // bound of that; 30 s
	ShowRunning time.Duration // an attempt older than this is told in the log as started; 100 ms
	Grace       time.Duration // how long running jobs may finish at a shutdown; 20 s
}

func (c Config) withDefaults() Config {
	c.Timeout = orDefault(c.Timeout, 10*time.Minute)
	c.RetryDelay = orDefault(c.RetryDelay, 200*time.Millisecond)
	c.MaxDelay = orDefault(c.MaxDelay, 30*time.Second)
	c.ShowRunning = orDefault(c.ShowRunning, 100*time.Millisecond)
	c.Grace = orDefault(c.Grace, 20*time.Second)
	return c
}

func orDefault(d, def time.Duration) time.Duration {
	if d == 0 {
		return def
	}
	return d
}

// Consumer is the worker's side of the queue.
type Consumer struct {
	cfg     Config
	queue   *queue.Queue
	runner  Runner
	log     *slog.Logger
	metrics *metrics

	models map[string]*intake // by model; fixed after New

	mu   sync.Mutex
	held map[string]*held // guarded by mu: deliveries in hand, by tenant and job

	running sync.WaitGroup // one for each delivery in hand
	loops   sync.WaitGroup // one for each goroutine that runs them
	tasks   chan func()    // to a goroutine that has nothing to do
}

// New prepares a consumer of the runner's models.
func New(cfg Config, q *queue.Queue, r Runner, reg prometheus.Registerer, log *slog.Logger) *Consumer {
	c := &Consumer{
		cfg: cfg.withDefaults(), queue: q, runner: r, log: log,
		metrics: newMetrics(reg), models: map[string]*intake{}, held: map[string]*held{},
		tasks: make(chan func()),
	}
	offers := r.Offers()
	for i := range offers {
		if o := &offers[i]; o.Error == "" && o.Slots > 0 {
			c.models[o.Name] = newIntake(o, cfg.WorkerID)
		}
	}
	return c
}

// idleGoroutine is how long a goroutine waits for its next delivery.
const idleGoroutine = 5 * time.Second

// Run consumes until ctx ends, then drains: nothing more is asked for, what runs may finish within the grace, and what
// has not by then is given back. It returns when no delivery is in hand.
func (c *Consumer) Run(ctx context.Context) error {
	work, stopWork := context.WithCancel(context.WithoutCancel(ctx))
	defer stopWork()
	var unhear func()
	if c.persist(ctx, func() (err error) {
		unhear, err = c.queue.OnCancel(c.canceled)
		return err
	}) != nil {
		return nil // it ends before it begins
	}
	defer unhear()
	leases := make(chan struct{})
	go func() {
		defer close(leases)
		c.keepLeases(work)
	}()
	defer func() {
		stopWork()
		<-leases
		c.loops.Wait()
	}()
	for _, in := range c.models {
		if err := c.open(ctx, work, in); err != nil {
			break // ctx has ended
		}
	}
	<-ctx.Done()
	c.drain(stopWork) //nolint:contextcheck // ctx has ended: the drain takes a fresh one
	return nil
}

// open starts pulling a model's lanes, and hears of its backlogs.
func (c *Consumer) open(ctx, work context.Context, in *intake) error {
	in.open = func(in *intake, src fair.Source) (*queue.Puller, error) {
		ctx, cancel := context.WithTimeout(work, openTimeout)
		defer cancel()
		p, err := c.pull(ctx, work, in, src)
		if err != nil && work.Err() == nil {
			c.log.WarnContext(ctx, "backlog cannot be opened", "model", in.model, "tenant", src.Tenant, "error", err)
		}
		return p, err
	}
	in.quit = func(p *queue.Puller) {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(work), openTimeout)
		defer cancel()
		p.Stop(ctx)
	}
	express := map[fair.Source]*queue.Puller{}
	for _, class := range job.Classes() {
		src := fair.Source{Class: class}
		err := c.persist(ctx, func() (err error) {
			express[src], err = c.pull(ctx, work, in, src)
			return err
		})
		if err != nil {
			delete(express, src)
			for _, p := range express {
				in.quit(p)
			}
			return err
		}
	}
	err := c.persist(ctx, func() (err error) {
		in.unhear, err = c.queue.OnHints(in.model, in.hint)
		return err
	})
	in.begin(express)
	return err
}

// persist tries until it goes well or ctx ends, whose error it then returns: a broker that dies while a worker starts
// comes back.
func (c *Consumer) persist(ctx context.Context, f func() error) error {
	for {
		err := f()
		if err == nil {
			return nil
		}
		t := time.NewTimer(againAfter)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
		c.log.WarnContext(ctx, "the broker is asked again", "error", err)
	}
}

const againAfter = 200 * time.Millisecond

// openTimeout bounds how long a backlog's consumer may take to be made, and how long what is on its way is waited for.
const openTimeout = 5 * time.Second

func (c *Consumer) pull(ctx, work context.Context, in *intake, src fair.Source) (*queue.Puller, error) {
	return c.queue.Pull(ctx, laneOf(in.model, src),
		func(d *queue.Delivery) { c.take(work, in, d) },
		func(waited bool, n int) { in.returned(src, waited, n) })
}

func (c *Consumer) drain(stopWork context.CancelFunc) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	for _, in := range c.models {
		in.stop(ctx)
	}
	idle := make(chan struct{})
	go func() {
		c.running.Wait()
		close(idle)
	}()
	grace := time.NewTimer(c.cfg.Grace)
	defer grace.Stop()
	select {
	case <-idle:
		return
	case <-grace.C:
	}
	c.log.Warn("grace is over: giving jobs back", "jobs", c.InHand())
	stopWork() // each attempt ends as released
	<-idle
}

// InHand is how many deliveries this worker holds.
func (c *Consumer) InHand() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.held)
}

// take runs on the client's goroutine: it registers the delivery and lets a goroutine of its own run it.
func (c *Consumer) take(work context.Context, in *intake, d *queue.Delivery) {
	key := handKey(d.Job.Tenant, d.Job.ID, d.Job.Before)
	c.mu.Lock()
	if h := c.held[key]; h != nil {
		// The broker forgot that we have it, in a restart. We go on, under the new delivery.
		h.d.Adopt(d)
		c.mu.Unlock()
		in.again(d)
		return
	}
	ctx, cancel := context.WithCancelCause(work)
	h := newHeld(c.queue, d, cancel, c.cfg.WorkerID)
	c.held[key] = h
	c.mu.Unlock()
	c.running.Add(1)
	in.delivered(d, func() {
		c.spawn(work, func() {
			defer c.running.Done()
			defer cancel(nil)
			c.process(ctx, in, h)
			c.mu.Lock()
			delete(c.held, key)
			c.mu.Unlock()
		})
	})
}

// handKey names a delivery in hand. A job retried by hand comes again while its failure is still being settled: that is
// another message, and settling the old one must not end it.
func handKey(tenant, id string, before int) string {
	if before == 0 {
		return tenant + "." + id
	}
	return tenant + "." + id + "." + strconv.Itoa(before)
}

// spawn runs a task on a goroutine that has just finished another, or on a new one: growing a stack anew for each quick
// job took a tenth of the worker's time.
func (c *Consumer) spawn(work context.Context, task func()) {
	select {
	case c.tasks <- task:
		return
	default:
	}
	c.loops.Add(1)
	go func() {
		defer c.loops.Done()
		idle := time.NewTimer(idleGoroutine)
		defer idle.Stop()
		for task != nil {
			task()
			idle.Reset(idleGoroutine)
			select {
			case task = <-c.tasks:
			case <-idle.C:
				task = nil
			case <-work.Done():
				task = nil
			}
		}
	}()
}

// canceled stops the attempt of a job whose end somebody else has written.
func (c *Consumer) canceled(tenant, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.held { // as many as there are slots
		if h.d.Job.ID == id && h.d.Job.Tenant == tenant {
			h.cancel(errCanceled)
		}
	}
}

// keepLeases renews what is in hand, and tells the log of attempts that have been running for a while.
func (c *Consumer) keepLeases(ctx context.Context) {
	tick := time.NewTicker(c.cfg.ShowRunning / 2)
	defer tick.Stop()
	renewed := time.Now()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := time.Now()
		renew := now.Sub(renewed) >= c.queue.AckWait()/3
		if renew {
			renewed = now
		}
		c.mu.Lock()
		for _, h := range c.held {
			if renew {
				_ = h.d.Renew() // a lost connection renews nothing, and ends the lease as it should
			}
			if h.overdue(now) {
				h.cancel(errTimeout)
			}
			if h.showable(now, c.cfg.ShowRunning) {
				c.running.Add(1)
				go func() {
					defer c.running.Done()
					h.show(ctx)
				}()
			}
		}
		c.mu.Unlock()
	}
}
