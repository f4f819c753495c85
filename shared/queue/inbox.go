package queue

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock-dev/penstock/shared/job"
)

const flushTimeout = 5 * time.Second

// Inbox is where one gateway hears of its jobs' events right after they are stored. Its prefix can't be guessed, and a
// worker may not subscribe below its root.
type Inbox struct {
	prefix string
	sub    *nats.Subscription
}

// OpenInbox hears events until Close. handle runs on one goroutine and must not block; the event's Seq is set.
func (q *Queue) OpenInbox(handle func(tenant, id string, e *job.Event)) (*Inbox, error) {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails
	in := &Inbox{prefix: replyRoot + "." + hex.EncodeToString(b)}
	sub, err := q.nc.Subscribe(in.prefix+".>", func(m *nats.Msg) {
		tokens := strings.Split(m.Subject, ".")
		if len(tokens) != 5 {
			return
		}
		seq, err := strconv.ParseUint(tokens[4], 10, 64)
		if err != nil {
			return
		}
		e, err := decodeEvent(m.Data, seq)
		if err != nil {
			q.log.Error("reply is no event", "error", err)
			return
		}
		handle(tokens[2], tokens[3], e)
	})
	if err != nil {
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // its handler only sorts; the hub bounds each reader
		return nil, fmt.Errorf("queue: inbox: %w", err)
	}
	in.sub = sub
	return in, q.heeded(sub)
}

// Address is what a job carries as Reply to be heard of here.
func (in *Inbox) Address(tenant, id string) string { return replySubject(in.prefix, tenant, id) }

// Close stops hearing.
func (in *Inbox) Close() { _ = in.sub.Unsubscribe() }

// Notify tells the submitting gateway of a stored event. Nobody may be listening any more, which is fine: the log holds it.
func (q *Queue) Notify(reply string, e *job.Event) error {
	if reply == "" {
		return nil
	}
	data, err := encodeFrame(e, e.Body)
	if err != nil {
		return err
	}
	return q.nc.Publish(reply+"."+strconv.FormatUint(e.Seq, 10), data)
}

// Hint tells whoever watches the job that its log has grown to the event. It must follow the event's Append.
func (q *Queue) Hint(tenant, id string, e *job.Event) error {
	return q.nc.Publish(liveSubject(tenant, id), strconv.AppendUint(nil, e.Seq, 10))
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
