package uninlu

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

// node is one key of a schema. The order of keys is theirs in the request.
type node struct {
	key   string
	inner []node // nil for a leaf; an empty branch gives nothing
}

// parse reads {"text":…,"schema":…}. Errors are faults that name the field.
func parse(b []byte) (txt string, schema []node, err error) {
	d := jsontext.NewDecoder(bytes.NewBuffer(b))
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return "", nil, syntax("", err)
		}
		return "", nil, fault.Invalid("", "the input must be an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return "", nil, syntax("", err)
	}
	var seenText, seenSchema bool
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return "", nil, syntax("", err)
		}
		field := name.String()
		value, err := d.ReadValue()
		if err != nil {
			return "", nil, syntax("", err)
		}
		switch field {
		case "text":
			seenText = true
			txt, err = parseText(value)
		case "schema":
			seenSchema = true
			schema, err = parseSchema(value)
		default:
			err = fault.Invalid(field, "this model does not know it")
		}
		if err != nil {
			return "", nil, err
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return "", nil, syntax("", err)
	}
	if d.InputOffset() != int64(len(bytes.TrimRight(b, " \t\r\n"))) {
		return "", nil, fault.Invalid("", "the input has something after its object")
	}
	switch {
	case !seenText:
		return "", nil, fault.Invalid("text", "is missing")
	case !seenSchema:
		return "", nil, fault.Invalid("schema", "is missing")
	}
	return txt, schema, nil
}

func parseText(v jsontext.Value) (string, error) {
	if v.Kind() != '"' {
		return "", fault.Invalid("text", "must be a string")
	}
	b, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return "", fault.Invalid("text", "must be a string of whole characters")
	}
	if n := utf8.RuneCount(b); n > MaxText {
		return "", fault.Invalid("text", "has %d characters, which are more than %d", n, MaxText)
	}
	return string(b), nil
}

// parseSchema reads a schema: an object, or a string that holds one.
func parseSchema(v jsontext.Value) ([]node, error) {
	if v.Kind() == '"' {
		b, err := jsontext.AppendUnquote(nil, v)
		if err != nil {
			return nil, fault.Invalid("schema", "must be a string of whole characters")
		}
		v = b
	}
	d := jsontext.NewDecoder(bytes.NewBuffer(v))
	if d.PeekKind() != '{' {
		if _, err := d.ReadValue(); err != nil {
			return nil, syntax("schema", err)
		}
		return nil, fault.Invalid("schema", "must be an object, or a string that holds one")
	}
	p := schemaParser{decoder: d}
	nodes, err := p.object("schema", 1)
	if err != nil {
		return nil, err
	}
	if len(nodes) == 0 {
		return nil, fault.Invalid("schema", "must have at least one key")
	}
	if d.InputOffset() != int64(len(bytes.TrimRight(v, " \t\r\n"))) {
		return nil, fault.Invalid("schema", "has something after its object")
	}
	return nodes, nil
}

type schemaParser struct {
	decoder *jsontext.Decoder
	keys    int
}

// object reads an object whose '{' is next. It is never nil without an error.
func (p *schemaParser) object(path string, depth int) ([]node, error) {
	if depth > MaxDepth {
		return nil, fault.Invalid(path, "lies more than %d levels deep", MaxDepth)
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return nil, syntax("schema", err)
	}
	nodes := []node{}
	for p.decoder.PeekKind() == '"' {
		n, err := p.member(path, depth)
		if err != nil {
			return nil, err
		}
		nodes = append(nodes, n)
	}
	if _, err := p.decoder.ReadToken(); err != nil {
		return nil, syntax("schema", err)
	}
	return nodes, nil
}

func (p *schemaParser) member(path string, depth int) (node, error) {
	name, err := p.decoder.ReadToken()
	if err != nil {
		return node{}, syntax("schema", err)
	}
	n := node{key: name.String()}
	if utf8.RuneCountInString(n.key) > MaxKey {
		return n, fault.Invalid(path, "has a key of more than %d characters", MaxKey)
	}
	if p.keys++; p.keys > MaxKeys {
		return n, fault.Invalid("schema", "has more than %d keys", MaxKeys)
	}
	here := fault.Join(path, n.key)
	switch p.decoder.PeekKind() {
	case 'n':
		_, err = p.decoder.ReadToken()
		if err != nil {
			err = syntax("schema", err)
		}
	case '{':
		n.inner, err = p.object(here, depth+1)
	case 0, '}', ']':
		if _, err = p.decoder.ReadToken(); err == nil {
			err = errors.New("a value is missing")
		}
		err = syntax("schema", err)
	default:
		err = fault.Invalid(here, "must be null or an object")
	}
	return n, err
}

// syntax makes a fault of what the JSON decoder says, at or below the field prefix.
func syntax(prefix string, err error) error {
	s := (*jsontext.SyntacticError)(nil)
	if errors.As(err, &s) && errors.Is(err, jsontext.ErrDuplicateName) {
		field := prefix
		for token := range s.JSONPointer.Tokens() {
			field = fault.Join(field, token)
		}
		return fault.Invalid(field, "stands there twice")
	}
	what := "the input is not JSON"
	if prefix != "" {
		what = "is not JSON"
	}
	return &fault.Error{Code: fault.InvalidInput, Field: prefix, Detail: what, Cause: fmt.Errorf("uninlu: %w", err)}
}
