package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Options says how to reach the broker and how the streams are kept.
type Options struct {
	Name     string    // names the connection, for the broker's operator
	Embedded *Embedded // the broker in this process; nil to dial URL
	URL      string
	User     string // when the URL holds none
	Password string

	// Join leaves the streams as they are and waits until the gateway has made them: a worker's way.
	Join bool

	Replicas  int           // copies of each stream; 1 by default
	Retention time.Duration // how long an ended job stays readable; 24 h by default
	EventTTL  bool          // ends may say that they are kept for less (job.Job's Keep); once so, it stays
	MaxBytes  int64         // bound of JOBS; 0 means the broker's own
	// EventBytes bounds EVENTS: beyond it the oldest are forgotten before their time. 0 means the broker's own bound, at which
	// the newest are refused.
	EventBytes int64
	AckWait    time.Duration // a lease's length; 3 s by default
	BlobTTL    time.Duration // how long a blob is kept; 24 h by default
	BlobBytes  int64         // bound of all blobs; 0 means the broker's own
}

// Queue is a connection to the broker with the streams in place. It is safe for concurrent use.
type Queue struct {
	nc        *nats.Conn
	js        jetstream.JetStream
	jobs      jetstream.Stream
	events    jetstream.Stream
	dead      jetstream.Stream
	laters    jetstream.Stream
	claims    jetstream.KeyValue // a gateway's
	workers   jetstream.KeyValue
	advisory  jetstream.Stream
	hooks     jetstream.Stream // a gateway's, as webhooks is
	webhooks  jetstream.Stream
	blobs     Blobs
	inputs    Blobs
	opts      Options
	log       *slog.Logger
	keeper    keeper
	publisher *publisher

	mu          sync.Mutex
	onReconnect map[int]func() // guarded by mu; called after the connection came back
	nextHook    int
}

// Open connects and creates what is missing. While the broker is away it keeps trying until ctx ends.
func Open(ctx context.Context, opts Options, log *slog.Logger) (*Queue, error) {
	q := &Queue{opts: withDefaults(opts), log: log, onReconnect: map[int]func(){}}
	if err := q.connect(ctx); err != nil {
		return nil, err
	}
	if err := q.ensureStreams(ctx); err != nil {
		q.publisher.close()
		q.nc.Close()
		return nil, err
	}
	return q, nil
}

func withDefaults(o Options) Options {
	if o.Replicas == 0 {
		o.Replicas = 1
	}
	if o.Retention == 0 {
		o.Retention = 24 * time.Hour
	}
	if o.AckWait == 0 {
		o.AckWait = 3 * time.Second
	}
	if o.BlobTTL == 0 {
		o.BlobTTL = 24 * time.Hour
	}
	return o
}

func (q *Queue) connect(ctx context.Context) error {
	o := []nats.Option{
		nats.Name(q.opts.Name), nats.MaxReconnects(-1), nats.ReconnectWait(100 * time.Millisecond),
		nats.ReconnectJitter(50*time.Millisecond, 50*time.Millisecond), nats.RetryOnFailedConnect(false),
		nats.PingInterval(10 * time.Second), nats.MaxPingsOutstanding(3),
		nats.ReconnectHandler(func(*nats.Conn) { q.reconnected() }),
		nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { q.troubled(err) }),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { q.troubled(err) }),
	}
	url := q.opts.URL
	if e := q.opts.Embedded; e != nil {
		url = e.URL()
		o = append(o, nats.InProcessServer(e), nats.UserInfo(e.creds.User, e.creds.Password))
	} else if q.opts.User != "" {
		o = append(o, nats.UserInfo(q.opts.User, q.opts.Password))
	}
	nc, err := dial(ctx, url, o)
	if err != nil {
		return err
	}
	q.nc = nc
	if q.js, err = jetstream.New(nc); err != nil {
		nc.Close()
		return fmt.Errorf("queue: %w", err)
	}
	if q.publisher, err = newPublisher(q); err != nil {
		nc.Close()
	}
	return err
}

func (q *Queue) troubled(err error) {
	if err != nil {
		q.log.Warn("broker connection", "error", err)
	}
}

// dial tries until the broker answers or ctx ends; the last error says what was wrong.
func dial(ctx context.Context, url string, o []nats.Option) (*nats.Conn, error) {
	for {
		nc, err := nats.Connect(url, o...)
		if err == nil {
			return nc, nil
		}
		if errors.Is(err, nats.ErrAuthorization) {
			return nil, fmt.Errorf("queue: the broker refuses these credentials: %w", err)
		}
		if pause(ctx, 100*time.Millisecond) != nil {
			return nil, fmt.Errorf("queue: no broker at %s: %w", redacted(url), err)
		}
	}
}

// Close flushes what was sent and closes the connection.
func (q *Queue) Close() {
	q.publisher.close()
	_ = q.nc.FlushTimeout(2 * time.Second) // a broker that is gone takes nothing more
	q.nc.Close()
}

// Ready tells whether the broker can be reached now.
func (q *Queue) Ready() bool { return q.nc.IsConnected() }

// Retention is how long an ended job stays readable.
func (q *Queue) Retention() time.Duration { return q.opts.Retention }

// AckWait is how long a lease lasts without renewal.
func (q *Queue) AckWait() time.Duration { return q.opts.AckWait }

// OnReconnect calls f each time the connection has come back: what was published meanwhile went unheard.
func (q *Queue) OnReconnect(f func()) (remove func()) { return q.hook(f) }

// hook registers f to run after each reconnect; the returned function takes it away.
func (q *Queue) hook(f func()) (remove func()) {
	q.mu.Lock()
	defer q.mu.Unlock()
	id := q.nextHook
	q.nextHook++
	q.onReconnect[id] = f
	return func() {
		q.mu.Lock()
		defer q.mu.Unlock()
		delete(q.onReconnect, id)
	}
}

func (q *Queue) reconnected() {
	q.log.Info("broker connection is back")
	q.mu.Lock()
	hooks := make([]func(), 0, len(q.onReconnect))
	for _, f := range q.onReconnect {
		hooks = append(hooks, f)
	}
	q.mu.Unlock()
	for _, f := range hooks {
		f()
	}
}
