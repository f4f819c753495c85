package input

import (
	"iter"
	"math"
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// reader reads values. With refs set, a reference may stand for any value, and is passed over.
type reader struct{ refs bool }

// later tells whether a value is a reference, whose own value is not known yet.
func (r reader) later(v []byte) bool {
	return r.refs && len(v) < 256 && rawjson.Kind(v) == '{' && job.IsRef(v)
}

// root proves the text and gives its object; nil when it is a reference as a whole.
func (r reader) root(b []byte) ([]byte, error) {
	if err := rawjson.Check(b); err != nil {
		return nil, err
	}
	b = rawjson.Trim(b)
	if rawjson.Kind(b) != '{' {
		return nil, fault.Invalid("", "the input must be an object")
	}
	if r.later(b) {
		return nil, nil
	}
	return b, nil
}

func isNull(v []byte) bool { return rawjson.Kind(v) == 'n' }

func (r reader) text(v []byte, into *string, field string) error {
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '"' {
		return fault.Invalid(field, "must be a string")
	}
	*into = string(rawjson.Unquote(v))
	return nil
}

func (r reader) flag(v []byte, into *bool, field string) error {
	switch k := rawjson.Kind(v); {
	case r.later(v):
	case k == 't' || k == 'f':
		*into = k == 't'
	default:
		return fault.Invalid(field, "must be true or false")
	}
	return nil
}

func (r reader) whole(v []byte, into *int, lo, hi int, field string) error {
	if r.later(v) {
		return nil
	}
	n, err := strconv.Atoi(string(v))
	if rawjson.Kind(v) != 0 || err != nil || n < lo || n > hi {
		return fault.Invalid(field, "must be a whole number from %d to %d", lo, hi)
	}
	*into = n
	return nil
}

func (r reader) number(v []byte, into **float64, lo, hi float64, field string) error {
	if r.later(v) {
		return nil
	}
	f, err := strconv.ParseFloat(string(v), 64)
	if rawjson.Kind(v) != 0 || err != nil || math.IsNaN(f) || f < lo || f > hi {
		return fault.Invalid(field, "must be a number from %g to %g", lo, hi)
	}
	*into = &f
	return nil
}

// elements gives the elements of an array with their paths.
func elements(v []byte, field string) iter.Seq2[string, []byte] {
	return func(yield func(string, []byte) bool) {
		i := 0
		for e := range rawjson.Elements(v) {
			if !yield(field+"["+strconv.Itoa(i)+"]", e) {
				return
			}
			i++
		}
	}
}

func unknown(path string, name []byte) error {
	return fault.Invalid(fault.Join(path, rawjson.Clip(name)), "is not a member of this input")
}

// under is the path of a member.
func under(path string, name []byte) string { return fault.Join(path, string(name)) }
