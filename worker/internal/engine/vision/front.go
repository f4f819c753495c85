package vision

import (
	"context"
	"crypto/sha256"
	"errors"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

// front is a generate.Front.
type front struct {
	prompt    func(*input.Chat) ([]int32, error)
	embedder  *generate.Embedder
	processor *picture.Processor
	encoder   *encoder
	limits    picture.Limits
	maxImages int
	image     int32 // the token that stands for an image
	context   int
	axes      int // of the positions
}

// view is one image of a request.
type view struct {
	field  string // its place in the input
	data   []byte
	key    [sha256.Size]byte
	grid   picture.Grid
	tokens int
}

// Start makes the prompt of a request: what it costs is known from the pictures' headers, so a prompt that is too long
// is refused before any picture is decoded. Requests without images are left to the decoder's own embedding.
func (f *front) Start(ctx context.Context, c *input.Chat) (generate.Start, error) {
	views, err := f.look(c)
	if err != nil {
		return generate.Start{}, err
	}
	ids, err := f.render(c, len(views))
	if err != nil {
		return generate.Start{}, err
	}
	if len(views) == 0 {
		return generate.Start{IDs: ids}, nil
	}
	if ids, err = f.spread(ids, views); err != nil {
		return generate.Start{}, err
	}
	s := generate.Start{IDs: ids}
	if f.axes == axes {
		s.Positions, s.NextPosition = positions(ids, f.image, views, f.processor.Merge)
	}
	s.Embeds, err = f.embed(ctx, ids, views)
	return s, err
}

// Close frees the encoder. No call may be under way.
func (f *front) Close() error { return f.encoder.close() }

// look reads the headers of a request's images.
func (f *front) look(c *input.Chat) ([]view, error) {
	var views []view
	for i := range c.Messages {
		for k, p := range c.Messages[i].Parts {
			if p.ImageURL == "" {
				continue
			}
			if len(views) == f.maxImages {
				return nil, fault.Invalid("messages", "has more than %d images", f.maxImages)
			}
			v, err := f.view(p.ImageURL)
			if err != nil {
				return nil, fault.Under(imageField(c.RawMessages, i, k), err)
			}
			v.field = imageField(c.RawMessages, i, k)
			views = append(views, v)
		}
	}
	return views, nil
}

func (f *front) view(url string) (v view, err error) {
	if v.data, err = picture.FromURL(url, f.limits); err != nil {
		return v, err
	}
	info, err := picture.Inspect(v.data, f.limits)
	if err != nil {
		return v, err
	}
	if v.grid, err = f.processor.Grid(info.Width, info.Height); err != nil {
		return v, err
	}
	v.tokens = f.processor.Tokens(v.grid)
	v.key = sha256.Sum256(v.data)
	return v, nil
}

// render makes the prompt's tokens, in which one token stands for each of so many images. Templates know image parts by
// one of two types, so the second is tried where the first shows nothing.
func (f *front) render(c *input.Chat, images int) ([]int32, error) {
	var found int
	raw := c.RawMessages
	for _, kind := range []string{"image", "image_url"} {
		if images > 0 {
			c.RawMessages = plainParts(raw, kind)
		}
		ids, err := f.prompt(c)
		if err != nil {
			return nil, err
		}
		found = 0
		for _, id := range ids {
			if id == f.image {
				found++
			}
		}
		if found == images {
			f.forget(c)
			return ids, nil
		}
		if c.Prompt != nil {
			return nil, fault.Invalid("prompt", "has %d tokens that stand for images; images go in messages", found)
		}
		if found != 0 || images == 0 {
			break
		}
	}
	return nil, fault.Invalid("messages", "has %d images, and the model's chat template has places for %d of them here", images, found)
}

// forget lets go of the pictures as text, which would be kept as long as the answer takes.
func (f *front) forget(c *input.Chat) {
	for i := range c.Messages {
		for k := range c.Messages[i].Parts {
			if p := &c.Messages[i].Parts[k]; p.ImageURL != "" {
				p.ImageURL = "data:"
			}
		}
	}
}

// spread repeats each image's token as often as the image has vectors.
func (f *front) spread(ids []int32, views []view) ([]int32, error) {
	total := len(ids) - len(views)
	of := 0
	for i := range views {
		of += views[i].tokens
	}
	if total += of; total >= f.context {
		return nil, fault.Invalid("messages", "the prompt has %d tokens, %d of them for images, and the model's context is %d",
			total, of, f.context)
	}
	out := make([]int32, 0, total)
	next := 0
	for _, id := range ids {
		if id != f.image {
			out = append(out, id)
			continue
		}
		for range views[next].tokens {
			out = append(out, id)
		}
		next++
	}
	return out, nil
}

// embed gives the vectors of the whole prompt: those of its tokens, and in the places of image tokens the images' own.
func (f *front) embed(ctx context.Context, ids []int32, views []view) ([]float32, error) {
	width := f.embedder.Width()
	vectors := make([]float32, len(ids)*width)
	if err := f.embedder.Embed(ctx, ids, vectors); err != nil {
		return nil, failed(ctx, err, "the prompt's tokens could not be embedded")
	}
	at := 0
	for i := range views {
		v := &views[i]
		features, err := f.encoder.features(ctx, v, f.limits)
		if err != nil {
			return nil, fault.Under(v.field, err)
		}
		for ids[at] != f.image {
			at++
		}
		copy(vectors[at*width:], features)
		at += v.tokens
		v.data = nil
	}
	return vectors, nil
}

// failed makes a fault of what a run says; ctx's own error stays what it is.
func failed(ctx context.Context, err error, what string) error {
	if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		return err
	}
	return fault.Wrap(fault.Internal, err, "%s", what)
}
