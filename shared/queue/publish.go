package queue

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// ackTimeout is how long the broker may take to store a message before it counts as unheard.
const ackTimeout = 5 * time.Second

// publisher stores messages in streams and waits for the broker's word on each, any number at once. The client
// library's own does the same for more kinds of caller, at twice the cost a message.
type publisher struct {
	nc     *nats.Conn
	prefix string // of the inbox that answers come to; the message's number follows
	sub    *nats.Subscription
	unhook func()
	once   sync.Once // of close
	stop   chan struct{}
	done   chan struct{} // closed when expire has ended

	mu      sync.Mutex
	last    uint64              // guarded by mu: the newest message's number
	waiting map[uint64]*pending // guarded by mu, by number
	free    []*pending          // guarded by mu: to be used again
}

// pending is a message whose answer has not come.
type pending struct {
	answer chan answer // room for one
	since  time.Time
}

// answer is the broker's word: the message's sequence, or why it was not stored.
type answer struct {
	seq uint64
	err error
}

func newPublisher(q *Queue) (*publisher, error) {
	p := &publisher{
		nc: q.nc, prefix: nats.NewInbox() + ".", stop: make(chan struct{}), done: make(chan struct{}),
		waiting: map[uint64]*pending{},
	}
	sub, err := q.nc.Subscribe(p.prefix+"*", p.receive)
	if err != nil {
		return nil, fmt.Errorf("queue: publisher: %w", err)
	}
	if err := sub.SetPendingLimits(-1, -1); err != nil { // callers wait for each answer: they are the bound
		return nil, fmt.Errorf("queue: publisher: %w", err)
	}
	p.sub = sub
	p.unhook = q.hook(func() { p.fail(nats.ErrDisconnected, time.Time{}) })
	go p.expire()
	return p, nil
}

// close ends the wait of every message; it may be called again.
func (p *publisher) close() {
	p.once.Do(func() {
		p.unhook()
		close(p.stop)
		<-p.done
		p.fail(nats.ErrConnectionClosed, time.Time{})
		_ = p.sub.Unsubscribe() // the connection is about to close
	})
}

// publish returns the stored message's sequence. After an error that storeError calls ErrUnavailable it is not known
// whether the message was stored.
func (p *publisher) publish(ctx context.Context, m *nats.Msg) (uint64, error) {
	id, w := p.expect()
	m.Reply = p.prefix + strconv.FormatUint(id, 36)
	if err := p.nc.PublishMsg(m); err != nil {
		p.forget(id)
		return 0, err
	}
	select {
	case a := <-w.answer:
		p.recycle(w)
		return a.seq, a.err
	case <-ctx.Done():
		p.forget(id)
		return 0, ctx.Err()
	}
}

func (p *publisher) expect() (uint64, *pending) {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	var w *pending
	if n := len(p.free); n > 0 {
		w, p.free = p.free[n-1], p.free[:n-1]
	} else {
		w = &pending{answer: make(chan answer, 1)}
	}
	w.since = now
	p.waiting[p.last] = w
	return p.last, w
}

func (p *publisher) recycle(w *pending) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, w)
}

// forget leaves the message to itself; it is not used again, as its answer may be on its way.
func (p *publisher) forget(id uint64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, id)
}

// take removes the message that waits under a number.
func (p *publisher) take(id uint64) *pending {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := p.waiting[id]
	delete(p.waiting, id)
	return w
}

func (p *publisher) receive(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[len(p.prefix):], 36, 64)
	if err != nil {
		return
	}
	if w := p.take(id); w != nil {
		w.answer <- parseAnswer(m)
	}
}

// parseAnswer reads {"stream":"EVENTS","seq":7}, or the error in its place.
func parseAnswer(m *nats.Msg) answer {
	if len(m.Data) == 0 {
		return answer{err: nats.ErrNoResponders} // the stream has no leader just now
	}
	const member = `"seq":`
	at := bytes.Index(m.Data, []byte(member))
	if at >= 0 && !bytes.Contains(m.Data, []byte(`"error"`)) {
		var seq uint64
		rest := bytes.TrimLeft(m.Data[at+len(member):], " ")
		for _, c := range rest {
			if c < '0' || c > '9' {
				break
			}
			seq = seq*10 + uint64(c-'0')
		}
		if seq > 0 {
			return answer{seq: seq}
		}
	}
	var full struct {
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &full); err != nil {
		return answer{err: fmt.Errorf("queue: the broker's answer: %w", err)}
	}
	if full.Error == nil {
		return answer{err: errors.New("queue: the broker's answer has no sequence")}
	}
	return answer{err: full.Error}
}

// expire gives up on answers that do not come.
func (p *publisher) expire() {
	defer close(p.done)
	tick := time.NewTicker(ackTimeout / 5)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			return
		case now := <-tick.C:
			p.fail(nats.ErrTimeout, now.Add(-ackTimeout))
		}
	}
}

// fail ends the wait of every message older than before, or of all when that is zero.
func (p *publisher) fail(err error, before time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, w := range p.waiting {
		if before.IsZero() || w.since.Before(before) {
			delete(p.waiting, id)
			w.answer <- answer{err: err}
		}
	}
}
