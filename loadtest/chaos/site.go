package main

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// lease is how long after a worker's death its jobs are handed out again: the shortest that a worker takes.
const lease = time.Second

// site is the processes of one profile, their folders and what clients need to call them.
type site struct {
	o        *options
	p        profile
	dir      string
	rng      *rand.Rand // of the set-up only
	gateways []*server
	workers  []*server
	brokers  []*server
	steward  *server // a gateway that is never hurt nor called: the Redis of gateways that share one
	addrs    []string
	natsAddr []string
	broker   string // URL, without a proxy before it
	redis    string
	roots    *x509.CertPool
	admin    string // token
	faults   *faultLog
	proxies  []*proxy // before the broker's servers, one for each gateway and worker
	hooks    *receiver
	probe    func() *entry // a job of the harness's own, to see whether one is accepted
	hints    *atomic.Int64 // that told workers of the flooding tenant's backlog
	logs     []*os.File
	mounted  bool // the small disk is there
	stopAll  context.CancelFunc
	running  sync.WaitGroup
	mu       sync.Mutex
	failed   []error // guarded by mu: processes that could not be started
}

// newSite makes folders and copies the binaries, so that a build meanwhile changes nothing.
func newSite(ctx context.Context, o *options, p profile) (*site, error) {
	dir, err := os.MkdirTemp("", "penstock-chaos-")
	if err != nil {
		return nil, err
	}
	s := &site{
		o: o, p: p, dir: dir, rng: rand.New(rand.NewPCG(o.seed, 1)), roots: x509.NewCertPool(), faults: &faultLog{small: p.small && p.brokers == 0}, //nolint:gosec // no secret
		stopAll: func() {},
	}
	if err := os.Mkdir(s.path("models"), 0o700); err != nil { // empty: sleep is built in
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	for _, name := range []string{"gateway", "worker"} {
		if err := copyFile(filepath.Join(o.bin, name), s.path(name)); err != nil {
			return nil, errors.Join(fmt.Errorf("%w (make build)", err), os.RemoveAll(dir))
		}
	}
	if p.brokers > 0 {
		cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", s.path("nats-server"), "github.com/nats-io/nats-server/v2") //nolint:gosec // our own folder
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, errors.Join(fmt.Errorf("nats-server: %w: %s", err, out), os.RemoveAll(dir))
		}
	}
	return s, nil
}

func copyFile(from, to string) error {
	in, err := os.Open(from) //nolint:gosec // named by the operator
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o700) //nolint:gosec // a program
	if err != nil {
		return errors.Join(err, in.Close())
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, in.Close(), out.Close())
}

func (s *site) path(elem ...string) string { return filepath.Join(append([]string{s.dir}, elem...)...) }

// start starts everything and waits until it is ready.
func (s *site) start(ctx context.Context) error {
	life, stop := context.WithCancel(ctx)
	s.stopAll = stop
	gatewayEnv := []string{"PENSTOCK_WEBHOOKS_TIMEOUT=1s", "PENSTOCK_WEBHOOKS_BACKOFF=0.1"}
	var err error
	if s.hooks, err = newReceiver(ctx); err != nil {
		return err
	}
	var sizes []string
	if s.p.small {
		if err := s.mount(); err != nil {
			return err
		}
		sizes = []string{"PENSTOCK_QUEUE_MAX_BYTES=33554432", "PENSTOCK_BLOBS_MAX_STORED=16777216"}
		gatewayEnv = append(gatewayEnv, sizes...)
	}
	nats := s.freeAddr(ctx)
	if s.p.brokers > 0 {
		if err := s.startBrokers(life); err != nil {
			return err
		}
		nats = strings.Join(s.natsAddr, ",nats://")
		if err := s.startSteward(life, "nats://"+nats, sizes); err != nil {
			return err
		}
		gatewayEnv = append(gatewayEnv,
			"PENSTOCK_MODE=development", "PENSTOCK_REDIS_URL=redis://"+s.redis,
			"PENSTOCK_AUTH_KEY_DIR="+s.path("keys"), "PENSTOCK_QUEUE_REPLICAS="+strconv.Itoa(s.p.brokers),
		)
	}
	for i := range s.p.gateways {
		dir, addr := s.path("gateway"+strconv.Itoa(i+1)), s.freeAddr(ctx)
		s.addrs = append(s.addrs, addr)
		env := append(slices.Clone(gatewayEnv), "PENSTOCK_HTTPS_ADDR="+addr, "PENSTOCK_NATS_ADDR="+nats)
		if s.p.brokers > 0 {
			url, err := s.proxied(ctx)
			if err != nil {
				return err
			}
			env = append(env, "PENSTOCK_NATS_URL="+url)
		}
		s.gateways = append(s.gateways, s.gateway(dir, env))
	}
	for _, g := range s.gateways {
		s.keep(life, g)
		if err := awaitUp(ctx, g); err != nil {
			return errors.Join(err, s.failure())
		}
	}
	for i := range s.gateways {
		if err := s.readCredentials(s.path("gateway" + strconv.Itoa(i+1))); err != nil {
			return err
		}
	}
	url := "nats://" + nats
	if s.p.brokers == 0 {
		if url, err = workerURL(s.path("gateway1", "dev", "nats.json")); err != nil {
			return err
		}
	}
	s.broker = url
	for i := range s.p.workers {
		if s.p.brokers > 0 {
			if url, err = s.proxied(ctx); err != nil {
				return err
			}
		}
		w := s.worker(s.path("worker"+strconv.Itoa(i+1)), url)
		s.workers = append(s.workers, w)
		s.keep(life, w)
	}
	return errors.Join(awaitUp(ctx, s.workers...), s.failure())
}

