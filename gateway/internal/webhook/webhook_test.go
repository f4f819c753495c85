package webhook

import (
	"context"
	"crypto/x509"
	"encoding/binary"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const testSecret = job.Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")

// desk is a broker on which the test plays submit and worker, with a receiver.
type desk struct {
	t      *testing.T
	broker *testenv.Broker
	queue  *queue.Queue
	jobs   lookup
	url    string
	got    chan *http.Request // with the body read, by bodies
	bodies bodies
	answer atomic.Pointer[http.HandlerFunc]
}

// bodies are what the receiver got, by webhook-id.
type bodies struct {
	mu  sync.Mutex
	all map[string]string // guarded by mu
}

// put keeps a body, and returns the one of before, if there was one.
func (b *bodies) put(id, body string) (before string, again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	before, again = b.all[id]
	b.all[id] = body
	return before, again
}

func (b *bodies) get(id string) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all[id]
}

// lookup is jobs.Service.Get, as far as the deliveries need it.
type lookup struct{ q *queue.Queue }

func (l lookup) Get(ctx context.Context, tenant, id string) (job.State, error) {
	if j, _, err := l.q.Find(ctx, tenant, id); err == nil {
		return job.Accepted(j), nil
	}
	if e, err := l.q.Last(ctx, tenant, id); err == nil && e.Job != nil {
		return job.Accepted(e.Job), nil
	}
	return job.State{}, fault.New(fault.NotFound, "there is no such job")
}

func open(t *testing.T, o queue.Options) *desk {
	t.Helper()
	d := &desk{t: t, broker: testenv.StartBroker(t), got: make(chan *http.Request, 256), bodies: bodies{all: map[string]string{}}}
	d.queue = d.broker.Gateway(o)
	d.jobs = lookup{d.queue}
	srv := httptest.NewServer(http.HandlerFunc(d.serve))
	t.Cleanup(srv.Close)
	d.url = srv.URL + "/hook"
	d.answers(func(http.ResponseWriter, *http.Request) {})
	return d
}

func (d *desk) serve(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	assert.NoError(d.t, err)
	signature, err := sign([]job.Secret{testSecret}, r.Header.Get(headerID), unix(r.Header.Get(headerTimestamp)), b)
	assert.NoError(d.t, err)
	assert.Equal(d.t, signature, r.Header.Get(headerSignature))
	assert.Equal(d.t, "application/json", r.Header.Get("Content-Type"))
	if before, again := d.bodies.put(r.Header.Get(headerID), string(b)); again {
		assert.Equal(d.t, before, string(b), "the same id has the same bytes")
	}
	d.got <- r
	(*d.answer.Load())(w, r)
}

func unix(text string) time.Time {
	var n int64
	_ = json.Unmarshal([]byte(text), &n)
	return time.Unix(n, 0)
}

func (d *desk) answers(f http.HandlerFunc) { d.answer.Store(&f) }

func (d *desk) config() Config {
	return Config{Loopback: true, Backoff: 0.001, Timeout: 2 * time.Second}
}

// run starts a gateway's deliveries.
func (d *desk) run(cfg Config) *Service {
	d.t.Helper()
	s := New(cfg, d.queue, testenv.Logger(d.t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, d.jobs) }()
	d.t.Cleanup(func() {
		cancel()
		assert.NoError(d.t, <-done)
	})
	return s
}

// submit stores a job with a webhook, as jobs.Service does.
func (d *desk) submit(s *Service, id string, events ...string) *job.Job {
	d.t.Helper()
	if len(events) == 0 {
		events = []string{job.HookDone}
	}
	j := &job.Job{
		ID: id, Tenant: "acme", Model: "m", Class: job.Standard, CreatedAt: job.Stamp(time.Now()), MaxAttempts: 3, Input: []byte(`{}`),
	}
	w := &job.Webhook{URL: d.url, Secrets: []job.Secret{testSecret}, Events: events}
	require.NoError(d.t, s.Check(w))
	_, err := s.Expect(d.t.Context(), j, w)
	require.NoError(d.t, err)
	require.NoError(d.t, d.queue.Publish(d.t.Context(), j))
	return j
}

// tell appends an event to the job's log.
func (d *desk) tell(j *job.Job, e *job.Event, last uint64) uint64 {
	d.t.Helper()
	e.At = job.Stamp(time.Now())
	if e.Kind == job.End || e.Kind == job.Requeued {
		e.Job = j
	}
	require.NoError(d.t, d.queue.Append(d.t.Context(), j.Tenant, j.ID, e, last))
	return e.Seq
}

