package picture

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("the data ends before the picture does")

// orientation is that of a TIFF structure, 1 to 8; 1 where it says none that makes sense.
func orientation(tiff []byte) int {
	if len(tiff) < 8 {
		return 1
	}
	var order binary.ByteOrder
	switch string(tiff[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return 1
	}
	at := int64(order.Uint32(tiff[4:]))
	if at+2 > int64(len(tiff)) {
		return 1
	}
	entries := tiff[at+2:]
	for range order.Uint16(tiff[at:]) {
		if len(entries) < 12 {
			return 1
		}
		const tag, short = 0x0112, 3
		if order.Uint16(entries) == tag && order.Uint16(entries[2:]) == short {
			if v := int(order.Uint16(entries[8:])); v >= 1 && v <= 8 {
				return v
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}

// pngExif is the Exif chunk of a PNG file, which may come after the pixels.
func pngExif(data []byte) []byte {
	for b := data[8:]; len(b) >= 12; {
		n := int64(binary.BigEndian.Uint32(b))
		if n+12 > int64(len(b)) {
			return nil
		}
		if string(b[4:8]) == "eXIf" {
			return b[8 : 8+n]
		}
		b = b[12+n:]
	}
	return nil
}

// orient turns the picture as an Exif orientation asks.
func (p *RGB) orient(o int) *RGB {
	if o < 2 || o > 8 {
		return p
	}
	out := newRGB(p.Width, p.Height)
	if o > 4 {
		out.Width, out.Height = p.Height, p.Width
	}
	for y := range out.Height {
		for x := range out.Width {
			sx, sy := x, y
			if o > 4 {
				sx, sy = y, x
			}
			if o == 2 || o == 3 || o == 7 || o == 8 {
				sx = p.Width - 1 - sx
			}
			if o == 3 || o == 4 || o == 6 || o == 7 {
				sy = p.Height - 1 - sy
			}
			copy(out.Pix[3*(y*out.Width+x):][:3], p.Pix[3*(sy*p.Width+sx):][:3])
		}
	}
	return out
}
