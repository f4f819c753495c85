package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"slices"
	"sync/atomic"
	"time"
)

// requestTimeout is above the longest that a gateway is stopped for, and the longest wait that is asked for.
const requestTimeout = 30 * time.Second

// caller is an HTTP client of one or several gateways.
type caller struct {
	http  *http.Client
	addrs []string
	next  atomic.Uint64
}

func (s *site) caller() *caller {
	return &caller{addrs: s.addrs, http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: s.roots, ServerName: "localhost", MinVersion: tls.VersionTLS12},
		MaxIdleConnsPerHost: 16,
	}}}
}

// answer is what became of a request.
type answer struct {
	sent   bool // it may have reached a gateway
	err    error
	status int
	header http.Header
	body   []byte
	stream io.ReadCloser // instead of body, of an event stream
	begin  time.Time
	end    time.Time
}

// call is one request to the next gateway. Its answer's err is set when no whole answer came.
func (c *caller) call(ctx context.Context, token, method, path string, body any, headers ...string) *answer {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	a := c.open(ctx, token, method, path, body, headers...)
	if a.stream != nil {
		a.body, a.err = io.ReadAll(a.stream)
		_ = a.stream.Close() // it was read
		a.stream = nil
	}
	a.end = time.Now()
	return a
}

// open is call for a body that is read as it comes: answer.stream, to be closed.
func (c *caller) open(ctx context.Context, token, method, path string, body any, headers ...string) *answer {
	a := &answer{begin: time.Now()}
	var r io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			a.err = err
			return a
		}
		r = struct{ io.Reader }{bytes.NewReader(b)} // one that the client library cannot send a second time by itself
	}
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaderField: func(string, []string) { sent.Store(true) }})
	addr := c.addrs[c.next.Add(1)%uint64(len(c.addrs))]
	req, err := http.NewRequestWithContext(ctx, method, "https://"+addr+path, r) //nolint:gosec // our own gateway
	if err != nil {
		a.err = err
		return a
	}
	req.Header.Set("Authorization", "Bearer "+token)
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for pair := range slices.Chunk(headers, 2) {
		req.Header.Set(pair[0], pair[1])
	}
	res, err := c.http.Do(req) //nolint:bodyclose,gosec // whoever takes answer.stream closes it; our own gateway
	a.sent, a.end = sent.Load(), time.Now()
	if err != nil {
		a.err = err
		return a
	}
	a.status, a.header, a.stream = res.StatusCode, res.Header, res.Body
	return a
}

// persist repeats a reading request until a gateway answers it with anything below 500.
func (c *caller) persist(ctx context.Context, token, path string) (*answer, error) {
	for {
		a := c.call(ctx, token, http.MethodGet, path, nil)
		if a.err == nil && a.status < http.StatusInternalServerError {
			return a, nil
		}
		if wait(ctx, 50*time.Millisecond) != nil {
			return nil, fmt.Errorf("GET %s: %w (status %d, %s)", path, ctx.Err(), a.status, a.body)
		}
	}
}

// tenant is one of those that the load belongs to.
type tenant struct {
	id, token string
}

// tenants makes n of them, with bounds that are counted but never reached.
func (s *site) tenants(ctx context.Context, n int) (out []tenant, err error) {
	c := s.caller()
	for i := range n {
		t := tenant{id: fmt.Sprintf("chaos-%d", i+1)}
		a := c.call(ctx, s.admin, http.MethodPost, "/admin/v1/tenants", map[string]any{
			"id": t.id, "scopes": []string{"*"}, "daily_quota": 1_000_000_000, "max_in_flight": 1_000_000,
		})
		if a.err != nil || a.status != http.StatusCreated {
			return nil, fmt.Errorf("tenant: status %d: %s: %w", a.status, a.body, a.err)
		}
		a = c.call(ctx, s.admin, http.MethodPost, "/admin/v1/tenants/"+t.id+"/keys", map[string]any{})
		var key struct {
			Key string `json:"key"`
		}
		if a.err != nil || json.Unmarshal(a.body, &key) != nil || key.Key == "" {
			return nil, fmt.Errorf("key: status %d: %s: %w", a.status, a.body, a.err)
		}
		t.token = key.Key
		out = append(out, t)
	}
	return out, nil
}

// view is the part of a job that is looked at.
type view struct {
	ID         string            `json:"id"`
	Status     string            `json:"status"`
	Attempt    int               `json:"attempt"`
	Max        int               `json:"max_attempts"`
	CreatedAt  time.Time         `json:"created_at"`
	StartedAt  *time.Time        `json:"started_at"`
	FinishedAt *time.Time        `json:"finished_at"`
	Output     *output           `json:"output"`
	Error      *failure          `json:"error"`
	Metadata   map[string]string `json:"metadata"`
}

type failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

// output is the sleep model's.
type output struct {
	Echo    string `json:"echo"`
	Attempt int    `json:"attempt"`
}

func (v *view) ended() bool {
	return v.Status == "succeeded" || v.Status == "failed" || v.Status == "canceled" || v.Status == "expired"
}

// refunded tells whether the job's end gave its count of the quota back.
func (v *view) refunded() bool {
	return v.Status == "failed" || v.Status == "expired" || v.Status == "canceled" && v.StartedAt == nil && v.Attempt == 0
}
