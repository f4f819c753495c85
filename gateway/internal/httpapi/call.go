package httpapi

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"runtime/debug"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// route is one entry of the route table.
type route struct {
	method string
	path   string // Fiber's pattern
	public bool   // needs no bearer
	scope  string // a scope the bearer needs; empty when none, or when Deps check it
	quiet  bool   // no audit line: probes
	query  []string
	serve  func(*call) error
}

// record is what the audit line says of a call. Everything in it is copied from the request.
type record struct {
	method, route, id  string
	status             int
	code               code
	remote             netip.Addr
	start              time.Time
	tenant, subject    string
	task, model, jobID string
	cause              error
}

// call is one request on its way through a route. It lives as long as its handler.
type call struct {
	*record
	s    *Server
	c    *fiber.Ctx
	rc   *fasthttp.RequestCtx
	conn *conn
	who  *tenant.Principal

	ctx    context.Context //nolint:containedctx // the request's own, made on demand; it ends with the call
	cancel context.CancelCauseFunc
	late   bool // the audit line is written by the event stream, when it ends
}

// handle wraps a route: request id, recover, auth, the problem of an error, audit.
func (s *Server) handle(r *route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		rc := c.Context()
		k := &call{s: s, c: c, rc: rc, conn: connOf(rc.Conn()), record: &record{
			method: r.method, route: r.path, id: s.requestID(rc), start: time.Now(),
		}}
		k.remote = s.remote(rc, k.conn)
		k.headers()
		if err := k.run(r); err != nil {
			k.fail(err)
		}
		if k.cancel != nil && !k.late {
			k.cancel(nil)
		}
		k.status = rc.Response.StatusCode()
		if !r.quiet && !k.late {
			s.audit(k.record)
		}
		return nil
	}
}

// run is the route itself, with whoever calls it known, and a panic turned into an internal fault.
func (k *call) run(r *route) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic: %v\n%s", v, debug.Stack()), "something went wrong on our side")
		}
	}()
	if !r.public {
		if err := k.authenticate(r.scope); err != nil {
			return err
		}
	}
	if err := k.checkQuery(r.query); err != nil {
		return err
	}
	return r.serve(k)
}

func (k *call) authenticate(scope string) error {
	token, err := k.bearer()
	if err != nil {
		return err
	}
	who, err := k.s.deps.Auth.Authenticate(k.context(), token, k.remote)
	if err != nil {
		return err
	}
	k.who, k.tenant, k.subject = who, who.Tenant.ID, who.Subject
	if scope != "" && !who.Allows(scope) {
		return fault.New(fault.ScopeMissing, "the token lacks the scope %q", scope)
	}
	return nil
}

// bearer copies the token out of the Authorization field; a connection's calls mostly have one and the same.
func (k *call) bearer() (string, error) {
	v := k.rc.Request.Header.Peek(fiber.HeaderAuthorization)
	if len(v) == 0 {
		return "", fault.New(fault.Unauthenticated, noTokenDetail)
	}
	if len(v) < 8 || !equalFold(v[:7], "bearer ") {
		return "", fault.New(fault.Unauthenticated, "the Authorization field is not of the form Bearer TOKEN")
	}
	v = trimSpace(v[7:])
	if k.conn == nil {
		return string(v), nil
	}
	if string(v) != k.conn.bearer {
		k.conn.bearer = string(v)
	}
	return k.conn.bearer, nil
}

// context is the request's own: it ends with the call, at the stop stage, or when the caller hung up during a wait.
func (k *call) context() context.Context {
	if k.ctx == nil {
		k.ctx, k.cancel = context.WithCancelCause(k.s.base)
	}
	return k.ctx
}

// hungUp ends the call's context because its caller has gone.
func (k *call) hungUp() { k.cancel(job.ErrCallerGone) }

// waiting runs f with a watch on the connection: the call's context ends when the caller hangs up.
func (k *call) waiting(f func(ctx context.Context) error) error {
	ctx := k.context()
	if k.conn == nil {
		return f(ctx)
	}
	k.conn.startWatch(k.hungUp)
	defer k.conn.stopWatch()
	return f(ctx)
}

// headers sets what every answer carries.
func (k *call) headers() {
	h := &k.rc.Response.Header
	h.Set(fiber.HeaderXRequestID, k.id)
	h.Set(fiber.HeaderCacheControl, "no-store")
	h.Set(fiber.HeaderXContentTypeOptions, "nosniff")
	if k.s.cfg.HSTS && k.conn != nil && k.conn.secure {
		h.Set(fiber.HeaderStrictTransportSecurity, "max-age=31536000")
	}
}

