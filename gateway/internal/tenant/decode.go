package tenant

import (
	"errors"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

// decode reads a JSON object onto v: members that v doesn't know, duplicates and wrong types are faults at their path.
func decode(body []byte, v any) error {
	if k := jsontext.Value(body).Kind(); k != '{' && k != 0 {
		return fault.Invalid("", "the body must be a JSON object")
	}
	err := json.Unmarshal(body, v, json.RejectUnknownMembers(true))
	if err == nil {
		return nil
	}
	if s, ok := errors.AsType[*json.SemanticError](err); ok {
		field := fieldPath(string(s.JSONPointer))
		if errors.Is(err, json.ErrUnknownName) {
			return fault.Invalid(field, "is no field of this object")
		}
		return fault.Invalid(field, "has the wrong type or form")
	}
	return fault.Wrap(fault.BadRequest, err, "the body is not valid JSON")
}

// members names the members of the JSON object that decode took.
func members(body []byte) (map[string]bool, error) {
	var m map[string]jsontext.Value
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, fault.Wrap(fault.BadRequest, err, "the body is not valid JSON")
	}
	named := make(map[string]bool, len(m))
	for k := range m {
		named[k] = true
	}
	return named, nil
}

// fieldPath turns a JSON pointer, /rate/limit or /scopes/2, into a field's path, rate.limit or scopes[2].
func fieldPath(pointer string) string {
	var b strings.Builder
	for i, part := range strings.Split(pointer, "/") {
		part = strings.ReplaceAll(strings.ReplaceAll(part, "~1", "/"), "~0", "~")
		switch {
		case i == 0:
		case part != "" && strings.Trim(part, "0123456789") == "":
			b.WriteString("[" + part + "]")
		case b.Len() > 0:
			b.WriteString("." + part)
		default:
			b.WriteString(part)
		}
	}
	return b.String()
}
