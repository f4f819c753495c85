package jinja

func (e *constExpr) eval(*run, *frame) Value { return e.v }

func (e *nameExpr) eval(r *run, f *frame) Value {
	r.step()
	if v := f.get(e.ref); v != nil {
		return v
	}
	return &Undefined{"'" + e.name + "' is undefined"}
}

func (r *run) evalAll(xs []expr, f *frame) []Value {
	out := make([]Value, len(xs))
	for i, x := range xs {
		out[i] = x.eval(r, f)
	}
	return out
}

func (e *tupleExpr) eval(r *run, f *frame) Value {
	r.grow(len(e.items) * valueSize)
	return &Tuple{items: r.evalAll(e.items, f)}
}

func (e *listExpr) eval(r *run, f *frame) Value {
	r.grow(len(e.items) * valueSize)
	return &List{r.evalAll(e.items, f)}
}

func (e *dictExpr) eval(r *run, f *frame) Value {
	r.grow(len(e.keys) * 4 * valueSize)
	d := newDict(len(e.keys))
	for i, k := range e.keys {
		key := k.eval(r, f)
		r.put(d, key, e.vals[i].eval(r, f))
	}
	return d
}

func (r *run) put(d *Dict, k, v Value) {
	r.hashing(k)
	if !d.set(k, v) {
		r.typeErr("unhashable type: '%s'", typeName(k))
	}
}

func (e *binExpr) eval(r *run, f *frame) Value {
	r.step()
	a := e.l.eval(r, f)
	b := e.r.eval(r, f)
	r.line = e.line
	return r.arith(e.op, a, b)
}

func (e *andExpr) eval(r *run, f *frame) Value {
	r.step()
	if v := e.l.eval(r, f); !r.truth(v) {
		return v
	}
	return e.r.eval(r, f)
}

func (e *orExpr) eval(r *run, f *frame) Value {
	r.step()
	if v := e.l.eval(r, f); r.truth(v) {
		return v
	}
	return e.r.eval(r, f)
}

func (e *notExpr) eval(r *run, f *frame) Value {
	r.step()
	return !r.truth(e.x.eval(r, f))
}

func (e *negExpr) eval(r *run, f *frame) Value {
	r.step()
	return r.negate(e.x.eval(r, f), e.plus)
}

func (e *concatExpr) eval(r *run, f *frame) Value {
	r.step()
	vals := r.evalAll(e.items, f)
	w := buffer{}
	for _, v := range vals {
		s := r.str(v)
		r.grow(len(s.s))
		w.add(s)
	}
	return w.str()
}

func (e *compareExpr) eval(r *run, f *frame) Value {
	a := e.x.eval(r, f)
	for i, op := range e.ops {
		r.step()
		b := e.rest[i].eval(r, f)
		if !r.compare(op, a, b) {
			return false
		}
		a = b
	}
	return true
}

func (e *condExpr) eval(r *run, f *frame) Value {
	r.step()
	if r.truth(e.test.eval(r, f)) {
		return e.yes.eval(r, f)
	}
	if e.no == nil {
		return &Undefined{"the inline if-expression evaluated to false and no else section was defined."}
	}
	return e.no.eval(r, f)
}

func (e *attrExpr) eval(r *run, f *frame) Value {
	r.step()
	v := e.x.eval(r, f)
	r.line = e.line
	return r.getattr(v, e.name)
}

func (e *itemExpr) eval(r *run, f *frame) Value {
	r.step()
	v := e.x.eval(r, f)
	if s, ok := e.key.(*sliceExpr); ok {
		lo, hi, step := s.bounds(r, f)
		r.line = e.line
		return r.slice(v, lo, hi, step)
	}
	k := e.key.eval(r, f)
	r.line = e.line
	return r.getitem(v, k)
}

func (e *sliceExpr) bounds(r *run, f *frame) (lo, hi, step Value) {
	at := func(x expr) Value {
		if x == nil {
			return none{}
		}
		return x.eval(r, f)
	}
	return at(e.lo), at(e.hi), at(e.step)
}

// eval is for a slice inside a tuple of subscripts, which nothing takes.
func (e *sliceExpr) eval(r *run, f *frame) Value {
	e.bounds(r, f)
	return &Func{name: "slice"}
}

func (a *callArgs) eval(r *run, f *frame) args {
	var out args
	if len(a.pos) > 0 {
		out.pos = r.evalAll(a.pos, f)
	}
	for _, k := range a.kw {
		out.kw = append(out.kw, kwarg{k.name, k.x.eval(r, f)})
	}
	if a.dyn != nil {
		out.pos = append(out.pos, r.drain(r.iter(a.dyn.eval(r, f)))...)
	}
	if a.dynMap == nil {
		return out
	}
	d, ok := a.dynMap.eval(r, f).(*Dict)
	if !ok {
		r.typeErr("argument after ** must be a mapping")
	}
	for _, e := range d.entries {
		k, ok := e.key.(*Str)
		if !ok {
			r.typeErr("keywords must be strings")
		}
		for _, x := range out.kw {
			if x.name == k.s {
				r.typeErr("got multiple values for keyword argument '%s'", k.s)
			}
		}
		out.kw = append(out.kw, kwarg{k.s, e.val})
	}
	return out
}

func (e *callExpr) eval(r *run, f *frame) Value { return e.call(r, f, nil) }

func (e *callExpr) call(r *run, f *frame, caller *Macro) Value {
	r.step()
	fn := e.fn.eval(r, f)
	a := e.args.eval(r, f)
	if caller != nil {
		a.kw = append(a.kw, kwarg{"caller", caller})
	}
	r.line = e.line
	return r.call(fn, a)
}

func (r *run) call(fn Value, a args) Value {
	switch x := fn.(type) {
	case *Func:
		if x.call == nil {
			r.typeErr("'%s' object is not callable", x.name)
		}
		return x.call(r, a)
	case *Macro:
		return x.invoke(r, a)
	case *loop:
		p := r.bind("loop", a, "iterable")
		if x.recurse == nil {
			r.typeErr("The loop must have the 'recursive' marker to be called recursively.")
		}
		return x.recurse(p[0], x.depth0+1)
	case *Undefined:
		r.undefined(x)
	}
	r.typeErr("'%s' object is not callable", typeName(fn))
	return nil
}

// undefined fails with what an undefined value has to say.
func (r *run) undefined(u *Undefined) {
	r.raise(undefinedError, "%s", u.msg)
}

func (e *filterExpr) eval(r *run, f *frame) Value {
	r.step()
	return e.apply(r, e.x.eval(r, f), f)
}

func (e *filterExpr) apply(r *run, v Value, f *frame) Value {
	a := e.args.eval(r, f)
	r.line = e.line
	r.reading(v)
	if e.fn == nil {
		r.raise(Runtime, "No filter named '%s' found.", e.name)
	}
	return e.fn(r, v, a)
}

// filterChain applies filters to what a block wrote.
func (r *run) filterChain(e expr, v Value, f *frame) Value {
	x, ok := e.(*filterExpr)
	if !ok {
		return v
	}
	if x.x != nil {
		v = r.filterChain(x.x, v, f)
	}
	r.step()
	return x.apply(r, v, f)
}

func (e *testExpr) eval(r *run, f *frame) Value {
	r.step()
	v := e.x.eval(r, f)
	a := e.args.eval(r, f)
	r.line = e.line
	r.reading(v)
	if e.fn == nil {
		r.raise(Runtime, "No test named '%s' found.", e.name)
	}
	return e.fn(r, v, a)
}