func (d *desk) succeed(j *job.Job, last uint64) {
	d.t.Helper()
	d.tell(j, &job.Event{Kind: job.End, Status: job.Succeeded, Attempt: 1, Body: []byte(`{"n":1}`)}, last)
}

// next is the type of the next delivery that the receiver gets.
func (d *desk) next() (event string, data job.State) {
	d.t.Helper()
	select {
	case r := <-d.got:
		var p struct {
			Type      string    `json:"type"`
			Timestamp time.Time `json:"timestamp"`
			Data      struct {
				ID     string          `json:"id"`
				Status job.Status      `json:"status"`
				Output json.RawMessage `json:"output"`
				Error  *job.Error      `json:"error"`
			} `json:"data"`
		}
		require.NoError(d.t, json.Unmarshal([]byte(d.bodies.get(r.Header.Get(headerID))), &p))
		require.False(d.t, p.Timestamp.IsZero())
		return p.Type, job.State{Job: &job.Job{ID: p.Data.ID}, Status: p.Data.Status, Output: p.Data.Output, Error: p.Data.Error}
	case <-time.After(20 * time.Second):
		require.Fail(d.t, "no delivery came")
		return "", data
	}
}

// settled waits until nothing of the job's webhook is pending.
func (d *desk) settled(s *Service, j *job.Job, deliveries int) []job.HookDelivery {
	d.t.Helper()
	var list []job.HookDelivery
	require.Eventually(d.t, func() bool {
		var err error
		list, err = s.Log(d.t.Context(), j.Tenant, j.ID)
		require.NoError(d.t, err)
		pending := len(list) != deliveries
		for i := range list {
			pending = pending || list[i].Status == statusPending
		}
		return !pending
	}, 20*time.Second, 5*time.Millisecond)
	return list
}

func (d *desk) quiet() {
	d.t.Helper()
	select {
	case r := <-d.got:
		assert.Fail(d.t, "a delivery too many", r.Header.Get(headerID))
	case <-time.After(300 * time.Millisecond):
	}
}

func TestADeliveryIsTriedUntilItIsTaken(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	outcomes := make(chan string, 16)
	cfg := d.config()
	cfg.Observe = func(outcome string, _ time.Duration) { outcomes <- outcome }
	s := d.run(cfg)
	var n atomic.Int32
	d.answers(func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader([]int{500, 429, 301, 404, 201}[n.Add(1)-1])
	})
	j := d.submit(s, "job_1")
	d.quiet()
	d.succeed(j, 0)
	for range 5 {
		event, data := d.next()
		assert.Equal(t, "job.done", event)
		assert.Equal(t, j.ID, data.Job.ID)
		assert.Equal(t, job.Succeeded, data.Status)
		assert.JSONEq(t, `{"n":1}`, string(data.Output))
	}
	list := d.settled(s, j, 1)
	assert.Equal(t, statusDelivered, list[0].Status)
	assert.Nil(t, list[0].Next)
	var statuses []int
	for _, a := range list[0].Attempts {
		statuses = append(statuses, a.Status)
		assert.Equal(t, a.Status != 201, a.Error != "")
		assert.NotZero(t, a.At)
	}
	assert.Equal(t, []int{500, 429, 301, 404, 201}, statuses)
	d.quiet()
	for i := range 5 {
		assert.Equal(t, []string{"retried", statusDelivered}[i/4], <-outcomes)
	}
}

func TestADeliveryIsGivenUpAndMadeAgainByHand(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	cfg := d.config()
	cfg.Attempts = 2
	s := d.run(cfg)
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) })
	j := d.submit(s, "job_1")
	_, err := s.Redeliver(t.Context(), j.Tenant, j.ID)
	assert.Equal(t, fault.Conflict, fault.CodeOf(err), "nothing has happened yet")
	_, err = s.Redeliver(t.Context(), "other", j.ID)
	assert.Equal(t, fault.Conflict, fault.CodeOf(err))
	d.succeed(j, 0)
	assert.Equal(t, statusFailed, d.settled(s, j, 1)[0].Status)
	d.answers(func(http.ResponseWriter, *http.Request) {})
	list, err := s.Redeliver(t.Context(), j.Tenant, j.ID)
	require.NoError(t, err)
	assert.Equal(t, statusPending, list[0].Status)
	list = d.settled(s, j, 1)
	assert.Equal(t, statusDelivered, list[0].Status)
	assert.Len(t, list[0].Attempts, 3)
}

