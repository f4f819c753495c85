package generate

import (
	"fmt"
	"sync"

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

// compile makes the matcher of a request's response_format, nil where anything may come.
func (e *Engine) compile(in *input.Chat) (*grammar.Matcher, error) {
	if in.Format.Kind != input.FormatJSON && in.Format.Kind != input.FormatSchema {
		return nil, nil //nolint:nilnil // nil: no matcher is wanted
	}
	cache, err := e.grammarCache()
	if err != nil {
		return nil, err
	}
	if in.Format.Kind == input.FormatJSON {
		return cache.AnyObject()
	}
	m, err := cache.Schema(in.Format.Schema)
	return m, fault.Under("response_format.json_schema.schema", err)
}

// constraint holds one answer to a response_format. Thoughts before the answer are free.
type constraint struct {
	state *grammar.State
	any   *tokenset.Bitset // what a thought may be made of
	first *tokenset.Bitset // what the answer may begin with where thoughts may come before it; nil after that
	think int32
}

// constrain makes an answer's constraint. think is the token by which the model may begin to think; -1: it may not.
func (e *Engine) constrain(m *grammar.Matcher, think int32) (*constraint, error) {
	if m == nil {
		return nil, nil //nolint:nilnil // nil: anything may come
	}
	c := &constraint{state: m.Start(), any: e.grammars.any, think: think}
	if think >= 0 {
		mask, err := c.state.Mask()
		if err != nil {
			return nil, err
		}
		c.first = tokenset.New(mask.Len())
		c.first.CopyFrom(mask)
		c.first.Add(think)
	}
	return c, nil
}

// mask is what may come next; nil allows everything.
func (c *choice) mask() (*tokenset.Bitset, error) {
	switch {
	case c.constraint == nil:
		return nil, nil //nolint:nilnil // nil: anything may come
	case c.splitter.thinking():
		return c.constraint.any, nil
	case len(c.tokens) == 0 && c.constraint.first != nil:
		return c.constraint.first, nil
	}
	return c.constraint.state.Mask()
}

// accept follows a token that is part of the answer itself.
func (c *constraint) accept(id int32) error {
	if id == c.think && c.first != nil {
		return nil
	}
	return c.state.Accept(id)
}
