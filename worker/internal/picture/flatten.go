package picture

import (
	"fmt"
	"image"
	"image/color"
)

// flatten puts a decoded picture on a white canvas of the size that the header gave.
func flatten(m image.Image, info Info, opaque bool) (*RGB, error) {
	p := newRGB(info.stored[0], info.stored[1])
	b := m.Bounds()
	at := b.Min
	if info.Format == formatWebP {
		at = image.Pt(info.at[0], info.at[1]) // its frames know nothing of their place
	}
	if at.X < 0 || at.Y < 0 || at.X+b.Dx() > p.Width || at.Y+b.Dy() > p.Height {
		return nil, fmt.Errorf("a frame of %d × %d pixels lies outside the picture", b.Dx(), b.Dy())
	}
	if b.Dx() < p.Width || b.Dy() < p.Height {
		for i := range p.Pix {
			p.Pix[i] = 255
		}
	}
	row, err := rows(m, opaque)
	if err != nil {
		return nil, err
	}
	for y := range b.Dy() {
		row(y, p.Pix[3*((at.Y+y)*p.Width+at.X):][:3*b.Dx()])
	}
	return p, nil
}

// rows gives a function that writes a row, counted from the picture's top, as RGB on white.
func rows(m image.Image, opaque bool) (func(y int, out []byte), error) {
	switch m := m.(type) {
	case *image.Gray:
		return grayRows(m.Pix, m.Stride, 1), nil
	case *image.Gray16:
		return grayRows(m.Pix, m.Stride, 2), nil
	case *image.RGBA: // what the PNG decoder gives for opaque ones
		return colorRows(m.Pix, m.Stride, 1, true), nil
	case *image.RGBA64:
		return colorRows(m.Pix, m.Stride, 2, true), nil
	case *image.NRGBA:
		return colorRows(m.Pix, m.Stride, 1, opaque), nil
	case *image.NRGBA64:
		return colorRows(m.Pix, m.Stride, 2, opaque), nil
	case *image.Paletted:
		return palettedRows(m), nil
	case *image.YCbCr:
		return yuvRows(m, nil, 0), nil
	case *image.NYCbCrA:
		return yuvRows(&m.YCbCr, m.A, m.AStride), nil
	}
	return nil, fmt.Errorf("its pixels are of an unexpected kind, %T", m)
}

// onWhite lays a sample with alpha on white.
func onWhite(v, alpha byte) byte {
	a := uint32(alpha)
	return byte(div255(255*(255-a) + uint32(v)*a)) //nolint:gosec // at most 255
}

func grayRows(pix []byte, stride, each int) func(int, []byte) {
	return func(y int, out []byte) {
		in := pix[y*stride:]
		for x := range len(out) / 3 {
			v, o := in[x*each], out[3*x:3*x+3:3*x+3]
			o[0], o[1], o[2] = v, v, v
		}
	}
}

func colorRows(pix []byte, stride, each int, opaque bool) func(int, []byte) {
	return func(y int, out []byte) {
		in := pix[y*stride:]
		for x := range len(out) / 3 {
			i, o := in[4*x*each:][:4*each:4*each], out[3*x:3*x+3:3*x+3]
			o[0], o[1], o[2] = i[0], i[each], i[2*each]
			if a := i[3*each]; a != 255 && !opaque {
				o[0], o[1], o[2] = onWhite(o[0], a), onWhite(o[1], a), onWhite(o[2], a)
			}
		}
	}
}

func palettedRows(m *image.Paletted) func(int, []byte) {
	var table [256][3]byte
	for i, c := range m.Palette {
		v, ok := color.NRGBAModel.Convert(c).(color.NRGBA)
		if ok && i < len(table) {
			table[i] = [3]byte{onWhite(v.R, v.A), onWhite(v.G, v.A), onWhite(v.B, v.A)}
		}
	}
	return func(y int, out []byte) {
		in := m.Pix[y*m.Stride:]
		for x := range len(out) / 3 {
			copy(out[3*x:3*x+3], table[in[x]][:])
		}
	}
}
