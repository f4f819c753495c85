package jobs

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/results"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

const (
	abandonTimeout  = 2 * time.Second
	publishTimeout  = 10 * time.Second // a broker that elects its leader answers nothing for up to 9 s
	streamRoom      = 1024             // deltas that wait for a slow stream before it reads the log instead
	maxMetadata     = 16
	maxMetadataSize = 4 << 10
	maxAttempts     = 20
	maxDelay        = 30 * 24 * time.Hour
)

// Submit takes a job in: model, input, scopes, limits, queue, in that order, so that a refusal stores and counts
// nothing. With r.Wait it then waits for the end; a state that has not ended says that the wait ran out first.
func (s *Service) Submit(ctx context.Context, p *tenant.Principal, r job.Request) (job.Submission, error) {
	if err := s.room(); err != nil {
		return job.Submission{}, err
	}
	if r.ID != "" || r.Key != "" {
		return s.once(ctx, p, r)
	}
	sub, _, err := s.submit(ctx, p, r, "")
	return sub, err
}

// room refuses what the broker's disk has no room for.
func (s *Service) room() error {
	if err := s.queue.Room(); err != nil {
		return &fault.Error{Code: fault.QueueFull, Detail: "the broker's disk has too little room left", RetryAfter: 5 * time.Second, Cause: err}
	}
	return nil
}

// submit is Submit of a job with an id, or with one of this gateway's where that is empty. Beside an error, stored
// tells that the job may be there all the same.
func (s *Service) submit(ctx context.Context, p *tenant.Principal, r job.Request, id string) (sub job.Submission, stored bool, err error) {
	now := time.Now()
	task, err := s.inspect(p, &r, now)
	if err != nil {
		return job.Submission{}, false, err
	}
	if err := s.checkRefs(ctx, p.Tenant.ID, &r); err != nil {
		return job.Submission{}, false, err
	}
	once := id != ""
	if !once {
		id = s.ids.Next(now)
	}
	j := s.newJob(p, &r, task, id, now)
	if err := s.inTime(ctx, j, &r); err != nil {
		return job.Submission{}, false, err
	}
	limits, err := s.limits.Admit(ctx, p, j.ID, s.heldUntil(j))
	sub = job.Submission{State: job.Accepted(j), Limits: limits}
	if err != nil {
		return sub, false, s.refused(ctx, &sub.State, now, err)
	}
	var reader *results.Reader
	switch {
	case r.Stream:
		s.hub.Expect(j.Tenant, j.ID, streamRoom) // for Events to take
	case r.Wait > 0:
		reader = s.hub.Expect(j.Tenant, j.ID, 4)
		defer reader.Close()
	}
	if err := s.acceptHooked(ctx, j, r.Webhook, once); err != nil {
		s.limits.Ended(ctx, j.Tenant, j.ID, countOf(j))
		return sub, fault.CodeOf(err) == fault.Overloaded, err
	}
	if reader != nil {
		err = s.await(ctx, &sub.State, reader, r.Wait)
		if err != nil && !r.Detach {
			s.abandon(ctx, j)
		}
	}
	if err == nil && !sub.State.Status.Ended() && !r.Stream {
		s.forecasted(ctx, &sub.State, r.Wait > 0)
	}
	return sub, true, err
}

// inspect refuses what can be refused before anything is counted or stored.
func (s *Service) inspect(p *tenant.Principal, r *job.Request, now time.Time) (task string, err error) {
	engine, about, err := s.catalog.find(r.Model, r.Version, now)
	if err != nil {
		return "", err
	}
	if err := s.checkOptions(r, now); err != nil {
		return "", err
	}
	if err := s.checkHook(r.Webhook); err != nil {
		return "", err
	}
	if check := s.checks[engine]; check != nil {
		if task, err = check(r.Input, about); err != nil {
			return "", err
		}
	}
	if err := authorize(p, r, task); err != nil {
		return "", err
	}
	return task, s.prioritize(p, r)
}

