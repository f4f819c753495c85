// Package answer writes what engines that generate give, as the JSON that clients read: deltas on the way, and the
// whole output at the end. Every such engine writes it here, so that they all write the same.
package answer

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/input"
)

// Why an answer ended.
const (
	Stop      = "stop"       // the model was done, or a stop text came
	Length    = "length"     // max_tokens, or the context was full
	ToolCalls = "tool_calls" // the model called tools
)

// Choice is one whole answer.
type Choice struct {
	Text         string
	Reasoning    string
	ToolCalls    []input.ToolCall
	FinishReason string
	Logprobs     []Logprob // nil when not asked for
}

// Logprob is one token of an answer with the logarithm of its probability.
type Logprob struct {
	Token   []byte // its bytes; they need not be UTF-8
	Logprob float64
	Top     []Logprob // the likeliest tokens at its place
}

// Delta is a piece of an answer. What is empty is left out.
type Delta struct {
	Index     int  // of the choice
	Many      bool // there are several choices, so that the index is told
	Text      string
	Reasoning string
	ToolCalls []ToolCallDelta
	Logprobs  []Logprob
}

// ToolCallDelta is a piece of a call: the first of a call has its id and name.
type ToolCallDelta struct {
	Index     int // of the call
	ID, Name  string
	Arguments string // a piece of JSON text
}

// Append appends the delta's JSON to b.
func (d *Delta) Append(b []byte) []byte {
	w := writer{b: append(b, '{')}
	if d.Many {
		w.member("index")
		w.b = strconv.AppendInt(w.b, int64(d.Index), 10)
	}
	if d.Reasoning != "" {
		w.text("reasoning", d.Reasoning)
	}
	if d.Text != "" || d.Reasoning == "" && len(d.ToolCalls) == 0 {
		w.text("text", d.Text)
	}
	if len(d.ToolCalls) > 0 {
		w.member("tool_calls")
		w.list('[')
		for i := range d.ToolCalls {
			w.delta(&d.ToolCalls[i])
		}
		w.close(']')
	}
	w.logprobs(d.Logprobs)
	return append(w.b, '}')
}

// Output is the JSON of the whole answer: the choice itself, or {"choices":[…]} when there are several.
func Output(choices []Choice) []byte {
	w := writer{}
	if len(choices) == 1 {
		w.choice(&choices[0], -1)
		return w.b
	}
	w.b = append(w.b, `{"choices":[`...)
	for i := range choices {
		w.comma()
		w.choice(&choices[i], i)
	}
	return append(w.b, ']', '}')
}

// writer writes JSON member by member.
type writer struct{ b []byte }

// comma separates, unless nothing stands before it at this level.
func (w *writer) comma() {
	if n := len(w.b); n > 0 && w.b[n-1] != '{' && w.b[n-1] != '[' {
		w.b = append(w.b, ',')
	}
}

func (w *writer) member(name string) {
	w.comma()
	w.b = append(append(append(w.b, '"'), name...), '"', ':')
}

func (w *writer) text(name, text string) {
	w.member(name)
	w.quote(text)
}

// quote appends a JSON string; what is not UTF-8 becomes U+FFFD.
func (w *writer) quote(text string) {
	var err error
	if w.b, err = jsontext.AppendQuote(w.b, text); err != nil {
		return // it has appended the text with U+FFFD
	}
}

func (w *writer) list(open byte) { w.b = append(w.b, open) }

func (w *writer) close(c byte) { w.b = append(w.b, c) }

func (w *writer) choice(c *Choice, index int) {
	w.list('{')
	if index >= 0 {
		w.member("index")
		w.b = strconv.AppendInt(w.b, int64(index), 10)
	}
	w.text("text", c.Text)
	if c.Reasoning != "" {
		w.text("reasoning", c.Reasoning)
	}
	if len(c.ToolCalls) > 0 {
		w.member("tool_calls")
		w.list('[')
		for i := range c.ToolCalls {
			w.call(&c.ToolCalls[i])
		}
		w.close(']')
	}
	w.text("finish_reason", c.FinishReason)
	w.logprobs(c.Logprobs)
	w.close('}')
}

func (w *writer) call(t *input.ToolCall) {
	w.comma()
	w.list('{')
	w.text("id", t.ID)
	w.text("type", "function")
	w.member("function")
	w.list('{')
	w.text("name", t.Name)
	w.text("arguments", t.Arguments)
	w.b = append(w.b, '}', '}')
}

func (w *writer) delta(t *ToolCallDelta) {
	w.comma()
	w.list('{')
	w.member("index")
	w.b = strconv.AppendInt(w.b, int64(t.Index), 10)
	if t.ID != "" {
		w.text("id", t.ID)
		w.text("type", "function")
	}
	w.member("function")
	w.list('{')
	if t.Name != "" {
		w.text("name", t.Name)
	}
	w.text("arguments", t.Arguments)
	w.b = append(w.b, '}', '}')
}

func (w *writer) logprobs(list []Logprob) {
	if list == nil {
		return
	}
	w.member("logprobs")
	w.list('[')
	for i := range list {
		w.logprob(&list[i], true)
	}
	w.close(']')
}

func (w *writer) logprob(l *Logprob, top bool) {
	w.comma()
	w.list('{')
	w.text("token", string(l.Token))
	w.member("bytes")
	w.list('[')
	for i, c := range l.Token {
		if i > 0 {
			w.b = append(w.b, ',')
		}
		w.b = strconv.AppendInt(w.b, int64(c), 10)
	}
	w.close(']')
	w.member("logprob")
	w.b = strconv.AppendFloat(w.b, max(l.Logprob, -9999), 'g', 7, 64)
	if top {
		w.member("top_logprobs")
		w.list('[')
		for i := range l.Top {
			w.logprob(&l.Top[i], false)
		}
		w.close(']')
	}
	w.close('}')
}
