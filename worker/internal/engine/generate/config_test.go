package generate_test

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config, generation, tokenizer string
		context                       int
		eos                           []int32
		token                         string
		greedy                        bool
	}{
		"nothing":                {greedy: true},
		"config":                 {config: `{"max_position_embeddings":4096,"eos_token_id":7}`, context: 4096, eos: []int32{7}, greedy: true},
		"generation comes first": {config: `{"eos_token_id":7}`, generation: `{"eos_token_id":[8,9],"do_sample":true}`, eos: []int32{8, 9}},
		"the decoder's own part": {config: `{"text_config":{"max_position_embeddings":64,"eos_token_id":3},"eos_token_id":null}`, context: 64, eos: []int32{3}, greedy: true},
		"old names":              {config: `{"n_positions":1024,"n_head":4,"n_embd":64}`, context: 1024, greedy: true},
		"the tokenizer's":        {tokenizer: `{"eos_token":{"content":"</s>"},"model_max_length":2048}`, context: 2048, token: "</s>", greedy: true},
		"no bound at all":        {tokenizer: `{"eos_token":"</s>","model_max_length":1000000000000000019884624838656}`, token: "</s>", greedy: true},
	} {
		files := fstest.MapFS{}
		for file, text := range map[string]string{
			"config.json": c.config, "generation_config.json": c.generation, "tokenizer_config.json": c.tokenizer,
		} {
			if text != "" {
				files[file] = &fstest.MapFile{Data: []byte(text)}
			}
		}
		got, err := generate.ReadConfig(files)
		require.NoError(t, err, name)
		assert.Equal(t, c.context, got.Context, name)
		assert.Equal(t, c.eos, got.EOS, name)
		assert.Equal(t, c.token, got.Token, name)
		assert.Equal(t, c.greedy, got.Greedy, name)
	}
	for _, bad := range []string{`{`, `[]`, `{"eos_token_id":"x"}`, `{"eos_token_id":-1}`, `{"eos_token_id":[1.5]}`, `{"max_position_embeddings":2000000000}`} {
		_, err := generate.ReadConfig(fstest.MapFS{"config.json": &fstest.MapFile{Data: []byte(bad)}})
		assert.ErrorContains(t, err, "config.json", bad)
	}
}

func FuzzConfig(f *testing.F) {
	f.Add([]byte(`{"max_position_embeddings":512,"eos_token_id":[1,2],"text_config":{"vocab_size":5}}`), []byte(`{"temperature":0.6,"top_k":20}`))
	f.Add([]byte(`{"eos_token_id":1e300}`), []byte(`{"eos_token_id":[]}`))
	f.Fuzz(func(t *testing.T, config, generation []byte) {
		c, err := generate.ReadConfig(fstest.MapFS{
			"config.json": &fstest.MapFile{Data: config}, "generation_config.json": &fstest.MapFile{Data: generation},
		})
		if err != nil {
			return
		}
		if c.Context < 0 || c.Context > 1<<24 {
			t.Fatal(c.Context)
		}
		for _, id := range c.EOS {
			if id < 0 {
				t.Fatal(id)
			}
		}
	})
}
