package jpeg

import (
	"errors"
	"fmt"
)

// The colours of a decoded picture.
const (
	Gray = 1 // one byte a pixel
	RGB  = 3
	CMYK = 4 // as stored: in pictures by Adobe's programs 255 is no ink
)

// maxScans bounds the scans of a picture: each may cost a walk over all blocks for very few bytes. Encoders write about
// ten.
const maxScans = 64

// Header is what a picture says of itself.
type Header struct {
	Width, Height int
	Components    int // 1, 3 or 4
	Progressive   bool
	Exif          []byte // the TIFF structure of an Exif segment before the frame, or nil
	Memory        int64  // bytes that decoding takes at most, the result counted in
}

// Picture is a decoded picture, its pixels row by row without gaps.
type Picture struct {
	Width, Height int
	Colors        int // Gray, RGB or CMYK
	Pix           []byte
}

var (
	errTruncated = errors.New("the data ends before the picture does")
	errHuffman   = errors.New("the data holds a code that no table has")
)

// component is one colour of a frame, and its samples.
type component struct {
	id     byte
	h, v   int // sampling factors
	table  int // of the quantization
	width  int // samples across and down that the picture has
	height int
	across int // blocks across and down that width and height need
	down   int
	stride int // of plane, in samples: whole MCUs
	rows   int
	plane  []byte
	coeffs []int16 // progressive: 64 a block, in natural order
	quant  *[64]uint16
	seen   bool
	// of the scan under way
	dc, ac *huffman
	last   int32 // DC prediction
}

type decoder struct {
	data        []byte
	pos         int
	width       int
	height      int
	maxH, maxV  int
	mcusX       int
	mcusY       int
	comps       []component
	quants      [4]*[64]uint16
	dcs, acs    [4]*huffman
	restart     int // MCUs between restart markers
	progressive bool
	jfif        bool
	adobe       bool
	transform   byte
	exif        []byte
	scans       int
}

// ReadHeader reads the segments up to the frame's header.
func ReadHeader(data []byte) (Header, error) {
	d := &decoder{data: data}
	if err := d.segments(true); err != nil {
		return Header{}, err
	}
	return d.header(), nil
}

func (d *decoder) header() Header {
	h := Header{
		Width: d.width, Height: d.height, Components: len(d.comps), Progressive: d.progressive, Exif: d.exif,
		Memory: int64(d.width) * int64(d.height) * int64(len(d.comps)),
	}
	for i := range d.comps {
		c := &d.comps[i]
		samples := int64(c.stride) * int64(c.rows)
		h.Memory += samples
		if d.progressive {
			h.Memory += 2 * samples
		}
	}
	return h
}

// Decode decodes the picture. Check what ReadHeader says of its size first.
func Decode(data []byte) (*Picture, error) {
	d := &decoder{data: data}
	if err := d.segments(true); err != nil {
		return nil, err
	}
	for i := range d.comps {
		c := &d.comps[i]
		c.plane = make([]byte, c.stride*c.rows)
		if d.progressive {
			c.coeffs = make([]int16, c.stride*c.rows)
		}
	}
	if err := d.segments(false); err != nil {
		return nil, err
	}
	for i := range d.comps {
		if !d.comps[i].seen {
			return nil, errTruncated
		}
	}
	if d.progressive {
		d.reconstruct()
	}
	return d.picture(), nil
}

// Markers.
const (
	markSOF0 = 0xc0
	markSOF1 = 0xc1
	markSOF2 = 0xc2
	markDHT  = 0xc4
	markRST0 = 0xd0
	markRST7 = 0xd7
	markSOI  = 0xd8
	markEOI  = 0xd9
	markSOS  = 0xda
	markDQT  = 0xdb
	markDRI  = 0xdd
	markAPP0 = 0xe0
	markAPP1 = 0xe1
	markAPPE = 0xee
	markTEM  = 0x01
)

// marker finds the next marker, and skips bytes that are none.
func (d *decoder) marker() (byte, error) {
	for d.pos+1 < len(d.data) {
		if d.data[d.pos] != 0xff {
			d.pos++
			continue
		}
		if m := d.data[d.pos+1]; m != 0 && m != 0xff {
			d.pos += 2
			return m, nil
		}
		d.pos++
	}
	return 0, errTruncated
}

// segment is the body of the segment at hand.
func (d *decoder) segment() ([]byte, error) {
	if d.pos+2 > len(d.data) {
		return nil, errTruncated
	}
	n := int(d.data[d.pos])<<8 | int(d.data[d.pos+1])
	if n < 2 {
		return nil, errors.New("a segment has an impossible length")
	}
	if d.pos+n > len(d.data) {
		return nil, errTruncated
	}
	b := d.data[d.pos+2 : d.pos+n]
	d.pos += n
	return b, nil
}

