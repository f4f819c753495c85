package generate

import (
	"context"
	"slices"
)

// decode runs one token of every row.
func (e *Engine) decode(ctx context.Context) {
	for _, l := range slices.Clone(e.lanes) {
		if len(l.rows) > 0 {
			e.decodeLane(ctx, l)
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (e *Engine) decodeLane(ctx context.Context, l *lane) {
	t, err := e.nextTokens(ctx, l)
	if err == nil {
		err = e.runs.forward(ctx, l, t)
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		e.decodeAlone(ctx, l, err)
		return
	}
	rows := slices.Clone(l.rows)
	for k, r := range rows {
		r.next++
		r.choice.sequence.shared = len(rows)
		if err := e.advance(k, r); err != nil {
			e.fail(r.choice.sequence, err)
		}
	}
	e.leaveEnded(l, rows)
}

// advance takes a row's next token from the k-th row of the last run.
func (e *Engine) advance(k int, r *row) error {
	if r.choice.sequence.canceled.Load() {
		return nil // it failed or was canceled beside this step
	}
	logits, err := e.runs.last(k, 1)
	if err != nil {
		return err
	}
	return e.choose(r.choice, logits)
}

// leaveEnded takes rows out that have ended, and ends their sequences.
func (e *Engine) leaveEnded(l *lane, rows []*row) {
	for _, r := range rows {
		c := r.choice
		if c.finish == "" || c.row == nil {
			continue
		}
		if c.index == 0 {
			e.keep(l, r, c.sequence, c.tokens)
		}
		e.leave(l, r)
		e.ended(c.sequence)
	}
}

// nextTokens makes the input of a lane's next run.
func (e *Engine) nextTokens(ctx context.Context, l *lane) (tokens, error) {
	t := tokens{count: 1}
	e.ids, e.ids32, e.positions = e.ids[:0], e.ids32[:0], e.positions[:0]
	for _, r := range l.rows {
		e.ids = append(e.ids, int64(r.choice.last()))
		e.ids32 = append(e.ids32, r.choice.last())
	}
	for range e.graph.axes {
		for _, r := range l.rows {
			e.positions = append(e.positions, r.next)
		}
	}
	t.ids, t.positions = e.ids, e.positions
	if !e.graph.embeds {
		return t, nil
	}
	n := len(l.rows) * int(e.graph.width)
	e.embeds = slices.Grow(e.embeds[:0], n)[:n]
	t.embeds = e.embeds
	return t, e.embedder.Embed(ctx, e.ids32, e.embeds)
}

// decodeAlone runs the rows of a lane whose run failed one by one, so that only the sequences that fail by themselves do.
func (e *Engine) decodeAlone(ctx context.Context, l *lane, cause error) {
	if len(l.rows) == 1 {
		e.fail(l.rows[0].choice.sequence, cause)
		return
	}
	rows := slices.Clone(l.rows)
	alone := newLane(e.graph)
	for _, r := range rows {
		if !slices.Contains(l.rows, r) {
			continue // another choice of its sequence has failed
		}
		single := &row{length: r.length, next: r.next, choice: r.choice}
		alone.clear()
		alone.add(single, r, l)
		t, err := e.nextTokens(ctx, alone)
		if err == nil {
			err = e.runs.forward(ctx, alone, t)
		}
		if ctx.Err() != nil {
			return
		}
		l.remove(r)
		if err == nil {
			single.next++
			r.choice.row = single
			err = e.advance(0, single)
		}
		if err != nil {
			r.choice.row = nil
			e.fail(r.choice.sequence, err)
			continue
		}
		e.rejoin(l, alone, single)
	}
}

// rejoin puts a row that ran alone back into its lane, which the others have not yet run in.
func (e *Engine) rejoin(l, alone *lane, single *row) {
	if single.choice.finish != "" {
		single.choice.row = nil
		e.ended(single.choice.sequence)
		return
	}
	l.add(single, alone.rows[0], alone)
	single.choice.row = single
}
