package generate

import (
	"fmt"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/grammar"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// schemas is how many schemas' matchers are kept.
const schemas = 16

// grammars makes the masks that hold answers to their response_format. Its vocabulary is made when the first request
// asks for one.
type grammars struct {
	once  sync.Once
	cache *grammar.Cache
	err   error
	any   *tokenset.Bitset // every token that does not end an answer
}

func (e *Engine) grammarCache() (*grammar.Cache, error) {
	g := &e.grammars
	g.once.Do(func() {
		tokens := make([][]byte, e.graph.vocab)
		var ends []int32
		g.any = tokenset.New(e.graph.vocab)
		for id := range tokens {
			id := int32(id)
			if e.ends(id) {
				ends = append(ends, id)
				continue
			}
			tokens[id] = e.language.bytes(id)
			g.any.Add(id)
		}
		for _, id := range e.suppressed {
			g.any.Remove(id)
		}
		var v *grammar.Vocabulary
		if v, g.err = grammar.NewVocabulary(tokens, ends); g.err != nil {
			g.err = fmt.Errorf("generate: %w", g.err)
			return
		}
		g.cache = grammar.NewCache(v, schemas)
	})
	return g.cache, g.err
}

// compile makes the matcher of what a request holds its answer to, nil where anything may come: a call, if tool_choice
// asks for one, or else the response_format.
func (e *Engine) compile(in *input.Chat) (*grammar.Matcher, error) {
	call := mustCall(in)
	if !call && in.Format.Kind != input.FormatJSON && in.Format.Kind != input.FormatSchema {
		return nil, nil //nolint:nilnil // nil: no matcher is wanted
	}
	cache, err := e.grammarCache()
	if err != nil {
		return nil, err
	}
	switch {
	case e.language.free():
		return nil, fault.Invalid("response_format", "this model's answers can't be held to a format, nor to a tool_choice")
	case call:
		if e.language.call() < 0 {
			return nil, fault.Invalid("tool_choice", "this model can't be made to call a tool")
		}
		m, err := cache.Schema(callSchema(in, true))
		if err != nil { // a tool's schema may ask for what no grammar can hold it to
			m, err = cache.Schema(callSchema(in, false))
		}
		return m, fault.Under("tools", err)
	case in.Format.Kind == input.FormatJSON:
		return cache.AnyObject()
	}
	m, err := cache.Schema(in.Format.Schema)
	return m, fault.Under("response_format.json_schema.schema", err)
}

// mustCall tells whether the answer has to be a call.
func mustCall(in *input.Chat) bool {
	switch in.ToolChoice {
	case "", "auto", "none":
		return false
	}
	return len(in.Tools) > 0
}

// callSchema is what a call has to be: of the tool that is named, or of any. With parameters its arguments are what the
// tool says, and else any object.
func callSchema(in *input.Chat, parameters bool) jsontext.Value {
	b := []byte(`{"anyOf":[`)
	for _, t := range in.Tools {
		if in.ToolChoice != "required" && in.ToolChoice != t.Name {
			continue
		}
		if b[len(b)-1] != '[' {
			b = append(b, ',')
		}
		b = append(b, `{"type":"object","properties":{"name":{"const":`...)
		b, _ = jsontext.AppendQuote(b, t.Name) // its only error is about invalid UTF-8, which it has replaced
		b = append(b, `},"arguments":`...)
		if parameters && t.Parameters.Kind() == '{' {
			b = append(b, t.Parameters...)
		} else {
			b = append(b, `{"type":"object"}`...)
		}
		b = append(b, `},"required":["name","arguments"]}`...)
	}
	return append(b, `]}`...)
}

// constraint holds one answer to what was asked for. Thoughts before the answer are free, and so is a call that the
// model makes in place of an answer.
type constraint struct {
	state *grammar.State   // of the answer, or of the call that has to come
	any   *tokenset.Bitset // what a thought may be made of
	think int32            // the token by which the model may begin to think; -1: it may not
	end   string           // what ends a thought
	call  int32            // the token that begins a call; -1: there is none
	must  bool             // a call has to come

	thinks bool   // within a thought
	heard  string // the thought's last bytes
	begun  bool   // the answer has begun, or the call that has to come
	free   bool   // the model has begun a call of its own
}

// constrain makes an answer's constraint.
func (e *Engine) constrain(m *grammar.Matcher, s *sequence, thinks bool) (*constraint, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // nil: anything may come
	}
	c := &constraint{state: m.Start(), any: e.grammars.any, call: -1, must: mustCall(s.in), thinks: thinks}
	c.think, c.end = e.language.thought(s)
	if len(s.in.Tools) > 0 && s.in.ToolChoice != "none" {
		c.call = e.language.call()
	}
	_, err := c.state.Mask()
	return c, err
}

// mask is what may come next; nil allows everything.
func (c *constraint) mask(first bool) (*tokenset.Bitset, error) {
	switch {
	case c == nil || c.free:
		return nil, nil //nolint:nilnil // nil: anything may come
	case c.thinks:
		return c.any, nil
	case c.begun:
		return c.state.Mask()
	}
	may := tokenset.New(c.any.Len())
	if !c.must {
		mask, err := c.state.Mask()
		if err != nil {
			return nil, err
		}
		may.CopyFrom(mask)
	}
	may.Add(c.call)
	if first {
		may.Add(c.think)
	}
	return may, nil
}

// accept follows a token, which has made some text certain.
func (c *constraint) accept(id int32, text string) error {
	switch {
	case c.free:
		return nil
	case c.thinks:
		c.heard += text
		c.thinks = !strings.Contains(c.heard, c.end)
		c.heard = c.heard[max(len(c.heard)-len(c.end), 0):]
		return nil
	case !c.begun && id == c.think:
		c.thinks = true
		return nil
	case !c.begun && id == c.call:
		c.begun, c.free = true, !c.must
		return nil
	}
	c.begun = true
	return c.state.Accept(id)
}
