package picture_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(tb, err)
	return b
}

// decodable are the fixtures that have a decoded twin.
func decodable(tb testing.TB) []string {
	tb.Helper()
	files, err := filepath.Glob("testdata/decoded/*.png")
	require.NoError(tb, err)
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".png")
	}
	require.Greater(tb, len(names), 40)
	return names
}

// reference is what Pillow decoded.
func reference(tb testing.TB, name string) *picture.RGB {
	tb.Helper()
	m, err := png.Decode(bytes.NewReader(read(tb, "decoded/"+name+".png")))
	require.NoError(tb, err)
	b := m.Bounds()
	p := &picture.RGB{Width: b.Dx(), Height: b.Dy()}
	for y := range b.Dy() {
		for x := range b.Dx() {
			c, ok := color.NRGBAModel.Convert(m.At(x, y)).(color.NRGBA)
			require.True(tb, ok)
			p.Pix = append(p.Pix, c.R, c.G, c.B)
		}
	}
	return p
}

func decode(tb testing.TB, name string) *picture.RGB {
	tb.Helper()
	p, err := picture.Decode(read(tb, "images/"+name), picture.Limits{})
	require.NoError(tb, err, name)
	return p
}

// TestDecode holds every format against Pillow: not one sample may differ.
func TestDecode(t *testing.T) {
	t.Parallel()
	for _, name := range decodable(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			want, got := reference(t, name), decode(t, name)
			require.Equal(t, want.Width, got.Width)
			require.Equal(t, want.Height, got.Height)
			require.Len(t, got.Pix, len(want.Pix))
			most, differ := 0, 0
			for i, v := range want.Pix {
				if d := int(v) - int(got.Pix[i]); d != 0 {
					differ++
					most = max(most, d, -d)
				}
			}
			assert.Zero(t, differ, "samples that differ, of %d, by at most %d", len(want.Pix), most)
			info, err := picture.Inspect(read(t, "images/"+name), picture.Limits{})
			require.NoError(t, err)
			assert.Equal(t, [2]int{want.Width, want.Height}, [2]int{info.Width, info.Height})
			assert.GreaterOrEqual(t, info.Memory, int64(len(want.Pix)))
		})
	}
}

type cases struct {
	Configs map[string]jsontext.Value `json:"configs"`
	Patches []struct {
		Config string `json:"config"`
		Image  string `json:"image"`
		Grid   [3]int `json:"grid"`
		Values string `json:"values"`
	} `json:"patches"`
	Sizes   [][]any `json:"sizes"`
	Resizes [][]any `json:"resizes"`
}

func loadCases(tb testing.TB) (*cases, map[string]*picture.Processor) {
	tb.Helper()
	var c cases
	require.NoError(tb, json.Unmarshal(read(tb, "cases.json"), &c))
	processors := map[string]*picture.Processor{}
	for name, config := range c.Configs {
		p, err := picture.ParseProcessor(config)
		require.NoError(tb, err)
		processors[name] = p
	}
	return &c, processors
}

func number(tb testing.TB, v any) int {
	tb.Helper()
	f, ok := v.(float64)
	require.True(tb, ok)
	return int(f)
}

// TestPatches holds decoding, resizing, normalising and the order of patches against the reference, file by file.
func TestPatches(t *testing.T) {
	t.Parallel()
	c, processors := loadCases(t)
	for _, k := range c.Patches {
		t.Run(k.Config+"/"+k.Image, func(t *testing.T) {
			t.Parallel()
			z, err := gzip.NewReader(bytes.NewReader(read(t, k.Values)))
			require.NoError(t, err)
			raw, err := io.ReadAll(z)
			require.NoError(t, err)
			p, m := processors[k.Config], decode(t, k.Image)
			g, err := p.Grid(m.Width, m.Height)
			require.NoError(t, err)
			require.Equal(t, picture.Grid{T: k.Grid[0], H: k.Grid[1], W: k.Grid[2]}, g)
			got := make([]float32, g.Patches()*p.PatchSize())
			require.NoError(t, p.Fill(m, g, got))
			require.Len(t, raw, 4*len(got))
			most := 0.0
			for i, v := range got {
				want := math.Float32frombits(binary.LittleEndian.Uint32(raw[4*i:]))
				most = max(most, math.Abs(float64(want)-float64(v)))
			}
			assert.Zero(t, most, "greatest difference of a value")
		})
	}
}

