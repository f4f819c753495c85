package jinja

import (
	"math/big"
	"strings"
	"unicode/utf8"
)

// percent is Python's s % v.
func (r *run) percent(s *Str, v Value) Value {
	p := &percentRun{r: r, s: s, one: v}
	switch x := v.(type) {
	case *Tuple:
		p.tuple, p.items = true, x.items
	case *Dict:
		p.dict = x
	}
	w := &buffer{}
	for i := 0; i < len(s.s); {
		j := strings.IndexByte(s.s[i:], '%')
		if j < 0 {
			w.sub(s, i, len(s.s))
			break
		}
		w.sub(s, i, i+j)
		i = p.field(w, i+j+1)
	}
	p.finish()
	r.grow(len(w.b))
	out := w.str()
	out.safe = s.safe
	return out
}

type percentRun struct {
	r     *run
	s     *Str
	items []Value
	tuple bool
	dict  *Dict
	one   Value
	used  int
}

func (p *percentRun) next() Value {
	switch {
	case p.tuple && p.used < len(p.items):
		p.used++
		return p.items[p.used-1]
	case !p.tuple && p.used == 0:
		p.used++
		return p.one
	}
	p.r.typeErr("not enough arguments for format string")
	return nil
}

func (p *percentRun) finish() {
	left := p.tuple && p.used < len(p.items)
	if !p.tuple && p.used == 0 {
		switch p.one.(type) {
		case *Dict, *List, *Range, *Undefined:
		default:
			left = true
		}
	}
	if left {
		p.r.typeErr("not all arguments converted during string formatting")
	}
}

type fieldSpec struct {
	numSpec
	left, zero bool
	width      int
}

// field writes the field that begins after the percent sign at i, and says where it ends.
func (p *percentRun) field(w *buffer, i int) int {
	r, s := p.r, p.s.s
	bad := func() { r.valueErr("incomplete format") }
	var arg Value
	if i < len(s) && s[i] == '(' {
		depth, j := 1, i+1
		for ; j < len(s) && depth > 0; j++ {
			switch s[j] {
			case '(':
				depth++
			case ')':
				depth--
			}
		}
		if depth > 0 {
			r.valueErr("incomplete format key")
		}
		if p.dict == nil {
			r.typeErr("format requires a mapping")
		}
		key := s[i+1 : j-1]
		v, ok := p.dict.find(key)
		if !ok {
			r.raise(Runtime, "KeyError: '%s'", key)
		}
		arg, i = v, j
		p.used = 1
	}
	f := fieldSpec{numSpec: numSpec{prec: -1, sign: '-'}}
	for ; i < len(s) && strings.IndexByte("-+ #0", s[i]) >= 0; i++ {
		switch s[i] {
		case '-':
			f.left = true
		case '+':
			f.sign = '+'
		case ' ':
			if f.sign != '+' {
				f.sign = ' '
			}
		case '#':
			f.alt = true
		case '0':
			f.zero = true
		}
	}
	f.width, i = p.number(s, i)
	if f.width < 0 {
		f.left, f.width = true, -f.width
	}
	if i < len(s) && s[i] == '.' {
		f.prec, i = p.number(s, i+1)
		f.prec = max(f.prec, 0)
	}
	for i < len(s) && (s[i] == 'h' || s[i] == 'l' || s[i] == 'L') {
		i++
	}
	if i >= len(s) {
		bad()
	}
	if s[i] == '%' {
		w.byte('%')
		return i + 1
	}
	if arg == nil {
		arg = p.next()
	}
	p.write(w, f, s[i:], arg)
	return i + 1
}

func (p *percentRun) number(s string, i int) (int, int) {
	if i < len(s) && s[i] == '*' {
		v := p.next()
		if _, _, ok := asInt(v); !ok {
			p.r.typeErr("* wants int")
		}
		return p.r.index(v), i + 1
	}
	n := 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if n = n*10 + int(s[i]-'0'); n > 1<<40 {
			p.r.valueErr("width too big")
		}
	}
	return n, i
}

