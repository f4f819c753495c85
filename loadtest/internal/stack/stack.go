package stack

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/process"
)

// Process is a gateway or a worker.
type Process = process.Process

// Options say what is started.
type Options struct {
	Bin        string   // folder with the binaries gateway and worker
	SleepSlots int      // of the model sleep on each worker; 0 for the default of 16
	Env        []string // KEY=VALUE for all processes, over what is set here
	Models     string   // the model repository; an empty one by default, so that there is only sleep
	NoWorker   bool     // start none; StartWorker does
}

// Stack is a gateway and its workers on a folder of their own.
type Stack struct {
	o     Options
	dir   string
	addr  string // of the gateway's HTTPS
	env   []string
	http  *http.Client
	admin *Client
	ca    string // file

	mu      sync.Mutex
	gateway *Process   // guarded by mu
	workers []*Process // guarded by mu: all that were started
}

// Start starts a gateway and one worker, and returns when both are ready.
func Start(ctx context.Context, o Options) (s *Stack, err error) {
	bin, err := filepath.Abs(o.Bin)
	if err != nil {
		return nil, err
	}
	o.Bin = bin
	dir, err := os.MkdirTemp("", "penstock-stack-")
	if err != nil {
		return nil, err
	}
	s = &Stack{o: o, dir: dir}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
			s = nil
		}
	}()
	if s.o.Models == "" {
		s.o.Models = filepath.Join(dir, "models")
		if err = os.Mkdir(s.o.Models, 0o700); err != nil {
			return s, err
		}
	}
	if s.o.Models, err = filepath.Abs(s.o.Models); err != nil {
		return s, err
	}
	if s.env, err = s.environment(ctx); err != nil {
		return s, err
	}
	if err = s.StartGateway(ctx); err != nil {
		return s, err
	}
	if err = s.connect(); err != nil || s.o.NoWorker {
		return s, err
	}
	_, err = s.StartWorker(ctx)
	return s, err
}

// environment is that of the processes: ours, without the settings that a shell may hold for another gateway. The ports
// stay the same when a process is started again.
func (s *Stack) environment(ctx context.Context) ([]string, error) {
	library := filepath.Join("data", "onnxruntime")
	var env []string
	for _, v := range os.Environ() {
		if place, ok := strings.CutPrefix(v, "PENSTOCK_ONNXRUNTIME="); ok && place != "" {
			library = place
		}
		if !strings.HasPrefix(v, "PENSTOCK_") {
			env = append(env, v)
		}
	}
	library, err := filepath.Abs(library)
	if err != nil {
		return nil, err
	}
	s.addr = freeAddr(ctx)
	const free = "127.0.0.1:0"
	return append(env,
		"PENSTOCK_HTTPS_ADDR="+s.addr, "PENSTOCK_HTTP_ADDR=off", "PENSTOCK_OPS_ADDR="+free, "PENSTOCK_WORKER_OPS_ADDR="+free,
		"PENSTOCK_NATS_ADDR="+freeAddr(ctx), "PENSTOCK_REDIS_ADDR="+free, "PENSTOCK_LOG_FORMAT=json",
		"PENSTOCK_MODELS_DIR="+s.o.Models, "PENSTOCK_ONNXRUNTIME="+library, "PENSTOCK_WORKER_SLEEP_SLOTS="+strconv.Itoa(s.o.SleepSlots),
	), nil
}

// freeAddr finds a port that stays free while its server is down: below those that the system gives to outgoing
// connections.
func freeAddr(ctx context.Context) string {
	for {
		addr := "127.0.0.1:" + strconv.Itoa(15000+rand.IntN(15000)) //nolint:gosec // no secret
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
		if err == nil && l.Close() == nil || ctx.Err() != nil {
			return addr
		}
	}
}

// Dir is the folder that holds everything: logs, and a folder for each process.
func (s *Stack) Dir() string { return s.dir }

// Data is the gateway's data folder.
func (s *Stack) Data() string { return filepath.Join(s.dir, "gateway") }

// Addr is where the gateway serves HTTPS.
func (s *Stack) Addr() string { return s.addr }

