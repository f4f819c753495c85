package generate

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/text"
	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

// spoken is the language of a model's files.
type spoken struct {
	tokenizer *text.Tokenizer
	template  *chat.Template // nil where the model has none
	specials  []string
	tools     bool             // the template writes tools
	marks     []string         // by which the template's parser knows thoughts and calls
	tags      map[int32]string // those of them that are special tokens
}

func loadLanguage(files fs.FS) (*spoken, error) {
	t, err := text.Load(files)
	if err != nil {
		return nil, err
	}
	s := &spoken{tokenizer: t, specials: t.Specials(), tags: map[int32]string{}}
	if s.template, err = chat.Load(files); errors.Is(err, chat.ErrNone) {
		return s, nil
	} else if err != nil {
		return nil, err
	}
	s.marks = s.template.Marks()
	for _, mark := range s.marks {
		if id, ok := t.ID(mark); ok && slices.Contains(s.specials, mark) {
			s.tags[id] = mark
		}
	}
	s.tools = s.writesTools()
	return s, nil
}

// writesTools renders a small conversation with a tool, which tells whether the template writes it.
func (s *spoken) writesTools() bool {
	const name = "penstock_probe"
	p, err := s.template.Render(chat.Request{
		Messages: jsontext.Value(`[{"role":"user","content":"hello"}]`), AddGenerationPrompt: true, Now: time.Unix(0, 0),
		Tools: jsontext.Value(`[{"type":"function","function":{"name":"` + name +
			`","description":"d","parameters":{"type":"object","properties":{}}}}]`),
	})
	return err == nil && strings.Contains(p.Text, name)
}

func (s *spoken) about() job.About {
	longest := 0
	for id := range s.tokenizer.VocabSize() {
		longest = max(longest, len(s.bytes(int32(id))))
	}
	for _, a := range s.tokenizer.Added() {
		longest = max(longest, len(a.Content))
	}
	// Normal forms can write in one byte what came in three.
	return job.About{
		Chat: s.template != nil, Tools: s.tools, Thinking: s.template != nil && s.template.Thinks(), TokenBytes: 3 * longest,
	}
}

// render runs the chat template over a request.
func (s *spoken) render(c *input.Chat) (chat.Prompt, error) {
	if s.template == nil {
		return chat.Prompt{}, fault.Invalid("messages", "this model has no chat template; send a prompt")
	}
	if len(c.Tools) > 0 && !s.tools {
		return chat.Prompt{}, fault.Invalid("tools", "this model's chat template knows no tools")
	}
	r := chat.Request{
		Messages: c.RawMessages, AddGenerationPrompt: true, Think: c.Think, Args: c.TemplateArgs, Specials: s.specials,
	}
	if c.ToolChoice != "none" {
		r.Tools = c.RawTools
	}
	return s.template.Render(r)
}

func (s *spoken) prompt(c *input.Chat) (Start, error) {
	if c.Prompt != nil {
		return Start{IDs: s.tokenizer.Encode(*c.Prompt, text.Options{}).IDs}, nil
	}
	p, err := s.render(c)
	if err != nil {
		return Start{}, err
	}
	return Start{IDs: s.tokenizer.Encode(p.Text, text.Options{Bare: true, Plain: p.Plain}).IDs}, nil
}

func (s *spoken) decoder() streamDecoder {
	return &tagged{StreamDecoder: text.NewDecoder(s.tokenizer, true), tags: s.tags}
}

// tagged is a decoder that writes the marks of thoughts and calls also where the tokenizer calls them special.
type tagged struct {
	*text.StreamDecoder
	tags map[int32]string
}

// Next is the decoder's, or a tag.
func (d *tagged) Next(id int32) string {
	if tag, ok := d.tags[id]; ok {
		return d.Flush() + tag
	}
	return d.StreamDecoder.Next(id)
}

// parser reads what answers messages. A raw prompt's answer is text.
func (s *spoken) parser(q *sequence) (parser, bool) {
	if q.in.Prompt != nil || s.template == nil {
		return &plain{}, false
	}
	end := s.tokenizer.Decode(q.start.IDs[max(len(q.start.IDs)-endOfPrompt, 0):], false)
	open, _ := s.thoughtMarks()
	thinking := open != "" && strings.HasSuffix(strings.TrimRight(end, " \r\n\t"), open)
	return chat.NewParser(s.template, end, len(q.in.Tools) > 0 && q.in.ToolChoice != "none"), thinking
}

// endOfPrompt is how many tokens a parser looks at, to see how the answer was begun for the model.
const endOfPrompt = 64

// thoughtMarks are what a thought stands between.
func (s *spoken) thoughtMarks() (open, end string) {
	for _, pair := range [...][2]string{
		{"<think>", "</think>"},
		{"[THINK]", "[/THINK]"},
		{"<|START_THINKING|>", "<|END_THINKING|>"},
		{"<seed:think>", "</seed:think>"},
	} {
		if slices.Contains(s.marks, pair[0]) {
			return pair[0], pair[1]
		}
	}
	return "", ""
}

func (s *spoken) thought(q *sequence) (int32, string) {
	open, end := s.thoughtMarks()
	off := q.in.Think != nil && !*q.in.Think
	if id, ok := s.tokenizer.ID(open); ok && open != "" && !off && q.in.Prompt == nil {
		return id, end
	}
	return -1, end
}

func (s *spoken) call() int32 {
	const mark = "<tool_call>"
	if id, ok := s.tokenizer.ID(mark); ok && slices.Contains(s.marks, mark) {
		return id
	}
	return -1
}

func (s *spoken) free() bool { return slices.Contains(s.marks, "<|channel|>") }

func (s *spoken) bytes(id int32) []byte { return s.tokenizer.TokenBytes(id) }

func (s *spoken) id(token string) (int32, bool) { return s.tokenizer.ID(token) }

// partField is the path of a part of a message.
func partField(message, part int) string {
	return "messages[" + strconv.Itoa(message) + "].content[" + strconv.Itoa(part) + "]"
}

// unknown are the ids that the graph has and the tokenizer lacks: a vocabulary rounded up.
func (s *spoken) unknown(vocab int) ([]int32, error) {
	n := s.tokenizer.VocabSize()
	if n < vocab/2 {
		return nil, fmt.Errorf("the tokenizer has %d tokens and the decoder %d: they are not of one model", n, vocab)
	}
	var ids []int32
	for id := n; id < vocab; id++ {
		ids = append(ids, int32(id)) //nolint:gosec // an id
	}
	return ids, nil
}
