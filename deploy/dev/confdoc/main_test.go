package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/gateway"
	"github.com/penstock-dev/penstock/shared/config"
	"github.com/penstock-dev/penstock/worker"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "configuration.md")
	require.Error(t, run(path, true))
	require.NoError(t, run(path, false))
	require.NoError(t, run(path, true))
	require.NoError(t, os.WriteFile(path, []byte("# Configuration\n"), 0o600))
	require.ErrorContains(t, run(path, true), "make docs")
}

// Both processes are started with one file and one environment, so each must pass over what is the other's.
func TestProcessesKnowEachOther(t *testing.T) {
	t.Parallel()
	gatewayLoad := func(path string, environ []string) error {
		_, err := gateway.LoadConfig(path, environ)
		return err
	}
	workerLoad := func(path string, environ []string) error {
		_, err := worker.LoadConfig(path, environ)
		return err
	}
	for name, c := range map[string]struct {
		theirs any
		load   func(string, []string) error
	}{
		"gateway": {worker.Default(), gatewayLoad},
		"worker":  {gateway.Default(), workerLoad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			variables, err := config.Variables(c.theirs)
			require.NoError(t, err)
			require.NotEmpty(t, variables)
			for _, v := range variables {
				if err := c.load("", []string{v + "=x"}); err != nil {
					require.NotContains(t, err.Error(), "no such variable")
				}
			}
			keys, err := config.Keys(c.theirs)
			require.NoError(t, err)
			require.NotEmpty(t, keys)
			for _, k := range keys {
				path := filepath.Join(t.TempDir(), "penstock.yaml")
				require.NoError(t, os.WriteFile(path, []byte(k+":\n"), 0o600))
				require.NoError(t, c.load(path, nil), "top-level key %s", k)
			}
		})
	}
}
