package jinja

import (
	"strings"
	"unicode/utf8"
)

// strMethod gives a bound method of str; nil when there is none of that name.
func strMethod(s *Str, name string) Value {
	f := strFunc(name)
	if f == nil {
		return nil
	}
	return method(name, func(r *run, a args) Value {
		r.work(1 + len(s.s)>>6)
		return f(r, s, a)
	})
}

type strFn func(r *run, s *Str, a args) Value

func strFunc(name string) strFn {
	switch name {
	case "upper", "lower", "title", "capitalize", "swapcase", "casefold":
		return func(r *run, s *Str, a args) Value {
			r.positional(name, a)
			return r.cased(s, name)
		}
	case "strip", "lstrip", "rstrip":
		return func(r *run, s *Str, a args) Value {
			p := r.positional(name, a, "chars?")
			return r.strip(s, p[0], name != "rstrip", name != "lstrip")
		}
	case "startswith", "endswith":
		return func(r *run, s *Str, a args) Value { return r.affix(s, a, name) }
	case "removeprefix":
		return func(r *run, s *Str, a args) Value {
			p := r.strArg(name, r.positional(name, a, "prefix")[0])
			if p.s != "" && strings.HasPrefix(s.s, p.s) {
				return s.sub(len(p.s), len(s.s))
			}
			return s
		}
	case "removesuffix":
		return func(r *run, s *Str, a args) Value {
			p := r.strArg(name, r.positional(name, a, "suffix")[0])
			if p.s != "" && strings.HasSuffix(s.s, p.s) {
				return s.sub(0, len(s.s)-len(p.s))
			}
			return s
		}
	case "split", "rsplit":
		return func(r *run, s *Str, a args) Value {
			p := r.bind(name, a, "sep?", "maxsplit?")
			limit := -1
			if p[1] != nil {
				limit = r.index(p[1])
			}
			if !given(p[0]) {
				return r.list(r.splitSpace(s, limit, name == "rsplit"))
			}
			return r.list(r.split(s, r.strArg(name, p[0]), limit, name == "rsplit"))
		}
	case "splitlines":
		return func(r *run, s *Str, a args) Value {
			p := r.bind(name, a, "keepends?")
			return r.list(r.lines(s, r.flag(p[0])))
		}
	case "partition", "rpartition":
		return func(r *run, s *Str, a args) Value { return r.partition(s, a, name) }
	case "replace":
		return func(r *run, s *Str, a args) Value {
			p := r.positional(name, a, "old", "new", "count?")
			n := -1
			if p[2] != nil {
				n = r.index(p[2])
			}
			return r.replace(s, r.strArg(name, p[0]), r.strArg(name, p[1]), n)
		}
	case "join":
		return func(r *run, s *Str, a args) Value {
			items := r.drain(r.iter(r.positional(name, a, "iterable")[0]))
			for i, e := range items {
				if _, ok := e.(*Str); !ok && s.safe {
					items[i] = r.str(e)
				} else if !ok {
					r.typeErr("sequence item %d: expected str instance, %s found", i, typeName(e))
				}
			}
			return r.join(s, items)
		}
	case "format":
		return func(r *run, s *Str, a args) Value { return r.format(s, a) }
	case "format_map":
		return func(r *run, s *Str, a args) Value {
			d, ok := r.positional(name, a, "mapping")[0].(*Dict)
			if !ok {
				r.typeErr("format_map() argument must be a mapping")
			}
			return r.format(s, args{kw: dictKw(d)})
		}
	}
	return strFunc2(name)
}

func dictKw(d *Dict) []kwarg {
	var out []kwarg
	for _, e := range d.entries {
		if k, ok := e.key.(*Str); ok {
			out = append(out, kwarg{k.s, e.val})
		}
	}
	return out
}

