package upstream

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/answer"
)

// Bounds of what a server may answer.
const (
	maxLine   = 4 << 20
	maxAnswer = 64 << 20
	maxError  = 64 << 10
)

// errConnect is in the chain of what a server is to blame for that could not even be reached.
var errConnect = errors.New("upstream: the server cannot be reached")

// serverError marks what the server is to blame for, not the request.
type serverError struct{ error }

// Unwrap gives what happened.
func (e serverError) Unwrap() error { return e.error }

// blames gives err when it is the server's fault.
func blames(err error) error {
	if e, ok := errors.AsType[serverError](err); ok {
		return e
	}
	return nil
}

// dialect is one protocol.
type dialect interface {
	health() string
	// check refuses what the protocol has no words for.
	check(c *input.Chat) error
	// body is the path and the request.
	body(model string, c *input.Chat) (path string, body []byte, err error)
	// line takes one line of the answer in.
	line(line []byte, a *answers) error
}

func (e *Engine) request(ctx context.Context, method string, to *replica, path string, body []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, method, to.url.String()+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if e.settings.key != "" {
		req.Header.Set("Authorization", "Bearer "+e.settings.key)
	}
	return req, nil
}

// ask makes one call to one server. said tells that deltas went out, so that nobody else may be asked.
func (e *Engine) ask(ctx context.Context, id engine.SeqID, to *replica, c *input.Chat) (said bool, _ engine.Result, _ error) {
	path, body, err := e.settings.api.body(e.settings.model, c)
	if err != nil {
		return false, engine.Result{}, fault.Wrap(fault.Internal, err, "the request could not be put into the server's words")
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	req, err := e.request(ctx, http.MethodPost, to, path, body)
	if err != nil {
		return false, engine.Result{}, fault.Wrap(fault.Internal, err, "the request could not be made")
	}
	resp, err := e.client.Do(req)
	if err != nil {
		return false, engine.Result{}, unreachable(err)
	}
	defer resp.Body.Close() //nolint:errcheck // it was only read
	if resp.StatusCode != http.StatusOK {
		return false, engine.Result{}, refusal(resp)
	}
	a := newAnswers(c.N, func(delta []byte) {
		said = true
		e.emit(id, delta)
	})
	idle := time.AfterFunc(e.settings.between, func() { cancel(errQuiet) })
	defer idle.Stop()
	err = e.lines(resp.Body, a, func() { idle.Reset(e.settings.between) })
	if cause := context.Cause(ctx); errors.Is(cause, errQuiet) {
		err = serverError{fault.Wrap(fault.Overloaded, cause, "the model's server said nothing for %s", e.settings.between)}
	}
	if err != nil {
		return said, engine.Result{}, err
	}
	result, err := a.result()
	return said, result, err
}

var errQuiet = errors.New("upstream: the server said nothing for too long")

// lines reads the answer line by line until the server says that it is whole.
func (e *Engine) lines(r io.Reader, a *answers, heard func()) error {
	lines := lineReader{r: io.LimitReader(r, maxAnswer)}
	for !a.whole {
		line, err := lines.next()
		if err != nil {
			return serverError{fault.Wrap(fault.Overloaded, err, "the model's server broke its answer off")}
		}
		heard()
		if line = bytes.TrimSpace(line); len(line) == 0 {
			continue
		}
		if err := e.settings.api.line(line, a); err != nil {
			return err
		}
	}
	return nil
}

// unreachable makes a fault of a call that got no answer.
func unreachable(err error) error {
	if t, ok := errors.AsType[net.Error](err); ok && t.Timeout() {
		return serverError{fault.Wrap(fault.Overloaded, err, "the model's server did not answer in time")}
	}
	return serverError{fault.Wrap(fault.Overloaded, fmt.Errorf("%w: %w", errConnect, err), "the model's server cannot be reached")}
}

// refusal makes a fault of an answer that is none: what is the caller's, what another try may cure, what an operator
// has to mend.
func refusal(resp *http.Response) error {
	b, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if err != nil {
		b = nil // the status says enough
	}
	said := message(b)
	cause := fmt.Errorf("upstream: %s: %s", resp.Status, said)
	switch code := resp.StatusCode; {
	case code == http.StatusBadRequest || code == http.StatusUnprocessableEntity || code == http.StatusRequestEntityTooLarge:
		return &fault.Error{Code: fault.InvalidInput, Detail: "the model's server refuses the request: " + said, Cause: cause}
	case code == http.StatusTooManyRequests || code == http.StatusServiceUnavailable:
		f := &fault.Error{Code: fault.Overloaded, Detail: "the model's server is busy", RetryAfter: retryAfter(resp), Cause: cause}
		if code == http.StatusTooManyRequests {
			return f
		}
		return serverError{f}
	case code >= http.StatusInternalServerError:
		return serverError{fault.Wrap(fault.Overloaded, cause, "the model's server failed")}
	}
	return serverError{fault.Wrap(fault.Internal, cause, "the model's server does not take the worker's calls")}
}

func retryAfter(resp *http.Response) time.Duration {
	if n, err := strconv.ParseFloat(resp.Header.Get("Retry-After"), 64); err == nil && n > 0 && n < 3600 {
		return time.Duration(n * float64(time.Second))
	}
	return defaultRetriesAfter
}

// message finds what a server says of an error, in any of the usual shapes.
func message(b []byte) string {
	var shape struct {
		Error   any `json:"error"`
		Message any `json:"message"`
		Detail  any `json:"detail"`
	}
	if json.Unmarshal(b, &shape) == nil {
		for _, v := range []any{shape.Error, shape.Message, shape.Detail} {
			if m, ok := v.(map[string]any); ok {
				v = m["message"]
			}
			if s, ok := v.(string); ok && s != "" {
				return clip(s)
			}
		}
	}
	return "it does not say why"
}

func clip(s string) string {
	if len(s) > 512 {
		s = s[:512]
	}
	return strings.ToValidUTF8(s, "")
}

// lineReader reads lines of bounded length; a last line without its end counts.
type lineReader struct {
	r   io.Reader
	buf []byte
	at  int
	err error
}

func (l *lineReader) next() ([]byte, error) {
	for {
		if n := bytes.IndexByte(l.buf[l.at:], '\n'); n >= 0 {
			line := l.buf[l.at : l.at+n]
			l.at += n + 1
			return line, nil
		}
		if l.err != nil {
			if line := l.buf[l.at:]; len(line) > 0 {
				l.at = len(l.buf)
				return line, nil
			}
			return nil, l.err
		}
		if len(l.buf)-l.at > maxLine {
			return nil, errors.New("upstream: a line is too long")
		}
		l.buf = append(l.buf[:0], l.buf[l.at:]...)
		l.at = 0
		if cap(l.buf)-len(l.buf) < 4096 {
			l.buf = append(make([]byte, 0, 2*cap(l.buf)+8192), l.buf...)
		}
		n, err := l.r.Read(l.buf[len(l.buf):cap(l.buf)])
		l.buf, l.err = l.buf[:len(l.buf)+n], err
	}
}

// answers gathers the choices of one call.
type answers struct {
	choices []answer.Choice
	emit    func(delta []byte)
	whole   bool
	in, out int // tokens, as the server counts them
}

func newAnswers(n int, emit func([]byte)) *answers {
	return &answers{choices: make([]answer.Choice, max(n, 1)), emit: emit}
}

// add takes a delta in and tells it.
func (a *answers) add(d *answer.Delta) error {
	if d.Index < 0 || d.Index >= len(a.choices) {
		return serverError{fault.New(fault.Internal, "the model's server answers more often than it was asked")}
	}
	c := &a.choices[d.Index]
	c.Text += d.Text
	c.Reasoning += d.Reasoning
	c.Logprobs = append(c.Logprobs, d.Logprobs...)
	for i := range d.ToolCalls {
		t := &d.ToolCalls[i]
		if t.Index < 0 || t.Index > len(c.ToolCalls) || t.Index >= input.MaxTools {
			return serverError{fault.New(fault.Internal, "the model's server counts its tool calls wrong")}
		}
		if t.Index == len(c.ToolCalls) {
			if t.ID == "" {
				t.ID = "call_" + strconv.Itoa(t.Index)
			}
			c.ToolCalls = append(c.ToolCalls, input.ToolCall{ID: t.ID, Name: t.Name})
		}
		c.ToolCalls[t.Index].Arguments += t.Arguments
	}
	if d.Text == "" && d.Reasoning == "" && len(d.ToolCalls) == 0 {
		return nil
	}
	d.Many = len(a.choices) > 1
	a.emit(d.Append(nil))
	return nil
}

func (a *answers) result() (engine.Result, error) {
	for i := range a.choices {
		c := &a.choices[i]
		if c.FinishReason == "" {
			return engine.Result{}, serverError{fault.New(fault.Overloaded, "the model's server broke its answer off")}
		}
		if len(c.ToolCalls) > 0 && c.FinishReason == answer.Stop {
			c.FinishReason = answer.ToolCalls
		}
	}
	return engine.Result{Output: answer.Output(a.choices), BatchSize: 1, InputTokens: a.in, OutputTokens: a.out}, nil
}
