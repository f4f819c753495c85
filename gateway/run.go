package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/gateway/internal/httpapi"
	"github.com/penstock-dev/penstock/gateway/internal/jobs"
	"github.com/penstock-dev/penstock/gateway/internal/limits"
	"github.com/penstock-dev/penstock/gateway/internal/protocol/sleep"
	"github.com/penstock-dev/penstock/gateway/internal/protocol/uninlu"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/gateway/internal/webhook"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/telemetry"
)

// stopTimeout bounds each step of a shutdown.
const stopTimeout = 20 * time.Second

// gateway is what Run builds, top to bottom; closers undo it, bottom to top.
type gateway struct {
	cfg      Config
	log      *slog.Logger
	registry *prometheus.Registry
	metrics  *metrics

	db      *redisdb.DB
	queue   *queue.Queue
	broker  *queue.Embedded // nil when it is a server of its own
	tenants *tenant.Directory
	admin   *tenant.Admin
	auth    *auth.Service
	limits  *limits.Limiter
	jobs    *jobs.Service
	hooks   *webhook.Service
	api     *httpapi.Server
	ops     *telemetry.Ops
	certs   *httpapi.Certificates
	run     runFile

	closers []func()
	stuck   bool // the broker no longer answers this process
}

// Run starts a gateway and serves until ctx ends; then it drains and stops, and returns nil. After queue.ErrStuck the
// process has to end, as after any error: what waits for the broker is left behind.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	registry := telemetry.NewRegistry()
	g := &gateway{cfg: cfg, log: log, registry: registry, metrics: newMetrics(registry)}
	defer g.close()
	for _, step := range []func(context.Context) error{
		g.openOps, g.openRedis, g.openQueue, g.openIdentity, g.openJobs, g.openAPI,
	} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	return g.serve(ctx)
}

func (g *gateway) onClose(f func()) { g.closers = append(g.closers, f) }

// unlessStuck leaves f out when the broker no longer answers this process, for f would wait for it.
func (g *gateway) unlessStuck(f func()) func() {
	return func() {
		if !g.stuck {
			f()
		}
	}
}

func (g *gateway) close() {
	for i := len(g.closers) - 1; i >= 0; i-- {
		g.closers[i]()
	}
}

// openOps comes first, so that health can be asked while the rest starts.
func (g *gateway) openOps(ctx context.Context) error {
	ops, err := telemetry.NewOps(ctx, telemetry.OpsOptions{
		Addr: g.cfg.OpsAddr, Variable: "PENSTOCK_OPS_ADDR", Registry: g.registry, Profiles: g.cfg.Profiles, Logger: g.log,
		Ready: func() error {
			if g.api == nil {
				return errors.New("starting")
			}
			return g.api.Ready(context.Background())
		},
	})
	if err != nil {
		return err
	}
	g.ops = ops
	g.run.Ops = "http://" + ops.Addr()
	g.onClose(func() { g.bounded(ops.Shutdown) })
	return nil
}

func (g *gateway) openRedis(ctx context.Context) error {
	if g.cfg.RedisURL != "" {
		db, err := redisdb.Open(ctx, g.cfg.RedisURL)
		if err != nil {
			return err
		}
		g.db = db
		g.onClose(func() { g.logged("redis", db.Close()) })
		return nil
	}
	e, err := redisdb.StartEmbedded(redisdb.EmbeddedConfig{Addr: g.cfg.RedisAddr, Dir: g.cfg.path("redis")}, g.log)
	if err != nil {
		return err
	}
	g.db = e.DB()
	g.run.Redis = e.Addr()
	g.onClose(func() { g.logged("redis", errors.Join(g.db.Close(), e.Close())) })
	return redisdb.WriteAddr(g.cfg.DataDir, e.Addr())
}

func (g *gateway) openQueue(ctx context.Context) error {
	o := queue.Options{
		Name: "penstock-gateway", URL: g.cfg.NATSURL, Replicas: g.cfg.Queue.Replicas,
		Retention: g.cfg.Results.Retention, EventTTL: g.cfg.Results.SyncRetention > 0, EventBytes: int64(g.cfg.Results.MaxBytes), MaxBytes: int64(g.cfg.Queue.MaxBytes),
		BlobTTL: g.cfg.Blobs.TTL, BlobBytes: int64(g.cfg.Blobs.MaxStored),
	}
	if g.cfg.NATSURL == "" {
		broker, err := queue.StartEmbedded(ctx, queue.EmbeddedConfig{
			Addr: g.cfg.NATSAddr, Dir: g.cfg.path("nats"), Durable: g.cfg.Queue.Profile == "durable",
		}, g.cfg.path("dev", "nats.json"), g.log)
		if err != nil {
			return err
		}
		g.onClose(broker.Close)
		o.Embedded, g.broker = broker, broker
		g.run.NATS = broker.URL()
	}
	q, err := queue.Open(ctx, o, g.log)
	if err != nil {
		return err
	}
	g.queue = q
	g.onClose(g.unlessStuck(q.Close))
	return nil
}

