// Package vision runs models that see, exported in three parts as transformers.js has them for Qwen-VL and GLM-4V:
// vision_encoder.onnx turns a picture's patches into vectors, embed_tokens.onnx the tokens, and a decoder of vectors
// answers. The decoder is package generate's; this package is its front end: it decodes and cuts the pictures of a
// request (package picture), puts their vectors in the places that the chat template leaves for them, and gives every
// token its place in the text and in the pictures.
//
// A picture is decoded and encoded in the goroutine of its request, a bounded number of them at once, so the steps of
// other requests go on. Once its prompt is in the cache a request is a row among all others.
package vision

import (
	"errors"
	"fmt"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/picture"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

// Kind is the engine's name in a manifest.
const Kind = "vision"

// What holds where the manifest does not say.
const (
	DefaultMaxImages = 16
	DefaultCache     = 64 << 20
)

// Options say how the engine runs.
type Options struct {
	Encoders int    // how many pictures are decoded and encoded at once; 0 means 1
	Threads  int    // of one run, of the encoder as of the decoder; 0 means 1
	Device   string // as onnx.Options has it
}

// New loads the model in the version folder dir.
func New(rt *onnx.Runtime, dir string, m *model.Manifest, o Options) (*generate.Engine, error) {
	e, err := generate.New(rt, dir, m, generate.Options{
		Threads: o.Threads, Device: o.Device, Images: true,
		Front: func(p generate.Parts) (generate.Front, error) { return newFront(p, o) },
	})
	if err != nil {
		return nil, fmt.Errorf("vision: %w", err)
	}
	return e, nil
}

// newFront loads what is beside the decoder.
func newFront(p generate.Parts, o Options) (*front, error) {
	if p.Embedder == nil {
		return nil, errors.New("the decoder takes tokens and not vectors; a model that sees takes inputs_embeds")
	}
	if p.Axes != 0 && p.Axes != 1 && p.Axes != axes {
		return nil, fmt.Errorf("the decoder takes positions of %d axes; 1 and %d are known", p.Axes, axes)
	}
	v := section(p.Manifest)
	c, err := readConfig(p.Files)
	if err != nil {
		return nil, err
	}
	f := &front{
		prompt: tokens(p), embedder: p.Embedder, context: p.Context, axes: p.Axes, maxImages: v.MaxImages,
		limits: limits(v),
	}
	if f.maxImages == 0 {
		f.maxImages = DefaultMaxImages
	}
	if f.processor, err = readProcessor(p.Files, c, v.MaxPixels); err != nil {
		return nil, err
	}
	if f.image, err = c.imageToken(p.Tokenizer); err != nil {
		return nil, err
	}
	if f.encoder, err = openEncoder(p, v.Encoder, o, f.processor, newCache(cacheSize(v))); err != nil {
		return nil, err
	}
	return f, nil
}

// tokens gives what renders a request with the chat template and turns it into tokens. Only the template's own signs are
// tokens of their own; what a user writes stays text.
func tokens(p generate.Parts) func(*input.Chat) ([]int32, error) {
	return func(c *input.Chat) ([]int32, error) {
		if c.Prompt != nil {
			return p.Tokenizer.Encode(*c.Prompt, text.Options{}).IDs, nil
		}
		prompt, err := p.Render(c)
		if err != nil {
			return nil, err
		}
		return p.Tokenizer.Encode(prompt.Text, text.Options{Bare: true, Plain: prompt.Plain}).IDs, nil
	}
}

// readProcessor reads how pictures are prepared.
func readProcessor(files *folder.Folder, c *config, most int) (*picture.Processor, error) {
	b, name, err := processorConfig(files)
	if err != nil {
		return nil, err
	}
	p, err := picture.ParseProcessor(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if c.merge != 0 && c.merge != p.Merge {
		return nil, fmt.Errorf("%s merges %d patches and %s, in spatial_merge_size, %d", name, p.Merge, configFile, c.merge)
	}
	if c.patch != 0 && c.patch != p.Patch {
		return nil, fmt.Errorf("%s has patches of %d pixels and %s of %d", name, p.Patch, configFile, c.patch)
	}
	if most != 0 {
		if most < p.Min {
			return nil, fmt.Errorf("vision.max_pixels: %d is less than the %d that %s asks for at least", most, p.Min, name)
		}
		p.Max = min(p.Max, most)
	}
	return p, nil
}
