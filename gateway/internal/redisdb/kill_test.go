package redisdb

import (
	"bufio"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// childDir makes the test binary be the process that is killed.
const childDir = "PENSTOCK_TEST_REDIS_CHILD"

// TestKilledChild counts, and says how far it came, until it is killed. It does nothing as a test of its own.
func TestKilledChild(t *testing.T) { //nolint:paralleltest // it is a process of its own
	dir := os.Getenv(childDir)
	if dir == "" {
		return
	}
	e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	db := e.DB()
	tick := time.NewTicker(time.Millisecond)
	for range tick.C {
		n, err := db.c.Incr(t.Context(), "count").Result()
		require.NoError(t, err)
		require.NoError(t, db.c.HSet(t.Context(), "tenants", "t"+strconv.FormatInt(n%50, 10), "enabled").Err())
		_, _ = fmt.Fprintf(os.Stdout, "at %d\n", n)
	}
}

func TestKill9LosesNoMoreThanTheLastMoment(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const each = 600 // increments before each kill, about as many milliseconds
	var kept int64
	var injected, written, read int
	for round := range 4 {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledChild$")
		cmd.Env = append(os.Environ(), childDir+"="+dir)
		out, err := cmd.StdoutPipe()
		require.NoError(t, err)
		require.NoError(t, cmd.Start())
		var last int64
		at := map[int64]time.Time{}
		s := bufio.NewScanner(out)
		for s.Scan() {
			text, ok := strings.CutPrefix(s.Text(), "at ")
			if !ok {
				continue
			}
			last, err = strconv.ParseInt(text, 10, 64)
			require.NoError(t, err)
			at[last] = time.Now()
			written++
			if len(at) == each {
				break
			}
		}
		require.NoError(t, cmd.Process.Kill())
		killed := time.Now()
		injected++
		_ = cmd.Wait()

		e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, slog.New(slog.DiscardHandler))
		require.NoError(t, err)
		db := e.DB()
		now, err := db.c.Get(t.Context(), "count").Int64()
		if round > 0 {
			require.NoError(t, err)
		}
		require.GreaterOrEqual(t, now, kept, "what was kept once stays")
		if seen, ok := at[now]; ok {
			t.Logf("round %d: counted to %d, kept %d: the last %s are lost", round, last, now, killed.Sub(seen).Round(time.Millisecond))
		}
		kept, read = now, read+1
		names, err := db.c.HLen(t.Context(), "tenants").Result()
		require.NoError(t, err)
		require.LessOrEqual(t, names, int64(50))
		require.NoError(t, db.Close())
		require.NoError(t, e.Close())
	}
	t.Logf("kills %d, increments written %d, data sets read %d, kept %d", injected, written, read, kept)
	require.Positive(t, kept)
	require.Positive(t, injected)
}
