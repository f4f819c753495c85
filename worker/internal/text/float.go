package text

import (
	"math"
	"strconv"
	"strings"
)

// powers are the powers of ten that a float64 holds.
type powers [309]float64

func newPowers() *powers {
	p := &powers{}
	for i := range p {
		p[i], _ = strconv.ParseFloat("1e"+strconv.Itoa(i), 64)
	}
	return p
}

// number reads a JSON number as the reference does, which is not always the nearest float64: it rounds the digits, and
// then rounds once more when it scales them. Scores that tie there must tie here.
func (p *powers) number(s string) float64 {
	rest, negative := strings.CutPrefix(s, "-")
	digits, exponent, whole := uint64(0), 0, true
	full := false // no more digits fit
	point := false
	for i := range len(rest) {
		c := rest[i]
		switch c {
		case '.':
			point, whole = true, false
			continue
		case 'e', 'E':
			n, err := strconv.Atoi(strings.TrimPrefix(rest[i+1:], "+"))
			if err != nil { // so many digits that it makes no difference
				n = 1 << 20
				if strings.HasPrefix(rest[i+1:], "-") {
					n = -n
				}
			}
			return p.scale(digits, exponent+n, negative)
		}
		d := uint64(c - '0')
		if full = full || digits > (math.MaxUint64-d)/10; full {
			if whole = false; !point {
				exponent++
			}
			continue
		}
		digits = digits*10 + d
		if point {
			exponent--
		}
	}
	if whole {
		exponent = 0
	}
	return p.scale(digits, exponent, negative)
}

func (p *powers) scale(digits uint64, exponent int, negative bool) float64 {
	f := float64(digits)
	for ; exponent < -308 && f != 0; exponent += 308 {
		f /= 1e308
	}
	switch {
	case f == 0:
	case exponent > 308:
		f = math.Inf(1)
	case exponent >= 0:
		f *= p[exponent]
	default:
		f /= p[-exponent]
	}
	if negative {
		return -f
	}
	return f
}
