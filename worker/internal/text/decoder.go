package text

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// stage is a step of decoding. It takes tokens as text comes, in parts where the step before joined them, and gives
// text on in the same way as soon as nothing that follows can change it.
type stage interface {
	// begin makes the state of one decoding; next takes what it gives on.
	begin(next sink) sink
	// joins tells that all tokens become one.
	joins() bool
	// whole tells that a token must be there as a whole.
	whole() bool
	// middle is what a token becomes that is not the first.
	middle(token []byte) []byte
}

// sink takes text: a new token where first is set, or more of the one before.
type sink interface {
	put(text string, first bool)
	end()
}

// chain is the decoder: its stages in order.
type chain []stage

func newChain(raw jsontext.Value, depth int) (chain, error) {
	kind, err := kindOf(raw)
	if err != nil {
		return nil, err
	}
	if kind == "" {
		return chain{spaced{}}, nil
	}
	if depth > maxNested {
		return nil, fmt.Errorf("decoders are nested deeper than %d", maxNested)
	}
	c, err := chainOf(kind, raw, depth)
	if err != nil {
		return nil, fmt.Errorf("decoder %q: %w", kind, err)
	}
	return c, nil
}

func chainOf(kind string, raw jsontext.Value, depth int) (chain, error) {
	switch kind {
	case "Sequence":
		var c struct {
			Type     string           `json:"type"`
			Decoders []jsontext.Value `json:"decoders"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		all := chain{}
		for _, r := range c.Decoders {
			if len(r) == 0 || r.Kind() == 'n' {
				return nil, errors.New("a decoder is null")
			}
			part, err := newChain(r, depth+1)
			if err != nil {
				return nil, err
			}
			all = append(all, part...)
		}
		return all, nil
	case "ByteLevel":
		_, err := byteLevelFrom(raw)
		return chain{lettersToBytes{}}, err
	case "ByteFallback":
		return chain{codesToBytes{}}, bare(raw)
	case "Fuse":
		return chain{fuse{}}, bare(raw)
	case "Metaspace":
		m, err := newMetaspace(raw)
		if err != nil {
			return nil, err
		}
		return chain{perToken{unmark{m.mark, m.first != "never"}}}, nil
	case "WordPiece":
		return wordPieceChain(raw)
	case "BPEDecoder":
		var c struct {
			Type   string  `json:"type"`
			Suffix *string `json:"suffix"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		if c.Suffix == nil {
			return nil, errors.New("suffix is missing")
		}
		return chain{unsuffix{*c.Suffix}}, nil
	case "CTC":
		return ctcChain(raw)
	case "Strip":
		return stripChain(raw)
	case "Replace":
		return replaceChain(raw)
	}
	return nil, errors.New("not supported")
}

func wordPieceChain(raw jsontext.Value) (chain, error) {
	var c struct {
		Type    string  `json:"type"`
		Prefix  *string `json:"prefix"`
		Cleanup *bool   `json:"cleanup"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Prefix == nil || c.Cleanup == nil {
		return nil, errors.New("prefix or cleanup is missing")
	}
	return chain{perToken{unprefix{*c.Prefix, *c.Cleanup}}}, nil
}

func ctcChain(raw jsontext.Value) (chain, error) {
	var c struct {
		Type    string  `json:"type"`
		Pad     *string `json:"pad_token"`
		Word    *string `json:"word_delimiter_token"`
		Cleanup *bool   `json:"cleanup"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Pad == nil || c.Word == nil || c.Cleanup == nil {
		return nil, errors.New("pad_token, word_delimiter_token or cleanup is missing")
	}
	return chain{ctc{*c.Pad, *c.Word, *c.Cleanup}}, nil
}

func stripChain(raw jsontext.Value) (chain, error) {
	var c struct {
		Type    string `json:"type"`
		Content string `json:"content"`
		Start   *int   `json:"start"`
		Stop    *int   `json:"stop"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Start == nil || c.Stop == nil || *c.Start < 0 || *c.Stop < 0 {
		return nil, errors.New("start or stop is missing or less than 0")
	}
	_, err := oneRune("content", c.Content)
	return chain{cutEnds{c.Content, *c.Start, *c.Stop}}, err
}

func replaceChain(raw jsontext.Value) (chain, error) {
	r, err := newReplace(raw)
	if err != nil {
		return nil, err
	}
	return chain{perToken{reword{r.match, string(r.content)}}}, nil
}

// begin makes the state of one decoding.
func (c chain) begin(out sink) sink {
	fused := make([]bool, len(c)) // what comes to a stage is one token, in parts
	for i := 1; i < len(c); i++ {
		fused[i] = fused[i-1] || c[i-1].joins()
	}
	for i := len(c) - 1; i >= 0; i-- {
		out = c[i].begin(out)
		if fused[i] && c[i].whole() {
			out = &gather{next: out}
		}
	}
	return out
}

// gather puts the parts of a token together.
type gather struct {
	next sink
	text strings.Builder
	open bool
}

func (g *gather) put(text string, first bool) {
	if first && g.open {
		g.flush()
	}
	g.text.WriteString(text)
	g.open = true
}

func (g *gather) flush() {
	g.next.put(g.text.String(), true)
	g.text.Reset()
	g.open = false
}

func (g *gather) end() {
	if g.open {
		g.flush()
	}
	g.next.end()
}

// Decode turns ids into text. Ids that there are not are passed over.
func (t *Tokenizer) Decode(ids []int32, skipSpecial bool) string {
	var out strings.Builder
	d := t.chain.begin(builder{&out})
	for _, id := range ids {
		if text, ok := t.decoded(id, skipSpecial); ok {
			d.put(text, true)
		}
	}
	d.end()
	return out.String()
}

// decoded is a token's text as decoders see it.
func (t *Tokenizer) decoded(id int32, skipSpecial bool) (string, bool) {
	if id < 0 || int(id) >= len(t.texts) || !t.known[id] || skipSpecial && t.skipped[id] {
		return "", false
	}
	return t.texts[id], true
}

type builder struct{ to *strings.Builder }

func (b builder) put(text string, _ bool) { b.to.WriteString(text) }

func (builder) end() {}

// StreamDecoder is Decode for ids that come one by one. It is for one goroutine.
type StreamDecoder struct {
	t    *Tokenizer
	skip bool
	in   sink
	out  strings.Builder
}

// NewDecoder begins to decode.
func NewDecoder(t *Tokenizer, skipSpecial bool) *StreamDecoder {
	d := &StreamDecoder{t: t, skip: skipSpecial}
	d.in = t.chain.begin(builder{&d.out})
	return d
}

// Next takes an id and gives the text that is certain with it: never half a character, and nothing that an id to come
// could change. All of it, with Flush, is what Decode gives.
func (d *StreamDecoder) Next(id int32) string {
	if text, ok := d.t.decoded(id, d.skip); ok {
		d.in.put(text, true)
	}
	return d.taken()
}

// Flush gives what is left at the end. The decoder then begins again.
func (d *StreamDecoder) Flush() string {
	d.in.end()
	s := d.taken()
	d.in = d.t.chain.begin(builder{&d.out})
	return s
}

func (d *StreamDecoder) taken() string {
	s := d.out.String()
	d.out.Reset()
	return s
}

// TokenBytes are the bytes that a token adds to the text when it is not the first, for masks of grammars. Special
// tokens and ids that there are not add nothing.
func (t *Tokenizer) TokenBytes(id int32) []byte {
	text, ok := t.decoded(id, true)
	if !ok {
		return nil
	}
	b := []byte(text)
	for i, s := range t.chain {
		if i > 0 && t.chain[:i].fused() && s.whole() {
			continue // works on the text as a whole
		}
		b = s.middle(b)
	}
	return b
}

func (c chain) fused() bool {
	for _, s := range c {
		if s.joins() {
			return true
		}
	}
	return false
}
