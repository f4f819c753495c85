package embed_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine/embed"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// demoModel gives the demo model's references: vectors that Python made of each text alone, here all at once; one of them is too long and cut.
func demoModel(t *testing.T, rt *onnx.Runtime) {
	t.Helper()
	dir := filepath.Join(onnxlib.Root(t), "worker", "models", "embed-tiny", "1")
	m, err := model.Read(dir)
	require.NoError(t, err)
	e, err := embed.New(rt, dir, m, embed.Options{})
	require.NoError(t, err)
	defer func() { require.NoError(t, e.Close()) }()
	assert.Equal(t, job.About{Context: 64, Dimensions: 128}, e.About())

	b, err := os.ReadFile(filepath.Join(dir, "..", "testdata", "reference.json"))
	require.NoError(t, err)
	var references []struct {
		Text   string    `json:"text"`
		IDs    []int     `json:"ids"`
		Vector []float64 `json:"vector"`
	}
	require.NoError(t, json.Unmarshal(b, &references))
	require.NotEmpty(t, references)
	var texts []string
	tokens := 0
	for i := range references {
		texts = append(texts, references[i].Text)
		tokens += len(references[i].IDs)
	}
	in, err := json.Marshal(map[string]any{"input": texts, "truncate": true})
	require.NoError(t, err)
	a, r := run(t, e, string(in))
	assert.Equal(t, tokens, r.InputTokens)
	for i := range references {
		assert.InDeltaSlice(t, references[i].Vector, a.Embeddings[i], 1e-5, references[i].Text)
	}
}
