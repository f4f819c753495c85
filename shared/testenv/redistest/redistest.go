// Package redistest starts the redis-server of this machine for tests. Only tests import it.
package redistest

import (
	"bufio"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Start starts the redis-server of this machine on a free port, with its data in a folder of the test's own, and
// gives its URL and version. ok is false where none is installed; the caller says so in its log and goes on without.
func Start(tb testing.TB) (url, version string, ok bool) {
	tb.Helper()
	path, err := exec.LookPath("redis-server")
	if err != nil {
		return "", "", false
	}
	addr := ""
	for range 10 { // a port that was free a moment ago may have gone to another test's server
		if addr = start(tb, path); addr != "" {
			break
		}
	}
	if addr == "" {
		tb.Fatal("redis-server: no free port in ten tries")
	}
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

// start starts a server and returns its address once it says that it is ready itself; empty when it ended instead.
func start(tb testing.TB, path string) string {
	tb.Helper()
	addr := freeAddr(tb)
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		tb.Fatal(err)
	}
	cmd := exec.Command(path, "--bind", "127.0.0.1", "--port", port, "--dir", tb.TempDir(), "--save", "", "--appendonly", "no")
	out, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatalf("redis-server: %v", err)
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), "Ready to accept connections") {
			tb.Cleanup(func() {
				_ = cmd.Process.Signal(os.Interrupt)
				_, _ = io.Copy(io.Discard, out)
				_ = cmd.Wait()
			})
			return addr
		}
	}
	_ = cmd.Wait()
	return ""
}
