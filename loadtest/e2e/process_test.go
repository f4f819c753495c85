package e2e

import (
	"context"
	"errors"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
)

// binaries builds what make build does, once for all tests of this file.
var binaries = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "penstock-bin")
	if err != nil {
		return "", err
	}
	for name, cgo := range map[string]string{"gateway": "0", "worker": "1"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, name), "../../"+name+"/cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return dir, errors.New(string(out))
		}
	}
	return dir, nil
})

func TestMain(m *testing.M) {
	code := m.Run()
	if dir, err := binaries(); err == nil {
		_ = os.RemoveAll(dir)
	}
	os.Exit(code)
}

// process is one of our binaries, running.
type process struct {
	t    *testing.T
	cmd  *exec.Cmd
	done chan struct{} // closed when it has ended
}

func (s *site) process(t *testing.T, name string) *process {
	t.Helper()
	dir, err := binaries()
	require.NoError(t, err)
	cmd := exec.Command(filepath.Join(dir, name))
	cmd.Env = append(os.Environ(),
		"PENSTOCK_DATA_DIR="+s.dir, "PENSTOCK_HTTPS_ADDR=127.0.0.1:0", "PENSTOCK_HTTP_ADDR=127.0.0.1:0", "PENSTOCK_OPS_ADDR=127.0.0.1:0",
		"PENSTOCK_NATS_ADDR="+s.natsAddr(), "PENSTOCK_REDIS_ADDR=127.0.0.1:0", "PENSTOCK_WORKER_OPS_ADDR=127.0.0.1:0",
		"PENSTOCK_MODELS_DIR="+repository(t, "uninlu-tiny"), "PENSTOCK_ONNXRUNTIME="+onnxlib.Find(t),
		"PENSTOCK_LOG_FORMAT=json")
	cmd.Stderr = s.log
	require.NoError(t, cmd.Start())
	p := &process{t: t, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		_ = cmd.Wait()
	}()
	t.Cleanup(p.kill)
	return p
}

// natsAddr is the broker's address of before, so that a restarted gateway is where its worker looks.
func (s *site) natsAddr() string {
	b, err := os.ReadFile(filepath.Join(s.dir, "dev", "nats.json"))
	if err != nil {
		return "127.0.0.1:0"
	}
	_, rest, _ := strings.Cut(string(b), "nats://")
	addr, _, _ := strings.Cut(rest, `"`)
	return addr
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks it to end, as an operator does, and returns its exit code.
func (p *process) stop() int {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGTERM))
	select {
	case <-p.done:
	case <-time.After(30 * time.Second):
		require.Fail(p.t, "still running 30 s after SIGTERM")
	}
	return p.cmd.ProcessState.ExitCode()
}

// gatewayProcess starts a gateway and waits until it can be called.
func (s *site) gatewayProcess(t *testing.T) *process {
	t.Helper()
	_ = os.Remove(filepath.Join(s.dir, "run", "gateway.pid")) // a killed one leaves it
	p := s.process(t, "gateway")
	s.loadCredentials()
	return p
}

func (s *site) allEnd(ids []string) {
	s.t.Helper()
	for _, id := range ids {
		assert.Equal(s.t, "succeeded", s.ended(id).Status, id)
		a := s.post("/v1/jobs/"+id+"/cancel", nil)
		a.problem(http.StatusConflict, "conflict", "")
	}
}

