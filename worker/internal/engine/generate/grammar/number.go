package grammar

import (
	"errors"
	"math/big"
	"strings"
)

// Numbers are bounded, so that one can always end: integers to 18 digits, others to 15 before the point and 15 after
// it, with an exponent of at most two digits where no bound is set and none where one is.
const (
	maxIntegerDigits = 18
	maxDigits        = 15
	maxExponent      = 400 // of a bound in a schema
)

// bound is one end of a range of numbers.
type bound struct {
	value  *big.Rat // nil: none
	strict bool     // the value itself is outside
}

// parseBound reads a number of a schema without making a huge one of a small text.
func parseBound(text string) (*big.Rat, error) {
	if len(text) > 100 {
		return nil, errors.New("has too many digits")
	}
	if i := strings.IndexAny(text, "eE"); i >= 0 {
		e, ok := new(big.Int).SetString(strings.TrimPrefix(text[i+1:], "+"), 10)
		if !ok || e.CmpAbs(big.NewInt(maxExponent)) > 0 {
			return nil, errors.New("has too large an exponent")
		}
	}
	r, ok := new(big.Rat).SetString(text)
	if !ok {
		return nil, errors.New("must be a number")
	}
	return r, nil
}

// tighter is the stricter of two bounds; upper says which end they are.
func tighter(a, b bound, upper bool) bound {
	if a.value == nil {
		return b
	}
	if b.value == nil {
		return a
	}
	c := a.value.Cmp(b.value)
	if upper {
		c = -c
	}
	if c > 0 || c == 0 && a.strict {
		return a
	}
	return b
}

// freeNumber reads any number.
func freeNumber() *expr {
	sign := opt(alt(literal("+"), literal("-")))
	return seq(opt(literal("-")), whole(maxDigits), opt(fraction(maxDigits)),
		opt(seq(alt(literal("e"), literal("E")), sign, digits(1, 2))))
}

// whole reads an integer of up to n digits without a sign.
func whole(n int) *expr {
	return alt(literal("0"), seq(bytesIn('1', '9'), digits(0, n-1)))
}

func fraction(n int) *expr { return seq(literal("."), digits(1, n)) }

// integer reads the integers of a range.
func (w *work) integer(lo, hi bound) (*dfa, error) {
	if lo.value == nil && hi.value == nil {
		return w.determinize(seq(opt(literal("-")), whole(maxIntegerDigits)))
	}
	limit := new(big.Int).Exp(big.NewInt(10), big.NewInt(maxIntegerDigits), nil)
	limit.Sub(limit, big.NewInt(1))
	from, to := new(big.Int).Neg(limit), new(big.Int).Set(limit)
	if lo.value != nil {
		if v := ceil(lo); v.Cmp(from) > 0 {
			from = v
		}
	}
	if hi.value != nil {
		if v := ceil(bound{new(big.Rat).Neg(hi.value), hi.strict}); v.Neg(v).Cmp(to) < 0 {
			to = v
		}
	}
	e := alt()
	if to.Sign() >= 0 {
		e.subs = append(e.subs, between(maxInt(from, big.NewInt(0)), to))
	}
	if from.Sign() < 0 {
		top := maxInt(new(big.Int).Neg(to), big.NewInt(1))
		e.subs = append(e.subs, seq(literal("-"), between(top, new(big.Int).Neg(from))))
	}
	return w.determinize(e)
}

func maxInt(a, b *big.Int) *big.Int {
	if a.Cmp(b) > 0 {
		return a
	}
	return b
}

// ceil is the lowest integer within a lower bound.
func ceil(b bound) *big.Int {
	q, m := new(big.Int).DivMod(b.value.Num(), b.value.Denom(), new(big.Int))
	if m.Sign() != 0 || b.strict {
		q.Add(q, big.NewInt(1))
	}
	return q
}

// between reads the integers lo to hi, both at least 0; none when lo is above hi.
func between(lo, hi *big.Int) *expr {
	e := alt()
	if lo.Cmp(hi) > 0 {
		return e
	}
	a, b := lo.String(), hi.String()
	for n := len(a); n <= len(b); n++ {
		from, to := a, b
		if n > len(a) {
			from = "1" + strings.Repeat("0", n-1)
		}
		if n < len(b) {
			to = strings.Repeat("9", n)
		}
		e.subs = append(e.subs, sameLength(from, to))
	}
	return e
}

