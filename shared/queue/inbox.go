package queue

import (
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock-dev/penstock/shared/job"
)

const flushTimeout = 5 * time.Second

// Inbox is where one gateway hears the events of the jobs it made, right after they are stored.
type Inbox struct{ sub *nats.Subscription }

// OpenInbox hears the events of every job whose id ends in mark, until Close. handle runs on one goroutine and must not
// block; the event's Seq is set.
func (q *Queue) OpenInbox(mark string, handle func(tenant, id string, e *job.Event)) (*Inbox, error) {
	sub, err := q.nc.Subscribe(ofMark(mark), func(m *nats.Msg) {
		tokens := strings.Split(m.Subject, ".")
		if len(tokens) != 4 {
			return
		}
		seq, err := storedAt(m)
		if err != nil {
			return
		}
		e, err := decodeEvent(m.Data, seq)
		if err != nil {
			q.log.Error("what was stored is no event", "sequence", seq, "error", err)
			return
		}
		handle(tokens[1], tokens[2]+tokens[3], e)
	})
	if err != nil {
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // its handler only sorts; the hub bounds each reader
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	return &Inbox{sub}, q.heeded(sub)
}

// Close stops hearing.
func (in *Inbox) Close() { _ = in.sub.Unsubscribe() }

// Cancel tells whichever worker runs the job to stop; its log must hold the end already.
func (q *Queue) Cancel(tenant, id string) error {
	return q.nc.Publish(cancelSubject(tenant, id), nil)
}

// OnCancel hears the jobs that workers should stop. handle must not block.
func (q *Queue) OnCancel(handle func(tenant, id string)) (stop func(), err error) {
	sub, err := q.nc.Subscribe(cancelSubject("*", "*"), func(m *nats.Msg) {
		if t := strings.Split(m.Subject, "."); len(t) == 3 {
			handle(t[1], t[2])
		}
	})
	if err != nil {
		return nil, fmt.Errorf("queue: cancel signals: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, q.heeded(sub)
}

// heeded returns when the broker knows of the subscription: what others publish from then on is heard.
func (q *Queue) heeded(sub *nats.Subscription) error {
	if err := q.nc.FlushTimeout(flushTimeout); err != nil {
		_ = sub.Unsubscribe()
		return readError(err)
	}
	return nil
}
