package httpapi

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/penstock-dev/penstock/shared/fault"
)

// Server serves the API on any number of listeners. Build it with New.
type Server struct {
	cfg    Config
	deps   Deps
	app    *fiber.App
	http   *fasthttp.Server
	routes []*route
	conns  *connCount

	base     context.Context //nolint:containedctx // the parent of every request's context; ends at the stop stage
	stop     context.CancelFunc
	draining atomic.Bool
	serving  sync.WaitGroup
}

// New builds a server; nothing listens yet.
func New(cfg Config, deps Deps) (*Server, error) {
	if deps.Auth == nil || deps.Tokens == nil || deps.Jobs == nil || deps.Blobs == nil || deps.Tenants == nil || deps.Usage == nil ||
		deps.Ready == nil || deps.Log == nil || deps.Audit == nil {
		return nil, errors.New("httpapi: every dependency but Observe is needed")
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, deps: deps, conns: newConnCount(max(0, cfg.MaxConns), cfg.MaxConnsPer)}
	s.base, s.stop = context.WithCancel(context.Background())
	s.app = fiber.New(fiber.Config{
		DisableStartupMessage:        true,
		CaseSensitive:                true,
		StrictRouting:                true,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		DisableDefaultContentType:    true,
		BodyLimit:                    cfg.MaxBody,
		ReadBufferSize:               cfg.MaxHead + 1024,
		WriteBufferSize:              2048, // most answers fit; thousands of streams hold one each
		ReadTimeout:                  cfg.HeadTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		Concurrency:                  1 << 20, // connCount is the bound
		ErrorHandler:                 s.unrouted,
	})
	s.routes = s.table()
	for _, r := range s.routes {
		s.app.Add(r.method, r.path, s.handle(r))
		if r.method == fiber.MethodGet {
			s.app.Add(fiber.MethodHead, r.path, s.handle(r))
		}
	}
	s.http = s.app.Server()
	s.http.Handler = s.entry(s.app.Handler())
	s.http.ErrorHandler = s.unparsed
	s.http.CloseOnShutdown = true
	return s, nil
}

// Serve takes connections from all listeners until Shutdown, or until one of them fails.
func (s *Server) Serve(ctx context.Context, listeners ...Listener) error {
	limits := &connLimits{maxHead: s.cfg.MaxHead, headTimeout: s.cfg.HeadTimeout}
	failed := make(chan error, len(listeners))
	for _, l := range listeners {
		s.serving.Go(func() {
			failed <- s.http.Serve(&guarded{Listener: l, limits: limits, count: s.conns})
		})
	}
	defer s.serving.Wait()
	for range listeners {
		select {
		case err := <-failed:
			if err != nil {
				return errors.Join(err, s.shutdownNow(ctx))
			}
		case <-ctx.Done():
			return s.shutdownNow(ctx)
		}
	}
	return nil
}

func (s *Server) shutdownNow(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	return s.Shutdown(ctx)
}

// Shutdown drains, then stops. Draining: readiness fails, answers close their connections, nothing new is accepted,
// and what is held may end. When ctx ends first, waiting requests and streams are ended and connections closed.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.stop()
	s.Drain()
	if s.cfg.DrainDelay > 0 {
		timer := time.NewTimer(s.cfg.DrainDelay)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
		}
	}
	err := s.http.ShutdownWithContext(ctx)
	if err == nil || ctx.Err() == nil {
		return err
	}
	s.stop() // second stage: whoever still waits is told so, then cut off
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if s.settled(grace) {
		return nil
	}
	_ = s.conns.closeAll()
	return ctx.Err()
}

// Drain makes the server unready and ends keep-alive; it goes on serving.
func (s *Server) Drain() { s.draining.Store(true) }

