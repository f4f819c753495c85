package jobs

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/lanes"
	"github.com/penstock-dev/penstock/gateway/internal/results"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Limiter decides whether a tenant may have one more job.
type Limiter interface {
	// Admit counts the job against the tenant's limits, or returns a fault and counts nothing. Holds on max_in_flight and
	// max_queued free themselves at until, should nobody come back for them.
	Admit(ctx context.Context, p *tenant.Principal, jobID string, until time.Time) ([]job.LimitState, error)
	// Began frees the job's place in the queue. again tells that it may not be the first to say so. It does not wait for
	// Redis.
	Began(ctx context.Context, tenantID, jobID string, again bool)
	// Ended frees the job's holds. A refund names the count of the day's quota that is given back; empty gives none back.
	// It does not wait for Redis.
	Ended(ctx context.Context, tenantID, jobID, refund string)
	// Held lists up to n jobs that the tenant's in-flight bound counts.
	Held(ctx context.Context, tenantID string, n int64) ([]string, error)
	// Queued lists those of the first n jobs in the tenant's queue that may have begun or ended unheard.
	Queued(ctx context.Context, tenantID string, n int64) ([]string, error)
	// Missed tells that starts and ends may have gone unheard.
	Missed()
}

// Check validates an input before it is queued and says which task it asks for. It may hold the input against what a
// worker tells of the model. Faults have paths within the input.
type Check func(input []byte, about *job.About) (task string, err error)

// Config bounds what a job may ask for.
type Config struct {
	MaxAttempts int           // of a job that names none; 3 by default
	MaxTimeout  time.Duration // the longest a job may live; 24 h by default
	Grace       time.Duration // how long a model without a live worker is still taken in; 2 min by default
	Hooks       Hooks         // nil takes no job with a webhook

	// SyncRetention is how long a success is kept whose caller waited for it and got it; 0: like any other.
	SyncRetention time.Duration

	// Plans is the highest priority that a tenant on a plan may ask for; a plan that is not there may ask for any.
	Plans map[string]job.Class
}

// Service is the jobs of all tenants. It is safe for concurrent use.
type Service struct {
	cfg      Config
	queue    *queue.Queue
	limits   Limiter
	hub      *results.Hub
	inbox    *queue.Inbox
	ids      *job.IDs
	catalog  *catalog
	forecast *forecast
	lanes    *lanes.Lanes
	watchers watchers
	checks   map[string]Check // by engine
	log      *slog.Logger
	unhook   func()

	mu    sync.Mutex
	swept map[string]time.Time // guarded by mu: when a tenant's holds may be looked through again
}

// New starts hearing replies and heartbeats; Close ends that.
func New(ctx context.Context, cfg Config, q *queue.Queue, limits Limiter, checks map[string]Check, log *slog.Logger) (*Service, error) {
	if cfg.MaxAttempts == 0 {
		cfg.MaxAttempts = 3
	}
	if cfg.MaxTimeout == 0 {
		cfg.MaxTimeout = 24 * time.Hour
	}
	if cfg.Grace == 0 {
		cfg.Grace = 2 * time.Minute
	}
	s := &Service{
		cfg: cfg, queue: q, limits: limits, hub: results.NewHub(), ids: job.NewIDs(), checks: checks, log: log, catalog: newCatalog(cfg.Grace),
		swept: map[string]time.Time{}, watchers: watchers{byJob: map[jobKey][]*watcher{}},
	}
	s.lanes = lanes.New(q, s.catalog.slots, s.ids.Mark(), log)
	s.catalog.joined = s.lanes.Again
	s.forecast = newForecast(q, s.catalog, s.lanes)
	if err := q.WatchWorkers(ctx, s.catalog.seen); err != nil {
		return nil, err
	}
	inbox, err := q.OpenInbox(s.ids.Mark(), s.heard)
	if err != nil {
		return nil, err
	}
	s.inbox = inbox
	s.unhook = q.OnReconnect(func() {
		s.hub.Drop()
		s.watchers.missed()
		s.limits.Missed()
	})
	return s, nil
}

// Close stops hearing replies.
func (s *Service) Close() {
	s.unhook()
	s.inbox.Close()
}

// Models lists what the workers serve, or served until lately.
func (s *Service) Models() []job.Model { return s.catalog.models(time.Now()) }

// Workers lists the workers heard of lately.
func (s *Service) Workers() []job.Worker { return s.catalog.list() }

// Waiting is how many requests wait for an answer here.
func (s *Service) Waiting() int { return s.hub.Len() }

// Unfinished is how many jobs that were submitted here have not ended, on express and in backlogs, and how many backlogs
// there are.
func (s *Service) Unfinished() (express, backlog, backlogs int) { return s.lanes.Totals() }

// heard runs on the inbox's goroutine for each stored event of a job submitted here.
func (s *Service) heard(tenantID, id string, e *job.Event) {
	s.hub.Deliver(tenantID, id, e)
	s.watchers.grown(tenantID, id, e.Seq)
	if e.Kind == job.Started || e.Kind == job.Output || e.Kind == job.Retrying { // the first may go unheard
		s.limits.Began(context.Background(), tenantID, id, e.Kind != job.Started || e.Attempt > 1)
	}
	if e.Kind != job.End || e.Job == nil || !s.ours(e.Job) {
		return
	}
	s.limits.Ended(context.Background(), tenantID, id, refunded(e))
	if e.Job.NotBefore.IsZero() || e.Prev > 0 { // else it was never queued
		s.lanes.Leave(e.Job)
		s.forecast.went(laneOf(e.Job))
	}
}

// ours tells whether this gateway hears of the job's end, and keeps count of it.
func (s *Service) ours(j *job.Job) bool {
	mark := j.Mark
	if mark == "" {
		mark = job.Mark(j.ID)
	}
	return mark == s.ids.Mark()
}

// RunLanes tells workers of backlogs until ctx ends.
func (s *Service) RunLanes(ctx context.Context) error { return s.lanes.Run(ctx) }

// refunded names the count of the quota that an end gives back, where the tenant got nothing for it.
func refunded(e *job.Event) string {
	if e.Status == job.Failed || e.Status == job.Expired || e.Status == job.Canceled && e.StartedAt == nil && e.Attempt == 0 {
		return countOf(e.Job)
	}
	return ""
}

// countOf names what a job was counted as: each retry by hand counts anew.
func countOf(j *job.Job) string {
	if j.Before == 0 {
		return j.ID
	}
	return j.ID + "#" + strconv.Itoa(j.Before)
}
