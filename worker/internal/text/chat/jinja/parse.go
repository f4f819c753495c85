package jinja

import (
	"fmt"
	"slices"
	"strings"
)

const (
	maxSource  = 1 << 20 // bytes of a template
	maxNesting = 150     // of statements and brackets
	maxChain   = 1000    // operators in a row
)

type parser struct {
	toks   []token
	i      int
	depth  int
	chain  int
	loops  int // for loops around, for break and continue
	blocks map[string]bool
}

func (p *parser) cur() token  { return p.toks[p.i] }
func (p *parser) look() token { return p.toks[min(p.i+1, len(p.toks)-1)] }

func (p *parser) next() token {
	t := p.toks[p.i]
	if t.kind != kEOF {
		p.i++
	}
	return t
}

// fail leaves the parser; Parse turns the panic into its error.
func (p *parser) fail(line int, format string, a ...any) {
	panic(&Error{Kind: Syntax, Line: line, Msg: fmt.Sprintf(format, a...)})
}

func (p *parser) enter() {
	if p.depth++; p.depth > maxNesting {
		p.fail(p.cur().line, "the template is nested too deeply")
	}
}

func (p *parser) leave() { p.depth-- }

// link counts the operators of one expression: they nest to the left, and evaluation goes as deep.
func (p *parser) link() {
	if p.chain++; p.chain > maxChain {
		p.fail(p.cur().line, "an expression is too long")
	}
}

func (t token) isOp(s string) bool   { return t.kind == kOp && t.text == s }
func (t token) isName(s string) bool { return t.kind == kName && t.text == s }

