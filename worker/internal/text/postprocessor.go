package text

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"
)

// part is the tokens of one text, or some that stand around it.
type part struct {
	ids   []int32
	spans []Span
	types []int32 // nil where all are kind
	kind  int32
	ends  []ends // only where a step trims
}

func (p *part) add(id int32, at Span) {
	p.ids, p.spans = append(p.ids, id), append(p.spans, at)
}

// ends counts the white space at the ends of a token's text.
type ends struct{ lead, trail int32 }

// endsOf counts white space, and the letter that stands for a space in byte-level vocabularies.
func endsOf(text []rune) (e ends) {
	space := func(r rune) bool { return r == 0x120 || unicode.IsSpace(r) }
	for _, r := range text {
		if !space(r) {
			break
		}
		e.lead++
	}
	for i := len(text) - 1; i >= 0 && space(text[i]); i-- {
		e.trail++
	}
	return e
}

// processor is a step after the model: it puts tokens around texts, or corrects their spans.
type processor interface {
	// process works on one part, or on two for a pair, or on more after a step that put tokens around them. special
	// is whether those are wanted.
	process(parts []part, special bool) []part
}

// finish runs the steps and puts everything together.
func (t *Tokenizer) finish(parts []part, o Options) Encoding {
	for _, p := range t.post {
		parts = p.process(parts, !o.Bare)
	}
	if len(parts) == 1 && parts[0].types == nil && parts[0].kind == 0 {
		return Encoding{parts[0].ids, parts[0].spans, nil}
	}
	n, typed := 0, false
	for _, p := range parts {
		n += len(p.ids)
		typed = typed || p.kind != 0 && len(p.ids) > 0 || p.types != nil
	}
	e := Encoding{make([]int32, 0, n), make([]Span, 0, n), nil}
	if typed {
		e.Types = make([]int32, 0, n)
	}
	for _, p := range parts {
		e.IDs, e.Spans = append(e.IDs, p.ids...), append(e.Spans, p.spans...)
		for i := 0; typed && i < len(p.ids); i++ {
			kind := p.kind
			if p.types != nil {
				kind = p.types[i]
			}
			e.Types = append(e.Types, kind)
		}
	}
	if !slices.ContainsFunc(e.Types, func(kind int32) bool { return kind != 0 }) {
		e.Types = nil
	}
	return e
}

func newProcessors(raw jsontext.Value, depth int) ([]processor, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return nil, err
	}
	if depth > maxNested {
		return nil, fmt.Errorf("post-processors are nested deeper than %d", maxNested)
	}
	list, err := processorsOf(kind, raw, depth)
	if err != nil {
		return nil, fmt.Errorf("post-processor %q: %w", kind, err)
	}
	templates := 0
	for _, p := range list {
		if _, ok := p.(*template); ok {
			templates++
		}
	}
	if templates > 1 {
		return nil, fmt.Errorf("post-processor %q: more than one TemplateProcessing is not supported", kind)
	}
	return list, nil
}

func processorsOf(kind string, raw jsontext.Value, depth int) ([]processor, error) {
	switch kind {
	case "Sequence":
		var c struct {
			Type       string           `json:"type"`
			Processors []jsontext.Value `json:"processors"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		var list []processor
		for _, r := range c.Processors {
			p, err := newProcessors(r, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, p...)
		}
		return list, nil
	case "TemplateProcessing":
		t, err := newTemplate(raw)
		return []processor{t}, err
	case "ByteLevel":
		c, err := byteLevelFrom(raw)
		if err != nil || !*c.Trim {
			return nil, err
		}
		return []processor{trim{*c.Prefix}}, nil
	case "BertProcessing":
		cls, sep, _, _, err := surrounding(raw)
		return []processor{bertEnds{cls, sep}}, err
	case "RobertaProcessing":
		cls, sep, trims, prefix, err := surrounding(raw)
		if err == nil && (trims == nil || prefix == nil) {
			err = errors.New("trim_offsets or add_prefix_space is missing")
		}
		if err != nil {
			return nil, err
		}
		list := []processor{robertaEnds{cls, sep}}
		if *trims {
			list = []processor{trim{*prefix}, list[0]}
		}
		return list, nil
	}
	return nil, errors.New("not supported")
}

// around is a special token that stands around texts.
type around struct {
	id   int32
	ends ends
}

func (a around) part(kind int32) part {
	return part{ids: []int32{a.id}, spans: []Span{{}}, kind: kind, ends: []ends{a.ends}}
}

func surrounding(raw jsontext.Value) (cls, sep around, trims, prefix *bool, err error) {
	var c struct {
		Type   string             `json:"type"`
		Sep    *[2]jsontext.Value `json:"sep"`
		Cls    *[2]jsontext.Value `json:"cls"`
		Trim   *bool              `json:"trim_offsets"`
		Prefix *bool              `json:"add_prefix_space"`
	}
	if err = strict(raw, &c); err != nil {
		return cls, sep, nil, nil, err
	}
	read := func(pair *[2]jsontext.Value) (a around, err error) {
		if pair == nil {
			return a, errors.New("sep or cls is missing")
		}
		var name string
		if err = strict(pair[0], &name); err == nil {
			err = strict(pair[1], &a.id)
		}
		if a.id < 0 {
			err = fmt.Errorf("token %q has id %d", name, a.id)
		}
		a.ends = endsOf([]rune(name))
		return a, err
	}
	if cls, err = read(c.Cls); err == nil {
		sep, err = read(c.Sep)
	}
	if err == nil && strings.Contains(string(raw), `"BertProcessing"`) && (c.Trim != nil || c.Prefix != nil) {
		err = errors.New("trim_offsets and add_prefix_space are not BERT's")
	}
	return cls, sep, c.Trim, c.Prefix, err
}

// join makes one part of several.
func join(parts ...part) part {
	var out part
	for _, p := range parts {
		for i, id := range p.ids {
			out.add(id, p.spans[i])
			kind := p.kind
			if p.types != nil {
				kind = p.types[i]
			}
			out.types = append(out.types, kind)
		}
		out.ends = append(out.ends, p.ends...)
	}
	return out
}

// bertEnds is BERT's [CLS] A [SEP] B [SEP].
type bertEnds struct{ cls, sep around }

func (b bertEnds) process(parts []part, special bool) []part {
	for i, p := range parts {
		switch {
		case !special:
		case i == 0:
			parts[i] = join(b.cls.part(0), p, b.sep.part(0))
		default:
			parts[i] = join(p, b.sep.part(1))
		}
	}
	return parts
}

// robertaEnds is RoBERTa's <s> A </s></s> B </s>, all of one type.
type robertaEnds struct{ cls, sep around }

func (b robertaEnds) process(parts []part, special bool) []part {
	for i, p := range parts {
		p.kind, p.types = 0, nil
		before := b.cls
		if i > 0 {
			before = b.sep
		}
		if special {
			p = join(before.part(0), p, b.sep.part(0))
			p.types = nil
		}
		parts[i] = p
	}
	return parts
}

// trim takes the white space that tokens have at their ends off their spans.
type trim struct{ prefix bool }

func (t trim) process(parts []part, _ bool) []part {
	for _, p := range parts {
		for i := range p.spans {
			s, e := &p.spans[i], p.ends[i]
			if lead := e.lead; lead > 0 {
				if (i == 0 || s.Start == 0) && t.prefix && lead == 1 {
					lead = 0 // a space that was put in
				}
				s.Start = min(s.Start+lead, s.End)
			}
			if e.trail > 0 && s.End >= e.trail {
				s.End = max(s.End-e.trail, s.Start)
			}
		}
	}
	return parts
}
