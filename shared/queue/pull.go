package queue

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
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

// Puller asks one lane's consumer for jobs, by credit: never more arrive than were asked for. Credit is of two kinds:
// what waits at the broker until there are jobs, and what comes back at once when there are none.
type Puller struct {
	q        *Queue
	lane     Lane
	subject  string // where pull requests go
	deliver  func(*Delivery)
	returned func(waited bool, n int) // credit came back unused; the owner may ask again

	mu      sync.Mutex
	waiting credit    // guarded by mu
	now     credit    // guarded by mu
	created time.Time // guarded by mu: when the consumer was made
	lost    bool      // guarded by mu: consumer and requests must be made anew
	stopped bool      // guarded by mu
	unhook  func()
	done    chan struct{} // closed when the watchdog has ended
	stop    context.CancelFunc
}

// credit is what the broker holds of one kind.
type credit struct {
	waits bool
	asked int
	sub   *nats.Subscription // replaced when the broker may have forgotten our requests
	heard time.Time          // last sign of life
}

// Pull starts pulling from a lane. deliver and returned run on the client's goroutines and must not block; nothing
// arrives before the first Ask.
func (q *Queue) Pull(ctx context.Context, lane Lane, deliver func(*Delivery), returned func(waited bool, n int)) (*Puller, error) {
	p := &Puller{
		q: q, lane: lane, deliver: deliver, returned: returned, done: make(chan struct{}), waiting: credit{waits: true},
		subject: "$JS.API.CONSUMER.MSG.NEXT." + jobsStream + "." + lane.consumer(),
	}
	created, err := q.ensureConsumer(ctx, lane)
	if err != nil {
		return nil, err
	}
	p.created = created
	if err := errors.Join(p.subscribe(&p.waiting), p.subscribe(&p.now)); err != nil {
		return nil, err
	}
	watch, stop := context.WithCancel(context.WithoutCancel(ctx))
	p.stop = stop
	p.unhook = q.hook(func() { p.reset(watch) })
	go p.watchdog(watch)
	return p, nil
}

// subscribe hears what one kind of credit brings. A request's own token says how much it asked for.
func (p *Puller) subscribe(c *credit) error {
	sub, err := p.q.nc.Subscribe(p.q.nc.NewInbox()+".*", func(m *nats.Msg) { p.receive(c, m) })
	if err != nil {
		return fmt.Errorf("queue: pull: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // credit is the bound
		return fmt.Errorf("queue: pull: %w", err)
	}
	c.sub, c.heard, c.asked = sub, time.Now(), 0
	return nil
}

// Asked is the credit outstanding at the broker.
func (p *Puller) Asked() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.waiting.asked + p.now.asked
}

// Ask gives the broker credit for n more jobs, which waits for them.
func (p *Puller) Ask(n int) {
	p.ask(&p.waiting, n, `{"batch":`+strconv.Itoa(n)+`,"expires":`+strconv.FormatInt(int64(pullExpires), 10)+
		`,"idle_heartbeat":`+strconv.FormatInt(int64(pullHeartbeat), 10)+`}`)
}

// AskNow gives the broker credit for n of the jobs that are there; what they don't take comes back.
func (p *Puller) AskNow(n int) { p.ask(&p.now, n, `{"batch":`+strconv.Itoa(n)+`,"no_wait":true}`) }

func (p *Puller) ask(c *credit, n int, request string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= 0 || p.stopped {
		return
	}
	if c.asked == 0 {
		c.heard = time.Now()
	}
	c.asked += n
	inbox := strings.TrimSuffix(c.sub.Subject, "*") + strconv.Itoa(n)
	if err := p.q.nc.PublishRequest(p.subject, inbox, []byte(request)); err != nil {
		p.q.log.Warn("pull request not sent", "consumer", p.lane.consumer(), "error", err)
	}
}

// Withdraw takes the credit that waits back. What is on its way still comes; nothing is told of as returned.
func (p *Puller) Withdraw() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopped || p.waiting.asked == 0 {
		return
	}
	old := p.waiting.sub
	if err := p.subscribe(&p.waiting); err != nil {
		p.q.log.Warn("credit not withdrawn", "consumer", p.lane.consumer(), "error", err)
		return
	}
	_ = old.Drain() // the broker forgets requests that nobody listens for
}

