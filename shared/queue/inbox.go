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

// reply tells the submitting gateway of a stored event.
func (q *Queue) reply(address string, seq uint64, frame []byte) error {
	return q.nc.Publish(address+"."+strconv.FormatUint(seq, 10), frame)
}

// hint tells whoever watches the job that its log has grown.
func (q *Queue) hint(tenant, id string, seq uint64) error {
	return q.nc.Publish(liveSubject(tenant, id), strconv.AppendUint(nil, seq, 10))
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
