// Package testenv starts the real servers that tests talk to. Binaries never import it.
package testenv

import (
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/queue"
)

// Broker is an embedded broker that a test can stop and start again on the same files and port.
type Broker struct {
	t    testing.TB
	dir  string
	addr string
	srv  *queue.Embedded
}

// StartBroker starts an embedded broker on a free port; the test's end stops it.
func StartBroker(tb testing.TB) *Broker {
	tb.Helper()
	b := &Broker{t: tb, dir: tb.TempDir(), addr: "127.0.0.1:0"}
	b.Start()
	tb.Cleanup(b.Stop)
	return b
}

// Start starts the broker again after Stop.
func (b *Broker) Start() {
	b.t.Helper()
	srv, err := queue.StartEmbedded(b.t.Context(), queue.EmbeddedConfig{Addr: b.addr, Dir: b.dir}, b.credentials(), Logger(b.t))
	require.NoError(b.t, err)
	b.srv = srv
	b.addr = srv.URL()[len("nats://"):]
}

// Stop stops the broker; its files stay.
func (b *Broker) Stop() {
	if b.srv != nil {
		b.srv.Close()
		b.srv = nil
	}
}

// GatewayURL is what a gateway in another process would be given.
func (b *Broker) GatewayURL() string {
	c := b.srv.Credentials()
	return "nats://" + c.User + ":" + c.Password + "@" + b.addr
}

// WorkerURL is what a worker's connection would be given.
func (b *Broker) WorkerURL() string {
	b.t.Helper()
	c, err := queue.ReadCredentials(b.credentials())
	require.NoError(b.t, err)
	return "nats://" + c.User + ":" + c.Password + "@" + b.addr
}

// URL is where the broker listens.
func (b *Broker) URL() string { return b.srv.URL() }

func (b *Broker) credentials() string { return filepath.Join(b.dir, "credentials.json") }

// Gateway connects as a gateway does, in this process.
func (b *Broker) Gateway(o queue.Options) *queue.Queue {
	b.t.Helper()
	o.Embedded = b.srv
	return b.open(o)
}

// Worker connects as a worker on this machine does.
func (b *Broker) Worker(o queue.Options) *queue.Queue {
	b.t.Helper()
	c, err := queue.ReadCredentials(b.credentials())
	require.NoError(b.t, err)
	o.URL, o.User, o.Password, o.Join = c.URL, c.User, c.Password, true
	return b.open(o)
}

func (b *Broker) open(o queue.Options) *queue.Queue {
	b.t.Helper()
	if o.AckWait == 0 {
		o.AckWait = time.Second
	}
	q, err := queue.Open(b.t.Context(), o, Logger(b.t))
	require.NoError(b.t, err)
	b.t.Cleanup(q.Close)
	return q
}

// Logger writes to the test's log.
func Logger(tb testing.TB) *slog.Logger {
	tb.Helper()
	if testing.Verbose() {
		return slog.New(slog.NewTextHandler(tb.Output(), nil))
	}
	return slog.New(slog.DiscardHandler)
}
