package generate

import (
	"github.com/penstock-dev/penstock/shared/input"
)

// language is what the engine needs of tokenizer and chat template.
type language interface {
	// prompt renders a request and turns it into tokens. Faults are the caller's.
	prompt(c *input.Chat) (Start, error)
	// decoder makes one that turns the tokens of an answer into text, never half a character.
	decoder() streamDecoder
	// splitter makes one that tells thoughts, tool calls and text apart.
	splitter(s *sequence) splitter
	// bytes is what a token adds to a text.
	bytes(id int32) []byte
	// thought is the token by which the model may begin to think by itself; -1: it does not, or the prompt has begun it.
	thought(s *sequence) int32
	// id finds a token by its text.
	id(token string) (int32, bool)
}

type streamDecoder interface {
	Next(id int32) string
	Flush() string
}

// piece is a part of an answer. One of its members is set.
type piece struct {
	text      string
	reasoning string
	call      *input.ToolCall
}

type splitter interface {
	add(text string) []piece
	flush() []piece
	// thinking tells that what comes next is thought still, which no response_format is about.
	thinking() bool
}

// plain is a splitter that finds text only.
type plain struct{ out [1]piece }

func (p *plain) add(text string) []piece {
	if text == "" {
		return nil
	}
	p.out[0] = piece{text: text}
	return p.out[:]
}

func (p *plain) flush() []piece { return nil }
func (p *plain) thinking() bool { return false }