func TestGrid(t *testing.T) {
	t.Parallel()
	c, processors := loadCases(t)
	for _, k := range c.Sizes {
		name, ok := k[0].(string)
		require.True(t, ok)
		p := processors[name]
		w, h, wantH, wantW := number(t, k[1]), number(t, k[2]), number(t, k[3]), number(t, k[4])
		g, err := p.Grid(w, h)
		if wantH == 0 {
			require.Equal(t, fault.InvalidInput, fault.CodeOf(err), "%v", k)
			continue
		}
		require.NoError(t, err, "%v", k)
		assert.Equal(t, picture.Grid{T: 1, H: wantH / p.Patch, W: wantW / p.Patch}, g, "%v", k)
		assert.Equal(t, wantH*wantW/(p.Patch*p.Merge*p.Patch*p.Merge), p.Tokens(g))
	}
}

func TestResize(t *testing.T) {
	t.Parallel()
	c, _ := loadCases(t)
	for _, k := range c.Resizes {
		name, ok := k[0].(string)
		require.True(t, ok)
		m := reference(t, name).Resize(number(t, k[2]), number(t, k[3]), picture.Filter(number(t, k[1])))
		sum := sha256.Sum256(m.Pix)
		assert.Equal(t, k[4], hex.EncodeToString(sum[:8]), "%v", k)
	}
}

func TestParseProcessor(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct{ config, want string }{
		"no kind":     {`{}`, "it names no image_processor_type"},
		"other kind":  {`{"image_processor_type":"CLIPImageProcessor"}`, "image_processor_type CLIPImageProcessor is not supported; those of Qwen-VL and GLM-4V are"},
		"no JSON":     {`[`, "it is not what a processor's configuration looks like"},
		"patch":       {`{"image_processor_type":"Qwen2VLImageProcessor","patch_size":0}`, "patch_size is 0"},
		"pixels":      {`{"image_processor_type":"Qwen2VLImageProcessor","min_pixels":9,"max_pixels":8}`, "the least and most pixels are 9 and 8"},
		"nearest":     {`{"image_processor_type":"Qwen2VLImageProcessor","resample":0}`, "resample is 0; 1 (lanczos)"},
		"mean":        {`{"image_processor_type":"Qwen2VLImageProcessor","image_mean":[1]}`, "image_mean and image_std must have three values each"},
		"no variance": {`{"image_processor_type":"Qwen2VLImageProcessor","image_std":[1,0,1]}`, "image_std has a zero"},
	} {
		_, err := picture.ParseProcessor([]byte(k.config))
		require.ErrorContains(t, err, k.want, name)
	}
	p, err := picture.ParseProcessor([]byte(`{"image_processor_type":"Qwen2VLImageProcessor","do_resize":false}`))
	require.NoError(t, err)
	g, err := p.Grid(56, 84)
	require.NoError(t, err)
	assert.Equal(t, picture.Grid{T: 1, H: 6, W: 4}, g)
	_, err = p.Grid(56, 85)
	require.EqualError(t, err, "invalid_input: has 56 × 85 pixels; this model takes multiples of 28 only")
	require.Error(t, p.Fill(decode(t, "rgb.png"), g, nil))
}

func TestFromURL(t *testing.T) {
	t.Parallel()
	data := []byte{0, 0xfb, 0xff, 9}
	for _, url := range []string{
		"data:image/png;base64," + base64.StdEncoding.EncodeToString(data),
		"DATA:;BASE64," + base64.RawStdEncoding.EncodeToString(data),
		"data:image/png;name=x;base64," + base64.URLEncoding.EncodeToString(data) + "\r\n",
	} {
		got, err := picture.FromURL(url, picture.Limits{})
		require.NoError(t, err, url)
		assert.Equal(t, data, got)
	}
	for url, want := range map[string]string{
		"":                                "must be a data: URL; pictures are not fetched from elsewhere",
		"https://example.com/a.png":       "must be a data: URL; pictures are not fetched from elsewhere",
		"data:image/png;base64":           "is a data: URL without data",
		"data:image/svg+xml,<svg/>":       "must be a data: URL in base64",
		"data:image/png;base64,%%%":       "is not base64",
		"data:;base64," + bigBase64(1000): "has more than 100 bytes",
	} {
		_, err := picture.FromURL(url, picture.Limits{Bytes: 100})
		require.EqualError(t, err, "invalid_input: "+want)
	}
}

