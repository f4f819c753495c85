package generate

import (
	"crypto/rand"
	"encoding/hex"
	"sync/atomic"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/answer"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
	"github.com/penstock-dev/penstock/worker/internal/text/chat"
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
	sequence   *sequence
	index      int
	sampler    *sample.Sampler
	constraint *constraint // nil: anything may come
	decoder    streamDecoder
	parser     parser
	stop       stopper
	row        *row // nil before the prompt is in the cache, and again at the end

	tokens    []int32 // of the answer so far
	text      []byte
	reasoning []byte
	calls     []input.ToolCall
	logprobs  []answer.Logprob // nil when not asked for
	told      int              // logprobs that deltas have told
	finish    string           // "" while it goes on
}

// last is the token that the next run is fed.
func (c *choice) last() int32 { return c.tokens[len(c.tokens)-1] }

// accept takes the next token, and gives the deltas that it makes.
func (e *Engine) accept(c *choice, chosen *sample.Choice, events []engine.Event) ([]engine.Event, error) {
	end := e.ends(chosen.ID)
	if !end {
		c.tokens = append(c.tokens, chosen.ID)
		if c.sequence.in.Logprobs {
			c.logprobs = append(c.logprobs, e.logprob(chosen, c.sequence.in.TopLogprobs))
		}
		text := c.decoder.Next(chosen.ID)
		if c.constraint != nil {
			if err := c.constraint.accept(chosen.ID, text); err != nil {
				return events, err
			}
		}
		events = c.write(c.parser.Next(text), events)
	}
	switch {
	case c.finish != "":
	case end:
		c.finish = answer.Stop
		events = c.flush(events)
	case len(c.tokens) >= c.sequence.limit:
		c.finish = answer.Length
		events = c.flush(events)
	}
	if c.finish != "" {
		events = c.lastDelta(events)
		if len(c.calls) > 0 && c.finish == answer.Stop {
			c.finish = answer.ToolCalls
		}
	}
	return events, nil
}

// flush gives what decoder, parser and stopper hold back.
func (c *choice) flush(events []engine.Event) []engine.Event {
	events = c.write(c.parser.Next(c.decoder.Flush()), events)
	events = c.write(c.parser.End(), events)
	if rest := c.stop.flush(); rest != "" {
		events = c.say(rest, events)
	}
	return events
}

// write takes pieces into the answer, up to a stop text.
func (c *choice) write(pieces []chat.Piece, events []engine.Event) []engine.Event {
	for i := 0; i < len(pieces) && !c.stop.closed; i++ {
		switch p := &pieces[i]; p.Kind {
		case chat.Content:
			certain, found := c.stop.add(p.Text)
			if certain != "" {
				events = c.say(certain, events)
			}
			if found {
				c.finish = answer.Stop
			}
		case chat.Reasoning:
			c.reasoning = append(c.reasoning, p.Text...)
			events = c.tell(answer.Delta{Reasoning: p.Text}, events)
		case chat.CallBegin:
			call := input.ToolCall{ID: callID(), Name: p.Name}
			if i+1 < len(pieces) && pieces[i+1].Kind == chat.CallArgs {
				i++
				call.Arguments = pieces[i].Text
			}
			c.calls = append(c.calls, call)
			events = c.tellCall(answer.ToolCallDelta{ID: call.ID, Name: call.Name, Arguments: call.Arguments}, events)
		case chat.CallArgs:
			if len(c.calls) > 0 {
				c.calls[len(c.calls)-1].Arguments += p.Text
				events = c.tellCall(answer.ToolCallDelta{Arguments: p.Text}, events)
			}
		}
	}
	return events
}

// tellCall makes a delta of a piece of the last call.
func (c *choice) tellCall(d answer.ToolCallDelta, events []engine.Event) []engine.Event {
	d.Index = len(c.calls) - 1
	return c.tell(answer.Delta{ToolCalls: []answer.ToolCallDelta{d}}, events)
}

func callID() string {
	b := make([]byte, 9)
	_, _ = rand.Read(b) // never fails
	return "call_" + hex.EncodeToString(b)
}

func (c *choice) say(text string, events []engine.Event) []engine.Event {
	c.text = append(c.text, text...)
	return c.tell(answer.Delta{Text: text}, events)
}

// tell makes an event of a delta, with the log-probabilities that came since the last.
func (c *choice) tell(d answer.Delta, events []engine.Event) []engine.Event {
	s := c.sequence
	if !s.stream {
		return events
	}
	d.Index, d.Many = c.index, len(s.choices) > 1
	if c.told < len(c.logprobs) {
		d.Logprobs, c.told = c.logprobs[c.told:], len(c.logprobs)
	}
	return append(events, engine.Event{Seq: s.id, Delta: d.Append(make([]byte, 0, len(d.Text)+len(d.Reasoning)+32))})
}

// lastDelta tells log-probabilities of tokens that made no text.
func (c *choice) lastDelta(events []engine.Event) []engine.Event {
	if c.told == len(c.logprobs) {
		return events
	}
	return c.tell(answer.Delta{}, events)
}

// logprob copies what the sampler says of a token, as its memory is the sampler's.
func (e *Engine) logprob(chosen *sample.Choice, asked int) answer.Logprob {
	p := answer.Logprob{Token: e.language.bytes(chosen.ID), Logprob: float64(chosen.Logprob)}
	for _, t := range chosen.Top[:min(len(chosen.Top), asked)] {
		p.Top = append(p.Top, answer.Logprob{Token: e.language.bytes(t.ID), Logprob: float64(t.Logprob)})
	}
	return p
}

// output is the JSON of the whole answer.
func (s *sequence) output() []byte {
	choices := make([]answer.Choice, len(s.choices))
	for i, c := range s.choices {
		choices[i] = answer.Choice{
			Text: string(c.text), Reasoning: string(c.reasoning), ToolCalls: c.calls, FinishReason: c.finish, Logprobs: c.logprobs,
		}
	}
	return answer.Output(choices)
}
