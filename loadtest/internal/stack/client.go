package stack

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/http1"
)

// callTimeout bounds one call; no call here waits longer for a job.
const callTimeout = 6 * time.Minute

// Client calls the gateway in a tenant's name. It is safe for concurrent use; all clients share one pool of
// connections, as many as there are callers at once, which are kept.
type Client struct {
	Tenant, Token string
	s             *Stack
}

// Tenant makes a tenant with a key and a token. fields come over the defaults: all scopes, and a quota out of reach.
func (s *Stack) Tenant(ctx context.Context, id string, fields map[string]any) (*Client, error) {
	about := map[string]any{"id": id, "scopes": []string{"*"}, "daily_quota": 1_000_000_000}
	maps.Copy(about, fields)
	if err := s.admin.call(ctx, http.MethodPost, "/admin/v1/tenants", about, nil); err != nil {
		return nil, fmt.Errorf("tenant %s: %w", id, err)
	}
	var key struct {
		Key string `json:"key"`
	}
	if err := s.admin.call(ctx, http.MethodPost, "/admin/v1/tenants/"+id+"/keys", map[string]any{}, &key); err != nil {
		return nil, fmt.Errorf("key of %s: %w", id, err)
	}
	var pair struct {
		AccessToken string `json:"access_token"`
	}
	c := &Client{Tenant: id, Token: key.Key, s: s}
	if err := c.call(ctx, http.MethodPost, "/v1/auth/token", map[string]any{}, &pair); err != nil {
		return nil, fmt.Errorf("token of %s: %w", id, err)
	}
	c.Token = pair.AccessToken
	return c, nil
}

// StatusError is an answer that was not a success.
type StatusError struct {
	Status int
	Body   string
}

// Error says what the answer said.
func (e *StatusError) Error() string { return fmt.Sprintf("status %d: %s", e.Status, e.Body) }

func (c *Client) call(ctx context.Context, method, path string, body, into any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	status, _, answer, err := c.Do(ctx, method, path, nil, b)
	switch {
	case err != nil:
		return err
	case status >= 300:
		return &StatusError{status, strings.TrimSpace(string(answer))}
	case into == nil:
		return nil
	}
	return json.Unmarshal(answer, into)
}

// Do is one call, and the whole of its answer.
func (c *Client) Do(ctx context.Context, method, path string, header map[string]string, body []byte) (int, http.Header, []byte, error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	res, err := c.open(ctx, method, path, header, body)
	if err != nil {
		return 0, nil, nil, err
	}
	b, err := io.ReadAll(res.Body)
	return res.StatusCode, res.Header, b, errors.Join(err, res.Body.Close())
}

func (c *Client) open(ctx context.Context, method, path string, header map[string]string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, "https://"+c.s.addr+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if c.Token != "" {
		req.Header.Set("Authorization", "Bearer "+c.Token)
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	return c.s.http.Do(req)
}

// Render makes the bytes of a request, for connections of Dial.
func (c *Client) Render(method, path string, header map[string]string, body []byte) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n", method, path, c.Token)
	for k, v := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", k, v)
	}
	if body != nil {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}

// Dial opens a connection for one caller, for throughput: it costs a fifth of what Client's do. It is good for no longer
// than until.
func (s *Stack) Dial(ctx context.Context, until time.Time) (*http1.Conn, error) {
	d, err := http1.NewDialer(s.addr, "localhost", s.ca)
	if err != nil {
		return nil, err
	}
	return d.Open(ctx, until)
}

// request is the body of a job's submission to the model sleep, unless opts name another.
func request(input any, opts map[string]any) ([]byte, error) {
	about := map[string]any{"model": "sleep", "input": input}
	maps.Copy(about, opts)
	return json.Marshal(about)
}

// Submit leaves a job, of the model sleep where opts name none, and returns its id. opts are further members of the
// request: priority, ttl, model…
func (c *Client) Submit(ctx context.Context, input any, opts map[string]any) (id string, err error) {
	b, err := request(input, opts)
	if err != nil {
		return "", err
	}
	status, _, answer, err := c.Do(ctx, http.MethodPost, "/v1/jobs", nil, b)
	if err != nil {
		return "", err
	}
	if status != http.StatusAccepted && status != http.StatusOK {
		return "", &StatusError{status, strings.TrimSpace(string(answer))}
	}
	var j Job
	if err := json.Unmarshal(answer, &j); err != nil {
		return "", err
	}
	return j.ID, nil
}

// Job is what is looked at of one.
type Job struct {
	ID            string          `json:"id"`
	Status        string          `json:"status"`
	QueuePosition int             `json:"queue_position"`
	ETAMillis     float64         `json:"eta_ms"`
	Attempt       int             `json:"attempt"`
	CreatedAt     time.Time       `json:"created_at"`
	StartedAt     *time.Time      `json:"started_at"`
	FinishedAt    *time.Time      `json:"finished_at"`
	Output        json.RawMessage `json:"output"`
	Error         json.RawMessage `json:"error"`
	Usage         struct {
		QueueMillis float64 `json:"queue_ms"`
		RunMillis   float64 `json:"run_ms"`
	} `json:"usage"`
}

// Run submits a job and waits for its end; a job that did not succeed is an error.
func (c *Client) Run(ctx context.Context, input any, opts map[string]any) (*Job, error) {
	b, err := request(input, opts)
	if err != nil {
		return nil, err
	}
	status, _, answer, err := c.Do(ctx, http.MethodPost, "/v1/jobs", map[string]string{"Prefer": "wait=300"}, b)
	if err != nil {
		return nil, err
	}
	j := &Job{}
	if status != http.StatusOK {
		return nil, &StatusError{status, strings.TrimSpace(string(answer))}
	}
	if err := json.Unmarshal(answer, j); err != nil {
		return nil, err
	}
	if j.Status != "succeeded" {
		return nil, fmt.Errorf("%s is %s: %s", j.ID, j.Status, j.Error)
	}
	return j, nil
}

// Get reads a job.
func (c *Client) Get(ctx context.Context, id string) (*Job, error) {
	status, _, answer, err := c.Do(ctx, http.MethodGet, "/v1/jobs/"+id, nil, nil)
	if err != nil {
		return nil, err
	}
	if status != http.StatusOK {
		return nil, &StatusError{status, strings.TrimSpace(string(answer))}
	}
	j := &Job{}
	return j, json.Unmarshal(answer, j)
}

// Stream opens an event stream, from the start where lastEventID is empty. The caller closes its body; ctx ends it.
func (c *Client) Stream(ctx context.Context, path, lastEventID string) (*http.Response, error) {
	header := map[string]string{"Accept": "text/event-stream"}
	if lastEventID != "" {
		header["Last-Event-ID"] = lastEventID
	}
	return c.open(ctx, http.MethodGet, path, header, nil)
}

// SubmitStream leaves a job and follows it in the same call; it goes on when the caller hangs up. The caller closes the
// body; ctx ends it.
func (c *Client) SubmitStream(ctx context.Context, input any, opts map[string]any) (id string, res *http.Response, err error) {
	b, err := request(input, opts)
	if err != nil {
		return "", nil, err
	}
	res, err = c.open(ctx, http.MethodPost, "/v1/jobs", map[string]string{"Accept": "text/event-stream", "X-Detach": "true"}, b)
	if err != nil {
		return "", nil, err
	}
	if res.StatusCode != http.StatusOK {
		return "", nil, errors.Join(&StatusError{res.StatusCode, res.Status}, res.Body.Close())
	}
	return res.Header.Get("X-Job-Id"), res, nil
}
