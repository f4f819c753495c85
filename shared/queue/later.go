package queue

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// What is done later: a message below later.<what> waits in LATER, and at its time the broker moves it below due.<what>,
// where one of the gateways takes it. A clock of the broker's own keeps both over restarts.
const (
	laterStart  = "start"  // a scheduled job is to be queued
	laterExpire = "expire" // a job still queued has lived too long
)

// Clock is what is due.
type Clock struct {
	// Start queues a scheduled job. An error makes it come again.
	Start func(ctx context.Context, j *job.Job) error
	// Expire ends a job that is still queued. An error makes it come again.
	Expire func(ctx context.Context, tenant, id string) error
}

// Schedule keeps a job until a time; then it is due. A second call for the same job replaces the first.
func (q *Queue) Schedule(ctx context.Context, j *job.Job, at time.Time) error {
	b, done := job.Scratch()
	m := &nats.Msg{Subject: laterSubject(laterStart, j.Tenant, j.ID), Data: appendFrame(b, j, j.Input)}
	defer func() { done(m.Data) }()
	return q.later(ctx, m, dueSubject(laterStart, j.Tenant, j.ID), at)
}

// ExpireAt asks for a look at a job at a time: if it is still queued then, it expires.
func (q *Queue) ExpireAt(ctx context.Context, tenant, id string, at time.Time) error {
	m := &nats.Msg{Subject: laterSubject(laterExpire, tenant, id), Data: []byte("1")}
	return q.later(ctx, m, dueSubject(laterExpire, tenant, id), at)
}

func (q *Queue) later(ctx context.Context, m *nats.Msg, due string, at time.Time) error {
	m.Header = nats.Header{
		jetstream.ScheduleHeader:       {"@at " + at.UTC().Format(time.RFC3339Nano)},
		jetstream.ScheduleTargetHeader: {due},
	}
	_, err := q.store(ctx, m, nil) // a second copy replaces the first
	return err
}

// Scheduled returns a job that is kept until a time, or is due and not yet queued; ErrNotFound when there is none.
func (q *Queue) Scheduled(ctx context.Context, tenant, id string) (*job.Job, error) {
	m, err := q.newest(ctx, q.laters, firstOf, "*."+laterStart+"."+tenant+"."+id)
	if err != nil {
		return nil, readError(err)
	}
	return decodeJob(m.Data)
}

// ScheduledIDs lists the ids of a tenant's scheduled jobs.
func (q *Queue) ScheduledIDs(ctx context.Context, tenant string) ([]string, error) {
	return subjectsOf(ctx, q.laters, "*."+laterStart+"."+tenant+".*")
}

// Unschedule drops what was to be done later for a job, except for what is due already.
func (q *Queue) Unschedule(ctx context.Context, tenant, id string) error {
	err := q.laters.Purge(ctx, jetstream.WithPurgeSubject("*.*."+tenant+"."+id))
	if err != nil {
		return fmt.Errorf("queue: unschedule: %w", err)
	}
	return nil
}

// RunClock takes what is due, together with the other gateways, until ctx ends.
func (q *Queue) RunClock(ctx context.Context, c Clock) error {
	consumer, err := q.laters.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "clock", FilterSubject: dueRoot + ".>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second,
		MaxAckPending: 1024, // kept in a file: a gateway that outlives its broker goes on with it
	})
	if err != nil {
		return unlessEnded(ctx, fmt.Errorf("queue: clock: %w", err))
	}
	cc, err := consumer.Consume(func(m jetstream.Msg) {
		err := c.take(ctx, m.Subject(), m.Data())
		switch {
		case err == nil:
			_ = m.Ack() // unheard, it comes again and finds nothing to do
		case errors.Is(err, errNoFrame):
			q.log.ErrorContext(ctx, "what is due is no job", "subject", m.Subject(), "error", err)
			_ = m.Term()
		default:
			q.log.WarnContext(ctx, "what is due is not done yet", "subject", m.Subject(), "error", err)
			_ = m.NakWithDelay(time.Second)
		}
	}, jetstream.PullMaxMessages(64))
	if err != nil {
		return unlessEnded(ctx, fmt.Errorf("queue: clock: %w", err))
	}
	<-ctx.Done()
	cc.Stop()
	<-cc.Closed()
	return nil
}

func (c *Clock) take(ctx context.Context, subject string, data []byte) error {
	t := strings.Split(subject, ".")
	if len(t) != 4 {
		return fmt.Errorf("%w: %s", errNoFrame, subject)
	}
	switch t[1] {
	case laterStart:
		j, err := decodeJob(data)
		if err != nil {
			return fmt.Errorf("%w: %w", errNoFrame, err)
		}
		return c.Start(ctx, j)
	case laterExpire:
		return c.Expire(ctx, t[2], t[3])
	}
	return fmt.Errorf("%w: %s", errNoFrame, subject)
}
