package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

func TestNewWantsItsParts(t *testing.T) {
	t.Parallel()
	_, err := New(Config{}, Deps{})
	require.Error(t, err)
}

func TestShutdownLetsTheHeldFinish(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	waiting, goOn := make(chan struct{}), make(chan struct{})
	a.jobs.submit = func(context.Context, job.Request) (job.Submission, error) {
		close(waiting)
		<-goOn
		return job.Submission{State: stateOf(someJob, job.Succeeded, "1")}, nil
	}
	var d net.Dialer
	c, err := d.DialContext(t.Context(), "tcp", a.plain)
	require.NoError(t, err)
	defer c.Close()
	_, err = io.WriteString(c, "POST /v1/jobs HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nPrefer: wait=60\r\n"+auth+
		"Content-Length: 35\r\n\r\n"+sleepJob)
	require.NoError(t, err)
	<-waiting
	stopped := make(chan error, 1)
	go func() { stopped <- a.Shutdown(context.Background()) }()
	require.Eventually(t, func() bool { return a.Ready(t.Context()) != nil }, 5*time.Second, time.Millisecond)
	close(goOn)
	res, err := http.ReadResponse(bufio.NewReader(c), nil)
	require.NoError(t, err)
	require.NoError(t, res.Body.Close())
	require.Equal(t, 200, res.StatusCode)
	require.True(t, res.Close)
	require.NoError(t, <-stopped)
}

func TestShutdownEndsWhatLastsTooLong(t *testing.T) {
	t.Parallel()
	a := start(t, Config{Heartbeat: time.Minute})
	waiting, closed := make(chan struct{}), make(chan struct{})
	a.jobs.events = func(context.Context, string, int) (Stream, error) {
		return &fakeStream{closed: closed, tail: func(ctx context.Context) (job.Message, error) {
			close(waiting)
			<-ctx.Done()
			return job.Message{}, ctx.Err()
		}}, nil
	}
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+a.tls+"/v1/jobs/"+someJob+"/events", nil)
		if err == nil {
			req.Header.Set("Authorization", "Bearer "+goodToken)
			if res, err := a.client.Do(req); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				_ = res.Body.Close()
			}
		}
	}()
	<-waiting
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_ = a.Shutdown(ctx)
	<-closed
	require.Empty(t, a.jobs.canceledIDs(), "the gateway's stop is not the caller's leaving")
}

