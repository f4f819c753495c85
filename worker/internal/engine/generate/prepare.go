package generate

import (
	"context"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
)

// Prepare reads a request, renders its prompt and turns it into tokens.
func (e *Engine) Prepare(ctx context.Context, r engine.Request) (any, error) {
	s, err := e.prepare(ctx, r)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func (e *Engine) prepare(ctx context.Context, r engine.Request) (*sequence, error) {
	in, err := input.ParseChat(r.Input)
	if err != nil {
		return nil, err
	}
	if in.N > e.maxRows {
		return nil, fault.Invalid("n", "is %d, and the model answers at most %d at once", in.N, e.maxRows)
	}
	s := &sequence{in: in, stream: r.Stream}
	if e.front != nil {
		s.start, err = e.front.Start(ctx, in)
	} else {
		err = e.textOnly(in)
		if err == nil {
			s.start, err = e.language.prompt(in)
		}
	}
	if err != nil {
		return nil, err
	}
	s.fresh = s.start.Embeds != nil || s.start.Positions != nil
	if err := e.checkStart(s); err != nil {
		return nil, err
	}
	if s.limit, err = e.limitOf(s); err != nil {
		return nil, err
	}
	return s, e.addChoices(s)
}

// textOnly refuses images, which only a front end sees.
func (e *Engine) textOnly(in *input.Chat) error {
	for i := range in.Messages {
		for k, p := range in.Messages[i].Parts {
			if p.ImageURL != "" {
				return fault.Invalid(partField(i, k), "this model does not see images")
			}
		}
	}
	return nil
}

// checkStart holds a prompt against the graph, which takes what it is given without a look.
func (e *Engine) checkStart(s *sequence) error {
	st := &s.start
	n := len(st.IDs)
	if n == 0 {
		return fault.Invalid(promptField(s.in), "the prompt has no tokens")
	}
	if n >= e.context {
		return fault.Invalid(promptField(s.in), "the prompt has %d tokens and the model's context is %d", n, e.context)
	}
	for _, id := range st.IDs {
		if id < 0 || int(id) >= e.graph.vocab {
			return fault.New(fault.Internal, "the prompt has token %d, and the vocabulary has %d", id, e.graph.vocab)
		}
	}
	if st.Embeds != nil && (!e.graph.embeds || len(st.Embeds) != n*int(e.graph.width)) {
		return fault.New(fault.Internal, "the prompt of %d tokens has %d numbers of vectors", n, len(st.Embeds))
	}
	if st.Positions != nil && len(st.Positions) != n*e.graph.axes {
		return fault.New(fault.Internal, "the prompt of %d tokens has %d positions", n, len(st.Positions))
	}
	return nil
}

// limitOf is how many tokens each answer may have: what the request says, as far as the context goes, and else what the
// model's defaults say, as far as context and KV cache go. A request that can't ever fit is refused.
func (e *Engine) limitOf(s *sequence) (int, error) {
	prompt, holds := len(s.start.IDs), e.holds(s.in.N)
	if prompt > holds {
		return 0, fault.Invalid(promptField(s.in), "the prompt has %d tokens and the model's KV cache holds %d for each of %d answers",
			prompt, max(holds, 0), s.in.N)
	}
	left := e.context - prompt
	if s.in.MaxTokens == 0 {
		return min(e.maxTokens, left, holds-prompt+1), nil
	}
	limit := min(s.in.MaxTokens, left)
	if need := prompt + limit - 1; need > holds {
		return 0, fault.Invalid("max_tokens", "prompt and answer may take %d tokens and the model's KV cache holds %d for each of %d answers",
			need, holds, s.in.N)
	}
	return limit, nil
}

// promptField is the member of the input that the prompt was made of.
func promptField(in *input.Chat) string {
	if in.Prompt != nil {
		return "prompt"
	}
	return "messages"
}

func (e *Engine) addChoices(s *sequence) error {
	p, err := e.params(s.in)
	if err != nil {
		return err
	}
	matcher, err := e.compile(s.in)
	if err != nil {
		return err
	}
	for i := range s.in.N {
		p.Stream = uint64(i)
		c := &choice{sequence: s, index: i, stop: stopper{stops: s.in.Stop}}
		if c.sampler, err = sample.New(p, e.graph.vocab); err != nil {
			return err
		}
		c.sampler.Prompt(s.start.IDs)
		reads, thinking := e.language.parser(s)
		c.decoder, c.parser = e.language.decoder(), reads
		if c.constraint, err = e.constrain(matcher, s, thinking); err != nil {
			return err
		}
		s.choices = append(s.choices, c)
	}
	s.open = len(s.choices)
	return nil
}

// params are the request's, where it has them, and else the model's own.
func (e *Engine) params(in *input.Chat) (sample.Params, error) {
	p, d, r := sample.Default(), &e.config.defaults, &in.Sampling
	if d.greedy {
		p.Temperature = 0
	}
	set(&p.Temperature, r.Temperature)
	if r.Temperature == nil && !d.greedy {
		set(&p.Temperature, d.temperature)
	}
	set(&p.TopP, d.topP, r.TopP)
	set(&p.MinP, d.minP, r.MinP)
	set(&p.TypicalP, d.typicalP, r.TypicalP)
	set(&p.TopK, d.topK, r.TopK)
	set(&p.RepetitionPenalty, d.repetition, r.RepetitionPenalty)
	set(&p.PresencePenalty, r.PresencePenalty)
	set(&p.FrequencyPenalty, r.FrequencyPenalty)
	set(&p.RepeatLastN, r.RepeatLastN)
	p.Seed, p.LogitBias = r.Seed, r.LogitBias
	p.Suppress = e.suppressed
	p.Logprobs, p.TopLogprobs = in.Logprobs, in.TopLogprobs
	return p, p.Validate(e.graph.vocab)
}

// set takes the last value that is there.
func set[T any](into *T, values ...*T) {
	for _, v := range values {
		if v != nil {
			*into = *v
		}
	}
}