// authorize wants every scope of the route, and one that opens the model.
func authorize(p *tenant.Principal, r *job.Request, task string) error {
	for _, scope := range r.Scopes {
		if !p.Allows(scope) {
			return fault.New(fault.ScopeMissing, "this needs the scope %q", scope)
		}
	}
	openers := []string{task, "model:" + r.Model, r.Protocol}
	if p.Allows(openers...) {
		return nil
	}
	var named []string
	for _, o := range openers {
		if o != "" {
			named = append(named, `"`+o+`"`)
		}
	}
	return fault.New(fault.ScopeMissing, "this needs one of the scopes %s", strings.Join(named, ", "))
}

func (s *Service) checkOptions(r *job.Request, now time.Time) error {
	longest := s.cfg.MaxTimeout.Seconds()
	switch {
	case r.Class != "" && !r.Class.Valid():
		return fault.Invalid("priority", "is interactive, standard or batch")
	case r.ID != "" && (!job.ValidID(r.ID) || job.Reserved(r.ID)):
		return fault.Invalid("id", "is 1 to 64 letters, digits, - and _, and does not begin with job_")
	case r.NotBefore.Sub(now) > maxDelay:
		return fault.Invalid("not_before", "is at most %d days ahead", int(maxDelay/(24*time.Hour)))
	case r.TTL > 0 && r.NotBefore.After(now.Add(job.Seconds(r.TTL))):
		return fault.Invalid("ttl", "ends before not_before: the job could never run")
	case r.TTL < 0 || r.TTL > longest:
		return fault.Invalid("ttl", "is a number of seconds above 0 and at most %g", longest)
	case r.Timeout < 0 || r.Timeout > longest:
		return fault.Invalid("timeout", "is a number of seconds above 0 and at most %g", longest)
	case r.MaxAttempts < 0 || r.MaxAttempts > maxAttempts:
		return fault.Invalid("max_attempts", "is 1 to %d", maxAttempts)
	case len(r.Metadata) > maxMetadata:
		return fault.Invalid("metadata", "has at most %d members", maxMetadata)
	}
	size := 0
	for k, v := range r.Metadata {
		size += len(k) + len(v)
	}
	if size > maxMetadataSize {
		return fault.Invalid("metadata", "is at most %d bytes", maxMetadataSize)
	}
	return nil
}

func (s *Service) newJob(p *tenant.Principal, r *job.Request, task, id string, now time.Time) *job.Job {
	j := &job.Job{
		ID: id, Tenant: p.Tenant.ID, Model: r.Model, Version: r.Version, Class: r.Class,
		CreatedAt: job.Stamp(now), MaxAttempts: r.MaxAttempts, TTL: r.TTL, Timeout: r.Timeout,
		Stream: r.Stream, Sync: r.Wait > 0, Task: task, Subject: p.Subject, Metadata: r.Metadata, Input: r.Input,
	}
	if w := p.Tenant.Weight; w > 1 {
		j.Weight = float64(w)
	}
	if j.MaxAttempts == 0 {
		j.MaxAttempts = s.cfg.MaxAttempts
	}
	if r.NotBefore.After(now) {
		j.NotBefore = job.Stamp(r.NotBefore)
	}
	if mark := s.ids.Mark(); job.Mark(id) != mark {
		j.Mark = mark
	}
	if r.ID != "" {
		j.Fingerprint = r.Fingerprint
	}
	s.keep(j, r)
	return j
}

// keep lets a job be forgotten sooner when its caller gets the answer with this request. Not one that may be asked for
// again, by its key or id, nor one that others are told of or its caller may leave alone.
func (s *Service) keep(j *job.Job, r *job.Request) {
	if s.cfg.SyncRetention > 0 && r.Wait > 0 && r.ID == "" && r.Key == "" && r.Webhook == nil && !r.Detach {
		j.Keep, j.Wait = s.cfg.SyncRetention.Seconds(), r.Wait.Seconds()
	}
}

// heldUntil is when a job surely has ended, so that a hold nobody freed frees itself.
func (s *Service) heldUntil(j *job.Job) time.Time {
	if j.TTL > 0 && j.Timeout > 0 {
		return j.CreatedAt.Add(job.Seconds(j.TTL + j.Timeout*float64(j.MaxAttempts)))
	}
	from := j.CreatedAt
	if j.NotBefore.After(from) {
		from = j.NotBefore
	}
	return from.Add(s.cfg.MaxTimeout)
}

