package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker"
)

// credentials is data/dev/credentials.json.
type credentials struct {
	URL        string `json:"url"`
	CAFile     string `json:"ca_file"`
	Tenant     string `json:"tenant"`
	APIKey     string `json:"api_key"`
	Token      string `json:"token"`
	AdminToken string `json:"admin_token"`
}

// site is a gateway and a worker with a data folder of their own, and a client that trusts the folder's CA.
type site struct {
	t      testing.TB
	dir    string
	log    *lockedBuffer // what both processes log
	creds  credentials
	client *http.Client
}

// lockedBuffer collects logs from several goroutines.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer // guarded by mu
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func newSite(tb testing.TB) *site {
	tb.Helper()
	return &site{t: tb, dir: tb.TempDir(), log: new(lockedBuffer)}
}

// start runs both in this process.
func start(tb testing.TB) *site {
	tb.Helper()
	s := newSite(tb)
	s.startGateway(nil)
	s.startWorker(nil)
	s.ready()
	return s
}

func (s *site) logger() *slog.Logger { return slog.New(slog.NewJSONHandler(s.log, nil)) }

// background runs f until the returned function is called, or the test ends.
func (s *site) background(name string, f func(context.Context) error) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		assert.NoError(s.t, <-done, name)
	})
	s.t.Cleanup(stop)
	return stop
}

func (s *site) startGateway(change func(*gateway.Config)) (stop func()) {
	c := gateway.Default()
	c.DataDir, c.NATSAddr, c.RedisAddr = s.dir, "127.0.0.1:0", "127.0.0.1:0"
	c.HTTPSAddr, c.HTTPAddr, c.OpsAddr = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&c)
	}
	require.NoError(s.t, c.Validate())
	stop = s.background("gateway", func(ctx context.Context) error { return gateway.Run(ctx, c, s.logger()) })
	s.loadCredentials()
	return stop
}

func (s *site) startWorker(change func(*worker.Config)) (stop func()) {
	c := worker.Default()
	c.DataDir, c.Worker.OpsAddr, c.Worker.Lease = s.dir, "127.0.0.1:0", time.Second
	c.Worker.ModelsDir = repository(s.t, "uninlu-tiny")
	c.Worker.ONNXRuntime = onnxlib.Find(s.t)
	if change != nil {
		change(&c)
	}
	require.NoError(s.t, c.Validate())
	return s.background("worker", func(ctx context.Context) error { return worker.Run(ctx, c, s.logger()) })
}

// repository is one with the named models of ours.
func repository(tb testing.TB, models ...string) string {
	tb.Helper()
	dir := tb.TempDir()
	for _, name := range models {
		require.NoError(tb, os.Symlink(filepath.Join(onnxlib.Root(tb), "worker", "models", name), filepath.Join(dir, name)))
	}
	return dir
}

// loadCredentials waits for the gateway's run file and reads what to call it with.
func (s *site) loadCredentials() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		_, err := os.Stat(filepath.Join(s.dir, "run", "gateway.pid"))
		return err == nil
	}, 30*time.Second, 10*time.Millisecond, "the gateway did not start: %s", s.log)
	b, err := os.ReadFile(filepath.Join(s.dir, "dev", "credentials.json"))
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(b, &s.creds))
	ca, err := os.ReadFile(s.creds.CAFile)
	require.NoError(s.t, err)
	pool := x509.NewCertPool()
	require.True(s.t, pool.AppendCertsFromPEM(ca))
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 64,
	}
	s.client = &http.Client{Transport: transport, Timeout: 60 * time.Second}
	s.t.Cleanup(transport.CloseIdleConnections)
}

// runFile reads where the gateway listens.
func (s *site) runFile(into any) {
	s.t.Helper()
	b, err := os.ReadFile(filepath.Join(s.dir, "run", "gateway.json"))
	require.NoError(s.t, err)
	require.NoError(s.t, json.Unmarshal(b, into))
}

// ready waits until the gateway knows of the worker's models.
func (s *site) ready() {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		var list struct {
			Data []struct {
				ID     string `json:"id"`
				Status string `json:"status"`
			} `json:"data"`
		}
		s.get("/v1/models").json(&list)
		n := 0
		for _, m := range list.Data {
			if m.Status == "ready" {
				n++
			}
		}
		return n >= 2
	}, 30*time.Second, 20*time.Millisecond, "the models are not ready: %s", s.log)
}

// answer is a response, read whole.
type answer struct {
	t      testing.TB
	status int
	header http.Header
	body   []byte
}

