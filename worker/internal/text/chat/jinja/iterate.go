package jinja

import "unicode/utf8"

func sliceIter(items []Value) func() (Value, bool) {
	i := -1
	return func() (Value, bool) {
		if i++; i >= len(items) {
			return nil, false
		}
		return items[i], true
	}
}

// tryIter walks v; false when Python could not.
func (r *run) tryIter(v Value) (func() (Value, bool), bool) {
	switch x := v.(type) {
	case *List:
		return sliceIter(x.items), true
	case *Tuple:
		return sliceIter(x.items), true
	case *Dict:
		i := -1
		return func() (Value, bool) {
			if i++; i >= len(x.entries) {
				return nil, false
			}
			return x.entries[i].key, true
		}, true
	case *view:
		i := -1
		return func() (Value, bool) {
			if i++; i >= len(x.d.entries) {
				return nil, false
			}
			return x.item(i), true
		}, true
	case *Str:
		at := 0
		return func() (Value, bool) {
			if at >= len(x.s) {
				return nil, false
			}
			_, n := utf8.DecodeRuneInString(x.s[at:])
			r.grow(n + valueSize)
			c := x.sub(at, at+n)
			if c.safe {
				c = &Str{s: c.s, client: c.client}
			}
			at += n
			return c, true
		}, true
	case *Range:
		i := int64(-1)
		return func() (Value, bool) {
			if i++; i >= x.n {
				return nil, false
			}
			return x.start + i*x.step, true
		}, true
	case *Iter:
		return x.next, true
	case *Undefined:
		return sliceIter(nil), true
	case *loop:
		return func() (Value, bool) {
			v, ok := x.advance()
			if !ok {
				return nil, false
			}
			return &Tuple{items: []Value{v, x}}, true
		}, true
	}
	return nil, false
}

func (r *run) iter(v Value) func() (Value, bool) {
	next, ok := r.tryIter(v)
	if !ok {
		r.typeErr("'%s' object is not iterable", typeName(v))
	}
	return next
}

// drain collects what is left of a walk.
func (r *run) drain(next func() (Value, bool)) []Value {
	var out []Value
	for {
		v, ok := next()
		if !ok {
			return out
		}
		r.step()
		r.grow(valueSize)
		out = append(out, v)
	}
}

// items is list(v) without a copy where there is one already; the result is not to be changed.
func (r *run) items(v Value) []Value {
	switch x := v.(type) {
	case *List:
		return x.items
	case *Tuple:
		return x.items
	}
	return r.drain(r.iter(v))
}

// length is len(v); false when Python has none for it.
func length(v Value) (int, bool) {
	switch x := v.(type) {
	case *Str:
		return x.len(), true
	case *List:
		return len(x.items), true
	case *Tuple:
		return len(x.items), true
	case *Dict:
		return len(x.entries), true
	case *view:
		return len(x.d.entries), true
	case *Range:
		return int(x.n), true
	case *Undefined:
		return 0, true
	}
	return 0, false
}

func (r *run) length(v Value) int {
	if l, ok := v.(*loop); ok {
		return int(l.len(r))
	}
	n, ok := length(v)
	if !ok {
		r.typeErr("object of type '%s' has no len()", typeName(v))
	}
	return n
}

func (r *run) truth(v Value) bool {
	switch x := v.(type) {
	case bool:
		return x
	case none:
		return false
	case int64:
		return x != 0
	case float64:
		return x != 0
	case *Str:
		return x.s != ""
	case *loop:
		return x.len(r) > 0
	}
	if n, ok := length(v); ok {
		return n > 0
	}
	return true
}
