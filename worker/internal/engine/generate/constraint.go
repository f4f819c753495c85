package generate

import (
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

type compiledGrammar struct{}

func (e *Engine) compile(*input.Chat) (*compiledGrammar, error) { return nil, nil }

func (g *compiledGrammar) begin() *grammarState { return nil }

type grammarState struct{}

func (g *grammarState) accept(int32) error { return nil }

func (c *choice) mask() *tokenset.Bitset { return nil }
