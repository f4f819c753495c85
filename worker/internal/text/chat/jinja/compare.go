package jinja

import (
	"math"
	"math/big"
	"strings"
)

func (r *run) compare(op string, a, b Value) bool {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		return !r.equal(a, b)
	case "in":
		return r.contains(b, a)
	case "not in":
		return !r.contains(b, a)
	}
	return r.order(op, a, b)
}

func (r *run) equal(a, b Value) bool {
	r.step()
	switch x := a.(type) {
	case *Str:
		y, ok := b.(*Str)
		if !ok || len(x.s) != len(y.s) {
			return false
		}
		r.work(len(x.s) >> 8)
		return x.s == y.s
	case none:
		_, ok := b.(none)
		return ok
	case *Undefined:
		_, ok := b.(*Undefined)
		return ok
	case *List:
		y, ok := b.(*List)
		return ok && r.equalItems(x.items, y.items)
	case *Tuple:
		y, ok := b.(*Tuple)
		return ok && r.equalItems(x.items, y.items)
	case *Dict:
		y, ok := b.(*Dict)
		return ok && r.equalDicts(x, y)
	case *Range:
		y, ok := b.(*Range)
		return ok && x.n == y.n && (x.n == 0 || x.start == y.start && (x.n == 1 || x.step == y.step))
	case *view:
		y, ok := b.(*view)
		return ok && r.equalViews(x, y)
	}
	if isNumber(a) {
		return isNumber(b) && r.cmpNumbers(a, b) == 0
	}
	return a == b
}

func (r *run) equalItems(x, y []Value) bool {
	if len(x) != len(y) {
		return false
	}
	r.down()
	defer r.up()
	for i := range x {
		if !same(x[i], y[i]) && !r.equal(x[i], y[i]) {
			return false
		}
	}
	return true
}

// same is Python's is, as far as containers look at it before they compare.
func same(a, b Value) bool {
	switch a.(type) {
	case *List, *Dict, *Tuple, *Undefined:
		return a == b
	}
	return false
}

func (r *run) equalDicts(x, y *Dict) bool {
	if len(x.entries) != len(y.entries) {
		return false
	}
	r.down()
	defer r.up()
	for _, e := range x.entries {
		r.hashing(e.key)
		v, ok, _ := y.get(e.key)
		if !ok || !same(e.val, v) && !r.equal(e.val, v) {
			return false
		}
	}
	return true
}

func (r *run) equalViews(x, y *view) bool {
	if x.kind == "dict_values" || y.kind != x.kind {
		return x == y
	}
	if len(x.d.entries) != len(y.d.entries) {
		return false
	}
	for _, e := range x.d.entries {
		v, ok, _ := y.d.get(e.key)
		if !ok || x.kind == "dict_items" && !r.equal(e.val, v) {
			return false
		}
	}
	return true
}

// cmpNumbers compares exactly; 2 when either is not a number.
func (r *run) cmpNumbers(a, b Value) int {
	x, xb, xi := asInt(a)
	y, yb, yi := asInt(b)
	if xi && yi && xb == nil && yb == nil {
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	}
	if xi && yi {
		return toBig(a).Cmp(toBig(b))
	}
	bigOf := func(v Value) (*big.Float, bool) {
		if f, ok := v.(float64); ok {
			if math.IsNaN(f) {
				return nil, false
			}
			return big.NewFloat(f), true
		}
		n := toBig(v)
		return new(big.Float).SetPrec(uint(max(64, n.BitLen()))).SetInt(n), true
	}
	p, ok1 := bigOf(a)
	q, ok2 := bigOf(b)
	if !ok1 || !ok2 {
		return 2
	}
	return p.Cmp(q)
}

func ordered(op string, c int) bool {
	switch op {
	case "<":
		return c == -1
	case "<=":
		return c == -1 || c == 0
	case ">":
		return c == 1
	}
	return c == 1 || c == 0
}

func (r *run) order(op string, a, b Value) bool {
	r.step()
	if isNumber(a) && isNumber(b) {
		return ordered(op, r.cmpNumbers(a, b))
	}
	switch x := a.(type) {
	case *Str:
		if y, ok := b.(*Str); ok {
			r.work(min(len(x.s), len(y.s)) >> 6)
			return ordered(op, strings.Compare(x.s, y.s))
		}
	case *List:
		if y, ok := b.(*List); ok {
			return r.orderItems(op, x.items, y.items)
		}
	case *Tuple:
		if y, ok := b.(*Tuple); ok {
			return r.orderItems(op, x.items, y.items)
		}
	case *Undefined:
		r.undefined(x)
	}
	if u, ok := b.(*Undefined); ok {
		r.undefined(u)
	}
	r.typeErr("'%s' not supported between instances of '%s' and '%s'", op, typeName(a), typeName(b))
	return false
}

func (r *run) orderItems(op string, x, y []Value) bool {
	r.down()
	defer r.up()
	for i := range min(len(x), len(y)) {
		if !same(x[i], y[i]) && !r.equal(x[i], y[i]) {
			return r.order(op, x[i], y[i])
		}
	}
	c := 0
	if len(x) < len(y) {
		c = -1
	} else if len(x) > len(y) {
		c = 1
	}
	return ordered(op, c)
}

func (r *run) contains(c, v Value) bool {
	switch x := c.(type) {
	case *Str:
		s, ok := v.(*Str)
		if !ok {
			r.typeErr("'in <string>' requires string as left operand, not %s", typeName(v))
		}
		r.work(len(x.s) >> 6)
		return strings.Contains(x.s, s.s)
	case *Dict:
		return r.has(x, v)
	case *view:
		switch x.kind {
		case "dict_keys":
			return r.has(x.d, v)
		case "dict_items":
			t, ok := v.(*Tuple)
			if !ok || len(t.items) != 2 {
				return false
			}
			r.has(x.d, t.items[0])
			got, ok, _ := x.d.get(t.items[0])
			return ok && r.equal(got, t.items[1])
		}
	case *Range:
		if i, b, ok := asInt(v); ok {
			return b == nil && x.has(i)
		}
	}
	next, ok := r.tryIter(c)
	if !ok {
		r.typeErr("argument of type '%s' is not iterable", typeName(c))
	}
	for {
		e, ok := next()
		if !ok {
			return false
		}
		r.step()
		if same(e, v) || r.equal(e, v) {
			return true
		}
	}
}

func (r *run) has(d *Dict, k Value) bool {
	r.hashing(k)
	_, ok, hashable := d.get(k)
	if !hashable {
		r.typeErr("unhashable type: '%s'", typeName(k))
	}
	return ok
}

func (x *Range) has(i int64) bool {
	d := i - x.start
	return x.n > 0 && d%x.step == 0 && d/x.step >= 0 && d/x.step < x.n
}
