package generate

import (
	"fmt"
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Inputs and outputs by the names that the exporters give them.
const (
	inputIDs       = "input_ids"
	inputEmbeds    = "inputs_embeds"
	inputMask      = "attention_mask"
	inputPositions = "position_ids"
	inputUseCache  = "use_cache_branch"
	outputLogits   = "logits"
	pastPrefix     = "past_key_values."
	presentPrefix  = "present."
)

// padding says where rows that are shorter than the longest are filled up.
type padding uint8

const (
	padNone  padding = iota // the graph's way of attention is not known: each row runs by itself
	padLeft                 // plain attention, with the mask and position_ids as inputs
	padRight                // GroupQueryAttention, which takes each row's length from the mask's sum
)

// graph is a decoder as its file describes it.
type graph struct {
	file    string
	header  *onnx.Header
	inputs  []string // in the order in which a run gives them
	outputs []string

	embeds   bool  // the tokens come in as vectors
	width    int64 // of the vectors
	mask     bool
	axes     int    // of position_ids: 0 where the graph takes none, 1, or 3 for a model that sees images
	keep     string // num_logits_to_keep or logits_to_keep, "" where the graph has neither
	keepRank int
	useCache bool // the graph has a branch for the first run
	logits   tensor.DType
	vocab    int
	cache    []cacheSpec
	padding  padding
	inPlace  bool  // a run writes the cache where it reads it, behind each row's tokens
	perToken int64 // bytes of the cache that one token takes
}

// cacheSpec is one tensor of the cache: batch × outer × sequence × inner.
type cacheSpec struct {
	input, output string
	dtype         tensor.DType
	dims          []int64 // with the sequence's place empty
	axis          int     // of the sequence
	outer         int     // elements between the batch and the sequence
	inner         int     // bytes of one token's elements after the sequence
}

// shape gives the tensor's dimensions for so many rows and tokens, in memory that into gives.
func (c *cacheSpec) shape(into []int64, rows, tokens int) []int64 {
	into = append(into[:0], c.dims...)
	into[0], into[c.axis] = int64(rows), int64(tokens)
	return into
}

// bytes is how much that takes.
func (c *cacheSpec) bytes(rows, tokens int) int { return rows * c.outer * tokens * c.inner }

// tokenCost is the bytes of the cache that a token of a row takes: what a run reads and what it writes lie apart, unless
// it works in place.
func (g *graph) tokenCost() int64 {
	if g.inPlace {
		return g.perToken
	}
	return 2 * g.perToken
}

// modelFiles are the names under which exporters write a decoder, the likeliest first.
func modelFiles() []string {
	return []string{
		"model.onnx", "decoder_model_merged.onnx", "onnx/model.onnx", "onnx/decoder_model_merged.onnx",
		"decoder_with_past_model.onnx",
	}
}

// findModel picks the decoder's file.
func findModel(m *model.Manifest, named string) (string, error) {
	if named != "" {
		if !m.Has(named) {
			return "", fmt.Errorf("the manifest lists no %s, which generate.model names", named)
		}
		return named, nil
	}
	for _, name := range modelFiles() {
		if m.Has(name) {
			return name, nil
		}
	}
	var graphs []string
	for name := range m.Files {
		if strings.HasSuffix(name, ".onnx") {
			graphs = append(graphs, name)
		}
	}
	if len(graphs) == 1 {
		return graphs[0], nil
	}
	return "", fmt.Errorf("the manifest lists %d ONNX files and none named %s; say which in generate.model", len(graphs), modelFiles()[0])
}

// inspect reads the decoder's header and holds it against what this engine can run.
func inspect(files *folder.Folder, file string, c *config) (*graph, error) {
	h, err := files.Header(file)
	if err != nil {
		return nil, err
	}
	g := &graph{file: file, header: h}
	if err := g.readInputs(c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := g.readLogits(c); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	g.choosePadding()
	return g, nil
}

// readInputs takes the inputs one by one; what it does not know is an error.
func (g *graph) readInputs(c *config) error {
	var past []*onnx.Spec
	for i := range g.header.Inputs {
		s := &g.header.Inputs[i]
		if strings.HasPrefix(s.Name, pastPrefix) {
			past = append(past, s)
			continue
		}
		if err := g.readInput(s); err != nil {
			return err
		}
	}
	ids := g.header.Input(inputIDs) != nil
	switch {
	case ids && g.embeds:
		return fmt.Errorf("it takes both %s and %s", inputIDs, inputEmbeds)
	case !ids && !g.embeds:
		return fmt.Errorf("it has no input %s or %s", inputIDs, inputEmbeds)
	case len(past) == 0:
		return fmt.Errorf("it has no inputs %sN.key and .value: export the decoder with its KV cache", pastPrefix)
	}
	g.inputs, g.outputs = g.fixedInputs(), []string{outputLogits}
	for _, s := range past {
		spec, err := g.readCache(s, c)
		if err != nil {
			return fmt.Errorf("input %s: %w", s.Name, err)
		}
		g.cache = append(g.cache, spec)
		g.inputs, g.outputs = append(g.inputs, spec.input), append(g.outputs, spec.output)
		g.perToken += int64(spec.bytes(1, 1))
	}
	return nil
}

func (g *graph) readInput(s *onnx.Spec) error {
	want := tensor.Int64
	switch s.Name {
	case inputIDs:
	case inputEmbeds:
		want, g.embeds = tensor.Float32, true
		if len(s.Dims) != 3 || s.Dims[2] <= 0 {
			return fmt.Errorf("input %s: want [batch, tokens, width] with a fixed width", s.Name)
		}
		g.width = s.Dims[2]
	case inputMask:
		g.mask = true
	case inputPositions:
		switch {
		case len(s.Dims) == 2:
			g.axes = 1
		case len(s.Dims) == 3 && s.Dims[0] > 0 && s.Dims[0] <= 4:
			g.axes = int(s.Dims[0])
		case len(s.Dims) == 3:
			g.axes = 3
		default:
			return fmt.Errorf("input %s: want [batch, tokens] or [3, batch, tokens], and it has %d dimensions", s.Name, len(s.Dims))
		}
	case "num_logits_to_keep", "logits_to_keep":
		g.keep, g.keepRank = s.Name, len(s.Dims)
		if g.keepRank > 1 {
			return fmt.Errorf("input %s: want one number, and it has %d dimensions", s.Name, g.keepRank)
		}
	case inputUseCache:
		want, g.useCache = tensor.Bool, true
	default:
		return fmt.Errorf("it wants an input %q, which this engine does not give", s.Name)
	}
	if s.DType != want {
		return fmt.Errorf("input %s is %s and not %s", s.Name, s.DType, want)
	}
	return nil
}

// fixedInputs are the inputs before the cache, in the order in which run gives them.
func (g *graph) fixedInputs() []string {
	names := []string{inputIDs}
	if g.embeds {
		names[0] = inputEmbeds
	}
	if g.mask {
		names = append(names, inputMask)
	}
	if g.axes > 0 {
		names = append(names, inputPositions)
	}
	if g.keep != "" {
		names = append(names, g.keep)
	}
	if g.useCache {
		names = append(names, inputUseCache)
	}
	return names
}

// readCache finds the sequence's axis, and the output that goes on where the input ended.
func (g *graph) readCache(s *onnx.Spec, c *config) (cacheSpec, error) {
	spec := cacheSpec{input: s.Name, dtype: s.DType}
	rest := strings.TrimPrefix(s.Name, pastPrefix)
	for _, name := range []string{presentPrefix + rest, "present_key_values." + rest} {
		if g.header.Output(name) != nil {
			spec.output = name
		}
	}
	if spec.output == "" {
		return spec, fmt.Errorf("there is no output %s%s for it", presentPrefix, rest)
	}
	if out := g.header.Output(spec.output); out.DType != s.DType {
		return spec, fmt.Errorf("it is %s, and the output %s is %s", s.DType, spec.output, out.DType)
	}
	switch s.DType {
	case tensor.Float32, tensor.Float16, tensor.BFloat16:
	default:
		return spec, fmt.Errorf("a cache of %s is not supported", s.DType)
	}
	if len(s.Dims) != 3 && len(s.Dims) != 4 {
		return spec, fmt.Errorf("want [batch, heads, tokens, width], and it has %d dimensions", len(s.Dims))
	}
	spec.dims = slices.Clone(s.Dims)
	if err := spec.fill(c); err != nil {
		return spec, err
	}
	spec.outer, spec.inner = 1, s.DType.Bits()/8
	for i := 1; i < len(spec.dims); i++ {
		switch {
		case i < spec.axis:
			spec.outer *= int(spec.dims[i])
		case i > spec.axis:
			spec.inner *= int(spec.dims[i])
		}
	}
	return spec, nil
}

// fill finds the sequence's axis and fills dimensions that only the configuration tells.
func (c *cacheSpec) fill(from *config) error {
	last := len(c.dims) - 1
	if c.dims[last] <= 0 && from.headDim > 0 {
		c.dims[last] = int64(from.headDim)
	}
	c.axis = 1 // [batch, tokens, heads, width], if the heads are known and the tokens are not
	if last == 3 && (c.dims[1] > 0 || c.dims[2] <= 0) {
		c.axis = 2 // [batch, heads, tokens, width]
		if c.dims[1] <= 0 {
			c.dims[1] = int64(from.heads)
		}
	}
	if c.dims[c.axis] > 0 {
		return fmt.Errorf("its length is fixed at %d tokens", c.dims[c.axis])
	}
	for i, d := range c.dims[1:] {
		if i+1 != c.axis && (d <= 0 || d > 1<<20) {
			return fmt.Errorf("dimension %d is not known: say num_key_value_heads and head_dim in %s", i+1, configFile)
		}
	}
	return nil
}

func (g *graph) readLogits(c *config) error {
	s := g.header.Output(outputLogits)
	if s == nil {
		return fmt.Errorf("it has no output %s", outputLogits)
	}
	switch s.DType {
	case tensor.Float32, tensor.Float16:
	default:
		return fmt.Errorf("output %s: %s is not supported", outputLogits, s.DType)
	}
	g.logits, g.vocab = s.DType, c.vocab
	if len(s.Dims) == 3 && s.Dims[2] > 0 {
		g.vocab = int(s.Dims[2])
	}
	if g.vocab <= 0 || g.vocab > 1<<24 {
		return fmt.Errorf("output %s: its width is not known: say vocab_size in %s", outputLogits, configFile)
	}
	return nil
}

// choosePadding looks at the operators. Left padding needs the mask and the positions; whatever else does attention by
// itself may or may not look at the mask, and then rows do not share a run.
func (g *graph) choosePadding() {
	fused, group := false, false
	for op := range g.header.Ops {
		name := op[strings.LastIndexByte(op, '.')+1:]
		switch {
		case name == "GroupQueryAttention":
			group = true
		case strings.Contains(name, "Attention") || name == "Scan" || name == "Loop":
			fused = true
		}
	}
	switch {
	case fused || !g.mask:
	case group && !g.useCache:
		g.padding = padRight
	case !group && g.axes > 0 && g.header.Ops["Softmax"] > 0:
		g.padding = padLeft
	}
}
