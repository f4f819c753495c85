package jinja

import (
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

func (r *run) missing(obj Value, key Value) Value {
	if s, ok := key.(*Str); ok {
		return &Undefined{"'" + r.describe(obj) + "' has no attribute '" + s.s + "'"}
	}
	return &Undefined{r.describe(obj) + " has no such element"}
}

func (r *run) describe(v Value) string {
	if _, ok := v.(none); ok {
		return "None"
	}
	return typeName(v) + " object"
}

// getattr is obj.name: an attribute first, an element next.
func (r *run) getattr(obj Value, name *Str) Value {
	if u, ok := obj.(*Undefined); ok {
		r.undefinedAttr(u, name)
		return r.missing(obj, name)
	}
	if v := r.attribute(obj, name.s); v != nil {
		return v
	}
	if d, ok := obj.(*Dict); ok {
		if v, ok := d.find(name.s); ok {
			return v
		}
	}
	return r.missing(obj, name)
}

// undefinedAttr fails, other than for what every object of Python has: that is only unsafe.
func (r *run) undefinedAttr(u *Undefined, name *Str) {
	switch name.s {
	case "__class__", "__init__", "__doc__", "__str__", "__repr__", "__len__", "__eq__", "__hash__", "__module__":
		return
	}
	r.undefined(u)
}

// getitem is obj[key]: an element first, an attribute next.
func (r *run) getitem(obj, key Value) Value {
	if v := r.element(obj, key); v != nil {
		return v
	}
	if s, ok := key.(*Str); ok {
		if v := r.attribute(obj, s.s); v != nil {
			return v
		}
	}
	return r.missing(obj, key)
}

func (r *run) element(obj, key Value) Value {
	switch x := obj.(type) {
	case *Undefined:
		r.undefined(x)
	case *Dict:
		r.hashing(key)
		v, _, _ := x.get(key)
		return v
	case *List:
		if i, ok := elementIndex(key, len(x.items)); ok {
			return x.items[i]
		}
	case *Tuple:
		if i, ok := elementIndex(key, len(x.items)); ok {
			return x.items[i]
		}
	case *Range:
		if i, ok := elementIndex(key, int(x.n)); ok {
			return x.start + int64(i)*x.step
		}
	case *Str:
		r.reading(x)
		if i, ok := elementIndex(key, x.len()); ok {
			lo := x.offset(i)
			_, n := utf8.DecodeRuneInString(x.s[lo:])
			return x.sub(lo, lo+n)
		}
	case *Namespace:
		if s, ok := key.(*Str); ok {
			v, _ := x.attrs.find(s.s)
			return v
		}
	}
	return nil
}

func elementIndex(key Value, n int) (int, bool) {
	i, b, ok := asInt(key)
	if !ok || b != nil {
		return 0, false
	}
	if i < 0 {
		i += int64(n)
	}
	return int(i), i >= 0 && i < int64(n)
}

// attribute is Python's getattr as the sandbox allows it; nil when there is none.
func (r *run) attribute(obj Value, name string) Value {
	if strings.HasPrefix(name, "_") {
		return nil
	}
	switch x := obj.(type) {
	case *Str:
		return strMethod(x, name)
	case *Dict:
		return dictMethod(x, name)
	case *List:
		return listMethod(x.items, name, true)
	case *Tuple:
		if x.group && name == "grouper" {
			return x.items[0]
		}
		if x.group && name == "list" {
			return x.items[1]
		}
		return listMethod(x.items, name, false)
	case *loop:
		return r.loopAttr(x, name)
	case *Namespace:
		v, _ := x.attrs.find(name)
		return v
	case *Macro:
		return macroAttr(x, name)
	case *Range:
		return rangeAttr(x, name)
	case *cycler:
		return cyclerAttr(x, name)
	case bool, int64, *big.Int, float64:
		return numberAttr(obj, name)
	case *Undefined:
		r.undefined(x)
	}
	return nil
}

func (r *run) loopAttr(l *loop, name string) Value {
	switch name {
	case "index":
		return l.index0 + 1
	case "index0":
		return l.index0
	case "first":
		return l.index0 == 0
	case "last":
		return l.peek() == nil
	case "length":
		return l.len(r)
	case "revindex":
		return l.len(r) - l.index0
	case "revindex0":
		return l.len(r) - l.index0 - 1
	case "depth":
		return l.depth0 + 1
	case "depth0":
		return l.depth0
	case "previtem":
		if l.before == nil {
			return &Undefined{"there is no previous item"}
		}
		return l.before
	case "nextitem":
		if v := l.peek(); v != nil {
			return v
		}
		return &Undefined{"there is no next item"}
	case "cycle":
		return method("cycle", func(r *run, a args) Value {
			if len(a.pos) == 0 || len(a.kw) > 0 {
				r.typeErr("no items for cycling given")
			}
			n := int64(len(a.pos))
			return a.pos[((l.index0%n)+n)%n]
		})
	case "changed":
		return method("changed", func(r *run, a args) Value {
			v := &Tuple{items: a.pos}
			if l.changed != nil && r.equal(l.changed, v) {
				return false
			}
			l.changed = v
			return true
		})
	}
	return nil
}

func method(name string, f func(r *run, a args) Value) Value {
	return &Func{name: name, call: f, method: true}
}

func macroAttr(m *Macro, name string) Value {
	switch name {
	case "name":
		if m.def.name == "" {
			return none{}
		}
		return lit(m.def.name)
	case "arguments":
		l := &Tuple{}
		for _, p := range m.def.params {
			l.items = append(l.items, lit(p))
		}
		return l
	case "catch_kwargs":
		return m.def.kwargs
	case "catch_varargs":
		return m.def.varargs
	case "caller":
		return m.def.caller
	}
	return nil
}

func rangeAttr(x *Range, name string) Value {
	switch name {
	case "start":
		return x.start
	case "stop":
		return x.stop
	case "step":
		return x.step
	case "count", "index":
		items := make([]Value, x.n)
		for i := range items {
			items[i] = x.start + int64(i)*x.step
		}
		return listMethod(items, name, false)
	}
	return nil
}

func cyclerAttr(c *cycler, name string) Value {
	switch name {
	case "current":
		return c.items[c.pos]
	case "next":
		return method("next", func(r *run, a args) Value {
			r.bind("next", a)
			v := c.items[c.pos]
			c.pos = (c.pos + 1) % len(c.items)
			return v
		})
	case "reset":
		return method("reset", func(r *run, a args) Value {
			r.bind("reset", a)
			c.pos = 0
			return none{}
		})
	}
	return nil
}

func numberAttr(v Value, name string) Value {
	f, isFloat := v.(float64)
	switch name {
	case "real":
		if b, ok := v.(bool); ok {
			i, _, _ := asInt(b)
			return i
		}
		return v
	case "imag":
		if isFloat {
			return 0.0
		}
		return int64(0)
	case "conjugate":
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return numberAttr(v, "real")
		})
	}
	if isFloat {
		if name != "is_integer" {
			return nil
		}
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return f == math.Trunc(f) && !math.IsInf(f, 0)
		})
	}
	switch name {
	case "numerator":
		return numberAttr(v, "real")
	case "denominator":
		return int64(1)
	case "bit_length":
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return int64(toBig(v).BitLen())
		})
	}
	return nil
}