func (g *gateway) openIdentity(context.Context) error {
	g.tenants = tenant.NewDirectory(g.db, tenant.DirectoryConfig{StaleFor: g.cfg.Limits.Outage, OnStale: g.metrics.stale})
	g.admin = tenant.NewAdmin(g.db, g.tenants)
	keys, err := auth.OpenKeyring(g.cfg.Auth.KeyDir, true)
	if err != nil {
		return err
	}
	trusted, err := auth.LoadTrusted(g.cfg.Auth.HS256File, g.cfg.Auth.PublicKeys)
	if err != nil {
		return err
	}
	g.auth, err = auth.New(auth.Config{
		Keys: keys, Issuer: g.cfg.Auth.Issuer, Audience: g.cfg.Auth.Audience, TokenTTL: g.cfg.Auth.AccessTTL,
		RefreshTTL: g.cfg.Auth.RefreshTTL, Trusted: trusted, OnStale: g.metrics.stale,
	}, g.tenants, g.db)
	if err != nil {
		return err
	}
	g.limits = limits.New(g.db, g.tenants, limits.Config{
		AloneFor: g.cfg.Limits.Outage, OnAlone: g.metrics.alone, OnLost: g.metrics.lost,
	})
	g.onClose(func() { g.bounded(g.limits.Close) })
	return nil
}

func (g *gateway) openJobs(ctx context.Context) (err error) {
	w := &g.cfg.Webhooks
	g.hooks = webhook.New(webhook.Config{
		Allow: prefixes(w.Allow), Loopback: g.cfg.Mode == Development, Attempts: w.Attempts, Backoff: w.Backoff,
		Timeout: w.Timeout, Concurrency: w.Concurrency, PerHost: w.PerHost, Observe: g.metrics.webhook,
	}, g.queue, g.log)
	g.jobs, err = jobs.New(ctx, jobs.Config{
		MaxAttempts: g.cfg.Jobs.MaxAttempts, Grace: g.cfg.Jobs.Grace, Hooks: g.hooks, Plans: g.cfg.priorities(),
		SyncRetention: g.cfg.Results.SyncRetention,
	}, g.queue, g.limits, checks(), g.log)
	if err != nil {
		return err
	}
	g.onClose(g.unlessStuck(g.jobs.Close))
	g.metrics.watch(g.jobs)
	return nil
}

func (g *gateway) openAPI(context.Context) (err error) {
	h := &g.cfg.HTTP
	g.api, err = httpapi.New(httpapi.Config{
		MaxBody: int(h.MaxBody), MaxBlob: int(g.cfg.Blobs.MaxBytes), HeadTimeout: h.HeadTimeout, WriteTimeout: h.WriteTimeout, IdleTimeout: h.IdleTimeout,
		Heartbeat: h.Heartbeat, MaxWait: h.MaxWait, MaxConns: h.MaxConns, MaxConnsPer: h.MaxConnsPerIP,
		PredictModel: h.PredictModel, PredictWait: h.PredictWait,
		HSTS: h.HSTS || g.cfg.Mode == Production, TrustedProxies: prefixes(h.TrustedProxies), DrainDelay: h.DrainDelay,
	}, httpapi.Deps{
		Auth: g.auth, Tokens: g.auth, Jobs: httpapi.JobsOf(g.jobs), Blobs: g.jobs, Tenants: g.admin, Webhooks: g.hooks,
		Usage: httpapi.UsageOf(g.limits.Usage),
		Ready: g.ready, Log: g.log, Audit: g.log.With("log", "audit"), Observe: g.metrics.observe,
	})
	return err
}

// checks are the engines' own, which refuse an input before it is queued.
func checks() map[string]jobs.Check {
	plain := func(check func([]byte) (string, error)) jobs.Check {
		return func(in []byte, _ *job.About) (string, error) { return check(in) }
	}
	return map[string]jobs.Check{
		"uninlu": plain(uninlu.Check), "sleep": plain(sleep.Check), "embed": input.CheckEmbed, "tensor": input.CheckTensors,
		"generate": input.CheckChat, "vision": input.CheckChat, "upstream": input.CheckChat,
	}
}

