package worker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/runfile"
	"github.com/penstock-dev/penstock/shared/telemetry"
	"github.com/penstock-dev/penstock/worker/internal/consume"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/embed"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/engine/sleep"
	"github.com/penstock-dev/penstock/worker/internal/engine/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/uninlu"
	"github.com/penstock-dev/penstock/worker/internal/engine/upstream"
	"github.com/penstock-dev/penstock/worker/internal/engine/vision"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

const (
	beat        = time.Second // between heartbeats
	stopTimeout = 5 * time.Second
)

// Run starts a worker and consumes until ctx ends; then it drains and returns nil.
func Run(ctx context.Context, cfg Config, log *slog.Logger) error {
	registry := telemetry.NewRegistry()
	w := &worker{cfg: cfg, log: log, id: newID()}
	ops, err := telemetry.NewOps(ctx, telemetry.OpsOptions{
		Addr: cfg.Worker.OpsAddr, Variable: "PENSTOCK_WORKER_OPS_ADDR", Registry: registry, Profiles: cfg.Profiles,
		Logger: log, Ready: w.whyNotReady,
	})
	if err != nil {
		return err
	}
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := ops.Serve(); err != nil {
			log.ErrorContext(ctx, "operations listener", "error", err)
		}
	}()
	defer func() {
		stop, cancel := context.WithTimeout(context.Background(), stopTimeout)
		defer cancel()
		_ = ops.Shutdown(stop)
		<-served
	}()

	models, closeModels, err := loadModels(&cfg, w.id, registry, log)
	if err != nil {
		return err
	}
	defer closeModels()
	q, err := w.connect(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer q.Close()

	w.queue, w.runner = q, models
	w.consumer = consume.New(consume.Config{WorkerID: w.id, Timeout: cfg.Worker.Timeout, Grace: cfg.Worker.Grace},
		q, models, registry, log)
	return w.work(ctx, ops.Addr())
}

// worker is what Run builds.
type worker struct {
	cfg      Config
	log      *slog.Logger
	id       string
	queue    *queue.Queue
	runner   *runner.Runner
	consumer *consume.Consumer
	ready    readiness
}

func newID() string {
	b := make([]byte, 6)
	_, _ = rand.Read(b) // never fails
	return "w_" + hex.EncodeToString(b)
}

// connect finds the broker: by URL, or by the credentials that a gateway on this machine writes, which may come later.
func (w *worker) connect(ctx context.Context) (*queue.Queue, error) {
	o := queue.Options{Name: "penstock-worker", Join: true, AckWait: w.cfg.Worker.Lease, URL: w.cfg.NATSURL}
	if o.URL == "" {
		c, err := w.credentials(ctx)
		if err != nil {
			return nil, err
		}
		o.URL, o.User, o.Password = c.URL, c.User, c.Password
	}
	return queue.Open(ctx, o, w.log)
}

func (w *worker) credentials(ctx context.Context) (queue.Credentials, error) {
	file := w.cfg.path("dev", "nats.json")
	told := false
	for {
		c, err := queue.ReadCredentials(file)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return c, err
		}
		if !told {
			w.log.InfoContext(ctx, "waiting for a gateway on this machine, or set PENSTOCK_NATS_URL", "file", file)
			told = true
		}
		select {
		case <-ctx.Done():
			return c, ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// work consumes and sends heartbeats until ctx ends.
func (w *worker) work(ctx context.Context, ops string) error {
	beats, stopBeats := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBeats()
	if err := w.heartbeat(beats, false); err != nil {
		w.log.WarnContext(ctx, "no heartbeat", "error", err) // the next one comes in a moment
	}
	beating := make(chan struct{})
	go func() {
		defer close(beating)
		w.keepBeating(beats, ctx.Done())
	}()
	remove, err := runfile.Announce(w.cfg.DataDir, "worker", map[string]any{"pid": os.Getpid(), "ops": "http://" + ops, "id": w.id})
	if err != nil {
		return err
	}
	defer remove()
	w.ready.set()
	w.log.InfoContext(ctx, "worker is ready", "worker", w.id, "ops", "http://"+ops, "models", len(w.runner.Offers()))

	err = w.consumer.Run(ctx)
	w.log.InfoContext(ctx, "worker has drained")
	stopBeats()
	<-beating
	return err
}

func (w *worker) keepBeating(ctx context.Context, draining <-chan struct{}) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	drains := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-draining:
			drains, draining = true, nil
		case <-tick.C:
		}
		if err := w.heartbeat(ctx, drains); err != nil && ctx.Err() == nil {
			w.log.WarnContext(ctx, "no heartbeat", "error", err)
		}
	}
}