// segments reads on: up to the frame's header when untilFrame is set, to the end of the picture otherwise.
func (d *decoder) segments(untilFrame bool) error {
	if d.pos == 0 {
		if len(d.data) < 2 || d.data[0] != 0xff || d.data[1] != markSOI {
			return errors.New("the data is no JPEG picture")
		}
		d.pos = 2
	}
	for {
		m, err := d.marker()
		if err != nil {
			return err
		}
		if m == markEOI {
			if d.comps == nil {
				return errors.New("the picture has no frame")
			}
			return nil
		}
		if m == markSOI || m == markTEM || (m >= markRST0 && m <= markRST7) {
			continue // no body; a stray one does no harm
		}
		b, err := d.segment()
		if err != nil {
			return err
		}
		if m == markSOS {
			done, err := d.scan(b)
			if err != nil {
				return err
			}
			if done {
				return nil
			}
			continue
		}
		if err := d.tables(m, b); err != nil {
			return err
		}
		if untilFrame && d.comps != nil {
			return nil
		}
	}
}

// tables takes a segment in that is no scan.
func (d *decoder) tables(m byte, b []byte) error {
	switch m {
	case markDQT:
		return d.quantization(b)
	case markDHT:
		return d.huffmanTables(b)
	case markDRI:
		if len(b) != 2 {
			return errors.New("a restart interval has an impossible length")
		}
		d.restart = int(b[0])<<8 | int(b[1])
	case markAPP0:
		d.jfif = d.jfif || (len(b) >= 5 && string(b[:5]) == "JFIF\x00")
	case markAPP1:
		if d.exif == nil && len(b) > 6 && string(b[:6]) == "Exif\x00\x00" {
			d.exif = b[6:]
		}
	case markAPPE:
		if len(b) >= 12 && string(b[:5]) == "Adobe" {
			d.adobe, d.transform = true, b[11]
		}
	case markSOF0, markSOF1, markSOF2:
		d.progressive = m == markSOF2
		return d.frame(b)
	case 0xc3, 0xc5, 0xc6, 0xc7, 0xc9, 0xca, 0xcb, 0xcc, 0xcd, 0xce, 0xcf:
		return fmt.Errorf("JPEG pictures coded as this one (%s) are not supported", coding(m))
	}
	return nil
}

func coding(m byte) string {
	switch m {
	case 0xc3:
		return "lossless"
	case 0xc5, 0xc6, 0xc7:
		return "hierarchical"
	}
	return "arithmetic"
}

// frame reads a frame's header.
func (d *decoder) frame(b []byte) error {
	if d.comps != nil {
		return errors.New("the picture has more than one frame")
	}
	if len(b) < 6 || len(b) != 6+3*int(b[5]) {
		return errors.New("the frame's header has an impossible length")
	}
	if b[0] != 8 {
		return fmt.Errorf("JPEG pictures of %d bits are not supported", b[0])
	}
	d.height, d.width = int(b[1])<<8|int(b[2]), int(b[3])<<8|int(b[4])
	if d.height == 0 || d.width == 0 {
		return errors.New("the frame's header gives no size")
	}
	n := int(b[5])
	if n != 1 && n != 3 && n != 4 {
		return fmt.Errorf("JPEG pictures with %d components are not supported", n)
	}
	comps := make([]component, n)
	for i := range comps {
		c := &comps[i]
		c.id, c.h, c.v, c.table = b[6+3*i], int(b[7+3*i]>>4), int(b[7+3*i]&15), int(b[8+3*i])
		if c.h < 1 || c.h > 4 || c.v < 1 || c.v > 4 || c.table > 3 {
			return errors.New("the frame's header has impossible values")
		}
		for _, other := range comps[:i] {
			if other.id == c.id {
				return errors.New("the frame's header names a component twice")
			}
		}
		d.maxH, d.maxV = max(d.maxH, c.h), max(d.maxV, c.v)
	}
	d.mcusX, d.mcusY = ceil(d.width, 8*d.maxH), ceil(d.height, 8*d.maxV)
	for i := range comps {
		c := &comps[i]
		if d.maxH%c.h != 0 || d.maxV%c.v != 0 {
			return errors.New("JPEG pictures with fractional sampling are not supported")
		}
		c.width, c.height = ceil(d.width*c.h, d.maxH), ceil(d.height*c.v, d.maxV)
		c.across, c.down = ceil(c.width, 8), ceil(c.height, 8)
		c.stride, c.rows = 8*d.mcusX*c.h, 8*d.mcusY*c.v
	}
	d.comps = comps
	return nil
}

func ceil(a, b int) int { return (a + b - 1) / b }

func (d *decoder) quantization(b []byte) error {
	for len(b) > 0 {
		wide, id := int(b[0]>>4), int(b[0]&15)
		n := 64 << wide
		if wide > 1 || id > 3 || len(b) < 1+n {
			return errors.New("a quantization table is damaged")
		}
		t := new([64]uint16)
		for i := range 64 {
			if wide == 0 {
				t[natural[i]] = uint16(b[1+i])
			} else {
				t[natural[i]] = uint16(b[1+2*i])<<8 | uint16(b[2+2*i])
			}
		}
		d.quants[id] = t
		b = b[1+n:]
	}
	return nil
}
