package vision

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/testenv/onnxlib"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	pictures = "../../picture/testdata/images/"
	decoders = "../generate/testdata/"
	marker   = 258 // the token that stands for an image in the tiny decoder
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(name)
	require.NoError(tb, err)
	return b
}

type cases struct {
	Processor json.RawMessage `json:"processor"`
	Cases     []struct {
		Request   []string    `json:"request"`
		IDs       []int32     `json:"ids"`
		Positions []int64     `json:"positions"`
		Next      int64       `json:"next"`
		Sums      [][]float64 `json:"sums"`
		Logprobs  []float64   `json:"logprobs"`
	} `json:"cases"`
}

func loadCases(tb testing.TB) cases {
	tb.Helper()
	var c cases
	require.NoError(tb, json.Unmarshal(read(tb, "testdata/cases.json"), &c))
	return c
}

// files are those of a tiny model.
func files(tb testing.TB) map[string][]byte {
	tb.Helper()
	return map[string][]byte{
		"vision_encoder.onnx":       read(tb, "testdata/vision_encoder.onnx"),
		"tokenizer.json":            read(tb, "testdata/tokenizer.json"),
		"tokenizer_config.json":     read(tb, "testdata/tokenizer_config.json"),
		"embed_tokens.onnx":         read(tb, decoders+"embed_tokens.onnx"),
		"decoder_model_merged.onnx": read(tb, decoders+"embeds.onnx"),
		"preprocessor_config.json":  loadCases(tb).Processor,
		"config.json":               fmt.Appendf(nil, `{"max_position_embeddings":512,"eos_token_id":257,"image_token_id":%d,"vision_config":{"spatial_merge_size":2,"patch_size":4}}`, marker),
	}
}

// byteTokens is a template and a tokenizer in one: bytes, and the marker for parts of one type.
func byteTokens(kind string) func(c *input.Chat) ([]int32, error) {
	return func(c *input.Chat) ([]int32, error) {
		if c.Prompt != nil {
			return []int32{1, marker}, nil
		}
		var messages []struct {
			Content any `json:"content"`
		}
		if err := json.Unmarshal(c.RawMessages, &messages); err != nil {
			return nil, err
		}
		var ids []int32
		for _, m := range messages {
			parts, _ := m.Content.([]any)
			for _, part := range parts {
				p, _ := part.(map[string]any)
				if p["type"] == kind {
					ids = append(ids, marker)
				}
				s, _ := p["text"].(string)
				for _, b := range []byte(s) {
					ids = append(ids, int32(b))
				}
			}
		}
		return ids, nil
	}
}

// open loads a tiny model and gives its front end.
func open(tb testing.TB, files map[string][]byte, v *model.Vision, o Options) (*front, error) {
	tb.Helper()
	_, f, err := load(tb, files, v, o)
	return f, err
}

// version makes a version folder.
func version(tb testing.TB, files map[string][]byte, v *model.Vision) (string, *model.Manifest) {
	tb.Helper()
	dir := tb.TempDir()
	m := &model.Manifest{Name: "tiny", Version: "1", Engine: Kind, Files: map[string]string{}, Vision: v}
	for name, b := range files {
		require.NoError(tb, os.WriteFile(filepath.Join(dir, name), b, 0o600))
		m.Files[name] = fmt.Sprintf("%x", sha256.Sum256(b))
	}
	return dir, m
}

// load is New with a prompt of bytes.
func load(tb testing.TB, files map[string][]byte, v *model.Vision, o Options) (*generate.Engine, *front, error) {
	tb.Helper()
	dir, m := version(tb, files, v)
	rt, err := onnx.Open(onnxlib.Find(tb))
	require.NoError(tb, err)
	tb.Cleanup(func() { assert.NoError(tb, rt.Close()) })
	var f *front
	e, err := generate.New(rt, dir, m, generate.Options{Images: true, Front: func(p generate.Parts) (generate.Front, error) {
		var err error
		if f, err = newFront(p, o); err != nil {
			return nil, err
		}
		f.prompt = byteTokens("image")
		return f, nil
	}})
	if err != nil {
		return nil, nil, err
	}
	tb.Cleanup(func() { assert.NoError(tb, e.Close()) })
	return e, f, nil
}

func dataURL(data []byte) string { return "data:;base64," + base64.StdEncoding.EncodeToString(data) }

// chat makes a request of texts and names of pictures, the latter in both forms of a part.
func chat(tb testing.TB, parts ...string) *input.Chat {
	tb.Helper()
	return parse(tb, map[string]any{"messages": []any{map[string]any{"role": "user", "content": content(tb, parts...)}}})
}

