package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// seqFilter has the filters over sequences.
func seqFilter(name string) builtin {
	switch name {
	case "first":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "seq")
			if x, ok := r.iter(v)(); ok {
				return x
			}
			return &Undefined{"No first item, sequence was empty."}
		}
	case "last":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "seq")
			items := r.reversible(v)
			if len(items) == 0 {
				return &Undefined{"No last item, sequence was empty."}
			}
			return items[len(items)-1]
		}
	case "list":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			return &List{r.drain(r.iter(v))}
		}
	case "items":
		return func(r *run, v Value, a args) Value {
			r.bindFilter(name, v, a, "value")
			return lazy(func() func() (Value, bool) {
				if _, ok := v.(*Undefined); ok {
					return sliceIter(nil)
				}
				d, ok := v.(*Dict)
				if !ok {
					r.typeErr("Can only get item pairs from a mapping.")
				}
				return r.iter(&view{d, "dict_items"})
			})
		}
	case "join":
		return filterJoin
	case "reverse":
		return filterReverse
	case "dictsort":
		return filterDictsort
	case "sort":
		return filterSort
	case "unique":
		return filterUnique
	case "min", "max":
		return func(r *run, v Value, a args) Value { return r.extreme(v, a, name) }
	case "sum":
		return filterSum
	case "batch":
		return filterBatch
	case "slice":
		return filterSlice
	case "groupby":
		return filterGroupby
	case "random":
		return func(r *run, _ Value, _ args) Value {
			r.raise(Runtime, "the filter 'random' is not supported: a prompt is the same every time")
			return nil
		}
	}
	return nil
}

// lazy is a generator: begin runs when the first value is asked for.
func lazy(begin func() func() (Value, bool)) Value {
	var next func() (Value, bool)
	return &Iter{typ: "generator", next: func() (Value, bool) {
		if next == nil {
			next = begin()
		}
		return next()
	}}
}

// reversible gives the items of what reversed() takes.
func (r *run) reversible(v Value) []Value {
	switch v.(type) {
	case *Str, *List, *Tuple, *Range, *Dict, *view, *Undefined:
		return r.items(v)
	}
	r.typeErr("'%s' object is not reversible", typeName(v))
	return nil
}

func filterReverse(r *run, v Value, a args) Value {
	r.bindFilter("reverse", v, a, "value")
	switch x := v.(type) {
	case *Str:
		return r.sliceStr(x, x.len()-1, x.len(), -1)
	case *List, *Tuple, *Range, *Dict, *view, *Undefined:
		items := r.items(v)
		i := len(items)
		typ := map[string]string{"list": "list_reverseiterator", "range": "range_iterator", "dict": "dict_reversekeyiterator"}[typeName(v)]
		if typ == "" {
			typ = "reversed"
		}
		return &Iter{typ: typ, next: func() (Value, bool) {
			if i--; i < 0 {
				return nil, false
			}
			return items[i], true
		}}
	}
	items := r.drain(r.iter(v))
	slices.Reverse(items)
	return &List{items}
}

func filterJoin(r *run, v Value, a args) Value {
	p := r.bindFilter("join", v, a, "value", "d?", "attribute?")
	sep := lit("")
	if p[1] != nil {
		sep = plain(r.str(p[1]))
	}
	get := r.getter(p[2], false, nil)
	next := r.iter(v)
	w := &buffer{}
	for i := 0; ; i++ {
		e, ok := next()
		if !ok {
			return w.str()
		}
		r.step()
		s := r.str(get(e))
		r.grow(len(s.s) + len(sep.s))
		if i > 0 {
			w.add(sep)
		}
		w.add(s)
	}
}

// getter reads an attribute by a dotted path; nil or None as path reads the value itself. fold lowers strings.
func (r *run) getter(path Value, fold bool, def Value) func(Value) Value {
	parts := attrParts(path)
	return func(v Value) Value {
		for _, p := range parts {
			v = r.getitem(v, p)
			if _, ok := v.(*Undefined); ok && given(def) {
				v = def
			}
		}
		if fold {
			return r.fold(v)
		}
		return v
	}
}

func (r *run) fold(v Value) Value {
	if s, ok := v.(*Str); ok {
		return r.cased(s, "lower")
	}
	return v
}

func attrParts(path Value) []Value {
	if !given(path) {
		return nil
	}
	s, ok := path.(*Str)
	if !ok {
		return []Value{path}
	}
	var out []Value
	for _, p := range strings.Split(s.s, ".") {
		if n, err := strconv.ParseInt(p, 10, 64); err == nil && strings.Trim(p, "0123456789") == "" {
			out = append(out, n)
			continue
		}
		out = append(out, lit(p))
	}
	return out
}

// sortedBy gives the order of keys, stable.
func (r *run) sortedBy(keys []Value, reverse bool) []int {
	r.grow(len(keys) * 8)
	order := make([]int, len(keys))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		a, b := keys[i], keys[j]
		if reverse {
			a, b = b, a
		}
		switch {
		case r.order("<", a, b):
			return -1
		case r.order("<", b, a):
			return 1
		}
		return 0
	})
	return order
}

func (r *run) pick(items []Value, order []int) *List {
	out := make([]Value, len(order))
	for i, at := range order {
		out[i] = items[at]
	}
	return r.list(out)
}

func filterDictsort(r *run, v Value, a args) Value {
	p := r.bindFilter("dictsort", v, a, "value", "case_sensitive?", "by?", "reverse?")
	pos := 0
	if p[2] != nil {
		switch r.str(p[2]).s {
		case "key":
		case "value":
			pos = 1
		default:
			r.raise(Runtime, `You can only sort by either "key" or "value"`)
		}
	}
	d, ok := v.(*Dict)
	if !ok {
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("'%s' object has no attribute 'items'", typeName(v))
	}
	items := r.drain(r.iter(&view{d, "dict_items"}))
	keys := make([]Value, len(items))
	for i, e := range d.entries {
		keys[i] = [2]Value{e.key, e.val}[pos]
		if !r.flag(p[1]) {
			keys[i] = r.fold(keys[i])
		}
	}
	return r.pick(items, r.sortedBy(keys, r.flag(p[3])))
}

