package runfile

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheFilesComeAndGo(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	remove, err := Announce(dir, "gateway", map[string]string{"ops": "http://127.0.0.1:1"})
	require.NoError(t, err)
	pid, err := os.ReadFile(filepath.Join(dir, "run", "gateway.pid"))
	require.NoError(t, err)
	assert.Equal(t, strconv.Itoa(os.Getpid())+"\n", string(pid))
	info, err := os.Stat(filepath.Join(dir, "run", "gateway.json"))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	remove()
	left, err := os.ReadDir(filepath.Join(dir, "run"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

func TestAnothersFilesStay(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	remove, err := Announce(dir, "worker", 1)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "run", "worker.pid"), []byte("1\n"), 0o600))
	remove()
	left, err := os.ReadDir(filepath.Join(dir, "run"))
	require.NoError(t, err)
	assert.Len(t, left, 2)
}
