package jpeg

import "errors"

// lookBits is how many bits the fast table of a Huffman code looks at.
const lookBits = 9

// huffman is a Huffman code.
type huffman struct {
	fast   [1 << lookBits]uint16 // length<<8 | value; 0 where the code is longer
	limit  [18]int32             // limit[n] is the first code of n bits that is none, -1 when there is none of n
	offset [17]int32             // values index of a code of n bits is code + offset[n]
	values []byte
}

// huffmanTables reads a segment of Huffman tables.
func (d *decoder) huffmanTables(b []byte) error {
	for len(b) > 0 {
		if len(b) < 17 || b[0]>>4 > 1 || b[0]&15 > 3 {
			return errors.New("a Huffman table is damaged")
		}
		total := 0
		for _, n := range b[1:17] {
			total += int(n)
		}
		if total > 256 || len(b) < 17+total {
			return errors.New("a Huffman table is damaged")
		}
		h, err := newHuffman(b[1:17], b[17:17+total])
		if err != nil {
			return err
		}
		if b[0]>>4 == 0 {
			d.dcs[b[0]&15] = h
		} else {
			d.acs[b[0]&15] = h
		}
		b = b[17+total:]
	}
	return nil
}

func newHuffman(counts, values []byte) (*huffman, error) {
	h := &huffman{values: append([]byte(nil), values...)}
	code, k := int32(0), int32(0)
	for n := 1; n <= 16; n++ {
		count := int32(counts[n-1])
		h.offset[n] = k - code
		if code+count > 1<<n {
			return nil, errors.New("a Huffman table has more codes than fit")
		}
		for range count {
			if n <= lookBits {
				first := code << (lookBits - n)
				for i := range int32(1) << (lookBits - n) {
					h.fast[first+i] = uint16(n)<<8 | uint16(h.values[k])
				}
			}
			code++
			k++
		}
		h.limit[n] = code
		if count == 0 {
			h.limit[n] = -1
		}
		code <<= 1
	}
	return h, nil
}

// bits reads the entropy-coded data of a scan. Past its end it reads zeros, and overrun tells.
type bits struct {
	data []byte
	pos  int
	acc  uint64 // the low n bits wait
	n    int
	pad  int // of those, zeros of our own, added after the end
}

// fill makes at least 32 bits wait.
func (b *bits) fill() {
	for b.n <= 48 {
		if b.pos < len(b.data) {
			v := b.data[b.pos]
			if v != 0xff {
				b.acc, b.n, b.pos = b.acc<<8|uint64(v), b.n+8, b.pos+1
				continue
			}
			if b.pos+1 < len(b.data) && b.data[b.pos+1] == 0 {
				b.acc, b.n, b.pos = b.acc<<8|0xff, b.n+8, b.pos+2
				continue
			}
		}
		b.acc <<= 8
		b.n += 8
		b.pad += 8
	}
}

// overrun says whether bits were used that the data does not have.
func (b *bits) overrun() bool { return b.n < b.pad }

// take takes k ≤ 16 bits.
func (b *bits) take(k int) int32 {
	if b.n < k {
		b.fill()
	}
	b.n -= k
	return int32(b.acc>>b.n) & (1<<k - 1) //nolint:gosec // masked
}

// signed takes k ≤ 16 bits as a coefficient's magnitude code.
func (b *bits) signed(k int) int32 {
	if k == 0 {
		return 0
	}
	v := b.take(k)
	if v < 1<<(k-1) {
		v += -1<<k + 1
	}
	return v
}

// symbol takes one code of h.
func (b *bits) symbol(h *huffman) (byte, error) {
	if b.n < 16 {
		b.fill()
	}
	if f := h.fast[b.acc>>(b.n-lookBits)&(1<<lookBits-1)]; f != 0 {
		b.n -= int(f >> 8)
		return byte(f & 0xff), nil
	}
	code := int32(b.acc>>(b.n-16)) & 0xffff //nolint:gosec // masked
	for n := lookBits + 1; n <= 16; n++ {
		if c := code >> (16 - n); c < h.limit[n] {
			if i := c + h.offset[n]; i >= 0 && int(i) < len(h.values) {
				b.n -= n
				return h.values[i], nil
			}
		}
	}
	if b.pad > 0 {
		return 0, errTruncated
	}
	return 0, errHuffman
}

// restart steps over a restart marker.
func (b *bits) restart() bool {
	b.acc, b.n, b.pad = 0, 0, 0
	for b.pos+1 < len(b.data) {
		if b.data[b.pos] == 0xff && b.data[b.pos+1] != 0 && b.data[b.pos+1] != 0xff {
			if m := b.data[b.pos+1]; m < markRST0 || m > markRST7 {
				return false
			}
			b.pos += 2
			return true
		}
		b.pos++
	}
	return false
}
