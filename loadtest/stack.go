package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/http1"
	"github.com/penstock-dev/penstock/loadtest/internal/process"
)

// stack is a gateway and a worker on a data folder and ports of their own.
type stack struct {
	o               *benchOptions
	data            string
	gateway, worker *process.Process
	credentials     string // file for loadtest run
}

// startStack starts both, and makes a tenant with a daily quota for the load, as any tenant would have one.
func startStack(ctx context.Context, o *benchOptions, data string) (s *stack, err error) {
	s = &stack{o: o, data: data, credentials: filepath.Join(data, "loadtest.json")}
	if s.gateway, err = s.start(ctx, "gateway"); err != nil {
		return nil, err
	}
	if s.worker, err = s.start(ctx, "worker"); err != nil {
		return nil, errors.Join(err, s.gateway.Stop())
	}
	if err := s.makeTenant(ctx); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// start starts one of both; its output goes to a file beside the data folder.
func (s *stack) start(ctx context.Context, name string) (*process.Process, error) {
	return process.Start(ctx, name, filepath.Join(s.o.bin, name), s.data, filepath.Join(filepath.Dir(s.data), name+".log"), s.env())
}

// env is the processes' environment: ours, without the settings that a shell may hold for another gateway.
func (s *stack) env() []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "PENSTOCK_") {
			env = append(env, v)
		}
	}
	const free = "127.0.0.1:0"
	return append(env,
		"PENSTOCK_DATA_DIR="+s.data, "PENSTOCK_HTTPS_ADDR="+free, "PENSTOCK_HTTP_ADDR="+free, "PENSTOCK_OPS_ADDR="+free,
		"PENSTOCK_WORKER_OPS_ADDR="+free, "PENSTOCK_NATS_ADDR="+free, "PENSTOCK_REDIS_ADDR="+free,
		"PENSTOCK_LOG_FORMAT=json", "PENSTOCK_MODELS_DIR="+s.o.models, "PENSTOCK_ONNXRUNTIME="+s.o.library,
		"PENSTOCK_WORKER_SLEEP_SLOTS="+strconv.Itoa(s.o.slots), "PENSTOCK_PROFILES="+strconv.FormatBool(s.o.profiles != ""),
	)
}

// stop ends the worker, then the gateway.
func (s *stack) stop() error {
	return errors.Join(s.worker.Stop(), s.gateway.Stop())
}

// makeTenant makes the tenant, its key and a token, or takes those of an earlier start with the gateway's new address.
func (s *stack) makeTenant(ctx context.Context) error {
	var dev struct {
		URL        string `json:"url"`
		CAFile     string `json:"ca_file"`
		AdminToken string `json:"admin_token"`
		Token      string `json:"token"` // to be replaced
	}
	b, err := os.ReadFile(filepath.Join(s.data, "dev", "credentials.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, &dev); err != nil {
		return err
	}
	t := target{caFile: dev.CAFile, token: dev.AdminToken}
	if t.addr, t.name, err = loopback(dev.URL); err != nil {
		return err
	}
	const tenant = "loadtest"
	err = s.call(ctx, t, "/admin/v1/tenants", `{"id":"`+tenant+`","scopes":["*"],"daily_quota":1000000000}`, nil)
	if err != nil && !errors.Is(err, errConflict) {
		return err
	}
	var key struct {
		Key string `json:"key"`
	}
	if err := s.call(ctx, t, "/admin/v1/tenants/"+tenant+"/keys", `{}`, &key); err != nil {
		return err
	}
	var pair struct {
		AccessToken string `json:"access_token"`
	}
	t.token = key.Key
	if err := s.call(ctx, t, "/v1/auth/token", `{}`, &pair); err != nil {
		return err
	}
	dev.AdminToken, dev.Token = "", pair.AccessToken
	if b, err = json.Marshal(dev); err != nil {
		return err
	}
	return os.WriteFile(s.credentials, b, 0o600)
}

var errConflict = errors.New("there already")

// call is one POST on a connection of its own.
func (s *stack) call(ctx context.Context, t target, path, body string, into any) error {
	d, err := http1.NewDialer(t.addr, t.name, t.caFile)
	if err != nil {
		return err
	}
	c, err := d.Open(ctx, time.Now().Add(10*time.Second))
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // its answer was read
	post := scenario{method: "POST", path: path, bodies: func(int) [][]byte { return [][]byte{[]byte(body)} }}
	status, answer, err := c.Do(post.requests(t, 0)[0])
	switch {
	case err != nil:
		return err
	case status == 409:
		return errConflict
	case status >= 300:
		return fmt.Errorf("%s: status %d: %s", path, status, answer)
	case into == nil:
		return nil
	}
	return json.Unmarshal(answer, into)
}

// settled waits until the worker has nothing left to do.
func (s *stack) settled(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	tick := time.NewTicker(300 * time.Millisecond)
	defer tick.Stop()
	for before := -1.0; ; {
		m, err := s.worker.Metrics(ctx)
		if err != nil {
			return err
		}
		now := m.Sum("penstock_worker_attempts_total")
		if now == before {
			return nil
		}
		before = now
		select {
		case <-ctx.Done():
			return errors.New("the worker does not come to an end of its jobs")
		case <-tick.C:
		}
	}
}
