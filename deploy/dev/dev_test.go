package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// The test binary is also the gateway and the worker of its tests, when it is started under their names.
func TestMain(m *testing.M) {
	switch name := filepath.Base(os.Args[0]); name {
	case "gateway", "worker":
		os.Exit(fakeProcess(filepath.Dir(filepath.Dir(os.Args[0])), name))
	}
	goleak.VerifyTestMain(m)
}

// fakeProcess is ready at once and lives until SIGTERM. The file ROOT/NAME.fail makes it fail at its start, and
// ROOT/NAME.stubborn makes it deaf to SIGTERM.
func fakeProcess(root, name string) int {
	if _, err := os.Stat(filepath.Join(root, name+".fail")); err == nil {
		fmt.Fprintf(os.Stderr, "%s: port 1 is taken\n", name)
		return 1
	}
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	if _, err := os.Stat(filepath.Join(root, name+".stubborn")); err == nil {
		signal.Ignore(syscall.SIGTERM)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 2
	}
	server := &http.Server{Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})}
	go func() { _ = server.Serve(listener) }()
	at, err := json.Marshal(address{PID: os.Getpid(), HTTPS: "https://localhost:8443", Ops: "http://" + listener.Addr().String()})
	if err != nil {
		return 2
	}
	path := filepath.Join(root, "data", "run", name+".json")
	if err := os.WriteFile(path+".new", at, 0o600); err != nil || os.Rename(path+".new", path) != nil {
		return 2
	}
	<-term
	_, _ = fmt.Fprintln(os.Stdout, name+" stopped")
	return 0
}

// output is a buffer that children and the runner write to.
type output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// stage is a runner over fake processes.
type stage struct {
	root    string
	out     *output
	signals chan os.Signal
	ended   chan error
}

func newStage(t *testing.T) *stage {
	t.Helper()
	root := t.TempDir()
	for _, dir := range []string{"bin", "data/run", "data/dev"} {
		require.NoError(t, os.MkdirAll(filepath.Join(root, dir), 0o700))
	}
	self, err := os.Executable()
	require.NoError(t, err)
	for _, name := range []string{"gateway", "worker"} {
		require.NoError(t, os.Symlink(self, filepath.Join(root, "bin", name)))
	}
	return &stage{root: root, out: &output{}, signals: make(chan os.Signal, 8), ended: make(chan error, 1)}
}

func (s *stage) file(t *testing.T, name, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(filepath.Join(s.root, name), []byte(text), 0o600))
}

func (s *stage) run(t *testing.T) {
	t.Helper()
	r := &runner{
		settings: settings{binDir: filepath.Join(s.root, "bin"), dataDir: filepath.Join(s.root, "data")},
		out:      s.out, err: s.out, signals: s.signals,
	}
	go func() { s.ended <- r.run(context.Background()) }()
}

// pid waits until another process than `not` has written that it is ready.
func (s *stage) pid(t *testing.T, name string, not int) int {
	t.Helper()
	var at address
	require.Eventually(t, func() bool {
		source, err := os.ReadFile(filepath.Join(s.root, "data/run", name+".json"))
		return err == nil && json.Unmarshal(source, &at) == nil && at.PID != not
	}, 20*time.Second, 5*time.Millisecond)
	return at.PID
}

func (s *stage) waitFor(t *testing.T, text string) {
	t.Helper()
	require.Eventually(t, func() bool { return strings.Contains(s.out.String(), text) }, 20*time.Second, 5*time.Millisecond,
		"waiting for %q", text)
}

func TestStartAndStop(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.file(t, "data/dev/credentials.json", `{"url":"https://localhost:8443","ca_file":"data/dev/tls/ca.pem","token":"x"}`)
	s.run(t)
	s.waitFor(t, "Penstock is ready")
	require.Contains(t, s.out.String(), "URL          https://localhost:8443\n")
	require.Contains(t, s.out.String(), "curl --cacert data/dev/tls/ca.pem https://localhost:8443/api/predict")
	s.signals <- syscall.SIGTERM
	require.NoError(t, <-s.ended)
	require.Regexp(t, `(?s)worker stopped.*gateway stopped`, s.out.String())
}

func TestWithoutCredentials(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(t)
	s.waitFor(t, "Penstock is ready")
	require.Contains(t, s.out.String(), "URL          https://localhost:8443\n")
	s.signals <- syscall.SIGINT
	require.NoError(t, <-s.ended)
}

func TestWorkerIsStartedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(t)
	s.waitFor(t, "Penstock is ready")
	first := s.pid(t, "worker", 0)
	require.NoError(t, syscall.Kill(first, syscall.SIGKILL))
	second := s.pid(t, "worker", first)
	s.waitFor(t, "starting it again in 200ms")
	require.NoError(t, syscall.Kill(second, syscall.SIGKILL))
	s.pid(t, "worker", second)
	s.waitFor(t, "starting it again in 400ms")
	s.signals <- syscall.SIGTERM
	require.NoError(t, <-s.ended)
	require.Contains(t, s.out.String(), "gateway stopped")
}

func TestGatewayDeathIsReported(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.run(t)
	s.waitFor(t, "Penstock is ready")
	require.NoError(t, syscall.Kill(s.pid(t, "gateway", 0), syscall.SIGKILL))
	s.waitFor(t, "bin/gateway")
	require.NoError(t, syscall.Kill(s.pid(t, "worker", 0), 0), "the worker goes on")
	s.signals <- syscall.SIGTERM
	require.NoError(t, <-s.ended)
	require.Contains(t, s.out.String(), "worker stopped")
}

func TestFailureAtStart(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"gateway", "worker"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			s.file(t, name+".fail", "")
			s.run(t)
			require.ErrorIs(t, <-s.ended, errChildFailed)
			require.Contains(t, s.out.String(), name+": port 1 is taken\n")
			require.NotContains(t, s.out.String(), "Penstock is ready")
		})
	}
}

func TestMissingBinary(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	require.NoError(t, os.Remove(filepath.Join(s.root, "bin/worker")))
	s.run(t)
	require.ErrorContains(t, <-s.ended, "make build")
	require.Contains(t, s.out.String(), "gateway stopped")
}

func TestSecondInterruptKills(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.file(t, "worker.stubborn", "")
	s.run(t)
	s.waitFor(t, "Penstock is ready")
	s.signals <- syscall.SIGINT
	s.waitFor(t, "stopping the worker")
	s.signals <- syscall.SIGTERM // make's second one changes nothing
	s.signals <- syscall.SIGINT
	require.NoError(t, <-s.ended)
	require.Contains(t, s.out.String(), "worker did not stop in time and was killed")
}

func TestFirstCallFindsTheToken(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("sed"); err != nil {
		t.Fatal("sed is missing, and the printed call needs it")
	}
	dir := t.TempDir()
	pretty := "{\n  \"url\": \"u\",\n  \"token\": \"the.right-one_\",\n  \"admin_token\": \"wrong\"\n}\n"
	for i, text := range []string{pretty, `{"url":"u","token":"the.right-one_","admin_token":"wrong"}`} {
		path := filepath.Join(dir, strconv.Itoa(i)+" it's.json")
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
		call := fmt.Sprintf(firstCall, "ca.pem", "https://localhost:1", quote(path))
		_, call, _ = strings.Cut(call, "Bearer ")
		call, _, _ = strings.Cut(call, `" \`)
		got, err := exec.CommandContext(t.Context(), "sh", "-c", `printf %s "`+call+`"`).Output()
		require.NoError(t, err)
		require.Equal(t, "the.right-one_", string(got))
	}
}