func (w *worker) heartbeat(ctx context.Context, draining bool) error {
	ctx, cancel := context.WithTimeout(ctx, 5*beat)
	defer cancel()
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return w.queue.Heartbeat(ctx, job.Worker{
		ID: w.id, Host: host, PID: os.Getpid(), SeenAt: time.Now().UTC(), Draining: draining, Models: w.runner.Offers(),
	})
}

// loadModels opens ONNX Runtime and the model repository. A model that cannot be loaded is offered as unavailable.
func loadModels(cfg *Config, worker string, reg prometheus.Registerer, log *slog.Logger) (*runner.Runner, func(), error) {
	rt, err := openRuntime(cfg)
	if err != nil {
		return nil, nil, err
	}
	c := runner.Config{ModelsDir: cfg.Worker.ModelsDir, Cores: cfg.Worker.Cores, Factories: factories(rt, cfg, worker)}
	if cfg.Worker.Sleep {
		c.Builtin = append(c.Builtin, &model.Manifest{
			Name: "sleep", Version: "1", Engine: "sleep", Slots: cfg.Worker.SleepSlots,
			Description: "waits, echoes, streams or fails as asked, for trying the broker out",
		})
	}
	r, err := runner.New(c, log, reg)
	if err != nil {
		return nil, nil, errors.Join(err, rt.Close())
	}
	return r, func() {
		if err := errors.Join(r.Close(), rt.Close()); err != nil {
			log.Warn("models are not closed cleanly", "error", err)
		}
	}, nil
}

func openRuntime(cfg *Config) (*onnx.Runtime, error) {
	library, err := onnx.Locate(cfg.Worker.ONNXRuntime, cfg.DataDir)
	if err != nil {
		return nil, err
	}
	return onnx.Open(library)
}

// factories make the engines, by their kinds.
func factories(rt *onnx.Runtime, cfg *Config, worker string) map[string]runner.Factory {
	return map[string]runner.Factory{
		uninlu.Kind: {Unary: func(b runner.Build) (engine.Unary, error) {
			return uninlu.New(rt, b.Dir, b.Manifest, uninlu.Options{Instances: b.Instances, Threads: b.Threads, Device: b.Manifest.Device})
		}},
		embed.Kind: {Unary: func(b runner.Build) (engine.Unary, error) {
			return embed.New(rt, b.Dir, b.Manifest, embed.Options{Instances: b.Instances, Threads: b.Threads, Device: b.Manifest.Device})
		}},
		tensor.Kind: {Unary: func(b runner.Build) (engine.Unary, error) {
			return tensor.New(rt, b.Dir, b.Manifest, tensor.Options{Instances: b.Instances, Threads: b.Threads, Device: b.Manifest.Device})
		}},
		generate.Kind: {Generator: func(b runner.Build) (engine.Generator, error) {
			return generate.New(rt, b.Dir, b.Manifest, generate.Options{Threads: b.Threads, Device: b.Manifest.Device})
		}},
		vision.Kind: {Generator: func(b runner.Build) (engine.Generator, error) {
			return vision.New(rt, b.Dir, b.Manifest, vision.Options{Encoders: b.Instances, Threads: b.Threads, Device: b.Manifest.Device})
		}},
		upstream.Kind: {Generator: func(b runner.Build) (engine.Generator, error) {
			return upstream.New(b.Manifest, upstream.Environ)
		}},
		"sleep": {Generator: func(b runner.Build) (engine.Generator, error) {
			return newSleep(cfg, b.Manifest.Slots, worker)
		}},
	}
}

func newSleep(cfg *Config, slots int, worker string) (engine.Generator, error) {
	e := sleep.New(slots, killSelf)
	if cfg.Worker.SleepEffects != "" {
		effects, err := sleep.OpenEffects(cfg.Worker.SleepEffects, worker)
		if err != nil {
			return nil, err
		}
		e.Record(effects)
	}
	return e, nil
}

// killSelf ends the process as a crash in native code would: at once, without a word.
func killSelf() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
}

// whyNotReady is the readiness of the operations listener.
func (w *worker) whyNotReady() error {
	if !w.ready.is() {
		return errors.New("starting")
	}
	if !w.queue.Ready() {
		return errors.New("the broker cannot be reached")
	}
	return nil
}