// inTime refuses, before anything is stored, a job that is bound by its ttl or its caller's patience and would wait
// longer.
func (s *Service) inTime(ctx context.Context, j *job.Job, r *job.Request) error {
	deadline := r.Within
	if ttl := job.Seconds(r.TTL); r.TTL > 0 && (deadline == 0 || ttl < deadline) {
		deadline = ttl
	}
	if deadline <= 0 || !j.NotBefore.IsZero() {
		return nil
	}
	return s.forecast.inTime(ctx, j, deadline)
}

// forecasted tells when a job that has not ended should start: one just submitted is the last, one that was waited for is
// somewhere on its way.
func (s *Service) forecasted(ctx context.Context, st *job.State, waited bool) {
	if !waited {
		s.forecast.place(ctx, st, 0)
		return
	}
	if later, err := s.Get(ctx, st.Job.Tenant, st.Job.ID); err == nil {
		*st = later
	}
}

// accept makes the job durable: in JOBS, or until its time in LATER. What ends it on time is stored before. once is for
// a job that may be there already.
func (s *Service) accept(ctx context.Context, j *job.Job, once bool) (err error) {
	if err := s.offload(ctx, j); err != nil {
		return err
	}
	defer func() {
		if err != nil && fault.CodeOf(err) != fault.Overloaded { // then it may be stored all the same
			s.forget(ctx, j)
		}
	}()
	if err := s.listen(j); err != nil {
		return unavailable(err)
	}
	if at := j.ExpiresAt(); !at.IsZero() {
		if err := s.queue.ExpireAt(ctx, j.Tenant, j.ID, at); err != nil {
			return unavailable(err)
		}
	}
	if !j.NotBefore.IsZero() {
		if err := s.queue.Schedule(ctx, j, j.NotBefore); err != nil {
			return unavailable(err)
		}
		return nil
	}
	return s.publish(ctx, j, once)
}

func (s *Service) publish(ctx context.Context, j *job.Job, once bool) error {
	// A caller that hangs up now must not leave it open whether the job was stored.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), publishTimeout)
	defer cancel()
	publish := s.queue.Publish
	if once {
		publish = s.queue.PublishOnce
	}
	s.lanes.Enter(j)
	err := publish(ctx, j)
	switch {
	case err == nil:
		s.lanes.Stored(j)
		s.forecast.came(laneOf(j))
		return nil
	case errors.Is(err, queue.ErrUnavailable):
		s.lanes.Unsure(j)
	default:
		s.lanes.Leave(j)
	}
	switch {
	case errors.Is(err, queue.ErrFull):
		return &fault.Error{Code: fault.QueueFull, Detail: "the queue is full", RetryAfter: 5 * time.Second, Cause: err}
	case errors.Is(err, queue.ErrUnavailable):
		return &fault.Error{Code: fault.Overloaded, Detail: "the queue does not answer", RetryAfter: time.Second, Cause: err}
	}
	return fault.Wrap(fault.Internal, err, "the job could not be queued")
}

// await applies the job's events to st until it has ended, the wait is over, or the caller has gone.
func (s *Service) await(ctx context.Context, st *job.State, r *results.Reader, wait time.Duration) error {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	for {
		select {
		case e := <-r.Events():
			st.Apply(e)
			if st.Status.Ended() {
				return nil
			}
		case <-r.Lagged():
			ctx, cancel := context.WithDeadline(ctx, st.Job.CreatedAt.Add(wait))
			defer cancel()
			late, err := s.Wait(ctx, st.Job.Tenant, st.Job.ID)
			if err == nil {
				*st = late
			}
			return err
		case <-timer.C:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// abandon cancels the job of a caller that hung up: nobody waits for its answer any more. A gateway that stops leaves
// its jobs running.
func (s *Service) abandon(ctx context.Context, j *job.Job) {
	if !errors.Is(context.Cause(ctx), job.ErrCallerGone) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if _, err := s.Cancel(ctx, j.Tenant, j.ID); err != nil && fault.CodeOf(err) != fault.Conflict {
		s.log.WarnContext(ctx, "abandoned job goes on", "job_id", j.ID, "error", err)
	}
}
