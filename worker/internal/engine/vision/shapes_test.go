package vision

import (
	"bytes"
	"encoding/json"
	"image/png"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

// shapes is the demo model's folder. Its testdata come from the Python reference beside it.
const shapes = "../../../models/shapes-vl/"

// conversation is one of the reference's.
type conversation struct {
	Images    []string         `json:"images"`
	Messages  []map[string]any `json:"messages"`
	IDs       []int32          `json:"ids"`
	Positions [][]int64        `json:"positions"`
	Text      string           `json:"text"`
}

func conversations(tb testing.TB) []conversation {
	tb.Helper()
	var all []conversation
	require.NoError(tb, json.Unmarshal(read(tb, shapes+"testdata/conversations.json"), &all))
	require.NotEmpty(tb, all)
	return all
}

// input gives each image part its picture, and makes a request.
func (k *conversation) input(tb testing.TB) []byte {
	tb.Helper()
	next := 0
	for _, m := range k.Messages {
		parts, _ := m["content"].([]any)
		for _, p := range parts {
			part, ok := p.(map[string]any)
			require.True(tb, ok)
			if part["type"] == "image" {
				part["image"] = dataURL(read(tb, shapes+"testdata/images/"+k.Images[next]))
				next++
			}
		}
	}
	b, err := json.Marshal(map[string]any{"messages": k.Messages})
	require.NoError(tb, err)
	return b
}

func openShapes(tb testing.TB) (*generate.Engine, *front) {
	tb.Helper()
	m, err := model.Read(shapes + "1")
	require.NoError(tb, err)
	rt, err := onnx.Open(onnxlib.Find(tb))
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, rt.Close()) })
	var f *front
	e, err := generate.New(rt, shapes+"1", m, generate.Options{Images: true, Front: func(p generate.Parts) (generate.Front, error) {
		var err error
		f, err = newFront(p, Options{})
		return f, err
	}})
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e, f
}

// answers runs requests at once, as many as fit, and gives their texts.
func answers(tb testing.TB, e *generate.Engine, inputs [][]byte) []string {
	tb.Helper()
	texts := make([]string, len(inputs))
	at := map[engine.SeqID]int{}
	waiting := 0
	for done := 0; done < len(inputs); {
		for waiting < len(inputs) && len(at) < e.Slots() {
			at[admit(tb, e, inputs[waiting])] = waiting
			waiting++
		}
		events, err := e.Step(tb.Context())
		require.NoError(tb, err)
		for _, ev := range events {
			if !ev.Done {
				continue
			}
			require.NoError(tb, ev.Err)
			var out struct {
				Text string `json:"text"`
			}
			require.NoError(tb, json.Unmarshal(ev.Result.Output, &out))
			texts[at[ev.Seq]] = out.Text
			delete(at, ev.Seq)
			done++
		}
	}
	return texts
}

// TestShapes holds the demo model's prompts, positions and greedy answers against the reference, one by one and all at
// once.
func TestShapes(t *testing.T) {
	t.Parallel()
	e, f := openShapes(t)
	all := conversations(t)
	inputs := make([][]byte, len(all))
	for i := range all {
		k := &all[i]
		inputs[i] = k.input(t)
		s, err := f.Start(t.Context(), parseBytes(t, inputs[i]))
		require.NoError(t, err)
		assert.Equal(t, k.IDs, s.IDs)
		if s.Positions != nil {
			var want []int64
			for _, row := range k.Positions {
				want = append(want, row...)
			}
			assert.Equal(t, want, s.Positions)
		}
		assert.Equal(t, []string{k.Text}, answers(t, e, inputs[i:i+1]))
	}
	for i, text := range answers(t, e, inputs) {
		assert.Equal(t, all[i].Text, text)
	}
}

// TestShapesPictures holds decoding, resizing and patches against the reference's.
func TestShapesPictures(t *testing.T) {
	t.Parallel()
	p, err := picture.ParseProcessor(read(t, shapes+"1/preprocessor_config.json"))
	require.NoError(t, err)
	var all struct {
		Images []struct {
			File    string       `json:"file"`
			Grid    [3]int       `json:"grid"`
			Mean    float64      `json:"mean"`
			Samples [][3]float64 `json:"samples"`
		} `json:"images"`
		Sizes [][4]int `json:"sizes"`
	}
	require.NoError(t, json.Unmarshal(read(t, shapes+"testdata/images.json"), &all))
	require.NotEmpty(t, all.Images)
	for _, k := range all.Images {
		m, err := picture.Decode(read(t, shapes+"testdata/images/"+k.File), picture.Limits{})
		require.NoError(t, err, k.File)
		g, err := p.Grid(m.Width, m.Height)
		require.NoError(t, err, k.File)
		require.Equal(t, picture.Grid{T: k.Grid[0], H: k.Grid[1], W: k.Grid[2]}, g, k.File)
		resized, err := png.Decode(bytes.NewReader(read(t, shapes+"testdata/resized/"+k.File+".png")))
		require.NoError(t, err)
		small := m.Resize(resized.Bounds().Dx(), resized.Bounds().Dy(), picture.Bicubic)
		for i := range small.Width * small.Height {
			r, g, b, _ := resized.At(i%small.Width, i/small.Width).RGBA()
			require.Equal(t, []byte{byte(r >> 8), byte(g >> 8), byte(b >> 8)}, small.Pix[3*i:3*i+3], "%s, pixel %d", k.File, i)
		}
		out := make([]float32, g.Patches()*p.PatchSize())
		require.NoError(t, p.Fill(m, g, out))
		sum := 0.0
		for _, v := range out {
			sum += float64(v)
		}
		assert.InDelta(t, k.Mean, sum/float64(len(out)), 2e-6, k.File)
		for _, s := range k.Samples {
			assert.InDelta(t, s[2], out[int(s[0])*p.PatchSize()+int(s[1])], 2e-6, k.File)
		}
	}
	for _, s := range all.Sizes {
		g, err := p.Grid(s[1], s[0])
		require.NoError(t, err)
		assert.Equal(t, picture.Grid{T: 1, H: s[2] / p.Patch, W: s[3] / p.Patch}, g, "%v", s)
	}
}

// BenchmarkQuestion answers a question about a picture of 640 × 480, from the request to the last token.
func BenchmarkQuestion(b *testing.B) {
	for name, cached := range map[string]bool{"new": false, "seen": true} {
		b.Run(name, func(b *testing.B) {
			e, f := openShapes(b)
			var in []byte
			for _, k := range conversations(b) {
				if len(k.Images) == 1 && k.Images[0] == "large.png" {
					in = k.input(b)
				}
			}
			if !cached {
				f.encoder.cache = newCache(0)
			}
			for b.Loop() {
				answers(b, e, [][]byte{in})
			}
		})
	}
}
