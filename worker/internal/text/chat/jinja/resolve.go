package jinja

import "fmt"

// static is a scope while names are being resolved.
type static struct {
	sym  *symbols
	soft bool // inside an if: an unknown filter matters only when it is reached
	top  bool // the template's outermost scope
}

// resolver gives every name its place and every scope its loads.
type resolver struct{}

func (r resolver) fail(line int, format string, a ...any) {
	panic(&Error{Kind: Syntax, Line: line, Msg: fmt.Sprintf(format, a...)})
}

func (r resolver) body(body []stmt, st static) {
	for _, s := range body {
		r.stmt(s, st)
	}
}

func (r resolver) stmt(s stmt, st static) {
	switch x := s.(type) {
	case *outputStmt:
		for _, p := range x.parts {
			r.expr(p.x, st)
		}
	case *doStmt:
		r.expr(x.x, st)
	case *ifStmt:
		r.ifStmt(x, st)
	case *forStmt:
		r.forStmt(x, st)
	case *setStmt:
		r.expr(x.value, st)
		r.target(&x.target, st)
		x.export = st.top
	case *setBlockStmt:
		inner := static{sym: newSymbols(st.sym)}
		inner.sym.visit(x.body)
		inner.sym.loadsOf(x.filter)
		r.body(x.body, inner)
		r.expr(x.filter, inner)
		r.target(&x.target, st)
		x.export = st.top
		x.scope = inner.sym.scope()
	case *macroStmt:
		r.macro(x.def, st)
		x.ref, _ = st.sym.find(x.name)
		x.export = st.top
	case *callStmt:
		r.macro(x.def, st)
		r.expr(x.call, st)
	case *generationStmt:
		r.macro(x.def, st)
	case *filterStmt:
		inner := static{sym: newSymbols(st.sym)}
		inner.sym.visit(x.body)
		inner.sym.loadsOf(x.filter)
		r.body(x.body, inner)
		r.expr(x.filter, inner)
		x.scope = inner.sym.scope()
	case *withStmt:
		r.with(x, st)
	case *scopeStmt:
		inner := static{sym: newSymbols(st.sym)}
		inner.sym.visit(x.body)
		r.body(x.body, inner)
		x.scope = inner.sym.scope()
	case *blockStmt:
		r.block(x, st)
	}
}

func (r resolver) ifStmt(x *ifStmt, st static) {
	st.soft = true
	r.expr(x.test, st)
	r.body(x.body, st)
	for _, e := range x.elifs {
		r.expr(e.test, st)
		r.body(e.body, st)
	}
	r.body(x.els, st)
}

func (r resolver) forStmt(x *forStmt, st static) {
	if assignsLoop(x) {
		r.fail(x.line, "Can't assign to special loop variable in for-loop target")
	}
	r.expr(x.iter, st)
	if x.test != nil {
		test := static{sym: newSymbols(st.sym)}
		test.sym.assign(x.target, true)
		test.sym.loadsOf(x.test)
		t := x.target
		// The test sees the loop's variables through the slots of its own scope, which the first names take.
		r.target(&t, test)
		r.expr(x.test, test)
		x.testF = test.sym.scope()
		x.testTarget = t
	}
	inner := static{sym: newSymbols(st.sym)}
	x.loopRef = inner.sym.param("loop")
	inner.sym.assign(x.target, true)
	inner.sym.visit(x.body)
	r.target(&x.target, inner)
	r.body(x.body, inner)
	x.loopF = inner.sym.scope()
	if len(x.els) > 0 {
		els := static{sym: newSymbols(st.sym)}
		els.sym.visit(x.els)
		r.body(x.els, els)
		x.elseF = els.sym.scope()
	}
}

func (r resolver) with(x *withStmt, st static) {
	inner := static{sym: newSymbols(st.sym)}
	for _, t := range x.targets {
		inner.sym.assign(t, true)
	}
	inner.sym.visit(x.body)
	for i := range x.targets {
		r.target(&x.targets[i], inner)
		r.expr(x.values[i], st)
	}
	r.body(x.body, inner)
	x.scope = inner.sym.scope()
}

// block resolves a block's body on its own: it sees the template's variables and what the template has set at its
// outermost, and, when scoped, what is around it.
func (r resolver) block(x *blockStmt, st static) {
	inner := static{sym: newSymbols(nil)}
	inner.sym.visit(x.body)
	r.body(x.body, inner)
	x.scope = inner.sym.scope()
	if !x.scoped {
		return
	}
	x.locals = map[string]ref{}
	for s := st.sym; s != nil; s = s.parent {
		for n := range s.stores {
			if _, ok := x.locals[n]; !ok {
				x.locals[n], _ = st.sym.find(n)
			}
		}
	}
}

func (r resolver) macro(d *macroDef, st static) {
	inner := static{sym: newSymbols(st.sym)}
	analyze := func() {
		for _, p := range d.params {
			inner.sym.param(p)
		}
		for _, e := range d.defaults {
			inner.sym.loadsOf(e)
		}
		inner.sym.visit(d.body)
	}
	analyze()
	has := map[string]int{}
	for i, p := range d.params {
		has[p] = i + 1
	}
	if asks(d.body, "caller") {
		if i := has["caller"]; i > 0 {
			if len(d.params)-i >= len(d.defaults) {
				r.fail(d.line, `When defining macros or call blocks the special "caller" argument must be omitted `+
					"or be given a default.")
			}
			d.explicitCaller = true
		} else {
			d.callerRef = inner.sym.param("caller")
		}
		d.caller = true
	}
	if asks(d.body, "kwargs") && has["kwargs"] == 0 {
		d.kwargs, d.kwargsRef = true, inner.sym.param("kwargs")
	}
	if asks(d.body, "varargs") && has["varargs"] == 0 {
		d.varargs, d.varargsRef = true, inner.sym.param("varargs")
	}
	for _, p := range d.params {
		ref, _ := inner.sym.find(p)
		d.refs = append(d.refs, ref)
	}
	for _, e := range d.defaults {
		r.expr(e, inner)
	}
	r.body(d.body, inner)
	d.scope = inner.sym.scope()
}

