package pattern

import (
	"errors"
	"fmt"
	"strings"
)

// escape parses what follows a backslash outside of a class.
func (p *parser) escape() (*node, error) {
	if p.i+1 >= len(p.src) {
		return nil, errors.New("a backslash at the end")
	}
	at := func(a assertion) (*node, error) {
		p.i += 2
		return &node{kind: kAssert, assert: a}, nil
	}
	switch c := p.src[p.i+1]; c {
	case 'b':
		return at(wordBoundary)
	case 'B':
		return at(notWordBoundary)
	case 'A':
		return at(textStart)
	case 'z':
		return at(textEnd)
	case 'Z':
		return at(textEndOrNewline)
	case 'N':
		p.i += 2
		return p.ofRuns(invert([]span{{'\n', '\n'}})), nil
	case 'O':
		p.i += 2
		return p.ofRuns([]span{{0, maxRune}}), nil
	}
	runs, c, err := p.escaped(false)
	if err != nil {
		return nil, err
	}
	if runs == nil {
		return p.literal(c)
	}
	if p.fold && !closed(runs) {
		return nil, errors.New("a class such as \\p{Lu} without regard to case is not supported")
	}
	return p.ofRuns(runs), nil
}

// closed tells whether a set holds all the cases of what it holds, and nothing whose folding is several code points.
func closed(runs []span) bool {
	return len(fold(runs)) == len(tidy(runs)) && !longFold(runs)
}

// escaped parses a backslash and what follows, in a class or outside: a set, or where runs is nil a code point.
func (p *parser) escaped(inClass bool) (runs []span, c rune, err error) {
	p.i++
	if !p.more() {
		return nil, 0, errors.New("a backslash at the end")
	}
	c = p.src[p.i]
	p.i++
	named := func(name string, negated bool) ([]span, rune, error) {
		r, ok := property(name)
		if !ok {
			return nil, 0, fmt.Errorf("the property %q is not supported", name)
		}
		if inClass && strings.EqualFold(name, "word") {
			r = classWord(r)
		}
		if negated {
			r = invert(r)
		}
		return append([]span{}, r...), 0, nil
	}
	switch c {
	case 'd', 'D':
		return named("digit", c == 'D')
	case 'w', 'W':
		return named("word", c == 'W')
	case 's', 'S':
		return named("space", c == 'S')
	case 'h', 'H':
		return named("xdigit", c == 'H')
	case 'p', 'P':
		if !p.skip("{") {
			return nil, 0, fmt.Errorf("\\%c without its {", c)
		}
		negated := c == 'P'
		if p.skip("^") {
			negated = !negated
		}
		start := p.i
		for p.more() && p.src[p.i] != '}' {
			p.i++
		}
		name := string(p.src[start:p.i])
		if !p.skip("}") {
			return nil, 0, errors.New("a property without its }")
		}
		return named(name, negated)
	case 't':
		return nil, '\t', nil
	case 'n':
		return nil, '\n', nil
	case 'r':
		return nil, '\r', nil
	case 'f':
		return nil, '\f', nil
	case 'v':
		return nil, '\v', nil
	case 'a':
		return nil, 7, nil
	case 'e':
		return nil, 0x1B, nil
	case 'x':
		if p.skip("{") {
			return p.number(16, 8, "}")
		}
		return p.number(16, 2, "")
	case 'u':
		start := p.i
		runs, c, err = p.number(16, 4, "")
		if err == nil && p.i-start != 4 {
			err = errors.New("\\u without four digits")
		}
		return runs, c, err
	}
	if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return nil, 0, fmt.Errorf("\\%c is not supported", c)
	}
	return nil, c, nil
}

func (p *parser) number(base, most int, end string) (runs []span, c rune, err error) {
	v, n := 0, 0
	for ; n < most && p.more(); n++ {
		d := strings.IndexRune("0123456789abcdef", p.src[p.i]|0x20)
		if p.src[p.i] < '0' || d < 0 || d >= base {
			break
		}
		v = v*base + d
		p.i++
	}
	if n == 0 || v > maxRune || v >= 0x80 && end == "" && most == 2 || v >= 0xD800 && v < 0xE000 || !p.skip(end) {
		return nil, 0, errors.New("a code point in digits that is not supported")
	}
	return nil, rune(v), nil
}

// class parses a class after its [.
func (p *parser) class() (runs []span, negated bool, err error) {
	if p.depth++; p.depth > maxDepth {
		return nil, false, fmt.Errorf("classes are nested deeper than %d", maxDepth)
	}
	defer func() { p.depth-- }()
	negated = p.skip("^")
	if p.looking("]") {
		return nil, false, errors.New("a class that is empty or begins with ] is not supported")
	}
	var all []span // what && has joined so far
	joined := false
	for {
		switch {
		case !p.more():
			return nil, false, errors.New("a [ without its ]")
		case p.skip("]"):
			if joined {
				runs = intersect(all, runs)
			}
			if joined && p.fold {
				return nil, false, errors.New("&& without regard to case is not supported")
			}
			return runs, negated, nil
		case p.skip("&&"):
			if joined {
				runs = intersect(all, runs)
			}
			all, joined, runs = runs, true, nil
			continue
		}
		item, c, err := p.classItem()
		if err != nil {
			return nil, false, err
		}
		if item != nil {
			runs = append(runs, item...)
			if p.looking("-") && !p.looking("-]") {
				return nil, false, errors.New("a range that begins with a class is not supported")
			}
			continue
		}
		last := c
		if p.looking("-") && !p.looking("-]") && !p.looking("-&&") {
			p.i++
			if item, last, err = p.classItem(); err != nil {
				return nil, false, err
			}
			if item != nil || last < c {
				return nil, false, errors.New("a range in a class that is not supported")
			}
		}
		runs = append(runs, span{c, last})
	}
}

// classItem parses one item of a class: a set, or where runs is nil a code point.
func (p *parser) classItem() (runs []span, c rune, err error) {
	if !p.more() {
		return nil, 0, errors.New("a [ without its ]")
	}
	switch {
	case p.skip("[:"):
		start := p.i
		for p.more() && p.src[p.i] != ':' && p.src[p.i] != ']' {
			p.i++
		}
		name := string(p.src[start:p.i])
		if !p.skip(":]") {
			return nil, 0, errors.New("[: without its :]")
		}
		bare := strings.TrimPrefix(name, "^")
		runs, ok := bracket(bare)
		if !ok {
			return nil, 0, fmt.Errorf("[:%s:] is not supported", name)
		}
		if bare != name {
			runs = invert(runs)
		}
		return runs, 0, nil
	case p.skip("["):
		runs, negated, err := p.class()
		if err != nil {
			return nil, 0, err
		}
		if negated {
			if p.fold {
				return nil, 0, errors.New("a negated class in a class without regard to case is not supported")
			}
			runs = invert(runs)
		}
		if runs == nil {
			runs = []span{}
		}
		return runs, 0, nil
	case p.src[p.i] == '\\':
		if p.looking(`\b`) {
			p.i += 2
			return nil, '\b', nil
		}
		return p.escaped(true)
	}
	c = p.src[p.i]
	p.i++
	return nil, c, nil
}
