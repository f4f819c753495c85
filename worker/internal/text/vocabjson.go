package text

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// vocabJSON reads {"token": id, …}, which is most of a tokenizer's file, without an intermediate form.
type vocabJSON map[string]int32

// maxTokens bounds the tokens and merges of a file.
const maxTokens = 4 << 20

// UnmarshalJSONFrom is what package json calls.
func (v *vocabJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k != '{' {
		return errors.New("the vocabulary is not an object")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	ids := make(map[string]int32, 1024)
	for d.PeekKind() != '}' {
		name, err := d.ReadToken()
		if err != nil {
			return err
		}
		token := name.String()
		number, err := d.ReadToken()
		if err != nil {
			return err
		}
		if number.Kind() != '0' {
			return fmt.Errorf("the id of token %q is not a number", token)
		}
		id, err := number.Float()
		if err != nil || id < 0 || id >= math.MaxInt32 || id != math.Trunc(id) {
			return fmt.Errorf("token %q has id %g", token, id)
		}
		if ids[token] = int32(id); len(ids) > maxTokens {
			return fmt.Errorf("the vocabulary has more than %d tokens", maxTokens)
		}
	}
	*v = ids
	_, err := d.ReadToken()
	return err
}

// merge is two tokens that become one.
type merge struct{ a, b string }

// mergesJSON reads merges in either form: "a b" or ["a", "b"].
type mergesJSON []merge

// UnmarshalJSONFrom is what package json calls.
func (m *mergesJSON) UnmarshalJSONFrom(d *jsontext.Decoder) error {
	if k := d.PeekKind(); k != '[' {
		return errors.New("the merges are not a list")
	}
	if _, err := d.ReadToken(); err != nil {
		return err
	}
	list := mergesJSON{}
	for d.PeekKind() != ']' {
		x, err := readMerge(d, len(list))
		if err != nil {
			return err
		}
		if x == (merge{}) {
			continue
		}
		if list = append(list, x); len(list) > maxTokens {
			return fmt.Errorf("there are more than %d merges", maxTokens)
		}
	}
	*m = list
	_, err := d.ReadToken()
	return err
}

func readMerge(d *jsontext.Decoder, rank int) (merge, error) {
	t, err := d.ReadToken()
	if err != nil {
		return merge{}, err
	}
	switch t.Kind() { //nolint:exhaustive // the others are errors
	case '"':
		s := t.String()
		if strings.HasPrefix(s, "#version") { // the first line of merges.txt
			return merge{}, nil
		}
		a, b, ok := strings.Cut(s, " ")
		if !ok || strings.Contains(b, " ") {
			return merge{}, fmt.Errorf("merge %d, %q, is not two tokens with a space between", rank, s)
		}
		return merge{a, b}, nil
	case '[':
		var pair [2]string
		for i := range pair {
			if t, err = d.ReadToken(); err != nil {
				return merge{}, err
			}
			if t.Kind() != '"' {
				return merge{}, fmt.Errorf("merge %d is not two tokens", rank)
			}
			pair[i] = t.String()
		}
		if t, err = d.ReadToken(); err != nil {
			return merge{}, err
		}
		if t.Kind() == ']' {
			return merge{pair[0], pair[1]}, nil
		}
	}
	return merge{}, fmt.Errorf("merge %d is not two tokens", rank)
}