func strFunc2(name string) strFn {
	switch name {
	case "find", "rfind", "index", "rindex":
		return func(r *run, s *Str, a args) Value {
			i := r.find(s, a, name)
			if i < 0 && (name == "index" || name == "rindex") {
				r.valueErr("substring not found")
			}
			return i
		}
	case "count":
		return func(r *run, s *Str, a args) Value {
			p := r.positional(name, a, "sub", "start?", "end?")
			sub := r.strArg(name, p[0])
			lo, hi := r.window(p[1], p[2], s.len())
			if lo > hi {
				return int64(0)
			}
			return int64(strings.Count(s.s[s.offset(lo):s.offset(hi)], sub.s))
		}
	case "center", "ljust", "rjust":
		return func(r *run, s *Str, a args) Value {
			p := r.positional(name, a, "width", "fillchar?")
			fill := lit(" ")
			if p[1] != nil {
				if fill = r.strArg(name, p[1]); fill.len() != 1 {
					r.typeErr("The fill character must be exactly one character long")
				}
			}
			return r.justify(s, r.index(p[0]), fill, name)
		}
	case "zfill":
		return func(r *run, s *Str, a args) Value {
			n := r.index(r.positional(name, a, "width")[0]) - s.len()
			if n <= 0 {
				return s
			}
			sign := 0
			if s.s != "" && (s.s[0] == '+' || s.s[0] == '-') {
				sign = 1
			}
			r.grow(n + len(s.s))
			w := &buffer{}
			w.sub(s, 0, sign)
			w.text(strings.Repeat("0", n))
			w.sub(s, sign, len(s.s))
			return w.str()
		}
	case "expandtabs":
		return func(r *run, s *Str, a args) Value {
			p := r.bind(name, a, "tabsize?")
			n := 8
			if p[0] != nil {
				n = r.index(p[0])
			}
			return r.expandTabs(s, n)
		}
	case "isalnum", "isalpha", "isdecimal", "isdigit", "isidentifier", "islower", "isnumeric", "isprintable",
		"isspace", "istitle", "isupper", "isascii":
		return func(r *run, s *Str, a args) Value {
			r.positional(name, a)
			return strIs(s.s, name)
		}
	case "encode", "translate", "maketrans":
		return func(r *run, _ *Str, _ args) Value {
			r.raise(Runtime, "the method '%s' of strings is not supported", name)
			return nil
		}
	}
	return nil
}

func (r *run) strip(s *Str, chars Value, left, right bool) *Str {
	in := isSpace
	if given(chars) {
		set := r.strArg("strip", chars).s
		in = func(c rune) bool { return strings.ContainsRune(set, c) }
	}
	lo, hi := 0, len(s.s)
	if left {
		lo = hi - len(strings.TrimLeftFunc(s.s, in))
	}
	if right {
		hi = lo + len(strings.TrimRightFunc(s.s[lo:], in))
	}
	return s.sub(lo, hi)
}

func (r *run) affix(s *Str, a args, name string) Value {
	p := r.positional(name, a, "prefix", "start?", "end?")
	lo, hi := r.window(p[1], p[2], s.len())
	affixes := []Value{p[0]}
	if t, ok := p[0].(*Tuple); ok {
		affixes = t.items
	}
	if lo > hi {
		return false
	}
	part := s.s[s.offset(lo):s.offset(hi)]
	for _, v := range affixes {
		x, ok := v.(*Str)
		if !ok {
			r.typeErr("%s first arg must be str or a tuple of str, not %s", name, typeName(v))
		}
		if name == "startswith" && strings.HasPrefix(part, x.s) || name == "endswith" && strings.HasSuffix(part, x.s) {
			return true
		}
	}
	return false
}

func (r *run) find(s *Str, a args, name string) int64 {
	p := r.positional(name, a, "sub", "start?", "end?")
	sub := r.strArg(name, p[0])
	lo, hi := r.window(p[1], p[2], s.len())
	if lo > hi {
		return -1
	}
	from := s.offset(lo)
	part := s.s[from:s.offset(hi)]
	i := strings.Index(part, sub.s)
	if name[0] == 'r' {
		i = strings.LastIndex(part, sub.s)
	}
	if i < 0 {
		return -1
	}
	return int64(utf8.RuneCountInString(s.s[:from+i]))
}

func (r *run) split(s, sep *Str, limit int, fromRight bool) []Value {
	if sep.s == "" {
		r.valueErr("empty separator")
	}
	var out []Value
	if fromRight {
		hi := len(s.s)
		for limit != 0 {
			i := strings.LastIndex(s.s[:hi], sep.s)
			if i < 0 {
				break
			}
			r.grow(4 * valueSize)
			out = append(out, s.sub(i+len(sep.s), hi))
			hi = i
			limit--
		}
		out = append(out, s.sub(0, hi))
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
		return out
	}
	lo := 0
	for limit != 0 {
		i := strings.Index(s.s[lo:], sep.s)
		if i < 0 {
			break
		}
		r.grow(4 * valueSize)
		out = append(out, s.sub(lo, lo+i))
		lo += i + len(sep.s)
		limit--
	}
	return append(out, s.sub(lo, len(s.s)))
}

func (r *run) splitSpace(s *Str, limit int, fromRight bool) []Value {
	var out []Value
	if fromRight {
		hi := len(s.s)
		for {
			hi = len(strings.TrimRightFunc(s.s[:hi], isSpace))
			if hi == 0 {
				break
			}
			lo := 0
			if limit != 0 {
				if i := strings.LastIndexFunc(s.s[:hi], isSpace); i >= 0 {
					_, n := utf8.DecodeRuneInString(s.s[i:])
					lo = i + n
				}
			}
			limit--
			r.grow(4 * valueSize)
			out = append(out, s.sub(lo, hi))
			hi = lo
		}
		for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
			out[i], out[j] = out[j], out[i]
		}
		return out
	}
	lo := 0
	for {
		lo = len(s.s) - len(strings.TrimLeftFunc(s.s[lo:], isSpace))
		if lo == len(s.s) {
			return out
		}
		hi := len(s.s)
		if limit != 0 {
			if i := strings.IndexFunc(s.s[lo:], isSpace); i >= 0 {
				hi = lo + i
			}
		}
		limit--
		r.grow(4 * valueSize)
		out = append(out, s.sub(lo, hi))
		lo = hi
	}
}

