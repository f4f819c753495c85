package worker_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/deploy/dev/parrot"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker"
)

// demo is a copy of a demo model's folder, to be broken.
func demo(t *testing.T, name string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name, "1")
	require.NoError(t, os.MkdirAll(filepath.Dir(dir), 0o755))
	require.NoError(t, os.CopyFS(dir, os.DirFS(filepath.Join(onnxlib.Root(t), "worker", "models", name, "1"))))
	return dir
}

// folder is a copy that a test breaks.
type folder struct {
	t   *testing.T
	dir string
}

func (f folder) read(path string) string {
	f.t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(f.t, err)
	return string(b)
}

func (f folder) remove(file string) {
	f.t.Helper()
	require.NoError(f.t, os.Remove(filepath.Join(f.dir, file)))
}

// edit changes a file and keeps the manifest true, unless it is the manifest.
func (f folder) edit(file string, change func(string) string) {
	f.t.Helper()
	path := filepath.Join(f.dir, file)
	old := f.read(path)
	changed := change(old)
	if old == changed {
		f.t.Fatal("nothing was broken")
	}
	require.NoError(f.t, os.Chmod(path, 0o644))
	require.NoError(f.t, os.WriteFile(path, []byte(changed), 0o644))
	if file == model.ManifestFile {
		return
	}
	sum := func(s string) string {
		h := sha256.Sum256([]byte(s))
		return hex.EncodeToString(h[:])
	}
	f.edit(model.ManifestFile, func(s string) string { return strings.ReplaceAll(s, sum(old), sum(changed)) })
}

func replace(from, to string) func(string) string {
	return func(s string) string { return strings.Replace(s, from, to, 1) }
}

func check(t *testing.T, folders ...string) (out string, err error) {
	t.Helper()
	c := worker.Default()
	c.Worker.ONNXRuntime = onnxlib.Find(t)
	var b bytes.Buffer
	err = worker.Check(t.Context(), c, folders, &b)
	return b.String(), err
}

func TestEveryDemoModelIsFit(t *testing.T) {
	t.Parallel()
	models := filepath.Join(onnxlib.Root(t), "worker", "models")
	for _, name := range []string{"uninlu-tiny", "chat-tiny", "shapes-vl", "embed-tiny", "digits-tiny"} {
		out, err := check(t, filepath.Join(models, name))
		require.NoError(t, err, out)
		assert.Contains(t, out, "\n  fit\n")
		assert.Contains(t, out, "memory")
	}
	server := httptest.NewServer(parrot.New())
	defer server.Close()
	dir := demo(t, "parrot")
	folder{t, dir}.edit(model.ManifestFile, replace("urls_env: PARROT_URL", `urls: ["`+server.URL+`/v1"]`))
	out, err := check(t, dir)
	require.NoError(t, err, out)
	assert.Contains(t, out, `"finish_reason":"stop"`)
}

// Each of these folders is broken in another way, and the check's last sentence names the fault.
func TestWhatIsWrongIsNamed(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		model string
		spoil func(f folder)
		says  string
	}{
		"a file is missing": {"digits-tiny", func(f folder) {
			f.remove("model.onnx")
		}, "model.onnx"},
		"a file is another": {"digits-tiny", func(f folder) {
			f.edit(model.ManifestFile, func(s string) string {
				return regexp.MustCompile(`[0-9a-f]{64}`).ReplaceAllString(s, strings.Repeat("f", 64))
			})
		}, "its SHA-256 is"},
		"a graph is cut off": {"digits-tiny", func(f folder) {
			f.edit("model.onnx", func(s string) string { return s[:len(s)/2] })
		}, "damaged"},
		"a graph is none": {"embed-tiny", func(f folder) {
			f.edit("model.onnx", func(string) string { return "<html>not found</html>" })
		}, "not an ONNX model"},
		"an unknown setting": {"digits-tiny", func(f folder) {
			f.edit(model.ManifestFile, func(s string) string { return s + "\nthreds: 2\n" })
		}, "threds"},
		"an unknown engine": {"digits-tiny", func(f folder) {
			f.edit(model.ManifestFile, replace("engine: tensor", "engine: tenser"))
		}, `no engine "tenser"`},
		"another model's manifest": {"digits-tiny", func(f folder) {
			f.edit(model.ManifestFile, replace("name: digits-tiny", "name: letters-tiny"))
		}, "letters-tiny"},
		"a device that is not there": {"digits-tiny", func(f folder) {
			f.edit(model.ManifestFile, func(s string) string { return s + "\ndevice: cuda:0\n" })
		}, "cuda:0"},
		"a tokenizer that is too new": {"embed-tiny", func(f folder) {
			f.edit("tokenizer.json", func(s string) string {
				i := strings.Index(s, `"pre_tokenizer"`)
				return s[:i] + strings.Replace(s[i:], `"type":"`, `"type":"Quantum`, 1)
			})
		}, "Quantum"},
		"a tokenizer cut off": {"chat-tiny", func(f folder) {
			f.edit("tokenizer.json", func(s string) string { return s[:len(s)/2] })
		}, "tokenizer.json"},
		"a pooling nobody knows": {"embed-tiny", func(f folder) {
			f.edit(model.ManifestFile, func(s string) string { return s + "\nembed: {pooling: median}\n" })
		}, "median"},
		"a template that does not parse": {"chat-tiny", func(f folder) {
			f.edit("tokenizer_config.json", replace("{%- endif", "{%- endfi"))
		}, "template"},
		"no configuration": {"chat-tiny", func(f folder) {
			f.remove("config.json")
		}, "config.json"},
		"a decoder that decodes nothing": {"chat-tiny", func(f folder) {
			other := f.read(filepath.Join(demo(f.t, "digits-tiny"), "model.onnx"))
			f.edit("model.onnx", func(string) string { return other })
		}, `"pixels"`},
		"pictures in another way": {"shapes-vl", func(f folder) {
			f.edit("preprocessor_config.json", func(s string) string {
				return regexp.MustCompile(`("image_processor_type": *)"[^"]*"`).ReplaceAllString(s, `$1"ClipImageProcessor"`)
			})
		}, "ClipImageProcessor"},
		"no server": {"parrot", func(f folder) {
			f.edit(model.ManifestFile, replace("PARROT_URL", "NO_SUCH_PARROT"))
		}, "NO_SUCH_PARROT is not set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := demo(t, c.model)
			c.spoil(folder{t, dir})
			out, err := check(t, dir)
			require.ErrorIs(t, err, worker.ErrCheck, out)
			_, verdict, found := strings.Cut(out, "NOT FIT: ")
			require.True(t, found, out)
			assert.Contains(t, verdict, c.says)
		})
	}
}

func TestAManifestIsWrittenForAnExport(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"uninlu-tiny", "chat-tiny", "shapes-vl", "embed-tiny", "digits-tiny"} {
		dir := demo(t, name)
		was, err := model.Read(dir)
		require.NoError(t, err)
		require.NoError(t, os.Remove(filepath.Join(dir, model.ManifestFile)))
		var b bytes.Buffer
		require.NoError(t, worker.Manifest(dir, &b))
		now, err := model.Parse(b.Bytes())
		require.NoError(t, err, b.String())
		assert.Equal(t, was.Engine, now.Engine, name)
		for file, sum := range was.Files {
			assert.Equal(t, sum, now.Files[file], "%s: %s", name, file)
		}
		require.NoError(t, now.Verify(dir))
	}
	assert.ErrorContains(t, worker.Manifest(t.TempDir(), new(bytes.Buffer)), "no *.onnx")
}
