package input

import (
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Bounds of an Embed.
const (
	MaxTexts      = 2048
	MaxDimensions = 1 << 16
)

// TaskEmbed is what every Embed asks for.
const TaskEmbed = "embed"

// Embed is the input of engine embed: texts, of each of which a vector is wanted.
type Embed struct {
	Texts      []string
	Dimensions int   // the first so many, for models trained so; 0 means all
	Normalize  *bool // to length 1; nil: as the model has it
	Truncate   bool  // cut a text that is too long, which is an error otherwise
	Base64     bool  // vectors as base64 of little-endian float32, not as lists of numbers
}

// ParseEmbed reads an input whose references are resolved.
func ParseEmbed(b []byte) (*Embed, error) { return reader{}.embed(b) }

// CheckEmbed proves an input that may still hold references.
func CheckEmbed(b []byte, about *job.About) (task string, err error) {
	e, err := reader{refs: true}.embed(b)
	if err != nil {
		return "", err
	}
	if e != nil && about != nil && about.Dimensions > 0 && e.Dimensions > about.Dimensions {
		return "", fault.Invalid("dimensions", "%d is more than the model's %d", e.Dimensions, about.Dimensions)
	}
	return TaskEmbed, nil
}

func (r reader) embed(b []byte) (*Embed, error) {
	b, err := r.root(b)
	if b == nil || err != nil {
		return nil, err
	}
	e := &Embed{}
	found := false
	for name, v := range rawjson.Members(b) {
		if isNull(v) {
			continue
		}
		switch string(name) {
		case "input":
			found = true
			err = r.texts(e, v)
		case "dimensions":
			err = r.whole(v, &e.Dimensions, 1, MaxDimensions, "dimensions")
		case "normalize":
			e.Normalize = new(bool)
			err = r.flag(v, e.Normalize, "normalize")
		case "truncate":
			err = r.flag(v, &e.Truncate, "truncate")
		case "encoding_format":
			var s string
			if err = r.text(v, &s, "encoding_format"); err == nil && s != "float" && s != "base64" && s != "" {
				err = fault.Invalid("encoding_format", "must be float or base64")
			}
			e.Base64 = s == "base64"
		default:
			err = unknown("", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fault.Invalid("input", "is needed")
	}
	return e, nil
}

func (r reader) texts(e *Embed, v []byte) error {
	const field = "input"
	switch {
	case r.later(v):
		return nil
	case rawjson.Kind(v) == '"':
		e.Texts = []string{string(rawjson.Unquote(v))}
		return nil
	case rawjson.Kind(v) != '[':
		return fault.Invalid(field, "must be a string or a list of strings")
	}
	e.Texts = []string{}
	for path, t := range elements(v, field) {
		if len(e.Texts) == MaxTexts {
			return fault.Invalid(field, "has more than %d texts", MaxTexts)
		}
		var s string
		if err := r.text(t, &s, path); err != nil {
			return err
		}
		e.Texts = append(e.Texts, s)
	}
	if len(e.Texts) == 0 {
		return fault.Invalid(field, "is empty")
	}
	return nil
}