// receive runs on the subscription's goroutine.
func (p *Puller) receive(c *credit, m *nats.Msg) {
	if m.Reply == "" || len(m.Header) > 0 && m.Header.Get("Status") != "" {
		p.status(c, m)
		return
	}
	p.mu.Lock()
	if c.sub == m.Sub { // else asked for before a reset: its credit was written off, but it is ours to run or give back
		c.asked = max(0, c.asked-1)
		c.heard = time.Now()
	}
	p.mu.Unlock()
	d, err := newDelivery(p, m)
	if err != nil {
		// A message that is no job can never be run; keep it from coming back.
		p.q.log.Error("message in JOBS is no job", "subject", m.Subject, "error", err)
		_ = p.q.nc.Publish(m.Reply, []byte(ackTerm))
		p.returned(c.waits, 1)
		return
	}
	d.Waited = c.waits
	p.deliver(d)
}

// status takes the broker's words about pull requests: heartbeats, credit that comes back, and a consumer that is gone.
func (p *Puller) status(c *credit, m *nats.Msg) {
	p.mu.Lock()
	if c.sub != m.Sub {
		p.mu.Unlock()
		return
	}
	c.heard = time.Now()
	back := 0
	switch code := m.Header.Get("Status"); code {
	case "100":
	case "503": // nobody listens: the consumer is gone
		p.lost = true
	default:
		n, err := strconv.Atoi(m.Header.Get("Nats-Pending-Messages"))
		if err != nil && !c.waits && (code == "404" || code == "408") {
			n, err = strconv.Atoi(lastToken(m.Subject)) // all that the request asked for
		}
		if err == nil {
			back = min(n, c.asked)
			c.asked -= back
		} else if code == "409" || code == "404" {
			p.lost = true
		}
	}
	p.mu.Unlock()
	if back > 0 {
		p.returned(c.waits, back)
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
		silent := p.lost || p.waiting.silent(2*pullHeartbeat+time.Second) || p.now.silent(time.Second)
		p.mu.Unlock()
		if silent && p.q.Ready() {
			p.reset(ctx)
		}
	}
}

func (c *credit) silent(d time.Duration) bool { return c.asked > 0 && time.Since(c.heard) > d }

// reset writes the outstanding credit off, makes the consumer again if it is gone, and starts with new inboxes, so that
// no answer to an old request can be counted as one to a new.
func (p *Puller) reset(ctx context.Context) {
	created, err := p.q.ensureConsumer(ctx, p.lane)
	if err != nil {
		p.q.log.WarnContext(ctx, "consumer not there yet", "consumer", p.lane.consumer(), "error", err)
		p.mu.Lock()
		p.lost = true // the watchdog comes again
		p.mu.Unlock()
		return
	}
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	old := [...]credit{p.waiting, p.now}
	if err := errors.Join(p.subscribe(&p.waiting), p.subscribe(&p.now)); err != nil {
		p.mu.Unlock()
		return
	}
	p.created, p.lost = created, false
	p.mu.Unlock()
	for i := range old {
		_ = old[i].sub.Drain() // what is on its way still comes
		if old[i].asked > 0 {
			p.returned(old[i].waits, old[i].asked)
		}
	}
}

// Stop asks no more. What the broker has sent already is still delivered; Stop returns when it is, or ctx ends.
func (p *Puller) Stop(ctx context.Context) {
	p.mu.Lock()
	if p.stopped {
		p.mu.Unlock()
		return
	}
	p.stopped = true
	subs := [...]*nats.Subscription{p.waiting.sub, p.now.sub}
	p.mu.Unlock()
	p.unhook()
	p.stop()
	<-p.done
	for _, sub := range subs {
		closed := sub.StatusChanged(nats.SubscriptionClosed)
		if sub.Drain() != nil {
			continue
		}
		select {
		case <-closed:
		case <-ctx.Done():
		}
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
	// Waited tells that the job took credit that waited for it.
	Waited bool

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
