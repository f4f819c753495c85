package httpapi

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
)

// readyJobs ends every job at once with the same state, so that only the HTTP side is measured.
type readyJobs struct {
	fakeJobs
	sub job.Submission
}

func (j *readyJobs) Submit(context.Context, *tenant.Principal, job.Request) (job.Submission, error) {
	return j.sub, nil
}

// benchServer is a server over TLS with fakes that cost nothing, audit lines written to nowhere.
func benchServer(b *testing.B) (addr string, cfg *tls.Config) {
	b.Helper()
	sub := job.Submission{
		State:  stateOf(someJob, job.Succeeded, `{"echo":null,"attempt":1}`),
		Limits: []job.LimitState{{Name: "tenant", Limit: 60, Window: 60e9, Remaining: 59, Reset: 1e9}},
	}
	sub.State.Usage = &job.Usage{QueueMS: 0.2, RunMS: 0.1, BatchSize: 1}
	deps := testDeps(&fakeJobs{}, io.Discard, io.Discard)
	deps.Jobs = &readyJobs{sub: sub}
	s, err := New(Config{}, deps)
	if err != nil {
		b.Fatal(err)
	}
	certs, err := LocalCertificates(b.TempDir(), nil, deps.Log)
	if err != nil {
		b.Fatal(err)
	}
	var lc net.ListenConfig
	l, err := lc.Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	stopped := make(chan error, 1)
	go func() { stopped <- s.Serve(ctx, Listener{Listener: l, TLS: certs.Config()}) }()
	b.Cleanup(func() {
		cancel()
		if err := <-stopped; err != nil {
			b.Error(err)
		}
	})
	return l.Addr().String(), &tls.Config{InsecureSkipVerify: true}
}

func benchmarkRequest(b *testing.B, raw string) {
	b.Helper()
	addr, cfg := benchServer(b)
	c, err := tls.Dial("tcp", addr, cfg)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	out, br := []byte(raw), bufio.NewReader(c)
	_, _ = c.Write(out)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		b.Fatal(err)
	}
	n, err := io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if err != nil || res.StatusCode != http.StatusOK || n == 0 {
		b.Fatal(res.Status, err)
	}
	// Responses have the same length each time, so the client needs no parser that would be measured too.
	_, _ = c.Write(out)
	size, err := br.Read(make([]byte, 8192))
	if err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, size)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Write(out); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(br, buf); err != nil {
			b.Fatal(err)
		}
	}
}

const benchToken = "Authorization: Bearer " + goodToken + "\r\nUser-Agent: bench\r\nAccept: */*\r\n"

// BenchmarkSync is the synchronous job over TLS and keep-alive, all but its queue and worker.
func BenchmarkSync(b *testing.B) {
	benchmarkRequest(b, "POST /v1/jobs HTTP/1.1\r\nHost: localhost:8443\r\nContent-Type: application/json\r\nPrefer: wait=5\r\n"+benchToken+
		"Content-Length: 35\r\n\r\n"+sleepJob)
}

// BenchmarkEcho is the floor: a constant answer over the same TLS.
func BenchmarkEcho(b *testing.B) {
	benchmarkRequest(b, "GET /healthz HTTP/1.1\r\nHost: localhost:8443\r\n"+benchToken+"\r\n")
}

// BenchmarkHeadCheck is the check of one head, as it stands in the way of every request.
func BenchmarkHeadCheck(b *testing.B) {
	raw := []byte("POST /v1/jobs HTTP/1.1\r\nHost: localhost:8443\r\nContent-Type: application/json\r\nPrefer: wait=5\r\n" + benchToken +
		"Content-Length: 35\r\n\r\n" + sleepJob)
	c := &conn{limits: &connLimits{maxHead: 16 << 10}, buf: make([]byte, 4096)}
	b.ReportAllocs()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		c.w = copy(c.buf, raw)
		if !c.advance() || c.pass != len(raw) || c.refused != nil {
			b.Fatal(c.refused)
		}
		c.consume(c.pass)
	}
}
