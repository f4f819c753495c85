package jpeg

// The transform of jidctint: constants are scaled by 2^13, and the first pass keeps two more bits.
const (
	constBits = 13
	passBits  = 2

	fix0298 = 2446
	fix0390 = 3196
	fix0541 = 4433
	fix0765 = 6270
	fix0899 = 7373
	fix1175 = 9633
	fix1501 = 12299
	fix1847 = 15137
	fix1961 = 16069
	fix2053 = 16819
	fix2562 = 20995
	fix3072 = 25172
)

// inverse writes the 8 × 8 samples that the coefficients b stand for.
func inverse(b *[64]int16, q *[64]uint16, out []byte, stride int) {
	var w [64]int32
	for x := range 8 {
		if b[x+8]|b[x+16]|b[x+24]|b[x+32]|b[x+40]|b[x+48]|b[x+56] == 0 {
			dc := int32(b[x]) * int32(q[x]) << passBits
			for y := 0; y < 64; y += 8 {
				w[x+y] = dc
			}
			continue
		}
		var v [8]int32
		for y := range 8 {
			v[y] = int32(b[x+8*y]) * int32(q[x+8*y])
		}
		butterfly(&v, constBits-passBits)
		for y := range 8 {
			w[x+8*y] = v[y]
		}
	}
	for y := range 8 {
		v := [8]int32(w[8*y:])
		butterfly(&v, constBits+passBits+3)
		row := out[y*stride : y*stride+8 : y*stride+8]
		for x := range row {
			row[x] = clamp(v[x] + 128)
		}
	}
}

// butterfly is the transform of eight values, their results rounded off by shift bits.
func butterfly(v *[8]int32, shift uint) {
	z1 := (v[2] + v[6]) * fix0541
	t2 := z1 - v[6]*fix1847
	t3 := z1 + v[2]*fix0765
	t0 := (v[0] + v[4]) << constBits
	t1 := (v[0] - v[4]) << constBits
	round := int32(1) << (shift - 1)
	e0, e3, e1, e2 := t0+t3+round, t0-t3+round, t1+t2+round, t1-t2+round

	t0, t1, t2, t3 = v[7], v[5], v[3], v[1]
	z1 = t0 + t3
	z2 := t1 + t2
	z3 := t0 + t2
	z4 := t1 + t3
	z5 := (z3 + z4) * fix1175
	z1 *= -fix0899
	z2 *= -fix2562
	z3 = z5 - z3*fix1961
	z4 = z5 - z4*fix0390
	t0 = t0*fix0298 + z1 + z3
	t1 = t1*fix2053 + z2 + z4
	t2 = t2*fix3072 + z2 + z3
	t3 = t3*fix1501 + z1 + z4

	v[0], v[7] = (e0+t3)>>shift, (e0-t3)>>shift
	v[1], v[6] = (e1+t2)>>shift, (e1-t2)>>shift
	v[2], v[5] = (e2+t1)>>shift, (e2-t1)>>shift
	v[3], v[4] = (e3+t0)>>shift, (e3-t0)>>shift
}

func clamp(v int32) byte {
	if v&^255 == 0 {
		return byte(v & 255)
	}
	if v < 0 {
		return 0
	}
	return 255
}

// reconstruct makes the samples of a progressive picture from its coefficients.
func (d *decoder) reconstruct() {
	for i := range d.comps {
		c := &d.comps[i]
		wide := c.stride / 8
		for at := 0; at < len(c.coeffs); at += 64 {
			n := at / 64
			inverse((*[64]int16)(c.coeffs[at:]), c.quant, c.plane[n/wide*8*c.stride+n%wide*8:], c.stride)
		}
		c.coeffs = nil
	}
}
