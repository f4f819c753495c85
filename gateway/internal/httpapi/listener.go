package httpapi

import (
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"sync"
)

// Listener is one address that Serve takes connections from.
type Listener struct {
	net.Listener
	// TLS makes it an HTTPS listener; nil means plain HTTP.
	TLS *tls.Config
	// RedirectPort, when not empty, makes a plain listener answer everything with 308 to HTTPS on that port.
	RedirectPort string
}

// guarded turns accepted sockets into conns, within the bounds on how many there may be.
type guarded struct {
	Listener
	limits *connLimits
	count  *connCount
}

// Accept gives the next connection that is within the bounds; the others are closed at once.
func (l *guarded) Accept() (net.Conn, error) {
	for {
		raw, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &conn{limits: l.limits, remote: addrOf(raw), to: l.RedirectPort}
		if !l.count.enter(c) {
			_ = raw.Close()
			continue
		}
		c.release = func() { l.count.leave(c) }
		if l.TLS == nil {
			c.Conn = raw
			return c, nil
		}
		t := tls.Server(raw, l.TLS)
		c.Conn, c.secure = t, true
		return &secureConn{conn: c, tls: t}, nil
	}
}

func addrOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// connCount knows the open connections of all listeners.
type connCount struct {
	perIP int // 0 means no bound
	total int // 0 means no bound

	mu   sync.Mutex
	open map[*conn]struct{} // guarded by mu
	ips  map[netip.Addr]int // guarded by mu
}

func newConnCount(total, perIP int) *connCount {
	return &connCount{total: total, perIP: perIP, open: map[*conn]struct{}{}, ips: map[netip.Addr]int{}}
}

func (n *connCount) enter(c *conn) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.total > 0 && len(n.open) >= n.total {
		return false
	}
	if n.perIP > 0 {
		if n.ips[c.remote] >= n.perIP {
			return false
		}
		n.ips[c.remote]++
	}
	n.open[c] = struct{}{}
	return true
}

func (n *connCount) leave(c *conn) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.open, c)
	if n.perIP > 0 {
		if n.ips[c.remote]--; n.ips[c.remote] <= 0 {
			delete(n.ips, c.remote)
		}
	}
}

// closeAll closes what is open, without lingering.
func (n *connCount) closeAll() error {
	n.mu.Lock()
	all := make([]net.Conn, 0, len(n.open))
	for c := range n.open {
		all = append(all, c.Conn)
	}
	n.mu.Unlock()
	var errs []error
	for _, c := range all {
		errs = append(errs, c.Close())
	}
	return errors.Join(errs...)
}

// len tells how many are open.
func (n *connCount) len() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.open)
}