// ready tells why a request could not be served now.
func (g *gateway) ready(ctx context.Context) error {
	if !g.queue.Ready() {
		return fault.New(fault.Overloaded, "the broker cannot be reached")
	}
	if err := g.queue.Room(); err != nil {
		return fault.Wrap(fault.QueueFull, err, "the broker's disk has too little room left")
	}
	if err := g.db.Ping(ctx); err != nil {
		return fault.Wrap(fault.Overloaded, err, "redis cannot be reached")
	}
	return nil
}

// serve opens the listeners, tells the machine's other processes where they are, and serves until ctx ends.
func (g *gateway) serve(ctx context.Context) error {
	listeners, err := g.listen(ctx)
	if err != nil {
		return err
	}
	remove, err := g.announce(ctx)
	if err != nil {
		return err
	}
	defer remove()

	serving, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	defer cancel(nil)
	var running sync.WaitGroup
	background := func(name string, f func() error) {
		running.Go(func() {
			if err := f(); err != nil {
				cancel(fmt.Errorf("%s: %w", name, err))
			}
		})
	}
	background("operations listener", g.ops.Serve)
	background("API", func() error { return g.api.Serve(serving, listeners...) })
	background("undelivered jobs", func() error { return g.jobs.Bury(serving) })
	if g.broker != nil {
		background("broker", func() error { return g.broker.Watch(serving) })
	}
	background("lanes", func() error { return g.jobs.RunLanes(serving) })
	background("clock", func() error { return g.jobs.RunClock(serving) })
	background("webhooks", func() error { return g.hooks.Run(serving, g.jobs) })
	g.log.InfoContext(ctx, "gateway is ready", "https", g.run.HTTPS, "http", g.run.HTTP, "ops", g.run.Ops, "mode", g.cfg.Mode)

	select {
	case <-ctx.Done():
	case <-serving.Done():
	}
	if !errors.Is(context.Cause(serving), queue.ErrStuck) {
		g.log.InfoContext(ctx, "gateway drains")
		g.bounded(g.api.Shutdown)
		g.bounded(g.ops.Shutdown)
	}
	cause := context.Cause(serving)
	if g.stuck = errors.Is(cause, queue.ErrStuck); g.stuck {
		return cause // whoever still waits for the broker waits for good, and the next process for this one
	}
	cancel(nil)
	running.Wait()
	return cause
}

func (g *gateway) listen(ctx context.Context) ([]httpapi.Listener, error) {
	var err error
	if g.cfg.TLS.CertFile != "" {
		g.certs, err = httpapi.FileCertificates(g.cfg.TLS.CertFile, g.cfg.TLS.KeyFile, g.log)
	} else {
		host, _, splitErr := net.SplitHostPort(g.cfg.HTTPSAddr)
		if splitErr != nil {
			return nil, fmt.Errorf("PENSTOCK_HTTPS_ADDR: %w", splitErr)
		}
		g.certs, err = httpapi.LocalCertificates(g.cfg.path("dev", "tls"), []string{host}, g.log)
	}
	if err != nil {
		return nil, err
	}
	https, err := telemetry.Listen(ctx, g.cfg.HTTPSAddr, "PENSTOCK_HTTPS_ADDR")
	if err != nil {
		return nil, err
	}
	listeners := []httpapi.Listener{{Listener: https, TLS: g.certs.Config()}}
	g.run.HTTPS = "https://localhost:" + port(https)
	if g.cfg.HTTPAddr == "off" {
		return listeners, nil
	}
	plain, err := telemetry.Listen(ctx, g.cfg.HTTPAddr, "PENSTOCK_HTTP_ADDR")
	if err != nil {
		return nil, errors.Join(err, https.Close())
	}
	l := httpapi.Listener{Listener: plain}
	if g.cfg.Mode == Production && len(g.cfg.HTTP.TrustedProxies) == 0 {
		l.RedirectPort = port(https)
	}
	g.run.HTTP = "http://" + plain.Addr().String()
	return append(listeners, l), nil
}

func port(l net.Listener) string {
	_, p, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		return ""
	}
	return p
}

func prefixes(texts []string) []netip.Prefix {
	var out []netip.Prefix
	for _, t := range texts {
		if p, err := netip.ParsePrefix(t); err == nil { // Validate refused the others
			out = append(out, p)
		}
	}
	return out
}

func (g *gateway) bounded(f func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), stopTimeout)
	defer cancel()
	g.logged("stop", f(ctx))
}

func (g *gateway) logged(what string, err error) {
	if err != nil && !errors.Is(err, os.ErrClosed) {
		g.log.Warn("not closed cleanly", "what", what, "error", err)
	}
}
