package chat

import "strings"

// style is how a model writes its thoughts and tool calls, as the text of its template shows.
type style struct {
	open, close string // around thoughts; empty when the model has none
	blocks      []block
	anchored    []anchor
	harmony     bool
	quiet       []string // marks that say nothing and are dropped
}

// block is a tool call, or several, between two marks. An empty end means up to the end of the answer.
type block struct {
	begin, end string
	keep       bool // begin is part of what parse reads
	parse      func(body string) ([]call, bool)
}

// anchor is a tool call that is the whole answer, recognised by how it begins.
type anchor struct {
	may   func(s string) bool // whether a text that begins like s can become one
	parse func(body string) ([]call, bool)
}

func styleOf(source string) style {
	has := func(s string) bool { return strings.Contains(source, s) }
	var st style
	if has("<|channel|>") && has("<|message|>") {
		return style{harmony: true}
	}
	for _, t := range [][2]string{
		{"<think>", "</think>"},
		{"[THINK]", "[/THINK]"},
		{"<|START_THINKING|>", "<|END_THINKING|>"},
		{"<seed:think>", "</seed:think>"},
	} {
		if has(t[0]) || has(t[1]) {
			st.open, st.close = t[0], t[1]
			break
		}
	}
	for _, b := range []block{
		{begin: "<tool_call>", end: "</tool_call>", parse: taggedCalls},
		{begin: "<|tool_call|>", end: "<|/tool_call|>", parse: jsonCalls},
		{begin: "<|START_ACTION|>", end: "<|END_ACTION|>", parse: jsonCalls},
		{begin: "[TOOL_CALLS]", parse: mistralCalls},
		{begin: "<｜tool▁calls▁begin｜>", end: "<｜tool▁calls▁end｜>", parse: deepseekCalls},
		{begin: "<function=", end: "</function>", keep: true, parse: taggedCalls},
		{begin: "<|python_tag|>", parse: llamaCalls},
	} {
		if has(b.begin) {
			st.blocks = append(st.blocks, b)
		}
	}
	if has("<|START_RESPONSE|>") {
		st.quiet = []string{"<|START_RESPONSE|>", "<|END_RESPONSE|>"}
	}
	switch {
	case has("<|python_tag|>"), has(`"parameters": `) && has(`"name": `) && len(st.blocks) == 0:
		st.anchored = append(st.anchored, anchor{mayBeCallObject, llamaCalls})
	case has("observation") && len(st.blocks) == 0:
		st.anchored = append(st.anchored, anchor{mayBeNamedCall, namedCall})
	}
	return st
}

// Marks are the texts by which the parser knows thoughts and tool calls. Some are special tokens of their models: who
// decodes for a Parser must leave these in the text.
func (t *Template) Marks() []string {
	st := t.style
	if st.harmony {
		return []string{"<|start|>", "<|channel|>", "<|message|>", "<|constrain|>", "<|end|>", "<|call|>", "<|return|>"}
	}
	out := append([]string(nil), st.quiet...)
	if st.open != "" {
		out = append(out, st.open, st.close)
	}
	for _, b := range st.blocks {
		out = append(out, b.begin)
		if b.end != "" {
			out = append(out, b.end)
		}
	}
	for _, b := range st.blocks {
		switch b.begin {
		case "[TOOL_CALLS]":
			out = append(out, "[ARGS]", "[CALL_ID]")
		case "<｜tool▁calls▁begin｜>":
			out = append(out, "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>")
		}
	}
	return out
}

// Thinks says whether the model has a way to write thoughts.
func (t *Template) Thinks() bool { return t.style.open != "" || t.style.harmony }

// Calls says whether the model has a way to call tools.
func (t *Template) Calls() bool {
	return t.style.harmony || len(t.style.blocks) > 0 || len(t.style.anchored) > 0
}
