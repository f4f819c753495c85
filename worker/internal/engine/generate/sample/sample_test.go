package sample_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/sample"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

func seeded(p sample.Params, seed int64) sample.Params {
	p.Seed = &seed
	return p
}

// randomParams turns each knob on about half of the time.
func randomParams(r *rand.Rand, vocab int) sample.Params {
	p := sample.Default()
	on := func() bool { return r.IntN(2) == 0 }
	p.Temperature = 0.2 + 2*r.Float64()
	if r.IntN(8) == 0 {
		p.Temperature = 0
	}
	if on() {
		p.TopK = r.IntN(vocab + 10)
	}
	if r.IntN(4) == 0 {
		p.TypicalP = 0.05 + 0.9*r.Float64()
	}
	if on() {
		p.TopP = []float64{0, r.Float64(), r.Float64()}[r.IntN(3)]
	}
	if on() {
		p.MinP = r.Float64() * r.Float64()
	}
	if on() {
		p.RepetitionPenalty = 0.5 + r.Float64()*2
		p.RepeatLastN = r.IntN(20) - 1
	}
	if on() {
		p.PresencePenalty, p.FrequencyPenalty = 4*r.Float64()-2, 2*r.Float64()-1
	}
	if on() {
		p.LogitBias = map[int32]float64{int32(r.IntN(vocab)): 10 * r.NormFloat64(), int32(r.IntN(vocab)): -100}
	}
	if r.IntN(4) == 0 {
		p.Suppress = []int32{int32(r.IntN(vocab))}
	}
	return p
}

// randomRow has one of the shapes that break selections: smooth, full of equals, with impossible tokens, sorted, flat.
func randomRow(r *rand.Rand, vocab int) []float32 {
	row := make([]float32, vocab)
	kind := r.IntN(6)
	for i := range row {
		v := float32(r.NormFloat64() * 3)
		switch kind {
		case 1:
			v = float32(r.IntN(4))
		case 2:
			if r.IntN(3) > 0 {
				v = float32(math.Inf(-1))
			}
		case 3:
			v = float32(i) * 0.01
		case 4:
			v = 7
		case 5:
			v *= 100
		}
		row[i] = v
	}
	row[r.IntN(vocab)] = 1 // never wholly impossible
	return row
}

func randomIDs(r *rand.Rand, vocab, n int) []int32 {
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(r.IntN(vocab))
	}
	return ids
}

// Every token drawn is possible under the reference, and with u known it is the very token the reference walks to.
func TestMatchesReference(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(7, 7))
	for n := range 2000 {
		vocab := []int{1, 2, 5, 40, 257, 1000}[r.IntN(6)]
		p := seeded(randomParams(r, vocab), int64(n))
		row := randomRow(r, vocab)
		prompt, generated := randomIDs(r, vocab, r.IntN(12)), randomIDs(r, vocab, r.IntN(12))
		var mask *tokenset.Bitset
		if r.IntN(3) == 0 {
			mask = tokenset.New(vocab)
			for _, id := range randomIDs(r, vocab, vocab) {
				mask.Add(id)
			}
		}
		want := reference(p, row, prompt, generated, mask)

		s, err := sample.New(p, vocab)
		require.NoError(t, err)
		s.Prompt(prompt)
		for _, id := range generated {
			s.Accept(id)
		}
		got, err := s.Next(slices.Clone(row), mask)
		if want == nil {
			require.ErrorContains(t, err, "no token is both allowed and possible")
			continue
		}
		require.NoError(t, err)
		u := float64(rand.NewPCG(uint64(n), 0).Uint64()>>11) / (1 << 53)
		require.Equalf(t, walk(want, u), got.ID, "case %d: %+v", n, p)
	}
}

// walk is where the running sum of probs passes u.
func walk(probs []float64, u float64) int32 {
	last := 0
	for i, q := range probs {
		if q == 0 {
			continue
		}
		last = i
		if u -= q; u < 0 {
			break
		}
	}
	return int32(last)
}

