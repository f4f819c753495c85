package queue

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock-dev/penstock/shared/job"
)

const flushTimeout = 5 * time.Second

// Inbox is where one gateway hears the events of the jobs it made, right after they are stored.
type Inbox struct {
	q      *Queue
	sub    *nats.Subscription
	handle func(tenant, id string, e *job.Event)

	mu    sync.Mutex
	extra map[string]*nats.Subscription // guarded by mu, by subject: jobs whose ids do not end in the mark
}

// OpenInbox hears the events of every job whose id ends in mark, until Close. handle runs on one goroutine and must not
// block; the event's Seq is set.
func (q *Queue) OpenInbox(mark string, handle func(tenant, id string, e *job.Event)) (*Inbox, error) {
	in := &Inbox{q: q, handle: handle, extra: map[string]*nats.Subscription{}}
	sub, err := q.nc.Subscribe(ofMark(mark), in.hear)
	if err != nil {
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // its handler only sorts; the hub bounds each reader
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	in.sub = sub
	return in, q.heeded(sub)
}

func (in *Inbox) hear(m *nats.Msg) {
	tokens := strings.Split(m.Subject, ".")
	if len(tokens) < 3 {
		return
	}
	seq, err := storedAt(m)
	if err != nil {
		return
	}
	e, err := decodeEvent(m.Data, seq)
	if err != nil {
		in.q.log.Error("what was stored is no event", "sequence", seq, "error", err)
		return
	}
	in.handle(tokens[1], strings.Join(tokens[2:], ""), e)
}

// Add hears one more job's events, until its end. What is published after it returns is heard.
func (in *Inbox) Add(tenant, id string) error {
	subject := liveSubject(tenant, id)
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.extra[subject] != nil {
		return nil
	}
	sub, err := in.q.nc.Subscribe(subject, func(m *nats.Msg) {
		in.hear(m)
		if e, err := decodeEvent(m.Data, 0); err == nil && e.Kind == job.End {
			in.drop(subject)
		}
	})
	if err != nil {
		return fmt.Errorf("queue: inbox: %w", err)
	}
	in.extra[subject] = sub
	return nil
}

func (in *Inbox) drop(subject string) {
	in.mu.Lock()
	defer in.mu.Unlock()
	if sub := in.extra[subject]; sub != nil {
		_ = sub.Unsubscribe() // the connection may be gone, and the subscription with it
		delete(in.extra, subject)
	}
}

// Close stops hearing.
func (in *Inbox) Close() {
	_ = in.sub.Unsubscribe()
	in.mu.Lock()
	defer in.mu.Unlock()
	for subject, sub := range in.extra {
		_ = sub.Unsubscribe()
		delete(in.extra, subject)
	}
}

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
