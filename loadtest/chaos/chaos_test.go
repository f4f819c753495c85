package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
)

// binaries builds what make build does, once for all tests, into a folder that TestMain removes.
var binaries = sync.OnceValues(func() (string, error) {
	for name, cgo := range map[string]string{"gateway": "0", "worker": "1"} {
		cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(binDir, name), "../../"+name+"/cmd/"+name)
		cmd.Env = append(os.Environ(), "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
	}
	return binDir, nil
})

var binDir string

func TestMain(m *testing.M) {
	var err error
	if binDir, err = os.MkdirTemp("", "penstock-bin"); err != nil {
		panic(err)
	}
	code := m.Run()
	_ = os.RemoveAll(binDir)
	os.Exit(code)
}

// lines passes on what is written to the test's log.
type lines struct{ t *testing.T }

func (l lines) Write(p []byte) (int, error) {
	l.t.Logf("%s", bytes.TrimSpace(p))
	return len(p), nil
}

func settings(t *testing.T, args ...string) *options {
	t.Helper()
	bin, err := binaries()
	require.NoError(t, err)
	o, err := parse(append([]string{"-bin", bin, "-onnxruntime", onnxlib.Find(t)}, args...), lines{t})
	require.NoError(t, err)
	return o
}

// Jobs are submitted, looked at and canceled by several clients at once while gateway and workers are killed: every
// promise holds, and what the clients were told of each job agrees with one order of events.
func TestHistoriesUnderKillsAreLinearizable(t *testing.T) {
	t.Parallel()
	o := settings(t, "-kills", "9", "-profiles", "one", "-c", "12")
	t.Logf("seed %d", o.seed)
	s, l, err := run(t.Context(), o, o.profiles[0], lines{t})
	if s != nil {
		defer func() { assert.NoError(t, s.stop(false)) }()
	}
	require.NoError(t, err)
	r, err := s.check(t.Context(), l)
	require.NoError(t, err)
	r.print(lines{t})
	assert.Empty(t, r.broken)
	jobs, calls := 0, 0
	for _, e := range l.ledger.entries() {
		if len(e.history) < 2 {
			continue
		}
		jobs, calls = jobs+1, calls+len(e.history)
		assert.Equal(t, porcupine.Ok, linearizable(e.history), "%s %s: %+v", e.op, e.id, e.history)
	}
	t.Logf("%d calls on %d jobs", calls, jobs)
	assert.Positive(t, jobs)
}

func TestUnknownProfilesAndCountsAreRefused(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"-profiles", "none"}, {"-kills", "0"}, {"-c", "0"}, {"-what"}} {
		_, err := parse(args, lines{t})
		assert.Error(t, err, args)
	}
}
