package jinja

import (
	"math"
	"math/big"
	"strings"
)

const maxBits = 1 << 16 // of an integer

// norm makes an int64 of what fits into one.
func norm(n *big.Int) Value {
	if n.IsInt64() {
		return n.Int64()
	}
	return n
}

// asInt sees bool as Python does, as an int; b is nil when i is all of it.
func asInt(v Value) (i int64, b *big.Int, ok bool) {
	switch x := v.(type) {
	case int64:
		return x, nil, true
	case bool:
		if x {
			return 1, nil, true
		}
		return 0, nil, true
	case *big.Int:
		return 0, x, true
	}
	return 0, nil, false
}

func toBig(v Value) *big.Int {
	i, b, _ := asInt(v)
	if b != nil {
		return b
	}
	return big.NewInt(i)
}

func isNumber(v Value) bool {
	switch v.(type) {
	case int64, bool, *big.Int, float64:
		return true
	}
	return false
}

// toFloat gives a number as a float.
func (r *run) toFloat(v Value) float64 {
	switch x := v.(type) {
	case float64:
		return x
	case *big.Int:
		f, _ := new(big.Float).SetInt(x).Float64()
		if math.IsInf(f, 0) {
			r.raise(Runtime, "int too large to convert to float")
		}
		return f
	}
	i, _, _ := asInt(v)
	return float64(i)
}

func (r *run) unsupported(op string, a, b Value) {
	if u, ok := a.(*Undefined); ok {
		r.undefined(u)
	}
	if u, ok := b.(*Undefined); ok {
		r.undefined(u)
	}
	if op == "+" {
		if _, ok := a.(*Str); ok {
			r.typeErr("can only concatenate str (not \"%s\") to str", typeName(b))
		}
	}
	r.typeErr("unsupported operand type(s) for %s: '%s' and '%s'", op, typeName(a), typeName(b))
}

func (r *run) negate(v Value, plus bool) Value {
	if f, ok := v.(float64); ok {
		if plus {
			return f
		}
		return -f
	}
	i, b, ok := asInt(v)
	switch {
	case !ok:
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("bad operand type for unary operator: '%s'", typeName(v))
	case b != nil && plus:
		return b
	case b != nil || i == math.MinInt64 && !plus:
		return norm(new(big.Int).Neg(toBig(v)))
	case !plus:
		return -i
	}
	return i
}

func (r *run) arith(op string, a, b Value) Value {
	if isNumber(a) && isNumber(b) {
		return r.number(op, a, b)
	}
	switch op {
	case "+":
		if v := r.add(a, b); v != nil {
			return v
		}
	case "*":
		if v := r.repeat(a, b); v != nil {
			return v
		}
		if v := r.repeat(b, a); v != nil {
			return v
		}
	case "%":
		if s, ok := a.(*Str); ok {
			return r.percent(s, b)
		}
	}
	r.unsupported(op, a, b)
	return nil
}

func (r *run) add(a, b Value) Value {
	switch x := a.(type) {
	case *Str:
		if y, ok := b.(*Str); ok {
			return r.concat(x, y)
		}
	case *List:
		if y, ok := b.(*List); ok {
			r.grow((len(x.items) + len(y.items)) * valueSize)
			return &List{append(append(make([]Value, 0, len(x.items)+len(y.items)), x.items...), y.items...)}
		}
	case *Tuple:
		if y, ok := b.(*Tuple); ok {
			r.grow((len(x.items) + len(y.items)) * valueSize)
			return &Tuple{items: append(append(make([]Value, 0, len(x.items)+len(y.items)), x.items...), y.items...)}
		}
	}
	return nil
}

// concat joins two strings; where one is a Markup, the other is escaped.
func (r *run) concat(a, b *Str) *Str {
	safe := a.safe || b.safe
	if safe && !a.safe {
		a = r.escape(a)
	}
	if safe && !b.safe {
		b = r.escape(b)
	}
	r.grow(len(a.s) + len(b.s))
	out := &Str{s: a.s + b.s, safe: safe}
	if len(a.client) > 0 || len(b.client) > 0 {
		out.client = appendSpans(appendSpans(nil, a.client, 0, len(a.s), 0), b.client, 0, len(b.s), len(a.s))
	}
	return out
}

