package jinja

import "maps"

// Where a variable lives is settled before a template runs, by Jinja2's own rules: a scope is a loop's body, a macro, a
// block that captures; an if is none. A scope that assigns to a name has a variable of its own for it, which starts as
// a copy of the one outside. A name that no scope around assigns to is looked up among the template's variables when
// the scope is entered.

type loadKind uint8

const (
	loadParam     loadKind = iota // set by who enters the scope
	loadResolve                   // from the template's variables
	loadAlias                     // a copy of an outer variable
	loadUndefined                 // nothing yet
)

type load struct {
	kind loadKind
	name string
	from ref
}

// scope is what entering a scope does: make a frame with so many variables and fill it.
type scope struct {
	level int
	size  int
	loads []slotLoad
}

type slotLoad struct {
	slot int
	load
}

// slots numbers the variables of one scope; copies of its symbols share it.
type slots struct{ names map[string]int }

type symbols struct {
	parent *symbols
	level  int
	slots  *slots
	refs   map[string]bool
	loads  map[string]load
	stores map[string]bool
}

func newSymbols(parent *symbols) *symbols {
	s := &symbols{
		parent: parent,
		slots:  &slots{map[string]int{}},
		refs:   map[string]bool{},
		loads:  map[string]load{},
		stores: map[string]bool{},
	}
	if parent != nil {
		s.level = parent.level + 1
	}
	return s
}

func (s *symbols) copy() *symbols {
	c := *s
	c.refs, c.loads, c.stores = maps.Clone(s.refs), maps.Clone(s.loads), maps.Clone(s.stores)
	return &c
}

func (s *symbols) own(name string) ref {
	i, ok := s.slots.names[name]
	if !ok {
		i = len(s.slots.names)
		s.slots.names[name] = i
	}
	return ref{s.level, i}
}

func (s *symbols) find(name string) (ref, bool) {
	for ; s != nil; s = s.parent {
		if s.refs[name] {
			return s.own(name), true
		}
	}
	return ref{}, false
}

func (s *symbols) define(name string, l load) ref {
	s.refs[name] = true
	s.loads[name] = l
	return s.own(name)
}

func (s *symbols) store(name string) {
	s.stores[name] = true
	if s.refs[name] {
		return
	}
	if s.parent != nil {
		if outer, ok := s.parent.find(name); ok {
			s.define(name, load{kind: loadAlias, from: outer})
			return
		}
	}
	s.define(name, load{kind: loadUndefined})
}

func (s *symbols) param(name string) ref {
	s.stores[name] = true
	return s.define(name, load{kind: loadParam})
}

func (s *symbols) load(name string) {
	if _, ok := s.find(name); !ok {
		s.define(name, load{kind: loadResolve, name: name})
	}
}

// merge takes over what the branches of an if did. A name that only some branch assigns to starts as what it is
// outside.
func (s *symbols) merge(branches ...*symbols) {
	stores := map[string]bool{}
	for _, b := range branches {
		for n := range b.stores {
			if !s.stores[n] {
				stores[n] = true
			}
		}
	}
	for _, b := range branches {
		maps.Copy(s.refs, b.refs)
		maps.Copy(s.loads, b.loads)
		maps.Copy(s.stores, b.stores)
	}
	for n := range stores {
		if s.parent != nil {
			if outer, ok := s.parent.find(n); ok {
				s.loads[n] = load{kind: loadAlias, from: outer}
				continue
			}
		}
		s.loads[n] = load{kind: loadResolve, name: n}
	}
}

func (s *symbols) scope() scope {
	out := scope{level: s.level, size: len(s.slots.names)}
	for n, l := range s.loads {
		if l.kind == loadAlias || l.kind == loadResolve {
			out.loads = append(out.loads, slotLoad{s.slots.names[n], l})
		}
	}
	return out
}

// loadsOf notes the names an expression reads.
func (s *symbols) loadsOf(e expr) {
	if e == nil {
		return
	}
	if n, ok := e.(*nameExpr); ok {
		s.load(n.name)
		return
	}
	forEachExpr(e, s.loadsOf)
}

// assign notes an assignment; asParam is for the variables of a loop.
func (s *symbols) assign(t target, asParam bool) {
	switch {
	case t.tuple:
		for _, i := range t.items {
			s.assign(i, asParam)
		}
	case t.attr != nil:
		s.load(t.name)
	case asParam:
		s.param(t.name)
	default:
		s.store(t.name)
	}
}

// visit notes what statements do in this scope; the inside of scopes within is left for later.
func (s *symbols) visit(body []stmt) {
	for _, st := range body {
		s.visitOne(st)
	}
}

func (s *symbols) visitOne(st stmt) {
	switch x := st.(type) {
	case *outputStmt:
		for _, p := range x.parts {
			s.loadsOf(p.x)
		}
	case *doStmt:
		s.loadsOf(x.x)
	case *ifStmt:
		s.loadsOf(x.test)
		body, elifs, els := s.copy(), s.copy(), s.copy()
		body.visit(x.body)
		for _, e := range x.elifs {
			elifs.visitOne(e)
		}
		els.visit(x.els)
		s.merge(body, elifs, els)
	case *forStmt:
		s.loadsOf(x.iter)
	case *setStmt:
		s.loadsOf(x.value)
		s.assign(x.target, false)
	case *setBlockStmt:
		s.assign(x.target, false)
	case *macroStmt:
		s.store(x.name)
	case *callStmt:
		s.loadsOf(x.call)
	case *filterStmt:
		s.loadsOf(x.filter)
	case *withStmt:
		for _, v := range x.values {
			s.loadsOf(v)
		}
	}
}
