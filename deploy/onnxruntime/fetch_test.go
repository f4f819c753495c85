// Package onnxruntime tests the script that fetches the library, with an npm of its own.
package onnxruntime

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tools is what the script may use beside npm.
func tools() []string {
	return []string{
		"sh", "uname", "sha256sum", "shasum", "perl", "cut", "readlink", "ln", "mkdir", "mktemp", "rm", "mv", "chmod", "cp", "tar", "gzip",
		"tail", "head", "cat", "sleep",
	}
}

// machine is a PATH with the script's tools and, where npm is not empty, an npm that runs these lines.
func machine(t *testing.T, npm string) string {
	t.Helper()
	dir := t.TempDir()
	for _, tool := range tools() {
		at, err := exec.LookPath(tool)
		if err != nil {
			continue // of sha256sum and shasum one is enough; without the others the script fails, and so does the test
		}
		require.NoError(t, os.Symlink(at, filepath.Join(dir, tool)))
	}
	if npm != "" {
		script := []byte("#!/bin/sh\n" + npm + "\n")
		require.NoError(t, os.WriteFile(filepath.Join(dir, "npm"), script, 0o700))
	}
	return dir
}

// fetch runs the script in the data folder and gives its exit status and what it said.
func fetch(t *testing.T, path, data string, more ...string) (status int, stdout, said string) {
	t.Helper()
	script, err := filepath.Abs("fetch")
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), script)
	cmd.Dir = filepath.Dir(data)
	cmd.Env = append([]string{"PATH=" + path, "PENSTOCK_DATA_DIR=" + data}, more...)
	out, err := cmd.Output()
	if err == nil {
		return 0, string(out), ""
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	return exit.ExitCode(), string(out), string(exit.Stderr)
}

// kept lists what the script left in the library's folder.
func kept(t *testing.T, data string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(data, "onnxruntime", "*", "*"))
	require.NoError(t, err)
	hidden, err := filepath.Glob(filepath.Join(data, "onnxruntime", ".*"))
	require.NoError(t, err)
	return append(names, hidden...)
}

func TestNamedLibraryWins(t *testing.T) {
	t.Parallel()
	data := filepath.Join(t.TempDir(), "data")
	library := filepath.Join(t.TempDir(), "libonnxruntime.so")
	path := machine(t, "exit 9")
	status, _, said := fetch(t, path, data, "PENSTOCK_ONNXRUNTIME="+library)
	require.Equal(t, 1, status)
	require.Contains(t, said, library)

	require.NoError(t, os.WriteFile(library, nil, 0o600))
	status, out, said := fetch(t, path, data, "PENSTOCK_ONNXRUNTIME="+library)
	require.Equal(t, 0, status, said)
	require.Equal(t, library+"\n", out)
	require.NoDirExists(t, data)
}

func TestFailures(t *testing.T) {
	t.Parallel()
	wrong := `mkdir -p package/bin/napi-v6/linux/x64 package/bin/napi-v6/linux/arm64 package/bin/napi-v6/darwin/arm64
for f in linux/x64/libonnxruntime.so.1 linux/arm64/libonnxruntime.so.1 darwin/arm64/libonnxruntime.1.27.0.dylib; do
	echo other >package/bin/napi-v6/$f
done
tar -czf x.tgz package && echo x.tgz`
	for name, c := range map[string]struct{ npm, want string }{
		"no npm":          {"", "Install npm"},
		"no network":      {"echo 'npm error ECONNREFUSED' >&2; exit 1", "Check the network"},
		"another library": {wrong, "not the pinned one"},
		"another package": {"mkdir package; tar -czf x.tgz package && echo x.tgz", "does not hold"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			data := filepath.Join(t.TempDir(), "data")
			status, out, said := fetch(t, machine(t, c.npm), data)
			require.Equal(t, 1, status)
			require.Empty(t, out)
			require.Contains(t, said, c.want)
			require.Contains(t, said, "PENSTOCK_ONNXRUNTIME=/path/to/libonnxruntime.so make run", "the way out")
			require.Empty(t, kept(t, data), "nothing is left")
		})
	}
}
