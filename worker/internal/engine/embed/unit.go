package embed

import (
	"context"
	"fmt"
	"math/bits"
	"strconv"
	"unicode/utf8"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// maxAnswer bounds an answer, in bytes of JSON, as an input is bounded.
const maxAnswer = job.ResolvedMost

// unit is a prepared request.
type unit struct {
	texts      [][]int32
	tokens     int // of all texts
	longest    int // tokens of the longest
	dimensions int
	normalize  bool
	base64     bool
}

// Key is a bucket of the longest text's length, four to each doubling.
func (u *unit) Key() string { return strconv.Itoa(bucket(u.longest)) }

// Rows is how many texts it has.
func (u *unit) Rows() int { return len(u.texts) }

// Cost is the tokens of all texts.
func (u *unit) Cost() int { return u.tokens }

// bucket rounds a length up to one of four steps between two powers of two.
func bucket(n int) int {
	step := max(1<<bits.Len(uint(n-1))/8, 8)
	return (n + step - 1) / step * step
}

// Prepare checks and tokenizes a request.
func (e *Engine) Prepare(ctx context.Context, r engine.Request) (engine.Unit, error) {
	in, err := input.ParseEmbed(r.Input)
	if err != nil {
		return nil, err
	}
	u := &unit{dimensions: e.width, normalize: e.settings.normalize, base64: in.Base64, texts: make([][]int32, len(in.Texts))}
	if in.Normalize != nil {
		u.normalize = *in.Normalize
	}
	if in.Dimensions > e.width {
		return nil, fault.Invalid("dimensions", "%d is more than the model's %d", in.Dimensions, e.width)
	}
	if in.Dimensions > 0 {
		u.dimensions = in.Dimensions
	}
	if most := len(in.Texts) * u.dimensions * bytesPerNumber(in.Base64); most > maxAnswer {
		return nil, fault.Invalid("input", "has %d texts, whose vectors would take more than %d bytes", len(in.Texts), maxAnswer)
	}
	for i, s := range in.Texts {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		ids, err := e.tokens(s, in.Truncate)
		if err != nil {
			f := *fault.From(err)
			f.Field = "input"
			if len(in.Texts) > 1 {
				f.Field += "[" + strconv.Itoa(i) + "]"
			}
			return nil, &f
		}
		u.texts[i] = ids
		u.tokens += len(ids)
		u.longest = max(u.longest, len(ids))
	}
	return u, nil
}

// bytesPerNumber is about how many bytes of an answer a number takes, a little too few.
func bytesPerNumber(base64 bool) int {
	if base64 {
		return 5
	}
	return 11
}

// tokens encodes a text, and cuts it where that is wished. Of a long text only as much is read as the model has tokens
// for, so that it costs no more.
func (e *Engine) tokens(s string, truncate bool) ([]int32, error) {
	most := e.settings.maxTokens
	for part := 16*most + 1024; ; part *= 2 {
		whole := part >= len(s)
		ids := e.encode(head(s, part))
		switch {
		case !whole && len(ids) < most+32: // where it was cut the tokens may be others
			continue
		case len(ids) == 0:
			return nil, fault.Invalid("", "has no tokens")
		case len(ids) <= most:
			return ids, nil
		case !truncate && whole:
			return nil, fault.Invalid("", "has %d tokens, more than the model's %d; with truncate it is cut", len(ids), most)
		case !truncate:
			return nil, fault.Invalid("", "has more than the model's %d tokens; with truncate it is cut", most)
		}
		kept := max(most-e.suffix, 0)
		return append(ids[:kept:kept], ids[len(ids)-(most-kept):]...), nil
	}
}

// head is the first n bytes of s or a little less, whole characters.
func head(s string, n int) string {
	if n >= len(s) {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// own is the units as this package's.
func own(units []engine.Unit) ([]*unit, error) {
	mine := make([]*unit, len(units))
	for i, u := range units {
		m, ok := u.(*unit)
		if !ok {
			return nil, fmt.Errorf("embed: unit %d is of another engine: %T", i, u)
		}
		mine[i] = m
	}
	return mine, nil
}