func content(tb testing.TB, parts ...string) (content []any) {
	tb.Helper()
	for i, p := range parts {
		switch {
		case !strings.Contains(p, "."):
			content = append(content, map[string]any{"type": "text", "text": p})
		case i%2 == 0:
			content = append(content, map[string]any{"type": "image", "image": dataURL(read(tb, pictures+p))})
		default:
			url := map[string]any{"url": dataURL(read(tb, pictures+p))}
			content = append(content, map[string]any{"type": "image_url", "image_url": url})
		}
	}
	return content
}

func parse(tb testing.TB, in any) *input.Chat {
	tb.Helper()
	b, err := json.Marshal(in)
	require.NoError(tb, err)
	return parseBytes(tb, b)
}

func parseBytes(tb testing.TB, b []byte) *input.Chat {
	tb.Helper()
	c, err := input.ParseChat(b)
	require.NoError(tb, err)
	return c
}

// TestStart holds tokens, positions and vectors against the reference, with both types of the encoder's numbers.
func TestStart(t *testing.T) {
	t.Parallel()
	for name, tolerance := range map[string]float64{"vision_encoder.onnx": 2e-4, "vision_encoder_half.onnx": 0.2} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all := files(t)
			all["vision_encoder.onnx"] = read(t, "testdata/"+name)
			f, err := open(t, all, nil, Options{})
			require.NoError(t, err)
			for _, k := range loadCases(t).Cases {
				s, err := f.Start(t.Context(), chat(t, k.Request...))
				require.NoError(t, err)
				assert.Equal(t, k.IDs, s.IDs)
				assert.Equal(t, k.Positions, s.Positions)
				assert.Equal(t, k.Next, s.NextPosition)
				checkVectors(t, f, s, k.Sums, tolerance)
			}
		})
	}
}

// checkVectors holds the sum of each image's vectors against sums, and those of text against the embedding.
func checkVectors(t *testing.T, f *front, s generate.Start, sums [][]float64, tolerance float64) {
	t.Helper()
	width := f.embedder.Width()
	require.Len(t, s.Embeds, len(s.IDs)*width)
	plain := make([]float32, len(s.Embeds))
	require.NoError(t, f.embedder.Embed(t.Context(), s.IDs, plain))
	got := make([]float64, width)
	want := make([]float64, width)
	for _, sum := range sums {
		for i, v := range sum {
			want[i] += v
		}
	}
	for i, id := range s.IDs {
		row := s.Embeds[i*width:][:width]
		if id != marker {
			assert.Equal(t, plain[i*width:][:width], row)
			continue
		}
		for k, v := range row {
			got[k] += float64(v)
		}
	}
	assert.InDeltaSlice(t, want, got, tolerance)
}

// TestPlainPositions is for a decoder whose positions have one axis, or none: they are its own to count.
func TestPlainPositions(t *testing.T) {
	t.Parallel()
	f, err := open(t, files(t), nil, Options{})
	require.NoError(t, err)
	for _, n := range []int{0, 1} {
		f.axes = n
		s, err := f.Start(t.Context(), chat(t, "rgb.png", "what?"))
		require.NoError(t, err)
		assert.Nil(t, s.Positions)
		assert.Len(t, s.Embeds, len(s.IDs)*f.embedder.Width())
	}
}

func TestTextOnly(t *testing.T) {
	t.Parallel()
	f, err := open(t, files(t), nil, Options{})
	require.NoError(t, err)
	s, err := f.Start(t.Context(), chat(t, "hello"))
	require.NoError(t, err)
	assert.Equal(t, generate.Start{IDs: []int32{'h', 'e', 'l', 'l', 'o'}}, s)
}

// TestTemplates asks with templates that know image parts by one type only, or not at all.
func TestTemplates(t *testing.T) {
	t.Parallel()
	f, err := open(t, files(t), nil, Options{})
	require.NoError(t, err)
	for _, kind := range []string{"image", "image_url"} {
		f.prompt = byteTokens(kind)
		c := chat(t, "rgb.png", "a", "b", "rgb.png")
		s, err := f.Start(t.Context(), c)
		require.NoError(t, err)
		assert.Len(t, s.IDs, 2+2*f.processor.Tokens(picture.Grid{T: 1, H: 6, W: 8}))
		assert.Less(t, len(c.RawMessages), 1000, "the pictures are let go of")
	}
	f.prompt = byteTokens("video")
	_, err = f.Start(t.Context(), chat(t, "rgb.png"))
	require.EqualError(t, err, "invalid_input: messages: has 1 images, and the model's chat template has places for 0 of them here")
}