// The frequencies of many draws are the reference's probabilities, by a chi-square test at fixed seeds.
func TestDistribution(t *testing.T) {
	t.Parallel()
	row := []float32{2, 1, 0.5, 0.5, 0, -1, -2, 1.5, float32(math.Inf(-1)), 1}
	for name, change := range map[string]func(*sample.Params){
		"plain":       func(*sample.Params) {},
		"cold":        func(p *sample.Params) { p.Temperature = 0.5 },
		"hot":         func(p *sample.Params) { p.Temperature = 3 },
		"top_k":       func(p *sample.Params) { p.TopK = 4 },
		"top_p":       func(p *sample.Params) { p.TopP = 0.8 },
		"min_p":       func(p *sample.Params) { p.MinP = 0.2 },
		"typical_p":   func(p *sample.Params) { p.TypicalP = 0.6 },
		"all of them": func(p *sample.Params) { p.TopK, p.TypicalP, p.TopP, p.MinP = 7, 0.9, 0.9, 0.1 },
		"bias":        func(p *sample.Params) { p.LogitBias = map[int32]float64{6: 4} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := seeded(sample.Default(), 11)
			change(&p)
			want := reference(p, row, nil, nil, nil)
			s, err := sample.New(p, len(row))
			require.NoError(t, err)
			const draws = 20_000
			counts := make([]float64, len(row))
			for range draws {
				c, err := s.Next(slices.Clone(row), nil)
				require.NoError(t, err)
				counts[c.ID]++
			}
			chi := 0.0
			for i, q := range want {
				if q == 0 {
					require.Zero(t, counts[i])
					continue
				}
				chi += (counts[i] - draws*q) * (counts[i] - draws*q) / (draws * q)
			}
			require.Less(t, chi, 27.9) // 9 degrees of freedom at 0.1 %
		})
	}
}

// One seed gives one sequence, another or another stream a different one; a sampler without a seed picks its own.
func TestSeed(t *testing.T) {
	t.Parallel()
	draw := func(p sample.Params) []int32 {
		s, err := sample.New(p, 1000)
		require.NoError(t, err)
		ids := make([]int32, 0, 40)
		for range 40 {
			c, err := s.Next(make([]float32, 1000), nil)
			require.NoError(t, err)
			ids = append(ids, c.ID)
		}
		return ids
	}
	base := draw(seeded(sample.Default(), -5))
	require.Equal(t, base, draw(seeded(sample.Default(), -5)))
	require.NotEqual(t, base, draw(seeded(sample.Default(), 6)))
	p := seeded(sample.Default(), -5)
	p.Stream = 1
	require.NotEqual(t, base, draw(p))
	one, two := draw(sample.Default()), draw(sample.Default())
	require.NotEqual(t, one, two)
}

// Greedy takes the lowest id of equals and draws no number.
func TestGreedy(t *testing.T) {
	t.Parallel()
	for _, temperature := range []float64{0, 1e-6} {
		p := sample.Default()
		p.Temperature = temperature
		s, err := sample.New(p, 5)
		require.NoError(t, err)
		c, err := s.Next([]float32{1, 3, 3, 2, 3}, nil)
		require.NoError(t, err)
		require.Equal(t, sample.Choice{ID: 1}, c)
	}
}

// Log-probabilities are the raw row's, whatever penalties, bias, mask and temperature do to the choice.
func TestLogprobs(t *testing.T) {
	t.Parallel()
	p := sample.Default()
	p.Temperature, p.Logprobs, p.TopLogprobs = 0, true, 3
	p.LogitBias = map[int32]float64{0: 100}
	p.RepetitionPenalty, p.FrequencyPenalty = 1.5, 1
	s, err := sample.New(p, 5)
	require.NoError(t, err)
	s.Prompt([]int32{0})
	s.Accept(0)
	row := []float32{-1, 2, 2, float32(math.Inf(-1)), 0}
	sum := 0.0
	for _, v := range row {
		sum += math.Exp(float64(v))
	}
	c, err := s.Next(slices.Clone(row), nil)
	require.NoError(t, err)
	require.EqualValues(t, 0, c.ID)
	require.InDelta(t, -1-math.Log(sum), c.Logprob, 1e-6)
	require.Len(t, c.Top, 3)
	for i, id := range []int32{1, 2, 4} {
		require.Equal(t, id, c.Top[i].ID)
		require.InDelta(t, float64(row[id])-math.Log(sum), c.Top[i].Logprob, 1e-6)
	}

	p.TopLogprobs = 20 // more than are possible
	s, err = sample.New(p, 5)
	require.NoError(t, err)
	c, err = s.Next(slices.Clone(row), nil)
	require.NoError(t, err)
	require.Len(t, c.Top, 4)
}