// repeat is seq * n, or nil when it is not that.
func (r *run) repeat(seq, n Value) Value {
	switch seq.(type) {
	case *Str, *List, *Tuple:
	default:
		return nil
	}
	i, b, ok := asInt(n)
	if !ok {
		return nil
	}
	size, _ := length(seq)
	if s, is := seq.(*Str); is {
		size = len(s.s)
	}
	if b != nil && b.Sign() < 0 || i < 0 {
		i, b = 0, nil
	}
	if size == 0 {
		i, b = 0, nil
	}
	if b != nil || i > int64(r.limits.Memory) {
		r.raise(Limit, "the template takes too much memory")
	}
	count := int(i)
	switch x := seq.(type) {
	case *Str:
		r.grow(size * count)
		if len(x.client) == 0 {
			return &Str{s: strings.Repeat(x.s, count), safe: x.safe}
		}
		w := buffer{}
		for range count {
			r.grow(valueSize)
			w.add(x)
		}
		out := w.str()
		out.safe = x.safe
		return out
	case *List:
		r.grow(size * count * valueSize)
		return &List{repeatItems(x.items, count)}
	case *Tuple:
		r.grow(size * count * valueSize)
		return &Tuple{items: repeatItems(x.items, count)}
	}
	return nil
}

func repeatItems(items []Value, n int) []Value {
	out := make([]Value, 0, len(items)*n)
	for range n {
		out = append(out, items...)
	}
	return out
}

func (r *run) number(op string, a, b Value) Value {
	_, af := a.(float64)
	_, bf := b.(float64)
	if af || bf {
		return r.floatOp(op, r.toFloat(a), r.toFloat(b))
	}
	x, xb, _ := asInt(a)
	y, yb, _ := asInt(b)
	if xb == nil && yb == nil {
		if v := r.smallOp(op, x, y); v != nil {
			return v
		}
	}
	return r.bigOp(op, toBig(a), toBig(b))
}

// smallOp computes with int64s; nil when the result may not fit.
func (r *run) smallOp(op string, x, y int64) Value {
	switch op {
	case "+":
		if s := x + y; (s > x) == (y > 0) {
			return s
		}
	case "-":
		if s := x - y; (s < x) == (y > 0) {
			return s
		}
	case "*":
		if x == 0 || y == 0 {
			return int64(0)
		}
		if s := x * y; s/y == x && (x != -1 || y != math.MinInt64) && (y != -1 || x != math.MinInt64) {
			return s
		}
	case "//", "%":
		if y == 0 {
			r.raise(Runtime, "integer division or modulo by zero")
		}
		if x == math.MinInt64 && y == -1 {
			return nil
		}
		q, m := x/y, x%y
		if m != 0 && (m < 0) != (y < 0) {
			q--
			m += y
		}
		if op == "%" {
			return m
		}
		return q
	}
	return nil
}

func (r *run) bigOp(op string, x, y *big.Int) Value {
	if x.BitLen()+y.BitLen() > 4*maxBits {
		r.raise(Limit, "an integer is too large")
	}
	out := new(big.Int)
	switch op {
	case "+":
		out.Add(x, y)
	case "-":
		out.Sub(x, y)
	case "*":
		r.work(1 + x.BitLen()*y.BitLen()>>12)
		out.Mul(x, y)
	case "/":
		return r.trueDiv(x, y)
	case "//", "%":
		if y.Sign() == 0 {
			r.raise(Runtime, "integer division or modulo by zero")
		}
		r.work(1 + x.BitLen()*y.BitLen()>>12)
		m := new(big.Int)
		out.DivMod(x, y, m)
		if y.Sign() < 0 && m.Sign() != 0 { // DivMod leaves m positive; Python gives it y's sign
			out.Add(out, big.NewInt(-1))
			m.Add(m, y)
		}
		if op == "%" {
			out = m
		}
	case "**":
		return r.pow(x, y)
	}
	if out.BitLen() > maxBits {
		r.raise(Limit, "an integer is too large")
	}
	return norm(out)
}