func dictMethod(d *Dict, name string) Value {
	switch name {
	case "items", "keys", "values":
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return &view{d, "dict_" + name}
		})
	case "get":
		return method(name, func(r *run, a args) Value {
			if len(a.kw) > 0 {
				r.typeErr("dict.get() takes no keyword arguments")
			}
			p := r.bind(name, a, "key", "default?")
			if r.has(d, p[0]) {
				v, _, _ := d.get(p[0])
				return v
			}
			if p[1] == nil {
				return none{}
			}
			return p[1]
		})
	case "copy":
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return r.copyDict(d)
		})
	case "fromkeys":
		return method(name, func(r *run, a args) Value {
			p := r.bind(name, a, "iterable", "value?")
			if p[1] == nil {
				p[1] = none{}
			}
			out := newDict(0)
			for _, k := range r.items(p[0]) {
				r.put(out, k, p[1])
			}
			return out
		})
	case "clear", "pop", "popitem", "setdefault", "update":
		return unsafeAttr(name, "dict")
	}
	return nil
}

func (r *run) copyDict(d *Dict) *Dict {
	r.grow(len(d.entries) * 4 * valueSize)
	out := newDict(len(d.entries))
	for _, e := range d.entries {
		out.set(e.key, e.val)
	}
	return out
}

// unsafeAttr is what would change a value.
func unsafeAttr(name, typ string) Value {
	return &Undefined{"access to attribute '" + name + "' of '" + typ + "' object is unsafe."}
}

func listMethod(items []Value, name string, list bool) Value {
	switch name {
	case "count":
		return method(name, func(r *run, a args) Value {
			p := r.bind(name, a, "value")
			n := int64(0)
			for _, e := range items {
				if same(e, p[0]) || r.equal(e, p[0]) {
					n++
				}
			}
			return n
		})
	case "index":
		return method(name, func(r *run, a args) Value {
			p := r.bind(name, a, "value", "start?", "stop?")
			lo, hi := r.window(p[1], p[2], len(items))
			for i := lo; i < hi; i++ {
				if same(items[i], p[0]) || r.equal(items[i], p[0]) {
					return int64(i)
				}
			}
			r.valueErr("value is not in list")
			return nil
		})
	}
	if !list {
		return nil
	}
	switch name {
	case "copy":
		return method(name, func(r *run, a args) Value {
			r.bind(name, a)
			return r.list(append([]Value(nil), items...))
		})
	case "append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove":
		return unsafeAttr(name, "list")
	}
	return nil
}
