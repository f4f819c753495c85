package queue

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// Publish stores a job. When it returns nil the job is accepted and will end. While the broker is away it tries again
// until ctx ends; a second try never stores a second copy. ErrFull and ErrUnavailable are its errors.
func (q *Queue) Publish(ctx context.Context, j *job.Job) error { return q.publish(ctx, j, nil) }

// PublishOnce is Publish of a job that may be in the queue already, as somebody who died meanwhile, or acts at the same
// time, has published it.
func (q *Queue) PublishOnce(ctx context.Context, j *job.Job) error {
	if err := q.dropEnded(ctx, j); err != nil {
		return err
	}
	condition := onlyOne()
	condition[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{anyJobSubject(j.Tenant, j.ID)} // whatever its lane
	return q.publish(ctx, j, condition)
}

// dropEnded takes the message of a retried job's ended life out of the queue. Whoever wrote that end may not have settled
// the message yet, and the new one would be taken for a second copy.
func (q *Queue) dropEnded(ctx context.Context, j *job.Job) error {
	if j.Before == 0 {
		return nil
	}
	old, seq, err := q.Find(ctx, j.Tenant, j.ID)
	if errors.Is(err, ErrNotFound) || err == nil && old.Before == j.Before {
		return nil
	}
	if err != nil {
		return err
	}
	return q.Remove(ctx, seq)
}

// onlyOne is the condition that a subject holds no message.
func onlyOne() nats.Header { return nats.Header{jetstream.ExpectedLastSubjSeqHeader: {"0"}} }

func (q *Queue) publish(ctx context.Context, j *job.Job, condition nats.Header) error {
	b, done := job.Scratch()
	m := &nats.Msg{Subject: jobSubject(j), Header: condition, Data: appendFrame(b, j, j.Input)}
	defer func() { done(m.Data) }()
	_, err := q.store(ctx, m, func(m *nats.Msg) { m.Header = onlyOne() })
	if err == nil {
		q.keeper.count(ctx, q, len(m.Data))
	}
	if errors.Is(err, ErrFenced) {
		return nil // an earlier try, whose answer was lost, stored it
	}
	return err
}

// store publishes a message and waits for the broker's word, again and again while that may help. again prepares the
// message for a further try.
func (q *Queue) store(ctx context.Context, m *nats.Msg, again func(*nats.Msg)) (seq uint64, err error) {
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, time.Second) {
		seq, err = q.storeOnce(ctx, m)
		if err == nil || !errors.Is(err, ErrUnavailable) || ctx.Err() != nil {
			return seq, err
		}
		if pause(ctx, wait) != nil {
			return 0, err
		}
		if again != nil {
			again(m)
		}
	}
}

func (q *Queue) storeOnce(ctx context.Context, m *nats.Msg) (uint64, error) {
	seq, err := q.publisher.publish(ctx, m)
	if err != nil && ctx.Err() != nil {
		return 0, errors.Join(ErrUnavailable, ctx.Err())
	}
	return seq, storeError(err)
}

// Find returns a job that has not ended, and its message's sequence for Remove; ErrNotFound when there is none.
func (q *Queue) Find(ctx context.Context, tenant, id string) (*job.Job, uint64, error) {
	m, err := q.newest(ctx, q.jobs, firstOf, anyJobSubject(tenant, id))
	if err != nil {
		return nil, 0, readError(err)
	}
	j, err := decodeJob(m.Data)
	return j, m.Sequence, err
}

// Remove takes an ended job's message out of JOBS, so that no worker gets it any more.
func (q *Queue) Remove(ctx context.Context, seq uint64) error {
	err := q.jobs.DeleteMsg(ctx, seq)
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) && !gone(err) {
		return fmt.Errorf("queue: remove: %w", err)
	}
	return nil
}

// gone tells that a message was deleted before.
func gone(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && (api.ErrorCode == jetstream.JSErrCodeMessageNotFound || api.ErrorCode == 10057 || api.ErrorCode == 10043 || api.Code == 404)
}

// Queued lists the ids of a tenant's jobs that have not ended.
func (q *Queue) Queued(ctx context.Context, tenant string) ([]string, error) {
	return subjectsOf(ctx, q.jobs, "jobs.*.*.*."+tenant+".*")
}

// subjectsOf returns the last token of every subject that a filter finds.
func subjectsOf(ctx context.Context, s jetstream.Stream, filter string) ([]string, error) {
	info, err := s.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, readError(err)
	}
	ids := make([]string, 0, len(info.State.Subjects))
	for subject := range info.State.Subjects {
		ids = append(ids, lastToken(subject))
	}
	return ids, nil
}

func readError(err error) error {
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return ErrNotFound
	case transient(err):
		return errors.Join(ErrUnavailable, err)
	}
	return fmt.Errorf("queue: read: %w", err)
}