func (r *run) trueDiv(x, y *big.Int) Value {
	if y.Sign() == 0 {
		r.raise(Runtime, "division by zero")
	}
	if x.Sign() == 0 && y.Sign() < 0 {
		return math.Copysign(0, -1)
	}
	f, _ := new(big.Rat).SetFrac(x, y).Float64()
	if math.IsInf(f, 0) {
		r.raise(Runtime, "integer division result too large for a float")
	}
	return f
}

func (r *run) pow(x, y *big.Int) Value {
	if y.Sign() < 0 {
		if x.Sign() == 0 {
			r.raise(Runtime, "0.0 cannot be raised to a negative power")
		}
		return r.floatOp("**", r.toFloat(x), r.toFloat(y))
	}
	if x.BitLen() <= 1 { // 0, 1, -1
		switch {
		case y.Sign() == 0:
			return int64(1)
		case x.Sign() < 0 && y.Bit(0) == 0:
			return int64(1)
		}
		return norm(x)
	}
	if !y.IsInt64() || y.Int64() > maxBits || int64(x.BitLen()-1)*y.Int64() > maxBits {
		r.raise(Limit, "an integer is too large")
	}
	r.work(1 + int(y.Int64())*x.BitLen()>>6)
	return norm(new(big.Int).Exp(x, y, nil))
}

func (r *run) floatOp(op string, x, y float64) Value {
	switch op {
	case "+":
		return x + y
	case "-":
		return x - y
	case "*":
		return x * y
	case "/":
		if y == 0 {
			r.raise(Runtime, "float division by zero")
		}
		return x / y
	case "//", "%":
		if y == 0 {
			r.raise(Runtime, "float floor division by zero")
		}
		q, m := floorDiv(x, y)
		if op == "%" {
			return m
		}
		return q
	}
	return r.floatPow(x, y)
}

func floorDiv(x, y float64) (q, m float64) {
	m = math.Mod(x, y)
	q = (x - m) / y
	if m != 0 {
		if (y < 0) != (m < 0) {
			m += y
			q--
		}
	} else {
		m = math.Copysign(0, y)
	}
	if q != 0 {
		f := math.Floor(q)
		if q-f > 0.5 {
			f++
		}
		return f, m
	}
	return math.Copysign(0, x/y), m
}

func (r *run) floatPow(x, y float64) Value {
	if x == 0 && y < 0 {
		r.raise(Runtime, "0.0 cannot be raised to a negative power")
	}
	if x < 0 && y != math.Trunc(y) && !math.IsInf(x, 0) && !math.IsNaN(y) {
		r.raise(Runtime, "a negative number to a broken power is complex, which is not supported")
	}
	z := exactPow(x, y)
	if math.IsInf(z, 0) && !math.IsInf(x, 0) && !math.IsInf(y, 0) {
		r.raise(Runtime, "(34, 'Numerical result out of range')")
	}
	return z
}

// exactPow is math.Pow with its last digit right, for powers that are multiples of a half.
func exactPow(x, y float64) float64 {
	z := math.Pow(x, y)
	if z == 0 || math.IsInf(z, 0) || math.IsNaN(z) || math.Abs(y) > 512 || 2*y != math.Trunc(2*y) {
		return z
	}
	const prec = 256
	base := new(big.Float).SetPrec(prec).SetFloat64(x)
	n := int(math.Abs(2 * y))
	if n%2 == 1 {
		base.Sqrt(base)
	} else {
		n /= 2
	}
	out := new(big.Float).SetPrec(prec).SetInt64(1)
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out.Mul(out, base)
		}
		base.Mul(base, base)
	}
	if y < 0 {
		out.Quo(new(big.Float).SetPrec(prec).SetInt64(1), out)
	}
	f, _ := out.Float64()
	return f
}
