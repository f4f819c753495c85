package telemetry

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof" // mounted only where Profiles asks for it
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// NewRegistry makes a metrics registry that already holds the Go runtime's and the process's own figures.
func NewRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// OpsOptions says what the operations listener serves.
type OpsOptions struct {
	Addr     string               // "127.0.0.1:9090"; port 0 picks a free one
	Variable string               // the variable that sets Addr, for the sentence when the port is taken
	Registry *prometheus.Registry // shown at /metrics
	Ready    func() error         // nil when the process takes work, else why not; called for each /readyz
	Profiles bool                 // serve /debug/pprof/
	Logger   *slog.Logger
}

// Ops is the operations listener: plain HTTP for the machine's own monitoring, never for clients.
type Ops struct {
	listener net.Listener
	server   *http.Server
}

// NewOps opens the listener, so that a taken port shows at once; nothing is answered before Serve.
func NewOps(ctx context.Context, o OpsOptions) (*Ops, error) {
	listener, err := Listen(ctx, o.Addr, o.Variable)
	if err != nil {
		return nil, err
	}
	server := &http.Server{
		Handler:           o.routes(),
		ReadHeaderTimeout: 5 * time.Second,
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(o.Logger.Handler(), slog.LevelDebug),
	}
	return &Ops{listener: listener, server: server}, nil
}

func (o OpsOptions) routes() *http.ServeMux {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, status{Status: "ok"})
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if err := o.Ready(); err != nil {
			answer(w, http.StatusServiceUnavailable, status{Status: "unready", Reason: err.Error()})
			return
		}
		answer(w, http.StatusOK, status{Status: "ready"})
	})
	mux.Handle("GET /metrics", promhttp.HandlerFor(o.Registry, promhttp.HandlerOpts{Registry: o.Registry}))
	if o.Profiles {
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/cmdline", pprof.Cmdline)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	return mux
}

// status is the body of /healthz and /readyz.
type status struct {
	Status string `json:"status"` // ok, ready or unready
	Reason string `json:"reason,omitempty"`
}

func answer(w http.ResponseWriter, code int, body status) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a probe that has hung up needs no answer
}

// Addr is the address that is really listened on.
func (o *Ops) Addr() string { return o.listener.Addr().String() }

// Serve answers until Shutdown, and then returns nil.
func (o *Ops) Serve() error {
	if err := o.server.Serve(o.listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// Shutdown closes the listener and waits for the calls under way until ctx ends, then cuts them off. It is also right
// for listeners that never served.
func (o *Ops) Shutdown(ctx context.Context) error {
	err := o.server.Shutdown(ctx)
	if err != nil {
		err = errors.Join(err, o.server.Close())
	}
	if closeErr := o.listener.Close(); closeErr != nil && !errors.Is(closeErr, net.ErrClosed) {
		err = errors.Join(err, closeErr)
	}
	return err
}
