package model

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Generate says how a decoder runs, of engine generate and of the decoder of engine vision. Everything else about it
// stands in its graph and in config.json, generation_config.json and tokenizer_config.json beside it.
type Generate struct {
	Model        string   `yaml:"model"`         // the decoder's file; default model.onnx, decoder_model_merged.onnx, the same below onnx/, or the only graph there is
	Embed        string   `yaml:"embed"`         // the graph that turns tokens into vectors, for a decoder that takes these; default embed_tokens.onnx
	Context      int      `yaml:"context"`       // tokens of prompt and answer together; default and most: what config.json says
	KVCache      Size     `yaml:"kv_cache"`      // memory for the KV cache of all sequences, "512MiB"; default 512MiB. Each token counts twice: a run reads one copy and writes another
	PrefixCache  *bool    `yaml:"prefix_cache"`  // keep the KV cache of ended sequences, as far as the memory goes, for prompts that begin as they did; default true. Off, no request's time can tell what others asked
	PrefillChunk int      `yaml:"prefill_chunk"` // tokens of a prompt in one step; default 128, of a vocabulary above 65536 64
	MaxSequences int      `yaml:"max_sequences"` // sequences at once, counting each choice of a request; default 8
	MaxTokens    int      `yaml:"max_tokens"`    // tokens of an answer where the request does not say; default generation_config.json's max_new_tokens, or 1024
	EndTokens    []string `yaml:"end_tokens"`    // tokens that end an answer, beside those that the files name
}

// Size is a number of bytes, written as a number or with a binary unit: 65536, 64KiB, 512MiB, 2GiB.
type Size int64

// UnmarshalYAML reads a size.
func (s *Size) UnmarshalYAML(text []byte) error {
	number := strings.Trim(strings.TrimSpace(string(text)), `"'`)
	scale := 0
	for i, unit := range []string{"KiB", "MiB", "GiB", "TiB"} {
		if n, ok := strings.CutSuffix(number, unit); ok {
			number, scale = n, 10*(i+1)
		}
	}
	n, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64>>scale {
		return fmt.Errorf("%q is not a size like 65536, 64KiB or 512MiB", strings.TrimSpace(string(text)))
	}
	*s = Size(n << scale)
	return nil
}

func (g *Generate) validate() error {
	if g == nil {
		return nil
	}
	for _, n := range []struct {
		name  string
		value int
		most  int
	}{
		{"context", g.Context, 1 << 24},
		{"prefill_chunk", g.PrefillChunk, 1 << 16},
		{"max_sequences", g.MaxSequences, 1 << 10},
		{"max_tokens", g.MaxTokens, 1 << 24},
	} {
		if n.value < 0 || n.value > n.most {
			return fmt.Errorf("generate.%s: %d is out of range", n.name, n.value)
		}
	}
	if len(g.EndTokens) > 64 {
		return errors.New("generate.end_tokens: more than 64")
	}
	return nil
}
