package upstream

import (
	"bytes"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/answer"
)

// openAI is OpenAI's protocol, with what vLLM and llama.cpp's server have beyond it. The servers' URLs end before
// /chat/completions.
type openAI struct{}

func (openAI) health() string { return "/models" }

func (openAI) check(*input.Chat) error { return nil }

// openAIRequest is what goes to the server. What was not asked for is left to it.
type openAIRequest struct {
	Model         string            `json:"model"`
	Stream        bool              `json:"stream"`
	StreamOptions map[string]bool   `json:"stream_options"`
	Messages      []openAIMessage   `json:"messages,omitempty"`
	Prompt        *string           `json:"prompt,omitempty"`
	Tools         []openAITool      `json:"tools,omitempty"`
	ToolChoice    any               `json:"tool_choice,omitempty"`
	MaxTokens     int               `json:"max_tokens,omitzero"`
	Stop          []string          `json:"stop,omitempty"`
	N             int               `json:"n,omitzero"`
	Logprobs      any               `json:"logprobs,omitempty"`
	TopLogprobs   int               `json:"top_logprobs,omitzero"`
	Format        any               `json:"response_format,omitempty"`
	TemplateArgs  map[string]any    `json:"chat_template_kwargs,omitempty"`
	Temperature   *float64          `json:"temperature,omitempty"`
	TopP          *float64          `json:"top_p,omitempty"`
	TopK          *int              `json:"top_k,omitempty"`
	MinP          *float64          `json:"min_p,omitempty"`
	TypicalP      *float64          `json:"typical_p,omitempty"`
	Repetition    *float64          `json:"repetition_penalty,omitempty"` // vLLM's word
	Repeat        *float64          `json:"repeat_penalty,omitempty"`     // llama.cpp's
	RepeatLastN   *int              `json:"repeat_last_n,omitempty"`
	Presence      *float64          `json:"presence_penalty,omitempty"`
	Frequency     *float64          `json:"frequency_penalty,omitempty"`
	Seed          *int64            `json:"seed,omitempty"`
	LogitBias     map[int32]float64 `json:"logit_bias,omitempty"`
}

type openAIMessage struct {
	Role       string       `json:"role"`
	Content    any          `json:"content"`
	Reasoning  string       `json:"reasoning_content,omitempty"`
	Name       string       `json:"name,omitempty"`
	ToolCallID string       `json:"tool_call_id,omitempty"`
	ToolCalls  []openAICall `json:"tool_calls,omitempty"`
}

type openAICall struct {
	Index    int        `json:"index,omitzero"`
	ID       string     `json:"id,omitempty"`
	Type     string     `json:"type,omitempty"`
	Function openAIFunc `json:"function"`
}

type openAIFunc struct {
	Name      string `json:"name,omitempty"`
	Arguments string `json:"arguments"`
}

type openAITool struct {
	Type     string `json:"type"`
	Function struct {
		Name        string         `json:"name"`
		Description string         `json:"description,omitempty"`
		Parameters  jsontext.Value `json:"parameters,omitempty"`
	} `json:"function"`
}

func (openAI) body(model string, c *input.Chat) (string, []byte, error) {
	s := &c.Sampling
	r := openAIRequest{
		Model: model, Stream: true, StreamOptions: map[string]bool{"include_usage": true}, Prompt: c.Prompt,
		MaxTokens: c.MaxTokens, Stop: c.Stop, Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MinP: s.MinP,
		TypicalP: s.TypicalP, Repetition: s.RepetitionPenalty, Repeat: s.RepetitionPenalty, RepeatLastN: s.RepeatLastN,
		Presence: s.PresencePenalty, Frequency: s.FrequencyPenalty, Seed: s.Seed, LogitBias: s.LogitBias,
	}
	if c.N > 1 {
		r.N = c.N
	}
	if c.Logprobs {
		r.Logprobs, r.TopLogprobs = true, c.TopLogprobs
	}
	switch c.Format.Kind {
	case input.FormatText, "":
	case input.FormatJSON:
		r.Format = map[string]any{"type": "json_object"}
	case input.FormatSchema:
		r.Format = map[string]any{"type": "json_schema", "json_schema": map[string]any{
			"name": "answer", "strict": true, "schema": c.Format.Schema,
		}}
	}
	if c.Prompt != nil {
		if c.Logprobs { // the older protocol takes a number
			r.Logprobs, r.TopLogprobs = max(c.TopLogprobs, 1), 0
		}
		return encode("/completions", &r)
	}
	if err := r.talk(c); err != nil {
		return "", nil, err
	}
	return encode("/chat/completions", &r)
}

func encode(path string, r any) (string, []byte, error) {
	b, err := json.Marshal(r)
	return path, b, err
}

// talk fills in what goes with messages.
func (r *openAIRequest) talk(c *input.Chat) error {
	for i := range c.Messages {
		r.Messages = append(r.Messages, messageOf(&c.Messages[i]))
	}
	r.Tools = toolsOf(c.Tools)
	switch c.ToolChoice {
	case "":
	case "auto", "none", "required":
		r.ToolChoice = c.ToolChoice
	default:
		r.ToolChoice = map[string]any{"type": "function", "function": map[string]any{"name": c.ToolChoice}}
	}
	if c.TemplateArgs != nil {
		if err := json.Unmarshal(c.TemplateArgs, &r.TemplateArgs); err != nil {
			return err
		}
	}
	if c.Think != nil {
		if r.TemplateArgs == nil {
			r.TemplateArgs = map[string]any{}
		}
		r.TemplateArgs["enable_thinking"] = *c.Think
	}
	return nil
}

