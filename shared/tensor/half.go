package tensor

import "math"

// Half rounds a number to the nearest float16, ties to even; what is too large becomes infinite.
func Half(f float32) uint16 {
	b := math.Float32bits(f)
	sign := uint16(b >> 16 & 0x8000)
	b &= 1<<31 - 1
	switch {
	case b > 0x7f800000: // not a number: stays quiet
		return sign | 0x7e00
	case b >= 0x47800000: // 65536 and more
		return sign | 0x7c00
	case b < 0x38800000: // below the least normal number: steps of 2^-24
		return sign | uint16(math.RoundToEven(float64(math.Float32frombits(b))*(1<<24)))
	}
	b += 0xfff + b>>13&1
	return sign | uint16((b-0x38000000)>>13) // 65520 and more round up to infinity by the carry
}

// FromHalf is the number that a float16 stands for.
func FromHalf(h uint16) float32 {
	sign, exp, frac := uint32(h&0x8000)<<16, h>>10&0x1f, uint32(h&0x3ff)
	switch exp {
	case 0:
		f := float32(frac) / (1 << 24)
		return math.Float32frombits(math.Float32bits(f) | sign)
	case 0x1f:
		return math.Float32frombits(sign | 0x7f800000 | frac<<13)
	}
	return math.Float32frombits(sign | (uint32(exp)+112)<<23 | frac<<13)
}

// BFloat rounds a number to the nearest bfloat16, ties to even.
func BFloat(f float32) uint16 {
	b := math.Float32bits(f)
	if b&(1<<31-1) > 0x7f800000 {
		return uint16(b>>16) | 0x40
	}
	return uint16((b + 0x7fff + b>>16&1) >> 16)
}

// FromBFloat is the number that a bfloat16 stands for.
func FromBFloat(h uint16) float32 { return math.Float32frombits(uint32(h) << 16) }
