package picture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"image"

	"golang.org/x/image/webp"
)

// webp finds a WebP file's first frame, size and orientation.
func (i *Info) webp(data []byte) error {
	var exif []byte
	var canvas [2]int
	i.still = data
	err := chunks(data[12:], func(id string, body []byte) error {
		switch id {
		case "VP8X":
			if len(body) >= 10 {
				canvas = [2]int{1 + uint24(body[4:]), 1 + uint24(body[7:])}
			}
		case "EXIF":
			exif = bytes.TrimPrefix(body, []byte("Exif\x00\x00"))
		case "VP8L":
			i.opaque = len(body) >= 5 && body[4]&0x10 == 0
		case "ANMF":
			if canvas[0] != 0 && i.at == [2]int{} && len(i.still) == len(data) {
				return i.firstFrame(body)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	c, err := webp.DecodeConfig(bytes.NewReader(i.still))
	if err != nil {
		return err
	}
	i.stored = [2]int{c.Width, c.Height}
	i.Memory = memory(c.Width, c.Height, 12) // lossless pixels twice, at a transform; or planes, and alpha as pixels
	if len(i.still) != len(data) {
		i.stored = canvas
		i.Memory = max(i.Memory, 0) + memory(canvas[0], canvas[1], 3)
	}
	i.orientation = orientation(exif)
	return nil
}

// firstFrame makes a file of its own of an animation's frame.
func (i *Info) firstFrame(frame []byte) error {
	if len(frame) < 16 {
		return errShort
	}
	i.at = [2]int{2 * uint24(frame), 2 * uint24(frame[3:])}
	var alpha, pixels []byte
	err := chunks(frame[16:], func(id string, body []byte) error {
		switch id {
		case "ALPH":
			alpha = chunk(id, body)
		case "VP8 ":
			pixels = chunk(id, body)
		case "VP8L":
			pixels = chunk(id, body)
			i.opaque = len(body) >= 5 && body[4]&0x10 == 0
		}
		return nil
	})
	if err != nil {
		return err
	}
	if pixels == nil {
		return errors.New("its first frame is empty")
	}
	var file []byte
	if alpha != nil {
		head := make([]byte, 10)
		head[0] = 0x10 // has alpha
		copy(head[4:], frame[6:12])
		file = append(chunk("VP8X", head), alpha...)
	}
	file = append([]byte("WEBP"), append(file, pixels...)...)
	i.still = chunk("RIFF", file)
	return nil
}

func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

func chunk(id string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(id), uint32(len(body))) //nolint:gosec // within a file's limit
	b = append(b, body...)
	if len(body)%2 != 0 {
		b = append(b, 0)
	}
	return b
}

// chunks calls f for each whole chunk of a RIFF list.
func chunks(b []byte, f func(id string, body []byte) error) error {
	for len(b) >= 8 {
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		if n+8 > int64(len(b)) {
			return errShort
		}
		if err := f(string(b[:4]), b[8:8+n]); err != nil {
			return err
		}
		b = b[min(8+n+n%2, int64(len(b))):]
	}
	return nil
}

// yuvRows turns the planes of a lossy WebP picture into rows as libwebp does: chroma is interpolated between four
// neighbours (9:3:3:1, in two steps with rounding of their own), and colours are of video range.
func yuvRows(m *image.YCbCr, alpha []byte, alphaStride int) func(int, []byte) {
	w, h := m.Rect.Dx(), m.Rect.Dy()
	cw, ch := (w+1)/2, (h+1)/2
	plane := func(pix []byte, y int) []byte { return pix[y*m.CStride:][:cw] }
	u, v := make([]byte, w+2), make([]byte, w+2)
	return func(y int, out []byte) {
		near := y / 2
		far := min(max(near-1+y%2*2, 0), ch-1)
		interpolate(u, plane(m.Cb, near), plane(m.Cb, far), w)
		interpolate(v, plane(m.Cr, near), plane(m.Cr, far), w)
		luma := m.Y[y*m.YStride:][:w]
		for x, l := range luma {
			o := out[3*x : 3*x+3 : 3*x+3]
			o[0], o[1], o[2] = yuv(int32(l), int32(u[x]), int32(v[x]))
		}
		if alpha == nil {
			return
		}
		for x, a := range alpha[y*alphaStride:][:w] {
			if a != 255 {
				o := out[3*x : 3*x+3 : 3*x+3]
				o[0], o[1], o[2] = onWhite(o[0], a), onWhite(o[1], a), onWhite(o[2], a)
			}
		}
	}
}

// interpolate doubles a row of chroma, of which near lies a quarter of a sample away and far three quarters.
func interpolate(out, near, far []byte, w int) {
	n, f := int32(near[0]), int32(far[0])
	out[0] = byte((3*n + f + 2) >> 2) //nolint:gosec // below 256
	for x := 1; x <= (w-1)/2; x++ {
		n1, f1 := int32(near[x]), int32(far[x])
		sum := n + n1 + f + f1 + 8
		inner := (sum + 2*(n1+f)) >> 3 // the diagonal from the left far sample to the right near one
		outer := (sum + 2*(n+f1)) >> 3
		out[2*x-1] = byte((inner + n) >> 1) //nolint:gosec // below 256
		out[2*x] = byte((outer + n1) >> 1)  //nolint:gosec // below 256
		n, f = n1, f1
	}
	if w%2 == 0 {
		out[w-1] = byte((3*n + f + 2) >> 2) //nolint:gosec // below 256
	}
}

func yuv(y, u, v int32) (r, g, b byte) {
	l := y * 19077 >> 8
	return clip6(l + v*26149>>8 - 14234), clip6(l - u*6419>>8 - v*13320>>8 + 8708), clip6(l + u*33050>>8 - 17685)
}

// clip6 drops six bits of fraction.
func clip6(v int32) byte { return byte(min(max(v>>6, 0), 255)) }
