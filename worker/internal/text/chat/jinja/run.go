package jinja

import (
	"fmt"
	"strings"
	"time"
)

// ErrorKind says what sort of failure an Error is.
type ErrorKind uint8

// The kinds of errors.
const (
	Syntax  ErrorKind = iota + 1 // the template does not parse
	Raised                       // the template called raise_exception
	Runtime                      // an operation failed
	Limit                        // a limit was reached
	Bug                          // a fault of this package
)

// undefinedError and typeError are Runtime to the outside; some filters tell them apart.
const (
	undefinedError ErrorKind = iota + 100
	typeError
	valueError
	lookupError
)

// Error is why a template did not parse or render.
type Error struct {
	Kind ErrorKind
	Line int // of the template, from 1; 0 when unknown
	Msg  string
}

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Msg
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
}

// Limits bound one render. The zero value means the defaults.
type Limits struct {
	Steps  int // operations: default 10 million
	Memory int // bytes of strings and lists made altogether: default 512 MiB
	Output int // bytes of the result: default 64 MiB
	Depth  int // calls within calls: default 200
}

func (l Limits) withDefaults() Limits {
	set := func(v *int, d int) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Steps, 10_000_000)
	set(&l.Memory, 512<<20)
	set(&l.Output, 64<<20)
	set(&l.Depth, 200)
	return l
}

// Template is a parsed template; it never changes.
type Template struct {
	body  []stmt
	scope scope
}

// Parse reads a template. The error is an *Error with the line.
func Parse(src string) (t *Template, err error) {
	if len(src) > maxSource {
		return nil, &Error{Kind: Limit, Msg: fmt.Sprintf("the template is longer than %d bytes", maxSource)}
	}
	defer catch(&err, nil)
	toks, err := tokenize(strings.ToValidUTF8(src, "\ufffd"))
	if err != nil {
		return nil, err
	}
	p := &parser{toks: toks}
	t = &Template{body: p.body()}
	top := static{sym: newSymbols(nil), top: true}
	top.sym.visit(t.body)
	resolver{}.body(t.body, top)
	t.scope = top.sym.scope()
	return t, nil
}

// catch turns the panic by which this package leaves deep recursion into an error.
func catch(err *error, r *run) {
	switch x := recover().(type) {
	case nil:
	case *Error:
		if x.Kind >= undefinedError {
			x.Kind = Runtime
		}
		if x.Line == 0 && r != nil {
			x.Line = r.line
		}
		*err = x
	default:
		e := &Error{Kind: Bug, Msg: fmt.Sprintf("a fault in the template engine: %v", x)}
		if r != nil {
			e.Line = r.line
		}
		*err = e
	}
}

// Result is a rendered text and which of its bytes a client wrote.
type Result struct {
	Text   string
	Client []Span
}

// Render runs the template over vars. now is what strftime_now tells.
func (t *Template) Render(vars map[string]Value, now time.Time, limits Limits) (res Result, err error) {
	r := &run{vars: vars, now: now, limits: limits.withDefaults()}
	r.steps, r.memory = r.limits.Steps, r.limits.Memory
	r.out = &buffer{}
	defer catch(&err, r)
	f := r.enter(&t.scope, nil)
	r.exec(t.body, f)
	return Result{Text: string(r.out.b), Client: r.out.client}, nil
}

// run is one rendering.
type run struct {
	vars     map[string]Value
	exported map[string]Value // what the template set at its outermost
	now      time.Time
	limits   Limits
	steps    int
	memory   int
	depth    int
	line     int
	out      *buffer
}

// frame is a scope's variables while it runs.
type frame struct {
	vars  []Value
	up    *frame
	level int
}

func (r *run) raise(kind ErrorKind, format string, a ...any) {
	panic(&Error{Kind: kind, Line: r.line, Msg: fmt.Sprintf(format, a...)})
}

func (r *run) typeErr(format string, a ...any)  { r.raise(typeError, format, a...) }
func (r *run) valueErr(format string, a ...any) { r.raise(valueError, format, a...) }

func (r *run) step() {
	if r.steps--; r.steps < 0 {
		r.raise(Limit, "the template takes too many steps")
	}
}

// work counts n operations at once.
func (r *run) work(n int) {
	if r.steps -= n; r.steps < 0 || n < 0 {
		r.raise(Limit, "the template takes too many steps")
	}
}

// reading counts that a whole string is about to be looked at.
func (r *run) reading(v Value) {
	if s, ok := v.(*Str); ok {
		r.work(len(s.s) >> 6)
	}
}

// hashing counts what it takes to hash a key.
func (r *run) hashing(v Value) {
	switch x := v.(type) {
	case *Str:
		r.work(len(x.s) >> 6)
	case *Tuple:
		r.down()
		for _, e := range x.items {
			r.step()
			r.hashing(e)
		}
		r.up()
	}
}

// grow counts n bytes that are about to be made; it is called before they are.
func (r *run) grow(n int) {
	if n < 0 || n > r.memory {
		r.raise(Limit, "the template takes too much memory")
	}
	r.memory -= n
	r.steps -= n >> 10
}

const valueSize = 16

// list makes a list whose elements are counted.
func (r *run) list(items []Value) *List {
	r.grow(len(items) * valueSize)
	return &List{items}
}

// down guards recursion; each call is followed by a deferred or explicit up.
func (r *run) down() {
	if r.depth++; r.depth > r.limits.Depth {
		r.raise(Limit, "maximum recursion depth exceeded")
	}
}

func (r *run) up() { r.depth-- }

// enter makes the frame of a scope within up.
func (r *run) enter(s *scope, up *frame) *frame {
	r.step()
	f := &frame{vars: make([]Value, s.size), up: up, level: s.level}
	for i := range s.loads {
		l := &s.loads[i]
		if l.kind == loadAlias {
			f.vars[l.slot] = up.get(l.from)
		} else {
			f.vars[l.slot] = r.resolve(l.name)
		}
	}
	return f
}

func (f *frame) at(level int) *frame {
	for f.level > level {
		f = f.up
	}
	return f
}

func (f *frame) get(at ref) Value    { return f.at(at.level).vars[at.slot] }
func (f *frame) set(at ref, v Value) { f.at(at.level).vars[at.slot] = v }

// resolve looks a name up among the template's variables; nil when there is none.
func (r *run) resolve(name string) Value {
	if v, ok := r.exported[name]; ok {
		return v
	}
	if v, ok := r.vars[name]; ok {
		return v
	}
	return global(name)
}

func (r *run) export(name string, v Value) {
	if r.exported == nil {
		r.exported = map[string]Value{}
	}
	r.exported[name] = v
}

// capture runs body with its output apart.
func (r *run) capture(body func()) *Str {
	outer := r.out
	r.out = &buffer{}
	body()
	s := r.out.str()
	r.out = outer
	return s
}

// write adds to the output.
func (r *run) write(x *Str) {
	r.grow(len(x.s))
	if len(r.out.b)+len(x.s) > r.limits.Output {
		r.raise(Limit, "the template writes too much")
	}
	r.out.add(x)
}
