// Package redistest starts the redis-server of this machine for tests. Only tests import it.
package redistest

import (
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Start starts the redis-server of this machine on a free port, with its data in a folder of the test's own, and
// gives its URL and version. ok is false where none is installed; the caller says so in its log and goes on without.
func Start(tb testing.TB) (url, version string, ok bool) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", "", false
	}
	addr := freeAddr(tb)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--dir", tb.TempDir(), "--save", "", "--appendonly", "no")
	if err := cmd.Start(); err != nil {
		tb.Fatalf("redis-server: %v", err)
	}
	tb.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		_ = cmd.Wait()
	})
	waitFor(tb, addr)
	out, err := exec.Command(path, "--version").Output()
	if err != nil {
		tb.Fatal(err)
	}
	for _, word := range strings.Fields(string(out)) {
		if v, found := strings.CutPrefix(word, "v="); found {
			version = v
		}
	}
	return "redis://" + addr, version, true
}

func freeAddr(tb testing.TB) string {
	tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// waitFor returns once somebody accepts connections at addr.
func waitFor(tb testing.TB, addr string) {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			_ = conn.Close()
			return
		}
		select {
		case <-ctx.Done():
			tb.Fatalf("nobody listens on %s: %v", addr, err)
		case <-tick.C:
		}
	}
}
