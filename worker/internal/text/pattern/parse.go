package pattern

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"
)

type kind uint8

const (
	kEmpty  kind = iota
	kSet         // one code point of a set
	kSeq         // subs one after the other
	kAlt         // the first of subs that leads to a match
	kRepeat      // sub min to max times; max < 0 is without end
	kLook        // looks ahead or behind, takes nothing
	kAtomic      // once left, not entered again
	kAssert      // a place
)

type assertion uint8

const (
	lineStart assertion = iota
	lineEnd
	textStart
	textEnd
	textEndOrNewline
	wordBoundary
	notWordBoundary
)

type node struct {
	kind       kind
	set        *set
	lit        rune // the literal that set was made of, -1 for classes; for the check of long case foldings
	subs       []*node
	min, max   int
	lazy       bool
	possessive bool
	behind     bool
	negative   bool
	assert     assertion
}

// Bounds of a pattern.
const (
	maxPattern = 64 << 10 // bytes
	maxDepth   = 100      // of groups in groups
	maxRepeat  = 1000     // in {n,m}
)

type parser struct {
	src    []rune
	i      int
	depth  int
	fold   bool
	dotAll bool
	spaced bool
	sets   map[string]*set
}

func parse(s string) (*node, error) {
	if len(s) > maxPattern {
		return nil, fmt.Errorf("the pattern is longer than %d bytes", maxPattern)
	}
	if !utf8.ValidString(s) {
		return nil, errors.New("the pattern is not UTF-8")
	}
	p := &parser{src: []rune(s), sets: map[string]*set{}}
	n, err := p.alternatives()
	if err == nil && p.i < len(p.src) {
		err = errors.New("a ) without its (")
	}
	return n, err
}

func (p *parser) more() bool { return p.i < len(p.src) }

func (p *parser) looking(at string) bool {
	n := len([]rune(at))
	return p.i+n <= len(p.src) && string(p.src[p.i:p.i+n]) == at
}

func (p *parser) skip(what string) bool {
	if !p.looking(what) {
		return false
	}
	p.i += len([]rune(what))
	return true
}