func filterSort(r *run, v Value, a args) Value {
	p := r.bindFilter("sort", v, a, "value", "reverse?", "case_sensitive?", "attribute?")
	paths := []Value{p[3]}
	if s, ok := p[3].(*Str); ok {
		paths = nil
		for _, x := range strings.Split(s.s, ",") {
			paths = append(paths, lit(x))
		}
	}
	items := r.drain(r.iter(v))
	keys := make([]Value, len(items))
	for i, e := range items {
		k := make([]Value, len(paths))
		for j, path := range paths {
			k[j] = r.getter(path, !r.flag(p[2]), nil)(e)
		}
		keys[i] = &List{k}
	}
	return r.pick(items, r.sortedBy(keys, r.flag(p[1])))
}

func filterUnique(r *run, v Value, a args) Value {
	p := r.bindFilter("unique", v, a, "value", "case_sensitive?", "attribute?")
	get := r.getter(p[2], !r.flag(p[1]), nil)
	return lazy(func() func() (Value, bool) {
		seen := newDict(0)
		next := r.iter(v)
		return func() (Value, bool) {
			for {
				e, ok := next()
				if !ok {
					return nil, false
				}
				r.step()
				k := get(e)
				if r.has(seen, k) {
					continue
				}
				r.grow(4 * valueSize)
				r.put(seen, k, true)
				return e, true
			}
		}
	})
}

func (r *run) extreme(v Value, a args, name string) Value {
	p := r.bindFilter(name, v, a, "value", "case_sensitive?", "attribute?")
	get := r.getter(p[2], !r.flag(p[1]), nil)
	next := r.iter(v)
	best, ok := next()
	if !ok {
		return &Undefined{"No aggregated item, sequence was empty."}
	}
	key := get(best)
	for {
		e, ok := next()
		if !ok {
			return best
		}
		k := get(e)
		if name == "min" && r.order("<", k, key) || name == "max" && r.order(">", k, key) {
			best, key = e, k
		}
	}
}

func filterSum(r *run, v Value, a args) Value {
	p := r.bindFilter("sum", v, a, "iterable", "attribute?", "start?")
	total := Value(int64(0))
	if p[2] != nil {
		total = p[2]
	}
	if _, ok := total.(*Str); ok {
		r.typeErr("sum() can't sum strings [use ''.join(seq) instead]")
	}
	get := r.getter(p[1], false, nil)
	next := r.iter(v)
	for {
		e, ok := next()
		if !ok {
			return total
		}
		r.step()
		total = r.arith("+", total, get(e))
	}
}

func filterBatch(r *run, v Value, a args) Value {
	p := r.bindFilter("batch", v, a, "value", "linecount", "fill_with?")
	return lazy(func() func() (Value, bool) {
		next, end := r.iter(v), false
		var held Value
		return func() (Value, bool) {
			if end {
				return nil, false
			}
			var row []Value
			if held != nil {
				row = append(row, held)
				held = nil
			}
			for {
				e, ok := next()
				if !ok {
					break
				}
				r.step()
				if r.equal(int64(len(row)), p[1]) {
					held = e
					return r.list(row), true
				}
				row = append(row, e)
			}
			end = true
			if len(row) == 0 {
				return nil, false
			}
			if given(p[2]) && r.order("<", int64(len(row)), p[1]) {
				n := r.index(p[1])
				r.grow(n * valueSize)
				for len(row) < n {
					row = append(row, p[2])
				}
			}
			return r.list(row), true
		}
	})
}

func filterSlice(r *run, v Value, a args) Value {
	p := r.bindFilter("slice", v, a, "value", "slices", "fill_with?")
	return lazy(func() func() (Value, bool) {
		items := r.drain(r.iter(v))
		n := r.index(p[1])
		if n == 0 {
			r.raise(Runtime, "integer division or modulo by zero")
		}
		if n < 0 {
			return sliceIter(nil)
		}
		per, extra := len(items)/n, len(items)%n
		i, offset := -1, 0
		return func() (Value, bool) {
			if i++; i >= n {
				return nil, false
			}
			start := offset + i*per
			if i < extra {
				offset++
			}
			end := offset + (i+1)*per
			row := append([]Value(nil), items[start:end]...)
			if given(p[2]) && i >= extra {
				row = append(row, p[2])
			}
			return r.list(row), true
		}
	})
}

func filterGroupby(r *run, v Value, a args) Value {
	p := r.bindFilter("groupby", v, a, "value", "attribute", "default?", "case_sensitive?")
	sensitive := r.flag(p[3])
	key := r.getter(p[1], !sensitive, p[2])
	actual := r.getter(p[1], false, p[2])
	items := r.drain(r.iter(v))
	keys := make([]Value, len(items))
	for i, e := range items {
		keys[i] = key(e)
	}
	var out []Value
	var group []Value
	var at Value
	flush := func() {
		if len(group) > 0 {
			k := at
			if !sensitive {
				k = actual(group[0])
			}
			out = append(out, &Tuple{items: []Value{k, r.list(group)}, group: true})
		}
	}
	for _, i := range r.sortedBy(keys, false) {
		if len(group) == 0 || !r.equal(at, keys[i]) {
			flush()
			group, at = nil, keys[i]
		}
		group = append(group, items[i])
	}
	flush()
	return r.list(out)
}
