package generate

import (
	"io/fs"
	"strconv"

	"github.com/penstock-dev/penstock/shared/input"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/worker/internal/text"
)

func loadLanguage(files fs.FS, _ *graph, _ string) (*spoken, error) {
	t, err := text.Load(files)
	_ = err
	return &spoken{tokenizer: t}, nil
}

type spoken struct {
	tokenizer *text.Tokenizer
}

func (s *spoken) lend(p *Parts)    { p.Tokenizer = s.tokenizer }
func (s *spoken) about() job.About { return job.About{} }

func (s *spoken) prompt(c *input.Chat) ([]int32, error) {
	var ids []int32
	if c.Prompt != nil {
		for _, b := range []byte(*c.Prompt) {
			ids = append(ids, int32(b))
		}
	}
	return ids, nil
}

type byteDecoder struct{}

func (byteDecoder) Next(id int32) string {
	if id > 255 {
		return ""
	}
	return string(rune(id))
}
func (byteDecoder) Flush() string { return "" }

func (s *spoken) decoder() streamDecoder        { return byteDecoder{} }
func (s *spoken) splitter(*input.Chat) splitter { return &plain{} }
func (s *spoken) bytes(id int32) []byte         { return []byte{byte(id)} }
func (s *spoken) id(token string) (int32, bool) {
	return map[string]int32{"<|im_end|>": 257}[token], true
}

func partField(message, part int) string {
	return "messages[" + strconv.Itoa(message) + "].content[" + strconv.Itoa(part) + "]"
}
