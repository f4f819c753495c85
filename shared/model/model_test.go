package model_test

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
)

const minimal = "name: m\nversion: \"1\"\nengine: sleep\n"

// write makes a version folder with one file and a manifest that vouches for it.
func write(t *testing.T, repo, name, version, extra string) string {
	t.Helper()
	dir := filepath.Join(repo, name, version)
	require.NoError(t, os.MkdirAll(dir, 0o755))
	content := []byte("weights of " + name)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "net.onnx"), content, 0o600))
	sum := sha256.Sum256(content)
	manifest := fmt.Sprintf("name: %s\nversion: %q\nengine: sleep\nfiles:\n  net.onnx: %s\n%s",
		name, version, hex.EncodeToString(sum[:]), extra)
	require.NoError(t, os.WriteFile(filepath.Join(dir, model.ManifestFile), []byte(manifest), 0o600))
	return dir
}

func TestParse(t *testing.T) {
	t.Parallel()
	m, err := model.Parse([]byte(minimal + "batch: {max_size: 4, max_delay: 2ms}\ntimeout: 30s\nuninlu: {window: 160, slide: 144, hint_max: 64, threshold: 0.5}\n"))
	require.NoError(t, err)
	assert.Equal(t, 4, m.Batch.MaxSize)
	assert.Equal(t, 2*time.Millisecond, m.Batch.MaxDelay)
	assert.Equal(t, 30*time.Second, m.Timeout)
	assert.Equal(t, &model.Uninlu{Window: 160, Slide: 144, HintMax: 64, Threshold: 0.5}, m.Uninlu)

	m, err = model.Parse([]byte(minimal + "generate: {kv_cache: 512MiB, context: 4096, max_sequences: 4, prefix_cache: false, end_tokens: [\"<|im_end|>\"]}\n"))
	require.NoError(t, err)
	off := false
	assert.Equal(t, &model.Generate{
		KVCache: 512 << 20, Context: 4096, MaxSequences: 4, PrefixCache: &off, EndTokens: []string{"<|im_end|>"},
	}, m.Generate)
	for text, want := range map[string]model.Size{"65536": 65536, "64KiB": 64 << 10, "'2 GiB'": 2 << 30} {
		m, err = model.Parse([]byte(minimal + "generate: {kv_cache: " + text + "}\n"))
		require.NoError(t, err)
		assert.Equal(t, want, m.Generate.KVCache)
	}

	m, err = model.Parse([]byte("name: m\nversion: 1\nengine: sleep\n"))
	require.NoError(t, err, "a version may be written as a number")
	assert.Equal(t, "1", m.Version)
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"unknown key":         minimal + "colour: red\n",
		"unknown nested key":  minimal + "batch: {size: 3}\n",
		"repeated key":        minimal + "engine: uninlu\n",
		"no engine":           "name: m\nversion: \"1\"\n",
		"dot in name":         "name: a.b\nversion: \"1\"\nengine: sleep\n",
		"name that climbs":    "name: ..\nversion: \"1\"\nengine: sleep\n",
		"negative instances":  minimal + "instances: -1\n",
		"negative delay":      minimal + "batch: {max_delay: -1s}\n",
		"decimal size":        minimal + "generate: {kv_cache: 512MB}\n",
		"negative size":       minimal + "generate: {kv_cache: -1}\n",
		"huge size":           minimal + "generate: {kv_cache: 9000000000GiB}\n",
		"negative context":    minimal + "generate: {context: -1}\n",
		"windows with gaps":   minimal + "uninlu: {window: 10, slide: 11}\n",
		"not a mapping":       "- 1\n",
		"not YAML":            "name: [\n",
		"number out of range": minimal + "slots: 99999999999\n",
	} {
		_, err := model.Parse([]byte(text))
		assert.Error(t, err, name)
	}
}

func TestScanGoesOnPastBrokenVersions(t *testing.T) {
	t.Parallel()
	repo := t.TempDir()
	for _, v := range []string{"10", "2", "1"} {
		write(t, repo, "good", v, "")
	}
	write(t, repo, "mixed", "1", "")
	broken := write(t, repo, "mixed", "2", "")
	require.NoError(t, os.WriteFile(filepath.Join(broken, "net.onnx"), []byte("changed"), 0o600))
	write(t, repo, "mixed", "3", "colour: red\n")
	require.NoError(t, os.MkdirAll(filepath.Join(repo, "mixed", "4"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(repo, "mixed", "train"), 0o755))
	require.NoError(t, os.MkdirAll(filepath.Join(repo, ".git", "1"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(repo, "README.md"), nil, 0o600))

	entries, err := model.Scan(repo)
	require.NoError(t, err)
	var got []string
	for _, e := range entries {
		got = append(got, fmt.Sprintf("%s/%s %t", e.Name, e.Version, e.Err == nil))
	}
	assert.Equal(t, []string{
		"good/1 true", "good/2 true", "good/10 true",
		"mixed/1 true", "mixed/2 false", "mixed/3 false", "mixed/4 false",
	}, got)
	require.ErrorContains(t, entries[4].Err, "SHA-256")

	_, err = model.Scan(filepath.Join(repo, "nowhere"))
	assert.Error(t, err)
}

func TestVerifyKeepsFilesInsideTheFolder(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("secret"), 0o600))
	sum := sha256.Sum256([]byte("secret"))
	hash := hex.EncodeToString(sum[:])

	for name, prepare := range map[string]func(dir string) string{
		"a path that climbs":       func(string) string { return "../../../secret" },
		"an absolute path":         func(string) string { return secret },
		"a symbolic link outwards": func(dir string) string { return link(t, secret, filepath.Join(dir, "link")) },
		"a folder link outwards": func(dir string) string {
			link(t, filepath.Dir(secret), filepath.Join(dir, "sub"))
			return "sub/secret"
		},
		"a folder": func(dir string) string {
			require.NoError(t, os.Mkdir(filepath.Join(dir, "sub"), 0o755))
			return "sub"
		},
		"nothing there": func(string) string { return "missing" },
	} {
		dir := write(t, t.TempDir(), "m", "1", "")
		m, err := model.Read(dir)
		require.NoError(t, err)
		require.NoError(t, m.Verify(dir))
		m.Files[prepare(dir)] = hash
		assert.Error(t, m.Verify(dir), name)
	}
}

func TestVerifyHoldsNamesAgainstFolders(t *testing.T) {
	t.Parallel()
	dir := write(t, t.TempDir(), "m", "1", "")
	m, err := model.Read(dir)
	require.NoError(t, err)
	m.Version = "2"
	require.ErrorContains(t, m.Verify(dir), "version")
	m.Version, m.Name = "1", "other"
	require.ErrorContains(t, m.Verify(dir), "model")
	m.Name, m.Files["net.onnx"] = "m", "abc"
	assert.ErrorContains(t, m.Verify(dir), "hex")
}

func TestCompare(t *testing.T) {
	t.Parallel()
	v := []string{"10", "1.10", "2", "1", "1.9", "v2", "v10", "01", "1-rc"}
	slices.SortFunc(v, model.Compare)
	assert.Equal(t, []string{"01", "1", "1-rc", "1.9", "1.10", "2", "10", "v2", "v10"}, v)
}

func link(t *testing.T, to, at string) string {
	t.Helper()
	require.NoError(t, os.Symlink(to, at))
	return filepath.Base(at)
}
