package jinja

import (
	"math"
	"math/big"
	"strings"
	"unicode"
)

// builtin is a filter or a test.
type builtin func(r *run, v Value, a args) Value

// filterByName gives a filter; nil when there is none of that name.
func filterByName(name string) builtin {
	switch name {
	case "abs":
		return filterAbs
	case "attr":
		return filterAttr
	case "capitalize", "lower", "upper":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "s")
			return r.cased(r.str(v), name)
		}
	case "title":
		return filterTitle
	case "center":
		return func(r *run, v Value, a args) Value {
			p := r.bindFilter(name, v, a, "value", "width?")
			n := 80
			if p[1] != nil {
				n = r.index(p[1])
			}
			return r.justify(r.str(v), n, lit(" "), "center")
		}
	case "count", "length":
		return func(r *run, v Value, a args) Value {
			r.bindFilter("len", v, a, "obj")
			return int64(r.length(v))
		}
	case "d", "default":
		return func(r *run, v Value, a args) Value {
			p := r.bindFilter(name, v, a, "value", "default_value?", "boolean?")
			if _, ok := v.(*Undefined); ok || r.flag(p[2]) && !r.truth(v) {
				if p[1] == nil {
					return lit("")
				}
				return p[1]
			}
			return v
		}
	case "float":
		return filterFloat
	case "int":
		return filterInt
	case "round":
		return filterRound
	case "format":
		return func(r *run, v Value, a args) Value {
			if len(a.pos) > 0 && len(a.kw) > 0 {
				r.raise(Runtime, "can't handle positional and keyword arguments at the same time")
			}
			if len(a.kw) > 0 {
				return r.percent(r.str(v), kwDict(a.kw))
			}
			return r.percent(r.str(v), &Tuple{items: a.pos})
		}
	case "replace":
		return func(r *run, v Value, a args) Value {
			p := r.bindFilter(name, v, a, "s", "old", "new", "count?")
			n := -1
			if given(p[3]) {
				n = r.index(p[3])
			}
			return r.replace(plain(r.str(v)), plain(r.str(p[1])), plain(r.str(p[2])), n)
		}
	case "string":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "s")
			return r.str(v)
		}
	case "trim":
		return func(r *run, v Value, a args) Value {
			p := r.bindFilter(name, v, a, "value", "chars?")
			return r.strip(r.str(v), p[1], true, true)
		}
	case "tojson":
		return func(r *run, v Value, a args) Value { return r.tojson(v, a) }
	}
	if f := textFilter(name); f != nil {
		return f
	}
	if f := seqFilter(name); f != nil {
		return f
	}
	return pickFilter(name)
}

// plain is str() of a Markup.
func plain(s *Str) *Str {
	if !s.safe {
		return s
	}
	return &Str{s: s.s, client: s.client}
}

func filterAbs(r *run, v Value, a args) Value {
	r.bindFilter("abs", v, a, "x")
	if f, ok := v.(float64); ok {
		return math.Abs(f)
	}
	i, b, ok := asInt(v)
	switch {
	case !ok:
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("bad operand type for abs(): '%s'", typeName(v))
	case b != nil || i == math.MinInt64:
		return norm(new(big.Int).Abs(toBig(v)))
	case i < 0:
		return -i
	}
	return i
}

func filterAttr(r *run, v Value, a args) Value {
	p := r.bindFilter("attr", v, a, "obj", "name")
	name := r.strArg("attr", p[1])
	if u, ok := v.(*Undefined); ok {
		r.undefinedAttr(u, name)
	}
	if x := r.attribute(v, name.s); x != nil {
		return x
	}
	return r.missing(v, name)
}

// filterTitle begins words after white space and opening brackets, unlike str.title.
func filterTitle(r *run, v Value, a args) Value {
	r.bindFilter("title", v, a, "s")
	s := r.str(v)
	r.grow(len(s.s))
	var b strings.Builder
	start := true
	for word := range splitWords(s.s) {
		rs := []rune(word)
		for i := range rs {
			if i == 0 && start {
				upperRune(&b, rs[i])
			} else {
				lowerRune(&b, rs, i)
			}
		}
	}
	return s.like(b.String())
}

// splitWords yields words and what is between them in turn.
func splitWords(s string) func(yield func(string) bool) {
	sep := func(c rune) bool { return isSpace(c) || strings.ContainsRune("-({[<", c) }
	return func(yield func(string) bool) {
		from := 0
		prev, first := false, true
		for i, c := range s {
			if is := sep(c); first {
				prev, first = is, false
			} else if is != prev {
				if !yield(s[from:i]) {
					return
				}
				from, prev = i, is
			}
		}
		if from < len(s) {
			yield(s[from:])
		}
	}
}

func filterFloat(r *run, v Value, a args) Value {
	p := r.bindFilter("float", v, a, "value", "default?")
	switch x := v.(type) {
	case *Undefined:
		r.undefined(x)
	case *Str:
		if f, ok := parseFloat(x.s); ok {
			return f
		}
	default:
		if isNumber(v) {
			return r.toFloat(v)
		}
	}
	if p[1] == nil {
		return 0.0
	}
	return p[1]
}

