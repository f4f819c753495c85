package upstream

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/worker/internal/engine/answer"
)

// ollama is Ollama's own protocol. The servers' URLs end before /api.
type ollama struct{}

func (ollama) health() string { return "/api/version" }

// check refuses what Ollama has no words for.
func (ollama) check(c *input.Chat) error {
	switch {
	case c.N > 1:
		return fault.Invalid("n", "this model's server gives one answer to a prompt")
	case c.Logprobs:
		return fault.Invalid("logprobs", "this model's server does not tell them")
	case c.Sampling.LogitBias != nil:
		return fault.Invalid("logit_bias", "this model's server does not take it")
	case c.TemplateArgs != nil:
		return fault.Invalid("chat_template_kwargs", "this model's server does not take it")
	case c.ToolChoice != "" && c.ToolChoice != "auto" && c.ToolChoice != "none":
		return fault.Invalid("tool_choice", "this model's server chooses by itself")
	}
	return nil
}

type ollamaRequest struct {
	Model    string          `json:"model"`
	Stream   bool            `json:"stream"`
	Messages []ollamaMessage `json:"messages,omitempty"`
	Prompt   *string         `json:"prompt,omitempty"`
	Raw      bool            `json:"raw,omitzero"`
	Tools    []openAITool    `json:"tools,omitempty"`
	Think    *bool           `json:"think,omitempty"`
	Format   any             `json:"format,omitempty"`
	Options  ollamaOptions   `json:"options"`
}

type ollamaOptions struct {
	NumPredict    int      `json:"num_predict,omitzero"`
	Stop          []string `json:"stop,omitempty"`
	Temperature   *float64 `json:"temperature,omitempty"`
	TopP          *float64 `json:"top_p,omitempty"`
	TopK          *int     `json:"top_k,omitempty"`
	MinP          *float64 `json:"min_p,omitempty"`
	TypicalP      *float64 `json:"typical_p,omitempty"`
	RepeatPenalty *float64 `json:"repeat_penalty,omitempty"`
	RepeatLastN   *int     `json:"repeat_last_n,omitempty"`
	Presence      *float64 `json:"presence_penalty,omitempty"`
	Frequency     *float64 `json:"frequency_penalty,omitempty"`
	Seed          *int64   `json:"seed,omitempty"`
}

type ollamaMessage struct {
	Role      string       `json:"role"`
	Content   string       `json:"content"`
	Thinking  string       `json:"thinking,omitempty"`
	Images    []string     `json:"images,omitempty"`
	ToolName  string       `json:"tool_name,omitempty"`
	ToolCalls []ollamaCall `json:"tool_calls,omitempty"`
}

type ollamaCall struct {
	ID       string `json:"id,omitempty"`
	Function struct {
		Name      string         `json:"name"`
		Arguments jsontext.Value `json:"arguments"`
	} `json:"function"`
}

func (ollama) body(model string, c *input.Chat) (string, []byte, error) {
	s := &c.Sampling
	r := ollamaRequest{
		Model: model, Stream: true, Prompt: c.Prompt, Raw: c.Prompt != nil, Think: c.Think,
		Options: ollamaOptions{
			NumPredict: c.MaxTokens, Stop: c.Stop, Temperature: s.Temperature, TopP: s.TopP, TopK: s.TopK, MinP: s.MinP,
			TypicalP: s.TypicalP, RepeatPenalty: s.RepetitionPenalty, RepeatLastN: s.RepeatLastN,
			Presence: s.PresencePenalty, Frequency: s.FrequencyPenalty, Seed: s.Seed,
		},
	}
	switch c.Format.Kind {
	case input.FormatText, "":
	case input.FormatJSON:
		r.Format = "json"
	case input.FormatSchema:
		r.Format = c.Format.Schema
	}
	if c.Prompt != nil {
		return encode("/api/generate", &r)
	}
	names := map[string]string{} // of the functions that calls were made to
	for i := range c.Messages {
		r.Messages = append(r.Messages, ollamaOf(&c.Messages[i], names))
	}
	if c.ToolChoice != "none" {
		r.Tools = toolsOf(c.Tools)
	}
	return encode("/api/chat", &r)
}

func ollamaOf(m *input.Message, names map[string]string) ollamaMessage {
	out := ollamaMessage{Role: m.Role, Content: m.Content, Thinking: m.Reasoning, ToolName: m.Name}
	if m.Role == "developer" {
		out.Role = "system"
	}
	if out.ToolName == "" {
		out.ToolName = names[m.ToolCallID]
	}
	for _, p := range m.Parts {
		if p.ImageURL != "" {
			_, data, _ := strings.Cut(p.ImageURL, ",") // only data: URLs come here
			out.Images = append(out.Images, data)
		}
	}
	for _, t := range m.ToolCalls {
		names[t.ID] = t.Name
		var call ollamaCall
		call.Function.Name = t.Name
		if call.Function.Arguments = jsontext.Value(t.Arguments); call.Function.Arguments.Kind() != '{' || !call.Function.Arguments.IsValid() {
			call.Function.Arguments = jsontext.Value("{}")
		}
		out.ToolCalls = append(out.ToolCalls, call)
	}
	return out
}

// ollamaChunk is one line of the answer.
type ollamaChunk struct {
	Message    ollamaMessage `json:"message"`
	Response   string        `json:"response"` // of /api/generate
	Thinking   string        `json:"thinking"`
	Done       bool          `json:"done"`
	DoneReason string        `json:"done_reason"`
	In         int           `json:"prompt_eval_count"`
	Out        int           `json:"eval_count"`
	Error      string        `json:"error"`
}

func (ollama) line(line []byte, a *answers) error {
	var c ollamaChunk
	if err := json.Unmarshal(line, &c, jsontext.AllowInvalidUTF8(true)); err != nil {
		return serverError{fault.Wrap(fault.Internal, err, "the model's server answers in a form that is not known")}
	}
	if c.Error != "" {
		return serverError{fault.New(fault.Overloaded, "the model's server failed on the way: %s", clip(c.Error))}
	}
	d := answer.Delta{Text: c.Response + c.Message.Content, Reasoning: c.Thinking + c.Message.Thinking}
	for i := range c.Message.ToolCalls {
		t := &c.Message.ToolCalls[i]
		at := len(a.choices[0].ToolCalls) + i // each comes whole, one after the other
		if t.ID == "" {
			t.ID = "call_" + strconv.Itoa(at)
		}
		d.ToolCalls = append(d.ToolCalls, answer.ToolCallDelta{
			Index: at, ID: t.ID, Name: t.Function.Name, Arguments: string(t.Function.Arguments),
		})
	}
	if err := a.add(&d); err != nil {
		return err
	}
	if c.Done {
		a.whole, a.in, a.out = true, c.In, c.Out
		a.choices[0].FinishReason = finish(c.DoneReason)
	}
	return nil
}