// Gateway is the gateway's process, the last that was started.
func (s *Stack) Gateway() *Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gateway
}

// Workers are all workers that were started and have not ended.
func (s *Stack) Workers() []*Process {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.workers), func(p *Process) bool {
		select {
		case <-p.Ended():
			return true
		default:
			return false
		}
	})
}

// StartGateway starts the gateway, again where it was stopped: on the same data and ports. env comes over the options'.
func (s *Stack) StartGateway(ctx context.Context, env ...string) error {
	all := slices.Concat(s.env, []string{"PENSTOCK_DATA_DIR=" + s.Data()}, s.o.Env, env)
	p, err := process.Start(ctx, "gateway", filepath.Join(s.o.Bin, "gateway"), s.Data(), s.Data()+".log", all)
	if err != nil {
		return err
	}
	s.mu.Lock()
	s.gateway = p
	s.mu.Unlock()
	return nil
}

// StopGateway ends the gateway gently; its data stay.
func (s *Stack) StopGateway() error { return s.Gateway().Stop() }

// StartWorker starts one more worker. env comes over the options'.
func (s *Stack) StartWorker(ctx context.Context, env ...string) (*Process, error) {
	url, err := s.broker()
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	data := filepath.Join(s.dir, "worker"+strconv.Itoa(len(s.workers)+1))
	s.mu.Unlock()
	all := slices.Concat(s.env, []string{"PENSTOCK_DATA_DIR=" + data, "PENSTOCK_NATS_URL=" + url}, s.o.Env, env)
	p, err := process.Start(ctx, "worker", filepath.Join(s.o.Bin, "worker"), data, data+".log", all)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	s.workers = append(s.workers, p)
	s.mu.Unlock()
	return p, nil
}

// broker is the embedded broker's URL with a worker's credentials, which outlive the gateway.
func (s *Stack) broker() (string, error) {
	var c struct {
		URL      string `json:"url"`
		User     string `json:"user"`
		Password string `json:"password"`
	}
	if err := readJSON(filepath.Join(s.Data(), "dev", "nats.json"), &c); err != nil {
		return "", err
	}
	return strings.Replace(c.URL, "nats://", "nats://"+c.User+":"+c.Password+"@", 1), nil
}

// connect makes the client of all callers and the admin's.
func (s *Stack) connect() error {
	var c struct {
		CAFile     string `json:"ca_file"`
		AdminToken string `json:"admin_token"`
	}
	if err := readJSON(filepath.Join(s.Data(), "dev", "credentials.json"), &c); err != nil {
		return err
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return fmt.Errorf("%s holds no certificate", c.CAFile)
	}
	s.ca = c.CAFile
	s.http = &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		MaxIdleConns:        0, // no bound
		MaxIdleConnsPerHost: 4096,
		IdleConnTimeout:     time.Minute,
	}}
	s.admin = &Client{Tenant: "admin", Token: c.AdminToken, s: s}
	return nil
}

// Admin is a client that may do everything.
func (s *Stack) Admin() *Client { return s.admin }

func readJSON(file string, into any) error {
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, into); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

// Stop ends the workers, then the gateway, and removes the folder.
func (s *Stack) Stop() error {
	s.mu.Lock()
	processes := slices.Clone(s.workers)
	if s.gateway != nil {
		processes = append(processes, s.gateway)
	}
	s.mu.Unlock()
	return errors.Join(s.end(processes), os.RemoveAll(s.dir))
}

// Kill ends everything at once, without a farewell, and removes the folder: for stacks with work left.
func (s *Stack) Kill() error {
	s.mu.Lock()
	processes := slices.Clone(s.workers)
	if s.gateway != nil {
		processes = append(processes, s.gateway)
	}
	s.mu.Unlock()
	for _, p := range processes {
		p.Kill()
	}
	return errors.Join(s.end(processes), os.RemoveAll(s.dir))
}

func (s *Stack) end(processes []*Process) error {
	if s.http != nil {
		s.http.CloseIdleConnections()
	}
	var errs []error
	for _, p := range processes {
		errs = append(errs, p.Stop())
	}
	return errors.Join(errs...)
}