func filterInt(r *run, v Value, a args) Value {
	p := r.bindFilter("int", v, a, "value", "default?", "base?")
	def := Value(int64(0))
	if p[1] != nil {
		def = p[1]
	}
	switch x := v.(type) {
	case *Undefined:
		r.undefined(x)
	case *Str:
		base := 10
		if p[2] != nil {
			base = r.index(p[2])
		}
		if n, ok := parseInt(x.s, base); ok {
			return n
		}
		if f, ok := parseFloat(x.s); ok {
			if n := truncFloat(f); n != nil {
				return n
			}
		}
	case float64:
		if n := truncFloat(x); n != nil {
			return n
		}
		if math.IsInf(x, 0) { // int() overflows, which the filter does not catch the first time
			r.raise(Runtime, "cannot convert float infinity to integer")
		}
	default:
		if i, b, ok := asInt(v); ok {
			if b != nil {
				return b
			}
			return i
		}
	}
	return def
}

// truncFloat is int(f), nil for infinities and no numbers.
func truncFloat(f float64) Value {
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return nil
	}
	f = math.Trunc(f)
	if math.Abs(f) < 1<<62 {
		return int64(f)
	}
	n, _ := big.NewFloat(f).Int(nil)
	return norm(n)
}

func filterRound(r *run, v Value, a args) Value {
	p := r.bindFilter("round", v, a, "value", "precision?", "method?")
	how := "common"
	if p[2] != nil {
		how = r.str(p[2]).s
	}
	if how != "common" && how != "ceil" && how != "floor" {
		r.raise(Runtime, "method must be common, ceil or floor")
	}
	if !isNumber(v) {
		if u, ok := v.(*Undefined); ok {
			r.undefined(u)
		}
		r.typeErr("type %s doesn't define __round__ method", typeName(v))
	}
	prec := Value(int64(0))
	if p[1] != nil {
		prec = p[1]
	}
	if how == "common" {
		return r.round(v, prec)
	}
	scale := r.arith("**", int64(10), prec)
	x := r.arith("*", v, scale)
	if f, ok := x.(float64); ok {
		if how == "ceil" {
			f = math.Ceil(f)
		} else {
			f = math.Floor(f)
		}
		n := truncFloat(f)
		if n == nil {
			r.raise(Runtime, "cannot convert float to integer")
		}
		x = n
	}
	return r.arith("/", x, scale)
}

// round is round(v, prec), to even.
func (r *run) round(v, prec Value) Value {
	if prec == Value(none{}) {
		if f, ok := v.(float64); ok {
			return truncFloat(math.RoundToEven(f))
		}
		prec = int64(0)
	}
	n := r.index(prec)
	f, ok := v.(float64)
	if ok {
		return r.roundFloat(f, n)
	}
	if b, is := v.(bool); is {
		i, _, _ := asInt(b)
		v = i
	}
	if n >= 0 {
		return v
	}
	if n < -400 {
		return int64(0)
	}
	unit := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(-n)), nil)
	x := toBig(v)
	q, m := new(big.Int).DivMod(x, unit, new(big.Int))
	twice := new(big.Int).Lsh(m, 1)
	if c := twice.Cmp(unit); c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	return norm(q.Mul(q, unit))
}

// roundFloat rounds the exact value that the float has.
func (r *run) roundFloat(f float64, n int) Value {
	if math.IsInf(f, 0) || math.IsNaN(f) || n > 330 {
		return f
	}
	if n < -330 {
		return math.Copysign(0, f)
	}
	exp := math.Abs(float64(n))
	unit := new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(exp)), nil))
	if n < 0 {
		unit.Inv(unit)
	}
	x := new(big.Rat).SetFloat64(f)
	x.Mul(x, unit)
	neg := x.Sign() < 0
	x.Abs(x)
	q, m := new(big.Int).DivMod(x.Num(), x.Denom(), new(big.Int))
	c := new(big.Int).Lsh(m, 1).Cmp(x.Denom())
	if c > 0 || c == 0 && q.Bit(0) == 1 {
		q.Add(q, big.NewInt(1))
	}
	out, _ := new(big.Rat).Quo(new(big.Rat).SetInt(q), unit).Float64()
	if neg {
		out = -out
	}
	return out
}

// textFilter has the filters over text that are rarer.
func textFilter(name string) builtin {
	switch name {
	case "e", "escape":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "s")
			return r.escape(r.str(v))
		}
	case "forceescape":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			return r.escape(plain(r.str(v)))
		}
	case "safe":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			s := r.str(v)
			return &Str{s: s.s, client: s.client, safe: true}
		}
	case "striptags":
		return filterStriptags
	case "indent":
		return filterIndent
	case "truncate":
		return filterTruncate
	case "wordwrap":
		return filterWordwrap
	case "wordcount":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "s")
			s := r.str(v)
			r.work(len(s.s) >> 4)
			n, in := int64(0), false
			for _, c := range s.s {
				w := c == '_' || unicode.IsLetter(c) || isNumeric(c)
				if w && !in {
					n++
				}
				in = w
			}
			return n
		}
	case "urlencode":
		return filterURLEncode
	case "filesizeformat":
		return filterFileSize
	case "xmlattr":
		return filterXMLAttr
	case "pprint":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			w := &buffer{}
			r.repr(w, v)
			if len(w.b) > 80 {
				r.raise(Runtime, "the filter 'pprint' is not supported for values of more than a line")
			}
			return w.str()
		}
	}
	return nil
}
