package chat_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

// parse feeds an answer in steps of n bytes and writes the pieces down.
func parse(t *chat.Template, prompt, answer string, n int) string {
	p := chat.NewParser(t, prompt, true)
	var pieces []chat.Piece
	for s := answer; s != ""; {
		k := min(n, len(s))
		pieces = append(pieces, p.Next(s[:k])...)
		s = s[k:]
	}
	return show(append(pieces, p.End()...))
}

func show(pieces []chat.Piece) string {
	var b strings.Builder
	last := chat.PieceKind(0)
	for _, x := range pieces {
		if x.Kind != last || x.Kind == chat.CallBegin {
			b.WriteString(map[chat.PieceKind]string{
				chat.Content: "‹T›", chat.Reasoning: "‹R›", chat.CallBegin: "‹C›", chat.CallArgs: "‹A›",
			}[x.Kind])
		}
		last = x.Kind
		b.WriteString(x.Name + x.Text)
	}
	return b.String()
}

func TestParser(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ template, prompt, answer, want string }{
		"text":                 {"qwen3", "", "Hello <b> world", "‹T›Hello <b> world"},
		"thoughts":             {"qwen3", "", "<think>\nhm\nso\n</think>\n\nYes.", "‹R›hm\nso‹T›Yes."},
		"thoughts begun":       {"qwen3-thinking", "…<|im_start|>assistant\n<think>\n", "hm</think>Yes", "‹R›hm‹T›Yes"},
		"thoughts closed":      {"qwen3", "<think>\n\n</think>\n\n", "Yes <think> no", "‹T›Yes <think> no"},
		"thoughts not ended":   {"qwen3", "", "<think>hm ", "‹R›hm"},
		"empty thoughts":       {"qwen3", "", "<think>\n\n</think>\n\nYes", "‹T›Yes"},
		"hermes":               {"qwen3", "", "Let me.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {\"a\": 1}}\n</tool_call>", "‹T›Let me.\n‹C›f‹A›{\"a\": 1}"},
		"hermes, two":          {"qwen3", "", "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\n<tool_call>{\"name\":\"g\",\"arguments\":{}}</tool_call>", "‹C›f‹A›{}‹C›g‹A›{}"},
		"hermes, thoughts":     {"qwen3", "", "<think>a</think>\n\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>", "‹R›a‹C›f‹A›{}"},
		"hermes, not JSON":     {"qwen3", "", "a <tool_call>nope {</tool_call> b", "‹T›a <tool_call>nope {</tool_call> b"},
		"hermes, not ended":    {"qwen3", "", "<tool_call>{\"name\":\"f\",\"arguments\":{}}", "‹C›f‹A›{}"},
		"hermes, cut":          {"qwen3", "", "<tool_call>{\"name\":\"f\",", "‹T›<tool_call>{\"name\":\"f\","},
		"functions":            {"qwen3-coder", "", "<tool_call>\n<function=f>\n<parameter=a>\n1\n</parameter>\n<parameter=b>\nx \"y\"\n</parameter>\n</function>\n</tool_call>", "‹C›f‹A›{\"a\": 1, \"b\": \"x \\\"y\\\"\"}"},
		"functions, bare":      {"qwen3-coder", "", "<function=f>\n<parameter=a>\n1\n</parameter>\n</function>", "‹C›f‹A›{\"a\": 1}"},
		"glm":                  {"glm45", "", "\n<think>t</think>\n<tool_call>f\n<arg_key>a</arg_key>\n<arg_value>x</arg_value>\n<arg_key>b</arg_key>\n<arg_value>[1]</arg_value>\n</tool_call>", "‹R›t‹C›f‹A›{\"a\": \"x\", \"b\": [1]}"},
		"glm, old":             {"glm4-tools", "", "get_weather\n{\"city\": \"Bern\"}", "‹C›get_weather‹A›{\"city\": \"Bern\"}"},
		"glm, old, text":       {"glm4-tools", "", "Hello\nthere", "‹T›Hello\nthere"},
		"mistral":              {"mistral-v3", "", "[TOOL_CALLS] [{\"name\": \"f\", \"arguments\": {\"a\": 1}, \"id\": \"123456789\"}]", "‹C›f‹A›{\"a\": 1}"},
		"mistral, new":         {"mistral-v11", "", "[TOOL_CALLS]f[ARGS]{\"a\": 1}[TOOL_CALLS]g[ARGS]{}", "‹C›f‹A›{\"a\": 1}‹C›g‹A›{}"},
		"mistral, text":        {"mistral-v3", "", "[TOOL_CALLS] none", "‹T›[TOOL_CALLS] none"},
		"llama":                {"llama31", "", "{\"name\": \"f\", \"parameters\": {\"a\": 1}}", "‹C›f‹A›{\"a\": 1}"},
		"llama, tag":           {"llama31", "", "<|python_tag|>{\"name\": \"f\", \"parameters\": {}}; {\"name\": \"g\", \"parameters\": {}}", "‹C›f‹A›{}‹C›g‹A›{}"},
		"llama, other object":  {"llama31", "", "{\"a\": 1}", "‹T›{\"a\": 1}"},
		"llama, name of other": {"llama31", "", "{\"name\": 1}", "‹T›{\"name\": 1}"},
		"deepseek":             {"deepseek-r1", "<think>\n", "t</think>a<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>f\n```json\n{\"a\":1}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "‹R›t‹T›a‹C›f‹A›{\"a\":1}"},
		"deepseek, new":        {"deepseek-v31", "", "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>f<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁call▁begin｜>g<｜tool▁sep｜>{}<｜tool▁call▁end｜><｜tool▁calls▁end｜>", "‹C›f‹A›{}‹C›g‹A›{}"},
		"harmony":              {"harmony", "<|start|>assistant", "<|channel|>analysis<|message|>hm<|end|><|start|>assistant<|channel|>final<|message|>Yes<|return|>", "‹R›hm‹T›Yes"},
		"harmony, call":        {"harmony", "<|start|>assistant", "<|channel|>commentary to=functions.f <|constrain|>json<|message|>{\"a\":1}<|call|>", "‹C›f‹A›{\"a\":1}"},
		"harmony, bare":        {"harmony", "<|start|>assistant", "Just text", "‹T›Just text"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl := template(t, tc.template)
			for _, n := range []int{1, 2, 3, 7, 1000} {
				assert.Equal(t, tc.want, parse(tpl, tc.prompt, tc.answer, n), n)
			}
		})
	}
}