func isLineBreak(c rune) bool {
	switch c {
	case '\n', '\r', '\v', '\f', 0x1c, 0x1d, 0x1e, 0x85, 0x2028, 0x2029:
		return true
	}
	return false
}

// lines is str.splitlines.
func (r *run) lines(s *Str, keep bool) []Value {
	var out []Value
	lo := 0
	for lo < len(s.s) {
		i := strings.IndexFunc(s.s[lo:], isLineBreak)
		r.grow(4 * valueSize)
		if i < 0 {
			return append(out, s.sub(lo, len(s.s)))
		}
		hi := lo + i
		_, n := utf8.DecodeRuneInString(s.s[hi:])
		if strings.HasPrefix(s.s[hi:], "\r\n") {
			n = 2
		}
		if keep {
			out = append(out, s.sub(lo, hi+n))
		} else {
			out = append(out, s.sub(lo, hi))
		}
		lo = hi + n
	}
	return out
}

func (r *run) partition(s *Str, a args, name string) Value {
	sep := r.strArg(name, r.positional(name, a, "sep")[0])
	if sep.s == "" {
		r.valueErr("empty separator")
	}
	empty := func() Value { return &Str{safe: s.safe} }
	i := strings.Index(s.s, sep.s)
	if name == "rpartition" {
		i = strings.LastIndex(s.s, sep.s)
	}
	switch {
	case i >= 0:
		end := i + len(sep.s)
		return &Tuple{items: []Value{s.sub(0, i), s.sub(i, end), s.sub(end, len(s.s))}}
	case name == "rpartition":
		return &Tuple{items: []Value{empty(), empty(), s}}
	}
	return &Tuple{items: []Value{s, empty(), empty()}}
}

// replace is str.replace; n < 0 means all.
func (r *run) replace(s, old, repl *Str, n int) *Str {
	if s.safe && !repl.safe {
		repl = r.escape(repl)
	}
	count := strings.Count(s.s, old.s)
	if n >= 0 {
		count = min(count, n)
	}
	if count == 0 {
		return s
	}
	if len(repl.s) > 0 && count > r.memory/len(repl.s) {
		r.grow(-1)
	}
	r.grow(len(s.s) + count*len(repl.s))
	w := &buffer{}
	at := 0
	for k := range count {
		i := strings.Index(s.s[at:], old.s)
		if old.s == "" {
			i = 0
			if k > 0 {
				_, i = utf8.DecodeRuneInString(s.s[at:])
			}
		}
		w.sub(s, at, at+i)
		w.add(repl)
		at += i + len(old.s)
	}
	w.sub(s, at, len(s.s))
	out := w.str()
	out.safe = s.safe
	return out
}

// join puts sep between strings; a Markup escapes the others.
func (r *run) join(sep *Str, items []Value) *Str {
	w := &buffer{}
	for i, e := range items {
		x, _ := e.(*Str)
		if sep.safe && !x.safe {
			x = r.escape(x)
		}
		r.grow(len(x.s) + len(sep.s))
		if i > 0 {
			w.add(sep)
		}
		w.add(x)
	}
	out := w.str()
	out.safe = sep.safe
	return out
}

func (r *run) justify(s *Str, width int, fill *Str, how string) *Str {
	n := width - s.len()
	if n <= 0 {
		return s
	}
	if n > r.memory/4 {
		r.grow(-1)
	}
	r.grow(n*len(fill.s) + len(s.s))
	left := 0
	switch how {
	case "rjust":
		left = n
	case "center":
		left = n/2 + n&width&1
	}
	w := &buffer{}
	for range left {
		w.add(fill)
	}
	w.add(s)
	for range n - left {
		w.add(fill)
	}
	out := w.str()
	out.safe = s.safe
	return out
}

func (r *run) expandTabs(s *Str, size int) *Str {
	w := &buffer{}
	col, from := 0, 0
	for i, c := range s.s {
		switch c {
		case '\t':
			w.sub(s, from, i)
			from = i + 1
			if size > 0 {
				n := size - col%size
				r.grow(n)
				w.text(strings.Repeat(" ", n))
				col += n
			}
		case '\n', '\r':
			col = 0
		default:
			col++
		}
	}
	w.sub(s, from, len(s.s))
	r.grow(len(s.s))
	return w.str()
}
