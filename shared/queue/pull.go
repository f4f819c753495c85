package queue

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/penstock-dev/penstock/shared/job"
)

const (
	pullExpires   = 30 * time.Second
	pullHeartbeat = 3 * time.Second
)

// Puller asks one lane's consumer for jobs, by credit: never more arrive than were asked for.
type Puller struct {
	q       *Queue
	lane    Lane
	subject string // where pull requests go
	deliver func(*Delivery)
	changed func() // credit came back unused; the owner may ask again

	mu      sync.Mutex
	asked   int                // guarded by mu: credit that the broker holds
	sub     *nats.Subscription // guarded by mu: replaced when the broker may have forgotten our requests
	created time.Time          // guarded by mu: when the consumer was made
	heard   time.Time          // guarded by mu: last sign of life
	stopped bool               // guarded by mu
	unhook  func()
	done    chan struct{} // closed when the watchdog has ended
	stop    context.CancelFunc
}

// Pull starts pulling from a lane. deliver and changed run on the client's goroutine and must not block; nothing
// arrives before the first Ask.
func (q *Queue) Pull(ctx context.Context, lane Lane, deliver func(*Delivery), changed func()) (*Puller, error) {
	p := &Puller{
		q: q, lane: lane, deliver: deliver, changed: changed, done: make(chan struct{}),
		subject: "$JS.API.CONSUMER.MSG.NEXT." + jobsStream + "." + lane.consumer(),
	}
	created, err := q.ensureConsumer(ctx, lane)
	if err != nil {
		return nil, err
	}
	p.created = created
	if err := p.subscribe(); err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.unhook = q.hook(func() { p.reset(watch) })
	go p.watchdog(watch)
	return p, nil
}

func (p *Puller) subscribe() error {
	sub, err := p.q.nc.Subscribe(p.q.nc.NewInbox(), p.receive)
	if err != nil {
		return fmt.Errorf("queue: pull: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // credit is the bound
		return fmt.Errorf("queue: pull: %w", err)
	}
	p.sub, p.heard = sub, time.Now()
	return nil
}

// Asked is the credit outstanding at the broker.
func (p *Puller) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.asked
}

// Ask gives the broker credit for n more jobs.
func (p *Puller) Ask(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= 0 || p.stopped {
		return
	}
	req := `{"batch":` + strconv.Itoa(n) + `,"expires":` + strconv.FormatInt(int64(pullExpires), 10) +
		`,"idle_heartbeat":` + strconv.FormatInt(int64(pullHeartbeat), 10) + `}`
	if p.asked == 0 {
		p.heard = time.Now()
	}
	p.asked += n
	if err := p.q.nc.PublishRequest(p.subject, p.sub.Subject, []byte(req)); err != nil {
		p.q.log.Warn("pull request not sent", "consumer", p.lane.consumer(), "error", err)
	}
}

// receive runs on the subscription's goroutine.
func (p *Puller) receive(m *nats.Msg) {
	if m.Reply == "" || len(m.Header) > 0 && m.Header.Get("Status") != "" {
		p.status(m)
		return
	}
	p.mu.Lock()
	if p.sub != m.Sub {
		p.mu.Unlock()
		// Asked for before a reset: its credit was written off, but it is ours to run or give back.
	} else {
		p.asked = max(0, p.asked-1)
		p.heard = time.Now()
		p.mu.Unlock()
	}
	d, err := newDelivery(p, m)
	if err != nil {
		// A message that is no job can never be run; keep it from coming back.
		p.q.log.Error("message in JOBS is no job", "subject", m.Subject, "error", err)
		_ = p.q.nc.Publish(m.Reply, []byte(ackTerm))
		p.changed()
		return
	}
	p.deliver(d)
}

// status takes the broker's words about pull requests: heartbeats, expiries, and a consumer that is gone.
func (p *Puller) status(m *nats.Msg) {
	p.mu.Lock()
	if p.sub != m.Sub {
		p.mu.Unlock()
		return
	}
	p.heard = time.Now()
	code := m.Header.Get("Status")
	if code == "100" {
		p.mu.Unlock()
		return
	}
	lost := code == "503" // nobody listens: the consumer is gone
	if n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages")); err == nil {
		p.asked = max(0, p.asked-n)
	} else {
		lost = lost || code == "409" || code == "404"
	}
	if lost {
		p.heard = time.Time{} // the watchdog makes consumer and requests anew
	}
	p.mu.Unlock()
	if !lost {
		p.changed()
	}
}

