package jinja

// pickFilter has map and the filters that choose by a test.
func pickFilter(name string) builtin {
	switch name {
	case "map":
		return filterMap
	case "select", "reject":
		return func(r *run, v Value, a args) Value { return r.choose(v, a, false, name == "select") }
	case "selectattr", "rejectattr":
		return func(r *run, v Value, a args) Value { return r.choose(v, a, true, name == "selectattr") }
	}
	return nil
}

// over is a generator over v that is empty when v is; begin makes the function that treats one value and says whether
// to give it on.
func (r *run) over(v Value, begin func() func(Value) (Value, bool)) Value {
	return lazy(func() func() (Value, bool) {
		if !r.truth(v) {
			return sliceIter(nil)
		}
		f := begin()
		next := r.iter(v)
		return func() (Value, bool) {
			for {
				e, ok := next()
				if !ok {
					return nil, false
				}
				r.step()
				if out, keep := f(e); keep {
					return out, true
				}
			}
		}
	})
}

func filterMap(r *run, v Value, a args) Value {
	return r.over(v, func() func(Value) (Value, bool) {
		f := r.mapper(a)
		return func(e Value) (Value, bool) { return f(e), true }
	})
}

func (r *run) mapper(a args) func(Value) Value {
	var attr, def Value
	for _, k := range a.kw {
		switch k.name {
		case "attribute":
			attr = k.v
		case "default":
			def = k.v
		}
	}
	if len(a.pos) == 0 && attr != nil {
		for _, k := range a.kw {
			if k.name != "attribute" && k.name != "default" {
				r.raise(Runtime, "Unexpected keyword argument '%s'", k.name)
			}
		}
		return r.getter(attr, false, def)
	}
	if len(a.pos) == 0 {
		r.raise(Runtime, "map requires a filter argument")
	}
	rest := args{pos: a.pos[1:], kw: a.kw}
	return func(e Value) Value { return r.filterNamed(a.pos[0])(r, e, rest) }
}

func (r *run) filterNamed(v Value) builtin {
	if s, ok := v.(*Str); ok {
		if f := filterByName(s.s); f != nil {
			return f
		}
	}
	r.raise(Runtime, "No filter named '%s'.", r.str(v).s)
	return nil
}

func (r *run) testNamed(v Value) builtin {
	if s, ok := v.(*Str); ok {
		if f := testByName(s.s); f != nil {
			return f
		}
	}
	r.raise(Runtime, "No test named '%s'.", r.str(v).s)
	return nil
}

func (r *run) choose(v Value, a args, attr, want bool) Value {
	return r.over(v, func() func(Value) (Value, bool) {
		get := func(e Value) Value { return e }
		pos := a.pos
		if attr {
			if len(pos) == 0 {
				r.raise(Runtime, "Missing parameter for attribute name")
			}
			get = r.getter(pos[0], false, nil)
			pos = pos[1:]
		}
		if len(pos) == 0 {
			return func(e Value) (Value, bool) { return e, r.truth(get(e)) == want }
		}
		rest := args{pos: pos[1:], kw: a.kw}
		return func(e Value) (Value, bool) {
			return e, r.truth(r.testNamed(pos[0])(r, get(e), rest)) == want
		}
	})
}
