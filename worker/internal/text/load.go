package text

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// The files that a tokenizer is loaded from.
const (
	TokenizerFile = "tokenizer.json" //nolint:gosec // no credentials
	VocabFile     = "vocab.txt"
	ConfigFile    = "tokenizer_config.json"
)

// maxFile bounds a tokenizer's file in bytes.
const maxFile = 64 << 20

// Load loads the tokenizer in a model's folder: tokenizer.json, or where that is missing vocab.txt with
// tokenizer_config.json. A stage that is not supported is an error that names it.
func Load(dir fs.FS) (*Tokenizer, error) {
	b, err := ReadFile(dir, TokenizerFile)
	if err == nil {
		return Parse(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("text: %w", err)
	}
	vocab, err := ReadFile(dir, VocabFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("text: the folder has neither %s nor %s", TokenizerFile, VocabFile)
	}
	if err != nil {
		return nil, fmt.Errorf("text: %w", err)
	}
	config, err := ReadFile(dir, ConfigFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("text: %w", err)
	}
	return ParseVocab(vocab, config)
}

// ReadFile reads one of a tokenizer's or a template's files, which are of bounded size.
func ReadFile(dir fs.FS, name string) ([]byte, error) {
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxFile)
	}
	return b, nil
}

// Parse makes a tokenizer from tokenizer.json. Padding and truncation are not applied: who batches tokens asks for them.
func Parse(b []byte) (*Tokenizer, error) {
	var c struct {
		Version    string         `json:"version"`
		Truncation *Truncation    `json:"truncation"`
		Padding    *Padding       `json:"padding"`
		Added      []addedJSON    `json:"added_tokens"`
		Normalizer jsontext.Value `json:"normalizer"`
		Pre        jsontext.Value `json:"pre_tokenizer"`
		Post       jsontext.Value `json:"post_processor"`
		Decoder    jsontext.Value `json:"decoder"`
		Model      jsontext.Value `json:"model"`
	}
	t := &Tokenizer{}
	err := strict(b, &c)
	if err == nil && c.Version != "" && c.Version != "1.0" {
		err = fmt.Errorf("version %q is not supported", c.Version)
	}
	if err == nil {
		t.truncation, t.padding = c.Truncation, c.Padding
		t.normalizer, err = newNormalizer(c.Normalizer, 0)
	}
	if err == nil {
		t.pre, err = newPretokenizer(c.Pre, 0)
	}
	if err == nil {
		t.post, err = newProcessors(c.Post, 0)
	}
	if err == nil {
		t.chain, err = newChain(c.Decoder, 0)
	}
	if err == nil {
		t.model, err = newModel(c.Model)
	}
	var added []AddedToken
	for _, a := range c.Added {
		if err != nil {
			break
		}
		var x AddedToken
		x, err = a.token()
		added = append(added, x)
	}
	if err == nil {
		err = t.complete(added)
	}
	if err != nil {
		return nil, fmt.Errorf("text: %s: %w", TokenizerFile, err)
	}
	return t, nil
}

// complete takes in the added tokens and what follows from all stages together.
func (t *Tokenizer) complete(added []AddedToken) error {
	if len(added) > maxTokens {
		return fmt.Errorf("there are more than %d added tokens", maxTokens)
	}
	for kind, stage := range map[string]any{"normalizers": t.normalizer, "pre-tokenizers": t.pre, "decoders": t.chain} {
		if err := bounded(kind, stage); err != nil {
			return err
		}
	}
	if err := t.add(added); err != nil {
		return err
	}
	for _, p := range t.post {
		if _, ok := p.(trim); ok {
			t.trims = true
		}
	}
	if t.trims {
		t.ends = make([]ends, t.model.size())
		for id := range t.ends {
			text, _ := t.model.token(int32(id))
			t.ends[id] = endsOf([]rune(text))
		}
	}
	return nil
}