func (a *answer) json(into any) *answer {
	a.t.Helper()
	require.NoError(a.t, json.Unmarshal(a.body, into), "%s", a.body)
	return a
}

func (a *answer) want(status int) *answer {
	a.t.Helper()
	require.Equal(a.t, status, a.status, "%s", a.body)
	return a
}

// problem checks an error answer.
func (a *answer) problem(status int, code, field string) {
	a.t.Helper()
	a.want(status)
	var p struct {
		Code, Field, Detail string
		RequestID           string `json:"request_id"`
	}
	a.json(&p)
	assert.Equal(a.t, "application/problem+json", a.header.Get("Content-Type"))
	assert.Equal(a.t, code, p.Code, "%s", a.body)
	assert.Equal(a.t, field, p.Field, "%s", a.body)
	assert.NotEmpty(a.t, p.Detail)
	assert.NotEmpty(a.t, p.RequestID)
}

// with is a change to a request.
type with func(*http.Request)

func header(name, value string) with { return func(r *http.Request) { r.Header.Set(name, value) } }

func bearer(token string) with { return header("Authorization", "Bearer "+token) }

func (s *site) request(method, path string, body any, changes ...with) *http.Request {
	s.t.Helper()
	var r io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		r = strings.NewReader(b)
	default:
		text, err := json.Marshal(b)
		require.NoError(s.t, err)
		r = bytes.NewReader(text)
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.creds.URL+path, r)
	require.NoError(s.t, err)
	req.Header.Set("Authorization", "Bearer "+s.creds.Token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, c := range changes {
		c(req)
	}
	return req
}

func (s *site) call(method, path string, body any, changes ...with) *answer {
	s.t.Helper()
	a, err := s.try(method, path, body, changes...)
	require.NoError(s.t, err)
	return a
}

func (s *site) try(method, path string, body any, changes ...with) (*answer, error) {
	res, err := s.client.Do(s.request(method, path, body, changes...))
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return &answer{t: s.t, status: res.StatusCode, header: res.Header, body: b}, err
}

func (s *site) get(path string, changes ...with) *answer {
	s.t.Helper()
	return s.call(http.MethodGet, path, nil, changes...)
}

func (s *site) post(path string, body any, changes ...with) *answer {
	s.t.Helper()
	return s.call(http.MethodPost, path, body, changes...)
}

// view is the part of a job that the tests look at.
type view struct {
	ID       string            `json:"id"`
	Version  string            `json:"version"`
	Status   string            `json:"status"`
	Attempt  int               `json:"attempt"`
	Output   json.RawMessage   `json:"output"`
	Error    *job.Error        `json:"error"`
	Metadata map[string]string `json:"metadata"`
}

// submit leaves a job and returns it as accepted.
func (s *site) submit(body any, changes ...with) view {
	s.t.Helper()
	var v view
	s.post("/v1/jobs", body, changes...).want(http.StatusAccepted).json(&v)
	return v
}

// ended waits for a job's end.
func (s *site) ended(id string) view {
	s.t.Helper()
	var v view
	s.get("/v1/jobs/" + id + "?wait=30").want(http.StatusOK).json(&v)
	require.Contains(s.t, []string{"succeeded", "failed", "canceled", "expired"}, v.Status)
	return v
}

// sleepJob is a job for the built-in model.
func sleepJob(input map[string]any) map[string]any {
	return map[string]any{"model": "sleep", "input": input}
}

// event is one server-sent event.
type event struct {
	id, name, data string
}

// stream reads events until done.
func (s *site) stream(req *http.Request) (events []event, raw string) {
	s.t.Helper()
	res, err := s.client.Do(req)
	require.NoError(s.t, err)
	defer res.Body.Close()
	require.Equal(s.t, http.StatusOK, res.StatusCode)
	require.Equal(s.t, "text/event-stream", strings.Split(res.Header.Get("Content-Type"), ";")[0])
	var e event
	var all strings.Builder
	lines := bufio.NewScanner(res.Body)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, ":") {
			continue
		}
		fmt.Fprintln(&all, line)
		switch field, value, _ := strings.Cut(line, ": "); field {
		case "id":
			e.id = value
		case "event":
			e.name = value
		case "data":
			e.data = value
		case "":
			events = append(events, e)
			if e.name == "done" {
				return events, all.String()
			}
			e = event{}
		}
	}
	require.NoError(s.t, lines.Err())
	return events, all.String()
}

func names(events []event) (out []string) {
	for _, e := range events {
		out = append(out, e.name)
	}
	return out
}
