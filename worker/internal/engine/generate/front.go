package generate

import (
	"context"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

// Start is a prompt as the decoder takes it.
type Start struct {
	// IDs are the prompt's tokens. What stands for an image is the token that the template puts there.
	IDs []int32
	// Embeds are the vectors of the IDs, [len(IDs), width], for a decoder that takes vectors; nil: the tokens' own. A
	// prompt with vectors of its own is never taken for another's beginning.
	Embeds []float32
	// Positions are the tokens' positions, [axes, len(IDs)]; nil: 0, 1, 2, … on every axis.
	Positions []int64
	// NextPosition is that of the first token to come, on every axis. It counts only with Positions.
	NextPosition int64
}

// Front turns a request into a prompt, where that takes more than a chat template and a tokenizer: it sees images. Start
// is called in the callers' goroutines, by as many at once as there are callers, outside every lock and beside the
// steps; what is heavy there it has to bound by itself. Faults are the caller's, with the field's path.
type Front interface {
	Start(ctx context.Context, c *input.Chat) (Start, error)
	Close() error
}

// Parts is what the engine has loaded when it makes its front end. They are the engine's to close.
type Parts struct {
	Runtime   *onnx.Runtime
	Manifest  *model.Manifest
	Files     *folder.Folder // the version's folder; open only until the front end is made
	Tokenizer *text.Tokenizer
	Template  *chat.Template // nil where the model has none
	Embedder  *Embedder      // nil for a decoder that takes ids
	Context   int            // tokens of a sequence, the answer counted
	Axes      int            // of the positions: 1, or 3; 0 where the decoder takes none
	// Render runs the chat template over a request, as the engine does without a front end.
	Render func(c *input.Chat) (chat.Prompt, error)
}
