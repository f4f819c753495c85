package main

import (
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := 1; i <= 100; i++ {
		hundred = append(hundred, time.Duration(i)*time.Microsecond)
	}
	for _, c := range []struct {
		of   []time.Duration
		p    float64
		want float64
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.99, 1},
		{hundred, 0, 1},
		{hundred, 0.5, 50},
		{hundred, 0.99, 99},
		{hundred, 1, 100},
		{hundred[:3], 0.5, 2},
	} {
		require.InDelta(t, c.want, percentile(c.of, c.p), 1e-9, "%d of %v", len(c.of), c.p)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	require.Zero(t, median(nil))
	require.InDelta(t, 2, median([]float64{3, 1, 2}), 0)
	require.InDelta(t, 2.5, median([]float64{4, 1, 3, 2}), 0)
	b := bencher{series: map[string][]float64{"a": {1, 4, 9}, "b": {2, 2, 0}}}
	require.InDelta(t, 1.25, b.ratio("a", "b"), 1e-9, "a round without a floor does not count")
}

func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	for url, addr := range map[string]string{
		"https://localhost:8443":  "127.0.0.1:8443",
		"https://127.0.0.1:8443/": "127.0.0.1:8443",
		"https://127.9.9.9":       "127.9.9.9:443",
		"https://[::1]:8443":      "[::1]:8443",
	} {
		got, _, err := loopback(url)
		require.NoError(t, err, url)
		require.Equal(t, addr, got)
	}
	for _, url := range []string{
		"https://example.com", "https://example.com:8443", "https://10.0.0.1:8443", "https://[2001:db8::1]:8443",
		"https://0.0.0.0:8443", "https://localhost.example.com:8443", "http://localhost:8080", "https://localhost:8443/v1",
		"https://u:p@localhost:8443", "localhost:8443", "", "https://",
	} {
		_, _, err := loopback(url)
		require.Error(t, err, url)
	}
}

// credentialsFile writes what a gateway in development writes.
func credentialsFile(t *testing.T, url string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "credentials.json")
	b, err := json.Marshal(map[string]string{"url": url, "ca_file": "ca.pem", "token": "t"})
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(path, b, 0o600))
	return path
}

func TestParseRun(t *testing.T) {
	t.Parallel()
	file := credentialsFile(t, "https://localhost:8443")
	o, err := parseRun([]string{"-credentials", file, "-c", "8", "-d", "2s", "-scenario", "predict", "-watch", "a=1,b=22"}, io.Discard)
	require.NoError(t, err)
	require.Equal(t, 8, o.callers)
	require.Equal(t, 2*time.Second, o.duration)
	require.Equal(t, target{addr: "127.0.0.1:8443", name: "localhost", caFile: "ca.pem", token: "t"}, o.target)
	require.Equal(t, []watched{{"a", 1}, {"b", 22}}, o.watch)
	for _, args := range [][]string{
		{"-c", "0"},
		{"-c", "5000"},
		{"-d", "0s"},
		{"-d", "1h"},
		{"-n", "-1"},
		{"-n", "50000000"},
		{"-size", "3"},
		{"-warm", "2m"},
		{"-scenario", "ddos"},
		{"-url", "https://example.com"},
		{"-watch", "1"},
		{"more"},
	} {
		_, err := parseRun(append([]string{"-credentials", file}, args...), io.Discard)
		require.Error(t, err, args)
	}
	_, err = parseRun([]string{"-credentials", credentialsFile(t, "https://192.0.2.1:8443")}, io.Discard)
	require.ErrorContains(t, err, "not this machine")
}

func TestScenarios(t *testing.T) {
	t.Parallel()
	for name, s := range scenarios() {
		for _, r := range s.requests(target{addr: "127.0.0.1:1", token: "t"}, 300) {
			head, body, ok := strings.Cut(string(r), "\r\n\r\n")
			require.True(t, ok, name)
			require.Equal(t, s.bodies != nil, strings.Contains(head, "Authorization: Bearer t"), name)
			if s.bodies == nil {
				require.Empty(t, body)
				continue
			}
			require.True(t, json.Valid([]byte(body)), name)
		}
	}
	require.Len(t, sleepBodies(300)[0], 300+len(`{"model":"sleep","input":}`))
	seen := map[string]bool{}
	for _, b := range predictBodies(0) {
		var r struct {
			Schema map[string]any `json:"schema"`
		}
		require.NoError(t, json.Unmarshal(b, &r))
		require.GreaterOrEqual(t, len(r.Schema), 2)
		require.LessOrEqual(t, len(r.Schema), 4)
		seen[string(b)] = true
	}
	require.Len(t, seen, 48)
}

// TestAnswers reads answers over a pipe.
func TestProc(t *testing.T) {
	t.Parallel()
	whole, err := parseBusy([]byte("cpu  100 0 50 700 20 0 5 25 0 0\ncpu0 1 2\n"))
	require.NoError(t, err)
	require.Equal(t, 1800*time.Millisecond, whole)
	_, err = parseBusy([]byte("intr 5\n"))
	require.Error(t, err)
}

func TestParseBench(t *testing.T) {
	t.Parallel()
	o, err := parseBench([]string{"-only", "sync1,memory", "-rounds", "1"}, io.Discard)
	require.NoError(t, err)
	require.True(t, o.only["sync1"])
	require.False(t, o.only["sync64"])
	require.True(t, filepath.IsAbs(o.bin))
	for _, args := range [][]string{{"-only", "all"}, {"-rounds", "0"}, {"-d", "1h"}, {"-slots", "0"}, {"-jobs", "0"}, {"x"}} {
		_, err := parseBench(args, io.Discard)
		require.Error(t, err, args)
	}
}