// proxied is the broker's URL for one process, by a way of its own.
func (s *site) proxied(ctx context.Context) (string, error) {
	p, err := newProxy(ctx, s.natsAddr)
	if err != nil {
		return "", err
	}
	s.proxies = append(s.proxies, p)
	return "nats://" + strings.Join(p.addrs, ",nats://"), nil
}

// disk is the folder that a profile has on a small disk: that of a broker, or of a gateway with its embedded broker and
// Redis.
func (s *site) disk() string {
	if s.p.brokers > 0 {
		return s.path("broker1")
	}
	return s.path("gateway1")
}

// mount makes that folder a small disk.
func (s *site) mount() error {
	dir := s.disk()
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:gosec // our own folder
		return err
	}
	err := mountSmall(dir)
	s.mounted = err == nil
	return err
}

// keep has a server started, and started again, in the background.
func (s *site) keep(ctx context.Context, srv *server) {
	if srv.died == nil {
		srv.died = s.faults.unasked
	}
	s.running.Go(func() {
		if err := srv.keep(ctx); err != nil {
			s.mu.Lock()
			s.failed = append(s.failed, err)
			s.mu.Unlock()
		}
	})
}

func (s *site) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return errors.Join(s.failed...)
}

// stop kills what runs and removes the folder.
func (s *site) stop(keep bool) error {
	s.stopAll()
	s.running.Wait()
	for _, p := range s.proxies {
		_ = p.close() // nobody is behind it any more
	}
	if s.hooks != nil {
		s.hooks.close()
	}
	if s.mounted {
		if err := unmountSmall(s.disk()); err != nil {
			return err
		}
	}
	for _, l := range s.logs {
		_ = l.Close() // it was written by others
	}
	if keep {
		return nil
	}
	return os.RemoveAll(s.dir) //nolint:gosec // the folder that newSite made
}

// servers is everything that may be hurt.
func (s *site) servers() []*server {
	return append(append(append([]*server(nil), s.brokers...), s.gateways...), s.workers...)
}

// process describes a server on a folder of its own, whose output goes to a log beside it.
func (s *site) process(program, dir string, args, env []string, ready func(context.Context, int) bool) *server {
	name := filepath.Base(dir)
	log, err := os.OpenFile(dir+".log", os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err == nil {
		s.logs = append(s.logs, log)
	}
	all := []string{
		"PENSTOCK_DATA_DIR=" + dir, "PENSTOCK_HTTP_ADDR=off", "PENSTOCK_OPS_ADDR=127.0.0.1:0", "PENSTOCK_WORKER_OPS_ADDR=127.0.0.1:0",
		"PENSTOCK_REDIS_ADDR=127.0.0.1:0", "PENSTOCK_LOG_FORMAT=json",
	}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PENSTOCK_") {
			all = append(all, v)
		}
	}
	all = append(all, env...)
	return newServer(name, func() *exec.Cmd {
		cmd := exec.Command(s.path(program), args...) //nolint:gosec,noctx // our own binary; server.keep ends it
		cmd.Env, cmd.Stdout, cmd.Stderr = all, log, log
		return cmd
	}, ready)
}

func (s *site) gateway(dir string, env []string) *server {
	return s.process("gateway", dir, nil, env, func(ctx context.Context, pid int) bool { return announced(ctx, dir, "gateway", pid) })
}

func (s *site) worker(dir, url string) *server {
	library, err := filepath.Abs(s.o.library)
	if err != nil {
		library = s.o.library
	}
	env := []string{
		"PENSTOCK_NATS_URL=" + url, "PENSTOCK_ONNXRUNTIME=" + library, "PENSTOCK_MODELS_DIR=" + s.path("models"),
		"PENSTOCK_WORKER_LEASE=" + lease.String(), "PENSTOCK_WORKER_GRACE=300ms",
		"PENSTOCK_WORKER_SLEEP_SLOTS=" + strconv.Itoa(sleepSlots), "PENSTOCK_WORKER_SLEEP_EFFECTS=" + s.path("effects"),
	}
	return s.process("worker", dir, nil, env, func(ctx context.Context, pid int) bool { return announced(ctx, dir, "worker", pid) })
}

