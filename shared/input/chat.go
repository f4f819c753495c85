package input

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Bounds of a Chat.
const (
	MaxMessages = 4096
	MaxParts    = 256
	MaxTools    = 128
	MaxStops    = 16
	MaxChoices  = 16
	MaxTokens   = 1 << 20
	MaxBias     = 1024
	MaxTop      = 20 // log-probabilities beside the chosen token's
)

// Tasks that a Chat may ask for.
const (
	TaskChat       = "chat"
	TaskCompletion = "completion"
)

// Chat is the input of the engines generate, vision and upstream. Exactly one of Messages and Prompt is set. Everything
// else may be missing; the comments say what then holds.
type Chat struct {
	Messages     []Message
	RawMessages  jsontext.Value // as sent, for the chat template
	Prompt       *string        // raw text, without a chat template
	Tools        []Tool
	RawTools     jsontext.Value // as sent, for the chat template
	ToolChoice   string         // auto (also ""), none, required, or a function's name
	Think        *bool          // nil: as the template has it
	MaxTokens    int            // 0: the model's default
	Stop         []string       // texts that end the answer, without being part of it
	N            int            // answers to the same prompt; 1 by default
	Sampling     Sampling
	Logprobs     bool
	TopLogprobs  int // 0 to 20, beside the chosen token
	Format       Format
	TemplateArgs jsontext.Value // an object of variables for the chat template; nil when there is none
}

// Message is one turn.
type Message struct {
	Role       string
	Content    string // its text; the text parts one after the other where it came in parts
	Parts      []Part // nil when the content is one string
	Reasoning  string
	Name       string
	ToolCallID string
	ToolCalls  []ToolCall
}

// Part is a piece of a message. One of the two is set.
type Part struct {
	Text     string
	ImageURL string // data:…;base64,…; before the worker has resolved it also blob_…
}

// Tool is a function that the model may call.
type Tool struct {
	Name        string
	Description string
	Parameters  jsontext.Value // a JSON schema; nil when there is none
}

// ToolCall is a call of a function by the model.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON text
}

// FormatKind says what an answer must be.
type FormatKind string

// The formats.
const (
	FormatText   FormatKind = "text" // anything
	FormatJSON   FormatKind = "json" // one JSON object
	FormatSchema FormatKind = "schema"
)

// Format is what an answer must be; the zero value is text.
type Format struct {
	Kind   FormatKind
	Schema jsontext.Value // of FormatSchema
}

// ParseChat reads an input whose references are resolved.
func ParseChat(b []byte) (*Chat, error) { return reader{}.chat(b) }

// CheckChat proves an input that may still hold references, and names its task; "" where it hangs on a reference.
func CheckChat(b []byte, about *job.About) (task string, err error) {
	c, err := reader{refs: true}.chat(b)
	if err != nil || c == nil {
		return "", err
	}
	if err := c.fits(about); err != nil {
		return "", err
	}
	switch {
	case c.Prompt != nil:
		return TaskCompletion, nil
	case len(c.Messages) > 0:
		return TaskChat, nil
	}
	return "", nil
}

// chat gives nil for an input that is a reference as a whole.
func (r reader) chat(b []byte) (*Chat, error) {
	b, err := r.root(b)
	if b == nil || err != nil {
		return nil, err
	}
	c := &Chat{N: 1}
	asked := map[string]bool{}
	for name, v := range rawjson.Members(b) {
		if isNull(v) {
			continue // as if it were not there, which is how clients leave things out
		}
		if err := r.chatMember(c, string(name), v); err != nil {
			return nil, err
		}
		asked[string(name)] = true
	}
	switch {
	case asked["messages"] && asked["prompt"]:
		return nil, fault.Invalid("prompt", "is there beside messages; the input has one of them")
	case !asked["messages"] && !asked["prompt"]:
		return nil, fault.Invalid("messages", "is needed, or prompt")
	case !c.Logprobs && c.TopLogprobs > 0:
		return nil, fault.Invalid("top_logprobs", "needs logprobs to be true")
	}
	if asked["prompt"] {
		for _, name := range [...]string{"tools", "tool_choice", "think", "chat_template_kwargs"} {
			if asked[name] {
				return nil, fault.Invalid(name, "goes with messages, not with prompt")
			}
		}
	}
	return c, c.choose()
}

// choose holds tool_choice against the tools.
func (c *Chat) choose() error {
	switch c.ToolChoice {
	case "", "auto", "none":
		return nil
	case "required":
		if len(c.RawTools) == 0 {
			return fault.Invalid("tool_choice", "is required, and there are no tools")
		}
		return nil
	}
	for _, t := range c.Tools {
		if t.Name == c.ToolChoice {
			return nil
		}
	}
	if c.Tools == nil && c.RawTools != nil {
		return nil // a reference
	}
	return fault.Invalid("tool_choice", "names a function that is not among the tools")
}

