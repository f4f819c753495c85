package jpeg_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/picture/jpeg"
)

// That pixels are libjpeg's is tested by package picture, for all of its fixtures.

func read(tb testing.TB, name string) []byte {
	tb.Helper()
	b, err := os.ReadFile("../testdata/images/" + name)
	require.NoError(tb, err)
	return b
}

// segment is the place of a segment's marker.
func segment(tb testing.TB, data []byte, marker byte) int {
	tb.Helper()
	at := bytes.Index(data, []byte{0xff, marker})
	require.Positive(tb, at)
	return at
}

func TestHeader(t *testing.T) {
	t.Parallel()
	h, err := jpeg.ReadHeader(read(t, "progressive.jpg"))
	require.NoError(t, err)
	assert.Equal(t, jpeg.Header{Width: 66, Height: 51, Components: 3, Progressive: true, Memory: 66*51*3 + 3*(80*64+2*40*32)}, h)
	h, err = jpeg.ReadHeader(read(t, "oriented6.jpg"))
	require.NoError(t, err)
	assert.NotEmpty(t, h.Exif)
}

func TestDamaged(t *testing.T) {
	t.Parallel()
	whole, frames := read(t, "420.jpg"), read(t, "progressive.jpg")
	edit := func(data []byte, at int, with ...byte) []byte {
		out := bytes.Clone(data)
		copy(out[at:], with)
		return out
	}
	sof, dht, dqt, sos := segment(t, whole, 0xc0), segment(t, whole, 0xc4), segment(t, whole, 0xdb), segment(t, whole, 0xda)
	scan := frames[segment(t, frames, 0xda):]
	scan = scan[:bytes.Index(scan, []byte{0xff, 0xc4})]
	many := bytes.Clone(frames[:segment(t, frames, 0xda)])
	for range 100 {
		many = append(many, scan...)
	}
	for name, k := range map[string]struct {
		data []byte
		want string
	}{
		"no JPEG":      {[]byte("PNG"), "the data is no JPEG picture"},
		"no frame":     {[]byte{0xff, 0xd8, 0xff, 0xd9}, "the picture has no frame"},
		"only a start": {[]byte{0xff, 0xd8}, "the data ends before the picture does"},
		"12 bits":      {edit(whole, sof+4, 12), "JPEG pictures of 12 bits are not supported"},
		"no size":      {edit(whole, sof+5, 0, 0), "the frame's header gives no size"},
		"components":   {edit(whole, sof+9, 2), "the frame's header has an impossible length"},
		"sampling":     {edit(whole, sof+11, 0x51), "the frame's header has impossible values"},
		"fractional":   {edit(whole, sof+11, 0x31, 0, 2, 0x21), "JPEG pictures with fractional sampling are not supported"},
		"same names":   {edit(whole, sof+13, 1), "the frame's header names a component twice"},
		"Huffman":      {edit(whole, dht+5, 3, 1, 2), "a Huffman table has more codes than fit"},
		"no Huffman":   {edit(whole, dht+4, 3), "a scan needs a Huffman table that is missing"},
		"no quants":    {edit(whole, dqt+4, 3), "a scan needs a quantization table that is missing"},
		"lossless":     {edit(whole, sof+1, 0xc3), "JPEG pictures coded as this one (lossless) are not supported"},
		"component":    {edit(whole, sos+5, 9), "a scan names a component that the frame has not"},
		"scans":        {many, "the picture has too many scans"},
		"ends":         {whole[:sos+30], "the data ends before the picture does"},
	} {
		_, err := jpeg.Decode(k.data)
		require.EqualError(t, err, k.want, name)
	}
}

func FuzzDecode(f *testing.F) {
	for _, name := range []string{"420.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg", "restart.jpg", "440.jpg", "rgb.jpg"} {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		h, err := jpeg.ReadHeader(data)
		if err != nil || h.Memory > 1<<22 {
			return
		}
		p, err := jpeg.Decode(data)
		if err != nil {
			return
		}
		require.Len(t, p.Pix, h.Width*h.Height*h.Components)
	})
}
