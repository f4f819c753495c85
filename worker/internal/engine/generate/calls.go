package generate

import (
	"crypto/rand"
	"encoding/hex"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/input"
)

// What a call of a tool stands between; within is a JSON object with its name and arguments.
const (
	callOpen  = "<tool_call>"
	callClose = "</tool_call>"
)

// caller is a splitter that takes calls of tools out of the text that another has found.
type caller struct {
	inner  splitter
	held   string // what may be the beginning of a tag, or white space before one; within a call all of it
	in     bool   // within a call
	called bool
	out    []piece
}

func (c *caller) thinking() bool { return c.inner.thinking() }

func (c *caller) add(text string) []piece {
	c.out = c.out[:0]
	c.take(c.inner.add(text))
	return c.out
}

func (c *caller) take(pieces []piece) {
	for _, p := range pieces {
		if p.text == "" {
			c.out = append(c.out, p)
			continue
		}
		c.held += p.text
		for more := true; more; {
			more = c.next()
		}
	}
}

// next takes one part off what is held, and tells whether there may be another.
func (c *caller) next() bool {
	if c.in {
		body, rest, found := strings.Cut(c.held, callClose)
		if !found {
			return false
		}
		c.held, c.in = rest, false
		c.call(body, true)
		return true
	}
	text, rest, found := strings.Cut(c.held, callOpen)
	if found {
		c.held, c.in = rest, true
		c.say(strings.TrimRight(text, " \r\n\t"))
		return true
	}
	keep := 0
	for n := 1; n < len(callOpen); n++ {
		if strings.HasSuffix(text, callOpen[:n]) {
			keep = n
		}
	}
	text = strings.TrimRight(text[:len(text)-keep], " \r\n\t")
	c.held = c.held[len(text):]
	c.say(text)
	return false
}

// say tells text. After a call the white space before it goes.
func (c *caller) say(text string) {
	if c.called {
		text = strings.TrimLeft(text, " \r\n\t")
	}
	if text != "" {
		c.called = false
		c.out = append(c.out, piece{text: text})
	}
}

// call tells a call; what is none is text.
func (c *caller) call(body string, closed bool) {
	var call struct {
		Name       string         `json:"name"`
		Arguments  jsontext.Value `json:"arguments"`
		Parameters jsontext.Value `json:"parameters"` // as some models call them
	}
	if err := json.Unmarshal([]byte(body), &call); err != nil || call.Name == "" {
		c.say(callOpen + body)
		if closed {
			c.say(callClose)
		}
		return
	}
	arguments := call.Arguments
	if len(arguments) == 0 {
		arguments = call.Parameters
	}
	text := string(arguments)
	switch {
	case len(arguments) == 0:
		text = "{}"
	case arguments.Kind() == '"':
		if json.Unmarshal(arguments, &text) != nil {
			text = string(arguments)
		}
	}
	c.called = true
	c.out = append(c.out, piece{call: &input.ToolCall{ID: callID(), Name: call.Name, Arguments: text}})
}

func callID() string {
	b := make([]byte, 9)
	_, _ = rand.Read(b) // never fails
	return "call_" + hex.EncodeToString(b)
}

func (c *caller) flush() []piece {
	c.out = c.out[:0]
	c.take(c.inner.flush())
	held := c.held
	c.held = ""
	switch {
	case c.in:
		c.in = false
		c.call(held, false) // the end of the answer ends the call
	case !c.called || strings.TrimSpace(held) != "":
		c.say(held)
	}
	return c.out
}
