package generate

import (
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

// language is what the engine needs of tokenizer and chat template.
type language interface {
	// prompt renders a request and turns it into tokens. Faults are the caller's.
	prompt(c *input.Chat) (Start, error)
	// decoder makes one that turns the tokens of an answer into text, never half a character.
	decoder() streamDecoder
	// parser makes one that tells thoughts, calls of tools and text apart, and tells whether the answer goes on with a
	// thought that the prompt has begun.
	parser(s *sequence) (p parser, thinking bool)
	// thought gives the token by which the model may begin to think by itself, -1 where it does not, and the text that
	// ends a thought, "" for a model that does not think.
	thought(s *sequence) (open int32, end string)
	// call is the token after which a call of a tool is a JSON object; -1 where there is none.
	call() int32
	// free tells that the model writes marks of its own around all it says, so that no format can hold it.
	free() bool
	// bytes is what a token adds to a text.
	bytes(id int32) []byte
	// id finds a token by its text.
	id(token string) (int32, bool)
}

type streamDecoder interface {
	Next(id int32) string
	Flush() string
}

type parser interface {
	Next(text string) []chat.Piece
	End() []chat.Piece
}

// plain is a parser that finds text only.
type plain struct{ out [1]chat.Piece }

// Next gives the text back.
func (p *plain) Next(text string) []chat.Piece {
	if text == "" {
		return nil
	}
	p.out[0] = chat.Piece{Kind: chat.Content, Text: text}
	return p.out[:]
}

// End gives nothing, as nothing was held back.
func (p *plain) End() []chat.Piece { return nil }
