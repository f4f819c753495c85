package jpeg

import "errors"

// natural is the place in a block of each coefficient in the order of the data.
//
//nolint:gochecknoglobals // a constant, if arrays could be
var natural = [64]uint8{
	0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
	35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
}

// scan is one pass over some components of the picture.
type scan struct {
	d          *decoder
	bits       bits
	comps      []*component
	start, end int // coefficients
	high, low  int // successive approximation
	eobs       int32
	now        [64]int16 // the block under way, of a sequential picture
	block      func(c *component, coeffs *[64]int16) error
}

// scan reads the scan whose header is b. It is done when the data ended after a sequential picture's last scan.
func (d *decoder) scan(b []byte) (done bool, err error) {
	if d.comps == nil {
		return false, errors.New("a scan comes before the frame's header")
	}
	if d.scans++; d.scans > maxScans {
		return false, errors.New("the picture has too many scans")
	}
	s, err := d.scanHeader(b)
	if err != nil {
		return false, err
	}
	s.bits = bits{data: d.data, pos: d.pos}
	if len(s.comps) == 1 {
		err = s.single()
	} else {
		err = s.interleaved()
	}
	if err != nil {
		return false, err
	}
	d.pos = s.bits.pos
	if d.progressive {
		return false, nil
	}
	for i := range d.comps {
		if !d.comps[i].seen {
			return false, nil
		}
	}
	return true, nil
}

func (d *decoder) scanHeader(b []byte) (*scan, error) {
	if len(b) < 4 || len(b) != 4+2*int(b[0]) || b[0] < 1 || b[0] > 4 {
		return nil, errors.New("a scan's header has an impossible length")
	}
	tail := b[len(b)-3:]
	s := &scan{d: d, start: int(tail[0]), end: int(tail[1]), high: int(tail[2] >> 4), low: int(tail[2] & 15)}
	if !d.progressive {
		s.start, s.end, s.high, s.low = 0, 63, 0, 0 // old encoders write anything here
	}
	if s.start > s.end || s.end > 63 || s.low > 13 || (s.start == 0 && s.end != 0 && d.progressive) ||
		(s.start > 0 && b[0] != 1) || (s.high != 0 && s.high != s.low+1) {
		return nil, errors.New("a scan's header has impossible values")
	}
	blocks := 0
	for i := range int(b[0]) {
		c, err := d.find(b[1+2*i])
		if err != nil {
			return nil, err
		}
		for _, other := range s.comps {
			if other == c {
				return nil, errors.New("a scan names a component twice")
			}
		}
		if err := s.equip(c, b[2+2*i]); err != nil {
			return nil, err
		}
		s.comps = append(s.comps, c)
		blocks += c.h * c.v
	}
	if len(s.comps) > 1 && blocks > 10 {
		return nil, errors.New("a scan's header has impossible values")
	}
	s.choose()
	return s, nil
}

func (d *decoder) find(id byte) (*component, error) {
	for i := range d.comps {
		if d.comps[i].id == id {
			return &d.comps[i], nil
		}
	}
	return nil, errors.New("a scan names a component that the frame has not")
}

// equip gives a component the tables that the scan names. A component keeps the quantization of its first scan.
func (s *scan) equip(c *component, tables byte) error {
	c.last = 0
	if tables>>4 > 3 || tables&15 > 3 {
		return errors.New("a scan's header has impossible values")
	}
	c.dc, c.ac = s.d.dcs[tables>>4], s.d.acs[tables&15]
	needDC := s.start == 0 && s.high == 0
	needAC := s.end > 0
	if (needDC && c.dc == nil) || (needAC && c.ac == nil) {
		return errors.New("a scan needs a Huffman table that is missing")
	}
	if c.quant == nil {
		if c.quant = s.d.quants[c.table]; c.quant == nil {
			return errors.New("a scan needs a quantization table that is missing")
		}
	}
	if s.start == 0 {
		c.seen = true
	}
	return nil
}

func (s *scan) choose() {
	switch {
	case !s.d.progressive:
		s.block = s.baseline
	case s.start == 0 && s.high == 0:
		s.block = s.dcFirst
	case s.start == 0:
		s.block = s.dcRefine
	case s.high == 0:
		s.block = s.acFirst
	default:
		s.block = s.acRefine
	}
}

// single reads a scan of one component: its own blocks, without the padding to whole MCUs.
func (s *scan) single() error {
	c, n := s.comps[0], 0
	for y := range c.down {
		for x := range c.across {
			if err := s.between(n); err != nil {
				return err
			}
			n++
			if err := s.one(c, x, y); err != nil {
				return err
			}
			if s.bits.overrun() {
				return errTruncated
			}
		}
	}
	return nil
}

