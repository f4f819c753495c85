package folder_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/shared/testenv/graph"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
)

func open(t *testing.T, files ...string) (*folder.Folder, string) {
	t.Helper()
	dir := t.TempDir()
	m := &model.Manifest{Files: map[string]string{}}
	for _, f := range files {
		m.Files[f] = ""
	}
	f, err := folder.Open(dir, m)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, f.Close()) })
	return f, dir
}

func TestOnlyWhatTheManifestListsExists(t *testing.T) {
	t.Parallel()
	f, dir := open(t, "a.json", "sub/b.json", "../c.json")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for _, name := range []string{"a.json", "sub/b.json", "other.json", "../c.json"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte("{}"), 0o600))
	}
	b, err := f.Read("sub/b.json", 2)
	require.NoError(t, err)
	assert.Equal(t, "{}", string(b))
	_, err = f.Read("a.json", 1)
	require.ErrorContains(t, err, "more than 1")
	_, err = f.Read("other.json", 2)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = f.Read("../c.json", 2)
	require.Error(t, err)
	_, err = folder.Open(filepath.Join(dir, "nowhere"), nil)
	require.Error(t, err)
}

func TestGraph(t *testing.T) {
	t.Parallel()
	f, _ := open(t, "a.json", "onnx/model.onnx")
	name, err := f.Graph("")
	require.NoError(t, err)
	assert.Equal(t, "onnx/model.onnx", name)
	_, err = f.Graph("model.onnx")
	require.ErrorContains(t, err, "model.onnx")
	f, _ = open(t, "a.onnx", "b.onnx")
	_, err = f.Graph("")
	require.ErrorContains(t, err, "a.onnx, b.onnx")
	name, err = f.Graph("b.onnx")
	require.NoError(t, err)
	assert.Equal(t, "b.onnx", name)
}

func TestWeightsElsewhereMustBeListed(t *testing.T) {
	t.Parallel()
	m := graph.Model(graph.Node("Add", []string{"x", "w"}, []string{"y"}), graph.External("w", "weights.bin", 1),
		graph.Input("x", tensor.Float32, 1), graph.Output("y", tensor.Float32, 1))
	f, dir := open(t, "sub/m.onnx", "sub/weights.bin", "n.onnx")
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
	for name, b := range map[string][]byte{"sub/m.onnx": m, "n.onnx": m, "sub/weights.bin": make([]byte, 4), "weights.bin": make([]byte, 4)} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), b, 0o600))
	}
	_, err := f.Header("sub/m.onnx")
	require.NoError(t, err)
	_, err = f.Header("n.onnx")
	require.ErrorContains(t, err, "weights.bin")
	_, err = f.Header("none.onnx")
	require.Error(t, err)
}
