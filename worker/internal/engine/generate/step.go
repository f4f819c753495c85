package generate

import (
	"context"
	"fmt"
	"slices"

	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// spareBytes is how much memory a lane without rows may keep for the next.
const spareBytes = 32 << 20

// stepper is what Step has between its calls. It belongs to whoever calls Step.
type stepper struct {
	prompts   []*sequence // not yet in the cache, in the order of their turns
	lanes     []*lane     // what decodes: one for all rows, or one a row where rows can't share a run
	spare     *lane       // memory for the next prompt
	prefixes  prefixes
	decoded   bool // the last step decoded, so a prompt's chunk is next
	events    []engine.Event
	ids       []int64
	ids32     []int32
	positions []int64
	embeds    []float32
	saved     []float32 // a row of logits, for choices that share it
}

func newStepper(e *Engine) stepper {
	return stepper{lanes: []*lane{newLane(e.graph)}}
}

// Step runs one chunk of a prompt or one token of all answers, turn by turn where there are both. With nothing to run
// it waits.
func (e *Engine) Step(ctx context.Context) ([]engine.Event, error) {
	clear(e.events)
	e.events = e.events[:0]
	if err := e.await(ctx); err != nil {
		return nil, err
	}
	rows := e.rows()
	if len(e.prompts) > 0 && (rows == 0 || e.decoded) {
		e.decoded = false
		e.prefill(ctx)
	} else if rows > 0 {
		e.decoded = true
		e.decode(ctx)
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	return e.events, nil
}

func (e *Engine) rows() int {
	n := 0
	for _, l := range e.lanes {
		n += len(l.rows)
	}
	return n
}

// await takes in what was admitted, leaves out what was canceled, and waits until there is something to run.
func (e *Engine) await(ctx context.Context) error {
	for {
		e.mu.Lock()
		e.prompts = append(e.prompts, e.arrived...)
		clear(e.arrived)
		e.arrived = e.arrived[:0]
		promised := e.promised()
		e.mu.Unlock()
		e.dropCanceled()
		e.prefixes.shrink(e.budget - promised)
		if len(e.prompts) > 0 || e.rows() > 0 {
			return ctx.Err()
		}
		e.rest()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.wake:
		}
	}
}

// rest gives back memory that an engine without work need not hold.
func (e *Engine) rest() {
	for _, l := range e.lanes {
		if l.bytes() > spareBytes {
			e.runs.free()
			l.release()
		}
	}
}

func (e *Engine) dropCanceled() {
	kept := e.prompts[:0]
	for _, s := range e.prompts {
		if s.canceled.Load() {
			e.giveLane(s)
		} else {
			kept = append(kept, s)
		}
	}
	clear(e.prompts[len(kept):])
	e.prompts = kept
	for _, l := range slices.Clone(e.lanes) {
		for _, r := range slices.Clone(l.rows) {
			if r.choice.sequence.canceled.Load() {
				e.leave(l, r)
			}
		}
	}
}

// giveLane takes a prompt's lane from it.
func (e *Engine) giveLane(s *sequence) {
	if s.lane == nil {
		return
	}
	s.lane.clear()
	if s.lane.bytes() <= spareBytes {
		e.spare = s.lane
	}
	s.lane, s.row = nil, nil
}

// leave takes a row out of its lane, and a lane without rows out of several.
func (e *Engine) leave(l *lane, r *row) {
	r.choice.row = nil
	l.remove(r)
	if len(l.rows) == 0 && len(e.lanes) > 1 {
		e.lanes = slices.DeleteFunc(e.lanes, func(x *lane) bool { return x == l })
	}
}

// prefill runs one chunk of the prompt whose turn it is.
func (e *Engine) prefill(ctx context.Context) {
	s := e.prompts[0]
	done, err := e.chunkOf(ctx, s)
	if ctx.Err() != nil {
		return
	}
	copy(e.prompts, e.prompts[1:])
	e.prompts[len(e.prompts)-1] = s
	if err == nil && !done {
		return
	}
	e.prompts[len(e.prompts)-1] = nil
	e.prompts = e.prompts[:len(e.prompts)-1]
	if err == nil {
		err = e.begin(s)
	}
	if err != nil {
		e.fail(s, err)
	}
	e.giveLane(s)
}

// chunkOf runs the next tokens of a prompt, and tells whether they were the last.
func (e *Engine) chunkOf(ctx context.Context, s *sequence) (bool, error) {
	if s.lane == nil {
		e.takeLane(s)
	}
	total := len(s.start.IDs)
	n := min(e.chunk, total-s.done)
	if e.graph.useCache {
		n = total // its second branch takes one token a run
	}
	t, err := e.promptTokens(ctx, s, n)
	if err != nil {
		return false, err
	}
	if err := e.runs.forward(ctx, s.lane, t); err != nil {
		return false, err
	}
	s.done, s.chunked = s.done+n, n
	return s.done == total, nil
}

// takeLane gives a prompt a lane, with the cache of what another prompt had in common with it.
func (e *Engine) takeLane(s *sequence) {
	if s.lane = e.spare; s.lane == nil {
		s.lane = newLane(e.graph)
	}
	e.spare = nil
	s.row = &row{}
	if e.reuse && !s.fresh {
		if from, source, n := e.common(s.start.IDs); n > 0 {
			s.row.length = n
			s.lane.addPart(s.row, from, source)
			s.done = n
			return
		}
	}
	s.lane.rows = append(s.lane.rows, s.row)
}

// promptTokens makes the input of a prompt's next n tokens.
func (e *Engine) promptTokens(ctx context.Context, s *sequence, n int) (tokens, error) {
	from, total := s.done, len(s.start.IDs)
	t := tokens{count: n}
	for axis := range e.graph.axes {
		for i := from; i < from+n; i++ {
			p := int64(i)
			if s.start.Positions != nil {
				p = s.start.Positions[axis*total+i]
			}
			t.positions = append(t.positions, p)
		}
	}
	if !e.graph.embeds {
		e.ids = e.ids[:0]
		for _, id := range s.start.IDs[from : from+n] {
			e.ids = append(e.ids, int64(id))
		}
		t.ids = e.ids
		return t, nil
	}
	width := int(e.graph.width)
	if s.start.Embeds != nil {
		t.embeds = s.start.Embeds[from*width : (from+n)*width]
		return t, nil
	}
	e.embeds = slices.Grow(e.embeds[:0], n*width)[:n*width]
	t.embeds = e.embeds
	return t, e.embedder.Embed(ctx, s.start.IDs[from:from+n], e.embeds)
}

// begin takes the first token of each choice, and lets the choices that go on decode.
func (e *Engine) begin(s *sequence) error {
	logits, err := e.runs.last(0, s.chunked)
	if err != nil {
		return err
	}
	if len(s.choices) > 1 {
		e.saved = append(e.saved[:0], logits...)
	}
	next := int64(len(s.start.IDs))
	if s.start.Positions != nil {
		next = s.start.NextPosition
	}
	for i, c := range s.choices {
		if i > 0 {
			copy(logits, e.saved)
		}
		if err := e.choose(c, logits); err != nil {
			return err
		}
		if c.finish == "" {
			c.row = &row{length: s.row.length, next: next, choice: c}
		}
	}
	if s.choices[0].finish != "" {
		e.keep(s.lane, s.row, s, nil)
	}
	e.join(s)
	s.start.Embeds, s.start.Positions = nil, nil
	s.shared = max(e.rows(), 1)
	e.ended(s)
	return nil
}

// join lets the choices of a prompt that is in the cache decode.
func (e *Engine) join(s *sequence) {
	left := 0
	for _, c := range s.choices {
		if c.row != nil {
			left++
		}
	}
	for _, c := range s.choices {
		if c.row == nil {
			continue
		}
		left--
		l := e.lanes[0]
		if e.graph.padding == padNone && len(l.rows) > 0 {
			l = newLane(e.graph)
			e.lanes = append(e.lanes, l)
		}
		if len(l.rows) == 0 && left == 0 {
			l.take(c.row, s.lane)
		} else {
			l.add(c.row, s.row, s.lane)
		}
	}
}

// choose takes a choice's next token from a row of logits. A panic there is this sequence's own.
func (e *Engine) choose(c *choice, logits []float32) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("generate: a panic over the next token: %v", p)
		}
	}()
	mask, err := c.constraint.mask(len(c.tokens) == 0)
	if err != nil {
		return err
	}
	chosen, err := c.sampler.Next(logits, mask)
	if err != nil {
		return err
	}
	c.sampler.Accept(chosen.ID)
	e.events, err = e.accept(c, &chosen, e.events)
	if err == nil && c.finish != "" {
		c.sequence.open--
	}
	return err
}

// fail ends a sequence with an error.
func (e *Engine) fail(s *sequence, err error) {
	for _, c := range s.choices {
		if c.row == nil {
			continue
		}
		for _, l := range slices.Clone(e.lanes) {
			if slices.Contains(l.rows, c.row) {
				e.leave(l, c.row)
			}
		}
	}
	e.end(s, engine.Event{Seq: s.id, Done: true, Err: refused(err)})
}

// ended ends a sequence all of whose choices have ended.
func (e *Engine) ended(s *sequence) {
	if s.open > 0 {
		return
	}
	r := engine.Result{Output: s.output(), BatchSize: s.shared, InputTokens: len(s.start.IDs)}
	for _, c := range s.choices {
		r.OutputTokens += len(c.tokens)
	}
	e.end(s, engine.Event{Seq: s.id, Done: true, Result: r})
}

func (e *Engine) end(s *sequence, event engine.Event) {
	e.mu.Lock()
	delete(e.active, s.id)
	e.mu.Unlock()
	if !s.canceled.Swap(true) {
		e.events = append(e.events, event)
	}
}
