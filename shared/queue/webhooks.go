package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// A job with a webhook has a record in HOOKS until its retention ends: where to deliver, and what became of it. The
// work itself is in WEBHOOKS: a message that a gateway takes with a lease, put there by whoever stores the job's end, and
// by the broker's clock when a retry is due or nobody has told of the end for a while. Other jobs touch neither stream.
const (
	hookRoot      = "hook"
	hookLaterRoot = "webhook.later"
	hookDueRoot   = "webhook.due"

	hookPrefetch = 16
	hookAtOnce   = 100 * time.Millisecond // nearer than this, the clock is not asked
)

func hookSubject(tenant, id string) string      { return hookRoot + "." + tenant + "." + id }
func hookLaterSubject(tenant, id string) string { return hookLaterRoot + "." + tenant + "." + id }
func hookDueSubject(tenant, id string) string   { return hookDueRoot + "." + tenant + "." + id }

// makeHooks makes the two streams. Records are read from their leader, so that a claim on one is seen by everybody.
func (q *Queue) makeHooks(ctx context.Context) (err error) {
	q.hooks, err = q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: hooksStream, Subjects: []string{hookRoot + ".>"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		AllowMsgTTL: true, Storage: jetstream.FileStorage, Replicas: q.opts.Replicas,
	})
	if err != nil {
		return fmt.Errorf("queue: stream %s: %w", hooksStream, err)
	}
	q.webhooks, err = q.js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{
		Name: webhooksStream, Subjects: []string{hookLaterRoot + ".>", hookDueRoot + ".>"},
		Retention: jetstream.WorkQueuePolicy, AllowMsgSchedules: true, AllowRollup: true,
		Storage: jetstream.FileStorage, Replicas: q.opts.Replicas,
	})
	if err != nil {
		return fmt.Errorf("queue: stream %s: %w", webhooksStream, err)
	}
	return nil
}

// Hook returns a job's webhook record and its sequence; ErrNotFound when there is none.
func (q *Queue) Hook(ctx context.Context, tenant, id string) (record []byte, seq uint64, err error) {
	m, err := q.hooks.GetLastMsgForSubject(ctx, hookSubject(tenant, id))
	if err != nil {
		return nil, 0, readError(err)
	}
	return m.Data, m.Sequence, nil
}

// PutHook writes a job's webhook record on the condition that the one at sequence last is the newest (0: that there is
// none), and returns the new sequence. ErrFenced tells that it was not. A record with a keep is gone after it; without
// one it stays.
func (q *Queue) PutHook(ctx context.Context, tenant, id string, record []byte, last uint64, keep time.Duration) (uint64, error) {
	m := &nats.Msg{
		Subject: hookSubject(tenant, id), Data: record,
		Header: nats.Header{jetstream.ExpectedLastSubjSeqHeader: {strconv.FormatUint(last, 10)}},
	}
	if keep > 0 {
		m.Header.Set(jetstream.MsgTTLHeader, strconv.FormatInt(max(1, int64(keep/time.Second)), 10))
	}
	return q.store(ctx, m, nil)
}

// DropHook removes a job's webhook record, and what the clock holds for it.
func (q *Queue) DropHook(ctx context.Context, tenant, id string) error {
	err := errors.Join(
		q.hooks.Purge(ctx, jetstream.WithPurgeSubject(hookSubject(tenant, id))),
		q.webhooks.Purge(ctx, jetstream.WithPurgeSubject(hookLaterSubject(tenant, id))),
	)
	if err != nil {
		return fmt.Errorf("queue: drop webhook: %w", err)
	}
	return nil
}

// WakeHook asks for a look at a job's webhook at a time. A second call before that replaces the first.
func (q *Queue) WakeHook(ctx context.Context, tenant, id string, at time.Time) error {
	m := &nats.Msg{Subject: hookLaterSubject(tenant, id), Data: []byte("1")}
	if time.Until(at) < hookAtOnce {
		m.Subject = hookDueSubject(tenant, id)
		_, err := q.store(ctx, m, nil)
		return err
	}
	return q.later(ctx, m, hookDueSubject(tenant, id), at)
}

// RouseHook is WakeHook for now, without waiting for the broker's word: when it is lost, the look that the clock holds
// comes all the same.
func (q *Queue) RouseHook(tenant, id string) {
	if err := q.nc.Publish(hookDueSubject(tenant, id), []byte("1")); err != nil {
		q.log.Debug("webhook is not roused", "job_id", id, "error", err)
	}
}

// rouse tells the job's webhook of an event that was stored just now. Jobs without one have no Hooks.
func (q *Queue) rouse(e *job.Event) {
	if (e.Kind == job.End || e.Kind == job.Requeued) && e.Job != nil && e.Job.Hooks != "" {
		q.RouseHook(e.Job.Tenant, e.Job.ID)
	}
}

// EventAt returns the event that is stored at a sequence; ErrNotFound when it is no longer kept.
func (q *Queue) EventAt(ctx context.Context, seq uint64) (*job.Event, error) {
	m, err := q.events.GetMsg(ctx, seq)
	if err != nil {
		return nil, readError(err)
	}
	return decodeEvent(m.Data, m.Sequence)
}

// DueHook is a webhook to be looked at, with a lease. Done or Again ends it; else it comes again when the lease is over.
type DueHook struct {
	Tenant string
	ID     string
	msg    jetstream.Msg
}

// Done ends the look.
func (d *DueHook) Done() error { return d.msg.Ack() }

// Again hands the webhook out once more after delay.
func (d *DueHook) Again(delay time.Duration) error { return d.msg.NakWithDelay(delay) }

// HookPuller takes the webhooks that are due, together with the other gateways.
type HookPuller struct{ it jetstream.MessagesContext }

// PullHooks starts taking webhooks, each with a lease.
func (q *Queue) PullHooks(ctx context.Context, lease time.Duration) (*HookPuller, error) {
	c, err := q.webhooks.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "deliver", FilterSubject: hookDueRoot + ".>", AckPolicy: jetstream.AckExplicitPolicy, AckWait: lease,
		MaxAckPending: 1 << 16,
	})
	if err != nil {
		return nil, fmt.Errorf("queue: webhooks: %w", err)
	}
	it, err := c.Messages(jetstream.PullMaxMessages(hookPrefetch))
	if err != nil {
		return nil, fmt.Errorf("queue: webhooks: %w", err)
	}
	return &HookPuller{it}, nil
}

// Next waits for a webhook that is due, until ctx ends.
func (p *HookPuller) Next(ctx context.Context) (*DueHook, error) {
	for {
		m, err := p.it.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, err
		}
		t := strings.Split(m.Subject(), ".")
		if len(t) != 4 {
			_ = m.Term() // nobody could look at it
			continue
		}
		return &DueHook{Tenant: t[2], ID: t[3], msg: m}, nil
	}
}

// Stop takes no more, and gives back what was sent already, so that another gateway has it at once.
func (p *HookPuller) Stop() {
	p.it.Drain()
	for {
		m, err := p.it.Next(jetstream.NextMaxWait(time.Second))
		if err != nil {
			break
		}
		_ = m.Nak() // unheard, it comes again when its lease is over
	}
	p.it.Stop()
}
