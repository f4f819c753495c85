package main

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// proxy stands between one process and the broker's servers, so that its connections can be cut or held up.
type proxy struct {
	addrs     []string // one for each of the broker's
	listeners []net.Listener
	running   sync.WaitGroup

	mu    sync.Mutex
	conns map[net.Conn]struct{} // guarded by mu: both ends of each
	held  chan struct{}         // guarded by mu: closed when bytes may pass; nil while they may
	bytes int64                 // guarded by mu: passed on
	ended bool                  // guarded by mu
}

func newProxy(ctx context.Context, targets []string) (*proxy, error) {
	p := &proxy{conns: map[net.Conn]struct{}{}}
	for _, target := range targets {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, errors.Join(err, p.close())
		}
		p.listeners, p.addrs = append(p.listeners, l), append(p.addrs, l.Addr().String())
		p.running.Go(func() { p.serve(l, target) })
	}
	return p, nil
}

func (p *proxy) close() error {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	var errs []error
	for _, l := range p.listeners {
		errs = append(errs, l.Close())
	}
	p.release()
	p.cut()
	p.running.Wait()
	return errors.Join(errs...)
}

func (p *proxy) serve(l net.Listener, target string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return // closed
		}
		p.running.Go(func() {
			out, err := net.DialTimeout("tcp", target, time.Second) //nolint:noctx,gosec // its timeout is enough; our own broker
			if err != nil {
				_ = in.Close() // as the broker's own port would refuse it
				return
			}
			p.join(in, out)
		})
	}
}

// join passes bytes on, both ways, until one side ends.
func (p *proxy) join(a, b net.Conn) {
	p.mu.Lock()
	ended := p.ended
	p.conns[a], p.conns[b] = struct{}{}, struct{}{}
	p.mu.Unlock()
	if ended {
		p.drop(a, b)
	}
	var both sync.WaitGroup
	both.Go(func() { p.pass(a, b); p.drop(a, b) })
	both.Go(func() { p.pass(b, a); p.drop(a, b) })
	both.Wait()
}

func (p *proxy) drop(conns ...net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		delete(p.conns, c)
		_ = c.Close() // the other side may have been first
	}
}

func (p *proxy) pass(to io.Writer, from io.Reader) {
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		p.mu.Lock()
		held := p.held
		p.bytes += int64(n)
		p.mu.Unlock()
		if held != nil {
			<-held
		}
		if n > 0 {
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// cut closes all connections at once, as a reset does: what is on its way is lost.
func (p *proxy) cut() (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.conns {
		if t, ok := c.(*net.TCPConn); ok {
			_ = t.SetLinger(0) // it may be closed already
		}
		_ = c.Close() // likewise
		n++
	}
	return n
}

// hold lets nothing pass until release.
func (p *proxy) hold() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held == nil {
		p.held = make(chan struct{})
	}
}

func (p *proxy) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held != nil {
		close(p.held)
		p.held = nil
	}
}

// passed tells how many bytes went through.
func (p *proxy) passed() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bytes
}

// some picks one proxy, or now and then all.
func (s *site) some(rng *rand.Rand) []*proxy {
	if n := rng.IntN(len(s.proxies) + 1); n < len(s.proxies) {
		return s.proxies[n : n+1]
	}
	return s.proxies
}

// cut closes connections to the broker at random times, a few times in a row.
func (s *site) cut(ctx context.Context, rng *rand.Rand) {
	f := s.faults.begin(cut)
	defer s.faults.end(f)
	for range 1 + rng.IntN(4) {
		for _, p := range s.some(rng) {
			if p.cut() > 0 {
				s.faults.again(f)
			}
		}
		_ = wait(ctx, time.Duration(rng.IntN(400))*time.Millisecond) // the caller looks at ctx
	}
}

// hole lets connections to the broker stand and passes nothing on for a while. Then what was held up arrives late, or is
// lost with its connection.
func (s *site) hole(ctx context.Context, rng *rand.Rand, d time.Duration) {
	f := s.faults.begin(hole)
	defer s.faults.end(f)
	some, lose := s.some(rng), rng.IntN(2) == 0
	for _, p := range some {
		p.hold()
	}
	_ = wait(ctx, d) // the caller looks at ctx
	for _, p := range some {
		if lose {
			p.cut()
		}
		p.release()
	}
	s.faults.again(f)
}