// toolsOf puts tools into the words of both protocols.
func toolsOf(tools []input.Tool) []openAITool {
	var out []openAITool
	for i := range tools {
		t := openAITool{Type: "function"}
		t.Function.Name, t.Function.Description, t.Function.Parameters = tools[i].Name, tools[i].Description, tools[i].Parameters
		out = append(out, t)
	}
	return out
}

func messageOf(m *input.Message) openAIMessage {
	out := openAIMessage{Role: m.Role, Content: m.Content, Reasoning: m.Reasoning, Name: m.Name, ToolCallID: m.ToolCallID}
	if m.Parts != nil {
		parts := []any{}
		for _, p := range m.Parts {
			if p.ImageURL != "" {
				parts = append(parts, map[string]any{"type": "image_url", "image_url": map[string]any{"url": p.ImageURL}})
			} else {
				parts = append(parts, map[string]any{"type": "text", "text": p.Text})
			}
		}
		out.Content = parts
	}
	for _, t := range m.ToolCalls {
		out.ToolCalls = append(out.ToolCalls, openAICall{ID: t.ID, Type: "function", Function: openAIFunc{t.Name, t.Arguments}})
	}
	return out
}

// openAIChunk is one event of the answer.
type openAIChunk struct {
	Choices []struct {
		Index  int         `json:"index"`
		Text   string      `json:"text"` // of /completions
		Delta  openAIDelta `json:"delta"`
		Finish *string     `json:"finish_reason"`
		Logs   struct {
			Content []openAILogprob `json:"content"`
		} `json:"logprobs,omitzero"`
	} `json:"choices"`
	Usage *struct {
		In  int `json:"prompt_tokens"`
		Out int `json:"completion_tokens"`
	} `json:"usage"`
	Error jsontext.Value `json:"error"`
}

type openAIDelta struct {
	Content   *string      `json:"content"`
	Reasoning *string      `json:"reasoning_content"`
	Thoughts  *string      `json:"reasoning"` // the same by another name
	ToolCalls []openAICall `json:"tool_calls"`
}

type openAILogprob struct {
	Token   string          `json:"token"`
	Bytes   []int           `json:"bytes"`
	Logprob float64         `json:"logprob"`
	Top     []openAILogprob `json:"top_logprobs"`
}

func (l *openAILogprob) own() answer.Logprob {
	out := answer.Logprob{Token: []byte(l.Token), Logprob: l.Logprob}
	if l.Bytes != nil {
		out.Token = out.Token[:0]
		for _, b := range l.Bytes {
			out.Token = append(out.Token, byte(b)) //nolint:gosec // a byte, or the server's mistake
		}
	}
	for i := range l.Top {
		out.Top = append(out.Top, l.Top[i].own())
	}
	return out
}

// line takes a line of the event stream in.
func (openAI) line(line []byte, a *answers) error {
	data, ok := bytes.CutPrefix(line, []byte("data:"))
	if !ok {
		return nil // a comment, or a field that says nothing
	}
	if data = bytes.TrimSpace(data); string(data) == "[DONE]" {
		a.whole = true
		return nil
	}
	var c openAIChunk
	if err := json.Unmarshal(data, &c, jsontext.AllowInvalidUTF8(true)); err != nil {
		return serverError{fault.Wrap(fault.Internal, err, "the model's server answers in a form that is not known")}
	}
	if c.Error != nil && c.Error.Kind() != 'n' {
		return serverError{fault.New(fault.Overloaded, "the model's server failed on the way: %s", message(data))}
	}
	if c.Usage != nil {
		a.in, a.out = c.Usage.In, c.Usage.Out
	}
	for i := range c.Choices {
		ch := &c.Choices[i]
		d := answer.Delta{Index: ch.Index, Text: ch.Text + value(ch.Delta.Content), Reasoning: value(ch.Delta.Reasoning)}
		if d.Reasoning == "" {
			d.Reasoning = value(ch.Delta.Thoughts)
		}
		for k := range ch.Logs.Content {
			d.Logprobs = append(d.Logprobs, ch.Logs.Content[k].own())
		}
		for _, t := range ch.Delta.ToolCalls {
			d.ToolCalls = append(d.ToolCalls, answer.ToolCallDelta{Index: t.Index, ID: t.ID, Name: t.Function.Name, Arguments: t.Function.Arguments})
		}
		if err := a.add(&d); err != nil {
			return err
		}
		if ch.Finish != nil && *ch.Finish != "" {
			a.choices[ch.Index].FinishReason = finish(*ch.Finish)
		}
	}
	return nil
}

// finish puts a server's word for why it ended into ours.
func finish(word string) string {
	switch word {
	case "length", "max_tokens":
		return answer.Length
	case "tool_calls", "function_call":
		return answer.ToolCalls
	}
	return answer.Stop
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