// A row that is none is an error that names the token, and the sampler goes on after it.
func TestBadRows(t *testing.T) {
	t.Parallel()
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	s, err := sample.New(sample.Default(), 3)
	require.NoError(t, err)
	empty, foreign := tokenset.New(3), tokenset.New(100)
	foreign.Add(50)
	for _, c := range []struct {
		row  []float32
		mask *tokenset.Bitset
		want string
	}{
		{[]float32{0, nan, 1}, nil, "NaN for the logit of token 1"},
		{[]float32{nan, nan, nan}, nil, "NaN for the logit of token 0"},
		{[]float32{0, inf, 1}, nil, "infinite logit"},
		{[]float32{-inf, -inf, -inf}, nil, "no token possible"},
		{[]float32{0, 1}, nil, "a row has 2 logits, the vocabulary 3 tokens"},
		{[]float32{0, 1, 2}, empty, "no token is both allowed and possible"},
		{[]float32{0, 1, 2}, foreign, "no token is both allowed and possible"},
		{[]float32{0, 1, 2}, tokenset.New(1), "no token is both allowed and possible"},
	} {
		_, err := s.Next(c.row, c.mask)
		require.ErrorContains(t, err, c.want)
		require.Equal(t, fault.Internal, fault.CodeOf(err))
	}
	_, err = s.Next([]float32{0, 1, 2}, nil)
	require.NoError(t, err)

	p := sample.Default()
	p.RepetitionPenalty = 1e-9
	s, err = sample.New(p, 2)
	require.NoError(t, err)
	s.Prompt([]int32{1})
	_, err = s.Next([]float32{0, math.MaxFloat32}, nil)
	require.ErrorContains(t, err, "infinite")
}

// Every range is checked and the error names the field.
func TestValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		field  string
		change func(*sample.Params)
	}{
		{"temperature", func(p *sample.Params) { p.Temperature = -1 }},
		{"temperature", func(p *sample.Params) { p.Temperature = math.NaN() }},
		{"temperature", func(p *sample.Params) { p.Temperature = math.Inf(1) }},
		{"top_k", func(p *sample.Params) { p.TopK = -2 }},
		{"top_p", func(p *sample.Params) { p.TopP = 1.01 }},
		{"min_p", func(p *sample.Params) { p.MinP = -0.01 }},
		{"typical_p", func(p *sample.Params) { p.TypicalP = 0 }},
		{"repetition_penalty", func(p *sample.Params) { p.RepetitionPenalty = 0 }},
		{"repetition_penalty", func(p *sample.Params) { p.RepetitionPenalty = -1 }},
		{"presence_penalty", func(p *sample.Params) { p.PresencePenalty = 2.1 }},
		{"frequency_penalty", func(p *sample.Params) { p.FrequencyPenalty = -2.1 }},
		{"repeat_last_n", func(p *sample.Params) { p.RepeatLastN = -2 }},
		{"top_logprobs", func(p *sample.Params) { p.TopLogprobs = 21 }},
		{"logit_bias", func(p *sample.Params) { p.LogitBias = map[int32]float64{10: 1} }},
		{"logit_bias", func(p *sample.Params) { p.LogitBias = map[int32]float64{-1: 1} }},
		{"logit_bias", func(p *sample.Params) { p.LogitBias = map[int32]float64{1: 101} }},
		{"logit_bias", func(p *sample.Params) { p.LogitBias = map[int32]float64{1: math.NaN()} }},
	} {
		p := sample.Default()
		c.change(&p)
		_, err := sample.New(p, 10)
		require.Error(t, err, c.field)
		require.Equal(t, c.field, fault.From(err).Field)
		require.Equal(t, fault.InvalidInput, fault.CodeOf(err))
	}
}

// Once warm, a token costs no allocation, whatever is on.
func TestNoAllocation(t *testing.T) { //nolint:paralleltest // it counts the process's allocations
	const vocab = 4000
	r := rand.New(rand.NewPCG(3, 3))
	row := randomRow(r, vocab)
	for name, p := range map[string]sample.Params{
		"plain": sample.Default(),
		"top_p": {Temperature: 1, TypicalP: 1, TopP: 0.9, RepetitionPenalty: 1},
		"everything": {
			Temperature: 1, TopK: 1000, TypicalP: 0.9, TopP: 0.9, MinP: 0.01, RepetitionPenalty: 1.1, RepeatLastN: 64,
			PresencePenalty: 0.5, FrequencyPenalty: 0.5, Logprobs: true, TopLogprobs: 20,
		},
	} {
		s, err := sample.New(seeded(p, 1), vocab)
		require.NoError(t, err)
		mask := tokenset.New(vocab)
		for i := range int32(vocab) {
			mask.Add(i)
		}
		ids := randomIDs(r, 50, 1000)
		s.Prompt(ids)
		buffer, i := make([]float32, vocab), 0
		step := func() {
			copy(buffer, row)
			_, err = s.Next(buffer, mask)
			s.Accept(ids[i%len(ids)])
			i++
		}
		for range 500 {
			step()
		}
		require.Zero(t, testing.AllocsPerRun(100, step), name)
		require.NoError(t, err)
	}
}