// startBrokers starts the nats-server processes, a cluster when there are several.
func (s *site) startBrokers(ctx context.Context) error {
	var routes, cluster []string
	for range s.p.brokers {
		s.natsAddr = append(s.natsAddr, s.freeAddr(ctx))
		cluster = append(cluster, s.freeAddr(ctx))
		routes = append(routes, "nats://"+cluster[len(cluster)-1])
	}
	size := ""
	if s.p.small { // left to itself it takes a part of what is free when it starts, and on a full disk that is less than the streams reserve
		size = fmt.Sprintf(", max_file_store: %d", diskSize*3/4)
	}
	for i, addr := range s.natsAddr {
		dir := s.path("broker" + strconv.Itoa(i+1))
		monitor := s.freeAddr(ctx)
		conf := fmt.Sprintf("server_name: n%d\nlisten: %q\nhttp: %q\nmax_payload: 4MB\njetstream { store_dir: %q%s }\n", i+1, addr, monitor, dir, size)
		if s.p.brokers > 1 {
			conf += fmt.Sprintf("cluster { name: chaos, no_advertise: true, listen: %q, routes: [%q] }\n", cluster[i], strings.Join(routes, `","`))
			conf = strings.ReplaceAll(conf, `\",\"`, `", "`)
		}
		if err := os.WriteFile(dir+".conf", []byte(conf), 0o600); err != nil { //nolint:gosec // our own folder
			return err
		}
		b := s.process("nats-server", dir, []string{"-c", dir + ".conf"}, nil, func(ctx context.Context, _ int) bool {
			return answers(ctx, "http://"+monitor+"/healthz")
		})
		s.brokers = append(s.brokers, b)
		s.keep(ctx, b)
	}
	return errors.Join(awaitUp(ctx, s.brokers...), s.failure())
}

// startSteward starts the gateway whose embedded Redis the others share: a Redis of its own process is not what is
// tested here, and not every machine has one.
func (s *site) startSteward(ctx context.Context, nats string, env []string) error {
	dir := s.path("steward")
	s.steward = s.gateway(dir, append(slices.Clone(env),
		"PENSTOCK_NATS_URL="+nats, "PENSTOCK_HTTPS_ADDR=127.0.0.1:0", "PENSTOCK_AUTH_KEY_DIR="+s.path("keys"),
		"PENSTOCK_QUEUE_REPLICAS="+strconv.Itoa(s.p.brokers),
	))
	s.keep(ctx, s.steward)
	if err := awaitUp(ctx, s.steward); err != nil {
		return err
	}
	var run struct {
		Redis string `json:"redis"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "run", "gateway.json")) //nolint:gosec // our own folder
	if err == nil {
		err = json.Unmarshal(b, &run)
	}
	s.redis = run.Redis
	return err
}

// readCredentials takes a gateway's CA and the admin token.
func (s *site) readCredentials(dir string) error {
	var c struct {
		CAFile     string `json:"ca_file"`
		AdminToken string `json:"admin_token"`
	}
	b, err := os.ReadFile(filepath.Join(dir, "dev", "credentials.json")) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return err
	}
	ca, err := os.ReadFile(c.CAFile)
	if err != nil {
		return err
	}
	s.admin = c.AdminToken
	s.roots.AppendCertsFromPEM(ca)
	return nil
}

// workerURL is the embedded broker's, with a worker's credentials, which outlive the gateway.
func workerURL(file string) (string, error) {
	var c struct {
		URL      string `json:"url"`
		User     string `json:"user"`
		Password string `json:"password"`
	}
	b, err := os.ReadFile(file) //nolint:gosec // our own folder
	if err != nil {
		return "", err
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return "", err
	}
	return strings.Replace(c.URL, "nats://", "nats://"+c.User+":"+c.Password+"@", 1), nil
}

// freeAddr finds a port that stays free while its server is down: below those that the system gives to outgoing
// connections, which could take it, and even connect to themselves there.
func (s *site) freeAddr(ctx context.Context) string {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(15000+rand.IntN(15000)) //nolint:gosec // another run may have the same seed
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil && l.Close() == nil {
			return addr
		}
		if ctx.Err() != nil {
			return addr
		}
	}
}

// panics counts the lines of a panic or a race in all logs.
func (s *site) panics() (found []string) {
	logs, err := filepath.Glob(s.path("*.log"))
	if err != nil {
		return nil
	}
	for _, log := range logs {
		b, err := os.ReadFile(log) //nolint:gosec // our own folder
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(b)) {
			if strings.HasPrefix(line, "panic:") || strings.HasPrefix(line, "fatal error:") || strings.Contains(line, "DATA RACE") {
				found = append(found, filepath.Base(log)+": "+strings.TrimSpace(line))
			}
		}
	}
	return found
}
