package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str().
func (r *run) str(v Value) *Str {
	switch x := v.(type) {
	case *Str:
		return x
	case int64:
		return lit(strconv.FormatInt(x, 10))
	case *Undefined:
		return lit("")
	}
	w := &buffer{}
	r.repr(w, v)
	return w.str()
}

func (r *run) repr(w *buffer, v Value) {
	r.step()
	at := len(w.b)
	switch x := v.(type) {
	case none:
		w.text("None")
	case bool:
		if x {
			w.text("True")
		} else {
			w.text("False")
		}
	case int64:
		w.b = strconv.AppendInt(w.b, x, 10)
	case *big.Int:
		w.text(r.bigText(x))
	case float64:
		w.text(floatText(x))
	case *Str:
		r.reprStr(w, x)
	case *List:
		w.byte('[')
		r.reprItems(w, x.items)
		w.byte(']')
	case *Tuple:
		w.byte('(')
		r.reprItems(w, x.items)
		if len(x.items) == 1 {
			w.byte(',')
		}
		w.byte(')')
	case *Dict:
		r.reprDict(w, x)
	case *view:
		w.text(x.kind + "(")
		r.repr(w, &List{r.drain(r.iter(x))})
		w.byte(')')
	default:
		r.reprObject(w, v)
	}
	r.grow(len(w.b) - at)
}

func (r *run) bigText(x *big.Int) string {
	if x.BitLen() > 14400 { // about 4,300 digits, where Python stops
		r.valueErr("Exceeds the limit (4300 digits) for integer string conversion")
	}
	return x.String()
}

func (r *run) reprObject(w *buffer, v Value) {
	switch x := v.(type) {
	case *Undefined:
		w.text("Undefined")
	case *Namespace:
		w.text("<Namespace ")
		r.down()
		r.reprDict(w, x.attrs)
		r.up()
		w.byte('>')
	case *Range:
		w.printf("range(%d, %d", x.start, x.stop)
		if x.step != 1 {
			w.printf(", %d", x.step)
		}
		w.byte(')')
	case *loop:
		w.printf("<LoopContext %d/%d>", x.index0+1, x.len(r))
	case *Macro:
		if x.def.name == "" {
			w.text("<Macro anonymous>")
		} else {
			w.text("<Macro '" + x.def.name + "'>")
		}
	case *Func:
		if x.method {
			w.text("<built-in method " + x.name + ">")
		} else {
			w.text("<function " + x.name + ">")
		}
	default:
		w.text("<" + typeName(v) + " object>")
	}
}

func (w *buffer) printf(format string, a ...any) { w.b = fmt.Appendf(w.b, format, a...) }

func (r *run) reprItems(w *buffer, items []Value) {
	r.down()
	for i, e := range items {
		if i > 0 {
			w.text(", ")
		}
		r.repr(w, e)
	}
	r.up()
}

func (r *run) reprDict(w *buffer, d *Dict) {
	r.down()
	w.byte('{')
	for i, e := range d.entries {
		if i > 0 {
			w.text(", ")
		}
		r.repr(w, e.key)
		w.text(": ")
		r.repr(w, e.val)
	}
	w.byte('}')
	r.up()
}

func (r *run) reprStr(w *buffer, x *Str) {
	at := len(w.b)
	if x.safe {
		w.text("Markup(")
	}
	q := byte('\'')
	if strings.IndexByte(x.s, '\'') >= 0 && strings.IndexByte(x.s, '"') < 0 {
		q = '"'
	}
	w.byte(q)
	for _, c := range x.s {
		switch {
		case c == rune(q) || c == '\\':
			w.byte('\\')
			w.text(string(c))
		case c == '\n':
			w.text(`\n`)
		case c == '\r':
			w.text(`\r`)
		case c == '\t':
			w.text(`\t`)
		case c < ' ' || c == 0x7f:
			w.printf(`\x%02x`, c)
		case c < 0x7f || printable(c):
			w.b = append(w.b, string(c)...)
		case c <= 0xff:
			w.printf(`\x%02x`, c)
		case c <= 0xffff:
			w.printf(`\u%04x`, c)
		default:
			w.printf(`\U%08x`, c)
		}
	}
	w.byte(q)
	if x.safe {
		w.byte(')')
	}
	if len(x.client) > 0 {
		w.mark(at)
	}
}

// printable is Python's str.isprintable for one code point: no other, no separator but the space.
func printable(c rune) bool {
	return c == ' ' || unicode.IsGraphic(c) && !unicode.In(c, unicode.Z)
}

// floatText is repr() of a float.
func floatText(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	case math.IsNaN(f):
		return "nan"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}
