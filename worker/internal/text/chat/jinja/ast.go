package jinja

// expr is an expression of a template.
type expr interface {
	eval(r *run, f *frame) Value
}

// stmt is a statement. exec says how the loop around it goes on.
type stmt interface {
	exec(r *run, f *frame) flow
}

type flow uint8

const (
	flowNext flow = iota
	flowBreak
	flowContinue
)

// ref is where a variable lives: slot of the frame at that level.
type ref struct {
	level, slot int
}

type (
	constExpr struct{ v Value }
	nameExpr  struct {
		name string
		ref  ref
	}
	tupleExpr struct{ items []expr }
	listExpr  struct{ items []expr }
	dictExpr  struct{ keys, vals []expr }
	binExpr   struct {
		op   string
		l, r expr
		line int
	}
	andExpr struct{ l, r expr }
	orExpr  struct{ l, r expr }
	notExpr struct{ x expr }
	negExpr struct {
		x    expr
		plus bool
		line int
	}
	concatExpr  struct{ items []expr }
	compareExpr struct {
		x    expr
		ops  []string
		rest []expr
		line int
	}
	condExpr struct {
		test, yes, no expr // no may be nil
		line          int
	}
	attrExpr struct {
		x    expr
		name *Str
		line int
	}
	itemExpr struct {
		x, key expr
		line   int
	}
	sliceExpr struct { // only as the key of an itemExpr, or inside a tuple there
		lo, hi, step expr // any may be nil
	}
	callArgs struct {
		pos    []expr
		kw     []kwExpr
		dyn    expr // *args
		dynMap expr // **kwargs
	}
	kwExpr struct {
		name string
		x    expr
	}
	callExpr struct {
		fn   expr
		args callArgs
		line int
	}
	filterExpr struct {
		x    expr // nil: what the block has written
		name string
		fn   builtin
		args callArgs
		line int
	}
	testExpr struct {
		x    expr
		name string
		fn   builtin
		args callArgs
		line int
	}
)

// target is what can be assigned to: a name, a namespace's attribute, or a tuple of them.
type target struct {
	name  string
	attr  *Str // of the namespace name
	items []target
	tuple bool
	ref   ref
	line  int
}

type (
	outputStmt struct{ parts []part }
	part       struct {
		text *Str // or
		x    expr
		line int
	}
	ifStmt struct {
		test      expr
		body, els []stmt
		elifs     []*ifStmt
		line      int
	}
	forStmt struct {
		target, testTarget  target
		iter, test          expr
		body, els           []stmt
		recursive           bool
		loopRef             ref
		loopF, elseF, testF scope
		line                int
	}
	setStmt struct {
		target target
		value  expr
		export bool
		line   int
	}
	setBlockStmt struct {
		target target
		filter expr
		body   []stmt
		scope  scope
		export bool
		line   int
	}
	macroStmt struct {
		name   string
		ref    ref
		def    *macroDef
		export bool
		line   int
	}
	// macroDef is the body of a macro or of a call block.
	macroDef struct {
		name     string
		params   []string
		refs     []ref // of params
		defaults []expr
		body     []stmt
		scope    scope
		line     int

		caller, kwargs, varargs          bool // the body asks for them
		callerRef, kwargsRef, varargsRef ref
		explicitCaller                   bool
	}
	callStmt struct {
		call *callExpr
		def  *macroDef
		line int
	}
	generationStmt struct{ def *macroDef }
	filterStmt     struct {
		filter expr
		body   []stmt
		scope  scope
		line   int
	}
	withStmt struct {
		targets []target
		values  []expr
		body    []stmt
		scope   scope
	}
	scopeStmt struct { // autoescape
		body  []stmt
		scope scope
	}
	blockStmt struct {
		name   string
		body   []stmt
		scoped bool
		scope  scope
		locals map[string]ref // what a scoped block sees of its surroundings
	}
	loopCtl struct{ flow flow }
	doStmt  struct {
		x    expr
		line int
	}
)

// forEachExpr calls f with the expressions directly inside e.
func forEachExpr(e expr, f func(expr)) {
	opt := func(x expr) {
		if x != nil {
			f(x)
		}
	}
	switch x := e.(type) {
	case *tupleExpr:
		each(x.items, f)
	case *listExpr:
		each(x.items, f)
	case *dictExpr:
		each(x.keys, f)
		each(x.vals, f)
	case *binExpr:
		f(x.l)
		f(x.r)
	case *andExpr:
		f(x.l)
		f(x.r)
	case *orExpr:
		f(x.l)
		f(x.r)
	case *notExpr:
		f(x.x)
	case *negExpr:
		f(x.x)
	case *concatExpr:
		each(x.items, f)
	case *compareExpr:
		f(x.x)
		each(x.rest, f)
	case *condExpr:
		f(x.test)
		f(x.yes)
		opt(x.no)
	case *attrExpr:
		f(x.x)
	case *itemExpr:
		f(x.x)
		f(x.key)
	case *sliceExpr:
		opt(x.lo)
		opt(x.hi)
		opt(x.step)
	case *callExpr:
		f(x.fn)
		x.args.each(f)
	case *filterExpr:
		opt(x.x)
		x.args.each(f)
	case *testExpr:
		f(x.x)
		x.args.each(f)
	}
}

func each(xs []expr, f func(expr)) {
	for _, x := range xs {
		f(x)
	}
}

func (a *callArgs) each(f func(expr)) {
	each(a.pos, f)
	for _, k := range a.kw {
		f(k.x)
	}
	if a.dyn != nil {
		f(a.dyn)
	}
	if a.dynMap != nil {
		f(a.dynMap)
	}
}