func (r resolver) target(t *target, st static) {
	if t.tuple {
		items := make([]target, len(t.items))
		copy(items, t.items)
		for i := range items {
			r.target(&items[i], st)
		}
		t.items = items
		return
	}
	t.ref, _ = st.sym.find(t.name)
}

func (r resolver) expr(e expr, st static) {
	switch x := e.(type) {
	case nil:
		return
	case *nameExpr:
		ref, ok := st.sym.find(x.name)
		if !ok { // names in a filter over a block of set are noted late
			st.sym.load(x.name)
			ref, _ = st.sym.find(x.name)
		}
		x.ref = ref
		return
	case *condExpr:
		st.soft = true
	case *filterExpr:
		if x.fn == nil && !st.soft {
			r.fail(x.line, "No filter named '%s'.", x.name)
		}
	case *testExpr:
		if x.fn == nil && !st.soft {
			r.fail(x.line, "No test named '%s'.", x.name)
		}
	}
	forEachExpr(e, func(e expr) { r.expr(e, st) })
}

// asks says whether a body reads a name before it assigns to it, anywhere within.
func asks(body []stmt, name string) bool {
	a := asker{name: name}
	a.body(body)
	return a.found
}

type asker struct {
	name        string
	found, done bool
}

func (a *asker) expr(e expr) {
	if e == nil || a.done {
		return
	}
	if n, ok := e.(*nameExpr); ok {
		if n.name == a.name {
			a.found, a.done = true, true
		}
		return
	}
	forEachExpr(e, a.expr)
}

func (a *asker) target(t target) {
	if t.tuple {
		for _, i := range t.items {
			a.target(i)
		}
		return
	}
	if t.attr == nil && t.name == a.name {
		a.done = true
	}
}

func (a *asker) macro(d *macroDef) {
	for _, p := range d.params {
		if p == a.name {
			a.done = true
		}
	}
	for _, e := range d.defaults {
		a.expr(e)
	}
	a.body(d.body)
}

func (a *asker) body(body []stmt) {
	for _, s := range body {
		if a.done {
			return
		}
		a.stmt(s)
	}
}

func (a *asker) stmt(s stmt) {
	switch x := s.(type) {
	case *outputStmt:
		for _, p := range x.parts {
			a.expr(p.x)
		}
	case *doStmt:
		a.expr(x.x)
	case *ifStmt:
		a.expr(x.test)
		a.body(x.body)
		for _, e := range x.elifs {
			a.stmt(e)
		}
		a.body(x.els)
	case *forStmt:
		a.target(x.target)
		a.expr(x.iter)
		a.body(x.body)
		a.body(x.els)
		a.expr(x.test)
	case *setStmt:
		a.target(x.target)
		a.expr(x.value)
	case *setBlockStmt:
		a.target(x.target)
		a.expr(x.filter)
		a.body(x.body)
	case *macroStmt:
		a.macro(x.def)
	case *callStmt:
		a.expr(x.call)
		a.macro(x.def)
	case *generationStmt:
		a.macro(x.def)
	case *filterStmt:
		a.body(x.body)
		a.expr(x.filter)
	case *withStmt:
		for _, t := range x.targets {
			a.target(t)
		}
		for _, v := range x.values {
			a.expr(v)
		}
		a.body(x.body)
	case *scopeStmt:
		a.body(x.body)
	}
}

// assignsLoop says whether anything within a loop assigns to the name loop.
func assignsLoop(x *forStmt) bool {
	return targetIs(x.target, "loop") || bodyAssigns(x.body, "loop") || bodyAssigns(x.els, "loop")
}

func targetIs(t target, name string) bool {
	if t.tuple {
		for _, i := range t.items {
			if targetIs(i, name) {
				return true
			}
		}
		return false
	}
	return t.attr == nil && t.name == name
}

func bodyAssigns(body []stmt, name string) bool {
	for _, s := range body {
		switch x := s.(type) {
		case *ifStmt:
			if bodyAssigns(x.body, name) || bodyAssigns(x.els, name) {
				return true
			}
			for _, e := range x.elifs {
				if bodyAssigns([]stmt{e}, name) {
					return true
				}
			}
		case *setStmt:
			if targetIs(x.target, name) {
				return true
			}
		case *setBlockStmt:
			if targetIs(x.target, name) || bodyAssigns(x.body, name) {
				return true
			}
		case *filterStmt:
			if bodyAssigns(x.body, name) {
				return true
			}
		case *withStmt:
			if bodyAssigns(x.body, name) {
				return true
			}
		case *scopeStmt:
			if bodyAssigns(x.body, name) {
				return true
			}
		case *macroStmt:
			if bodyAssigns(x.def.body, name) {
				return true
			}
		}
	}
	return false
}