// No parameters and no row make it panic or choose what is not allowed.
func FuzzNext(f *testing.F) {
	f.Add(uint64(1), 0.7, 40, 0.9, 0.05, 1.1, []byte("some logits"))
	f.Add(uint64(2), 0.0, -1, 1.0, 0.0, 1.0, []byte{0, 255, 128})
	f.Add(uint64(3), 1e-4, 1, 0.0, 1.0, 0.01, []byte{})
	f.Fuzz(func(t *testing.T, seed uint64, temperature float64, topK int, topP, minP, penalty float64, raw []byte) {
		p := sample.Default()
		p.Temperature, p.TopK, p.TopP, p.MinP, p.RepetitionPenalty = temperature, topK, topP, minP, penalty
		p.TypicalP, p.Logprobs, p.TopLogprobs = 0.95, seed%2 == 0, int(seed%21)
		row := make([]float32, len(raw)/4)
		mask := tokenset.New(len(row))
		for i := range row {
			row[i] = math.Float32frombits(uint32(raw[4*i]) | uint32(raw[4*i+1])<<8 | uint32(raw[4*i+2])<<16 | uint32(raw[4*i+3])<<24)
			if raw[4*i]%3 > 0 {
				mask.Add(int32(i))
			}
		}
		s, err := sample.New(seeded(p, int64(seed)), len(row))
		if err != nil {
			return
		}
		for range 3 {
			before := slices.Clone(row)
			c, err := s.Next(slices.Clone(row), mask)
			if err != nil {
				return
			}
			require.True(t, mask.Has(c.ID))
			require.False(t, math.IsInf(float64(before[c.ID]), -1))
			s.Accept(c.ID)
		}
	})
}

func BenchmarkNext(b *testing.B) {
	const vocab = 151_936
	r := rand.New(rand.NewPCG(5, 5))
	peaked, flat := make([]float32, vocab), make([]float32, vocab)
	for i := range peaked {
		peaked[i], flat[i] = float32(r.NormFloat64()*2.5), float32(r.NormFloat64()*0.1)
	}
	for i := range 30 {
		peaked[r.IntN(vocab)] = float32(14 - i/3)
	}
	mask := tokenset.New(vocab)
	for i := int32(0); i < vocab; i += 2 {
		mask.Add(i)
	}
	for _, c := range []struct {
		name string
		mask *tokenset.Bitset
		row  []float32
		p    sample.Params
	}{
		{"greedy", nil, peaked, sample.Params{Temperature: 0, TypicalP: 1, TopP: 1, RepetitionPenalty: 1}},
		{"temperature", nil, peaked, sample.Default()},
		{"masked", mask, peaked, sample.Default()},
		{"logprobs", nil, peaked, sample.Params{Temperature: 0, TypicalP: 1, TopP: 1, RepetitionPenalty: 1, Logprobs: true, TopLogprobs: 20}},
		{"top_k=40,top_p", nil, peaked, sample.Params{Temperature: 0.7, TypicalP: 1, TopK: 40, TopP: 0.9, RepetitionPenalty: 1.1, RepeatLastN: 64}},
		{"top_k=20000", nil, peaked, sample.Params{Temperature: 0.7, TypicalP: 1, TopK: 20000, TopP: 1, RepetitionPenalty: 1}},
		{"top_p", nil, peaked, sample.Params{Temperature: 0.7, TypicalP: 1, TopP: 0.9, RepetitionPenalty: 1}},
		{"top_p,flat", nil, flat, sample.Params{Temperature: 1, TypicalP: 1, TopP: 0.9, RepetitionPenalty: 1}},
		{"min_p", nil, peaked, sample.Params{Temperature: 1, TypicalP: 1, TopP: 1, MinP: 0.05, RepetitionPenalty: 1}},
		{"typical_p", nil, peaked, sample.Params{Temperature: 1, TypicalP: 0.9, TopP: 1, RepetitionPenalty: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			s, err := sample.New(seeded(c.p, 1), vocab)
			require.NoError(b, err)
			row := make([]float32, vocab)
			b.ReportAllocs()
			for b.Loop() {
				copy(row, c.row)
				ch, err := s.Next(row, c.mask)
				require.NoError(b, err)
				s.Accept(ch.ID)
			}
		})
	}
}
