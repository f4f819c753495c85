package queue

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// EmbeddedConfig says where the embedded broker listens and keeps its files.
type EmbeddedConfig struct {
	Addr    string // host:port; port 0 takes any free one
	Dir     string // the file store
	Durable bool   // sync every write to the disk before it is acknowledged
}

// Embedded is a NATS server inside this process, for one machine.
type Embedded struct {
	opts     server.Options
	creds    Credentials
	log      *slog.Logger
	health   health
	patience time.Duration // with a server that is to stop

	mu sync.Mutex
	ns *server.Server // guarded by mu; replaced when it has to be started again
}

// Credentials is how another process on this machine reaches the embedded broker. The file is for its owner alone.
type Credentials struct {
	URL      string `json:"url"`
	User     string `json:"user"`
	Password string `json:"password"`
}

// maxPayload bounds one message: an inline input of 1 MiB with its head, and room.
const maxPayload = 4 << 20

const (
	gatewayUser  = "gateway"
	workerUser   = "worker"
	startTimeout = 120 * time.Second // a store with millions of messages is read at the start
	stopTimeout  = 5 * time.Second   // it ends in milliseconds, unless the disk is slow or it never will
)

// StartEmbedded starts the broker and writes the worker's credentials to credentialsFile. Passwords are made anew at
// each start unless the file holds one, so that a worker that outlives its gateway can come back.
func StartEmbedded(ctx context.Context, cfg EmbeddedConfig, credentialsFile string, log *slog.Logger) (*Embedded, error) {
	host, port, err := splitAddr(cfg.Addr)
	if err != nil {
		return nil, err
	}
	if port > 0 {
		if err := portFree(ctx, cfg.Addr); err != nil {
			return nil, err
		}
	}
	workerPassword := keptPassword(credentialsFile)
	gatewayPassword := newPassword()
	e := &Embedded{log: log, patience: stopTimeout, health: health{rouse: make(chan struct{}, 1), stuck: make(chan struct{})}, opts: server.Options{
		ServerName: "penstock", Host: host, Port: port, JetStream: true, StoreDir: cfg.Dir,
		SyncAlways: cfg.Durable, MaxPayload: maxPayload, NoSigs: true, DisableJetStreamBanner: true,
		Users: []*server.User{
			{Username: gatewayUser, Password: gatewayPassword},
			{Username: workerUser, Password: workerPassword, Permissions: workerPermissions()},
		},
	}}
	if err := e.start(startTimeout); err != nil {
		return nil, err
	}
	at, _ := e.ns.Addr().(*net.TCPAddr)
	e.opts.Port = at.Port // the same one when it is started again
	e.creds = Credentials{URL: "nats://" + at.String(), User: workerUser, Password: workerPassword}
	if err := writeCredentials(credentialsFile, e.creds); err != nil {
		return nil, errors.Join(err, e.stop())
	}
	e.creds.User, e.creds.Password = gatewayUser, gatewayPassword
	e.health.begin(context.WithoutCancel(ctx), e)
	return e, nil
}

// start starts a server on the files that are there.
func (e *Embedded) start(within time.Duration) error {
	o := e.opts
	ns, err := server.NewServer(&o)
	if err != nil {
		return fmt.Errorf("queue: embedded broker: %w", err)
	}
	ns.SetLoggerV2(natsLog{e.log, e.health.hear}, false, false, false)
	ns.Start()
	if !ns.ReadyForConnections(within) {
		ns.Shutdown()
		ns.WaitForShutdown()
		return fmt.Errorf("queue: embedded broker on %s is not ready after %v", net.JoinHostPort(o.Host, strconv.Itoa(o.Port)), within)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.ns = ns
	return nil
}

func (e *Embedded) server() *server.Server {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.ns
}

// stop ends the server. One whose write failed may have locked itself out of a stream for good, and then does not end.
func (e *Embedded) stop() error {
	ns := e.server()
	done := make(chan struct{})
	go func() {
		defer close(done)
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	t := time.NewTimer(e.patience)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
		return ErrStuck
	}
}

// ErrStuck says that the embedded broker neither stores nor ends: what waits for it waits until the process ends.
var ErrStuck = errors.New("queue: the embedded broker does not stop, and can only be started again with its process")

// Watch returns ErrStuck when the process has to end, for the broker to be started again; and nil when ctx ends.
func (e *Embedded) Watch(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return nil
	case <-e.health.stuck:
		return ErrStuck
	}
}

