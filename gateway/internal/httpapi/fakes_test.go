package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// fasthttp keeps one goroutine for the Date header for as long as the process lives.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		// fasthttp's cleaner of idle workers sees only after its sleep that its server has stopped.
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

const (
	goodToken  = "good-token"
	adminToken = "admin-token"
	bareToken  = "bare-token" // holds no scope
	someJob    = "job_01hzzzzzzzzzzzzzzzzzzzzzzz"
)

// fakeAuth knows three tokens.
type fakeAuth struct{}

func (fakeAuth) Authenticate(_ context.Context, bearer string, _ netip.Addr) (*tenant.Principal, error) {
	p := &tenant.Principal{Tenant: tenant.Tenant{ID: "tenant-001", Enabled: true}, Subject: "alice"}
	switch bearer {
	case goodToken:
		p.Scopes = []string{"jobs", "model:sleep"}
	case adminToken:
		p.Scopes = []string{"*"}
	case bareToken:
	case "disabled-token":
		return nil, fault.New(fault.TenantDisabled, "the tenant is disabled")
	case "panic-token":
		panic("a bug")
	default:
		return nil, fault.New(fault.Unauthenticated, "the token is not valid")
	}
	return p, nil
}

func (fakeAuth) Issue(_ context.Context, _ *tenant.Principal, r tenant.TokenRequest) (tenant.TokenPair, error) {
	return tenant.TokenPair{AccessToken: "a", TokenType: "Bearer", ExpiresIn: int64(r.ExpiresIn), RefreshToken: "r", Scope: r.Scope}, nil
}

func (fakeAuth) Refresh(_ context.Context, token string) (tenant.TokenPair, error) {
	if token != "r" {
		return tenant.TokenPair{}, fault.New(fault.Unauthenticated, "the refresh token is not valid")
	}
	return tenant.TokenPair{AccessToken: "b", TokenType: "Bearer", ExpiresIn: 60}, nil
}

func (fakeAuth) Revoke(context.Context, *tenant.Principal, string) error { return nil }
func (fakeAuth) JWKS() []byte                                            { return []byte(`{"keys":[]}`) }

// fakeJobs runs nothing: submit decides what becomes of a request. Its zero submit ends every job at once.
type fakeJobs struct {
	mu       sync.Mutex
	got      []job.Request // guarded by mu
	canceled []string      // guarded by mu
	submit   func(ctx context.Context, r job.Request) (job.Submission, error)
	wait     func(ctx context.Context, id string) (job.State, error)
	events   func(ctx context.Context, id string, after int) (Stream, error)
}

func stateOf(id string, status job.Status, output string) job.State {
	st := job.State{
		Job: &job.Job{
			ID: id, Tenant: "tenant-001", Model: "sleep", Class: job.Standard, MaxAttempts: 3, Task: "sleep",
			CreatedAt: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
		},
		Status: status, Version: "1", Attempt: 1,
	}
	if output != "" {
		st.Output = []byte(output)
	}
	return st
}

func (j *fakeJobs) Submit(ctx context.Context, _ *tenant.Principal, r job.Request) (job.Submission, error) {
	j.mu.Lock()
	j.got = append(j.got, r)
	j.mu.Unlock()
	if j.submit != nil {
		return j.submit(ctx, r)
	}
	sub := job.Submission{Limits: []job.LimitState{{Name: "tenant", Limit: 60, Window: time.Minute, Remaining: 59, Reset: 1500 * time.Millisecond}}}
	if sub.State = stateOf(someJob, job.Succeeded, `{"echo":1,"attempt":1}`); r.Wait == 0 {
		sub.State = stateOf(someJob, job.Queued, "")
	}
	return sub, nil
}

func (j *fakeJobs) last(t *testing.T) job.Request {
	t.Helper()
	j.mu.Lock()
	defer j.mu.Unlock()
	require.NotEmpty(t, j.got)
	return j.got[len(j.got)-1]
}

func (j *fakeJobs) Get(_ context.Context, _, id string) (job.State, error) {
	switch id {
	case someJob:
		return stateOf(id, job.Running, ""), nil
	case "job_gone":
		return job.State{}, fault.New(fault.Gone, "the job's result was kept for a day")
	}
	return job.State{}, fault.New(fault.NotFound, "there is no such job")
}

func (j *fakeJobs) Wait(ctx context.Context, tenantID, id string) (job.State, error) {
	if j.wait != nil {
		return j.wait(ctx, id)
	}
	return j.Get(ctx, tenantID, id)
}

