package telemetry_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestLoggerFormats(t *testing.T) {
	t.Parallel()
	out := &bytes.Buffer{}
	logger, err := telemetry.NewLogger(telemetry.FormatAuto, slog.LevelInfo, out)
	require.NoError(t, err)
	logger.Debug("hidden")
	logger.Info("hello", "job_id", "job_1")
	require.Contains(t, out.String(), `"msg":"hello","job_id":"job_1"}`)
	require.NotContains(t, out.String(), "hidden")

	out.Reset()
	logger, err = telemetry.NewLogger(telemetry.FormatText, slog.LevelInfo, out)
	require.NoError(t, err)
	logger.Info("hello", "job_id", "job_1")
	require.Regexp(t, `^time=\d\d:\d\d:\d\d\.\d{3} level=INFO msg=hello job_id=job_1\n$`, out.String())

	_, err = telemetry.NewLogger("xml", slog.LevelInfo, out)
	require.ErrorContains(t, err, "auto, json, text")
}

// start serves o on a free port until the test ends.
func start(t *testing.T, o telemetry.OpsOptions) *telemetry.Ops {
	t.Helper()
	o.Addr, o.Variable, o.Logger = "127.0.0.1:0", "PENSTOCK_OPS_ADDR", slog.New(slog.DiscardHandler)
	o.Registry = telemetry.NewRegistry()
	ops, err := telemetry.NewOps(t.Context(), o)
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- ops.Serve() }()
	t.Cleanup(func() {
		require.NoError(t, ops.Shutdown(context.Background()))
		require.NoError(t, <-done)
	})
	return ops
}

func get(t *testing.T, ops *telemetry.Ops, path string) (int, string) {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+ops.Addr()+path, nil)
	require.NoError(t, err)
	response, err := client.Do(request)
	require.NoError(t, err)
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	require.NoError(t, err)
	return response.StatusCode, string(body)
}

func TestOps(t *testing.T) {
	t.Parallel()
	var ready atomic.Bool
	ops := start(t, telemetry.OpsOptions{Ready: func() error {
		if ready.Load() {
			return nil
		}
		return errors.New("models are loading")
	}})

	code, body := get(t, ops, "/healthz")
	require.Equal(t, 200, code)
	require.JSONEq(t, `{"status":"ok"}`, body)
	code, body = get(t, ops, "/readyz")
	require.Equal(t, 503, code)
	require.JSONEq(t, `{"status":"unready","reason":"models are loading"}`, body)
	ready.Store(true)
	code, _ = get(t, ops, "/readyz")
	require.Equal(t, 200, code)
	code, body = get(t, ops, "/metrics")
	require.Equal(t, 200, code)
	require.Contains(t, body, "go_goroutines")
	require.Contains(t, body, "process_start_time_seconds")
	code, _ = get(t, ops, "/debug/pprof/")
	require.Equal(t, 404, code)
}

func TestOpsProfiles(t *testing.T) {
	t.Parallel()
	ops := start(t, telemetry.OpsOptions{Ready: func() error { return nil }, Profiles: true})
	code, body := get(t, ops, "/debug/pprof/")
	require.Equal(t, 200, code)
	require.Contains(t, body, "goroutine")
}

func TestOpsShutdownWithoutServe(t *testing.T) {
	t.Parallel()
	o := telemetry.OpsOptions{Addr: "127.0.0.1:0", Registry: telemetry.NewRegistry(), Logger: slog.New(slog.DiscardHandler)}
	ops, err := telemetry.NewOps(t.Context(), o)
	require.NoError(t, err)
	require.NoError(t, ops.Shutdown(t.Context()))
	require.NoError(t, ops.Serve())
}

func TestListenSentences(t *testing.T) {
	t.Parallel()
	taken, err := telemetry.Listen(t.Context(), "127.0.0.1:0", "PENSTOCK_OPS_ADDR")
	require.NoError(t, err)
	defer taken.Close()
	_, port, err := net.SplitHostPort(taken.Addr().String())
	require.NoError(t, err)

	_, err = telemetry.Listen(t.Context(), taken.Addr().String(), "PENSTOCK_OPS_ADDR")
	require.ErrorContains(t, err, "port "+port+" is taken")
	require.ErrorContains(t, err, "set PENSTOCK_OPS_ADDR")
	_, err = telemetry.Listen(t.Context(), "9090", "PENSTOCK_OPS_ADDR")
	require.ErrorContains(t, err, `PENSTOCK_OPS_ADDR: "9090" is not an address`)
	_, err = telemetry.Listen(t.Context(), "192.0.2.1:1", "PENSTOCK_OPS_ADDR")
	require.ErrorContains(t, err, "PENSTOCK_OPS_ADDR sets the address")
}
