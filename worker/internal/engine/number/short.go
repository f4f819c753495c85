package number

import (
	"math"
	"strconv"
)

// The exponents of float32, as its bits have them, that short writes: from 2^-16 to below 2^20.
const (
	lowest  = 127 - 16
	highest = 127 + 20
)

// powers of ten, exact.
//
//nolint:gochecknoglobals // a table
var powers = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

// easy tells whether short writes the number. One whose fraction is 0 has a neighbour below that is nearer than the one
// above, which short does not know.
func easy(bits uint32) bool {
	exponent := bits >> 23 & 0xff
	return exponent >= lowest && exponent < highest && bits&(1<<23-1) != 0
}

// short writes the shortest decimal that reads back as the float32 of these bits, twice as fast as strconv, which writes
// the same. All decimals nearer to it than half the distance to its neighbours do read back. With so many decimals that
// this span is more than 1 wide, and not more than 10, there is one; with one less there is one at most, and where there
// is it is the shortest but for its zeros. In a float64 all of this is exact: 24 bits times 5^12 have 52.
func short(b []byte, bits uint32) []byte {
	exponent := int(bits >> 23 & 0xff)
	if bits>>31 != 0 {
		b = append(b, '-')
	}
	f := float64(math.Float32frombits(bits &^ (1 << 31)))
	decimals := (150-exponent)*1233>>12 + 1 // log10(2) is 1233/4096
	less := powers[decimals-1]
	half := math.Float64frombits(uint64(exponent-151+1023)<<52) * less
	scaled := f * less
	n := uint64(scaled + 0.5)
	if off := math.Abs(scaled - float64(n)); off < half || off == half && bits&1 == 0 {
		decimals--
		for decimals > 0 && n%10 == 0 {
			n /= 10
			decimals--
		}
	} else {
		n = uint64(math.RoundToEven(f * powers[decimals]))
	}
	return appendDecimal(b, n, decimals)
}

// appendDecimal writes n with a point before its last decimals digits.
func appendDecimal(b []byte, n uint64, decimals int) []byte {
	if decimals == 0 {
		return strconv.AppendUint(b, n, 10)
	}
	var text [24]byte
	at := len(text)
	for ; decimals > 0; decimals-- {
		at--
		text[at] = '0' + byte(n%10)
		n /= 10
	}
	at--
	text[at] = '.'
	for {
		at--
		text[at] = '0' + byte(n%10)
		if n /= 10; n == 0 {
			return append(b, text[at:]...)
		}
	}
}
