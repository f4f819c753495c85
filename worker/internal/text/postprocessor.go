package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// template is what goes around one sequence.
type template struct {
	before, after []int32
}

func newTemplate(raw jsontext.Value) (template, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return template{}, err
	}
	var t template
	switch kind {
	case "TemplateProcessing":
		t, err = templateProcessing(raw)
	case "BertProcessing":
		t, err = bertProcessing(raw)
	default:
		return t, fmt.Errorf("post-processor %q is not supported", kind)
	}
	if err != nil {
		return t, fmt.Errorf("post-processor %q: %w", kind, err)
	}
	return t, nil
}

func templateProcessing(raw jsontext.Value) (template, error) {
	type part struct {
		ID     string `json:"id"`
		TypeID int    `json:"type_id"`
	}
	type step struct {
		Special  *part `json:"SpecialToken"`
		Sequence *part `json:"Sequence"`
	}
	var c struct {
		Type    string         `json:"type"`
		Single  []step         `json:"single"`
		Pair    jsontext.Value `json:"pair"`
		Special map[string]struct {
			ID     string   `json:"id"`
			IDs    []int32  `json:"ids"`
			Tokens []string `json:"tokens"`
		} `json:"special_tokens"`
	}
	if err := strict(raw, &c); err != nil {
		return template{}, err
	}
	var t template
	seen := false
	for _, s := range c.Single {
		switch {
		case s.Sequence != nil && !seen:
			seen = true
		case s.Special != nil:
			tok, ok := c.Special[s.Special.ID]
			if !ok {
				return template{}, fmt.Errorf("special token %q is not defined", s.Special.ID)
			}
			if seen {
				t.after = append(t.after, tok.IDs...)
			} else {
				t.before = append(t.before, tok.IDs...)
			}
		default:
			return template{}, errors.New("a template for one sequence must hold it once")
		}
	}
	if !seen {
		return template{}, errors.New("a template for one sequence must hold it once")
	}
	return t, nil
}

func bertProcessing(raw jsontext.Value) (template, error) {
	var c struct {
		Type string            `json:"type"`
		Sep  [2]jsontext.Value `json:"sep"`
		Cls  [2]jsontext.Value `json:"cls"`
	}
	if err := strict(raw, &c); err != nil {
		return template{}, err
	}
	var before, after int32
	if err := strict(c.Cls[1], &before); err != nil {
		return template{}, err
	}
	if err := strict(c.Sep[1], &after); err != nil {
		return template{}, err
	}
	return template{[]int32{before}, []int32{after}}, nil
}