func (r reader) chatMember(c *Chat, name string, v []byte) error {
	switch name {
	case "messages":
		return r.messages(c, v)
	case "prompt":
		c.Prompt = new(string)
		return r.text(v, c.Prompt, name)
	case "tools":
		return r.tools(c, v)
	case "tool_choice":
		return r.toolChoice(c, v)
	case "think":
		c.Think = new(bool)
		return r.flag(v, c.Think, name)
	case "max_tokens":
		return r.whole(v, &c.MaxTokens, 1, MaxTokens, name)
	case "stop":
		return r.stops(c, v)
	case "n":
		return r.whole(v, &c.N, 1, MaxChoices, name)
	case "logprobs":
		return r.flag(v, &c.Logprobs, name)
	case "top_logprobs":
		return r.whole(v, &c.TopLogprobs, 0, MaxTop, name)
	case "response_format":
		return r.format(c, v)
	case "chat_template_kwargs":
		if rawjson.Kind(v) != '{' {
			return fault.Invalid(name, "must be an object")
		}
		c.TemplateArgs = v
		return nil
	}
	return r.sampling(&c.Sampling, name, v)
}

func (r reader) stops(c *Chat, v []byte) error {
	switch {
	case r.later(v):
	case rawjson.Kind(v) == '"':
		c.Stop = []string{string(rawjson.Unquote(v))}
	case rawjson.Kind(v) == '[':
		for path, e := range elements(v, "stop") {
			if len(c.Stop) == MaxStops {
				return fault.Invalid("stop", "has more than %d texts", MaxStops)
			}
			var s string
			if err := r.text(e, &s, path); err != nil {
				return err
			}
			c.Stop = append(c.Stop, s)
		}
	default:
		return fault.Invalid("stop", "must be a string or a list of strings")
	}
	for _, s := range c.Stop {
		if s == "" || len(s) > 1024 {
			return fault.Invalid("stop", "a text has 1 to 1024 bytes")
		}
	}
	return nil
}

func (r reader) format(c *Chat, v []byte) error {
	const field = "response_format"
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '{' {
		return fault.Invalid(field, "must be an object with a type")
	}
	var kind string
	var schema []byte
	for name, m := range rawjson.Members(v) {
		switch string(name) {
		case "type":
			if err := r.text(m, &kind, field+".type"); err != nil {
				return err
			}
		case "json_schema":
			schema = m
		default:
			return unknown(field, name)
		}
	}
	switch kind {
	case "text":
		c.Format.Kind = FormatText
		return nil
	case "json_object":
		c.Format.Kind = FormatJSON
		return nil
	case "json_schema":
		c.Format.Kind = FormatSchema
		return r.schema(c, schema)
	}
	return fault.Invalid(field+".type", "must be text, json_object or json_schema")
}

// schema reads {"name","strict","description","schema"}.
func (r reader) schema(c *Chat, v []byte) error {
	const field = "response_format.json_schema"
	if v == nil || rawjson.Kind(v) != '{' {
		return fault.Invalid(field, "must be an object that holds a schema")
	}
	if r.later(v) {
		return nil
	}
	for name, m := range rawjson.Members(v) {
		switch string(name) {
		case "name", "strict", "description":
		case "schema":
			if k := rawjson.Kind(m); k != '{' && k != 't' && k != 'f' {
				return fault.Invalid(field+".schema", "must be a JSON schema")
			}
			c.Format.Schema = m
		default:
			return unknown(field, name)
		}
	}
	if c.Format.Schema == nil {
		return fault.Invalid(field+".schema", "is needed")
	}
	return nil
}

// fits refuses what the model can't take, as far as its worker has told.
func (c *Chat) fits(about *job.About) error {
	if about == nil {
		return nil
	}
	if !about.Images {
		for i := range c.Messages {
			for k, p := range c.Messages[i].Parts {
				if p.ImageURL != "" {
					return fault.Invalid(partPath(i, k), "this model does not see images")
				}
			}
		}
	}
	if about.Context <= 0 {
		return nil
	}
	if about.TokenBytes > 0 {
		size, field := 0, "messages"
		if c.Prompt != nil {
			size, field = len(*c.Prompt), "prompt"
		}
		for i := range c.Messages {
			size += len(c.Messages[i].Content)
		}
		if least := (size + about.TokenBytes - 1) / about.TokenBytes; least >= about.Context {
			return fault.Invalid(field, "the text has at least %d tokens and the model's context is %d", least, about.Context)
		}
	}
	if c.MaxTokens > about.Context {
		return fault.Invalid("max_tokens", "%d is more than the model's context of %d tokens", c.MaxTokens, about.Context)
	}
	return nil
}

// isImage tells whether a URL may stand in an image part.
func isImage(url []byte) bool {
	return bytes.HasPrefix(url, []byte("data:")) || bytes.HasPrefix(url, []byte(job.BlobPrefix))
}