func bigBase64(n int) string { return base64.StdEncoding.EncodeToString(make([]byte, n)) }

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, k := range map[string]struct {
		data []byte
		want string
	}{
		"empty":      {nil, "is no picture in a format that is known; PNG, JPEG, WebP and GIF are"},
		"text":       {[]byte("hello, world"), "is no picture in a format that is known; PNG, JPEG, WebP and GIF are"},
		"TIFF":       {[]byte("II*\x00abcdefgh"), "is a TIFF file; PNG, JPEG, WebP and GIF pictures are taken"},
		"HEIF":       {[]byte("\x00\x00\x00\x18ftypheic"), "is a HEIF file; PNG, JPEG, WebP and GIF pictures are taken"},
		"arithmetic": {read(t, "images/arithmetic.jpg"), "is a JPEG picture that can't be decoded: JPEG pictures coded as this one (arithmetic) are not supported"},
		"PNG bomb":   {pngHeader(60000, 60000), "has 60000 × 60000 pixels, which are more than 64000000"},
		"JPEG bomb":  {patched(read(t, "images/420.jpg"), "\xff\xc0", 5, 0xff, 0xff, 0xff, 0xff), "has 65535 × 65535 pixels, which are more than 64000000"},
		"GIF bomb":   {patched(read(t, "images/still.gif"), "GIF8", 6, 0xff, 0xff, 0xff, 0xff), "has 65535 × 65535 pixels, which are more than 64000000"},
		"WebP bomb":  {patched(read(t, "images/lossy.webp"), "\x9d\x01\x2a", 3, 0xff, 0x3f, 0xff, 0x3f), "has 16383 × 16383 pixels, which are more than 64000000"},
		"GIF empty":  {patched(read(t, "images/still.gif"), "GIF8", 6, 0, 0), "is a GIF picture without pixels"},
	} {
		_, err := picture.Decode(k.data, picture.Limits{})
		require.EqualError(t, err, "invalid_input: "+k.want, name)
		_, err = picture.Inspect(k.data, picture.Limits{})
		require.Error(t, err, name)
	}
	_, err := picture.Decode(read(t, "images/rgb.png"), picture.Limits{Bytes: 10})
	require.ErrorContains(t, err, "which are more than 10")
	_, err = picture.Decode(read(t, "images/rgb.png"), picture.Limits{Memory: 100})
	require.ErrorContains(t, err, "of memory to decode")
}

func crc(b []byte) uint32 { return crc32.ChecksumIEEE(b) }

func pngHeader(w, h uint32) []byte {
	var b bytes.Buffer
	_ = png.Encode(&b, image.NewGray(image.Rect(0, 0, 1, 1)))
	d := b.Bytes()
	binary.BigEndian.PutUint32(d[16:], w)
	binary.BigEndian.PutUint32(d[20:], h)
	binary.BigEndian.PutUint32(d[29:], crc(d[12:29]))
	return d
}

// patched writes bytes some way after a magic.
func patched(data []byte, magic string, after int, with ...byte) []byte {
	out := bytes.Clone(data)
	copy(out[bytes.Index(out, []byte(magic))+after:], with)
	return out
}