func TestAReceiverThatIsGoneHearsNoMore(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	s := d.run(d.config())
	d.answers(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) })
	j := d.submit(s, "job_1", job.HookOutput, job.HookDone)
	last := d.tell(j, &job.Event{Kind: job.End, Status: job.Failed, Attempt: 1, Error: &job.Error{Code: fault.Internal}}, 0)
	assert.Equal(t, statusDisabled, d.settled(s, j, 1)[0].Status)
	last = d.tell(j, &job.Event{Kind: job.Requeued, Attempt: 1}, last)
	d.succeed(j, last)
	<-d.got
	d.quiet()
	assert.Len(t, d.settled(s, j, 1)[0].Attempts, 1)
}

func TestWhatAWebhookIsToldOf(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	s := d.run(d.config())
	all := job.HookEvents()

	j := d.submit(s, "job_quick", all...)
	d.succeed(j, 0)
	for _, want := range []string{"job.output", "job.done"} { // nothing tells of a quick job's start
		event, _ := d.next()
		assert.Equal(t, want, event)
	}

	j = d.submit(s, "job_long", all...)
	last := d.tell(j, &job.Event{Kind: job.Started, Attempt: 1}, 0)
	d.queue.RouseHook(j.Tenant, j.ID) // as the worker does
	event, data := d.next()
	assert.Equal(t, "job.started", event)
	assert.Equal(t, job.Running, data.Status)
	last = d.tell(j, &job.Event{Kind: job.Retrying, Attempt: 1, Error: &job.Error{Code: fault.Internal}}, last)
	last = d.tell(j, &job.Event{Kind: job.Started, Attempt: 2}, last)
	d.queue.RouseHook(j.Tenant, j.ID)
	last = d.tell(j, &job.Event{Kind: job.End, Status: job.Failed, Attempt: 2, Error: &job.Error{Code: fault.Internal, Message: "no"}}, last)
	for _, want := range []string{"job.error", "job.done"} {
		event, data := d.next()
		assert.Equal(t, want, event)
		assert.Equal(t, job.Failed, data.Status)
		assert.Equal(t, "no", data.Error.Message)
	}
	// Retried by hand, it ends a second time.
	last = d.tell(j, &job.Event{Kind: job.Requeued, Attempt: 2}, last)
	d.succeed(j, last)
	for _, want := range []string{"job.output", "job.done"} {
		event, data := d.next()
		assert.Equal(t, want, event)
		assert.Equal(t, job.Succeeded, data.Status)
	}
	list := d.settled(s, j, 5)
	ids := map[string]bool{}
	for _, v := range list {
		ids[v.ID] = true
	}
	assert.Len(t, ids, 5)

	j = d.submit(s, "job_canceled", job.HookError, job.HookOutput)
	d.tell(j, &job.Event{Kind: job.End, Status: job.Canceled}, 0)
	d.quiet()
}

func TestManyGatewaysDeliverOnce(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	var s *Service
	for range 3 {
		s = d.run(d.config())
	}
	var jobs []*job.Job
	for i := range 20 {
		jobs = append(jobs, d.submit(s, "job_"+string(rune('a'+i))))
	}
	for _, j := range jobs {
		d.succeed(j, 0)
		for range 3 {
			d.queue.RouseHook(j.Tenant, j.ID)
		}
	}
	for range jobs {
		d.next()
	}
	for _, j := range jobs {
		assert.Len(t, d.settled(s, j, 1)[0].Attempts, 1)
	}
	d.quiet()
}

func TestAnEndThatNobodyToldOfIsFound(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{Retention: 8 * time.Second}) // looked after every 2 s
	s := New(d.config(), d.queue, testenv.Logger(t))
	j := d.submit(s, "job_1")
	j.Hooks = "" // the hint is lost
	d.succeed(j, 0)
	d.run(d.config())
	event, _ := d.next()
	assert.Equal(t, "job.done", event)
	list := d.settled(s, j, 1)
	assert.Equal(t, statusDelivered, list[0].Status)
	require.Eventually(t, func() bool { // the record goes with the job
		list, err := s.Log(t.Context(), j.Tenant, j.ID)
		return err == nil && len(list) == 0
	}, 30*time.Second, 50*time.Millisecond)
}

