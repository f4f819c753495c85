package jpeg

// picture puts the components together.
func (d *decoder) picture() *Picture {
	n := len(d.comps)
	p := &Picture{Width: d.width, Height: d.height, Colors: n, Pix: make([]byte, d.width*d.height*n)}
	convert := d.conversion()
	var tables *chroma
	if convert {
		tables = newChroma()
	}
	up := make([]upsampler, n)
	for i := range up {
		up[i] = d.upsampler(&d.comps[i])
	}
	var rows [4][]byte
	for y := range d.height {
		for i := range up {
			rows[i] = up[i].row(y)
		}
		out := p.Pix[y*d.width*n:][:d.width*n]
		switch {
		case convert && n == 3:
			tables.rgb(out, rows[0], rows[1], rows[2])
		case convert:
			tables.cmyk(out, rows[0], rows[1], rows[2], rows[3])
		default:
			for i := range n {
				row := rows[i][:d.width]
				for x, v := range row {
					out[x*n+i] = v
				}
			}
		}
	}
	return p
}

// conversion says whether the first three components are luminance and chroma. The rules are libjpeg's.
func (d *decoder) conversion() bool {
	switch len(d.comps) {
	case 3:
		switch {
		case d.jfif:
			return true
		case d.adobe:
			return d.transform != 0
		}
		return d.comps[0].id != 'R' || d.comps[1].id != 'G' || d.comps[2].id != 'B'
	case 4:
		return d.adobe && d.transform == 2
	}
	return false
}

// chroma is what chroma adds to a colour, in 16 bits of fraction where two add up.
type chroma struct {
	redCr, blueCb    [256]int32
	greenCr, greenCb [256]int32
}

func newChroma() *chroma {
	const half = 1 << 15
	t := &chroma{}
	for i := range int32(256) {
		x := i - 128
		t.redCr[i] = (91881*x + half) >> 16   // 1.402
		t.blueCb[i] = (116130*x + half) >> 16 // 1.772
		t.greenCr[i] = -46802 * x             // 0.71414
		t.greenCb[i] = -22554*x + half        // 0.34414
	}
	return t
}

func (t *chroma) rgb(out, luma, cb, cr []byte) {
	n := len(out) / 3
	luma, cb, cr = luma[:n], cb[:n], cr[:n]
	for x, l := range luma {
		o := out[3*x : 3*x+3 : 3*x+3]
		v, b, r := int32(l), cb[x], cr[x]
		o[0] = clamp(v + t.redCr[r])
		o[1] = clamp(v + (t.greenCb[b]+t.greenCr[r])>>16)
		o[2] = clamp(v + t.blueCb[b])
	}
}

func (t *chroma) cmyk(out, luma, cb, cr, k []byte) {
	for x := range len(out) / 4 {
		o := out[4*x : 4*x+4 : 4*x+4]
		v, b, r := int32(luma[x]), cb[x], cr[x]
		o[0] = clamp(255 - (v + t.redCr[r]))
		o[1] = clamp(255 - (v + (t.greenCb[b]+t.greenCr[r])>>16))
		o[2] = clamp(255 - (v + t.blueCb[b]))
		o[3] = k[x]
	}
}

// upsampler gives the rows of a component at the picture's size.
type upsampler struct {
	c    *component
	h, v int // how often a sample is repeated
	buf  []byte
	at   int // the row of the plane in buf, where whole rows repeat
}

func (d *decoder) upsampler(c *component) upsampler {
	u := upsampler{c: c, h: d.maxH / c.h, v: d.maxV / c.v, at: -1}
	if u.h > 1 || u.v > 1 {
		u.buf = make([]byte, (c.width+1)*u.h)
	}
	return u
}

// sample is row y of the plane. Rows beyond the picture repeat its first and last.
func (u *upsampler) sample(y int) []byte {
	y = min(max(y, 0), u.c.height-1)
	return u.c.plane[y*u.c.stride : y*u.c.stride+u.c.width : y*u.c.stride+u.c.stride]
}

// row is row y of the picture: at least its width of samples.
func (u *upsampler) row(y int) []byte {
	switch {
	case u.h == 1 && u.v == 1:
		return u.sample(y)
	case u.h == 2 && u.v == 1 && u.c.width > 2:
		fancyAcross(u.buf, u.sample(y))
	case u.h == 2 && u.v == 2 && u.c.width > 2:
		fancyBoth(u.buf, u.sample(y/2), u.sample(y/2-1+y%2*2))
	case u.h == 1 && u.v == 2:
		near, far, bias := u.sample(y/2), u.sample(y/2-1+y%2*2), int32(1+y%2)
		for x, s := range near {
			u.buf[x] = byte((3*int32(s) + int32(far[x]) + bias) >> 2) //nolint:gosec // below 256
		}
	default:
		if u.at == y/u.v {
			break
		}
		u.at = y / u.v
		for x, s := range u.sample(u.at) {
			for i := range u.h {
				u.buf[x*u.h+i] = s
			}
		}
	}
	return u.buf
}

// fancyAcross doubles a row: each new sample is 3/4 the nearer and 1/4 the farther one. Rounding alternates.
func fancyAcross(out, in []byte) {
	n := len(in)
	out = out[:2*n]
	out[0] = in[0]
	out[1] = byte((3*int32(in[0]) + int32(in[1]) + 2) >> 2) //nolint:gosec // below 256
	for x := 1; x < n-1; x++ {
		v := 3 * int32(in[x])
		out[2*x] = byte((v + int32(in[x-1]) + 1) >> 2)   //nolint:gosec // below 256
		out[2*x+1] = byte((v + int32(in[x+1]) + 2) >> 2) //nolint:gosec // below 256
	}
	out[2*n-2] = byte((3*int32(in[n-1]) + int32(in[n-2]) + 1) >> 2) //nolint:gosec // below 256
	out[2*n-1] = in[n-1]
}

// fancyBoth doubles a row in both directions: the row is made of a nearer and a farther one, and doubled then.
func fancyBoth(out, near, far []byte) {
	n := len(near)
	far, out = far[:n], out[:2*n]
	var last int32
	this := 3*int32(near[0]) + int32(far[0])
	next := 3*int32(near[1]) + int32(far[1])
	out[0] = byte((4*this + 8) >> 4)        //nolint:gosec // below 256
	out[1] = byte((3*this + next + 7) >> 4) //nolint:gosec // below 256
	for x := 1; x < n-1; x++ {
		last, this = this, next
		next = 3*int32(near[x+1]) + int32(far[x+1])
		out[2*x] = byte((3*this + last + 8) >> 4)   //nolint:gosec // below 256
		out[2*x+1] = byte((3*this + next + 7) >> 4) //nolint:gosec // below 256
	}
	last, this = this, next
	out[2*n-2] = byte((3*this + last + 8) >> 4) //nolint:gosec // below 256
	out[2*n-1] = byte((4*this + 7) >> 4)        //nolint:gosec // below 256
}