// sameLength reads the digit strings from lo to hi, which have one length.
func sameLength(lo, hi string) *expr {
	if lo == "" {
		return seq()
	}
	rest := len(lo) - 1
	if strings.Trim(lo, "0") == "" && strings.Trim(hi, "9") == "" {
		return digits(len(lo), len(lo))
	}
	if lo[0] == hi[0] {
		return seq(literal(lo[:1]), sameLength(lo[1:], hi[1:]))
	}
	e := alt(
		seq(literal(lo[:1]), sameLength(lo[1:], strings.Repeat("9", rest))),
		seq(literal(hi[:1]), sameLength(strings.Repeat("0", rest), hi[1:])),
	)
	if lo[0]+1 < hi[0] {
		e.subs = append(e.subs, seq(bytesIn(lo[0]+1, hi[0]-1), digits(rest, rest)))
	}
	return e
}

// number reads the numbers of a range.
func (w *work) number(lo, hi bound) (*dfa, error) {
	if lo.value == nil && hi.value == nil {
		return w.determinize(freeNumber())
	}
	above, err := w.oneSide(lo, true)
	if err != nil {
		return nil, err
	}
	below, err := w.oneSide(hi, false)
	if err != nil {
		return nil, err
	}
	return w.intersect(above, below)
}

// oneSide reads the numbers at or above a bound, or at or below it.
func (w *work) oneSide(b bound, above bool) (*dfa, error) {
	plain := seq(whole(maxDigits), opt(fraction(2*maxDigits)))
	if b.value == nil {
		return w.determinize(seq(opt(literal("-")), plain))
	}
	size := new(big.Rat).Abs(b.value)
	text := size.FloatString(2 * maxDigits)
	if r, ok := new(big.Rat).SetString(text); !ok || r.Cmp(size) != 0 {
		return nil, errors.New("has too many digits after the point")
	}
	i, f, _ := strings.Cut(text, ".")
	f = strings.TrimRight(f, "0")
	negative := b.value.Sign() < 0
	if len(i) > maxDigits {
		if negative == above {
			return w.determinize(seq(opt(literal("-")), plain)) // all that can be written is within
		}
		return nil, errors.New("has too many digits")
	}
	near, err := magnitude(i, f, b.strict, above != negative)
	if err != nil {
		return nil, err
	}
	switch {
	case !negative && above:
		return w.determinize(near)
	case negative && above:
		return w.determinize(alt(plain, seq(literal("-"), near)))
	case negative:
		return w.determinize(seq(literal("-"), near))
	}
	if size.Sign() == 0 && b.strict { // below 0: what reads -0 is 0
		positive, err := magnitude("0", "", true, true)
		if err != nil {
			return nil, err
		}
		return w.determinize(seq(literal("-"), positive))
	}
	return w.determinize(alt(seq(literal("-"), plain), near))
}

// magnitude reads the numbers without a sign at or above i.f, or at or below it.
func magnitude(i, f string, strict, above bool) (*expr, error) {
	v, ok := new(big.Int).SetString(i, 10)
	if !ok {
		return nil, errors.New("must be a number")
	}
	one := big.NewInt(1)
	beyond := between(big.NewInt(0), new(big.Int).Sub(v, one))
	if above {
		top := new(big.Int).Exp(big.NewInt(10), big.NewInt(maxDigits), nil)
		beyond = between(new(big.Int).Add(v, one), top.Sub(top, one))
	}
	return alt(
		seq(beyond, opt(fraction(2*maxDigits))),
		seq(literal(i), fractionBeside(f, strict, above)),
	), nil
}

// fractionBeside reads what may follow the point, and the point, or nothing, so that the fraction is at or above .f (or
// at or below it). f has no zeros at its end.
func fractionBeside(f string, strict, above bool) *expr {
	const room = 2 * maxDigits
	e := alt() // what follows the point
	for k := range len(f) {
		from, to := byte('0'), f[k]-1
		if above {
			from, to = f[k]+1, '9'
		}
		if from <= to {
			e.subs = append(e.subs, seq(literal(f[:k]), bytesIn(from, to), digits(0, room-k-1)))
		}
		if !above && k > 0 { // a shorter one is less
			e.subs = append(e.subs, literal(f[:k]))
		}
	}
	zeros := repeat(literal("0"), 0, room-len(f))
	exact := seq(literal(f), zeros) // f itself
	if f == "" {
		exact = seq(literal("0"), repeat(literal("0"), 0, room-1))
	}
	if above {
		more := seq(literal(f), repeat(literal("0"), 0, max(room-len(f)-1, 0)), bytesIn('1', '9'), digits(0, room))
		e.subs = append(e.subs, more)
	}
	if !strict {
		e.subs = append(e.subs, exact)
	}
	out := alt(seq(literal("."), e))
	if f == "" && !strict || f != "" && !above {
		out.subs = append(out.subs, seq()) // no fraction: it is .0
	}
	return out
}
