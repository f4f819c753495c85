package webhook

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

const (
	maxAnswer     = 64 << 10 // bytes of a receiver's answer that are read
	maxAnswerHead = 16 << 10
	userAgent     = "Penstock-Webhook/1"
)

// answer is what came of one attempt.
type answer struct {
	status     int           // 0 when there was none
	err        string        // why it counts as a failure, for the tenant: it tells nothing of our network
	retryAfter time.Duration // the receiver's wish
	took       time.Duration
	final      bool // no further attempt can succeed
}

func (a *answer) delivered() bool { return a.status >= 200 && a.status < 300 }

// gone tells that the receiver wants to hear no more.
func (a *answer) gone() bool { return a.status == http.StatusGone }

// sender makes the requests: no proxies, no redirects, no cookies, no decompression.
type sender struct {
	timeout time.Duration
	secure  *http.Client
	plain   *http.Client // to this machine, in development
}

func newSender(g *guard, cfg *Config) *sender {
	s := &sender{timeout: cfg.Timeout, secure: newClient(g, cfg, false)}
	if g.loopback {
		s.plain = newClient(g, cfg, true)
	}
	return s
}

func newClient(g *guard, cfg *Config, plain bool) *http.Client {
	dialer := &net.Dialer{Timeout: cfg.Timeout, KeepAlive: -1, Resolver: cfg.Resolver, Control: g.control(plain)}
	return &http.Client{
		Transport: &http.Transport{
			DialContext: dialer.DialContext, ForceAttemptHTTP2: true, DisableCompression: true,
			TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: cfg.RootCAs},
			TLSHandshakeTimeout: cfg.Timeout, MaxResponseHeaderBytes: maxAnswerHead,
			MaxIdleConns: 64, MaxIdleConnsPerHost: 2, IdleConnTimeout: 20 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (s *sender) close() {
	s.secure.CloseIdleConnections()
	if s.plain != nil {
		s.plain.CloseIdleConnections()
	}
}

// send makes one attempt.
func (s *sender) send(ctx context.Context, w *job.Webhook, id string, body []byte) answer {
	ctx, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	began := time.Now()
	a := s.post(ctx, w, id, began, body)
	a.took = time.Since(began)
	return a
}

func (s *sender) post(ctx context.Context, w *job.Webhook, id string, now time.Time, body []byte) answer {
	signature, err := sign(w.Secrets, id, now, body)
	if err != nil {
		return answer{err: "the secret cannot sign"}
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return answer{err: "the URL cannot be called"}
	}
	req.Header = http.Header{
		"Content-Type": {"application/json"}, "User-Agent": {userAgent},
		http.CanonicalHeaderKey(headerID):        {id},
		http.CanonicalHeaderKey(headerTimestamp): {strconv.FormatInt(now.Unix(), 10)},
		http.CanonicalHeaderKey(headerSignature): {signature},
	}
	client := s.secure
	if req.URL.Scheme == "http" {
		client = s.plain
	}
	if client == nil {
		return answer{err: errForbidden.Error()}
	}
	res, err := client.Do(req)
	if err != nil {
		return answer{err: s.explain(err)}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxAnswer)) // so that the connection can be used again
	_ = res.Body.Close()
	a := answer{status: res.StatusCode, retryAfter: retryAfter(res.Header.Get("Retry-After"), now)}
	switch {
	case a.delivered():
	case a.status >= 300 && a.status < 400:
		a.err = fmt.Sprintf("it answered %d; redirects are not followed", a.status)
	default:
		a.err = fmt.Sprintf("it answered %d", a.status)
	}
	return a
}

// retryAfter reads the header: seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(strings.TrimSpace(text)); err == nil {
		return time.Duration(min(max(n, 0), 1<<30)) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(0, at.Sub(now))
	}
	return 0
}

// explain says in a few words why there was no answer. The address that a name resolves to is not among them.
func (s *sender) explain(err error) string {
	if errors.Is(err, errForbidden) {
		return errForbidden.Error()
	}
	if dns, ok := errors.AsType[*net.DNSError](err); ok {
		if dns.IsNotFound {
			return "the name does not resolve"
		}
		return "the name could not be resolved"
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return "the certificate is not trusted, or not for this name"
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return "the certificate is not trusted"
	}
	if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
		return "no answer within " + s.timeout.String()
	}
	if errors.Is(err, syscall.ECONNREFUSED) {
		return "the connection was refused"
	}
	return "the connection failed"
}

func isTimeout(err error) bool {
	t, ok := errors.AsType[net.Error](err)
	return ok && t.Timeout()
}
