package jinja

import (
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// expr parses an expression with inline conditions.
func (p *parser) expr() expr {
	p.enter()
	defer p.leave()
	e := p.or()
	for {
		line := p.cur().line
		if !p.skipName("if") {
			return e
		}
		p.link()
		c := &condExpr{yes: e, line: line}
		c.test = p.or()
		if p.skipName("else") {
			c.no = p.expr()
		}
		e = c
	}
}

func (p *parser) tupleEnd(ends []string) bool {
	t := p.cur()
	return t.kind == kVarEnd || t.kind == kBlockEnd || t.isOp(")") || t.kind == kName && slices.Contains(ends, t.text)
}

// tuple parses an expression, or several with commas between as a tuple. An empty one needs parentheses.
func (p *parser) tuple(cond, parens bool, ends ...string) expr {
	var items []expr
	comma := false
	for n := 0; ; n++ {
		if n > 0 {
			p.expectOp(",")
		}
		if p.tupleEnd(ends) {
			break
		}
		if cond {
			items = append(items, p.expr())
		} else {
			items = append(items, p.or())
		}
		if !p.cur().isOp(",") {
			break
		}
		comma = true
	}
	if !comma {
		if len(items) > 0 {
			return items[0]
		}
		if !parens {
			p.fail(p.cur().line, "Expected an expression, got '%s'", p.cur())
		}
	}
	return &tupleExpr{items}
}

func (p *parser) or() expr {
	e := p.and()
	for p.skipName("or") {
		p.link()
		e = &orExpr{e, p.and()}
	}
	return e
}

func (p *parser) and() expr {
	e := p.not()
	for p.skipName("and") {
		p.link()
		e = &andExpr{e, p.not()}
	}
	return e
}

func (p *parser) not() expr {
	if p.skipName("not") {
		p.enter()
		defer p.leave()
		return &notExpr{p.not()}
	}
	return p.compare()
}

func (p *parser) compare() expr {
	line := p.cur().line
	e := p.sum()
	c := &compareExpr{x: e, line: line}
	for {
		t := p.cur()
		switch {
		case t.kind == kOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
			p.i++
			c.ops = append(c.ops, t.text)
		case p.skipName("in"):
			c.ops = append(c.ops, "in")
		case t.isName("not") && p.look().isName("in"):
			p.i += 2
			c.ops = append(c.ops, "not in")
		default:
			if len(c.ops) == 0 {
				return e
			}
			return c
		}
		p.link()
		c.rest = append(c.rest, p.sum())
	}
}

// binary parses operands of sub with any of ops between them, nested to the left.
func (p *parser) binary(sub func() expr, ops ...string) expr {
	e := sub()
	for {
		t := p.cur()
		if t.kind != kOp || !slices.Contains(ops, t.text) {
			return e
		}
		p.i++
		p.link()
		e = &binExpr{op: t.text, l: e, r: sub(), line: t.line}
	}
}

func (p *parser) sum() expr { return p.binary(p.concat, "+", "-") }

func (p *parser) concat() expr {
	e := p.product()
	if !p.cur().isOp("~") {
		return e
	}
	c := &concatExpr{[]expr{e}}
	for p.skipOp("~") {
		p.link()
		c.items = append(c.items, p.product())
	}
	return c
}

func (p *parser) product() expr { return p.binary(p.power, "*", "/", "//", "%") }

func (p *parser) power() expr {
	return p.binary(func() expr { return p.unary(true) }, "**")
}

func (p *parser) unary(filters bool) expr {
	p.enter()
	defer p.leave()
	t := p.cur()
	var e expr
	if t.isOp("-") || t.isOp("+") {
		p.i++
		e = &negExpr{x: p.unary(false), plus: t.text == "+", line: t.line}
	} else {
		e = p.primary()
	}
	e = p.postfix(e)
	if !filters {
		return e
	}
	for {
		t := p.cur()
		switch {
		case t.isOp("|"):
			e = p.filters(e, false)
		case t.isName("is"):
			e = p.test(e)
		case t.isOp("("):
			e = p.callOf(e)
		default:
			return e
		}
		p.link()
	}
}

func (p *parser) primary() expr {
	t := p.next()
	switch t.kind {
	case kName:
		switch t.text {
		case "true", "True":
			return &constExpr{true}
		case "false", "False":
			return &constExpr{false}
		case "none", "None":
			return &constExpr{none{}}
		}
		return &nameExpr{name: t.text}
	case kString:
		parts := []string{t.text}
		for p.cur().kind == kString {
			parts = append(parts, p.next().text)
		}
		return &constExpr{constant(strings.Join(parts, ""))}
	case kInt:
		return &constExpr{p.integer(t)}
	case kFloat:
		f, _ := strconv.ParseFloat(t.text, 64)
		return &constExpr{f}
	case kOp:
		switch t.text {
		case "(":
			p.enter()
			defer p.leave()
			e := p.tuple(true, true)
			p.expectOp(")")
			return e
		case "[":
			return p.list()
		case "{":
			return p.dict()
		}
	default:
	}
	p.fail(t.line, "unexpected '%s'", t)
	return nil
}

func (p *parser) integer(t token) Value {
	if len(t.text) > 4300 {
		p.fail(t.line, "an integer is too long")
	}
	s := t.text
	if strings.Trim(s, "0") == "" {
		return int64(0)
	}
	n, ok := new(big.Int).SetString(s, 0)
	if !ok {
		p.fail(t.line, "%s is not an integer", s)
	}
	return norm(n)
}

func (p *parser) list() expr {
	l := &listExpr{}
	for !p.cur().isOp("]") {
		if len(l.items) > 0 {
			p.expectOp(",")
			if p.cur().isOp("]") {
				break
			}
		}
		l.items = append(l.items, p.expr())
	}
	p.i++
	return l
}

func (p *parser) dict() expr {
	d := &dictExpr{}
	for !p.cur().isOp("}") {
		if len(d.keys) > 0 {
			p.expectOp(",")
			if p.cur().isOp("}") {
				break
			}
		}
		d.keys = append(d.keys, p.expr())
		p.expectOp(":")
		d.vals = append(d.vals, p.expr())
	}
	p.i++
	return d
}

func (p *parser) postfix(e expr) expr {
	for {
		t := p.cur()
		switch {
		case t.isOp("."):
			p.i++
			e = p.attr(e, t.line)
		case t.isOp("["):
			p.i++
			e = p.subscript(e, t.line)
		case t.isOp("("):
			e = p.callOf(e)
		default:
			return e
		}
		p.link()
	}
}

func (p *parser) attr(e expr, line int) expr {
	t := p.next()
	switch t.kind {
	case kName:
		return &attrExpr{x: e, name: constant(t.text), line: line}
	case kInt:
		return &itemExpr{x: e, key: &constExpr{p.integer(t)}, line: line}
	default:
	}
	p.fail(t.line, "expected name or number")
	return nil
}

func (p *parser) subscript(e expr, line int) expr {
	var items []expr
	for !p.cur().isOp("]") {
		if len(items) > 0 {
			p.expectOp(",")
		}
		items = append(items, p.sliced())
	}
	p.i++
	if len(items) == 1 {
		return &itemExpr{x: e, key: items[0], line: line}
	}
	return &itemExpr{x: e, key: &tupleExpr{items}, line: line}
}

func (p *parser) sliced() expr {
	s := &sliceExpr{}
	if !p.cur().isOp(":") {
		e := p.expr()
		if !p.cur().isOp(":") {
			return e
		}
		s.lo = e
	}
	p.i++
	end := func() bool { return p.cur().isOp("]") || p.cur().isOp(",") }
	if !p.cur().isOp(":") && !end() {
		s.hi = p.expr()
	}
	if p.skipOp(":") && !end() {
		s.step = p.expr()
	}
	return s
}

func (p *parser) callOf(fn expr) expr {
	t := p.cur()
	return &callExpr{fn: fn, args: p.arguments(), line: t.line}
}

func (p *parser) arguments() callArgs {
	open := p.expectOp("(")
	var a callArgs
	ensure := func(ok bool) {
		if !ok {
			p.fail(open.line, "invalid syntax for function call expression")
		}
	}
	for n := 0; !p.cur().isOp(")"); n++ {
		if n > 0 {
			p.expectOp(",")
			if p.cur().isOp(")") {
				break
			}
		}
		switch {
		case p.skipOp("*"):
			ensure(a.dyn == nil && a.dynMap == nil)
			a.dyn = p.expr()
		case p.skipOp("**"):
			ensure(a.dynMap == nil)
			a.dynMap = p.expr()
		case p.cur().kind == kName && p.look().isOp("="):
			ensure(a.dynMap == nil)
			name := p.next().text
			for _, k := range a.kw {
				ensure(k.name != name)
			}
			p.i++
			a.kw = append(a.kw, kwExpr{name, p.expr()})
		default:
			ensure(a.dyn == nil && a.dynMap == nil && len(a.kw) == 0)
			a.pos = append(a.pos, p.expr())
		}
	}
	p.i++
	return a
}

// dotted reads the name of a filter or a test.
func (p *parser) dotted() (string, int) {
	t := p.expect(kName, "a name")
	parts := []string{t.text}
	for p.skipOp(".") {
		parts = append(parts, p.expect(kName, "a name").text)
	}
	return strings.Join(parts, "."), t.line
}

// filters parses a chain of filters over e; start says that the first one comes without its bar.
func (p *parser) filters(e expr, start bool) expr {
	for start || p.skipOp("|") {
		start = false
		p.link()
		f := &filterExpr{x: e}
		f.name, f.line = p.dotted()
		f.fn = filterByName(f.name)
		if p.cur().isOp("(") {
			f.args = p.arguments()
		}
		e = f
	}
	return e
}

func (p *parser) test(e expr) expr {
	p.i++
	negated := p.skipName("not")
	x := &testExpr{x: e}
	x.name, x.line = p.dotted()
	x.fn = testByName(x.name)
	t := p.cur()
	switch {
	case t.isOp("("):
		x.args = p.arguments()
	case t.isName("is"):
		p.fail(t.line, "You cannot chain multiple tests with is")
	case t.kind == kName && t.text != "else" && t.text != "or" && t.text != "and",
		t.kind == kString, t.kind == kInt, t.kind == kFloat, t.isOp("["), t.isOp("{"):
		x.args.pos = []expr{p.postfix(p.primary())}
	}
	if negated {
		return &notExpr{x}
	}
	return x
}