func (j *fakeJobs) Events(ctx context.Context, tenantID, id string, after int) (Stream, error) {
	if j.events != nil {
		return j.events(ctx, id, after)
	}
	if _, err := j.Get(ctx, tenantID, id); err != nil {
		return nil, err
	}
	all := []job.Message{
		{ID: 1, Name: "status", Data: []byte(`{"status":"queued"}`)},
		{ID: 2, Name: "output", Data: []byte(`{"text":"人"}`)},
		{ID: 3, Name: "done", Data: []byte(`{"id":"` + id + `"}`)},
	}
	return &fakeStream{rest: all[min(after, len(all)):]}, nil
}

func (j *fakeJobs) Cancel(_ context.Context, _, id string) (job.State, error) {
	j.mu.Lock()
	j.canceled = append(j.canceled, id)
	j.mu.Unlock()
	if id != someJob {
		return job.State{}, fault.New(fault.Conflict, "the job has ended")
	}
	return stateOf(id, job.Canceled, ""), nil
}

func (j *fakeJobs) canceledIDs() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]string(nil), j.canceled...)
}

func (j *fakeJobs) List(_ context.Context, _ string, f job.Filter) (job.Page, error) {
	if f.Cursor != "" {
		return job.Page{}, nil
	}
	return job.Page{Jobs: []job.State{stateOf(someJob, job.Succeeded, "1"), stateOf("job_b", job.Queued, "")}, Next: "abc"}, nil
}

func (j *fakeJobs) Workers() []job.Worker { return nil }

func (j *fakeJobs) Retry(_ context.Context, _ *tenant.Principal, id string) (job.Submission, error) {
	if id != someJob {
		return job.Submission{}, fault.New(fault.Conflict, "only a failed job is retried")
	}
	return job.Submission{State: stateOf(id, job.Queued, "")}, nil
}

func (j *fakeJobs) DeadLetters(_ context.Context, model, _, cursor string, _ int) ([]job.DeadLetter, string, error) {
	if model == "none" || cursor != "" {
		return []job.DeadLetter{}, "", nil
	}
	return []job.DeadLetter{letter("dl_1"), letter("dl_2")}, "dl_2", nil
}

func letter(id string) job.DeadLetter {
	return job.DeadLetter{ID: id, JobID: someJob, Model: "sleep", Tenant: "tenant-001", Reason: "attempts_exhausted", Attempts: 3}
}

func (j *fakeJobs) DeadLetter(_ context.Context, id string) (job.DeadLetter, error) {
	if id != "dl_1" && id != "dl_2" {
		return job.DeadLetter{}, fault.New(fault.NotFound, "there is no such dead letter")
	}
	return letter(id), nil
}

func (j *fakeJobs) Redrive(_ context.Context, p *tenant.Principal, id string) (job.Submission, error) {
	if id != "dl_1" {
		return job.Submission{}, fault.New(fault.QuotaExceeded, "no more today")
	}
	st := stateOf(someJob, job.Queued, "")
	st.Job.Tenant = p.Tenant.ID
	return job.Submission{State: st}, nil
}

func (j *fakeJobs) Discard(ctx context.Context, id string) error {
	_, err := j.DeadLetter(ctx, id)
	return err
}

func (j *fakeJobs) Models() []job.Model {
	return []job.Model{
		{Name: "sleep", Versions: []string{"1"}, Engine: "sleep", Workers: 1, Slots: 16, Free: 16},
		{Name: "broken", Engine: "uninlu", Error: "the file's hash differs"},
		{Name: "digits", Versions: []string{"1"}, Engine: "tensor", Workers: 1, About: job.About{
			Context: 512, Chat: true, Images: true, Tools: true, Thinking: true, Dimensions: 64,
			Inputs:  []job.Spec{{Name: "x", Datatype: "FP32", Shape: []int64{-1, 28}}},
			Outputs: []job.Spec{{Name: "y", Datatype: "BYTES"}},
		}},
	}
}

// fakeStream gives its messages, then what tail says, or io.EOF.
type fakeStream struct {
	rest   []job.Message
	tail   func(ctx context.Context) (job.Message, error)
	closed chan struct{}
}

func (s *fakeStream) Next(ctx context.Context) (job.Message, error) {
	if len(s.rest) == 0 {
		if s.tail != nil {
			return s.tail(ctx)
		}
		return job.Message{}, io.EOF
	}
	m := s.rest[0]
	s.rest = s.rest[1:]
	return m, nil
}

func (s *fakeStream) Close() {
	if s.closed != nil {
		close(s.closed)
	}
}

// fakeTenants holds one tenant.
type fakeTenants struct{}

func (fakeTenants) Create(_ context.Context, body []byte) (tenant.Tenant, error) {
	if bytes.Contains(body, []byte("taken")) {
		return tenant.Tenant{}, fault.New(fault.Conflict, "the tenant exists already")
	}
	return tenant.Tenant{ID: "tenant-002", Enabled: true, Weight: 1}, nil
}

