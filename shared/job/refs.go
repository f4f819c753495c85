package job

import (
	"bytes"
	"errors"
	"io"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
)

const refMember = "$ref"

// imageMember is the member of a message's part whose URL may name a blob without further ado.
const imageMember = "image_url"

// Ref is a {"$ref":"blob_…"} in an input, or the "blob_…" of an image part, and where it stands.
type Ref struct {
	Name       string // blob_…
	Path       string // a.b[0]; empty when it is the whole input
	Start, End int    // of the object or the string, in the input
}

// RefTo is the JSON that stands for a stored value.
func RefTo(name string) []byte { return []byte(`{"` + refMember + `":"` + name + `"}`) }

// RefOf reads what RefTo wrote, as it stands for a whole output or a whole input.
func RefOf(value []byte) (name string, ok bool) {
	const head, tail = `{"` + refMember + `":"`, `"}`
	if len(value) > 128 || !bytes.HasPrefix(value, []byte(head)) || !bytes.HasSuffix(value, []byte(tail)) {
		return "", false
	}
	name = string(value[len(head) : len(value)-len(tail)])
	return name, isRef(name) && ValidID(name)
}

// Refs finds the references in an input of valid JSON, in order. An object whose member $ref is no reference, as in a
// JSON schema, is left alone; one that has other members beside a reference is refused, and so are more than MaxRefs.
func Refs(input []byte) ([]Ref, error) {
	images := bytes.Contains(input, []byte(`"`+imageMember+`"`)) && bytes.Contains(input, []byte(`"`+BlobPrefix))
	if !images && !bytes.Contains(input, []byte(`"`+refMember+`"`)) {
		return nil, nil
	}
	w := refWalk{input: input, d: jsontext.NewDecoder(bytes.NewBuffer(input))}
	for {
		err := w.next()
		if errors.Is(err, io.EOF) {
			return w.found, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// IsRef tells whether a value of valid JSON is one reference and nothing else.
func IsRef(value []byte) bool {
	refs, err := Refs(value)
	return err == nil && len(refs) == 1 && refs[0].Path == ""
}

// refWalk goes through an input token by token.
type refWalk struct {
	input []byte
	d     *jsontext.Decoder
	open  []int // where the objects and arrays around the next token begin
	found []Ref
}

func (w *refWalk) next() error {
	t, err := w.d.ReadToken()
	if err != nil {
		return w.broken(err)
	}
	switch t.Kind() {
	case '{', '[':
		w.open = append(w.open, int(w.d.InputOffset())-1)
	case '}', ']':
		w.open = w.open[:len(w.open)-1]
	case '"':
		kind, n := w.d.StackIndex(w.d.StackDepth())
		switch {
		case kind != '{':
		case n%2 == 1 && t.String() == refMember:
			return w.member(n == 1)
		case n%2 == 0:
			return w.image(t.String())
		}
	default:
	}
	return nil
}

// member reads the value of a member $ref; first tells that no other stands before it.
func (w *refWalk) member(first bool) error {
	if w.d.PeekKind() != '"' {
		return nil
	}
	t, err := w.d.ReadToken()
	if err != nil {
		return w.broken(err)
	}
	name := t.String()
	if !isRef(name) {
		return nil
	}
	path := w.path()
	switch {
	case !first || w.d.PeekKind() != '}':
		return fault.Invalid(path, "a reference has no other members")
	case len(w.found) == MaxRefs:
		return fault.Invalid(path, "the input has more than %d references", MaxRefs)
	}
	if _, err := w.d.ReadToken(); err != nil {
		return w.broken(err)
	}
	start := w.open[len(w.open)-1]
	w.open = w.open[:len(w.open)-1]
	w.found = append(w.found, Ref{Name: name, Path: path, Start: start, End: int(w.d.InputOffset())})
	return nil
}

// image takes the value of a member of an object for a reference when it names a blob, and the member is image_url, or
// url within that.
func (w *refWalk) image(value string) error {
	if !strings.HasPrefix(value, BlobPrefix) || !ValidID(value) {
		return nil
	}
	path := w.pathTo(0)
	if path != imageMember && !strings.HasSuffix(path, "."+imageMember) && !strings.HasSuffix(path, "."+imageMember+".url") {
		return nil
	}
	if len(w.found) == MaxRefs {
		return fault.Invalid(path, "the input has more than %d references", MaxRefs)
	}
	end := int(w.d.InputOffset())
	start := end - len(value) - 2
	if w.input[start] != '"' { // spelled with escapes
		return fault.Invalid(path, "a blob's name is spelled without escapes")
	}
	w.found = append(w.found, Ref{Name: value, Path: path, Start: start, End: end})
	return nil
}

// path is that of the object around the next token, whose last part is $ref, in the form of our faults.
func (w *refWalk) path() string { return w.pathTo(1) }

// pathTo is the path of the last token, without its last parts.
func (w *refWalk) pathTo(without int) string {
	var tokens []string
	for token := range w.d.StackPointer().Tokens() {
		tokens = append(tokens, token)
	}
	path := ""
	for i, token := range tokens[:len(tokens)-without] {
		if kind, _ := w.d.StackIndex(i + 1); kind == '[' {
			token = "[" + token + "]"
		}
		path = fault.Join(path, token)
		if len(path) > 256 {
			return strings.ToValidUTF8(path[:256], "")
		}
	}
	return path
}

func (w *refWalk) broken(err error) error {
	if errors.Is(err, io.EOF) {
		return err
	}
	return &fault.Error{Code: fault.InvalidInput, Detail: "the input is not JSON, at byte " + strconv.FormatInt(w.d.InputOffset(), 10), Cause: err}
}

func isRef(name string) bool {
	return strings.HasPrefix(name, BlobPrefix) || strings.HasPrefix(name, InputPrefix)
}
