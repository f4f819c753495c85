package jinja

func (r *run) exec(body []stmt, f *frame) flow {
	for _, s := range body {
		if fl := s.exec(r, f); fl != flowNext {
			return fl
		}
	}
	return flowNext
}

func (s *outputStmt) exec(r *run, f *frame) flow {
	for i := range s.parts {
		p := &s.parts[i]
		r.line = p.line
		r.step()
		if p.text != nil {
			r.write(p.text)
			continue
		}
		r.write(r.str(p.x.eval(r, f)))
	}
	return flowNext
}

func (s *ifStmt) exec(r *run, f *frame) flow {
	r.step()
	r.line = s.line
	if r.truth(s.test.eval(r, f)) {
		return r.exec(s.body, f)
	}
	for _, e := range s.elifs {
		r.line = e.line
		if r.truth(e.test.eval(r, f)) {
			return r.exec(e.body, f)
		}
	}
	return r.exec(s.els, f)
}

// loop is the loop variable, and the walk itself.
type loop struct {
	src    Value // nil when a condition filters it
	next   func() (Value, bool)
	index0 int64
	depth0 int64

	length             int64 // -1: not known yet
	after, cur, before Value // nil: missing
	changed            Value
	recurse            func(v Value, depth int64) Value
}

func (l *loop) peek() Value {
	if l.after == nil {
		if v, ok := l.next(); ok {
			l.after = v
		}
	}
	return l.after
}

func (l *loop) advance() (Value, bool) {
	v := l.after
	l.after = nil
	if v == nil {
		var ok bool
		if v, ok = l.next(); !ok {
			return nil, false
		}
	}
	l.index0++
	l.before, l.cur = l.cur, v
	return v, true
}

func (l *loop) len(r *run) int64 {
	if l.length >= 0 {
		return l.length
	}
	if l.src != nil {
		if n, ok := length(l.src); ok {
			l.length = int64(n)
			return l.length
		}
	}
	rest := r.drain(l.next)
	l.next = sliceIter(rest)
	l.length = int64(len(rest)) + l.index0 + 1
	if l.after != nil {
		l.length++
	}
	return l.length
}

func (s *forStmt) exec(r *run, f *frame) flow {
	r.line = s.line
	if !s.recursive {
		return s.walk(r, f, s.iter.eval(r, f), 0, nil)
	}
	var render func(v Value, depth int64) Value
	render = func(v Value, depth int64) Value {
		r.down()
		defer r.up()
		return r.capture(func() { s.walk(r, f, v, depth, render) })
	}
	r.write(r.str(render(s.iter.eval(r, f), 0)))
	return flowNext
}

func (s *forStmt) walk(r *run, f *frame, v Value, depth int64, recurse func(Value, int64) Value) flow {
	l := &loop{src: v, index0: -1, depth0: depth, length: -1, recurse: recurse, next: r.iter(v)}
	if s.test != nil {
		l.src, l.next = nil, s.filtered(r, f, l.next)
	}
	done := false
	for {
		r.step()
		item, ok := l.advance()
		if !ok {
			break
		}
		inner := r.enter(&s.loopF, f)
		inner.set(s.loopRef, l)
		r.assign(&s.target, item, inner)
		fl := r.exec(s.body, inner)
		if fl == flowBreak {
			break
		}
		// Jinja2 notes that the loop has run at the end of its body: where every pass is cut short, else still runs.
		done = done || fl == flowNext
	}
	if done || len(s.els) == 0 {
		return flowNext
	}
	return r.exec(s.els, r.enter(&s.elseF, f))
}

func (s *forStmt) filtered(r *run, f *frame, next func() (Value, bool)) func() (Value, bool) {
	inner := r.enter(&s.testF, f)
	return func() (Value, bool) {
		for {
			r.step()
			v, ok := next()
			if !ok {
				return nil, false
			}
			r.assign(&s.testTarget, v, inner)
			if r.truth(s.test.eval(r, inner)) {
				return v, true
			}
		}
	}
}

// assign gives a value to a target; f is the frame it is in.
func (r *run) assign(t *target, v Value, f *frame) {
	switch {
	case t.tuple:
		items := r.unpack(v, len(t.items))
		for i := range t.items {
			r.assign(&t.items[i], items[i], f)
		}
	case t.attr != nil:
		ns, ok := f.get(t.ref).(*Namespace)
		if !ok {
			r.raise(Runtime, "cannot assign attribute on non-namespace object")
		}
		r.grow(2 * valueSize)
		ns.attrs.set(t.attr, v)
	default:
		f.set(t.ref, v)
	}
}

func (r *run) unpack(v Value, n int) []Value {
	var items []Value
	next := r.iter(v)
	for {
		x, ok := next()
		if !ok {
			break
		}
		if len(items) == n {
			r.valueErr("too many values to unpack (expected %d)", n)
		}
		items = append(items, x)
	}
	if len(items) < n {
		r.valueErr("not enough values to unpack (expected %d, got %d)", n, len(items))
	}
	return items
}

// checkNamespaces fails before the value is made when a target's namespace is none.
func (r *run) checkNamespaces(t *target, f *frame) {
	for i := range t.items {
		r.checkNamespaces(&t.items[i], f)
	}
	if t.attr == nil {
		return
	}
	if _, ok := f.get(t.ref).(*Namespace); !ok {
		r.raise(Runtime, "cannot assign attribute on non-namespace object")
	}
}

