package jinja

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const maxJSONDepth = 150

// FromJSON makes a value of JSON, keeping the order of members, integers apart from floats, and the last of members of
// one name. With client set its strings are marked as a client's.
func FromJSON(raw []byte, client bool) (Value, error) {
	d := jsontext.NewDecoder(strings.NewReader(string(raw)), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
	v, err := decode(d, client, 0)
	if err != nil {
		return nil, err
	}
	if _, err := d.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is more after the JSON value")
	}
	return v, nil
}

func decode(d *jsontext.Decoder, client bool, depth int) (Value, error) {
	if depth > maxJSONDepth {
		return nil, fmt.Errorf("JSON nested deeper than %d", maxJSONDepth)
	}
	str := lit
	if client {
		str = clientStr
	}
	t, err := d.ReadToken()
	if err != nil {
		return nil, err
	}
	switch t.Kind() {
	case '"':
		return str(t.String()), nil
	case '0':
		return numberFrom(t.String())
	case 't':
		return true, nil
	case 'f':
		return false, nil
	case '[':
		l := &List{}
		for d.PeekKind() != ']' {
			v, err := decode(d, client, depth+1)
			if err != nil {
				return nil, err
			}
			l.items = append(l.items, v)
		}
		_, err = d.ReadToken()
		return l, err
	case '{':
		o := newDict(4)
		for d.PeekKind() != '}' {
			k, err := d.ReadToken()
			if err != nil {
				return nil, err
			}
			key := str(k.String())
			v, err := decode(d, client, depth+1)
			if err != nil {
				return nil, err
			}
			o.set(key, v)
		}
		_, err = d.ReadToken()
		return o, err
	default:
		return none{}, nil
	}
}

func numberFrom(s string) (Value, error) {
	if strings.ContainsAny(s, ".eE") {
		f, err := strconv.ParseFloat(s, 64)
		if err != nil && !math.IsInf(f, 0) {
			return nil, err
		}
		return f, nil
	}
	if i, err := strconv.ParseInt(s, 10, 64); err == nil {
		return i, nil
	}
	if len(s) > 4300 {
		return nil, errors.New("an integer has more than 4300 digits")
	}
	n, ok := new(big.Int).SetString(s, 10)
	if !ok {
		return nil, fmt.Errorf("%q is no integer", s)
	}
	return norm(n), nil
}

// jsonStyle is what tojson was asked for.
type jsonStyle struct {
	ascii      bool
	pretty     bool
	indent     string
	item, pair string
	sort       bool
}

func (r *run) tojson(v Value, a args) Value {
	p := r.bindFilter("tojson", v, a, "x", "ensure_ascii?", "indent?", "separators?", "sort_keys?")
	st := jsonStyle{item: ", ", pair: ": "}
	st.ascii = p[1] != nil && r.truth(p[1])
	st.sort = p[4] != nil && r.truth(p[4])
	switch x := p[2].(type) {
	case nil, none:
	case *Str:
		st.pretty, st.indent = true, x.s
	default:
		n := r.index(x)
		r.grow(max(n, 0))
		st.pretty, st.indent = true, strings.Repeat(" ", max(n, 0))
	}
	if st.pretty {
		st.item = ","
	}
	if p[3] != nil && p[3] != (none{}) {
		seps := r.unpack(p[3], 2)
		i, ok1 := seps[0].(*Str)
		k, ok2 := seps[1].(*Str)
		if !ok1 || !ok2 {
			r.typeErr("separators must be strings")
		}
		st.item, st.pair = i.s, k.s
	}
	w := &buffer{}
	r.json(w, v, &st, 0)
	return w.str()
}

func (r *run) json(w *buffer, v Value, st *jsonStyle, level int) {
	r.step()
	switch x := v.(type) {
	case none:
		w.text("null")
	case bool:
		w.text(strconv.FormatBool(x))
	case int64:
		w.b = strconv.AppendInt(w.b, x, 10)
	case *big.Int:
		w.text(r.bigText(x))
	case float64:
		w.text(jsonFloat(x))
	case *Str:
		r.jsonStr(w, x, st.ascii)
	case *List:
		r.jsonList(w, x.items, st, level)
	case *Tuple:
		r.jsonList(w, x.items, st, level)
	case *Dict:
		r.jsonDict(w, x, st, level)
	default:
		r.typeErr("Object of type %s is not JSON serializable", typeName(v))
	}
}

