package grammar

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

// The limits of a schema.
const (
	maxBytes  = 256 << 10
	maxDepth  = 100
	maxValues = 50_000
)

// value is one JSON value of a schema, and knows where it stands there.
type value struct {
	kind    jsontext.Kind
	raw     jsontext.Value
	text    string   // of a string
	names   []string // of an object's members, in order
	members []*value // of an object or an array
	parent  *value
	at      string // the last part of its path
}

// get is an object's member, or nil.
func (v *value) get(name string) *value {
	for i, n := range v.names {
		if n == name {
			return v.members[i]
		}
	}
	return nil
}

// path is where v stands, as faults name fields.
func (v *value) path() string {
	if v.parent == nil {
		return v.at
	}
	return fault.Join(v.parent.path(), v.at)
}

// invalid is a fault at v.
func (v *value) invalid(format string, args ...any) error {
	return fault.Invalid(v.path(), format, args...)
}

// count reads a whole number that is not negative, as lengths are.
func (v *value) count() (int, error) {
	n, err := strconv.ParseFloat(string(v.raw), 64)
	if v.kind != '0' || err != nil || n < 0 || n > 1<<30 || n != float64(int(n)) {
		return 0, v.invalid("must be a whole number from 0 to %d", 1<<30)
	}
	return int(n), nil
}

// parse reads a schema's text.
func parse(raw jsontext.Value) (*value, error) {
	if len(raw) > maxBytes {
		return nil, fault.Invalid("", "the schema has %d bytes, the limit is %d", len(raw), maxBytes)
	}
	p := &parser{d: jsontext.NewDecoder(bytes.NewReader(raw))}
	v, err := p.value(nil, "", 0)
	if err != nil {
		return nil, err
	}
	if _, err = p.d.ReadToken(); err == nil {
		return nil, fault.Invalid("", "the schema is followed by something else")
	}
	return v, nil
}

type parser struct {
	d     *jsontext.Decoder
	count int
}

func (p *parser) value(parent *value, at string, depth int) (*value, error) {
	v := &value{parent: parent, at: at}
	if p.count++; p.count > maxValues || depth > maxDepth {
		return nil, v.invalid("the schema has more than %d values or %d levels", maxValues, maxDepth)
	}
	v.kind = p.d.PeekKind()
	if v.kind != '{' && v.kind != '[' {
		raw, err := p.d.ReadValue()
		if err != nil {
			return nil, v.invalid("is not valid JSON")
		}
		v.raw = raw.Clone()
		if v.kind == '"' {
			text, err := jsontext.AppendUnquote(nil, raw)
			if err != nil {
				return nil, v.invalid("is not valid JSON")
			}
			v.text = string(text)
		}
		return v, nil
	}
	return v, p.members(v, depth)
}

// members reads an object or an array, and its compact text.
func (p *parser) members(v *value, depth int) error {
	bad := func() error { return v.invalid("is not valid JSON") }
	if _, err := p.d.ReadToken(); err != nil {
		return bad()
	}
	text := []byte{byte(v.kind)}
	for i := 0; p.d.PeekKind() != '}' && p.d.PeekKind() != ']'; i++ {
		at := "[" + strconv.Itoa(i) + "]"
		if i > 0 {
			text = append(text, ',')
		}
		if v.kind == '{' {
			t, err := p.d.ReadToken()
			if err != nil || t.Kind() != '"' {
				return bad()
			}
			at = t.String()
			v.names = append(v.names, at)
			text = append(append(text, quote(at)...), ':')
		}
		m, err := p.value(v, at, depth+1)
		if err != nil {
			return err
		}
		v.members = append(v.members, m)
		text = append(text, m.compact()...)
	}
	if _, err := p.d.ReadToken(); err != nil {
		return bad()
	}
	v.raw = append(text, byte(v.kind)+2)
	return nil
}

// compact is the value's text without white space, strings in their one spelling.
func (v *value) compact() string {
	if v.kind == '"' {
		return quote(v.text)
	}
	return string(v.raw)
}

func quote(s string) string { return `"` + spell(s) + `"` }
