// Package rawjson walks JSON text without copying or reflecting: Check proves that the text is strict JSON, and the
// walkers, which take that for granted, hand out slices of it. It keeps members in their order.
package rawjson

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

// MaxDepth bounds how deep objects and arrays nest.
const MaxDepth = 64

// Check proves that b is one strict JSON value: no duplicate members, valid UTF-8, nothing behind it, not nested
// deeper than MaxDepth. Its faults are bad_request, with the path of what is wrong where there is one.
func Check(b []byte) error {
	if tooDeep(b) {
		return fault.New(fault.BadRequest, "the JSON nests deeper than %d", MaxDepth)
	}
	if jsontext.Value(b).IsValid() {
		return nil
	}
	return explain(b)
}

// tooDeep counts brackets outside strings; on broken JSON its answer only needs to be bounded work.
func tooDeep(b []byte) bool {
	depth := 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '"':
			n := bytes.IndexByte(b[i+1:], '"')
			for n >= 0 && escaped(b[:i+1+n]) {
				m := bytes.IndexByte(b[i+n+2:], '"')
				if m < 0 {
					return false
				}
				n += m + 1
			}
			if n < 0 {
				return false
			}
			i += n + 1
		case '{', '[':
			if depth++; depth > MaxDepth {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// escaped tells whether the byte after b is escaped: an odd run of backslashes stands before it.
func escaped(b []byte) bool {
	n := len(b)
	for n > 0 && b[n-1] == '\\' {
		n--
	}
	return (len(b)-n)%2 == 1
}

// explain finds what is wrong. It runs only for text that is already known to be refused.
func explain(b []byte) error {
	dec := jsontext.NewDecoder(bytes.NewBuffer(b))
	if len(bytes.TrimLeft(b, " \t\r\n")) == 0 {
		return fault.New(fault.BadRequest, "there is no JSON value")
	}
	for {
		if _, err := dec.ReadToken(); err != nil {
			return explained(err)
		}
		if dec.StackDepth() > 0 {
			continue
		}
		if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
			return fault.New(fault.BadRequest, "something follows the JSON value, at byte %d", dec.InputOffset())
		}
		return fault.New(fault.BadRequest, "the JSON is not valid")
	}
}

func explained(err error) error {
	f := fault.New(fault.BadRequest, "the JSON is not valid")
	var se *jsontext.SyntacticError
	if errors.As(err, &se) {
		f.Detail = "the JSON is not valid, at byte " + strconv.FormatInt(se.ByteOffset, 10)
		f.Field = Path(se.JSONPointer)
	}
	switch {
	case errors.Is(err, jsontext.ErrDuplicateName):
		f.Detail = "the member is there twice"
	case errors.Is(err, io.ErrUnexpectedEOF):
		f.Detail = "the JSON ends too early"
	}
	return f
}

// Path turns a JSON pointer into the form of our faults: a.b[0]. It is cut where it would be long.
func Path(p jsontext.Pointer) string {
	path := ""
	for token := range p.Tokens() {
		if _, err := strconv.Atoi(token); err == nil && path != "" {
			token = "[" + token + "]"
		}
		path = fault.Join(path, token)
		if len(path) > 256 {
			return strings.ToValidUTF8(path[:256], "")
		}
	}
	return path
}

// Kind is the first byte of a value: { [ " t f n, and 0 for a number.
func Kind(v []byte) byte {
	if len(v) == 0 {
		return 0
	}
	switch c := v[0]; c {
	case '{', '[', '"', 't', 'f', 'n':
		return c
	}
	return 0
}

// Trim cuts white space off both ends.
func Trim(v []byte) []byte {
	i := space(v, 0)
	n := len(v)
	for n > i && (v[n-1] == ' ' || v[n-1] == '\n' || v[n-1] == '\r' || v[n-1] == '\t') {
		n--
	}
	return v[i:n]
}

// Members gives the members of an object in order: the name unquoted, the value as it stands. v must be a checked,
// trimmed object. Names and values are slices of v, save for names with escapes.
func Members(v []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		for i := space(v, 1); i < len(v) && v[i] == '"'; {
			end := value(v, i)
			name := Unquote(v[i:end])
			start := space(v, space(v, end)+1) // past the colon
			end = value(v, start)
			if !yield(name, v[start:end]) {
				return
			}
			if i = space(v, end); i < len(v) && v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// Elements gives the elements of an array in order, as they stand. v must be a checked, trimmed array.
func Elements(v []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := space(v, 1); i < len(v) && v[i] != ']'; {
			end := value(v, i)
			if !yield(v[i:end]) {
				return
			}
			if i = space(v, end); i < len(v) && v[i] == ',' {
				i = space(v, i+1)
			}
		}
	}
}

// Unquote gives the text of a checked JSON string: a slice of it when it holds no escapes.
func Unquote(v []byte) []byte {
	inner := v[1 : len(v)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	out, err := jsontext.AppendUnquote(nil, v)
	if err != nil {
		return inner // not reached: v was checked
	}
	return out
}

func space(v []byte, i int) int {
	for i < len(v) && (v[i] == ' ' || v[i] == '\n' || v[i] == '\r' || v[i] == '\t') {
		i++
	}
	return i
}

// value gives the end of the value that starts at i.
func value(v []byte, i int) int {
	if i >= len(v) {
		return len(v)
	}
	switch v[i] {
	case '"':
		return str(v, i)
	case '{', '[':
		depth := 0
		for i < len(v) {
			switch v[i] {
			case '"':
				i = str(v, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
			i++
		}
		return i
	}
	for i < len(v) {
		switch v[i] {
		case ',', '}', ']', ' ', '\n', '\r', '\t':
			return i
		}
		i++
	}
	return i
}

// str gives the end of the string that starts at i.
func str(v []byte, i int) int {
	for at := i + 1; ; {
		n := bytes.IndexByte(v[at:], '"')
		if n < 0 {
			return len(v)
		}
		end := at + n
		if !escaped(v[i+1 : end]) {
			return end + 1
		}
		at = end + 1
	}
}

// Clip bounds a name that the caller made up, so that a fault can tell it back.
func Clip(name []byte) string {
	if len(name) > 128 {
		name = name[:128]
	}
	return strings.ToValidUTF8(string(name), "")
}