func jsonFloat(f float64) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	case math.IsNaN(f):
		return "NaN"
	}
	return floatText(f)
}

func (r *run) jsonBreak(w *buffer, st *jsonStyle, level int) {
	if !st.pretty {
		return
	}
	r.grow(1 + level*len(st.indent))
	w.byte('\n')
	for range level {
		w.text(st.indent)
	}
}

func (r *run) jsonList(w *buffer, items []Value, st *jsonStyle, level int) {
	if len(items) == 0 {
		w.text("[]")
		return
	}
	r.down()
	w.byte('[')
	for i, e := range items {
		if i > 0 {
			r.grow(len(st.item))
			w.text(st.item)
		}
		r.jsonBreak(w, st, level+1)
		r.json(w, e, st, level+1)
	}
	r.jsonBreak(w, st, level)
	w.byte(']')
	r.up()
}

func (r *run) jsonDict(w *buffer, d *Dict, st *jsonStyle, level int) {
	if len(d.entries) == 0 {
		w.text("{}")
		return
	}
	r.down()
	entries := d.entries
	if st.sort {
		keys := make([]Value, len(entries))
		for i, e := range entries {
			keys[i] = e.key
		}
		order := r.sortedBy(keys, false)
		sorted := make([]entry, len(entries))
		for i, at := range order {
			sorted[i] = entries[at]
		}
		entries = sorted
	}
	w.byte('{')
	for i, e := range entries {
		if i > 0 {
			r.grow(len(st.item))
			w.text(st.item)
		}
		r.jsonBreak(w, st, level+1)
		r.jsonKey(w, e.key, st)
		r.grow(len(st.pair))
		w.text(st.pair)
		r.json(w, e.val, st, level+1)
	}
	r.jsonBreak(w, st, level)
	w.byte('}')
	r.up()
}

func (r *run) jsonKey(w *buffer, k Value, st *jsonStyle) {
	switch x := k.(type) {
	case *Str:
		r.jsonStr(w, x, st.ascii)
	case bool, none, int64, *big.Int, float64:
		w.byte('"')
		r.json(w, k, st, 0)
		w.byte('"')
	default:
		r.typeErr("keys must be str, int, float, bool or None, not %s", typeName(k))
	}
}

// jsonStr writes a string. The bytes of a client's stay marked through the escapes.
func (r *run) jsonStr(w *buffer, x *Str, ascii bool) {
	r.grow(len(x.s) + 2)
	w.byte('"')
	spans := x.client
	plain := 0
	flush := func(to int) {
		w.sub(x, plain, to)
	}
	for i := 0; i < len(x.s); {
		c, n := utf8.DecodeRuneInString(x.s[i:])
		e := jsonEscape(c, ascii)
		if e != "" {
			flush(i)
			r.grow(len(e))
			at := len(w.b)
			w.text(e)
			for len(spans) > 0 && spans[0].End <= i {
				spans = spans[1:]
			}
			if len(spans) > 0 && spans[0].Start <= i {
				w.mark(at)
			}
			plain = i + n
		}
		i += n
	}
	flush(len(x.s))
	w.byte('"')
}

func jsonEscape(c rune, ascii bool) string {
	switch c {
	case '"':
		return `\"`
	case '\\':
		return `\\`
	case '\n':
		return `\n`
	case '\r':
		return `\r`
	case '\t':
		return `\t`
	case '\b':
		return `\b`
	case '\f':
		return `\f`
	}
	switch {
	case c < ' ' || ascii && c > 126 && c <= 0xffff:
		return fmt.Sprintf(`\u%04x`, c)
	case ascii && c > 0xffff:
		c -= 0x10000
		return fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(c>>10), 0xdc00+(c&0x3ff))
	}
	return ""
}
