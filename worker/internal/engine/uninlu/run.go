package uninlu

import (
	"context"
	"fmt"

	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// row is one question about one text: a key of the schema, and the way to it.
type row struct {
	unit   *unit
	node   *node
	prefix string // "type: span, " for every step of the way
	hint   []int32
	found  []finding // ordered by offset

	heads, tails []float32 // logits over all windows of a long text, gathered
	filled       int       // tokens they cover so far
}

// finding is a span that answers a row.
type finding struct {
	span  text.Span
	text  string
	inner []*row // the questions of the level below; nil for a leaf
}

// RunBatch answers units of one key.
func (e *Engine) RunBatch(ctx context.Context, units []engine.Unit) ([]engine.Outcome, error) {
	mine := make([]*unit, len(units))
	for i, u := range units {
		m, ok := u.(*unit)
		if !ok {
			return nil, fmt.Errorf("uninlu: unit %d is of another engine: %T", i, u)
		}
		mine[i] = m
	}
	var l *lane
	select {
	case l = <-e.lanes:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() {
		l.shrink()
		e.lanes <- l
	}()
	return l.run(ctx, mine)
}

// answer is the work on one unit of a batch.
type answer struct {
	unit  *unit
	first int // index of its first window among the batch's
	rows  int // rows × windows asked so far
	roots []*row
	err   error
}

func (l *lane) run(ctx context.Context, units []*unit) ([]engine.Outcome, error) {
	answers := make([]answer, len(units))
	byUnit := make(map[*unit]*answer, len(units))
	var places []place
	var level []*row
	for i, u := range units {
		a := &answers[i]
		*a = answer{unit: u, first: len(places), rows: u.Rows()}
		byUnit[u] = a
		for _, w := range u.windows {
			places = append(places, place{u, w})
		}
		for k := range u.schema {
			a.roots = append(a.roots, &row{unit: u, node: &u.schema[k], hint: u.hints[k]})
		}
		level = append(level, a.roots...)
	}
	if err := l.encode(ctx, places); err != nil {
		return nil, err
	}
	for len(level) > 0 {
		if err := l.answer(ctx, level, byUnit); err != nil {
			return nil, err
		}
		level = l.e.below(level, byUnit)
	}
	return outcomes(answers), nil
}

// answer runs one level: all its rows, over all windows of their texts.
func (l *lane) answer(ctx context.Context, level []*row, byUnit map[*unit]*answer) error {
	var questions []question
	longest := 0
	for _, r := range level {
		first := byUnit[r.unit].first
		for i, w := range r.unit.windows {
			questions = append(questions, question{r, first + i, w.to - w.from})
		}
		longest = max(longest, len(r.hint))
	}
	step := rowsPerRun(l.length + longest)
	for from := 0; from < len(questions); from += step {
		some := questions[from:min(from+step, len(questions))]
		heads, tails, err := l.ask(ctx, some)
		if err != nil {
			return err
		}
		for i, q := range some {
			a, b := i*l.length, (i+1)*l.length
			l.e.decode(q.row, q.place-byUnit[q.row.unit].first, heads[a:b], tails[a:b])
		}
	}
	return nil
}

// below makes the questions that a level's findings ask. A unit that asks too much ends with a fault.
func (e *Engine) below(level []*row, byUnit map[*unit]*answer) []*row {
	var next []*row
	for _, r := range level {
		a := byUnit[r.unit]
		if r.node.inner == nil || len(r.found) == 0 || a.err != nil {
			continue
		}
		a.rows += len(r.found) * len(r.node.inner) * len(r.unit.windows)
		if a.rows > MaxRows {
			a.err = tooMany(a.rows)
			continue
		}
		for i := range r.found {
			f := &r.found[i]
			prefix := r.prefix + r.node.key + ": " + f.text + ", "
			for k := range r.node.inner {
				n := &r.node.inner[k]
				f.inner = append(f.inner, &row{unit: r.unit, node: n, prefix: prefix, hint: e.hint(prefix, n.key)})
			}
			next = append(next, f.inner...)
		}
	}
	return next
}

func outcomes(answers []answer) []engine.Outcome {
	out := make([]engine.Outcome, len(answers))
	for i := range answers {
		a := &answers[i]
		if a.err != nil {
			out[i].Err = a.err
			continue
		}
		out[i].Result = engine.Result{
			Output: render(a.roots), BatchSize: len(answers), InputTokens: len(a.unit.encoding.IDs),
		}
	}
	return out
}