func TestAWebhookWithoutAJobIsForgotten(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	s := New(d.config(), d.queue, testenv.Logger(t))
	j := &job.Job{ID: "job_1", Tenant: "acme"}
	w := &job.Webhook{URL: d.url, Secrets: []job.Secret{testSecret}, Events: []string{job.HookDone}}
	forget, err := s.Expect(t.Context(), j, w)
	require.NoError(t, err)
	assert.Equal(t, "done", j.Hooks)

	again, err := s.Expect(t.Context(), j, &job.Webhook{URL: "https://other.example", Secrets: w.Secrets, Events: w.Events})
	require.NoError(t, err)
	again(t.Context())
	r, _, err := s.load(t.Context(), "acme", "job_1")
	require.NoError(t, err, "a repeat does not take back the first one's")
	assert.Equal(t, d.url, r.Webhook.URL)
	forget(t.Context())
	_, _, err = s.load(t.Context(), "acme", "job_1")
	require.ErrorIs(t, err, queue.ErrNotFound)

	// An orphan, whose gateway died: left alone for a minute, then dropped.
	_, err = s.Expect(t.Context(), j, w)
	require.NoError(t, err)
	pause, err := s.turn(t.Context(), d.jobs, "acme", "job_1")
	require.NoError(t, err)
	assert.Zero(t, pause)
	r, seq, err := s.load(t.Context(), "acme", "job_1")
	require.NoError(t, err)
	r.CreatedAt = r.CreatedAt.Add(-2 * orphanAfter)
	_, err = s.save(t.Context(), "acme", "job_1", r, seq)
	require.NoError(t, err)
	_, err = s.turn(t.Context(), d.jobs, "acme", "job_1")
	require.NoError(t, err)
	_, _, err = s.load(t.Context(), "acme", "job_1")
	require.ErrorIs(t, err, queue.ErrNotFound)

	// One that is done with, of an earlier job under the same id, gives way.
	old := &record{Webhook: *w, EndedAt: time.Now().Add(-48 * time.Hour)}
	_, err = s.save(t.Context(), "acme", "job_1", old, 0)
	require.NoError(t, err)
	_, err = s.Expect(t.Context(), j, w)
	require.NoError(t, err)
	r, _, err = s.load(t.Context(), "acme", "job_1")
	require.NoError(t, err)
	assert.True(t, r.open())
}

func TestAClaimOfADeadGatewayRunsOut(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	s := New(d.config(), d.queue, testenv.Logger(t))
	j := d.submit(s, "job_1")
	d.succeed(j, 0)
	r, seq, err := s.load(t.Context(), j.Tenant, j.ID)
	require.NoError(t, err)
	r.Claim = &claim{By: "dead", Until: time.Now().Add(time.Second)}
	_, err = s.save(t.Context(), j.Tenant, j.ID, r, seq)
	require.NoError(t, err)
	pause, err := s.turn(t.Context(), d.jobs, j.Tenant, j.ID)
	require.NoError(t, err)
	assert.Positive(t, pause)
	assert.Empty(t, d.got)
	d.run(d.config())
	d.next()
	assert.Len(t, d.settled(s, j, 1)[0].Attempts, 1)
}

// resolver answers every question with one address, as a receiver's own name server may.
func resolver(t *testing.T, addr string) *net.Resolver {
	t.Helper()
	pc, err := net.ListenPacket("udp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { pc.Close() })
	go func() {
		b := make([]byte, 1500)
		for {
			n, from, err := pc.ReadFrom(b)
			if err != nil {
				return
			}
			_, _ = pc.WriteTo(dnsAnswer(b[:n], netip.MustParseAddr(addr)), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, "udp", pc.LocalAddr().String())
	}}
}

// dnsAnswer answers a question for A or AAAA with the address, when it is one of these.
func dnsAnswer(q []byte, a netip.Addr) []byte {
	end := 12
	for q[end] != 0 {
		end += int(q[end]) + 1
	}
	end += 5
	out := append([]byte{}, q[:end]...)
	out[2], out[3] = 0x81, 0x80
	clear(out[6:12])
	kind := binary.BigEndian.Uint16(q[end-4:])
	if kind == 1 && a.Is4() || kind == 28 && a.Is6() {
		out[7] = 1
		data := a.AsSlice()
		out = append(out, 0xc0, 12, byte(kind>>8), byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(data)))
		out = append(out, data...)
	}
	return out
}

