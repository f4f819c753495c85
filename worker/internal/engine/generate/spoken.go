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
	thinks    bool             // the template can turn thinking on or off
	tags      map[int32]string // special tokens that are told as text
}

func loadLanguage(files fs.FS) (*spoken, error) {
	t, err := text.Load(files)
	if err != nil {
		return nil, err
	}
	s := &spoken{tokenizer: t, specials: t.Specials(), tags: map[int32]string{}}
	for _, tag := range []string{thinkOpen, thinkClose, callOpen, callClose} {
		if id, ok := t.ID(tag); ok && slices.Contains(s.specials, tag) {
			s.tags[id] = tag
		}
	}
	if s.template, err = chat.Load(files); errors.Is(err, chat.ErrNone) {
		return s, nil
	} else if err != nil {
		return nil, err
	}
	s.probe()
	return s, nil
}

// probe renders a small conversation in several ways, which tells what the template can do. A template that refuses
// such a conversation is told of as able to do nothing more.
func (s *spoken) probe() {
	const name = "penstock_probe"
	r := chat.Request{Messages: jsontext.Value(`[{"role":"user","content":"hello"}]`), AddGenerationPrompt: true, Now: time.Unix(0, 0)}
	on, off := true, false
	r.Think = &on
	thinking, err := s.template.Render(r)
	if err != nil {
		return
	}
	r.Think = &off
	if plainly, err := s.template.Render(r); err == nil {
		s.thinks = thinking.Text != plainly.Text
	}
	r.Think = nil
	r.Tools = jsontext.Value(`[{"type":"function","function":{"name":"` + name +
		`","description":"d","parameters":{"type":"object","properties":{}}}}]`)
	if p, err := s.template.Render(r); err == nil {
		s.tools = strings.Contains(p.Text, name)
	}
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
	return job.About{Chat: s.template != nil, Tools: s.tools, Thinking: s.thinks, TokenBytes: 3 * longest}
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
	return Start{
		IDs:      s.tokenizer.Encode(p.Text, text.Options{Bare: true, Plain: p.Plain}).IDs,
		Thinking: strings.HasSuffix(strings.TrimRight(p.Text, " \n"), thinkOpen),
	}, nil
}

func (s *spoken) decoder() streamDecoder {
	return &tagged{StreamDecoder: text.NewDecoder(s.tokenizer, true), tags: s.tags}
}

// tagged is a decoder that writes the tags of thoughts also where the tokenizer calls them special.
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

// splitter finds thoughts and calls of tools in what answers messages, if the model knows the tags. A raw prompt's answer
// is text.
func (s *spoken) splitter(q *sequence) splitter {
	if q.in.Prompt != nil {
		return &plain{}
	}
	var found splitter = &plain{}
	if _, known := s.tokenizer.ID(thinkOpen); q.start.Thinking {
		found = &thinker{state: thinkOn}
	} else if known {
		found = &thinker{}
	}
	if len(q.in.Tools) > 0 && q.in.ToolChoice != "none" {
		found = &caller{inner: found}
	}
	return found
}

func (s *spoken) thought(q *sequence) int32 {
	off := q.in.Think != nil && !*q.in.Think
	if id, ok := s.tokenizer.ID(thinkOpen); ok && s.thinks && !off && q.in.Prompt == nil && !q.start.Thinking {
		return id
	}
	return -1
}

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
