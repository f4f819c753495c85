package sample

import (
	"math"
	"math/rand/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// Choice is the token taken from one row.
type Choice struct {
	ID      int32
	Logprob float32        // of ID; 0 unless Params.Logprobs
	Top     []TokenLogprob // likeliest first, at most Params.TopLogprobs; the sampler's own, good until the next Next
}

// TokenLogprob is a token and its log-probability.
type TokenLogprob struct {
	ID      int32
	Logprob float32
}

// Sampler chooses the tokens of one answer. One goroutine at a time may use it. Its memory is small until a flat
// distribution makes a filter keep many tokens: then up to about 40 bytes for each token of the vocabulary.
type Sampler struct {
	p       Params
	vocab   int
	greedy  bool
	counts  bool    // a penalty needs the history
	inverse float32 // 1/temperature
	rng     *rand.PCG
	history history
	bias    []biased

	kept   []candidate // what the filters have left, in the order of ids
	order  []rank      // scratch of the selections
	bins   []float64   // mass by distance from the maximum
	blocks []float64   // mass of each block of the row
	top    []TokenLogprob
	raw    []TokenLogprob // logits, as they came, of the tokens that penalties and bias changed
}

type biased struct {
	id int32
	by float32
}

// New checks p against a vocabulary's size and makes a sampler for one answer.
func New(p Params, vocab int) (*Sampler, error) {
	if err := p.Validate(vocab); err != nil {
		return nil, err
	}
	s := &Sampler{p: p, vocab: vocab, greedy: p.Temperature < greedyBelow}
	if !s.greedy {
		s.inverse = float32(1 / p.Temperature)
	}
	seed := rand.Uint64() //nolint:gosec // no secret: it chooses words
	if p.Seed != nil {
		seed = uint64(*p.Seed) //nolint:gosec // every bit pattern is a seed
	}
	s.rng = rand.NewPCG(seed, p.Stream)
	if p.RepetitionPenalty != 1 {
		s.history.window = p.RepeatLastN
	}
	s.counts = s.history.window != 0 || p.PresencePenalty != 0 || p.FrequencyPenalty != 0
	for id, by := range p.LogitBias {
		s.bias = append(s.bias, biased{id, float32(by)})
	}
	return s, nil
}

// Prompt tells the sampler the prompt's tokens, for the repetition penalty. Call it before the first Next.
func (s *Sampler) Prompt(ids []int32) {
	w := s.history.window
	if w == 0 {
		return
	}
	if w > 0 && len(ids) > w {
		ids = ids[len(ids)-w:]
	}
	s.history.reserve(len(ids))
	for _, id := range ids {
		s.history.add(id, false)
	}
}

// Accept tells the sampler that id was taken; Next itself changes no history, so that a caller may force a token.
func (s *Sampler) Accept(id int32) {
	if s.counts {
		s.history.add(id, true)
	}
}

// Next chooses a token. It uses logits as its scratch: the row is undefined afterwards, so a row that several samplers
// share is copied first. mask may be nil; tokens beyond its length are not allowed. An error says that the row or the
// mask leaves nothing to choose; then nothing was drawn, and the sampler may be used again.
func (s *Sampler) Next(logits []float32, mask *tokenset.Bitset) (Choice, error) {
	if len(logits) != s.vocab {
		return Choice{}, fault.New(fault.Internal, "a row has %d logits, the vocabulary %d tokens", len(logits), s.vocab)
	}
	highest, err := check(logits)
	if err != nil {
		return Choice{}, err
	}
	var lse float64
	s.top = s.top[:0]
	if s.p.Logprobs {
		lse = logSumExp(logits, highest)
		s.rankTop(logits, lse)
	}
	s.raw = s.raw[:0]
	s.adjust(logits)
	restrict(logits, s.p.Suppress, mask)
	best := argmax(logits)
	if best < 0 {
		return Choice{}, fault.New(fault.Internal, "no token is both allowed and possible")
	}
	if math.IsInf(float64(logits[best]), 1) {
		return Choice{}, fault.New(fault.Internal, "a penalty made the logit of token %d infinite", best)
	}
	c := Choice{ID: best, Top: s.top}
	if !s.greedy {
		c.ID = s.draw(logits, logits[best])
	}
	if s.p.Logprobs {
		c.Logprob = float32(float64(s.rawLogit(logits, c.ID)) - lse)
	}
	return c, nil
}

// check finds the highest logit and refuses a row that is none.
func check(logits []float32) (float32, error) {
	highest := float32(math.Inf(-1))
	for i, v := range logits {
		if v > highest {
			highest = v
		} else if v != v {
			return 0, fault.New(fault.Internal, "the model gave NaN for the logit of token %d", i)
		}
	}
	if math.IsInf(float64(highest), 1) {
		return 0, fault.New(fault.Internal, "the model gave an infinite logit")
	}
	if math.IsInf(float64(highest), -1) {
		return 0, fault.New(fault.Internal, "the model left no token possible")
	}
	return highest, nil
}

// argmax is the lowest id of the highest logit, or -1 when every logit is -Inf.
func argmax(logits []float32) int32 {
	highest, at := float32(math.Inf(-1)), -1
	for i, v := range logits {
		if v > highest {
			highest, at = v, i
		}
	}
	return int32(at)
}

// restrict makes tokens impossible that are suppressed or outside the mask.
func restrict(logits []float32, suppress []int32, mask *tokenset.Bitset) {
	never := float32(math.Inf(-1))
	for _, id := range suppress {
		if id >= 0 && int(id) < len(logits) {
			logits[id] = never
		}
	}
	if mask == nil {
		return
	}
	n := min(mask.Len(), len(logits))
	for i := 0; i < n; i += 64 {
		word := mask.Word(i / 64)
		if word == math.MaxUint64 {
			continue
		}
		part := logits[i:min(i+64, n)]
		for j := range part {
			if word>>j&1 == 0 {
				part[j] = never
			}
		}
	}
	for i := n; i < len(logits); i++ {
		logits[i] = never
	}
}

// adjust applies penalties and bias, and notes what was there before.
func (s *Sampler) adjust(logits []float32) {
	by := float32(s.p.RepetitionPenalty)
	for i := range s.history.entries {
		e := &s.history.entries[i]
		if e.inWindow == 0 && e.generated == 0 || e.id < 0 || int(e.id) >= len(logits) {
			continue
		}
		v := logits[e.id]
		s.note(e.id, v)
		if e.inWindow > 0 {
			if v > 0 {
				v /= by
			} else {
				v *= by
			}
		}
		if e.generated > 0 {
			v -= float32(s.p.PresencePenalty + s.p.FrequencyPenalty*float64(e.generated))
		}
		logits[e.id] = v
	}
	for _, b := range s.bias {
		s.note(b.id, logits[b.id])
		logits[b.id] += b.by
	}
}

func (s *Sampler) note(id int32, logit float32) {
	if s.p.Logprobs {
		s.raw = append(s.raw, TokenLogprob{id, logit})
	}
}

// rawLogit is id's logit as it came: the first note of it, or the row's own.
func (s *Sampler) rawLogit(logits []float32, id int32) float32 {
	for _, r := range s.raw {
		if r.ID == id {
			return r.Logprob
		}
	}
	return logits[id]
}