func TestANameThatResolvesToAPrivateAddressIsNotReached(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	var reached atomic.Int32
	srv := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { reached.Add(1) }))
	defer srv.Close()
	roots := x509.NewCertPool()
	roots.AddCert(srv.Certificate())
	url := "https://example.com" + srv.URL[strings.LastIndexByte(srv.URL, ':'):] + "/hook" // the certificate's name
	w := &job.Webhook{URL: url, Secrets: []job.Secret{testSecret}, Events: []string{job.HookDone}}
	for name, c := range map[string]struct {
		addr  string
		allow []netip.Prefix
		err   string
	}{
		"loopback":     {addr: "127.0.0.1", err: errForbidden.Error()},
		"private":      {addr: "10.0.0.1", err: errForbidden.Error()},
		"metadata":     {addr: "169.254.169.254", err: errForbidden.Error()},
		"mapped":       {addr: "::ffff:127.0.0.1", err: errForbidden.Error()},
		"v6 loopback":  {addr: "::1", err: errForbidden.Error()},
		"wrong prefix": {addr: "127.0.0.1", allow: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, err: errForbidden.Error()},
		"allowed":      {addr: "127.0.0.1", allow: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}},
	} {
		before := reached.Load()
		s := New(Config{Allow: c.allow, Resolver: resolver(t, c.addr), RootCAs: roots, Timeout: 5 * time.Second}, d.queue, testenv.Logger(t))
		require.NoError(t, s.Check(w), name)
		a := s.sender.send(t.Context(), w, "msg_1", []byte(`{}`))
		s.sender.close()
		assert.Equal(t, c.err, a.err, name)
		assert.Equal(t, c.err == "", reached.Load() > before, name)
		assert.NotContains(t, a.err, c.addr)
	}
}

func TestAReceiverCannotHoldUsUp(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	cfg := d.config()
	cfg.Timeout = 500 * time.Millisecond
	s := New(cfg, d.queue, testenv.Logger(t))
	defer s.sender.close()
	w := &job.Webhook{URL: d.url, Secrets: []job.Secret{testSecret}, Events: []string{job.HookDone}}
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { assert.Fail(t, "a redirect was followed") }))
	defer elsewhere.Close()
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		status int
		err    string
	}{
		"silent": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, "no answer within 500ms"},
		"endless": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 32<<10)); err != nil {
					return
				}
			}
		}, 200, ""},
		"dripping": {func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, 200, ""},
		"a head too large": {func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X", longText(64<<10)) }, 0, "the connection failed"},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		}, 307, "it answered 307; redirects are not followed"},
		"hang up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 0, "the connection failed"},
	} {
		d.answers(c.answer)
		a := s.sender.send(t.Context(), w, "msg_"+strings.ReplaceAll(name, " ", ""), []byte(`{}`))
		assert.Equal(t, c.status, a.status, name)
		assert.Equal(t, c.err, a.err, name)
		assert.Less(t, a.took, 20*time.Second, name)
		<-d.got
	}
	w.URL = "http://127.0.0.1:9/" // nobody's
	assert.Equal(t, "the connection was refused", func() string { a := s.sender.send(t.Context(), w, "m", nil); return a.err }())
}

func TestASlowHostKeepsNobodyWaiting(t *testing.T) {
	t.Parallel()
	d := open(t, queue.Options{})
	cfg := d.config()
	cfg.Concurrency, cfg.PerHost = 4, 1
	s := d.run(cfg)
	held := make(chan struct{})
	d.answers(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-held:
		case <-r.Context().Done():
		}
	})
	var slow []*job.Job
	for i := range 8 {
		j := d.submit(s, "job_"+string(rune('a'+i)))
		d.succeed(j, 0)
		slow = append(slow, j)
	}
	<-d.got
	srv := httptest.NewServer(http.HandlerFunc(d.serve)) // another host, by its port
	defer srv.Close()
	d.answers(func(http.ResponseWriter, *http.Request) {})
	d.url = srv.URL
	quick := d.submit(s, "job_quick")
	d.succeed(quick, 0)
	assert.Equal(t, statusDelivered, d.settled(s, quick, 1)[0].Status)
	close(held)
	for _, j := range slow {
		assert.Equal(t, statusDelivered, d.settled(s, j, 1)[0].Status)
	}
}
