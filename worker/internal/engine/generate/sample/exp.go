package sample

import "math"

// exp32 is e^x for x ≤ 0, to two units in the seventh digit and several times as fast as math.Exp: a row of 152,000
// logits passes through it for each token. Below the smallest normal float32 it is 0.
//
// x = n·ln 2 + r with |r| ≤ ln 2 / 2; a polynomial fitted for the least relative error there gives e^r, and n goes into
// the exponent's bits.
func exp32(x float32) float32 {
	const (
		log2e = 1 / math.Ln2
		hi    = 0.693359375 // ln 2 to nine bits, so that n·hi is exact
		lo    = math.Ln2 - hi
		c2    = 0.49999232
		c3    = 0.16667114
		c4    = 0.04189011
		c5    = 0.00831252
	)
	if !(x > -87) {
		return 0
	}
	n := int32(x*log2e - 0.5) // x ≤ 0: cutting towards zero rounds to the nearest
	f := float32(n)
	r := x - f*hi - f*lo
	q := r * r
	p := 1 + r + q*(c2+r*c3+q*(c4+r*c5))
	return p * math.Float32frombits(uint32(127+n)<<23) //nolint:gosec // n is from -126 to 0
}
