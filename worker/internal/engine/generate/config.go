package generate

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The files that say how a model is used. Each may be missing.
const (
	configFile     = "config.json"
	generationFile = "generation_config.json"
	tokenizerFile  = "tokenizer_config.json" //nolint:gosec // no credentials
)

// maxConfig bounds one of these files in bytes; the largest known, with thousands of added tokens, has some 10 MB.
const maxConfig = 32 << 20

// maxContext bounds a context length that a file may name.
const maxContext = 1 << 24

// config is what the files say.
type config struct {
	context  int     // tokens of a sequence; 0: no file says
	eos      []int32 // ids that end an answer
	eosToken string  // the same as text, where only tokenizer_config.json says
	vocab    int     // 0: not said; so the next two
	heads    int     // of keys and values
	headDim  int
	defaults defaults
}

// defaults is how the model wants to be sampled where a request does not say. Nil: not said.
type defaults struct {
	greedy                                        bool // do_sample is not true
	temperature, topP, minP, typicalP, repetition *float64
	topK                                          *int
	maxTokens                                     int // 0: not said
}

// rawConfig is config.json; what a vision model says of its decoder stands in text_config.
type rawConfig struct {
	EOS       jsontext.Value `json:"eos_token_id"`
	Positions jsontext.Value `json:"max_position_embeddings"`
	NPos      jsontext.Value `json:"n_positions"`
	NCtx      jsontext.Value `json:"n_ctx"`
	SeqLength jsontext.Value `json:"seq_length"`
	MaxSeqLen jsontext.Value `json:"max_seq_len"`
	Vocab     jsontext.Value `json:"vocab_size"`
	KVHeads   jsontext.Value `json:"num_key_value_heads"`
	Heads     jsontext.Value `json:"num_attention_heads"`
	NHead     jsontext.Value `json:"n_head"`
	HeadDim   jsontext.Value `json:"head_dim"`
	Hidden    jsontext.Value `json:"hidden_size"`
	NEmbd     jsontext.Value `json:"n_embd"`
	Text      jsontext.Value `json:"text_config"`
}

// rawGeneration is generation_config.json.
type rawGeneration struct {
	EOS         jsontext.Value `json:"eos_token_id"`
	Sample      jsontext.Value `json:"do_sample"`
	Temperature jsontext.Value `json:"temperature"`
	TopK        jsontext.Value `json:"top_k"`
	TopP        jsontext.Value `json:"top_p"`
	MinP        jsontext.Value `json:"min_p"`
	TypicalP    jsontext.Value `json:"typical_p"`
	Repetition  jsontext.Value `json:"repetition_penalty"`
	NewTokens   jsontext.Value `json:"max_new_tokens"`
}

// rawTokenizer is tokenizer_config.json.
type rawTokenizer struct {
	EOS jsontext.Value `json:"eos_token"`
	Max jsontext.Value `json:"model_max_length"`
}

// readConfig reads the model's files from dir.
func readConfig(dir fs.FS) (*config, error) {
	c := &config{defaults: defaults{greedy: true}}
	var general rawConfig
	var generation rawGeneration
	var tokenizer rawTokenizer
	for _, f := range []struct {
		name string
		into any
	}{{configFile, &general}, {generationFile, &generation}, {tokenizerFile, &tokenizer}} {
		if err := readJSON(dir, f.name, f.into); err != nil {
			return nil, err
		}
	}
	if err := c.general(&general); err != nil {
		return nil, fmt.Errorf("%s: %w", configFile, err)
	}
	if err := c.generation(&generation); err != nil {
		return nil, fmt.Errorf("%s: %w", generationFile, err)
	}
	if len(c.eos) == 0 {
		c.eosToken = tokenText(tokenizer.EOS)
	}
	if most, ok := wholeOf(tokenizer.Max); ok && c.context == 0 && most > 0 && most <= maxContext {
		c.context = most
	}
	return c, nil
}

