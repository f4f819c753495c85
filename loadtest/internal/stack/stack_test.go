package stack

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A stack runs jobs, goes on after its gateway was started again, and leaves nothing behind. It is the built binaries
// that run: `make build` comes first.
func TestStack(t *testing.T) {
	t.Parallel()
	s, err := Start(t.Context(), Options{Bin: "../../../bin", SleepSlots: 4})
	require.NoError(t, err)
	stopped := false
	defer func() {
		if !stopped {
			assert.NoError(t, s.Kill())
		}
	}()
	c, err := s.Tenant(t.Context(), "one", map[string]any{"weight": 2})
	require.NoError(t, err)
	j, err := c.Run(t.Context(), map[string]any{"ms": 1, "echo": "a"}, nil)
	require.NoError(t, err)
	require.Equal(t, 1, j.Attempt)
	n, err := s.JobConsumers(t.Context())
	require.NoError(t, err)
	require.Equal(t, 3, n, "an express lane for each class")
	m, err := s.Workers()[0].Metrics(t.Context())
	require.NoError(t, err)
	require.InDelta(t, 1, m.Sum("penstock_worker_attempts_total"), 0)
	require.Positive(t, s.Gateway().RSS())

	require.NoError(t, s.StopGateway())
	require.NoError(t, s.StartGateway(t.Context()))
	id, err := c.Submit(t.Context(), map[string]any{"ms": 1}, map[string]any{"priority": "batch"})
	require.NoError(t, err)
	j, err = c.Get(t.Context(), id+"?wait=60")
	require.NoError(t, err)
	require.Equal(t, "succeeded", j.Status)

	conn, err := s.Dial(t.Context(), time.Now().Add(time.Minute))
	require.NoError(t, err)
	status, body, err := conn.Do(c.Render("GET", "/v1/jobs/"+id, map[string]string{"Accept": "application/json"}, nil))
	require.NoError(t, err)
	require.Equal(t, 200, status)
	require.Contains(t, string(body), id)
	require.NoError(t, conn.Close())

	extra, err := s.StartWorker(t.Context())
	require.NoError(t, err)
	require.Len(t, s.Workers(), 2)
	extra.Kill()
	require.Len(t, s.Workers(), 1)
	stopped = true
	require.NoError(t, s.Stop())
	_, err = os.Stat(s.Dir())
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestStartSaysWhyNot(t *testing.T) {
	t.Parallel()
	_, err := Start(t.Context(), Options{Bin: t.TempDir()})
	require.Error(t, err)
	require.ErrorContains(t, err, "gateway")
}