func TestRefused(t *testing.T) {
	t.Parallel()
	f, err := open(t, files(t), &model.Vision{MaxImages: 3, ImagePixels: 3000}, Options{})
	require.NoError(t, err)
	part := func(url string) *input.Chat {
		return parse(t, map[string]any{"messages": []any{
			map[string]any{"role": "user", "content": "hi"},
			map[string]any{"role": "user", "content": []any{
				map[string]any{"type": "text", "text": "?"},
				map[string]any{"type": "image_url", "image_url": map[string]any{"url": url}},
			}},
		}})
	}
	whole := read(t, pictures+"rgb.png")
	for name, k := range map[string]struct {
		chat *input.Chat
		want string
	}{
		"base64":    {part("data:image/png;base64,!"), "messages[1].content[1].image_url.url: is not base64"},
		"no image":  {part(dataURL([]byte("text"))), "messages[1].content[1].image_url.url: is no picture in a format that is known; PNG, JPEG, WebP and GIF are"},
		"truncated": {part(dataURL(whole[:len(whole)/2])), "messages[1].content[1].image_url.url: is a PNG picture that can't be decoded: png: invalid format: not enough pixel data"},
		"pixels":    {part(dataURL(read(t, pictures+"420.jpg"))), "messages[1].content[1].image_url.url: has 67 × 45 pixels, which are more than 3000"},
		"images":    {chat(t, "dot.png", "dot.png", "dot.png", "dot.png"), "messages: has more than 3 images"},
		"prompt":    {parse(t, map[string]any{"prompt": "x"}), "prompt: has 1 tokens that stand for images; images go in messages"},
	} {
		_, err := f.Start(t.Context(), k.chat)
		require.EqualError(t, err, "invalid_input: "+k.want, name)
	}
	f.context = 30
	_, err = f.Start(t.Context(), chat(t, "rgb.png", "compare", "rgb.png"))
	require.EqualError(t, err, "invalid_input: messages: the prompt has 31 tokens, 24 of them for images, and the model's context is 30")
}

func TestCanceled(t *testing.T) {
	t.Parallel()
	f, err := open(t, files(t), nil, Options{})
	require.NoError(t, err)
	l := <-f.encoder.lanes // the only one is busy
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	c := chat(t, "rgb.png")
	go func() {
		_, err := f.Start(ctx, c)
		done <- err
	}()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	f.encoder.lanes <- l
}

