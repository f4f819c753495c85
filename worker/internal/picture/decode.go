package picture

import (
	"bytes"
	"encoding/binary"
	"image/gif"
	"image/png"
	"math"

	"golang.org/x/image/webp"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/picture/jpeg"
)

// Limits bound one picture. A zero means the default.
type Limits struct {
	Bytes  int64 // of the file; 32 MiB
	Pixels int64 // width × height; 64 million
	Memory int64 // bytes that decoding takes; 512 MiB
}

// OrDefault puts the defaults in the place of zeros.
func (l Limits) OrDefault() Limits {
	if l.Bytes == 0 {
		l.Bytes = 32 << 20
	}
	if l.Pixels == 0 {
		l.Pixels = 64_000_000
	}
	if l.Memory == 0 {
		l.Memory = 512 << 20
	}
	return l
}

// RGB is a picture: three bytes a pixel, row by row.
type RGB struct {
	Width, Height int
	Pix           []byte
}

func newRGB(w, h int) *RGB { return &RGB{Width: w, Height: h, Pix: make([]byte, 3*w*h)} }

// The formats' names.
const (
	formatPNG  = "PNG"
	formatJPEG = "JPEG"
	formatWebP = "WebP"
	formatGIF  = "GIF"
)

// Info is what a picture's header says.
type Info struct {
	Format        string
	Width, Height int   // as it is to be looked at
	Memory        int64 // bytes that decoding takes at most

	stored      [2]int // width and height before the orientation is applied
	orientation int
	still       []byte // WebP: the first frame as a file of its own
	at          [2]int // and where it lies
	opaque      bool   // WebP: alpha is to be ignored
}

// Inspect reads a picture's header and holds it against the limits. Errors are faults without a field.
func Inspect(data []byte, l Limits) (Info, error) {
	l = l.OrDefault()
	if int64(len(data)) > l.Bytes {
		return Info{}, fault.Invalid("", "has %d bytes, which are more than %d", len(data), l.Bytes)
	}
	var info Info
	var err error
	switch info.Format = sniff(data); info.Format {
	case formatPNG:
		err = info.png(data)
	case formatJPEG:
		err = info.jpeg(data)
	case formatWebP:
		err = info.webp(data)
	case formatGIF:
		err = info.gif(data)
	case "":
		return Info{}, fault.Invalid("", "is no picture in a format that is known; PNG, JPEG, WebP and GIF are")
	default:
		return Info{}, fault.Invalid("", "is a %s file; PNG, JPEG, WebP and GIF pictures are taken", info.Format)
	}
	if err != nil {
		return Info{}, damaged(info.Format, err)
	}
	w, h := int64(info.stored[0]), int64(info.stored[1])
	if w <= 0 || h <= 0 {
		return Info{}, fault.Invalid("", "is a %s picture without pixels", info.Format)
	}
	if w > l.Pixels/h {
		return Info{}, fault.Invalid("", "has %d × %d pixels, which are more than %d", w, h, l.Pixels)
	}
	if info.Memory > l.Memory {
		return Info{}, fault.Invalid("", "takes %d MiB of memory to decode, which are more than %d",
			info.Memory>>20, l.Memory>>20)
	}
	info.Width, info.Height = info.stored[0], info.stored[1]
	if info.orientation > 4 {
		info.Width, info.Height = info.Height, info.Width
	}
	return info, nil
}

func damaged(format string, err error) error {
	return fault.Invalid("", "is a %s picture that can't be decoded: %v", format, err)
}

// sniff tells a format by the first bytes. Besides ours it names some that people try.
func sniff(data []byte) string {
	is := func(at int, magic string) bool {
		return len(data) >= at+len(magic) && string(data[at:at+len(magic)]) == magic
	}
	switch {
	case is(0, "\x89PNG\r\n\x1a\n"):
		return formatPNG
	case is(0, "\xff\xd8\xff"):
		return formatJPEG
	case is(0, "RIFF") && is(8, "WEBP"):
		return formatWebP
	case is(0, "GIF87a"), is(0, "GIF89a"):
		return formatGIF
	case is(0, "II*\x00"), is(0, "MM\x00*"):
		return "TIFF"
	case is(4, "ftypavif"):
		return "AVIF"
	case is(4, "ftyphei"), is(4, "ftypmif1"):
		return "HEIF"
	case is(0, "BM"):
		return "BMP"
	case is(0, "%PDF"):
		return "PDF"
	case is(0, "<svg"), is(0, "<?xml"):
		return "SVG"
	}
	return ""
}