func TestTheBinariesStartServeAndStop(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw, wk := s.gatewayProcess(t), s.process(t, "worker")
	s.ready()
	var p predicted
	s.post("/api/predict", `{"text":"`+sentence+`","schema":{"人物":null}}`).want(http.StatusOK).json(&p)
	assert.Equal(t, []string{"人物=谷爱凌"}, spans(p))
	b, err := os.ReadFile(filepath.Join(s.dir, "run", "worker.pid"))
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(wk.cmd.Process.Pid), strings.TrimSpace(string(b)))
	for _, name := range []string{"dev/credentials.json", "dev/nats.json"} {
		info, err := os.Stat(filepath.Join(s.dir, name))
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), name)
	}
	assert.Zero(t, wk.stop())
	assert.Zero(t, gw.stop())
	left, err := filepath.Glob(filepath.Join(s.dir, "run", "*.pid"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAKilledWorkersJobsRunAgainAndEndOnce(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.gatewayProcess(t)
	wk := s.process(t, "worker")
	s.ready()
	long := s.submit(sleepJob(map[string]any{"ms": 1500, "echo": "long"}))
	require.Eventually(t, func() bool {
		var v view
		s.get("/v1/jobs/" + long.ID).json(&v)
		return v.Status == "running"
	}, 10*time.Second, 20*time.Millisecond)
	ids := []string{long.ID}
	for range 40 {
		ids = append(ids, s.submit(sleepJob(map[string]any{"ms": 100})).ID)
	}
	wk.kill()
	killed := time.Now()
	s.process(t, "worker")
	v := s.ended(long.ID)
	t.Logf("the job of the killed worker ended %v after the kill, on attempt %d", time.Since(killed).Round(time.Millisecond), v.Attempt)
	assert.Equal(t, 2, v.Attempt)
	events, _ := s.stream(s.request(http.MethodGet, "/v1/jobs/"+long.ID+"/events", nil))
	assert.Equal(t, []string{"status", "status", "restart", "status", "output", "done"}, names(events))
	s.allEnd(ids)
}

func TestAJobThatKillsItsWorkerEndsAsADeadLetter(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.gatewayProcess(t)
	ctx, stop := context.WithCancel(t.Context())
	var workers sync.WaitGroup
	workers.Go(func() { // what make run does
		for ctx.Err() == nil {
			p := s.process(t, "worker")
			select {
			case <-p.done:
			case <-ctx.Done():
				p.kill()
			}
		}
	})
	defer workers.Wait()
	defer stop()
	s.ready()
	body := sleepJob(map[string]any{"crash": true})
	body["max_attempts"] = 2
	poison := s.submit(body)
	other := s.submit(sleepJob(map[string]any{"ms": 10}))
	assert.Equal(t, "succeeded", s.ended(other.ID).Status)
	v := s.ended(poison.ID)
	assert.Equal(t, "failed", v.Status)
	assert.EqualValues(t, "attempts_exhausted", v.Error.Code)
}

func TestAKilledGatewaysJobsEndAndCanBeRead(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	gw := s.gatewayProcess(t)
	s.process(t, "worker")
	s.ready()
	var ids []string
	for range 60 {
		ids = append(ids, s.submit(sleepJob(map[string]any{"ms": 100})).ID)
	}
	gw.kill()
	s.gatewayProcess(t)
	s.allEnd(ids)
	var list struct{ Data []view }
	s.get("/v1/jobs?limit=100").want(http.StatusOK).json(&list)
	assert.Len(t, list.Data, len(ids))
}

func TestATakenPortIsToldByItsVariable(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.gatewayProcess(t)
	dir, err := binaries()
	require.NoError(t, err)
	taken := strings.TrimPrefix(s.creds.URL, "https://localhost")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "gateway"))
	cmd.Env = append(os.Environ(), "PENSTOCK_DATA_DIR="+t.TempDir(), "PENSTOCK_HTTPS_ADDR=127.0.0.1"+taken, "PENSTOCK_HTTP_ADDR=127.0.0.1:0",
		"PENSTOCK_OPS_ADDR=127.0.0.1:0", "PENSTOCK_NATS_ADDR=127.0.0.1:0", "PENSTOCK_REDIS_ADDR=127.0.0.1:0")
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), taken[1:])
	assert.Contains(t, string(out), "PENSTOCK_HTTPS_ADDR")
}

func TestAWorkerWithoutONNXRuntimeSaysWhereItLooked(t *testing.T) {
	t.Parallel()
	dir, err := binaries()
	require.NoError(t, err)
	missing := filepath.Join(t.TempDir(), "libonnxruntime.so")
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(dir, "worker"))
	cmd.Env = append(os.Environ(), "PENSTOCK_DATA_DIR="+t.TempDir(), "PENSTOCK_WORKER_OPS_ADDR=127.0.0.1:0", "PENSTOCK_ONNXRUNTIME="+missing)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	assert.Contains(t, string(out), missing)
	assert.Contains(t, string(out), "make onnxruntime")
}