func (fakeTenants) Get(_ context.Context, id string) (tenant.Tenant, error) {
	if id != "tenant-001" {
		return tenant.Tenant{}, fault.New(fault.NotFound, "there is no such tenant")
	}
	return tenant.Tenant{ID: id, Enabled: true, Weight: 1}, nil
}

func (fakeTenants) List(context.Context, string, int) (tenant.List[tenant.Tenant], error) {
	return tenant.List[tenant.Tenant]{Data: []tenant.Tenant{{ID: "tenant-001"}}}, nil
}

func (f fakeTenants) Update(ctx context.Context, id string, _ []byte) (tenant.Tenant, error) {
	return f.Get(ctx, id)
}
func (fakeTenants) Delete(context.Context, string) error { return nil }

func (fakeTenants) CreateKey(_ context.Context, id string, _ []byte) (tenant.NewKey, error) {
	return tenant.NewKey{Key: tenant.Key{ID: "abc", Tenant: id}, Secret: "psk_abc_x"}, nil
}

func (fakeTenants) ListKeys(context.Context, string, string, int) (tenant.List[tenant.Key], error) {
	return tenant.List[tenant.Key]{Data: []tenant.Key{}}, nil
}
func (fakeTenants) DeleteKey(context.Context, string, string) error { return nil }

// lockedBuffer takes log lines from any goroutine.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// api is a server under test, on real listeners.
type api struct {
	*Server
	jobs         *fakeJobs
	audit, log   *lockedBuffer
	tls, plain   string // addresses
	client       *http.Client
	serveStopped chan error
}

// fakeWebhooks has one delivery of each job.
type fakeWebhooks struct{}

func (fakeWebhooks) Log(_ context.Context, _, id string) ([]job.HookDelivery, error) {
	next := time.Date(2026, 11, 22, 8, 0, 6, 0, time.UTC)
	return []job.HookDelivery{{
		ID: "msg_" + id + "_1", Type: "job.done", URL: "https://example.com/hook", Status: "pending", Next: &next,
		Attempts: []job.HookAttempt{{At: next.Add(-6 * time.Second), DurationMS: 12.5, Status: 503, Error: "it answered 503"}},
	}}, nil
}

func (f fakeWebhooks) Redeliver(ctx context.Context, tenantID, id string) ([]job.HookDelivery, error) {
	return f.Log(ctx, tenantID, id)
}

func testDeps(jobs *fakeJobs, audit, log io.Writer) Deps {
	return Deps{
		Auth: fakeAuth{}, Tokens: fakeAuth{}, Jobs: jobs, Blobs: &fakeBlobs{}, Tenants: fakeTenants{}, Webhooks: fakeWebhooks{},
		Usage: func(_ context.Context, p *tenant.Principal) (any, error) {
			return map[string]any{"tenant": p.Tenant.ID, "used": 1}, nil
		},
		Ready: func(context.Context) error { return nil },
		Log:   slog.New(slog.NewTextHandler(log, nil)),
		Audit: slog.New(slog.NewJSONHandler(audit, nil)),
	}
}

func start(t *testing.T, cfg Config, change ...func(*Deps)) *api {
	t.Helper()
	a := &api{jobs: &fakeJobs{}, audit: &lockedBuffer{}, log: &lockedBuffer{}, serveStopped: make(chan error, 1)}
	deps := testDeps(a.jobs, a.audit, a.log)
	for _, f := range change {
		f(&deps)
	}
	var err error
	a.Server, err = New(cfg, deps)
	require.NoError(t, err)
	certs, err := LocalCertificates(t.TempDir(), nil, deps.Log)
	require.NoError(t, err)
	secure, plain := listen(t), listen(t)
	a.tls, a.plain = secure.Addr().String(), plain.Addr().String()
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		a.serveStopped <- a.Serve(ctx, Listener{Listener: secure, TLS: certs.Config()}, Listener{Listener: plain})
	}()
	pool := trustOf(t, certs)
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: pool}, MaxIdleConnsPerHost: 16}
	a.client = &http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		cancel()
		require.NoError(t, <-a.serveStopped)
	})
	return a
}

func trustOf(t *testing.T, certs *Certificates) *x509.CertPool {
	t.Helper()
	pem, err := os.ReadFile(certs.CAFile())
	require.NoError(t, err)
	pool := x509.NewCertPool()
	require.True(t, pool.AppendCertsFromPEM(pem))
	return pool
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	var lc net.ListenConfig
	l, err := lc.Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	return l
}

// answer is a response read to its end.
type answer struct {
	status int
	header http.Header
	body   string
}

// call sends a request over TLS. Headers are name, value pairs.
func (a *api) call(t *testing.T, method, path, token, body string, headers ...string) answer {
	t.Helper()
	var rd io.Reader
	if body != "" {
		rd = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, "https://"+a.tls+path, rd)
	require.NoError(t, err)
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := a.client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return answer{res.StatusCode, res.Header, string(b)}
}
