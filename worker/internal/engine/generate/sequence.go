package generate

import (
	"sync/atomic"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
)

// What ended an answer.
const (
	finishStop      = "stop"
	finishLength    = "length"
	finishToolCalls = "tool_calls"
)

// sequence is one request between Prepare and its end. Step owns it once it is admitted.
type sequence struct {
	id       engine.SeqID
	canceled atomic.Bool
	in       *input.Chat
	stream   bool // deltas are wanted
	start    Start
	limit    int // tokens of each answer
	choices  []*choice
	open     int // choices that have not ended
	done     int // tokens of the prompt that are in the cache
	lane     *lane
	row      *row // of the prompt, in lane
	shared   int  // rows that shared its last run
	chunked  int  // tokens of the prompt's last run
	fresh    bool // its prompt is not its tokens alone: nothing of its cache serves others
}

// need is how many tokens of the cache each of its rows may come to take: the last token of an answer never goes in.
func (s *sequence) need() int { return len(s.start.IDs) + s.limit - 1 }

// choice is one answer to a request.
type choice struct {
	sequence *sequence
	index    int
	sampler  *sample.Sampler
	grammar  *grammarState // nil: anything may come
	decoder  streamDecoder
	splitter splitter
	stop     stopper
	row      *row // nil before the prompt is in the cache, and again at the end

	tokens    []int32 // of the answer so far
	text      []byte
	reasoning []byte
	calls     []byte // JSON, without the brackets
	logprobs  []byte // JSON, without the brackets
	told      int    // bytes of logprobs that deltas have told
	finish    string // "" while it goes on
}

// last is the token that the next run is fed.
func (c *choice) last() int32 { return c.tokens[len(c.tokens)-1] }

// accept takes the next token, and gives the deltas that it makes.
func (e *Engine) accept(c *choice, chosen *sample.Choice, events []engine.Event) ([]engine.Event, error) {
	end := e.ends(chosen.ID)
	if !end {
		c.tokens = append(c.tokens, chosen.ID)
		if c.sequence.in.Logprobs {
			c.logprobs = e.logprobItem(c.logprobs, chosen, c.sequence.in.TopLogprobs)
		}
		if c.grammar != nil {
			if err := c.grammar.accept(chosen.ID); err != nil {
				return events, err
			}
		}
		events = c.write(c.splitter.add(c.decoder.Next(chosen.ID)), events)
	}
	switch {
	case c.finish != "":
	case end:
		c.finish = finishStop
		events = c.flush(events)
	case len(c.tokens) >= c.sequence.limit:
		c.finish = finishLength
		events = c.flush(events)
	}
	if c.finish != "" {
		events = c.lastDelta(events)
		if len(c.calls) > 0 && c.finish == finishStop {
			c.finish = finishToolCalls
		}
	}
	return events, nil
}

// flush gives what decoder, splitter and stopper hold back.
func (c *choice) flush(events []engine.Event) []engine.Event {
	events = c.write(c.splitter.add(c.decoder.Flush()), events)
	events = c.write(c.splitter.flush(), events)
	if rest := c.stop.flush(); rest != "" {
		events = c.say(rest, events)
	}
	return events
}

// write takes pieces into the answer, up to a stop text.
func (c *choice) write(pieces []piece, events []engine.Event) []engine.Event {
	for _, p := range pieces {
		switch {
		case c.stop.closed:
			return events
		case p.call != nil:
			if len(c.calls) > 0 {
				c.calls = append(c.calls, ',')
			}
			c.calls = append(c.calls, p.call...)
			raw := append(append([]byte{'['}, p.call...), ']')
			events = c.tell("tool_calls", "", raw, events)
		case p.reasoning != "":
			c.reasoning = append(c.reasoning, p.reasoning...)
			events = c.tell("reasoning", p.reasoning, nil, events)
		case p.text != "":
			certain, found := c.stop.add(p.text)
			if certain != "" {
				events = c.say(certain, events)
			}
			if found {
				c.finish = finishStop
			}
		}
	}
	return events
}

func (c *choice) say(text string, events []engine.Event) []engine.Event {
	c.text = append(c.text, text...)
	return c.tell("text", text, nil, events)
}

// tell makes a delta.
func (c *choice) tell(name, value string, raw []byte, events []engine.Event) []engine.Event {
	s := c.sequence
	if !s.stream {
		return events
	}
	fresh := c.logprobs[c.told:]
	c.told = len(c.logprobs)
	if len(fresh) > 0 && fresh[0] == ',' {
		fresh = fresh[1:]
	}
	return append(events, engine.Event{Seq: s.id, Delta: delta(c.index, len(s.choices) > 1, name, value, raw, fresh)})
}

// lastDelta tells log-probabilities of tokens that made no text.
func (c *choice) lastDelta(events []engine.Event) []engine.Event {
	if c.told == len(c.logprobs) {
		return events
	}
	return c.tell("text", "", nil, events)
}
