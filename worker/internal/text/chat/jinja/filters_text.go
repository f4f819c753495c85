package jinja

import (
	"fmt"
	"html"
	"math"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// escape is markupsafe's: a Markup stays as it is.
func (r *run) escape(s *Str) *Str {
	if s.safe {
		return s
	}
	w := &buffer{}
	from := 0
	for i := range len(s.s) {
		var e string
		switch s.s[i] {
		case '&':
			e = "&amp;"
		case '<':
			e = "&lt;"
		case '>':
			e = "&gt;"
		case '\'':
			e = "&#39;"
		case '"':
			e = "&#34;"
		default:
			continue
		}
		w.sub(s, from, i)
		w.text(e)
		from = i + 1
	}
	w.sub(s, from, len(s.s))
	r.grow(len(w.b))
	out := w.str()
	if len(s.client) > 0 { // the escapes themselves too
		out = s.like(out.s)
	}
	out.safe = true
	return out
}

func filterStriptags(r *run, v Value, a args) Value {
	r.bindFilter("striptags", v, a, "value")
	s := r.str(v)
	t := s.s
	for {
		i := strings.Index(t, "<!--")
		if i < 0 {
			break
		}
		j := strings.Index(t[i:], "-->")
		if j < 0 {
			break
		}
		t = t[:i] + t[i+j+3:]
		r.grow(len(t))
	}
	for {
		i := strings.IndexByte(t, '<')
		if i < 0 {
			break
		}
		j := strings.IndexByte(t[i:], '>')
		if j < 0 {
			break
		}
		t = t[:i] + t[i+j+1:]
		r.grow(len(t))
	}
	t = html.UnescapeString(strings.Join(strings.FieldsFunc(t, isSpace), " "))
	return plain(s).like(t)
}

// maybeStr is for filters that work on their argument as the string it has to be.
func (r *run) maybeStr(v Value, what string) *Str {
	s, ok := v.(*Str)
	if !ok {
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("unsupported operand type for %s: '%s'", what, typeName(v))
	}
	return s
}

func filterIndent(r *run, v Value, a args) Value {
	p := r.bindFilter("indent", v, a, "s", "width?", "first?", "blank?")
	s := r.maybeStr(v, "indent")
	pad := lit("    ")
	switch x := p[1].(type) {
	case nil:
	case *Str:
		pad = x
	default:
		n := max(r.index(x), 0)
		r.grow(n)
		pad = lit(strings.Repeat(" ", n))
	}
	nl := lit("\n")
	if s.safe {
		pad = &Str{s: pad.s, client: pad.client, safe: true}
		nl.safe = true
	}
	lines := r.lines(r.concat(s, nl), false)
	w := &buffer{}
	blank := r.flag(p[3])
	for i, l := range lines {
		line, _ := l.(*Str)
		r.grow(len(line.s) + 1 + len(pad.s))
		if i > 0 {
			w.add(nl)
		}
		if i > 0 && (blank || line.s != "") || i == 0 && r.flag(p[2]) {
			w.add(pad)
		}
		w.add(line)
	}
	out := w.str()
	out.safe = s.safe
	return out
}

func filterTruncate(r *run, v Value, a args) Value {
	p := r.bindFilter("truncate", v, a, "s", "length?", "killwords?", "end?", "leeway?")
	n, leeway, end := 255, 5, lit("...")
	if p[1] != nil {
		n = r.index(p[1])
	}
	if given(p[4]) {
		leeway = r.index(p[4])
	}
	if p[3] != nil {
		end = r.strArg("truncate", p[3])
	}
	if n < end.len() || leeway < 0 {
		r.raise(Runtime, "truncate: expected length >= %d, got %d", end.len(), n)
	}
	if _, ok := v.(*Undefined); ok {
		return v
	}
	if size := r.length(v); size <= n+leeway {
		return v
	}
	s := r.maybeStr(v, "truncate")
	cut := s.sub(0, s.offset(n-end.len()))
	if !r.flag(p[2]) {
		if i := strings.LastIndexByte(cut.s, ' '); i >= 0 {
			cut = cut.sub(0, i)
		}
	}
	return r.concat(cut, end)
}

func filterWordwrap(r *run, v Value, a args) Value {
	p := r.bindFilter("wordwrap", v, a, "s", "width?", "break_long_words?", "wrapstring?", "break_on_hyphens?")
	s := r.maybeStr(v, "wordwrap")
	w := wrapper{r: r, width: 79, long: true, hyphens: true}
	if p[1] != nil {
		w.width = r.index(p[1])
	}
	if p[2] != nil {
		w.long = r.truth(p[2])
	}
	if p[4] != nil {
		w.hyphens = r.truth(p[4])
	}
	sep := lit("\n")
	if given(p[3]) {
		sep = r.strArg("wordwrap", p[3])
	}
	if w.width <= 0 && s.s != "" {
		r.valueErr("invalid width %d (must be > 0)", w.width)
	}
	var out []string
	for _, l := range r.lines(s, false) {
		x, _ := l.(*Str)
		r.work(len(x.s))
		r.grow(8 * len(x.s))
		out = append(out, strings.Join(w.wrap(x.s), sep.s))
		r.grow(len(out[len(out)-1]) + len(sep.s))
	}
	return s.like(strings.Join(out, sep.s))
}

// wrapper is Python's textwrap as the filter uses it.
type wrapper struct {
	r             *run
	width         int
	long, hyphens bool
}

func asciiSpace(c byte) bool { return c == ' ' || c >= '\t' && c <= '\r' }

func (w wrapper) blank(s string) bool {
	w.r.work(1 + len(s)>>4)
	return strings.TrimFunc(s, isSpace) == ""
}

// runesUpTo counts code points, n+1 at most.
func runesUpTo(s string, n int) int {
	c := 0
	for range s {
		if c++; c > n {
			break
		}
	}
	return c
}

func (w wrapper) wrap(s string) []string {
	chunks := w.chunks(s)
	var lines []string
	for i := 0; i < len(chunks); {
		var cur []string
		n := 0
		if len(lines) > 0 && w.blank(chunks[i]) {
			i++
		}
		for i < len(chunks) && n+runesUpTo(chunks[i], w.width) <= w.width {
			n += runesUpTo(chunks[i], w.width)
			cur = append(cur, chunks[i])
			i++
		}
		if i < len(chunks) && runesUpTo(chunks[i], w.width) > w.width {
			switch {
			case w.long:
				head, tail := w.cut(chunks[i], max(w.width-n, 0))
				cur = append(cur, head)
				chunks[i] = tail
			case len(cur) == 0:
				cur = append(cur, chunks[i])
				i++
			}
		}
		if k := len(cur); k > 0 && w.blank(cur[k-1]) {
			cur = cur[:k-1]
		}
		if len(cur) > 0 {
			lines = append(lines, strings.Join(cur, ""))
		}
	}
	return lines
}

// cut divides a word that is longer than a line, at its last hyphen where there is one.
func (w wrapper) cut(s string, room int) (head, tail string) {
	end := 0
	for range room {
		_, n := utf8.DecodeRuneInString(s[end:])
		end += n
	}
	if w.hyphens {
		if j := strings.LastIndexByte(s[:end], '-'); j > 0 && strings.Trim(s[:j], "-") != "" {
			end = j + 1
		}
	}
	return s[:end], s[end:]
}

// chunks divides text into words, parts of words at hyphens, and the spaces between.
func (w wrapper) chunks(s string) []string {
	var out []string
	for i := 0; i < len(s); {
		j := i
		for j < len(s) && asciiSpace(s[j]) {
			j++
		}
		if j > i {
			out = append(out, s[i:j])
			i = j
			continue
		}
		for j < len(s) && !asciiSpace(s[j]) {
			j++
		}
		if w.hyphens {
			out = append(out, splitHyphens(s[i:j])...)
		} else {
			out = append(out, s[i:j])
		}
		i = j
	}
	return out
}

// splitHyphens divides a word after hyphens between letters, and around dashes of two or more.
func splitHyphens(word string) []string {
	rs := []rune(word)
	wordRune := func(c rune) bool { return c == '_' || unicode.IsLetter(c) || isNumeric(c) }
	punct := func(c rune) bool { return wordRune(c) || strings.ContainsRune("!\"'&.,?", c) }
	letter := func(i int) bool {
		return i >= 0 && i < len(rs) && wordRune(rs[i]) && !unicode.IsDigit(rs[i])
	}
	var out []string
	from := 0
	for i := 0; i < len(rs); i++ {
		if rs[i] != '-' {
			continue
		}
		n := i
		for n < len(rs) && rs[n] == '-' {
			n++
		}
		switch {
		case n-i >= 2 && n < len(rs) && wordRune(rs[n]) && (i == from || punct(rs[i-1])):
			if i > from {
				out = append(out, string(rs[from:i]))
			}
			out = append(out, string(rs[i:n]))
			from = n
		case n-i == 1 && letter(i-1) && (letter(i-2) || i >= 3 && rs[i-2] == '-' && letter(i-3)) &&
			letter(i+1) && (letter(i+2) || i+3 < len(rs) && rs[i+2] == '-' && letter(i+3)):
			out = append(out, string(rs[from:n]))
			from = n
		}
		i = n - 1
	}
	if from < len(rs) {
		out = append(out, string(rs[from:]))
	}
	return out
}

func filterURLEncode(r *run, v Value, a args) Value {
	r.bindFilter("urlencode", v, a, "value")
	quote := func(v Value, safe string) *Str {
		s := r.str(v)
		r.grow(3 * len(s.s))
		var b strings.Builder
		for i := range len(s.s) {
			c := s.s[i]
			switch {
			case c < 0x80 && (c|0x20 >= 'a' && c|0x20 <= 'z' || isDigit(c)) || strings.IndexByte("_.-~"+safe, c) >= 0:
				b.WriteByte(c)
			case c == ' ' && safe == "":
				b.WriteByte('+')
			default:
				fmt.Fprintf(&b, "%%%02X", c)
			}
		}
		return plain(s).like(b.String())
	}
	if _, ok := v.(*Str); ok {
		return quote(v, "/")
	}
	if d, ok := v.(*Dict); ok {
		v = &view{d, "dict_items"}
	}
	next, ok := r.tryIter(v)
	if !ok {
		return quote(v, "/")
	}
	w := &buffer{}
	for i, e := range r.drain(next) {
		kv := r.unpack(e, 2)
		if i > 0 {
			w.byte('&')
		}
		w.add(quote(kv[0], ""))
		w.byte('=')
		w.add(quote(kv[1], ""))
	}
	return w.str()
}

func filterFileSize(r *run, v Value, a args) Value {
	p := r.bindFilter("filesizeformat", v, a, "value", "binary?")
	f, ok := 0.0, false
	if s, is := v.(*Str); is {
		f, ok = parseFloat(s.s)
	} else if isNumber(v) {
		f, ok = r.toFloat(v), true
	}
	if !ok {
		r.valueErr("could not convert to float")
	}
	base, units := 1000.0, "kB MB GB TB PB EB ZB YB"
	if r.flag(p[1]) {
		base, units = 1024, "KiB MiB GiB TiB PiB EiB ZiB YiB"
	}
	switch {
	case f == 1:
		return lit("1 Byte")
	case f < base:
		n := truncFloat(f)
		if n == nil {
			r.valueErr("not a size")
		}
		return lit(toBig(n).String() + " Bytes")
	}
	unit, name := base, ""
	for _, name = range strings.Fields(units) {
		unit *= base
		if f < unit {
			break
		}
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		r.valueErr("not a size")
	}
	return lit(strconv.FormatFloat(base*f/unit, 'f', 1, 64) + " " + name)
}

func filterXMLAttr(r *run, v Value, a args) Value {
	p := r.bindFilter("xmlattr", v, a, "d", "autospace?")
	d, ok := v.(*Dict)
	if !ok {
		if u, is := v.(*Undefined); is {
			r.undefined(u)
		}
		r.typeErr("'%s' object has no attribute 'items'", typeName(v))
	}
	w := &buffer{}
	for _, e := range d.entries {
		if _, ok := e.val.(*Undefined); ok || e.val == Value(none{}) {
			continue
		}
		k := r.strArg("xmlattr", e.key)
		if strings.ContainsAny(k.s, " \t\n\r\f\v/>=") {
			r.valueErr("Invalid character in attribute name: '%s'", k.s)
		}
		if len(w.b) > 0 || p[1] == nil || r.truth(p[1]) {
			w.byte(' ')
		}
		w.add(r.escape(k))
		w.text(`="`)
		w.add(r.escape(r.str(e.val)))
		w.byte('"')
	}
	return w.str()
}