// Decode decodes a picture within the limits: orientation applied, transparency on white. Errors are faults without a
// field.
func Decode(data []byte, l Limits) (*RGB, error) {
	info, err := Inspect(data, l)
	if err != nil {
		return nil, err
	}
	var p *RGB
	switch info.Format {
	case formatJPEG:
		p, err = decodeJPEG(data)
	case formatPNG:
		m, e := png.Decode(bytes.NewReader(data))
		if err = e; err == nil {
			p, err = flatten(m, info, false)
		}
	case formatGIF:
		m, e := gif.Decode(bytes.NewReader(data))
		if err = e; err == nil {
			p, err = flatten(m, info, false)
		}
	case formatWebP:
		m, e := webp.Decode(bytes.NewReader(info.still))
		if err = e; err == nil {
			p, err = flatten(m, info, info.opaque)
		}
	}
	if err != nil {
		return nil, damaged(info.Format, err)
	}
	return p.orient(info.orientation), nil
}

func (i *Info) png(data []byte) error {
	c, err := png.DecodeConfig(bytes.NewReader(data))
	if err != nil {
		return err
	}
	i.stored = [2]int{c.Width, c.Height}
	depth, kind, interlace := data[24], data[25], data[28] // the header is there, or the config would not be
	each := int64(4)
	switch {
	case depth == 16:
		each = 8
	case kind == 3:
		each = 1
	}
	if interlace != 0 {
		each *= 2
	}
	i.Memory = memory(c.Width, c.Height, each+3)
	i.orientation = orientation(pngExif(data))
	return nil
}

func (i *Info) gif(data []byte) error {
	if len(data) < 10 {
		return errShort
	}
	i.stored = [2]int{int(binary.LittleEndian.Uint16(data[6:])), int(binary.LittleEndian.Uint16(data[8:]))}
	i.Memory = memory(i.stored[0], i.stored[1], 2+3)
	return nil
}

func (i *Info) jpeg(data []byte) error {
	h, err := jpeg.ReadHeader(data)
	if err != nil {
		return err
	}
	i.stored = [2]int{h.Width, h.Height}
	i.Memory = h.Memory
	if h.Components != jpeg.RGB {
		i.Memory += memory(h.Width, h.Height, 3)
	}
	i.orientation = orientation(h.Exif)
	return nil
}

// memory is what w × h pixels of so many bytes take.
func memory(w, h int, each int64) int64 {
	n := int64(w) * int64(h) // both are at most 32 bits
	if n < 0 || n > math.MaxInt64/16 {
		return math.MaxInt64
	}
	return n * each
}

func decodeJPEG(data []byte) (*RGB, error) {
	m, err := jpeg.Decode(data)
	if err != nil {
		return nil, err
	}
	if m.Colors == jpeg.RGB {
		return &RGB{m.Width, m.Height, m.Pix}, nil
	}
	p := newRGB(m.Width, m.Height)
	if m.Colors == jpeg.Gray {
		for i, v := range m.Pix {
			o := p.Pix[3*i : 3*i+3 : 3*i+3]
			o[0], o[1], o[2] = v, v, v
		}
		return p, nil
	}
	for i := range len(m.Pix) / 4 { // inks are stored inverted, as Adobe has it; Pillow takes every file for one of theirs
		in, o := m.Pix[4*i:4*i+4:4*i+4], p.Pix[3*i:3*i+3:3*i+3]
		k := uint32(in[3])
		for c := range 3 {
			o[c] = byte(k - div255(uint32(255-in[c])*k)) //nolint:gosec // at most k
		}
	}
	return p, nil
}

// div255 is a/255 rounded, for products of two bytes.
func div255(a uint32) uint32 {
	a += 128
	return (a>>8 + a) >> 8
}