func (r *run) exportTarget(t *target, f *frame) {
	for i := range t.items {
		r.exportTarget(&t.items[i], f)
	}
	if !t.tuple && t.attr == nil {
		r.export(t.name, f.get(t.ref))
	}
}

func (s *setStmt) exec(r *run, f *frame) flow {
	r.step()
	r.line = s.line
	r.checkNamespaces(&s.target, f)
	r.assign(&s.target, s.value.eval(r, f), f)
	if s.export {
		r.exportTarget(&s.target, f)
	}
	return flowNext
}

func (s *setBlockStmt) exec(r *run, f *frame) flow {
	r.step()
	inner := r.enter(&s.scope, f)
	fl := flowNext
	var v Value = r.capture(func() { fl = r.exec(s.body, inner) })
	if fl != flowNext {
		return fl
	}
	r.line = s.line
	if s.filter != nil {
		v = r.filterChain(s.filter, v, inner)
	}
	r.checkNamespaces(&s.target, f)
	r.assign(&s.target, v, f)
	if s.export {
		r.exportTarget(&s.target, f)
	}
	return flowNext
}

func (s *filterStmt) exec(r *run, f *frame) flow {
	r.step()
	inner := r.enter(&s.scope, f)
	fl := flowNext
	v := r.capture(func() { fl = r.exec(s.body, inner) })
	if fl != flowNext {
		return fl
	}
	r.line = s.line
	r.write(r.str(r.filterChain(s.filter, v, inner)))
	return flowNext
}

func (s *macroStmt) exec(r *run, f *frame) flow {
	r.step()
	m := &Macro{def: s.def, frame: f}
	f.set(s.ref, m)
	if s.export {
		r.export(s.name, m)
	}
	return flowNext
}

func (s *callStmt) exec(r *run, f *frame) flow {
	r.line = s.line
	v := s.call.call(r, f, &Macro{def: s.def, frame: f})
	r.write(r.str(v))
	return flowNext
}

func (s *generationStmt) exec(r *run, f *frame) flow {
	m := &Macro{def: s.def, frame: f}
	r.write(m.invoke(r, args{}))
	return flowNext
}

func (s *withStmt) exec(r *run, f *frame) flow {
	inner := r.enter(&s.scope, f)
	for i := range s.targets {
		r.assign(&s.targets[i], s.values[i].eval(r, f), inner)
	}
	return r.exec(s.body, inner)
}

func (s *scopeStmt) exec(r *run, f *frame) flow {
	return r.exec(s.body, r.enter(&s.scope, f))
}

func (s *blockStmt) exec(r *run, f *frame) flow {
	outer := r.exported
	if s.scoped {
		all := make(map[string]Value, len(outer)+len(s.locals))
		for n, v := range outer {
			all[n] = v
		}
		for n, at := range s.locals {
			if v := f.get(at); v != nil {
				all[n] = v
			}
		}
		r.exported = all
	}
	r.exec(s.body, r.enter(&s.scope, nil))
	r.exported = outer
	return flowNext
}

func (s *loopCtl) exec(r *run, _ *frame) flow {
	r.step()
	return s.flow
}

func (s *doStmt) exec(r *run, f *frame) flow {
	r.step()
	r.line = s.line
	s.x.eval(r, f)
	return flowNext
}

// Macro is a macro, or the body of a call block.
type Macro struct {
	def   *macroDef
	frame *frame
}

func (m *Macro) invoke(r *run, a args) *Str {
	d := m.def
	r.down()
	defer r.up()
	f := r.enter(&d.scope, m.frame)
	n := min(len(a.pos), len(d.params))
	for i := range n {
		f.set(d.refs[i], a.pos[i])
	}
	kw := append([]kwarg(nil), a.kw...)
	take := func(name string) Value {
		for i := range kw {
			if kw[i].name == name {
				v := kw[i].v
				kw = append(kw[:i], kw[i+1:]...)
				return v
			}
		}
		return nil
	}
	foundCaller := n == len(d.params) && d.explicitCaller
	for i := n; i < len(d.params); i++ {
		f.set(d.refs[i], take(d.params[i]))
		foundCaller = foundCaller || d.params[i] == "caller"
	}
	if d.caller && !foundCaller && !d.explicitCaller {
		c := take("caller")
		if c == nil {
			c = &Undefined{"No caller defined"}
		}
		f.set(d.callerRef, c)
	}
	if d.kwargs {
		f.set(d.kwargsRef, kwDict(kw))
		kw = nil
	}
	if len(kw) > 0 {
		r.typeErr("macro '%s' takes no keyword argument '%s'", d.name, kw[0].name)
	}
	switch {
	case d.varargs:
		f.set(d.varargsRef, &Tuple{items: a.pos[n:]})
	case len(a.pos) > n:
		r.typeErr("macro '%s' takes not more than %d argument(s)", d.name, len(d.params))
	}
	line := r.line
	out := r.capture(func() {
		m.defaults(r, f)
		r.exec(d.body, f)
	})
	r.line = line
	return out
}

func (m *Macro) defaults(r *run, f *frame) {
	d := m.def
	for i, at := range d.refs {
		if f.get(at) != nil {
			continue
		}
		if k := i - (len(d.params) - len(d.defaults)); k >= 0 {
			f.set(at, d.defaults[k].eval(r, f))
			continue
		}
		f.set(at, &Undefined{"parameter '" + d.params[i] + "' was not provided"})
	}
}

func kwDict(kw []kwarg) *Dict {
	d := newDict(len(kw))
	for _, k := range kw {
		d.set(lit(k.name), k.v)
	}
	return d
}
