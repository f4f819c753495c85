package webhook

import (
	"context"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"net"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Config bounds deliveries.
type Config struct {
	Allow       []netip.Prefix // reached though they are not public
	Loopback    bool           // this machine may be reached, in plain HTTP too: in development
	Attempts    int            // of one delivery; 9 by default
	Backoff     float64        // on the pauses between attempts; 1 by default
	Concurrency int            // deliveries at once; 32 by default
	PerHost     int            // of those, to one host; 4 by default
	Timeout     time.Duration  // for one attempt; 10 s by default

	Resolver *net.Resolver  // the system's by default
	RootCAs  *x509.CertPool // the system's by default

	// Observe, when set, hears of each attempt: delivered, retried, failed or disabled.
	Observe func(outcome string, took time.Duration)
}

func withDefaults(c Config) Config {
	if c.Attempts == 0 {
		c.Attempts = len(pauses()) + 1
	}
	if c.Backoff == 0 {
		c.Backoff = 1
	}
	if c.Concurrency == 0 {
		c.Concurrency = 32
	}
	if c.PerHost == 0 {
		c.PerHost = 4
	}
	if c.Timeout == 0 {
		c.Timeout = 10 * time.Second
	}
	if c.Observe == nil {
		c.Observe = func(string, time.Duration) {}
	}
	return c
}

// Jobs tells where a job stands. Faults: not_found, gone.
type Jobs interface {
	Get(ctx context.Context, tenantID, id string) (job.State, error)
}

const (
	leaseSlack    = 5 * time.Second // beyond an attempt's time-out
	storeTimeout  = 10 * time.Second
	retryLook     = 5 * time.Second // when the broker would not say
	pullAgain     = time.Second
	claimedPause  = time.Second // at most, while another gateway has the record
	fencedPause   = 100 * time.Millisecond
	maxWriteTries = 20
)

// Service is the webhooks of all tenants. It is safe for concurrent use.
type Service struct {
	cfg     Config
	name    string // of this process, in claims
	queue   *queue.Queue
	guard   *guard
	sender  *sender
	gate    *gate
	backoff backoff
	log     *slog.Logger
}

// New makes the service; Run delivers.
func New(cfg Config, q *queue.Queue, log *slog.Logger) *Service {
	cfg = withDefaults(cfg)
	g := &guard{allow: cfg.Allow, loopback: cfg.Loopback}
	return &Service{
		cfg: cfg, name: rand.Text(), queue: q, guard: g, sender: newSender(g, &cfg), log: log,
		gate:    newGate(cfg.PerHost, max(1, cfg.Concurrency/2)),
		backoff: backoff{attempts: cfg.Attempts, scale: cfg.Backoff},
	}
}

// Expect stores where a job's events go, before the job is; it sets j.Hooks. forget takes that back when the job was not
// accepted after all. The record of a repeated request is the first one's.
func (s *Service) Expect(ctx context.Context, j *job.Job, w *job.Webhook) (forget func(context.Context), err error) {
	j.Hooks = w.Hooks()
	now := time.Now()
	r := &record{Webhook: *w, CreatedAt: job.Stamp(now)}
	_, err = s.save(ctx, j.Tenant, j.ID, r, 0)
	if errors.Is(err, queue.ErrFenced) {
		old, seq, loadErr := s.load(ctx, j.Tenant, j.ID)
		if loadErr != nil {
			return nil, loadErr
		}
		if !old.forgotten(now, s.queue.Retention()) {
			return func(context.Context) {}, nil
		}
		_, err = s.save(ctx, j.Tenant, j.ID, r, seq)
	}
	if err == nil {
		err = s.wake(ctx, j.Tenant, j.ID, r)
	}
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) {
		if err := s.queue.DropHook(ctx, j.Tenant, j.ID); err != nil { // a look at it will find no job
			s.log.WarnContext(ctx, "webhook of a job that was not accepted", "job_id", j.ID, "error", err)
		}
	}, nil
}

// Run delivers what is due until ctx ends; then it takes no more, and returns when the attempts under way are over.
func (s *Service) Run(ctx context.Context, jobs Jobs) error {
	defer s.sender.close()
	var running sync.WaitGroup
	defer running.Wait()
	slots := make(chan struct{}, s.cfg.Concurrency)
	for ctx.Err() == nil {
		if err := s.pull(ctx, jobs, slots, &running); err != nil && ctx.Err() == nil {
			s.log.WarnContext(ctx, "webhooks cannot be taken just now", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pullAgain):
		}
	}
	return nil
}