// interleaved reads a scan of several components, an MCU at a time.
func (s *scan) interleaved() error {
	n := 0
	for my := range s.d.mcusY {
		for mx := range s.d.mcusX {
			if err := s.between(n); err != nil {
				return err
			}
			n++
			for _, c := range s.comps {
				for i := range c.h * c.v {
					if err := s.one(c, mx*c.h+i%c.h, my*c.v+i/c.h); err != nil {
						return err
					}
				}
			}
			if s.bits.overrun() {
				return errTruncated
			}
		}
	}
	return nil
}

// between steps over the restart marker that may come before MCU n.
func (s *scan) between(n int) error {
	if s.d.restart == 0 || n == 0 || n%s.d.restart != 0 {
		return nil
	}
	if !s.bits.restart() {
		return errTruncated
	}
	s.eobs = 0
	for _, c := range s.comps {
		c.last = 0
	}
	return nil
}

// one reads the block at x, y. A sequential one is finished at once.
func (s *scan) one(c *component, x, y int) error {
	if s.d.progressive {
		at := (y*(c.stride/8) + x) * 64
		return s.block(c, (*[64]int16)(c.coeffs[at:at+64]))
	}
	s.now = [64]int16{}
	if err := s.block(c, &s.now); err != nil {
		return err
	}
	inverse(&s.now, c.quant, c.plane[y*8*c.stride+x*8:], c.stride)
	return nil
}

func (s *scan) baseline(c *component, b *[64]int16) error {
	if err := s.dcFirst(c, b); err != nil {
		return err
	}
	for k := 1; k < 64; k++ {
		rs, err := s.bits.symbol(c.ac)
		if err != nil {
			return err
		}
		size := int(rs & 15)
		if size == 0 {
			if rs != 0xf0 {
				break
			}
			k += 15
			continue
		}
		k += int(rs >> 4)
		if k > 63 {
			return errHuffman
		}
		b[natural[k]] = int16(s.bits.signed(size)) //nolint:gosec // 15 bits
	}
	return nil
}

func (s *scan) dcFirst(c *component, b *[64]int16) error {
	size, err := s.bits.symbol(c.dc)
	if err != nil {
		return err
	}
	if size > 15 {
		return errHuffman
	}
	c.last += s.bits.signed(int(size))
	b[0] = int16(c.last << s.low) //nolint:gosec // what overflows is no picture
	return nil
}

func (s *scan) dcRefine(_ *component, b *[64]int16) error {
	if s.bits.take(1) != 0 {
		b[0] |= 1 << s.low
	}
	return nil
}

// run reads the length of a run of blocks that have nothing more; this block is among them.
func (s *scan) run(rs byte) {
	r := int(rs >> 4)
	s.eobs = 1<<r + s.bits.take(r)
}

func (s *scan) acFirst(c *component, b *[64]int16) error {
	if s.eobs > 0 {
		s.eobs--
		return nil
	}
	for k := s.start; k <= s.end; k++ {
		rs, err := s.bits.symbol(c.ac)
		if err != nil {
			return err
		}
		size := int(rs & 15)
		if size == 0 {
			if rs != 0xf0 {
				s.run(rs)
				s.eobs--
				break
			}
			k += 15
			continue
		}
		k += int(rs >> 4)
		if k > 63 {
			return errHuffman
		}
		b[natural[k]] = int16(s.bits.signed(size) << s.low) //nolint:gosec // what overflows is no picture
	}
	return nil
}

func (s *scan) acRefine(c *component, b *[64]int16) error {
	k := s.start
	for s.eobs == 0 && k <= s.end {
		rs, err := s.bits.symbol(c.ac)
		if err != nil {
			return err
		}
		skip, value := int(rs>>4), int16(0)
		switch rs & 15 {
		case 0:
			if skip != 15 {
				s.run(rs)
				continue
			}
		case 1:
			value = -1 << s.low
			if s.bits.take(1) != 0 {
				value = 1 << s.low
			}
		default:
			return errHuffman
		}
		k = s.refine(b, k, skip)
		if value != 0 {
			if k > s.end {
				return errHuffman
			}
			b[natural[k]] = value
		}
		k++
	}
	if s.eobs > 0 {
		s.refine(b, k, 64)
		s.eobs--
	}
	return nil
}

// refine reads a further bit of each coefficient that is not zero, from k on, and steps over skip zeros. It stops at
// the zero after them.
func (s *scan) refine(b *[64]int16, k, skip int) int {
	for ; k <= s.end; k++ {
		v := &b[natural[k]]
		if *v == 0 {
			if skip == 0 {
				return k
			}
			skip--
			continue
		}
		if s.bits.take(1) != 0 && *v&(1<<s.low) == 0 {
			if *v > 0 {
				*v += 1 << s.low
			} else {
				*v -= 1 << s.low
			}
		}
	}
	return k
}
