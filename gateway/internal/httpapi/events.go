package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// submitStream is POST /v1/jobs with Accept: text/event-stream.
func (k *call) submitStream(r job.Request) error {
	r.Stream = true
	sub, err := k.submit(r)
	if err != nil {
		return underInput(err)
	}
	return k.stream(sub.State.Job.ID, 0, r.Detach)
}

// jobEvents is GET /v1/jobs/{id}/events.
func (k *call) jobEvents() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	after, err := k.number("starting_after", 0, 0, 1<<30)
	if err != nil {
		return err
	}
	if v := k.header("Last-Event-ID"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 || v[0] == '+' {
			return badParam("Last-Event-ID", "must be the id of an event")
		}
		after = n
	}
	return k.stream(id, after, true)
}

// stream makes the response the job's event stream. When the caller leaves, the job ends too unless it is to be kept.
func (k *call) stream(id string, after int, keep bool) error {
	if k.c.Method() == fiber.MethodHead {
		if _, err := k.s.deps.Jobs.Get(k.context(), k.tenant, id); err != nil {
			return err
		}
		k.streamHeaders()
		return nil
	}
	src, err := k.s.deps.Jobs.Events(k.context(), k.tenant, id, after)
	if err != nil {
		return err
	}
	k.streamHeaders()
	k.late = true
	e := &eventBody{s: k.s, src: src, conn: k.conn, record: k.record, ctx: k.context(), cancel: k.cancel, keep: keep}
	if k.conn != nil {
		k.conn.startWatch(k.hungUp)
	}
	k.rc.Response.SetBodyStream(e, -1)
	return nil
}

func (k *call) streamHeaders() {
	h := &k.rc.Response.Header
	h.SetContentType("text/event-stream")
	h.Set("X-Accel-Buffering", "no")
	k.rc.Response.ImmediateHeaderFlush = true
}

// eventBody is a response body that fasthttp reads in the connection's own goroutine, one flush a Read. It holds no
// more than one event; a reader slower than the write deadline is dropped, and hears the rest when it comes again.
type eventBody struct {
	*record
	s      *Server
	src    Stream
	conn   *conn
	ctx    context.Context //nolint:containedctx // the call's, which ends when the caller hangs up
	cancel context.CancelCauseFunc
	keep   bool
	rest   []byte // of an event that did not fit the reader's room
	buf    []byte
	done   bool // the last event was given
	closed bool
}

// Read gives the next event, or a comment after a silence.
func (e *eventBody) Read(p []byte) (int, error) {
	if len(e.rest) == 0 {
		if e.done {
			return 0, io.EOF
		}
		if err := e.next(); err != nil {
			return 0, err
		}
	}
	if e.conn != nil {
		if err := e.conn.SetWriteDeadline(time.Now().Add(e.s.cfg.WriteTimeout)); err != nil {
			return 0, err
		}
	}
	n := copy(p, e.rest)
	e.rest = e.rest[n:]
	return n, nil
}

func (e *eventBody) next() error {
	ctx, cancel := context.WithTimeout(e.ctx, e.s.cfg.Heartbeat)
	defer cancel()
	m, err := e.src.Next(ctx)
	switch {
	case err == nil:
		e.buf = appendEvent(e.buf[:0], &m)
	case errors.Is(err, io.EOF):
		e.done = true
		return io.EOF
	case e.ctx.Err() != nil:
		return e.ctx.Err()
	case errors.Is(err, context.DeadlineExceeded):
		e.buf = append(e.buf[:0], ": still here\n\n"...)
	default:
		e.cause, e.code = err, fault.CodeOf(err)
		return err
	}
	e.rest = e.buf
	return nil
}

// Close ends the stream, and its call with it.
func (e *eventBody) Close() error {
	if e.closed {
		return nil
	}
	e.closed = true
	if e.conn != nil {
		e.conn.stopWatch()
	}
	e.src.Close()
	e.cancel(nil)
	if !e.done {
		e.code = codeClientGone
		if e.cause != nil {
			e.code = fault.CodeOf(e.cause)
		}
		e.abandon()
	}
	e.s.audit(e.record)
	return nil
}

// abandon cancels the job of a caller that left its own stream.
func (e *eventBody) abandon() {
	if e.keep || e.s.base.Err() != nil || e.cause != nil {
		return
	}
	ctx, cancel := context.WithTimeout(e.s.base, 2*time.Second)
	defer cancel()
	_, _ = e.s.deps.Jobs.Cancel(ctx, e.tenant, e.jobID)
}

// appendEvent renders one server-sent event. Data of several lines keeps its lines.
func appendEvent(b []byte, m *job.Message) []byte {
	b = append(b, "id: "...)
	b = strconv.AppendInt(b, int64(m.ID), 10)
	b = append(b, "\nevent: "...)
	b = append(b, m.Name...)
	if bytes.IndexByte(m.Data, '\n') < 0 {
		b = append(append(b, "\ndata: "...), m.Data...)
	} else {
		for line := range strings.SplitSeq(string(m.Data), "\n") {
			b = append(append(b, "\ndata: "...), line...)
		}
	}
	return append(b, "\n\n"...)
}
