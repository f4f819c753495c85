package chat_test

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

func specials() []string {
	return []string{"<|im_start|>", "<|im_end|>", "<s>", "</s>", "<|user|>", "<|assistant|>", "[INST]", "</think>"}
}

// special gives where a text reads as special tokens, outside of the plain ranges.
func special(p chat.Prompt) []string {
	var out []string
	for i := range len(p.Text) {
		for _, s := range specials() {
			if !strings.HasPrefix(p.Text[i:], s) {
				continue
			}
			free := true
			for _, r := range p.Plain {
				if r.Start < i+len(s) && i < r.End {
					free = false
				}
			}
			if free {
				out = append(out, s)
			}
		}
	}
	return out
}

func TestClientTextIsPlain(t *testing.T) {
	t.Parallel()
	chatml := "{% for m in messages %}<|im_start|>{{ m.role }}\n%s<|im_end|>{% endfor %}"
	frame := []string{"<|im_start|>", "<|im_end|>"}
	for name, tc := range map[string]struct {
		tpl, content, want string
		special            []string
	}{
		"as it is":      {"{{ m.content }}", `<|im_end|>`, "<|im_end|>", frame},
		"added":         {"{{ 'a' + m.content + 'b' }}", `<|im_end|><s>`, "a<|im_end|><s>b", frame},
		"trimmed":       {"{{ m.content | trim }}", `  <|im_end|> `, "<|im_end|>", frame},
		"split":         {"{{ m.content.split('</think>')[-1].lstrip() }}", `a</think> <s>`, "<s>", frame},
		"json":          {"{{ m | tojson }}", `<|im_end|>\"`, `{"role": "user", "content": "<|im_end|>\""}`, frame},
		"repr":          {"{{ [m.content] }}", `<|im_end|>`, `['<|im_end|>']`, frame},
		"replaced":      {"{{ m.content.replace('#', '<s>') }}", `#<s>`, "<s><s>", []string{"<|im_start|>", "<s>", "<|im_end|>"}},
		"made whole":    {"{{ '<|im_' ~ m.content }}", `start|>`, "<|im_start|>", frame},
		"made of two":   {"{{ m.content[:3] ~ m.content[3:] }}", `<s>`, "<s>", frame},
		"sliced":        {"{{ m.content[::-1][::-1] }}", `</s>`, "</s>", frame},
		"joined":        {"{{ [m.content, '<s>'] | join('<s>') }}", `<s>`, "<s><s><s>", []string{"<|im_start|>", "<s>", "<s>", "<|im_end|>"}},
		"formatted":     {"{{ '%s</s>{}' % m.content }}", `</s>`, "</s></s>{}", []string{"<|im_start|>", "</s>", "<|im_end|>"}},
		"format":        {"{{ '{}</s>'.format(m.content) }}", `</s>`, "</s></s>", []string{"<|im_start|>", "</s>", "<|im_end|>"}},
		"cased":         {"{{ m.content | lower }}", `<S>`, "<s>", frame},
		"captured":      {"{% set x %}{{ m.content }}</s>{% endset %}{{ x }}", `</s>`, "</s></s>", []string{"<|im_start|>", "</s>", "<|im_end|>"}},
		"macro":         {"{% macro f(x) %}{{ x }}{% endmacro %}{{ f(m.content) | indent }}", `<s>`, "<s>", frame},
		"only tested":   {"{{ '<s>' if '</s>' in m.content }}", `</s>`, "<s>", []string{"<|im_start|>", "<s>", "<|im_end|>"}},
		"length":        {"{{ m.content | length }}", `<|im_end|>`, "10", frame},
		"overlapping":   {"{{ m.content }}", `<|im_start|`, "<|im_start|", frame},
		"before a real": {"{{ m.content }}</s>", `<`, "<</s>", []string{"<|im_start|>", "</s>", "<|im_end|>"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, err := chat.New(strings.Replace(chatml, "%s", tc.tpl, 1), nil)
			require.NoError(t, err)
			p, err := tpl.Render(chat.Request{
				Messages: jsontext.Value(`[{"role":"user","content":"` + tc.content + `"}]`), Specials: specials(),
			})
			require.NoError(t, err)
			assert.Equal(t, "<|im_start|>user\n"+tc.want+"<|im_end|>", p.Text)
			assert.Equal(t, tc.special, special(p))
		})
	}
}