// readJSON reads a file that may be missing.
func readJSON(dir fs.FS, name string, into any) error {
	f, err := dir.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxConfig+1))
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if len(b) > maxConfig {
		return fmt.Errorf("%s is larger than %d bytes", name, maxConfig)
	}
	if err := json.Unmarshal(b, into, jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

func (c *config) general(r *rawConfig) error {
	if len(r.Text) > 0 && r.Text.Kind() == '{' {
		var inner rawConfig
		if err := json.Unmarshal(r.Text, &inner, jsontext.AllowDuplicateNames(true)); err != nil {
			return fmt.Errorf("text_config: %w", err)
		}
		inner.Text = nil
		if err := c.general(&inner); err != nil {
			return fmt.Errorf("text_config: %w", err)
		}
	}
	if c.context == 0 {
		c.context = firstWhole(r.Positions, r.NPos, r.NCtx, r.MaxSeqLen, r.SeqLength)
	}
	if c.context < 0 || c.context > maxContext {
		return fmt.Errorf("a context of %d tokens is out of range", c.context)
	}
	if c.vocab == 0 {
		c.vocab = firstWhole(r.Vocab)
	}
	heads := firstWhole(r.Heads, r.NHead)
	if c.heads == 0 {
		if c.heads = firstWhole(r.KVHeads); c.heads == 0 {
			c.heads = heads
		}
	}
	if c.headDim == 0 {
		c.headDim = firstWhole(r.HeadDim)
		if hidden := firstWhole(r.Hidden, r.NEmbd); c.headDim == 0 && heads > 0 {
			c.headDim = hidden / heads
		}
	}
	if ids, err := idsOf(r.EOS); err != nil {
		return fmt.Errorf("eos_token_id: %w", err)
	} else if len(ids) > 0 {
		c.eos = ids
	}
	return nil
}

func (c *config) generation(r *rawGeneration) error {
	ids, err := idsOf(r.EOS)
	if err != nil {
		return fmt.Errorf("eos_token_id: %w", err)
	}
	if len(ids) > 0 {
		c.eos = ids
	}
	d := &c.defaults
	d.greedy = r.Sample.Kind() != 't'
	d.temperature, d.topP, d.minP = numberOf(r.Temperature), numberOf(r.TopP), numberOf(r.MinP)
	d.typicalP, d.repetition = numberOf(r.TypicalP), numberOf(r.Repetition)
	if k, ok := wholeOf(r.TopK); ok && k >= 0 {
		d.topK = &k
	}
	if n, ok := wholeOf(r.NewTokens); ok && n > 0 && n <= maxContext {
		d.maxTokens = n
	}
	return nil
}

// idsOf reads one id or a list of them.
func idsOf(v jsontext.Value) ([]int32, error) {
	if len(v) == 0 || v.Kind() == 'n' {
		return nil, nil
	}
	var numbers []float64
	if v.Kind() == '[' {
		if err := json.Unmarshal(v, &numbers); err != nil {
			return nil, errors.New("want an id or a list of ids")
		}
	} else {
		n := numberOf(v)
		if n == nil {
			return nil, errors.New("want an id or a list of ids")
		}
		numbers = []float64{*n}
	}
	if len(numbers) > 256 {
		return nil, fmt.Errorf("%d ids are too many", len(numbers))
	}
	var ids []int32
	for _, n := range numbers {
		if n < 0 || n > math.MaxInt32 || n != math.Trunc(n) {
			return nil, fmt.Errorf("%v is no id", n)
		}
		ids = append(ids, int32(n))
	}
	return ids, nil
}

// numberOf is nil for what is no number.
func numberOf(v jsontext.Value) *float64 {
	var f float64
	if len(v) == 0 || v.Kind() != '0' || json.Unmarshal(v, &f) != nil {
		return nil
	}
	return &f
}

func wholeOf(v jsontext.Value) (int, bool) {
	f := numberOf(v)
	if f == nil || *f != math.Trunc(*f) || math.Abs(*f) > math.MaxInt32 {
		return 0, false
	}
	return int(*f), true
}

// firstWhole is the first positive whole number, 0 where there is none.
func firstWhole(values ...jsontext.Value) int {
	for _, v := range values {
		if n, ok := wholeOf(v); ok && n > 0 {
			return n
		}
	}
	return 0
}

// tokenText reads a special token's entry: its text, or an object that holds it.
func tokenText(v jsontext.Value) string {
	var name string
	if len(v) > 0 && v.Kind() == '"' && json.Unmarshal(v, &name) == nil {
		return name
	}
	var object struct {
		Content string `json:"content"`
	}
	if len(v) > 0 && v.Kind() == '{' && json.Unmarshal(v, &object) == nil {
		return object.Content
	}
	return ""
}
