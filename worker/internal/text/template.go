package text

import (
	"errors"
	"fmt"

	"github.com/go-json-experiment/json/jsontext"
)

// template puts tokens around texts as a file says.
type template struct {
	single, pair []step
}

// step is one text, or tokens.
type step struct {
	text   int // its number, -1 for tokens
	kind   int32
	tokens []around
}

type templatePart struct {
	ID     string `json:"id"`
	TypeID int32  `json:"type_id"`
}

type templateStep struct {
	Special  *templatePart `json:"SpecialToken"`
	Sequence *templatePart `json:"Sequence"`
}

type templateToken struct {
	ID     string   `json:"id"`
	IDs    []int32  `json:"ids"`
	Tokens []string `json:"tokens"`
}

func newTemplate(raw jsontext.Value) (*template, error) {
	var c struct {
		Type    string                   `json:"type"`
		Single  []templateStep           `json:"single"`
		Pair    []templateStep           `json:"pair"`
		Special map[string]templateToken `json:"special_tokens"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	var t template
	var err error
	if t.single, err = steps(c.Single, c.Special); err == nil {
		t.pair, err = steps(c.Pair, c.Special)
	}
	if err != nil {
		return nil, err
	}
	for _, s := range t.single {
		if s.text == 1 {
			return nil, errors.New("the template for one sequence uses a second")
		}
	}
	return &t, nil
}

// maxSteps bounds a template, and the tokens of one of its steps.
const maxSteps = 1024

func steps(list []templateStep, special map[string]templateToken) ([]step, error) {
	if len(list) > maxSteps {
		return nil, fmt.Errorf("a template has more than %d steps", maxSteps)
	}
	var out []step
	for _, s := range list {
		switch {
		case s.Special != nil && s.Sequence == nil:
			tok, ok := special[s.Special.ID]
			if !ok {
				return nil, fmt.Errorf("special token %q is not defined", s.Special.ID)
			}
			if len(tok.IDs) != len(tok.Tokens) || len(tok.IDs) > maxSteps {
				return nil, fmt.Errorf("special token %q has %d ids and %d tokens", s.Special.ID, len(tok.IDs), len(tok.Tokens))
			}
			made := step{text: -1, kind: s.Special.TypeID}
			for i, id := range tok.IDs {
				if id < 0 {
					return nil, fmt.Errorf("special token %q has id %d", s.Special.ID, id)
				}
				made.tokens = append(made.tokens, around{id, endsOf([]rune(tok.Tokens[i]))})
			}
			out = append(out, made)
		case s.Sequence != nil && s.Special == nil && (s.Sequence.ID == "A" || s.Sequence.ID == "B"):
			text := 0
			if s.Sequence.ID == "B" {
				text = 1
			}
			out = append(out, step{text: text, kind: s.Sequence.TypeID})
		default:
			return nil, errors.New("a step of the template is neither a sequence nor a special token")
		}
	}
	return out, nil
}

func (t *template) process(parts []part, special bool) []part {
	list := t.single
	if len(parts) == 2 {
		list = t.pair
	}
	out := make([]part, 0, len(list))
	for _, s := range list {
		if s.text >= 0 {
			p := parts[s.text]
			p.kind, p.types = s.kind, nil
			if len(out) > 0 { // a text that stands twice is trimmed twice
				p.spans = append([]Span(nil), p.spans...)
			}
			out = append(out, p)
			continue
		}
		if !special {
			continue
		}
		p := part{kind: s.kind}
		for _, a := range s.tokens {
			p.add(a.id, Span{})
			p.ends = append(p.ends, a.ends)
		}
		out = append(out, p)
	}
	return out
}