// settled waits until no connection is open, and tells whether that came before ctx ended.
func (s *Server) settled(ctx context.Context) bool {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for s.conns.len() > 0 {
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
	return true
}

// Ready tells why the gateway should get no traffic: it drains, or a part of it does not work.
func (s *Server) Ready(ctx context.Context) error {
	if s.draining.Load() {
		return fault.New(fault.Overloaded, "the gateway is stopping")
	}
	return s.deps.Ready(ctx)
}

// entry stands before Fiber: redirect listeners, methods that Fiber does not know, connections that end.
func (s *Server) entry(next fasthttp.RequestHandler) fasthttp.RequestHandler {
	return func(rc *fasthttp.RequestCtx) {
		c := connOf(rc.Conn())
		switch {
		case c != nil && c.to != "":
			s.redirect(rc, c.to)
		case !knownMethod(rc.Method()):
			writeProblem(rc, fault.New(fault.MethodNotAllowed, "no route has this method"), s.requestID(rc))
			rc.Response.Header.Set(fiber.HeaderAllow, "GET, HEAD, POST, PATCH, DELETE")
		default:
			next(rc)
		}
		s.finish(rc, c)
	}
}

// finish decides whether the connection goes on. A body that was not read to its end would be taken for a head.
func (s *Server) finish(rc *fasthttp.RequestCtx, c *conn) {
	if s.draining.Load() || wantsClose(rc.Request.Header.Peek(fiber.HeaderConnection)) {
		rc.SetConnectionClose()
	}
	if c == nil {
		return
	}
	n := rc.Request.Header.ContentLength()
	read := c.bodyRead || n == 0 || !rc.Request.IsBodyStream() || n > 0 && n <= min(prefetched, s.cfg.MaxBody)
	if c.bodyRead = false; !read {
		rc.SetConnectionClose()
		c.bodyLeft = true
	}
}

// prefetched is how much of a declared body fasthttp reads before it calls the handler.
const prefetched = 8 << 10

// wantsClose finds the close option among the tokens of a Connection field; fasthttp knows only the bare word.
func wantsClose(v []byte) bool {
	for len(v) > 0 {
		token, rest, _ := bytes.Cut(v, []byte{','})
		if equalFold(trimSpace(token), "close") {
			return true
		}
		v = rest
	}
	return false
}

func knownMethod(m []byte) bool {
	switch string(m) {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
		return true
	}
	return false
}

// redirect sends a plain HTTP caller to the same place on HTTPS.
func (s *Server) redirect(rc *fasthttp.RequestCtx, port string) {
	host := string(rc.Host())
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if port != "443" {
		host = net.JoinHostPort(trimBrackets(host), port)
	}
	target := string(rc.URI().PathOriginal())
	if target == "" || target[0] != '/' {
		target = "/"
	}
	if q := rc.URI().QueryString(); len(q) > 0 {
		target += "?" + string(q)
	}
	rc.Response.SetStatusCode(fiber.StatusPermanentRedirect)
	rc.Response.Header.Set(fiber.HeaderLocation, "https://"+host+target)
	rc.SetConnectionClose()
}

func trimBrackets(host string) string {
	if len(host) > 2 && host[0] == '[' && host[len(host)-1] == ']' {
		return host[1 : len(host)-1]
	}
	return host
}

// unparsed answers a message that did not become a request. The connection is closed after it.
func (s *Server) unparsed(rc *fasthttp.RequestCtx, err error) {
	f := fault.New(fault.BadRequest, "the message is not HTTP as we take it")
	c := connOf(rc.Conn())
	var small *fasthttp.ErrSmallBuffer
	switch {
	case c != nil && c.refused != nil:
		f = fault.New(c.refused.code, "%s", c.refused.detail)
	case errors.As(err, &small):
		f = fault.New(codeHeadTooLarge, "the message's head is too large")
	case isTimeout(err):
		f = fault.New(codeRequestTimeout, "the message did not arrive in time")
	}
	if c != nil {
		c.bodyLeft = true
	}
	id := rand.Text()
	status := writeProblem(rc, f, id)
	s.audit(&record{method: "-", route: "none", id: id, status: status, code: f.Code, remote: remoteOf(c), start: time.Now()})
}