func TestEveryClientStringIsPlain(t *testing.T) {
	t.Parallel()
	tpl, err := chat.New("<s>{{ messages }}{{ tools }}{{ x }}{{ messages[0].tool_calls[0].function.arguments.a }}", nil)
	require.NoError(t, err)
	p, err := tpl.Render(chat.Request{
		Messages: jsontext.Value(`[{"role":"<s>","name":"<s>","<s>":1,
			"tool_calls":[{"function":{"name":"<s>","arguments":"{\"a\":\"<s>\"}"}}]}]`),
		Tools:    jsontext.Value(`[{"type":"function","function":{"name":"<s>","description":"<s>"}}]`),
		Args:     jsontext.Value(`{"x":"<s>"}`),
		Specials: specials(),
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"<s>"}, special(p))
	assert.Equal(t, 10, strings.Count(p.Text, "<s>"))
}

func TestRolesMayMakeTokens(t *testing.T) {
	t.Parallel()
	tpl, err := chat.New("{% for m in messages %}{{ '<|' + m.role + '|>' }}{% endfor %}", nil)
	require.NoError(t, err)
	p, err := tpl.Render(chat.Request{
		Messages: jsontext.Value(`[{"role":"user"},{"role":"im_end"}]`), Specials: specials(),
	})
	require.NoError(t, err)
	assert.Equal(t, []string{"<|user|>"}, special(p))
	assert.Equal(t, []text.Range{{Start: 10, End: 16}}, p.Plain)
}

func TestLoad(t *testing.T) {
	t.Parallel()
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tools := jsontext.Value(`[{"type":"function","function":{"name":"f"}}]`)
	for name, tc := range map[string]struct {
		dir   fstest.MapFS
		tools jsontext.Value
		want  string
		err   string
	}{
		"text": {
			dir: fstest.MapFS{"tokenizer_config.json": file(
				`{"chat_template":"{{ bos_token }}{{ eos_token }}{{ pad_token is defined }}{{ additional_special_tokens }}",
			"bos_token":{"content":"<s>"},"eos_token":"</s>","pad_token":null,"additional_special_tokens":["<a>",{"content":"<b>"}]}`)},
			want: "<s></s>False['<a>', '<b>']",
		},
		"named, without tools": {dir: fstest.MapFS{"tokenizer_config.json": file(
			`{"chat_template":[{"name":"default","template":"D"},{"name":"tool_use","template":"T"}]}`)}, want: "D"},
		"named, with tools": {dir: fstest.MapFS{"tokenizer_config.json": file(
			`{"chat_template":[{"name":"default","template":"D"},{"name":"tool_use","template":"T"}]}`)}, tools: tools, want: "T"},
		"file first": {dir: fstest.MapFS{"tokenizer_config.json": file(`{"chat_template":"C"}`), "chat_template.jinja": file("J\n")}, want: "J"},
		"more files": {dir: fstest.MapFS{
			"chat_template.jinja":                      file("J"),
			"additional_chat_templates/tool_use.jinja": file("JT"),
		}, tools: tools, want: "JT"},
		"processor":      {dir: fstest.MapFS{"chat_template.json": file(`{"chat_template":"P"}`)}, want: "P"},
		"special map":    {dir: fstest.MapFS{"chat_template.jinja": file("{{ unk_token }}"), "special_tokens_map.json": file(`{"unk_token":"<unk>"}`)}, want: "<unk>"},
		"extra":          {dir: fstest.MapFS{"tokenizer_config.json": file(`{"chat_template":"{{ image_token }}","extra_special_tokens":{"image_token":"<i>"}}`)}, want: "<i>"},
		"none":           {dir: fstest.MapFS{}, err: "has no chat template"},
		"no default":     {dir: fstest.MapFS{"tokenizer_config.json": file(`{"chat_template":[{"name":"rag","template":"R"}]}`)}, err: "no chat template named default, only rag"},
		"unknown filter": {dir: fstest.MapFS{"chat_template.jinja": file("a\n{{ x | nope }}")}, err: "line 2: No filter named 'nope'."},
		"unknown tag":    {dir: fstest.MapFS{"chat_template.jinja": file("{% nope %}")}, err: "unknown tag 'nope'"},
		"include":        {dir: fstest.MapFS{"chat_template.jinja": file("{% include 'x' %}")}, err: "'include' is not supported"},
		"not JSON":       {dir: fstest.MapFS{"tokenizer_config.json": file(`{`)}, err: "tokenizer_config.json is not JSON"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, err := chat.Load(tc.dir)
			if tc.err != "" {
				require.ErrorContains(t, err, tc.err)
				return
			}
			require.NoError(t, err)
			p, err := tpl.Render(chat.Request{Messages: jsontext.Value(`[]`), Tools: tc.tools})
			require.NoError(t, err)
			assert.Equal(t, tc.want, p.Text)
		})
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		tpl, messages, args, field, detail string
	}{
		"raised":   {"{{ raise_exception('no system role') }}", `[]`, ``, "messages", "no system role"},
		"runtime":  {"\n{{ messages[0].content + 'x' }}", `[{"content":null}]`, ``, "messages", "line 2"},
		"messages": {"x", `[`, ``, "messages", "cannot be read"},
		"args":     {"x", `[]`, `[]`, "chat_template_kwargs", "must be an object"},
		"tools":    {"x", `[]`, `{"tools":[]}`, "chat_template_kwargs.tools", "cannot be set"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tpl, err := chat.New(tc.tpl, nil)
			require.NoError(t, err)
			_, err = tpl.Render(chat.Request{Messages: jsontext.Value(tc.messages), Args: jsontext.Value(tc.args)})
			f := fault.From(err)
			assert.Equal(t, fault.InvalidInput, f.Code)
			assert.Equal(t, tc.field, f.Field)
			assert.Contains(t, f.Detail, tc.detail)
		})
	}
}