// fail makes the response the problem of err.
func (k *call) fail(err error) {
	f := fault.From(err)
	if f.Code == fault.Internal && errors.Is(err, context.Canceled) {
		f = fault.Wrap(fault.Overloaded, err, "the gateway is stopping, or the caller is gone")
	}
	k.code, k.cause = f.Code, f.Cause
	if errors.Is(err, context.Canceled) && k.s.base.Err() == nil {
		k.code, k.cause = codeClientGone, nil // for the audit line: nobody reads the answer
	}
	k.rc.Response.ResetBody()
	writeProblem(k.rc, f, k.id)
	if k.code == fault.PayloadTooLarge || k.conn != nil && k.conn.refused != nil {
		k.rc.SetConnectionClose()
	}
}

// json makes the response a JSON body, which must not be touched afterwards.
func (k *call) json(status int, body []byte) error {
	k.rc.Response.SetStatusCode(status)
	k.rc.Response.Header.SetContentType("application/json")
	k.rc.Response.SetBodyRaw(body)
	return nil
}

// unrouted answers what Fiber found no handler for: 404, or 405 with the Allow field that Fiber set.
func (s *Server) unrouted(c *fiber.Ctx, err error) error {
	f := fault.New(fault.NotFound, "there is no such route")
	var fe *fiber.Error
	if errors.As(err, &fe) && fe.Code == fiber.StatusMethodNotAllowed {
		f = fault.New(fault.MethodNotAllowed, "the route has other methods; the Allow field lists them")
	}
	rc := c.Context()
	r := &record{method: strings.Clone(c.Method()), route: "none", id: s.requestID(rc), start: time.Now(), code: f.Code}
	r.remote = s.remote(rc, connOf(rc.Conn()))
	r.status = writeProblem(rc, f, r.id)
	s.audit(r)
	return nil
}

// audit writes the call's line. It never holds a token, a text, an answer or a query's values.
func (s *Server) audit(r *record) {
	took := time.Since(r.start)
	if s.deps.Observe != nil {
		s.deps.Observe(r.method, r.route, r.status, took)
	}
	if r.cause != nil && (r.status >= 500 || r.code == fault.Internal) {
		s.deps.Log.LogAttrs(context.Background(), slog.LevelError, "a call failed",
			slog.String("request_id", r.id), slog.String("route", r.route), slog.String("code", string(r.code)),
			slog.Any("cause", r.cause))
	}
	if !s.deps.Audit.Enabled(context.Background(), slog.LevelInfo) {
		return
	}
	attrs := make([]slog.Attr, 0, 13)
	attrs = append(attrs, slog.String("request_id", r.id), slog.String("method", r.method), slog.String("route", r.route),
		slog.Int("status", r.status), slog.Float64("ms", float64(took.Microseconds())/1000), slog.String("remote", r.remote.String()))
	for _, a := range [...]struct{ key, value string }{
		{"code", string(r.code)},
		{"tenant", r.tenant},
		{"subject", r.subject},
		{"task", r.task},
		{"model", r.model},
		{"job_id", r.jobID},
	} {
		if a.value != "" {
			attrs = append(attrs, slog.String(a.key, a.value))
		}
	}
	s.deps.Audit.LogAttrs(context.Background(), slog.LevelInfo, "call", attrs...)
}

// requestID takes the caller's X-Request-Id when it is a plain word, or makes one.
func (s *Server) requestID(rc *fasthttp.RequestCtx) string {
	v := rc.Request.Header.Peek(fiber.HeaderXRequestID)
	if len(v) == 0 || len(v) > 128 {
		return rand.Text()
	}
	for _, c := range v {
		if !isAlnum(c) && c != '-' && c != '_' && c != '.' {
			return rand.Text()
		}
	}
	return string(v)
}

func remoteOf(c *conn) netip.Addr {
	if c == nil {
		return netip.Addr{}
	}
	return c.remote
}

// remote is who calls: the socket's other end, or the last hop that a trusted proxy names.
func (s *Server) remote(rc *fasthttp.RequestCtx, c *conn) netip.Addr {
	addr := remoteOf(c)
	if len(s.cfg.TrustedProxies) == 0 || !s.trusted(addr) {
		return addr
	}
	fields := rc.Request.Header.PeekAll(fiber.HeaderXForwardedFor)
	for i := len(fields) - 1; i >= 0; i-- {
		hops := strings.Split(string(fields[i]), ",")
		for j := len(hops) - 1; j >= 0; j-- {
			hop, err := netip.ParseAddr(strings.TrimSpace(hops[j]))
			if err != nil {
				return addr
			}
			if addr = hop.Unmap(); !s.trusted(addr) {
				return addr
			}
		}
	}
	return addr
}

func (s *Server) trusted(a netip.Addr) bool {
	for _, p := range s.cfg.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
