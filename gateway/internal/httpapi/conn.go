package httpapi

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"
)

// errRefused ends the reading of a body whose framing is broken; the reason is in conn.refused.
var errRefused = errors.New("httpapi: the message is framed wrongly")

// phase is where in the message stream the next unchecked byte stands.
type phase uint8

const (
	inHead phase = iota
	inBody
	inChunkSize
	inChunk
	inChunkEnd
	inTrailer
)

// conn stands between the socket (after TLS) and fasthttp. It reads the same message borders from the bytes as
// fasthttp will, and hands over a head only once it is whole and unambiguous. One byte more of leniency here than
// in a proxy before us is a smuggled request, so there is none.
//
// The reading fields belong to the goroutine that calls Read; while a handler waits, to its watch.
type conn struct {
	net.Conn
	limits *connLimits
	remote netip.Addr
	secure bool   // over TLS
	to     string // not empty: this listener only redirects, to HTTPS on this port

	buf     []byte
	r, w    int // buf[r:w] is read from the socket and not yet handed on
	pass    int // buf[r:r+pass] is checked
	line    int // offset of the current line from r+pass, inside a head, a size line or a trailer
	seen    int // bytes of that line already searched for its end
	at      phase
	left    int64 // bytes left of the body or chunk
	head    head
	spare   int       // CRLFs skipped before a head
	began   time.Time // when the unfinished head's first byte came; zero when its deadline is not armed
	refused *refusal
	inject  string
	readErr error // what a watch met, for the next Read

	bearer   string // of the last call; owned by the handler
	bodyRead bool   // the handler read the body to its end
	bodyLeft bool   // a body was not read to its end: linger on close
	watch    watch
	closed   atomic.Bool
	release  func()
}

// connLimits are a listener's bounds on a connection.
type connLimits struct {
	maxHead     int
	headTimeout time.Duration
}

// brokenHead makes fasthttp's own parser fail, so that the refusal leaves by its error handler, in order.
const brokenHead = "\x00\r\n\r\n"

// Read hands on checked bytes only.
func (c *conn) Read(p []byte) (int, error) {
	for {
		if c.pass > 0 {
			n := copy(p, c.buf[c.r:c.r+c.pass])
			c.consume(n)
			return n, nil
		}
		if c.refused != nil {
			return c.refuse(p)
		}
		if c.r < c.w && c.advance() {
			continue
		}
		if err := c.readErr; err != nil {
			return 0, err
		}
		if (c.at == inBody || c.at == inChunk) && c.r == c.w {
			return c.direct(p)
		}
		if err := c.fill(); err != nil {
			if c.at == inHead && c.r < c.w && isTimeout(err) {
				c.reject(&refusal{codeRequestTimeout, "the message's head did not arrive in time"})
				continue
			}
			return 0, err
		}
	}
}

// direct reads body bytes without a stop in buf.
func (c *conn) direct(p []byte) (int, error) {
	if int64(len(p)) > c.left {
		p = p[:c.left]
	}
	n, err := c.Conn.Read(p)
	c.left -= int64(n)
	if c.left == 0 {
		c.bodyDone()
	}
	return n, err
}

// refuse answers reads after a refusal: an unparsable head where a head is awaited, an error inside a body.
func (c *conn) refuse(p []byte) (int, error) {
	if c.at != inHead {
		return 0, errRefused
	}
	if c.inject == "" {
		return 0, io.EOF
	}
	n := copy(p, c.inject)
	c.inject = c.inject[n:]
	return n, nil
}

func (c *conn) reject(r *refusal) {
	c.refused, c.inject, c.bodyLeft = r, brokenHead, true
}

func (c *conn) consume(n int) {
	c.r += n
	c.pass -= n
	if c.r == c.w {
		c.r, c.w = 0, 0
	}
}

