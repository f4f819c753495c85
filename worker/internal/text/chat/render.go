package chat

import (
	"bytes"
	"errors"
	"maps"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat/jinja"
)

// Request is a conversation to be rendered.
type Request struct {
	Messages            jsontext.Value // a list, as the client sent it
	Tools               jsontext.Value // likewise; nil or null for none
	AddGenerationPrompt bool           // end with what begins the model's answer
	Think               *bool          // the variable enable_thinking; nil leaves it unset, as the template has it
	Args                jsontext.Value // an object of more variables; may not name messages or tools
	Specials            []string       // texts of the tokenizer's special tokens; not changed while requests use it
	Now                 time.Time      // for templates that tell the date; zero means the present
}

// Prompt is a rendered conversation.
type Prompt struct {
	Text  string
	Plain []text.Range // where Text only looks like special tokens: a client wrote some of those bytes
}

// Fields of a job's input, as faults name them.
const (
	fieldMessages = "messages"
	fieldTools    = "tools"
	fieldArgs     = "chat_template_kwargs"
)

// Render writes the conversation as the model wants it. What a client could do otherwise is a fault at the field
// messages, tools or chat_template_kwargs: a role or an order that the template refuses, among others.
func (t *Template) Render(req Request) (Prompt, error) {
	vars, err := t.variables(&req)
	if err != nil {
		return Prompt{}, err
	}
	j := t.def
	if t.tools != nil && vars["tools"] != jinja.None() {
		j = t.tools
	}
	now := req.Now
	if now.IsZero() {
		now = time.Now()
	}
	res, err := j.Render(vars, now, jinja.Limits{})
	if err != nil {
		return Prompt{}, renderFault(err)
	}
	return Prompt{Text: res.Text, Plain: t.plain(res, req.Specials)}, nil
}

func (t *Template) variables(req *Request) (map[string]jinja.Value, error) {
	vars := make(map[string]jinja.Value, len(t.vars)+8)
	maps.Copy(vars, t.vars)
	vars["documents"] = jinja.None()
	vars["add_generation_prompt"] = req.AddGenerationPrompt
	if req.Think != nil {
		vars["enable_thinking"] = *req.Think
	}
	if !empty(req.Args) {
		args, err := jinja.FromJSON(req.Args, true)
		if err != nil {
			return nil, fault.Invalid(fieldArgs, "cannot be read: %s", err)
		}
		refused := ""
		if !jinja.Each(args, func(name string, v jinja.Value) {
			if name == "messages" || name == "tools" {
				refused = name
			}
			vars[name] = v
		}) {
			return nil, fault.Invalid(fieldArgs, "must be an object")
		}
		if refused != "" {
			return nil, fault.Invalid(fault.Join(fieldArgs, refused), "cannot be set here")
		}
	}
	messages, err := jinja.FromJSON(req.Messages, true)
	if err != nil {
		return nil, fault.Invalid(fieldMessages, "cannot be read: %s", err)
	}
	for _, m := range jinja.Items(messages) {
		message(m)
	}
	vars["messages"] = messages
	vars["tools"] = jinja.None()
	if empty(req.Tools) {
		return vars, nil
	}
	tools, err := jinja.FromJSON(req.Tools, true)
	if err != nil {
		return nil, fault.Invalid(fieldTools, "cannot be read: %s", err)
	}
	for _, tool := range jinja.Items(tools) {
		vocabulary(tool, "type")
	}
	if len(jinja.Items(tools)) > 0 {
		vars["tools"] = tools
	}
	return vars, nil
}

func empty(v jsontext.Value) bool {
	b := bytes.TrimSpace(v)
	return len(b) == 0 || string(b) == "null"
}

// message makes a client's message what templates expect.
func message(m jinja.Value) {
	vocabulary(m, "role")
	for _, p := range jinja.Items(jinja.Member(m, "content")) {
		vocabulary(p, "type")
	}
	for _, c := range jinja.Items(jinja.Member(m, "tool_calls")) {
		vocabulary(c, "type")
		arguments(c)
		arguments(jinja.Member(c, "function"))
	}
}

// arguments decodes the arguments of a call. Clients of OpenAI's API send them as JSON text; templates are written for
// the object, as users of Transformers pass it, and would print a text in quotes, escaped a second time. What is not
// the JSON of an object stays the text it is.
func arguments(call jinja.Value) {
	s, ok := jinja.StringOf(jinja.Member(call, "arguments"))
	if !ok {
		return
	}
	v, err := jinja.FromJSON([]byte(s), true)
	if err == nil && jinja.Each(v, func(string, jinja.Value) {}) {
		jinja.SetMember(call, "arguments", v)
	}
}

// vocabulary takes a word of the protocol for the template's own: many templates make a special token of a role, as in
// "<|" + role + "|>". Any other word stays the client's text.
func vocabulary(m jinja.Value, key string) {
	s, ok := jinja.StringOf(jinja.Member(m, key))
	if !ok {
		return
	}
	switch s {
	case "system", "user", "assistant", "tool", "developer", "function", "observation", "ipython", "model",
		"text", "image", "image_url", "video", "audio":
		jinja.SetMember(m, key, jinja.Text(s))
	}
}

// renderFault says whose mistake it is that a template did not render. Templates that suit their model fail on
// messages that the model was not made for, so that is what the client hears, with the line for the operator.
func renderFault(err error) error {
	e, ok := errors.AsType[*jinja.Error](err)
	if !ok {
		return err
	}
	switch e.Kind {
	case jinja.Raised:
		return &fault.Error{Code: fault.InvalidInput, Field: fieldMessages, Detail: e.Msg, Cause: err}
	case jinja.Bug:
		return fault.Wrap(fault.Internal, err, "the chat template could not be run")
	default:
		return &fault.Error{
			Code: fault.InvalidInput, Field: fieldMessages, Cause: err,
			Detail: "the model's chat template does not take this conversation: " + e.Error(),
		}
	}
}