func TestDrainingEndsKeepAlive(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	a.Drain()
	res, closed := exchange(t, a.plain, -1, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.Len(t, res, 1)
	require.True(t, closed)
	require.Equal(t, "close", res[0].header.Get("Connection"))
	got := a.call(t, "GET", "/readyz", "", "")
	require.Equal(t, 503, got.status)
	require.Equal(t, "overloaded", problemOf(t, got).Code)
	require.Equal(t, "1", got.header.Get("Retry-After"))
}

func TestReadinessHidesItsCause(t *testing.T) {
	t.Parallel()
	a := start(t, Config{}, func(d *Deps) { d.Ready = func(context.Context) error { return errors.New("nats at 10.0.0.1 is away") } })
	got := a.call(t, "GET", "/readyz", "", "")
	require.Equal(t, 503, got.status)
	require.NotContains(t, got.body, "10.0.0.1")
}

func TestPlainListenerRedirects(t *testing.T) {
	t.Parallel()
	s, err := New(Config{}, testDeps(&fakeJobs{}, io.Discard, io.Discard))
	require.NoError(t, err)
	l1, l2 := listen(t), listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	go func() {
		stopped <- s.Serve(ctx, Listener{Listener: l1, RedirectPort: "8443"}, Listener{Listener: l2, RedirectPort: "443"})
	}()
	for _, tc := range []struct{ addr, raw, location string }{
		{l1.Addr().String(), "GET /v1/jobs?limit=5 HTTP/1.1\r\nHost: localhost:8080\r\n\r\n", "https://localhost:8443/v1/jobs?limit=5"},
		{l1.Addr().String(), "POST /a%20b HTTP/1.1\r\nHost: [::1]:80\r\nContent-Length: 2\r\n\r\n{}", "https://[::1]:8443/a%20b"},
		{l2.Addr().String(), "GET / HTTP/1.1\r\nHost: example.org\r\n\r\n", "https://example.org/"},
		{l2.Addr().String(), "GET //evil.example HTTP/1.1\r\nHost: example.org\r\n\r\n", "https://example.org//evil.example"},
	} {
		res, closed := exchange(t, tc.addr, -1, tc.raw)
		require.Len(t, res, 1)
		require.True(t, closed)
		require.Equal(t, 308, res[0].status)
		require.Equal(t, tc.location, res[0].header.Get("Location"))
	}
	cancel()
	require.NoError(t, <-stopped)
}

func TestHSTSOnlyOverTLS(t *testing.T) {
	t.Parallel()
	a := start(t, Config{HSTS: true})
	require.NotEmpty(t, a.call(t, "GET", "/healthz", "", "").header.Get("Strict-Transport-Security"))
	res, _ := exchange(t, a.plain, 1, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.Empty(t, res[0].header.Get("Strict-Transport-Security"))
}

func TestAuditLine(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 8)
	a := start(t, Config{}, func(d *Deps) {
		d.Observe = func(method, route string, status int, _ time.Duration) {
			seen <- method + " " + route + " " + http.StatusText(status)
		}
	})
	a.call(t, "POST", "/v1/jobs", goodToken, `{"model":"sleep","input":"a secret text"}`, "Prefer", "wait=1", "X-Request-Id", "req-1")
	a.call(t, "GET", "/v1/jobs?cursor=hush", "wrong-secret", "", "X-Request-Id", "not a word")
	require.Equal(t, "POST /v1/jobs OK", <-seen)
	require.Equal(t, "GET /v1/jobs Unauthorized", <-seen)
	var lines []map[string]any
	require.Eventually(t, func() bool { return strings.Count(a.audit.String(), "\n") == 2 }, 5*time.Second, time.Millisecond)
	for line := range strings.Lines(a.audit.String()) {
		var m map[string]any
		require.NoError(t, json.Unmarshal([]byte(line), &m))
		lines = append(lines, m)
	}
	for key, want := range map[string]any{
		"msg": "call", "request_id": "req-1", "method": "POST", "route": "/v1/jobs", "status": 200.0, "tenant": "tenant-001",
		"subject": "alice", "task": "sleep", "model": "sleep", "job_id": someJob, "remote": "127.0.0.1",
	} {
		require.Equal(t, want, lines[0][key], key)
	}
	require.Contains(t, lines[0], "ms")
	require.Equal(t, "unauthenticated", lines[1]["code"])
	require.NotContains(t, lines[1], "tenant")
	require.Len(t, lines[1]["request_id"], 26)
	for _, secret := range []string{"a secret text", goodToken, "wrong-secret", "hush", "echo"} {
		require.NotContains(t, a.audit.String()+a.log.String(), secret)
	}
}

func TestForwardedForOfTrustedProxiesOnly(t *testing.T) {
	t.Parallel()
	for proxies, want := range map[string]string{"": "127.0.0.1", "127.0.0.0/8,192.0.2.0/24": "203.0.113.9", "10.0.0.0/8": "127.0.0.1"} {
		var cfg Config
		for p := range strings.SplitSeq(proxies, ",") {
			if p != "" {
				cfg.TrustedProxies = append(cfg.TrustedProxies, netip.MustParsePrefix(p))
			}
		}
		a := start(t, cfg)
		a.call(t, "GET", "/v1/models", goodToken, "", "X-Forwarded-For", "198.51.100.1, 203.0.113.9, 192.0.2.7")
		require.Eventually(t, func() bool { return strings.Contains(a.audit.String(), `"remote":"`+want+`"`) }, 5*time.Second, time.Millisecond)
	}
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	a := start(t, Config{})
	transport, ok := a.client.Transport.(*http.Transport)
	require.True(t, ok)
	for version, good := range map[uint16]bool{
		tls.VersionTLS10: false, tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true,
	} {
		cfg := transport.TLSClientConfig.Clone()
		cfg.MinVersion, cfg.MaxVersion, cfg.NextProtos = version, version, nil
		d := tls.Dialer{Config: cfg}
		c, err := d.DialContext(t.Context(), "tcp", a.tls)
		require.Equal(t, good, err == nil, tls.VersionName(version))
		if err == nil {
			require.NoError(t, c.Close())
		}
	}
}

func TestPlainTextOnTheTLSListener(t *testing.T) {
	t.Parallel()
	a := start(t, Config{HeadTimeout: time.Second})
	res, closed := exchange(t, a.tls, -1, "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n")
	require.True(t, closed)
	require.Empty(t, res)
}