// fill reads more from the socket behind what is there.
func (c *conn) fill() error {
	if c.buf == nil {
		c.buf = make([]byte, 2048) // most requests fit, and thousands of streams wait with one each
	}
	if c.w == len(c.buf) {
		if c.r > 0 {
			c.w = copy(c.buf, c.buf[c.r:c.w])
			c.r = 0
		} else {
			c.buf = append(c.buf, make([]byte, len(c.buf))...) // bounded by maxHead: advance refuses longer heads
		}
	}
	if c.at == inHead && c.r < c.w && c.began.IsZero() {
		c.began = time.Now()
		if err := c.SetReadDeadline(c.began.Add(c.limits.headTimeout)); err != nil {
			return err
		}
	}
	n, err := c.Conn.Read(c.buf[c.w:])
	c.w += n
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// advance checks buffered bytes as far as it can within one message, and tells whether Read has something to do with
// the outcome. It stops at the message's end: what is refused behind it must not be blamed on this one.
func (c *conn) advance() bool {
	for ended := false; c.refused == nil && !ended; ended = c.at == inHead && c.pass > 0 {
		rest := c.buf[c.r+c.pass : c.w]
		if len(rest) == 0 {
			break
		}
		switch c.at {
		case inBody, inChunk:
			n := min(int64(len(rest)), c.left)
			c.pass += int(n)
			c.left -= n
			if c.left == 0 {
				c.bodyDone()
			}
		case inChunkEnd:
			if len(rest) < 2 {
				return c.pass > 0
			}
			if rest[0] != '\r' || rest[1] != '\n' {
				c.reject(bad("a chunk is longer than its size"))
				break
			}
			c.pass += 2
			c.at = inChunkSize
		default:
			if !c.nextLine(rest) {
				return c.pass > 0
			}
		}
	}
	return c.pass > 0 || c.refused != nil
}

func (c *conn) bodyDone() {
	if c.at == inChunk {
		c.at = inChunkEnd
		return
	}
	c.at = inHead
}

// nextLine takes one line of a head, a chunk size or a trailer, and tells whether there was a whole one.
func (c *conn) nextLine(rest []byte) bool {
	i := bytes.IndexByte(rest[c.line+c.seen:], '\n')
	if i < 0 {
		c.partial(rest)
		return c.refused != nil
	}
	end := c.line + c.seen + i
	if end == c.line || rest[end-1] != '\r' {
		c.reject(bad("a line does not end in CR LF"))
		return true
	}
	line := rest[c.line : end-1]
	c.seen = 0
	if end >= c.limits.maxHead {
		c.reject(&refusal{codeHeadTooLarge, "the message's head is too large"})
		return true
	}
	switch c.at {
	case inHead:
		c.headLine(line, end+1)
	case inChunkSize:
		c.sizeLine(line, end+1)
	default:
		c.trailerLine(line, end+1)
	}
	return true
}

// partial notes how far an unfinished line was searched, and bounds it.
func (c *conn) partial(rest []byte) {
	c.seen = len(rest) - c.line
	switch {
	case len(rest) >= c.limits.maxHead:
		c.reject(&refusal{codeHeadTooLarge, "the message's head is too large"})
	case c.at == inHead && c.head.lines == 0 && c.line == 0 && !isToken(rest[0]) && rest[0] != '\r':
		c.reject(bad("this is not an HTTP request")) // a TLS hello on a plain listener, most often
	case c.at == inChunkSize && len(rest) > 256:
		c.reject(bad("a chunk's size line is too long"))
	}
}

// headLine takes a line of the head; next is the offset behind it from the head's start.
func (c *conn) headLine(line []byte, next int) {
	if len(line) > 0 {
		if r := c.head.line(line); r != nil {
			c.reject(r)
			return
		}
		c.line = next
		return
	}
	if c.head.lines == 0 && c.spare == 0 { // one empty line before a request is taken, as HTTP asks
		c.spare++
		c.pass, c.line = c.pass+next, 0
		return
	}
	if r := c.head.end(); r != nil {
		c.reject(r)
		return
	}
	c.pass, c.line, c.spare, c.began = c.pass+next, 0, 0, time.Time{}
	switch {
	case c.head.chunked:
		c.at = inChunkSize
	case c.head.length > 0:
		c.at, c.left = inBody, c.head.length
	}
	c.head = head{}
}

func (c *conn) sizeLine(line []byte, next int) {
	n, r := chunkSize(line)
	if r != nil {
		c.reject(r)
		return
	}
	c.pass, c.line = c.pass+next, 0
	c.at, c.left = inChunk, n
	if n == 0 {
		c.at = inTrailer
	}
}

func (c *conn) trailerLine(line []byte, next int) {
	if len(line) == 0 {
		c.pass, c.line, c.at = c.pass+next, 0, inHead
		return
	}
	if r := trailer(line); r != nil {
		c.reject(r)
		return
	}
	c.line = next
}

// Close closes the socket. After an unread rest it lingers for a moment, as a reset could overtake the answer.
func (c *conn) Close() error {
	if !c.closed.CompareAndSwap(false, true) {
		return nil
	}
	if c.release != nil {
		defer c.release()
	}
	if c.bodyLeft {
		c.linger()
	}
	return c.Conn.Close()
}

const (
	lingerTime  = 500 * time.Millisecond
	lingerBytes = 8 << 20
)

func (c *conn) linger() {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if c.SetReadDeadline(time.Now().Add(lingerTime)) != nil {
		return
	}
	_, _ = io.CopyN(io.Discard, c.Conn, lingerBytes)
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}

// secureConn is a conn over TLS, as fasthttp knows one: by these methods.
type secureConn struct {
	*conn
	tls *tls.Conn
}

// Handshake runs the TLS handshake, in the connection's own goroutine and within its deadline.
func (c *secureConn) Handshake() error { return c.tls.HandshakeContext(context.Background()) }

// ConnectionState tells what was agreed.
func (c *secureConn) ConnectionState() tls.ConnectionState { return c.tls.ConnectionState() }

// connOf finds our connection behind fasthttp's.
func connOf(c net.Conn) *conn {
	switch c := c.(type) {
	case *conn:
		return c
	case *secureConn:
		return c.conn
	}
	return nil
}

// watch notices that the caller hung up while its handler waits. It begins to read only when the wait has lasted a
// while, so that a quick job costs no goroutine. What it reads (a pipelined request) stays in the buffer.
type watch struct {
	mu      sync.Mutex
	state   watchState  // guarded by mu
	timer   *time.Timer // made at the first wait
	gone    func()      // guarded by mu
	aborted bool        // guarded by mu
	idle    chan struct{}
}

type watchState uint8

const (
	watchOff watchState = iota
	watchArmed
	watchReading
)

const watchAfter = 20 * time.Millisecond

// startWatch calls gone when the peer closes while the handler waits. stopWatch must follow before the next Read.
func (c *conn) startWatch(gone func()) {
	if c.r < c.w || c.at != inHead || c.refused != nil || c.readErr != nil {
		return // the next request is here already: nothing can be told from reading
	}
	w := &c.watch
	w.mu.Lock()
	defer w.mu.Unlock()
	w.state, w.gone, w.aborted = watchArmed, gone, false
	if w.timer == nil {
		w.idle = make(chan struct{}, 1)
		w.timer = time.AfterFunc(watchAfter, c.runWatch)
		return
	}
	w.timer.Reset(watchAfter)
}

func (c *conn) runWatch() {
	w := &c.watch
	w.mu.Lock()
	if w.state != watchArmed {
		w.mu.Unlock()
		return
	}
	w.state = watchReading
	err := c.SetReadDeadline(time.Time{})
	w.mu.Unlock()
	if err == nil {
		err = c.fill()
	}
	w.mu.Lock()
	if err != nil && !w.aborted {
		c.readErr = err
		w.gone()
	}
	w.gone = nil
	w.mu.Unlock()
	w.idle <- struct{}{}
}

// stopWatch ends the watch and gives the reading side back to the caller.
func (c *conn) stopWatch() {
	w := &c.watch
	w.mu.Lock()
	state := w.state
	w.state = watchOff
	if state == watchArmed {
		w.timer.Stop()
		w.gone = nil
	}
	if state == watchReading {
		w.aborted = true
		_ = c.SetReadDeadline(time.Unix(1, 0)) // wakes the pending read
	}
	w.mu.Unlock()
	if state == watchReading {
		<-w.idle
		_ = c.SetReadDeadline(time.Time{})
	}
}