func TestParserHoldsBackNothingCertain(t *testing.T) {
	t.Parallel()
	p := chat.NewParser(template(t, "qwen3"), "", true)
	assert.Equal(t, "‹T›Hello ", show(p.Next("Hello ")))
	assert.Empty(t, p.Next("<tool"))
	assert.Equal(t, "‹T›<toolbox", show(p.Next("box")))
	assert.Empty(t, p.Next("<"))
	assert.Equal(t, "‹T›<", show(p.End()))
}

func TestParserWithoutTools(t *testing.T) {
	t.Parallel()
	const answer = "<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>"
	p := chat.NewParser(template(t, "qwen3"), "", false)
	assert.Equal(t, "‹T›"+answer, show(append(p.Next(answer), p.End()...)))
}

// FuzzParser checks that an answer reads the same however it comes, and that no text is lost.
func FuzzParser(f *testing.F) {
	for _, s := range []string{
		"a <think>b</think> c", "<tool_call>{\"name\":\"f\"}</tool_call>x", "[TOOL_CALLS] [", "{\"name\": 1}", "f\n{}",
		"<|channel|>final<|message|>x<|end|>", "<function=f></function>", "<<<think><tool_call><tool_call>",
	} {
		for i := range 8 {
			f.Add(s, uint8(i), uint8(1+i%3))
		}
	}
	names := []string{"qwen3", "qwen3-coder", "mistral-v3", "llama31", "deepseek-r1", "glm4-tools", "harmony", "chatml"}
	var templates []*chat.Template
	for _, n := range names {
		templates = append(templates, template(f, n))
	}
	f.Fuzz(func(t *testing.T, answer string, which, step uint8) {
		tpl := templates[int(which)%len(templates)]
		whole := parse(tpl, "", answer, max(len(answer), 1))
		require.Equal(t, whole, parse(tpl, "", answer, int(step)%16+1))
		marked := false
		for _, m := range tpl.Marks() {
			marked = marked || strings.Contains(answer, m)
		}
		if !marked && !strings.Contains(whole, "‹C›") && strings.TrimSpace(answer) != "" {
			require.Equal(t, "‹T›"+answer, whole)
		}
	})
}
