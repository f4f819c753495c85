package embed

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Bounds and defaults of what the files say.
const (
	maxFile       = 1 << 20 // bytes of a configuration
	defaultTokens = 512
	mostTokens    = 1 << 20 // a larger one, as some tokenizers have 1e30, says nothing
)

// The ways to make one vector of those of the tokens.
const (
	mean         = "mean"
	cls          = "cls"
	maximum      = "max"
	lastToken    = "lasttoken"
	weightedMean = "weightedmean"
)

// settings are what the folder's files and the manifest say.
type settings struct {
	pooling   string // empty: the graph does it
	refusal   error  // why the files' own way of pooling can't be had; of no matter where the graph does it
	normalize bool
	maxTokens int // of one text, special tokens included
	padding   int64
}

func readSettings(f *folder.Folder, c model.Embed) (settings, error) {
	s := settings{pooling: mean}
	dir := "1_Pooling"
	if err := s.modules(f, &dir); err != nil {
		return s, err
	}
	if c.Pooling != "" {
		s.pooling = c.Pooling
	} else if err := s.readPooling(f, path.Join(dir, "config.json")); err != nil {
		return s, err
	}
	if c.Normalize != nil {
		s.normalize = *c.Normalize
	}
	s.maxTokens = c.MaxTokens
	if s.maxTokens == 0 {
		n, err := tokensOf(f)
		if err != nil {
			return s, err
		}
		s.maxTokens = n
	}
	return s, nil
}

// modules reads which steps sentence-transformers has the model take. A step that we lack is refused, unless the graph
// does it all.
func (s *settings) modules(f *folder.Folder, pooling *string) error {
	var list []struct {
		Path string `json:"path"`
		Type string `json:"type"`
	}
	if err := read(f, "modules.json", &list); err != nil {
		return err
	}
	for _, m := range list {
		switch kind := m.Type[strings.LastIndexByte(m.Type, '.')+1:]; kind {
		case "Transformer":
		case "Pooling":
			*pooling = m.Path
		case "Normalize":
			s.normalize = true
		default:
			s.refusal = errors.Join(s.refusal, fmt.Errorf("modules.json names the module %s, which is not supported", kind))
		}
	}
	return nil
}

// readPooling finds the one way of pooling that a Pooling module's configuration switches on.
func (s *settings) readPooling(f *folder.Folder, name string) error {
	var c map[string]any
	if err := read(f, name, &c); err != nil || c == nil {
		return err
	}
	ways := map[string]string{
		"pooling_mode_cls_token": cls, "pooling_mode_mean_tokens": mean, "pooling_mode_max_tokens": maximum,
		"pooling_mode_lasttoken": lastToken, "pooling_mode_weightedmean_tokens": weightedMean,
	}
	var found []string
	for key, v := range c {
		if on, ok := v.(bool); !ok || !on || !strings.HasPrefix(key, "pooling_mode") {
			continue
		}
		way, ok := ways[key]
		if !ok {
			s.refusal = errors.Join(s.refusal, fmt.Errorf("%s: %s is not supported", name, key))
		}
		found = append(found, way)
	}
	if way, ok := c["pooling_mode"].(string); ok {
		found = append(found, way)
	}
	switch len(found) {
	case 0:
		return nil
	case 1:
		s.pooling = found[0]
	default:
		s.refusal = errors.Join(s.refusal, fmt.Errorf("%s: several ways of pooling at once are not supported", name))
		return nil
	}
	switch s.pooling {
	case mean, cls, maximum, lastToken, weightedMean:
	default:
		s.refusal = errors.Join(s.refusal, fmt.Errorf("%s: pooling %q is not supported", name, s.pooling))
	}
	return nil
}

// tokensOf is how many tokens of one text the model was made for.
func tokensOf(f *folder.Folder) (int, error) {
	var sentence struct {
		Max float64 `json:"max_seq_length"`
	}
	var tokenizer struct {
		Max float64 `json:"model_max_length"`
	}
	var config struct {
		Max float64 `json:"max_position_embeddings"`
	}
	if err := errors.Join(read(f, "sentence_bert_config.json", &sentence), read(f, "tokenizer_config.json", &tokenizer),
		read(f, "config.json", &config)); err != nil {
		return 0, err
	}
	if sane(sentence.Max) {
		return int(sentence.Max), nil
	}
	switch {
	case sane(tokenizer.Max) && sane(config.Max):
		return int(min(tokenizer.Max, config.Max)), nil
	case sane(tokenizer.Max):
		return int(tokenizer.Max), nil
	case sane(config.Max):
		return int(min(config.Max, defaultTokens)), nil
	}
	return defaultTokens, nil
}

func sane(n float64) bool { return n >= 1 && n <= mostTokens }

// pad finds the token that fills rows up. It is masked, so that only its being in the vocabulary matters.
func (e *Engine) pad(f *folder.Folder) {
	var config struct {
		Pad *int64 `json:"pad_token_id"`
	}
	if err := read(f, "config.json", &config); err == nil && config.Pad != nil && *config.Pad >= 0 && *config.Pad < mostTokens {
		e.settings.padding = *config.Pad
		return
	}
	for _, name := range []string{"[PAD]", "<pad>"} {
		if id, ok := e.tokenizer.ID(name); ok {
			e.settings.padding = int64(id)
			return
		}
	}
}

// read reads a JSON file into v, and leaves v as it is when there is none.
func read(f *folder.Folder, name string, v any) error {
	b, err := f.Read(name, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// graph is what the encoder takes and gives.
type graph struct {
	inputs []string
	dtypes []tensor.DType // of the inputs
	output string
	dtype  tensor.DType // of the output
	pooled bool         // the output is [texts, width], not [texts, tokens, width]
}

// inspect picks inputs and output. byTokens says that the tokens' vectors are wanted though the graph may pool.
func inspect(h *onnx.Header, byTokens bool) (graph, error) {
	var g graph
	for _, s := range h.Inputs {
		switch s.Name {
		case "input_ids", "attention_mask", "token_type_ids", "position_ids":
		default:
			return g, fmt.Errorf("it wants input %q, which is not known", s.Name)
		}
		if s.DType != tensor.Int64 && s.DType != tensor.Int32 {
			return g, fmt.Errorf("input %q is %s, and not INT64 or INT32", s.Name, s.DType)
		}
		g.inputs, g.dtypes = append(g.inputs, s.Name), append(g.dtypes, s.DType)
	}
	if h.Input("input_ids") == nil {
		return g, errors.New("it has no input input_ids")
	}
	out := choose(h, byTokens)
	if out == nil {
		return g, errors.New("it has no output sentence_embedding, last_hidden_state or token_embeddings, nor one alone of rank 2 or 3")
	}
	switch out.DType {
	case tensor.Float32, tensor.Float16, tensor.BFloat16:
	default:
		return g, fmt.Errorf("output %q is %s, and not FP32, FP16 or BF16", out.Name, out.DType)
	}
	g.output, g.dtype, g.pooled = out.Name, out.DType, len(out.Dims) == 2 || out.Name == "sentence_embedding"
	return g, nil
}

func choose(h *onnx.Header, byTokens bool) *onnx.Spec {
	order := []string{"sentence_embedding", "last_hidden_state", "token_embeddings"}
	if byTokens {
		order = order[1:]
	}
	for _, name := range order {
		if s := h.Output(name); s != nil {
			return s
		}
	}
	if len(h.Outputs) == 1 && (len(h.Outputs[0].Dims) == 3 || len(h.Outputs[0].Dims) == 2 && !byTokens) {
		return &h.Outputs[0]
	}
	return nil
}
