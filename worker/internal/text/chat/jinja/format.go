package jinja

import (
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// format is str.format.
func (r *run) format(s *Str, a args) Value {
	f := &formatter{r: r, args: a, safe: s.safe}
	w := &buffer{}
	f.fields(w, s, 2)
	r.grow(len(w.b))
	out := w.str()
	out.safe = s.safe
	return out
}

type formatter struct {
	r    *run
	args args
	auto int  // the next number of a field without one
	used byte // 'a' when fields are numbered by themselves, 'm' when by hand
	safe bool
}

// fields writes s with its fields filled in; depth bounds fields within fields' formats.
func (f *formatter) fields(w *buffer, s *Str, depth int) {
	if depth < 0 {
		f.r.valueErr("Max string recursion exceeded")
	}
	t := s.s
	for i := 0; i < len(t); {
		j := strings.IndexAny(t[i:], "{}")
		if j < 0 {
			w.sub(s, i, len(t))
			return
		}
		w.sub(s, i, i+j)
		i += j
		if i+1 < len(t) && t[i+1] == t[i] {
			w.sub(s, i, i+1)
			i += 2
			continue
		}
		if t[i] == '}' {
			f.r.valueErr("Single '}' encountered in format string")
		}
		end := f.fieldEnd(t, i+1)
		f.field(w, s.sub(i+1, end), depth)
		i = end + 1
	}
}

func (f *formatter) fieldEnd(t string, i int) int {
	open := 1
	for ; i < len(t); i++ {
		switch t[i] {
		case '{':
			open++
		case '}':
			if open--; open == 0 {
				return i
			}
		case '[':
			if open == 1 {
				if k := strings.IndexByte(t[i:], ']'); k > 0 {
					i += k
				}
			}
		}
	}
	if t[len(t)-1] == '{' && open == 1 && i == len(t) && strings.HasSuffix(t, "{") {
		f.r.valueErr("Single '{' encountered in format string")
	}
	f.r.valueErr("expected '}' before end of string")
	return 0
}

// field writes one field, given what is between its braces.
func (f *formatter) field(w *buffer, s *Str, depth int) {
	name, conv, spec := s.s, byte(0), lit("")
	bracket := false
	for i := range len(s.s) {
		c := s.s[i]
		switch {
		case c == '[':
			bracket = true
		case c == ']':
			bracket = false
		case bracket || c != ':' && c != '!':
			continue
		}
		if c == '[' || c == ']' {
			continue
		}
		name = s.s[:i]
		if c == '!' {
			if i+1 >= len(s.s) || i+2 < len(s.s) && s.s[i+2] != ':' {
				f.r.valueErr("expected ':' after conversion specifier")
			}
			conv = s.s[i+1]
			i += 2
		}
		if i < len(s.s) {
			spec = s.sub(i+1, len(s.s))
		}
		break
	}
	v := f.value(name)
	v = f.convert(v, conv)
	if strings.ContainsAny(spec.s, "{}") {
		b := &buffer{}
		f.fields(b, spec, depth-1)
		spec = b.str()
	}
	f.r.formatValue(w, v, spec.s, f.safe)
}

func (f *formatter) convert(v Value, conv byte) Value {
	switch conv {
	case 0:
		return v
	case 's':
		return f.r.str(v)
	case 'r', 'a':
		b := &buffer{}
		f.r.repr(b, v)
		x := b.str()
		if conv == 'a' {
			x = x.like(asciiRepr(x.s))
		}
		return x
	}
	f.r.valueErr("Unknown conversion specifier '%c'", conv)
	return nil
}

// value finds what a field names: an argument, then attributes and elements of it as the sandbox allows.
func (f *formatter) value(name string) Value {
	r := f.r
	end := strings.IndexAny(name, ".[")
	if end < 0 {
		end = len(name)
	}
	v := f.argument(name[:end])
	for rest := name[end:]; rest != ""; {
		if rest[0] == '[' {
			i := strings.IndexByte(rest, ']')
			if i <= 1 {
				r.valueErr("Empty attribute in format string")
			}
			key := rest[1:i]
			if n, err := strconv.ParseInt(key, 10, 64); err == nil && isDigit(key[0]) {
				v = r.getitem(v, n)
			} else {
				v = r.getitem(v, lit(key))
			}
			rest = rest[i+1:]
			if rest != "" && rest[0] != '.' && rest[0] != '[' {
				r.valueErr("Only '.' or '[' may follow ']' in format field specifier")
			}
			continue
		}
		i := strings.IndexAny(rest[1:], ".[")
		if i < 0 {
			i = len(rest) - 1
		}
		if i == 0 {
			r.valueErr("Empty attribute in format string")
		}
		v = r.getattr(v, lit(rest[1:1+i]))
		rest = rest[1+i:]
	}
	return v
}

func (f *formatter) argument(name string) Value {
	r := f.r
	mode := func(m byte) {
		if f.used != 0 && f.used != m {
			r.valueErr("cannot switch between manual field specification and automatic field numbering")
		}
		f.used = m
	}
	n := -1
	if name == "" {
		mode('a')
		n = f.auto
		f.auto++
	} else if i, err := strconv.Atoi(name); err == nil && isDigit(name[0]) {
		mode('m')
		n = i
	}
	if n >= 0 {
		if n >= len(f.args.pos) {
			r.raise(Runtime, "Replacement index %d out of range for positional args tuple", n)
		}
		return f.args.pos[n]
	}
	for _, k := range f.args.kw {
		if k.name == name {
			return k.v
		}
	}
	r.raise(Runtime, "KeyError: '%s'", name)
	return nil
}

type formatSpec struct {
	numSpec
	fill  string
	align byte
	zero  bool
	width int
}

func (r *run) parseSpec(s string) formatSpec {
	f := formatSpec{numSpec: numSpec{prec: -1, sign: '-'}, fill: " "}
	isAlign := func(i int) bool { return i < len(s) && strings.IndexByte("<>=^", s[i]) >= 0 }
	if _, n := utf8.DecodeRuneInString(s); s != "" && isAlign(n) {
		f.fill, f.align, s = s[:n], s[n], s[n+1:]
	} else if isAlign(0) {
		f.align, s = s[0], s[1:]
	}
	if s != "" && strings.IndexByte("+- ", s[0]) >= 0 {
		f.sign, s = s[0], s[1:]
	}
	s = strings.TrimPrefix(s, "z")
	if strings.HasPrefix(s, "#") {
		f.alt, s = true, s[1:]
	}
	if strings.HasPrefix(s, "0") {
		f.zero, s = true, s[1:]
		if f.align == 0 {
			f.align, f.fill = '=', "0"
		}
	}
	f.width, s = r.specNumber(s)
	f.width = max(f.width, 0)
	if s != "" && (s[0] == ',' || s[0] == '_') {
		f.comma, s = s[0], s[1:]
	}
	if strings.HasPrefix(s, ".") {
		if f.prec, s = r.specNumber(s[1:]); f.prec < 0 {
			r.valueErr("Format specifier missing precision")
		}
	}
	if len(s) > 1 {
		r.valueErr("Invalid format specifier")
	}
	if s != "" {
		f.typ = s[0]
	}
	return f
}

func (r *run) specNumber(s string) (int, string) {
	if s == "" || !isDigit(s[0]) {
		return -1, s
	}
	n, i := 0, 0
	for ; i < len(s) && isDigit(s[i]); i++ {
		if n = n*10 + int(s[i]-'0'); n > 1<<40 {
			r.valueErr("Too many decimal digits in format string")
		}
	}
	return n, s[i:]
}

// formatValue is format(v, spec).
func (r *run) formatValue(w *buffer, v Value, spec string, safe bool) {
	if spec == "" {
		x := r.str(v)
		if safe && !x.safe {
			x = r.escape(x)
		}
		w.add(x)
		return
	}
	f := r.parseSpec(spec)
	switch x := v.(type) {
	case *Str:
		r.formatStr(w, x, f)
		return
	case bool:
		if f.typ == 0 {
			r.formatNumber(w, v, f)
			return
		}
	}
	if !isNumber(v) {
		r.typeErr("unsupported format string passed to %s.__format__", typeName(v))
	}
	r.formatNumber(w, v, f)
}

func (r *run) formatStr(w *buffer, x *Str, f formatSpec) {
	if f.typ != 0 && f.typ != 's' {
		r.valueErr("Unknown format code '%c' for object of type 'str'", f.typ)
	}
	if f.sign != '-' || f.alt || f.comma != 0 || f.align == '=' && !f.zero {
		r.valueErr("not allowed in string format specifier")
	}
	if f.prec >= 0 && f.prec < x.len() {
		x = x.sub(0, x.offset(f.prec))
	}
	if f.align == 0 || f.align == '=' {
		f.align = '<'
	}
	r.aligned(w, "", x, f)
}

func (r *run) formatNumber(w *buffer, v Value, f formatSpec) {
	_, isFloat := v.(float64)
	var prefix, digits string
	switch {
	case strings.IndexByte("eEfFgG%", f.typ) >= 0 && f.typ != 0 || isFloat:
		if strings.IndexByte("eEfFgGn%", f.typ) < 0 && f.typ != 0 {
			r.valueErr("Unknown format code '%c' for object of type 'float'", f.typ)
		}
		prefix, digits = r.floatSpec(r.toFloat(v), f.numSpec)
	case f.typ == 'c':
		digits = r.char(int64OrBig(v)).s
	case f.typ == 0 || strings.IndexByte("bdoxXn", f.typ) >= 0:
		if f.prec >= 0 {
			r.valueErr("Precision not allowed in integer format specifier")
		}
		prefix, digits = r.intText(toBig(v), f.numSpec)
	default:
		r.valueErr("Unknown format code '%c' for object of type 'int'", f.typ)
	}
	if f.align == 0 {
		f.align = '>'
	}
	if f.align == '=' && f.fill == "0" && f.comma != 0 {
		digits = zeroGrouped(digits, f.width-len(prefix), f.comma)
	}
	r.aligned(w, prefix, lit(digits), f)
}

func int64OrBig(v Value) Value { return norm(new(big.Int).Set(toBig(v))) }

// zeroGrouped fills grouped digits with zeros up to a width, separators and all.
func zeroGrouped(digits string, width int, sep byte) string {
	whole, rest := digits, ""
	if i := strings.IndexAny(digits, ".e%"); i >= 0 {
		whole, rest = digits[:i], digits[i:]
	}
	bare := strings.ReplaceAll(whole, string(sep), "")
	for len(group(bare, sep, 3))+len(rest) < width && len(bare) < 1<<16 {
		bare = "0" + bare
	}
	return group(bare, sep, 3) + rest
}

func (r *run) aligned(w *buffer, prefix string, x *Str, f formatSpec) {
	n := max(f.width-len(prefix)-x.len(), 0)
	if n > 1<<26 {
		r.grow(-1)
	}
	r.grow(n*len(f.fill) + len(x.s))
	left, mid := 0, 0
	switch f.align {
	case '>':
		left = n
	case '^':
		left = n / 2
	case '=':
		mid = n
	}
	w.text(strings.Repeat(f.fill, left) + prefix + strings.Repeat(f.fill, mid))
	w.add(x)
	w.text(strings.Repeat(f.fill, n-left-mid))
}