// TestConcurrent starts many requests at once; all get what one alone gets.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	none := model.Size(0)
	f, err := open(t, files(t), &model.Vision{FeatureCache: &none}, Options{Encoders: 2})
	require.NoError(t, err)
	all := loadCases(t).Cases
	want := make([]generate.Start, len(all))
	for i, k := range all {
		want[i], err = f.Start(t.Context(), chat(t, k.Request...))
		require.NoError(t, err)
	}
	var wg sync.WaitGroup
	for range 4 {
		for i, k := range all {
			c := chat(t, k.Request...)
			wg.Go(func() {
				got, err := f.Start(t.Context(), c)
				assert.Equal(t, want[i], got, "%v", err)
			})
		}
	}
	wg.Wait()
	assert.Zero(t, f.encoder.cache.size)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		change func(map[string][]byte, *model.Vision)
		want   string
	}{
		"no encoder":  {func(f map[string][]byte, _ *model.Vision) { delete(f, "vision_encoder.onnx") }, "the manifest lists no vision_encoder.onnx"},
		"its name":    {func(_ map[string][]byte, v *model.Vision) { v.Encoder = "eye.onnx" }, "the manifest lists no eye.onnx"},
		"no config":   {func(f map[string][]byte, _ *model.Vision) { delete(f, "preprocessor_config.json") }, "the manifest lists no preprocessor_config.json, which says how pictures are prepared"},
		"other graph": {func(f map[string][]byte, _ *model.Vision) { f["vision_encoder.onnx"] = f["embed_tokens.onnx"] }, "vision_encoder.onnx: want two inputs, pixel_values and image_grid_thw"},
		"kind": {func(f map[string][]byte, _ *model.Vision) {
			f["preprocessor_config.json"] = []byte(`{"image_processor_type":"SiglipImageProcessor"}`)
		}, "preprocessor_config.json: image_processor_type SiglipImageProcessor is not supported"},
		"patch size": {func(f map[string][]byte, _ *model.Vision) {
			f["preprocessor_config.json"] = []byte(`{"image_processor_type":"Qwen2VLImageProcessor"}`)
		}, "preprocessor_config.json has patches of 14 pixels and config.json of 4"},
		"merge": {func(f map[string][]byte, _ *model.Vision) {
			f["preprocessor_config.json"] = []byte(`{"image_processor_type":"Qwen2VLImageProcessor","merge_size":3}`)
		}, "preprocessor_config.json merges 3 patches and config.json, in spatial_merge_size, 2"},
		"values": {func(f map[string][]byte, _ *model.Vision) {
			f["preprocessor_config.json"] = []byte(`{"image_processor_type":"Qwen2VLImageProcessor","patch_size":4,"temporal_patch_size":1}`)
		}, "pixel_values takes patches of 96 values, and the processor's configuration makes them of 48"},
		"pixels": {func(_ map[string][]byte, v *model.Vision) { v.MaxPixels = 10 }, "vision.max_pixels: 10 is less than the 64"},
		"combined": {func(f map[string][]byte, _ *model.Vision) {
			delete(f, "preprocessor_config.json")
			f["processor_config.json"] = []byte(`{}`)
		}, "processor_config.json has no image_processor"},
		"ids": {func(f map[string][]byte, _ *model.Vision) {
			f["decoder_model_merged.onnx"] = read(t, decoders+"plain.onnx")
		}, "the decoder takes tokens and not vectors"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			all, v := maps.Clone(files(t)), &model.Vision{}
			k.change(all, v)
			_, err := open(t, all, v, Options{})
			require.ErrorContains(t, err, k.want)
		})
	}
	all := files(t)
	all["processor_config.json"] = slices.Concat([]byte(`{"image_processor":`), all["preprocessor_config.json"], []byte(`}`))
	delete(all, "preprocessor_config.json")
	f, err := open(t, all, &model.Vision{MaxPixels: 500}, Options{})
	require.NoError(t, err)
	assert.Equal(t, 500, f.processor.Max)
}

func TestCache(t *testing.T) {
	t.Parallel()
	c := newCache(40) // ten numbers
	key := func(b byte) [sha256.Size]byte { return [sha256.Size]byte{b} }
	c.put(key(1), make([]float32, 4))
	c.put(key(2), make([]float32, 4))
	c.put(key(2), make([]float32, 4))
	c.put(key(9), make([]float32, 11)) // too large
	require.NotNil(t, c.get(key(1)))
	c.put(key(3), make([]float32, 4)) // 2 has not been asked for the longest
	assert.Nil(t, c.get(key(2)))
	assert.NotNil(t, c.get(key(1)))
	assert.NotNil(t, c.get(key(3)))
	assert.Nil(t, c.get(key(9)))
	assert.Equal(t, int64(32), c.size)
}

func TestFaultsKeepTheirCode(t *testing.T) {
	t.Parallel()
	err := failed(t.Context(), os.ErrClosed, "sentence")
	assert.Equal(t, fault.Internal, fault.CodeOf(err))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.Equal(t, context.Canceled, failed(ctx, context.Canceled, "sentence"))
}

func FuzzPlainParts(f *testing.F) {
	f.Add([]byte(`[{"role":"user","content":[{"type":"image","image":"data:,"},{"type":"text","text":"é"}]},{"content":"x"}]`))
	f.Fuzz(func(t *testing.T, messages []byte) {
		c, err := input.ParseChat(slices.Concat([]byte(`{"messages":`), messages, []byte(`}`)))
		if err != nil {
			return
		}
		plain := plainParts(c.RawMessages, "image")
		require.True(t, json.Valid(plain), "%s", plain)
		for i := range c.Messages {
			for k, p := range c.Messages[i].Parts {
				require.Equal(t, p.ImageURL != "", strings.Contains(imageField(c.RawMessages, i, k), "].image"))
			}
		}
	})
}

// BenchmarkStart prepares a request with a picture, encoder included.
func BenchmarkStart(b *testing.B) {
	none := model.Size(0)
	f, err := open(b, files(b), &model.Vision{FeatureCache: &none}, Options{})
	require.NoError(b, err)
	for b.Loop() {
		b.StopTimer()
		c := chat(b, "rgb.png", "what?")
		b.StartTimer()
		_, err := f.Start(b.Context(), c)
		require.NoError(b, err)
	}
}
