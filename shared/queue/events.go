package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// Append writes an event to a job's log on the condition that the event at sequence last is the newest there (0: that
// there is none). ErrFenced tells that it was not. The event's Seq is set. Once it is stored, the broker itself tells the
// gateway that made the job, and whoever watches it; who misses that reads the log.
func (q *Queue) Append(ctx context.Context, tenant, id string, e *job.Event, last uint64) error {
	e.Prev = last
	b, done := job.Scratch()
	m := &nats.Msg{
		Subject: eventSubject(tenant, id), Data: appendFrame(b, e, e.Body),
		Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(last, 10)}},
	}
	defer func() { done(m.Data) }()
	if e.Kind == job.End && e.Job != nil {
		if d := e.Job.KeptFor(e); d > 0 {
			m.Header[jetstream.MsgTTLHeader] = []string{strconv.FormatInt(max(1, int64(d/time.Second)), 10)}
		}
	}
	tries := 0
	var err error
	e.Seq, err = q.store(ctx, m, func(*nats.Msg) { tries++ })
	if tries > 0 && errors.Is(err, ErrFenced) {
		err = q.ownWrite(ctx, tenant, id, e)
	}
	if err == nil {
		q.rouse(e)
	}
	return err
}

// ownWrite tells a real fence from our own earlier try whose answer was lost: it compares the newest event with e.
func (q *Queue) ownWrite(ctx context.Context, tenant, id string, e *job.Event) error {
	newest, err := q.Last(ctx, tenant, id)
	if err != nil {
		return err
	}
	if newest.Kind == e.Kind && newest.Attempt == e.Attempt && newest.Worker == e.Worker && newest.At.Equal(e.At) {
		e.Seq = newest.Seq
		return nil
	}
	return ErrFenced
}

// Last returns the newest event of a job; ErrNotFound when it has none.
func (q *Queue) Last(ctx context.Context, tenant, id string) (*job.Event, error) {
	m, err := q.newest(ctx, q.events, lastOf, eventSubject(tenant, id))
	if err != nil {
		return nil, readError(err)
	}
	return decodeEvent(m.Data, m.Sequence)
}

// readBatch bounds how many events one request asks for.
const readBatch = 256

// Read returns a job's events after sequence after, oldest first, at most a few hundred; none is no error.
func (q *Queue) Read(ctx context.Context, tenant, id string, after uint64) ([]*job.Event, error) {
	req, err := json.Marshal(map[string]any{
		"seq": after + 1, "next_by_subj": eventSubject(tenant, id), "batch": readBatch,
	})
	if err != nil {
		return nil, err
	}
	var events []*job.Event
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	err = q.direct(ctx, eventsStream, req, func(m *nats.Msg, seq uint64) (bool, error) {
		e, err := decodeEvent(m.Data, seq)
		events = append(events, e)
		return len(events) == readBatch, err
	})
	if err != nil {
		return nil, err
	}
	return events, nil
}

// direct asks a stream for several messages and gives each to take, until the answer ends, or take says that it has
// all. None is no error.
func (q *Queue) direct(ctx context.Context, stream string, req []byte, take func(m *nats.Msg, seq uint64) (done bool, err error)) error {
	inbox := q.nc.NewInbox()
	sub, err := q.nc.SubscribeSync(inbox)
	if err != nil {
		return readError(err)
	}
	defer func() { _ = sub.Unsubscribe() }() // the connection may be gone, and the subscription with it
	if err := q.nc.PublishRequest("$JS.API.DIRECT.GET."+stream, inbox, req); err != nil {
		return readError(err)
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil {
			return readError(err)
		}
		switch status := m.Header.Get("Status"); status {
		case "":
		case "204", "404":
			return nil
		default:
			return fmt.Errorf("queue: read: status %s %s", status, m.Header.Get("Description"))
		}
		seq, err := storedAt(m)
		if err != nil {
			return fmt.Errorf("queue: read: %w", err)
		}
		if done, err := take(m, seq); done || err != nil {
			return err
		}
	}
}

// storedAt is the sequence that the broker names with a stored message.
func storedAt(m *nats.Msg) (uint64, error) {
	return strconv.ParseUint(m.Header.Get(jetstream.SequenceHeader), 10, 64)
}

// Logged lists the ids of a tenant's jobs that have events.
func (q *Queue) Logged(ctx context.Context, tenant string) ([]string, error) {
	return subjectsOf(ctx, q.events, "events."+tenant+".*")
}

// Watch calls grown whenever a job's log has grown, with the sequence of its newest event, until the returned function
// is called. After a reconnect, when growth may have gone unheard, it calls grown with 0. grown must not block.
func (q *Queue) Watch(tenant, id string, grown func(seq uint64)) (stop func(), err error) {
	sub, err := q.nc.Subscribe(liveSubject(tenant, id), func(m *nats.Msg) {
		if seq, err := storedAt(m); err == nil {
			grown(seq)
		}
	})
	if err != nil {
		return nil, readError(err)
	}
	if err := q.heeded(sub); err != nil { // or an event between this and the caller's read goes unheard
		return nil, err
	}
	unhook := q.hook(func() { grown(0) })
	return func() {
		unhook()
		_ = sub.Unsubscribe() // the connection may be gone, and the subscription with it
	}, nil
}