func (s *Service) pull(ctx context.Context, jobs Jobs, slots chan struct{}, running *sync.WaitGroup) error {
	puller, err := s.queue.PullHooks(ctx, s.cfg.Timeout+2*leaseSlack)
	if err != nil {
		return err
	}
	defer puller.Stop()
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		due, err := puller.Next(ctx)
		if err != nil {
			<-slots
			return err
		}
		running.Go(func() {
			defer func() { <-slots }()
			s.take(context.WithoutCancel(ctx), jobs, due)
		})
	}
}

// take looks at a webhook that is due, and gives it back when that is to be done again.
func (s *Service) take(ctx context.Context, jobs Jobs, due *queue.DueHook) {
	again, err := s.turn(ctx, jobs, due.Tenant, due.ID)
	if err != nil {
		s.log.WarnContext(ctx, "webhook is not dealt with yet", "job_id", due.ID, "tenant", due.Tenant, "error", err)
		again = retryLook
	}
	if again > 0 {
		err = due.Again(again)
	} else {
		err = due.Done()
	}
	if err != nil { // it comes again when its lease is over
		s.log.DebugContext(ctx, "webhook is not given back", "job_id", due.ID, "error", err)
	}
}

// turn does the next thing that there is to do for a job's webhook. A pause says that it is to be called again after it.
func (s *Service) turn(ctx context.Context, jobs Jobs, tenant, id string) (again time.Duration, err error) {
	r, seq, err := s.load(ctx, tenant, id)
	if errors.Is(err, queue.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	if c := r.Claim; c != nil && time.Now().Before(c.Until) {
		return min(max(time.Until(c.Until), fencedPause), claimedPause), nil
	}
	changed, gone, err := s.look(ctx, jobs, tenant, id, r)
	if err != nil {
		return 0, err
	}
	if gone {
		return 0, s.queue.DropHook(ctx, tenant, id)
	}
	d := r.due(time.Now())
	if d == nil {
		if changed {
			if _, err := s.save(ctx, tenant, id, r, seq); errors.Is(err, queue.ErrFenced) {
				return fencedPause, nil
			} else if err != nil {
				return 0, err
			}
		}
		return 0, s.wake(ctx, tenant, id, r)
	}
	return s.deliver(ctx, jobs, tenant, id, r, seq, d)
}

// look takes in what the job's log holds that is new. gone says that there is no such job, and never will be.
func (s *Service) look(ctx context.Context, jobs Jobs, tenant, id string, r *record) (changed, gone bool, err error) {
	for {
		events, err := s.queue.Read(ctx, tenant, id, r.Seen)
		if err != nil {
			return false, false, err
		}
		if len(events) == 0 {
			break
		}
		changed = true
		for _, e := range events {
			r.see(id, e, time.Now())
		}
	}
	if !r.EndedAt.IsZero() || changed {
		return changed, false, nil
	}
	_, err = jobs.Get(ctx, tenant, id)
	switch code := fault.CodeOf(err); {
	case err == nil:
		return false, false, nil
	case code == fault.Gone, code == fault.NotFound && time.Since(r.CreatedAt) > orphanAfter:
		return false, true, nil
	case code == fault.NotFound:
		return false, false, nil // it may be about to be published
	}
	return false, false, err
}

// deliver attempts one delivery, under a claim on the record.
func (s *Service) deliver(ctx context.Context, jobs Jobs, tenant, id string, r *record, seq uint64, d *delivery) (again time.Duration, err error) {
	host := hostOf(r.Webhook.URL)
	leave := s.gate.enter(host, tenant)
	if leave == nil { // the clock has it meanwhile: it keeps nobody else from being taken
		at := time.Now().Add(s.gate.pause(host, mathrand.Float64())) //nolint:gosec // spreads load
		return 0, s.queue.WakeHook(ctx, tenant, id, at)
	}
	defer leave()
	body, err := s.payload(ctx, jobs, tenant, id, d)
	var a answer
	switch {
	case err == nil:
		r.Claim = &claim{By: s.name, Until: time.Now().Add(s.cfg.Timeout + leaseSlack)}
		seq, err = s.save(ctx, tenant, id, r, seq)
		if errors.Is(err, queue.ErrFenced) {
			return fencedPause, nil
		}
		if err != nil {
			return 0, err
		}
	case errors.Is(err, queue.ErrNotFound), fault.CodeOf(err) == fault.NotFound, fault.CodeOf(err) == fault.Gone:
		a = answer{err: "the job is no longer kept", final: true}
	default:
		return 0, err
	}
	began := time.Now()
	if a.err == "" {
		a = s.sender.send(ctx, &r.Webhook, d.ID, body)
	}
	var outcome string
	r, err = s.change(ctx, tenant, id, r, seq, func(r *record) {
		outcome = r.attempted(d.ID, began, &a, s.backoff, mathrand.Float64()) //nolint:gosec // spreads load
	})
	if err != nil {
		return 0, err // the claim runs out, and the attempt is made again
	}
	s.cfg.Observe(outcome, a.took)
	s.log.InfoContext(ctx, "webhook", "outcome", outcome, "job_id", id, "tenant", tenant, "webhook_id", d.ID, "host", host,
		"status", a.status, "reason", a.err)
	return 0, s.wake(ctx, tenant, id, r)
}

// payload is the body of a delivery: it follows from the event alone, so that every attempt sends the same bytes.
func (s *Service) payload(ctx context.Context, jobs Jobs, tenant, id string, d *delivery) ([]byte, error) {
	e, err := s.queue.EventAt(ctx, d.Seq)
	if err != nil {
		return nil, err
	}
	j := e.Job
	if j == nil { // of a start
		st, err := jobs.Get(ctx, tenant, id)
		if err != nil {
			return nil, err
		}
		j = st.Job
	}
	st := job.Accepted(j)
	st.Apply(e)
	b := append(make([]byte, 0, 1024+len(st.Output)), `{"type":"`+eventTypeRoot+d.Event+`","timestamp":"`...)
	b = append(e.At.UTC().AppendFormat(b, time.RFC3339Nano), `","data":`...)
	return append(st.AppendJSON(b), '}'), nil
}

// Log lists what became of a job's webhook; none where the job has none. Faults: not_found, gone.
func (s *Service) Log(ctx context.Context, tenant, id string) ([]job.HookDelivery, error) {
	r, _, err := s.load(ctx, tenant, id)
	if errors.Is(err, queue.ErrNotFound) {
		return []job.HookDelivery{}, nil
	}
	if err != nil {
		return nil, unavailable(err)
	}
	return r.log(), nil
}

// Redeliver delivers again what was delivered or given up. Faults: conflict, when there is nothing.
func (s *Service) Redeliver(ctx context.Context, tenant, id string) ([]job.HookDelivery, error) {
	r, seq, err := s.load(ctx, tenant, id)
	if errors.Is(err, queue.ErrNotFound) {
		return nil, fault.New(fault.Conflict, "the job has no webhook")
	}
	if err != nil {
		return nil, unavailable(err)
	}
	pending := 0
	r, err = s.change(ctx, tenant, id, r, seq, func(r *record) { pending = r.redeliver(job.Stamp(time.Now())) })
	if err == nil && pending > 0 {
		err = s.queue.WakeHook(ctx, tenant, id, time.Now())
	}
	if err != nil {
		return nil, unavailable(err)
	}
	if pending == 0 {
		return nil, fault.New(fault.Conflict, "there is nothing yet to deliver again, or it was delivered too often")
	}
	return r.log(), nil
}

func unavailable(err error) error {
	return &fault.Error{Code: fault.Overloaded, Detail: "the queue does not answer", RetryAfter: time.Second, Cause: err}
}

func (s *Service) load(ctx context.Context, tenant, id string) (*record, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	b, seq, err := s.queue.Hook(ctx, tenant, id)
	if err != nil {
		return nil, 0, err
	}
	r, err := decodeRecord(b)
	if err != nil {
		return nil, 0, fmt.Errorf("webhook: record of %s: %w", id, err)
	}
	return r, seq, nil
}

// save writes the record over the one at sequence last; ErrFenced when another came between. One with nothing left to do
// goes with the job's retention.
func (s *Service) save(ctx context.Context, tenant, id string, r *record, last uint64) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	b, err := r.encode()
	if err != nil {
		return 0, fmt.Errorf("webhook: record of %s: %w", id, err)
	}
	keep := time.Duration(0)
	if !r.open() {
		keep = s.queue.Retention()
	}
	return s.queue.PutHook(ctx, tenant, id, b, last, keep)
}

// change writes a change to the record, to its newest state if r is not that any more.
func (s *Service) change(ctx context.Context, tenant, id string, r *record, seq uint64, f func(*record)) (*record, error) {
	for try := 1; ; try++ {
		f(r)
		_, err := s.save(ctx, tenant, id, r, seq)
		if err == nil || !errors.Is(err, queue.ErrFenced) || try == maxWriteTries {
			return r, err
		}
		if r, seq, err = s.load(ctx, tenant, id); err != nil {
			return r, err
		}
	}
}

// wake asks for the next look at the record.
func (s *Service) wake(ctx context.Context, tenant, id string, r *record) error {
	at := r.next(time.Now(), s.queue.Retention())
	if at.IsZero() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, storeTimeout)
	defer cancel()
	return s.queue.WakeHook(ctx, tenant, id, at)
}

func hostOf(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return ""
	}
	return u.Host
}