func TestArgumentsBecomeObjects(t *testing.T) {
	t.Parallel()
	tpl, err := chat.New("{{ messages[0].tool_calls[0].function.arguments | tojson }}", nil)
	require.NoError(t, err)
	for sent, want := range map[string]string{
		`"{\"b\": 1.0, \"a\": [2]}"`: `{"b": 1.0, "a": [2]}`,
		`{"b":1}`:                    `{"b": 1}`,
		`"[1]"`:                      `"[1]"`,
		`"no json"`:                  `"no json"`,
	} {
		p, err := tpl.Render(chat.Request{
			Messages: jsontext.Value(`[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":` + sent + `}}]}]`),
		})
		require.NoError(t, err)
		assert.Equal(t, want, p.Text)
	}
}

func BenchmarkRender(b *testing.B) {
	for _, name := range []string{"chatml", "qwen3"} {
		b.Run(name, func(b *testing.B) {
			tpl := template(b, name)
			var sb strings.Builder
			for i := range 20 {
				if i > 0 {
					sb.WriteString(",")
				}
				sb.WriteString(`{"role":"user","content":"` + strings.Repeat("some words ", 40) + `"},{"role":"assistant","content":"` +
					strings.Repeat("an answer ", 40) + `"}`)
			}
			req := chat.Request{
				Messages: jsontext.Value("[" + sb.String() + "]"), AddGenerationPrompt: true, Specials: specials(), Now: now(),
			}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := tpl.Render(req); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestTemplatesAreShared(t *testing.T) {
	t.Parallel()
	tpl := template(t, "qwen3")
	for range 4 {
		t.Run("render", func(t *testing.T) {
			t.Parallel()
			for range 20 {
				p, err := tpl.Render(chat.Request{
					Messages: jsontext.Value(`[{"role":"user","content":"<|im_end|>é"}]`), Specials: specials(), AddGenerationPrompt: true,
				})
				require.NoError(t, err)
				assert.Equal(t, []string{"<|im_start|>", "<|im_end|>", "<|im_start|>"}, special(p))
			}
		})
	}
}
