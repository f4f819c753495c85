package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// Truncation is how a file wants long texts cut.
type Truncation struct {
	MaxLength int    // tokens, special ones included
	Stride    int    // how many tokens of a part the next repeats
	Strategy  string // LongestFirst, OnlyFirst or OnlySecond
	Left      bool   // cut at the beginning
}

// Padding is how a file wants short texts filled up.
type Padding struct {
	Fixed      int // to this length; 0 is to the longest of a batch
	MultipleOf int // to a multiple of this; 0 is to any length
	Left       bool
	ID         int32
	TypeID     int32
	Token      string
}

// Truncation is what the file says of long texts, nil where it says nothing.
func (t *Tokenizer) Truncation() *Truncation { return t.truncation }

// Padding is what the file says of short texts, nil where it says nothing.
func (t *Tokenizer) Padding() *Padding { return t.padding }

func direction(s string) (left bool, err error) {
	switch s {
	case "Left":
		return true, nil
	case "Right":
		return false, nil
	}
	return false, fmt.Errorf("direction %q is not supported", s)
}

// UnmarshalJSON reads the section truncation.
func (t *Truncation) UnmarshalJSON(b []byte) (err error) {
	c := struct {
		Direction string `json:"direction"`
		MaxLength int    `json:"max_length"`
		Strategy  string `json:"strategy"`
		Stride    int    `json:"stride"`
	}{Direction: "Right"}
	if err = strict(b, &c); err != nil {
		return fmt.Errorf("truncation: %w", err)
	}
	*t = Truncation{MaxLength: c.MaxLength, Stride: c.Stride, Strategy: c.Strategy}
	if t.Left, err = direction(c.Direction); err != nil {
		return fmt.Errorf("truncation: %w", err)
	}
	switch c.Strategy {
	case "LongestFirst", "OnlyFirst", "OnlySecond":
	default:
		return fmt.Errorf("truncation: strategy %q is not supported", c.Strategy)
	}
	if c.MaxLength < 0 || c.Stride < 0 {
		return errors.New("truncation: max_length or stride is less than 0")
	}
	return nil
}

// UnmarshalJSON reads the section padding.
func (p *Padding) UnmarshalJSON(b []byte) (err error) {
	var c struct {
		Strategy   jsontext.Value `json:"strategy"`
		Direction  string         `json:"direction"`
		MultipleOf *int           `json:"pad_to_multiple_of"`
		ID         int32          `json:"pad_id"`
		TypeID     int32          `json:"pad_type_id"`
		Token      string         `json:"pad_token"`
	}
	if err = strict(b, &c); err != nil {
		return fmt.Errorf("padding: %w", err)
	}
	*p = Padding{ID: c.ID, TypeID: c.TypeID, Token: c.Token}
	if p.Left, err = direction(c.Direction); err != nil {
		return fmt.Errorf("padding: %w", err)
	}
	if c.MultipleOf != nil {
		p.MultipleOf = *c.MultipleOf
	}
	var name string
	var fixed struct {
		Fixed *int `json:"Fixed"`
	}
	switch {
	case strict(c.Strategy, &name) == nil && name == "BatchLongest":
	case strict(c.Strategy, &fixed) == nil && fixed.Fixed != nil && *fixed.Fixed > 0:
		p.Fixed = *fixed.Fixed
	default:
		return fmt.Errorf("padding: strategy %s is not supported", c.Strategy)
	}
	if p.MultipleOf < 0 || p.ID < 0 || p.TypeID < 0 {
		return errors.New("padding: a number is less than 0")
	}
	return nil
}
