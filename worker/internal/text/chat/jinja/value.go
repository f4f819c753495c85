package jinja

import (
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Value is what a template computes with: none, bool, int64, *big.Int (only outside int64), float64, *Str, *List,
// *Tuple, *Dict, *Undefined and the objects of this package. A nil Value means "no value yet", never Python's None.
type Value any

// none is Python's None.
type none struct{}

// None is the value None of a template.
func None() Value { return none{} }

// Span is a range of bytes, [Start, End).
type Span struct{ Start, End int }

// Str is Python's str, UTF-8, with what is known of it.
type Str struct {
	s      string
	client []Span // bytes that a client wrote; sorted, never touching
	safe   bool   // a Markup
	runes  int32  // number of code points plus one; 0: not counted yet
}

// Text makes a string of the host's own.
func Text(s string) Value { return constant(s) }

// ClientText makes a string that a client wrote.
func ClientText(s string) Value { return clientStr(s) }

func lit(s string) *Str { return &Str{s: s} }

// constant makes a string that goroutines may share: it is counted already.
func constant(s string) *Str {
	x := lit(s)
	x.len()
	return x
}

func clientStr(s string) *Str {
	if s == "" {
		return lit(s)
	}
	return &Str{s: s, client: []Span{{0, len(s)}}}
}

// like makes a string out of a whole other one whose bytes cannot be told apart any more: if any byte was a client's,
// all of the new ones are.
func (x *Str) like(s string) *Str {
	if len(x.client) > 0 && s != "" {
		return &Str{s: s, client: []Span{{0, len(s)}}, safe: x.safe}
	}
	return &Str{s: s, safe: x.safe}
}

// len counts code points. Goroutines share only strings made by constant, whose count is known and not written again.
func (x *Str) len() int {
	if x.runes == 0 {
		n := utf8.RuneCountInString(x.s)
		if n >= 1<<30 {
			return n
		}
		x.runes = int32(n) + 1 //nolint:gosec // n is below 1<<30
	}
	return int(x.runes) - 1
}

func (x *Str) ascii() bool { return x.len() == len(x.s) }

// sub is the string of bytes [lo, hi).
func (x *Str) sub(lo, hi int) *Str {
	if lo == 0 && hi == len(x.s) {
		return x
	}
	out := &Str{s: x.s[lo:hi], safe: x.safe}
	out.client = appendSpans(nil, x.client, lo, hi, -lo)
	if x.runes != 0 && x.ascii() && hi-lo < 1<<30 {
		out.runes = int32(hi-lo) + 1 //nolint:gosec // below 1<<30
	}
	return out
}

// appendSpans adds the parts of src within [lo, hi), moved by shift, joining spans that touch.
func appendSpans(dst, src []Span, lo, hi, shift int) []Span {
	for _, p := range src {
		a, b := max(p.Start, lo), min(p.End, hi)
		if a >= b {
			if p.Start >= hi {
				break
			}
			continue
		}
		if n := len(dst); n > 0 && dst[n-1].End == a+shift {
			dst[n-1].End = b + shift
			continue
		}
		dst = append(dst, Span{a + shift, b + shift})
	}
	return dst
}

// offset is the byte at which code point i begins; i may be len(x).
func (x *Str) offset(i int) int {
	if x.ascii() {
		return i
	}
	off := 0
	for ; i > 0; i-- {
		_, n := utf8.DecodeRuneInString(x.s[off:])
		off += n
	}
	return off
}

// buffer collects a string and which of its bytes are a client's.
type buffer struct {
	b      []byte
	client []Span
}

func (w *buffer) text(s string) { w.b = append(w.b, s...) }
func (w *buffer) byte(c byte)   { w.b = append(w.b, c) }

func (w *buffer) add(x *Str) {
	if len(x.client) > 0 {
		w.client = appendSpans(w.client, x.client, 0, len(x.s), len(w.b))
	}
	w.b = append(w.b, x.s...)
}

func (w *buffer) sub(x *Str, lo, hi int) {
	if len(x.client) > 0 {
		w.client = appendSpans(w.client, x.client, lo, hi, len(w.b)-lo)
	}
	w.b = append(w.b, x.s[lo:hi]...)
}

// mark says that everything from byte start on is a client's.
func (w *buffer) mark(start int) {
	if start < len(w.b) {
		w.client = appendSpans(w.client, []Span{{start, len(w.b)}}, start, len(w.b), 0)
	}
}

func (w *buffer) str() *Str { return &Str{s: string(w.b), client: w.client} }

// List is Python's list; templates cannot change one.
type List struct{ items []Value }

// Tuple is Python's tuple. group marks the pairs of groupby, which have names.
type Tuple struct {
	items []Value
	group bool
}

// NewList makes a list of the host's.
func NewList(items ...Value) Value { return &List{items} }

type entry struct{ key, val Value }

// Dict is Python's dict: in order of insertion, with keys that are equal when Python says so.
type Dict struct {
	entries []entry
	index   map[any]int // nil while there are few entries with string keys
}

const smallDict = 8

func newDict(n int) *Dict {
	d := &Dict{entries: make([]entry, 0, n)}
	if n > smallDict {
		d.index = make(map[any]int, n)
	}
	return d
}

// hashKey gives what Python hashes by, or false for what it cannot hash.
func hashKey(v Value) (any, bool) {
	switch x := v.(type) {
	case *Str:
		return x.s, true
	case bool:
		if x {
			return int64(1), true
		}
		return int64(0), true
	case int64:
		return x, true
	case float64:
		if i := int64(x); float64(i) == x && x < 1<<63 && x >= -1<<63 {
			return i, true
		}
		return x, true
	case *big.Int:
		return bigKey(x.String()), true
	case none:
		return x, true
	case *Undefined:
		return undefinedKey{}, true
	case *Tuple:
		var sb strings.Builder
		if !tupleKey(&sb, x, 0) {
			return nil, false
		}
		return tupleHash(sb.String()), true
	case *List, *Dict:
		return nil, false
	case *view:
		return v, x.kind == "dict_values"
	}
	return v, true // by identity: pointers of this package
}

type (
	undefinedKey struct{}
	bigKey       string
	tupleHash    string
)

func tupleKey(sb *strings.Builder, t *Tuple, depth int) bool {
	if depth > 100 {
		return false
	}
	for _, e := range t.items {
		switch x := e.(type) {
		case *Tuple:
			sb.WriteString("(")
			if !tupleKey(sb, x, depth+1) {
				return false
			}
			sb.WriteString(")")
		case *Str:
			sb.WriteString("s")
			sb.WriteString(strconv.Itoa(len(x.s)))
			sb.WriteString(":")
			sb.WriteString(x.s)
		default:
			k, ok := hashKey(e)
			if !ok {
				return false
			}
			fmt.Fprintf(sb, "%T:%v;", k, k)
		}
	}
	return true
}

// get finds a key; ok is false when it is not there, and hashable false when it could never be.
func (d *Dict) get(key Value) (v Value, ok, hashable bool) {
	if d.index == nil {
		if s, is := key.(*Str); is {
			v, ok = d.find(s.s)
			return v, ok, true
		}
	}
	k, hashable := hashKey(key)
	if !hashable {
		return nil, false, false
	}
	if i := d.at(k); i >= 0 {
		return d.entries[i].val, true, true
	}
	return nil, false, true
}

// find is get for a plain string.
func (d *Dict) find(s string) (Value, bool) {
	if i := d.at(s); i >= 0 {
		return d.entries[i].val, true
	}
	return nil, false
}

func (d *Dict) at(k any) int {
	if d.index != nil {
		if i, ok := d.index[k]; ok {
			return i
		}
		return -1
	}
	s, isStr := k.(string)
	for i := range d.entries {
		if x, ok := d.entries[i].key.(*Str); ok {
			if isStr && x.s == s {
				return i
			}
			continue
		}
		if h, _ := hashKey(d.entries[i].key); h == k {
			return i
		}
	}
	return -1
}

// set adds or replaces; false when the key cannot be hashed.
func (d *Dict) set(key, val Value) bool {
	k, ok := hashKey(key)
	if !ok {
		return false
	}
	if i := d.at(k); i >= 0 {
		d.entries[i].val = val
		return true
	}
	d.entries = append(d.entries, entry{key, val})
	switch {
	case d.index != nil:
		d.index[k] = len(d.entries) - 1
	case len(d.entries) > smallDict:
		d.index = make(map[any]int, 2*len(d.entries))
		for i, e := range d.entries {
			h, _ := hashKey(e.key)
			d.index[h] = i
		}
	}
	return true
}

// Undefined is what a name or attribute that is not there gives: empty and false, an error for nearly all else.
type Undefined struct{ msg string }

// Namespace is the one object a template can change.
type Namespace struct{ attrs *Dict }

// Range is range(), counted when it is walked.
type Range struct{ start, stop, step, n int64 }

// Iter is an iterator or generator: walked once.
type Iter struct {
	next func() (Value, bool)
	typ  string
}

// view is dict.keys(), dict.values() or dict.items().
type view struct {
	d    *Dict
	kind string
}

func (v *view) item(i int) Value {
	e := v.d.entries[i]
	switch v.kind {
	case "dict_keys":
		return e.key
	case "dict_values":
		return e.val
	}
	return &Tuple{items: []Value{e.key, e.val}}
}

// args are the arguments of a call.
type args struct {
	pos []Value
	kw  []kwarg
}

type kwarg struct {
	name string
	v    Value
}

// Func is a callable of the host or of this package.
type Func struct {
	name string
	call func(r *run, a args) Value
	// method is set for a bound method, for its name when printed.
	method bool
}

type cycler struct {
	items []Value
	pos   int
}

func typeName(v Value) string {
	switch x := v.(type) {
	case none:
		return "NoneType"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case *Str:
		if x.safe {
			return "Markup"
		}
		return "str"
	case *List:
		return "list"
	case *Tuple:
		return "tuple"
	case *Dict:
		return "dict"
	case *Undefined:
		return "Undefined"
	case *Namespace:
		return "Namespace"
	case *Range:
		return "range"
	case *Iter:
		return x.typ
	case *view:
		return x.kind
	case *loop:
		return "LoopContext"
	case *Macro:
		return "Macro"
	case *cycler:
		return "Cycler"
	case *Func:
		if x.method {
			return "builtin_function_or_method"
		}
		return "function"
	}
	return "object"
}

// Member is the value of a mapping's key; nil when v is no mapping or has no such key.
func Member(v Value, key string) Value {
	if d, ok := v.(*Dict); ok {
		x, _ := d.find(key)
		return x
	}
	return nil
}

// SetMember replaces the value of a mapping's key, before the mapping is given to a template.
func SetMember(v Value, key string, to Value) {
	if d, ok := v.(*Dict); ok {
		d.set(constant(key), to)
	}
}

// Items are the elements of a list; nil for anything else. They are not to be changed.
func Items(v Value) []Value {
	if l, ok := v.(*List); ok {
		return l.items
	}
	return nil
}

// Each calls f with the members of a mapping whose keys are strings, in order. False when v is no mapping.
func Each(v Value, f func(key string, val Value)) bool {
	d, ok := v.(*Dict)
	if !ok {
		return false
	}
	for _, e := range d.entries {
		if k, ok := e.key.(*Str); ok {
			f(k.s, e.val)
		}
	}
	return true
}

// StringOf gives a string's text.
func StringOf(v Value) (string, bool) {
	s, ok := v.(*Str)
	if !ok {
		return "", false
	}
	return s.s, true
}