// InProcessConn is the way of this process to the server that runs now.
func (e *Embedded) InProcessConn() (net.Conn, error) { return e.server().InProcessConn() }

// workerPermissions keep a worker from hearing what others' attempts ended in, from saying what no attempt stored, and
// from the records of webhooks, which hold secrets; nor may it change the streams themselves. It may purge blobs: an
// input whose job has ended, an output it could not finish.
func workerPermissions() *server.Permissions {
	hear := []string{liveRoot + ".>", hookRoot + ".>"}
	for _, api := range []string{"$JS.API.*.*.", "$JS.API.*.*.*."} {
		hear = append(hear, api+hooksStream, api+hooksStream+".>")
	}
	const api = "$JS.API.STREAM."
	say := append(slices.Clone(hear), api+"CREATE.>", api+"UPDATE.>", api+"DELETE.>", api+"RESTORE.>")
	for _, stream := range []string{jobsStream, eventsStream, deadStream, laterStream, advisoryStream} {
		say = append(say, api+"PURGE."+stream)
	}
	return &server.Permissions{
		Subscribe: &server.SubjectPermission{Deny: hear},
		Publish:   &server.SubjectPermission{Deny: say},
	}
}

// Credentials are a gateway's: for another one on this machine.
func (e *Embedded) Credentials() Credentials { return e.creds }

// URL is where the broker listens.
func (e *Embedded) URL() string { return e.creds.URL }

// Close stops the broker and waits for its files to be closed.
func (e *Embedded) Close() {
	e.health.end()
	if isClosed(e.health.stuck) {
		return // it was tried
	}
	if err := e.stop(); err != nil {
		e.log.Error("the embedded broker is left behind", "error", err)
	}
}

// ReadCredentials reads what StartEmbedded wrote.
func ReadCredentials(file string) (Credentials, error) {
	var c Credentials
	b, err := os.ReadFile(file) //nolint:gosec // below the operator's data folder
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return c, fmt.Errorf("queue: %s: %w", file, err)
	}
	return c, nil
}

func writeCredentials(file string, c Credentials) error {
	b, err := json.MarshalIndent(c, "", "  ") //nolint:gosec // the file is for its owner alone, who needs the password
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	tmp := file + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, file)
}

func keptPassword(file string) string {
	c, err := ReadCredentials(file)
	if err != nil || c.Password == "" {
		return newPassword()
	}
	return c.Password
}

func newPassword() string {
	b := make([]byte, 24)
	_, _ = rand.Read(b) // never fails
	return base64.RawURLEncoding.EncodeToString(b)
}

func splitAddr(addr string) (host string, port int, err error) {
	h, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("queue: broker address %q: %w", addr, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil {
		return "", 0, fmt.Errorf("queue: broker address %q: %w", addr, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return h, port, nil
}

// portFree says so in a sentence when somebody else holds the port; the server itself only logs it.
func portFree(ctx context.Context, addr string) error {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("queue: the broker cannot listen on %s (set PENSTOCK_NATS_ADDR to another address): %w", addr, err)
	}
	return l.Close()
}

// natsLog passes the server's own log on; trouble is called for each error.
type natsLog struct {
	log     *slog.Logger
	trouble func(told string)
}

func (l natsLog) Noticef(string, ...any) {}
func (l natsLog) Debugf(string, ...any)  {}
func (l natsLog) Tracef(string, ...any)  {}

func (l natsLog) Warnf(format string, args ...any) {
	if strings.HasPrefix(format, "Plaintext passwords") {
		return // ours are random, made by this process and never in a file of the server's
	}
	l.log.Warn("nats", "detail", fmt.Sprintf(format, args...))
}

func (l natsLog) Errorf(format string, args ...any) {
	told := fmt.Sprintf(format, args...)
	l.log.Error("nats", "detail", told)
	l.trouble(told)
}

func (l natsLog) Fatalf(format string, args ...any) {
	l.log.Error("nats", "detail", fmt.Sprintf(format, args...))
}