func (p *percentRun) write(w *buffer, f fieldSpec, rest string, v Value) {
	r := p.r
	if u, ok := v.(*Undefined); ok && strings.IndexByte("sra", rest[0]) < 0 {
		r.undefined(u)
	}
	switch c := rest[0]; c {
	case 's', 'r', 'a':
		x := r.str(v)
		if c != 's' {
			b := &buffer{}
			r.repr(b, v)
			x = b.str()
			if c == 'a' {
				x = x.like(asciiRepr(x.s))
			}
		} else if p.s.safe && !x.safe {
			x = r.escape(x)
		}
		if f.prec >= 0 && f.prec < x.len() {
			x = x.sub(0, x.offset(f.prec))
		}
		r.pad(w, x, f)
	case 'd', 'i', 'u', 'o', 'x', 'X':
		n := p.integer(v, c)
		f.typ = c
		if c == 'i' || c == 'u' {
			f.typ = 'd'
		}
		prefix, digits := r.intText(n, f.numSpec)
		r.padNumber(w, prefix, digits, f)
	case 'e', 'E', 'f', 'F', 'g', 'G':
		x, ok := 0.0, isNumber(v)
		if ok {
			x = r.toFloat(v)
		} else {
			r.typeErr("must be real number, not %s", typeName(v))
		}
		f.typ = c
		prefix, digits := r.floatSpec(x, f.numSpec)
		r.padNumber(w, prefix, digits, f)
	case 'c':
		r.pad(w, r.char(v), f)
	default:
		x, _ := utf8.DecodeRuneInString(rest)
		r.valueErr("unsupported format character '%c'", x)
	}
}

func (p *percentRun) integer(v Value, c byte) *big.Int {
	if x, ok := v.(float64); ok && c != 'x' && c != 'X' && c != 'o' {
		if n := truncFloat(x); n != nil {
			return toBig(n)
		}
		p.r.raise(Runtime, "cannot convert float to integer")
	}
	if _, _, ok := asInt(v); !ok {
		p.r.typeErr("%%%c format: a real number is required, not %s", c, typeName(v))
	}
	return toBig(v)
}

func (r *run) char(v Value) *Str {
	if s, ok := v.(*Str); ok {
		if s.len() != 1 {
			r.typeErr("%%c requires int or char")
		}
		return s
	}
	i, b, ok := asInt(v)
	if !ok {
		r.typeErr("%%c requires int or char")
	}
	if b != nil || i < 0 || i > 0x10ffff {
		r.raise(Runtime, "%%c arg not in range(0x110000)")
	}
	return lit(string(rune(i)))
}

func (r *run) pad(w *buffer, x *Str, f fieldSpec) {
	n := f.width - x.len()
	r.grow(max(n, 0) + len(x.s))
	fill := strings.Repeat(" ", max(n, 0))
	if !f.left {
		w.text(fill)
	}
	w.add(x)
	if f.left {
		w.text(fill)
	}
}

func (r *run) padNumber(w *buffer, prefix, digits string, f fieldSpec) {
	n := max(f.width-len(prefix)-len(digits), 0)
	r.grow(n + len(digits))
	switch {
	case f.left:
		w.text(prefix + digits + strings.Repeat(" ", n))
	case f.zero && digits != "inf" && digits != "nan" || f.zero:
		w.text(prefix + strings.Repeat("0", n) + digits)
	default:
		w.text(strings.Repeat(" ", n) + prefix + digits)
	}
}

// asciiRepr escapes everything outside ASCII.
func asciiRepr(s string) string {
	var b strings.Builder
	for _, c := range s {
		if c < 0x80 {
			b.WriteRune(c)
			continue
		}
		_, _ = unescapeOne(&b, string(c))
	}
	return b.String()
}
