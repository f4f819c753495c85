package uninlu

import (
	"context"
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// unit is a prepared request.
type unit struct {
	text     string
	encoding text.Encoding
	schema   []node
	hints    [][]int32 // of the schema's first level
	windows  []window
	length   int // tokens of each window as the network sees them, before a batch pads them further
	key      string

	byteAt []int32 // where each code point of text begins; made when it is needed
}

// window is a slice of a text's tokens.
type window struct{ from, to int }

// Key is the bucket of the text's length.
func (u *unit) Key() string { return u.key }

// Rows is how many rows the first level takes.
func (u *unit) Rows() int { return len(u.hints) * len(u.windows) }

// Cost is the tokens that the first level takes.
func (u *unit) Cost() int { return u.Rows() * u.length }

// MaxTokens bounds a batch: a request that asks much shares it with few, so that these do not wait long for it.
func (e *Engine) MaxTokens() int { return 2 * maxRunTokens }

// Prepare checks and tokenizes a request.
func (e *Engine) Prepare(_ context.Context, r engine.Request) (engine.Unit, error) {
	u, err := e.prepare(r)
	if err != nil {
		return nil, err
	}
	return u, nil
}

func (e *Engine) prepare(r engine.Request) (*unit, error) {
	txt, schema, err := parse(r.Input)
	if err != nil {
		return nil, err
	}
	u := &unit{text: txt, schema: schema}
	u.encoding = e.tokenizer.Encode(txt, text.Options{Literal: true})
	e.slice(u)
	if rows := len(schema) * len(u.windows); rows > MaxRows {
		return nil, tooMany(rows)
	}
	u.hints = make([][]int32, len(schema))
	for i := range schema {
		u.hints[i] = e.hint("", schema[i].key)
	}
	u.key = e.key(u)
	return u, nil
}

func tooMany(rows int) error {
	return fault.Invalid("schema", "asks %d questions of the text's windows, which are more than %d", rows, MaxRows)
}

// slice cuts the text's tokens into windows.
func (e *Engine) slice(u *unit) {
	n := len(u.encoding.IDs)
	if n <= e.window {
		u.length, u.windows = n, []window{{0, n}}
		return
	}
	u.length = e.window
	for from := 0; ; from += e.slide {
		to := min(from+e.window, n)
		u.windows = append(u.windows, window{from, to})
		if to == n {
			return
		}
	}
}

// key names the bucket. A network without hint_position_ids takes a hint's positions from the padded length, so that
// only texts of one length may share a run.
func (e *Engine) key(u *unit) string {
	n := u.length
	if e.positions {
		n = min((n+bucket-1)/bucket*bucket, e.window)
	}
	return strconv.Itoa(n)
}

// hint encodes one question: what was found on the way to it, and its key. One that is too long loses its end but
// keeps its closing special token.
func (e *Engine) hint(prefix, key string) []int32 {
	ids := e.tokenizer.Encode(prefix+key+": ", text.Options{Literal: true}).IDs
	if n := len(ids); n > e.hintMax {
		ids[e.hintMax-1] = ids[n-1]
		ids = ids[:e.hintMax]
	}
	return ids
}

// slice of the text between two code points.
func (u *unit) span(s text.Span) string {
	if u.byteAt == nil {
		u.byteAt = make([]int32, 0, len(u.encoding.IDs)+1)
		for i := range u.text {
			u.byteAt = append(u.byteAt, int32(i)) //nolint:gosec // texts are bounded
		}
		u.byteAt = append(u.byteAt, int32(len(u.text))) //nolint:gosec // texts are bounded
	}
	return u.text[u.byteAt[s.Start]:u.byteAt[s.End]]
}