// TestTruncated cuts every picture short.
func TestTruncated(t *testing.T) {
	t.Parallel()
	for _, name := range decodable(t) {
		data := read(t, "images/"+name)
		for _, n := range []int{0, 3, 20, len(data) / 4, len(data) / 2, len(data) * 3 / 4, len(data) - 40} {
			if n < 0 || n >= len(data) {
				continue
			}
			_, err := picture.Decode(data[:n], picture.Limits{})
			if name == "animated.gif" && err == nil {
				continue // its first frame was whole
			}
			assert.Equal(t, fault.InvalidInput, fault.CodeOf(err), "%s cut at %d of %d: %v", name, n, len(data), err)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range decodable(f) {
		f.Add(read(f, "images/"+name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		l := picture.Limits{Bytes: 1 << 16, Pixels: 1 << 16, Memory: 4 << 20}
		info, err := picture.Inspect(data, l)
		p, err2 := picture.Decode(data, l)
		if err2 != nil {
			require.Equal(t, fault.InvalidInput, fault.CodeOf(err2))
			return
		}
		require.NoError(t, err)
		require.Equal(t, info.Width, p.Width)
		require.Equal(t, info.Height, p.Height)
		require.Len(t, p.Pix, 3*p.Width*p.Height)
	})
}

func FuzzFromURL(f *testing.F) {
	f.Add("data:image/png;base64,AAAA")
	f.Add("https://example.com")
	f.Fuzz(func(t *testing.T, url string) {
		if _, err := picture.FromURL(url, picture.Limits{Bytes: 1000}); err != nil {
			require.Equal(t, fault.InvalidInput, fault.CodeOf(err))
		}
	})
}

func FuzzProcessor(f *testing.F) {
	f.Add([]byte(`{"image_processor_type":"Glm4vImageProcessor","patch_size":14}`), 300, 200)
	f.Add([]byte(`{"image_processor_type":"Qwen2VLImageProcessor","size":{"shortest_edge":1,"longest_edge":2}}`), 1, 200)
	f.Fuzz(func(t *testing.T, config []byte, w, h int) {
		p, err := picture.ParseProcessor(config)
		if err != nil || w < 1 || h < 1 || w > 1<<16 || h > 1<<16 {
			return
		}
		g, err := p.Grid(w, h)
		if err != nil {
			return
		}
		require.Positive(t, g.Patches())
		require.Zero(t, g.H%p.Merge+g.W%p.Merge)
	})
}

func megapixel() *picture.RGB {
	p := &picture.RGB{Width: 1200, Height: 900, Pix: make([]byte, 3*1200*900)}
	for i := range p.Pix {
		p.Pix[i] = byte(i*7 ^ i>>9)
	}
	return p
}

// BenchmarkPrepare resizes and cuts a picture of a megapixel as Qwen2-VL asks.
func BenchmarkPrepare(b *testing.B) {
	_, processors := loadCases(b)
	m, p := megapixel(), processors["qwen2"]
	g, err := p.Grid(m.Width, m.Height)
	require.NoError(b, err)
	out := make([]float32, g.Patches()*p.PatchSize())
	b.ReportAllocs()
	for b.Loop() {
		require.NoError(b, p.Fill(m, g, out))
	}
}

// BenchmarkDecode decodes pictures of a megapixel.
func BenchmarkDecode(b *testing.B) {
	m := image.NewNRGBA(image.Rect(0, 0, 1200, 900))
	for i := range 1200 * 900 {
		x, y := i%1200, i/1200
		m.SetNRGBA(x, y, color.NRGBA{byte(x/5 + x*y%7), byte(y/4 + x%5), byte(x/9 + y/7), 255})
	}
	var asJPEG, asPNG bytes.Buffer
	require.NoError(b, jpeg.Encode(&asJPEG, m, &jpeg.Options{Quality: 85}))
	require.NoError(b, png.Encode(&asPNG, m))
	for name, data := range map[string][]byte{"jpeg": asJPEG.Bytes(), "png": asPNG.Bytes()} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				_, err := picture.Decode(data, picture.Limits{})
				require.NoError(b, err)
			}
		})
	}
}

func ExampleDecode() {
	data, err := picture.FromURL("data:image/gif;base64,R0lGODlhAQABAIAAAP8AAAAAACwAAAAAAQABAAACAkQBADs=", picture.Limits{})
	if err != nil {
		fmt.Println(err)
		return
	}
	p, err := picture.Decode(data, picture.Limits{})
	fmt.Println(p.Width, p.Height, len(p.Pix), err)
	// Output: 1 1 3 <nil>
}