// watchdog looks for credit that the broker has forgotten: it died, or lost the consumer.
func (p *Puller) watchdog(ctx context.Context) {
	defer close(p.done)
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		p.mu.Lock()
		silent := p.asked > 0 && time.Since(p.heard) > 2*pullHeartbeat+time.Second
		p.mu.Unlock()
		if silent && p.q.Ready() {
			p.reset(ctx)
		}
	}
}

// reset writes the outstanding credit off, makes the consumer again if it is gone, and starts with a new inbox, so
// that no answer to an old request can be counted as one to a new.
func (p *Puller) reset(ctx context.Context) {
	created, err := p.q.ensureConsumer(ctx, p.lane)
	if err != nil {
		p.q.log.WarnContext(ctx, "consumer not there yet", "consumer", p.lane.consumer(), "error", err)
		return // the watchdog comes again
	}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	old := p.sub
	if err := p.subscribe(); err != nil {
		p.mu.Unlock()
		return
	}
	p.created, p.asked = created, 0
	p.mu.Unlock()
	_ = old.Drain() // what is on its way still comes
	p.changed()
}

// Stop asks no more. What the broker has sent already is still delivered; Stop returns when it is, or ctx ends.
func (p *Puller) Stop(ctx context.Context) {
	p.mu.Lock()
	p.stopped = true
	sub := p.sub
	p.mu.Unlock()
	p.unhook()
	p.stop()
	<-p.done
	closed := sub.StatusChanged(nats.SubscriptionClosed)
	if sub.Drain() != nil {
		return
	}
	select {
	case <-closed:
	case <-ctx.Done():
	}
}

// Delivery is one hand-over of a job. Exactly one of Ack, Nak and Term ends it; until then the lease must be renewed.
type Delivery struct {
	Job *job.Job
	// Count is how often the broker has handed the job out; a nak spends one too, and a broker's restart forgets it.
	Count int
	// Fresh tells that no attempt can have come before: neither a delivery, nor one by a consumer that was lost.
	Fresh bool
	// Waiting is how many more jobs the lane holds behind this one.
	Waiting int

	q     *Queue
	reply atomic.Pointer[string] // where acks go; replaced by Adopt
}

// What a worker says of a delivery, on the wire.
const (
	ackAck  = "+ACK"
	ackTerm = "+TERM"
	ackWork = "+WPI"
	ackNak  = "-NAK"
)

// say sends one of them. Nothing answers: what is lost with the connection, the lease's end makes up for.
func (d *Delivery) say(word string) error { return d.q.nc.Publish(*d.reply.Load(), []byte(word)) }

func newDelivery(p *Puller, m *nats.Msg) (*Delivery, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("queue: delivery: %w", err)
	}
	j, err := decodeJob(m.Data)
	if err != nil {
		return nil, err
	}
	if j.ID == "" || lastToken(m.Subject) != j.ID {
		return nil, fmt.Errorf("%w: subject and head disagree", errNoFrame)
	}
	p.mu.Lock()
	created := p.created
	p.mu.Unlock()
	d := &Delivery{
		Job: j, Count: int(meta.NumDelivered), Waiting: int(meta.NumPending), //nolint:gosec // counts
		Fresh: meta.NumDelivered == 1 && meta.Timestamp.After(created),
		q:     p.q,
	}
	d.reply.Store(&m.Reply)
	return d, nil
}

// Ack ends the delivery and takes the job out of JOBS.
func (d *Delivery) Ack() error { return d.say(ackAck) }

// Term ends the delivery: the job is never handed out again.
func (d *Delivery) Term() error { return d.say(ackTerm) }

// Nak gives the job back, to be handed out again after delay.
func (d *Delivery) Nak(delay time.Duration) error {
	if delay <= 0 {
		return d.say(ackNak)
	}
	return d.say(ackNak + ` {"delay":` + strconv.FormatInt(int64(delay), 10) + `}`)
}

// Renew starts the lease anew.
func (d *Delivery) Renew() error { return d.say(ackWork) }

// Adopt makes d speak for a later delivery of the same job: after a broker's restart the old one's acks count for nothing.
func (d *Delivery) Adopt(later *Delivery) { d.reply.Store(later.reply.Load()) }