// alternatives parses to the end of the group.
func (p *parser) alternatives() (*node, error) {
	if p.depth++; p.depth > maxDepth {
		return nil, fmt.Errorf("groups are nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	fold, dotAll, spaced := p.fold, p.dotAll, p.spaced
	defer func() { p.fold, p.dotAll, p.spaced = fold, dotAll, spaced }()
	alt := &node{kind: kAlt}
	for {
		s, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alt.subs = append(alt.subs, s)
		if !p.skip("|") {
			break
		}
	}
	if len(alt.subs) == 1 {
		return alt.subs[0], nil
	}
	return alt, nil
}

func (p *parser) sequence() (*node, error) {
	seq := &node{kind: kSeq}
	for p.more() && p.src[p.i] != '|' && p.src[p.i] != ')' {
		n, err := p.atom()
		if err != nil {
			return nil, err
		}
		if n == nil {
			continue
		}
		if n, err = p.quantified(n); err != nil {
			return nil, err
		}
		seq.subs = append(seq.subs, n)
	}
	if p.fold {
		if err := longLiteral(seq.subs); err != nil {
			return nil, err
		}
	}
	switch len(seq.subs) {
	case 0:
		return &node{kind: kEmpty}, nil
	case 1:
		return seq.subs[0], nil
	}
	return seq, nil
}

// longLiteral refuses letters in a row that some single letter folds to, such as ss, the other case of ß.
func longLiteral(subs []*node) error {
	var b strings.Builder
	for _, n := range append(slices.Clone(subs), &node{kind: kEmpty}) {
		if n.kind == kSet && n.lit >= 0 {
			b.WriteRune(n.lit)
			continue
		}
		low := strings.ToLower(b.String())
		for _, long := range []string{"ss", "ff", "fi", "fl", "st"} {
			if strings.Contains(low, long) {
				return fmt.Errorf("%q without regard to case is not supported", b.String())
			}
		}
		b.Reset()
	}
	return nil
}

// atom parses what a quantifier may follow. It returns nil for what takes no part, such as a comment.
func (p *parser) atom() (*node, error) {
	c := p.src[p.i]
	if p.spaced {
		switch {
		case strings.ContainsRune(" \t\n\r\f\v", c):
			p.i++
			return nil, nil //nolint:nilnil // nothing was written
		case c == '#':
			for p.more() && p.src[p.i] != '\n' {
				p.i++
			}
			return nil, nil //nolint:nilnil // nothing was written
		}
	}
	switch c {
	case '(':
		return p.group()
	case '[':
		p.i++
		runs, negated, err := p.class()
		if err != nil {
			return nil, err
		}
		return p.ofClass(runs, negated)
	case '\\':
		return p.escape()
	case '.':
		p.i++
		if p.dotAll {
			return p.ofRuns([]span{{0, maxRune}}), nil
		}
		return p.ofRuns(invert([]span{{'\n', '\n'}})), nil
	case '^':
		p.i++
		return &node{kind: kAssert, assert: lineStart}, nil
	case '$':
		p.i++
		return &node{kind: kAssert, assert: lineEnd}, nil
	case '*', '+', '?':
		return nil, fmt.Errorf("%q has nothing to repeat", string(c))
	}
	p.i++
	return p.literal(c)
}

func (p *parser) literal(c rune) (*node, error) {
	runs := []span{{c, c}}
	if p.fold {
		letter, _ := property("letter")
		mark, _ := property("mark")
		if c >= 0x80 && newSet(append(letter, mark...)).has(c) && (c < 0x2E80 || c > 0xD7A3) {
			return nil, fmt.Errorf("%q without regard to case is not supported", string(c))
		}
		if c < 0x80 {
			runs = fold(runs)
		}
	}
	n := p.ofRuns(runs)
	n.lit = c
	return n, nil
}

// ofRuns makes a node of a set; equal sets are one.
func (p *parser) ofRuns(runs []span) *node {
	runs = tidy(runs)
	key := fmt.Sprint(runs)
	s, ok := p.sets[key]
	if !ok {
		s = newSet(runs)
		p.sets[key] = s
	}
	return &node{kind: kSet, set: s, lit: -1}
}

func (p *parser) ofClass(runs []span, negated bool) (*node, error) {
	if p.fold {
		runs = fold(runs)
		if !negated && longFold(runs) {
			return nil, errors.New("a class with letters such as ß without regard to case is not supported")
		}
	}
	if negated {
		runs = invert(runs)
	}
	return p.ofRuns(runs), nil
}

func (p *parser) quantified(n *node) (*node, error) {
	for p.more() {
		if p.spaced && strings.ContainsRune(" \t\n\r\f\v", p.src[p.i]) {
			p.i++
			continue
		}
		r := &node{kind: kRepeat, subs: []*node{n}, max: -1}
		interval := false
		switch p.src[p.i] {
		case '*':
		case '+':
			r.min = 1
		case '?':
			r.max = 1
		case '{':
			low, high, size, ok := p.interval()
			if !ok {
				return n, nil // a brace by itself is a literal
			}
			if low > maxRepeat || high > maxRepeat || high >= 0 && low > high {
				return nil, fmt.Errorf("the repetition {%d,%d} is not supported", low, high)
			}
			r.min, r.max, interval = low, high, true
			p.i += size - 1
		default:
			return n, nil
		}
		p.i++
		fixed := interval && r.min == r.max
		switch {
		case !fixed && p.skip("?"):
			r.lazy = true
		case !interval && p.skip("+"):
			r.possessive = true
		}
		if n.kind == kAssert || n.kind == kLook {
			return nil, errors.New("a repeated assertion is not supported")
		}
		n = r
	}
	return n, nil
}

// interval reads {n}, {n,}, {,m} or {n,m}; size is its length in runes.
func (p *parser) interval() (low, high, size int, ok bool) {
	i := p.i + 1
	digits := func() (int, bool) {
		v, start := 0, i
		for i < len(p.src) && p.src[i] >= '0' && p.src[i] <= '9' {
			v = min(v*10+int(p.src[i]-'0'), maxRepeat+1)
			i++
		}
		return v, i > start
	}
	low, given := digits()
	high = low
	if i < len(p.src) && p.src[i] == ',' {
		i++
		var bounded bool
		if high, bounded = digits(); !bounded {
			high = -1
			if !given {
				return 0, 0, 0, false
			}
		}
		given = true
	}
	if !given || i >= len(p.src) || p.src[i] != '}' {
		return 0, 0, 0, false
	}
	return low, high, i + 1 - p.i, true
}

func (p *parser) group() (*node, error) {
	p.i++
	wrap := &node{kind: kEmpty}
	switch {
	case !p.looking("?"):
		if p.looking("*") {
			return nil, errors.New("(* is not supported")
		}
	case p.skip("?:"):
	case p.skip("?>"):
		wrap = &node{kind: kAtomic}
	case p.skip("?="):
		wrap = &node{kind: kLook}
	case p.skip("?!"):
		wrap = &node{kind: kLook, negative: true}
	case p.skip("?<="):
		wrap = &node{kind: kLook, behind: true}
	case p.skip("?<!"):
		wrap = &node{kind: kLook, behind: true, negative: true}
	case p.skip("?#"):
		for p.more() && p.src[p.i] != ')' {
			p.i++
		}
		if !p.skip(")") {
			return nil, errors.New("a comment without its end")
		}
		return nil, nil //nolint:nilnil // nothing was written
	case p.skip("?<"):
		for p.more() && isWord(p.src[p.i]) {
			p.i++
		}
		if !p.skip(">") {
			return nil, errors.New("a group's name without its >")
		}
	default:
		return p.options()
	}
	body, err := p.alternatives()
	if err != nil {
		return nil, err
	}
	if !p.skip(")") {
		return nil, errors.New("a ( without its )")
	}
	if wrap.kind == kEmpty {
		if body.kind == kSet { // so that it is no part of a string
			return &node{kind: kSet, set: body.set, lit: -1}, nil
		}
		return body, nil
	}
	wrap.subs = []*node{body}
	return wrap, nil
}

// options reads (?imx-imx) and (?imx-imx:…).
func (p *parser) options() (*node, error) {
	start := p.i
	p.i++
	fold, dotAll, spaced, on := p.fold, p.dotAll, p.spaced, true
	for p.more() {
		c := p.src[p.i]
		p.i++
		switch c {
		case '-':
			on = false
		case 'i':
			fold = on
		case 'm':
			dotAll = on
		case 'x':
			spaced = on
		case ':', ')':
			outer := [3]bool{p.fold, p.dotAll, p.spaced}
			p.fold, p.dotAll, p.spaced = fold, dotAll, spaced
			// Without a colon the options hold to the end of the group around, its alternatives included.
			body, err := p.alternatives()
			p.fold, p.dotAll, p.spaced = outer[0], outer[1], outer[2]
			if err != nil {
				return nil, err
			}
			if c == ':' && !p.skip(")") {
				return nil, errors.New("a ( without its )")
			}
			if body.kind == kSet {
				return &node{kind: kSet, set: body.set, lit: -1}, nil
			}
			return body, nil
		default:
			return nil, fmt.Errorf("(%s is not supported", string(p.src[start:p.i]))
		}
	}
	return nil, errors.New("a ( without its )")
}