// ParseVocab makes BERT's tokenizer from vocab.txt, one token a line, and tokenizer_config.json, which may be empty.
func ParseVocab(vocab, config []byte) (*Tokenizer, error) {
	c := struct {
		Lower        bool           `json:"do_lower_case"`
		Chinese      bool           `json:"tokenize_chinese_chars"`
		StripAccents *bool          `json:"strip_accents"`
		Unknown      jsontext.Value `json:"unk_token"`
		CLS          jsontext.Value `json:"cls_token"`
		SEP          jsontext.Value `json:"sep_token"`
		Pad          jsontext.Value `json:"pad_token"`
		Mask         jsontext.Value `json:"mask_token"`
		Class        string         `json:"tokenizer_class"`
	}{Lower: true, Chinese: true}
	if len(config) > 0 {
		if err := loose(config, &c); err != nil {
			return nil, fmt.Errorf("text: %s: %w", ConfigFile, err)
		}
	}
	if c.Class != "" && !strings.HasPrefix(c.Class, "BertTokenizer") {
		return nil, fmt.Errorf("text: %s: tokenizer_class %q is not supported with %s", ConfigFile, c.Class, VocabFile)
	}
	ids := map[string]int64{}
	for i, token := range strings.Split(strings.TrimSuffix(string(vocab), "\n"), "\n") {
		ids[strings.TrimSuffix(token, "\r")] = int64(i)
	}
	unknown, cls, sep := tokenName(c.Unknown, "[UNK]"), tokenName(c.CLS, "[CLS]"), tokenName(c.SEP, "[SEP]")
	m, err := makeWordPiece(ids, unknown, "##", 100)
	if err != nil {
		return nil, fmt.Errorf("text: %s: %w", VocabFile, err)
	}
	t := &Tokenizer{
		normalizer: newBert(true, c.Chinese, c.StripAccents, c.Lower), pre: bertSplit(), model: m,
		chain: chain{perToken{unprefix{"##", true}}},
	}
	var added []AddedToken
	for _, name := range []string{unknown, cls, sep, tokenName(c.Pad, "[PAD]"), tokenName(c.Mask, "[MASK]")} {
		if id, ok := m.id(name); ok {
			added = append(added, AddedToken{ID: id, Content: name, Special: true})
		}
	}
	before, okCLS := m.id(cls)
	after, okSEP := m.id(sep)
	if !okCLS || !okSEP {
		return nil, fmt.Errorf("text: %s lacks %q or %q", VocabFile, cls, sep)
	}
	t.post = []processor{bertEnds{around{id: before}, around{id: after}}}
	return t, t.complete(added)
}

// tokenName reads a special token's entry: its text, or an object that holds it.
func tokenName(v jsontext.Value, missing string) string {
	var name string
	if loose(v, &name) == nil && name != "" {
		return name
	}
	var object struct {
		Content string `json:"content"`
	}
	if loose(v, &object) == nil && object.Content != "" {
		return object.Content
	}
	return missing
}

// kindOf reads the type of a stage; null and nothing are the empty kind.
func kindOf(raw jsontext.Value) (string, error) {
	if len(raw) == 0 || raw.Kind() == 'n' {
		return "", nil
	}
	d := jsontext.NewDecoder(bytes.NewReader(raw), jsontext.AllowDuplicateNames(true))
	if t, err := d.ReadToken(); err != nil || t.Kind() != '{' {
		return "", errors.New("a stage is not an object")
	}
	for d.PeekKind() == '"' {
		name, err := d.ReadToken()
		if err != nil {
			return "", err
		}
		if name.String() != "type" {
			if err := d.SkipValue(); err != nil {
				return "", err
			}
			continue
		}
		if t, err := d.ReadToken(); err == nil && t.Kind() == '"' {
			return t.String(), nil
		}
	}
	return "", errors.New("a stage has no type")
}

// strict decodes and refuses what it does not know, so that no setting is passed over in silence. Of a name that stands
// twice the last counts, as in the reference; to find out would cost much in a large vocabulary.
func strict(raw []byte, into any) error {
	return json.Unmarshal(raw, into, json.RejectUnknownMembers(true), jsontext.AllowDuplicateNames(true))
}

// loose decodes and passes over what it does not know.
func loose(raw []byte, into any) error {
	return json.Unmarshal(raw, into)
}