func (p *parser) skipOp(s string) bool {
	if p.cur().isOp(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) skipName(s string) bool {
	if p.cur().isName(s) {
		p.i++
		return true
	}
	return false
}

func (p *parser) expect(k kind, what string) token {
	t := p.next()
	if t.kind != k {
		p.fail(t.line, "expected %s, got '%s'", what, t)
	}
	return t
}

func (p *parser) expectOp(s string) token {
	t := p.next()
	if !t.isOp(s) {
		p.fail(t.line, "expected token '%s', got '%s'", s, t)
	}
	return t
}

func (p *parser) expectName(s string) {
	if t := p.next(); !t.isName(s) {
		p.fail(t.line, "expected token '%s', got '%s'", s, t)
	}
}

// body parses up to a tag named one of ends, or to the end of the template when there are none. It leaves that tag's
// name as the current token.
func (p *parser) body(ends ...string) []stmt {
	p.enter()
	defer p.leave()
	var out []stmt
	var data []part
	flush := func() {
		if len(data) > 0 {
			out = append(out, &outputStmt{data})
			data = nil
		}
	}
	for {
		t := p.cur()
		switch t.kind {
		case kData:
			p.i++
			data = append(data, part{text: constant(t.text), line: t.line})
		case kVarBegin:
			p.i++
			p.chain = 0
			data = append(data, part{x: p.tuple(true, false), line: t.line})
			p.expect(kVarEnd, "end of print statement")
		case kBlockBegin:
			flush()
			p.i++
			if n := p.cur(); n.kind == kName && slices.Contains(ends, n.text) {
				return out
			}
			p.chain = 0
			out = append(out, p.statement(ends))
			p.expect(kBlockEnd, "end of statement block")
		default:
			flush()
			if len(ends) > 0 {
				p.fail(t.line, "Unexpected end of template. Jinja was looking for the following tags: %s", tags(ends))
			}
			return out
		}
	}
}

func tags(ends []string) string {
	return "'" + strings.Join(ends, "' or '") + "'"
}

// block parses the rest of a tag and the body after it.
func (p *parser) block(ends ...string) []stmt {
	p.skipOp(":")
	p.expect(kBlockEnd, "end of statement block")
	return p.body(ends...)
}

// closed is block for a body with one end, which it takes.
func (p *parser) closed(end string) []stmt {
	b := p.block(end)
	p.i++
	return b
}

func (p *parser) statement(ends []string) stmt {
	t := p.cur()
	if t.kind != kName {
		p.fail(t.line, "tag name expected")
	}
	p.i++
	switch t.text {
	case "if":
		return p.ifStmt(t.line)
	case "for":
		return p.forStmt(t.line)
	case "set":
		return p.set(t.line)
	case "macro":
		return p.macro(t.line)
	case "call":
		return p.call(t.line)
	case "filter":
		return p.filterBlock(t.line)
	case "with":
		return p.with()
	case "print":
		return p.print()
	case "block":
		return p.blockStmt()
	case "autoescape":
		return p.autoescape()
	case "generation":
		return &generationStmt{&macroDef{body: p.function("endgeneration"), line: t.line}}
	case "do":
		return &doStmt{p.tuple(true, false), t.line}
	case "break", "continue":
		return p.loopCtl(t)
	case "include", "import", "from", "extends":
		p.fail(t.line, "the tag '%s' is not supported: a chat template stands alone", t.text)
	}
	if len(ends) > 0 {
		p.fail(t.line, "Encountered unknown tag '%s'. Jinja was looking for the following tags: %s", t.text, tags(ends))
	}
	p.fail(t.line, "Encountered unknown tag '%s'.", t.text)
	return nil
}

func (p *parser) loopCtl(t token) stmt {
	if p.loops == 0 {
		p.fail(t.line, "'%s' outside loop", t.text)
	}
	if t.text == "break" {
		return &loopCtl{flowBreak}
	}
	return &loopCtl{flowContinue}
}

func (p *parser) ifStmt(line int) stmt {
	top := &ifStmt{line: line}
	at := top
	for {
		at.test = p.tuple(false, false)
		at.body = p.block("elif", "else", "endif")
		switch p.next().text {
		case "elif":
			at = &ifStmt{line: p.cur().line}
			top.elifs = append(top.elifs, at)
			continue
		case "else":
			top.els = p.closed("endif")
		}
		return top
	}
}

func (p *parser) forStmt(line int) stmt {
	s := &forStmt{line: line, target: p.target(false, "in")}
	p.expectName("in")
	s.iter = p.tuple(false, false, "recursive")
	if p.skipName("if") {
		s.test = p.expr()
	}
	s.recursive = p.skipName("recursive")
	p.loops++
	s.body = p.block("endfor", "else")
	p.loops--
	if p.next().text == "else" {
		s.els = p.closed("endfor")
	}
	return s
}

func (p *parser) set(line int) stmt {
	t := p.target(true)
	if p.skipOp("=") {
		return &setStmt{target: t, value: p.tuple(true, false), line: line}
	}
	s := &setBlockStmt{target: t, line: line}
	if p.cur().isOp("|") {
		s.filter = p.filters(nil, false)
	}
	s.body = p.separate("endset")
	return s
}

// separate is closed for a body that runs as a function of its own: a loop outside is out of its reach.
func (p *parser) separate(end string) []stmt {
	return p.closed(end)
}

// signature parses the parameters of a macro or a call block into d.
func (p *parser) signature(d *macroDef) {
	p.expectOp("(")
	for !p.cur().isOp(")") {
		if len(d.params) > 0 {
			p.expectOp(",")
		}
		t := p.expect(kName, "a parameter's name")
		p.checkName(t)
		if slices.Contains(d.params, t.text) {
			p.fail(t.line, "duplicate argument '%s' in macro definition", t.text)
		}
		if p.skipOp("=") {
			d.defaults = append(d.defaults, p.expr())
		} else if len(d.defaults) > 0 {
			p.fail(t.line, "non-default argument follows default argument")
		}
		d.params = append(d.params, t.text)
	}
	p.i++
}

// checkName refuses to assign to a constant.
func (p *parser) checkName(t token) {
	switch t.text {
	case "true", "false", "none", "True", "False", "None":
		p.fail(t.line, "can't assign to '%s'", t.text)
	}
}

// function parses a body that is a function of its own; break and continue do not reach out of it.
func (p *parser) function(end string) []stmt {
	outer := p.loops
	p.loops = 0
	b := p.closed(end)
	p.loops = outer
	return b
}

func (p *parser) macro(line int) stmt {
	t := p.expect(kName, "the macro's name")
	p.checkName(t)
	d := &macroDef{name: t.text, line: line}
	p.signature(d)
	d.body = p.function("endmacro")
	return &macroStmt{name: t.text, def: d, line: line}
}

func (p *parser) call(line int) stmt {
	d := &macroDef{line: line}
	if p.cur().isOp("(") {
		p.signature(d)
	}
	c, ok := p.expr().(*callExpr)
	if !ok {
		p.fail(line, "expected call")
	}
	d.body = p.function("endcall")
	return &callStmt{call: c, def: d, line: line}
}

func (p *parser) filterBlock(line int) stmt {
	f := p.filters(nil, true)
	return &filterStmt{filter: f, body: p.separate("endfilter"), line: line}
}

func (p *parser) with() stmt {
	s := &withStmt{}
	for p.cur().kind != kBlockEnd && !p.cur().isOp(":") {
		if len(s.targets) > 0 {
			p.expectOp(",")
		}
		s.targets = append(s.targets, p.target(false))
		p.expectOp("=")
		s.values = append(s.values, p.expr())
	}
	s.body = p.closed("endwith")
	return s
}

func (p *parser) print() stmt {
	s := &outputStmt{}
	for p.cur().kind != kBlockEnd {
		if len(s.parts) > 0 {
			p.expectOp(",")
		}
		line := p.cur().line
		s.parts = append(s.parts, part{x: p.expr(), line: line})
	}
	return s
}

func (p *parser) blockStmt() stmt {
	t := p.expect(kName, "the block's name")
	if p.blocks[t.text] {
		p.fail(t.line, "block '%s' defined twice", t.text)
	}
	if p.blocks == nil {
		p.blocks = map[string]bool{}
	}
	p.blocks[t.text] = true
	s := &blockStmt{name: t.text, scoped: p.skipName("scoped")}
	s.body = p.function("endblock")
	p.skipName(t.text)
	return s
}

// autoescape is taken for its scope alone: escaping is off in chat templates, and turning it on is refused.
func (p *parser) autoescape() stmt {
	t := p.cur()
	if c, ok := p.expr().(*constExpr); !ok || c.v != false {
		p.fail(t.line, "the tag 'autoescape' is not supported other than as {%% autoescape false %%}")
	}
	return &scopeStmt{body: p.closed("endautoescape")}
}

// target parses what is assigned to.
func (p *parser) target(namespaces bool, ends ...string) target {
	var out target
	line := p.cur().line
	for n := 0; ; n++ {
		if n > 0 {
			p.expectOp(",")
		}
		if p.tupleEnd(ends) || n > 0 && p.cur().isOp("=") {
			break
		}
		out.items = append(out.items, p.primaryTarget(namespaces))
		if !p.cur().isOp(",") {
			break
		}
		out.tuple = true
	}
	if !out.tuple {
		if len(out.items) == 0 {
			p.fail(line, "Expected an expression, got '%s'", p.cur())
		}
		return out.items[0]
	}
	out.line = line
	return out
}

func (p *parser) primaryTarget(namespaces bool) target {
	t := p.next()
	if t.isOp("(") {
		p.enter()
		defer p.leave()
		out := target{tuple: true, line: t.line}
		comma := false
		for !p.cur().isOp(")") {
			out.items = append(out.items, p.primaryTarget(false))
			if !p.skipOp(",") {
				break
			}
			comma = true
		}
		p.expectOp(")")
		if len(out.items) == 1 && !comma {
			return out.items[0]
		}
		return out
	}
	if t.kind != kName {
		p.fail(t.line, "can't assign to '%s'", t)
	}
	p.checkName(t)
	if namespaces && p.skipOp(".") {
		a := p.expect(kName, "an attribute's name")
		return target{name: t.text, attr: constant(a.text), line: t.line}
	}
	return target{name: t.text, line: t.line}
}
