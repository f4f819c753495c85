package text

import (
	"errors"
	"fmt"
	"unicode"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/worker/internal/text/pattern"
	"github.com/penstock-dev/penstock/worker/internal/text/ucd"
)

// normalizer rewrites a line. It appends to out, which is empty and shares nothing with in.
type normalizer interface {
	normalize(in, out *line)
}

// maxNested bounds how deep stages may hold stages.
const maxNested = 16

func newNormalizer(raw jsontext.Value, depth int) (normalizer, error) {
	kind, err := kindOf(raw)
	if err != nil || kind == "" {
		return nil, err
	}
	if depth > maxNested {
		return nil, fmt.Errorf("normalizers are nested deeper than %d", maxNested)
	}
	n, err := normalizerOf(kind, raw, depth)
	if err != nil {
		return nil, fmt.Errorf("normalizer %q: %w", kind, err)
	}
	return n, nil
}

func normalizerOf(kind string, raw jsontext.Value, depth int) (normalizer, error) {
	switch kind {
	case "Sequence":
		return newNormalizers(raw, depth)
	case "BertNormalizer":
		return newBertFrom(raw)
	case "NFC", "NFD", "NFKC", "NFKD":
		return form{compose: kind[2] == 'C' || kind[2] == 'K' && kind[3] == 'C', compatible: kind[2] == 'K'}, bare(raw)
	case "Lowercase":
		return lowercase{}, bare(raw)
	case "StripAccents":
		return stripAccents{}, bare(raw)
	case "Nmt":
		return nmt{}, bare(raw)
	case "ByteLevel":
		return byteLevelNormalizer{}, bare(raw)
	case "Strip":
		c := struct {
			Type  string `json:"type"`
			Left  *bool  `json:"strip_left"`
			Right *bool  `json:"strip_right"`
		}{}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		if c.Left == nil || c.Right == nil {
			return nil, errors.New("strip_left or strip_right is missing")
		}
		return strip{*c.Left, *c.Right}, nil
	case "Prepend":
		var c struct {
			Type    string  `json:"type"`
			Prepend *string `json:"prepend"`
		}
		if err := strict(raw, &c); err != nil {
			return nil, err
		}
		if c.Prepend == nil {
			return nil, errors.New("prepend is missing")
		}
		return prepend([]rune(*c.Prepend)), nil
	case "Replace":
		return newReplace(raw)
	case "Precompiled":
		return newPrecompiled(raw)
	}
	return nil, errors.New("not supported")
}

// bare checks that a stage has no settings.
func bare(raw jsontext.Value) error {
	var c struct {
		Type string `json:"type"`
	}
	return strict(raw, &c)
}

// normalizers apply one after the other.
type normalizers []normalizer

func newNormalizers(raw jsontext.Value, depth int) (normalizer, error) {
	var c struct {
		Type        string           `json:"type"`
		Normalizers []jsontext.Value `json:"normalizers"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	var list normalizers
	for _, r := range c.Normalizers {
		n, err := newNormalizer(r, depth+1)
		if err != nil {
			return nil, err
		}
		if n == nil {
			return nil, errors.New("a normalizer is null")
		}
		list = append(list, n)
	}
	return list, nil
}

func (list normalizers) normalize(in, out *line) {
	if len(list) == 0 {
		in.copyTo(out)
		return
	}
	var spare [2]line
	for i, n := range list[:len(list)-1] {
		next := &spare[i%2]
		next.reset()
		next.shift = in.shift
		n.normalize(in, next)
		in = next
	}
	list[len(list)-1].normalize(in, out)
}

// keep makes a normalizer that only drops and exchanges runes.
func keep(in, out *line, f func(r rune) (rune, bool)) {
	for i, r := range in.runes {
		if r, ok := f(r); ok {
			out.add(r, in.from[i])
		}
	}
}

type lowercase struct{}

func (lowercase) normalize(in, out *line) {
	lower := ucd.Tables()
	for i, r := range in.runes {
		first, second := lower.ToLower(r)
		out.add(first, in.from[i])
		if second != 0 {
			out.add(second, in.from[i])
		}
	}
}

type stripAccents struct{}

func (stripAccents) normalize(in, out *line) {
	marks := ucd.Of(ucd.CombiningMark)
	keep(in, out, func(r rune) (rune, bool) { return r, r < 0x300 || !marks.Has(r) })
}

// nmt cleans as translation models of SentencePiece want it.
type nmt struct{}

func (nmt) normalize(in, out *line) {
	keep(in, out, func(r rune) (rune, bool) {
		switch {
		case r == '\t', r == '\n', r == '\f', r == '\r', r == 0x1680, r >= 0x200B && r <= 0x200F, r == 0x2028,
			r == 0x2029, r == 0x2581, r == 0xFEFF, r == 0xFFFD:
			return ' ', true
		case r >= 1 && r < ' ', r == 0x7F, r == 0x8F, r == 0x9F:
			return 0, false
		}
		return r, true
	})
}

// strip takes white space off the ends.
type strip struct{ left, right bool }

func (s strip) normalize(in, out *line) {
	a, b := 0, len(in.runes)
	for s.left && a < b && unicode.IsSpace(in.runes[a]) {
		a++
	}
	for s.right && b > a && unicode.IsSpace(in.runes[b-1]) {
		b--
	}
	out.runes, out.from = append(out.runes, in.runes[a:b]...), append(out.from, in.from[a:b]...)
}

// prepend puts runes before text that is not empty.
type prepend []rune

func (p prepend) normalize(in, out *line) {
	if len(in.runes) == 0 {
		return
	}
	for _, r := range p {
		out.add(r, in.from[0])
	}
	out.runes, out.from = append(out.runes, in.runes...), append(out.from, in.from...)
	if len(p) == 0 { // the reference then takes the first rune for one that was put in
		out.from[0] = in.before(0)
	}
}

type byteLevelNormalizer struct{}

func (byteLevelNormalizer) normalize(in, out *line) {
	for i, r := range in.runes {
		spellBytes(r, in.from[i], out)
	}
}

// replace puts content in the place of what matches.
type replace struct {
	match   matcher
	content []rune
}

func newReplace(raw jsontext.Value) (*replace, error) {
	var c struct {
		Type    string    `json:"type"`
		Pattern patternOf `json:"pattern"`
		Content *string   `json:"content"`
	}
	if err := strict(raw, &c); err != nil {
		return nil, err
	}
	if c.Content == nil {
		return nil, errors.New("content is missing")
	}
	m, err := c.Pattern.matcher()
	return &replace{m, []rune(*c.Content)}, err
}

func (p *replace) normalize(in, out *line) {
	last := 0
	p.match.each(in.runes, func(a, b int) {
		out.runes, out.from = append(out.runes, in.runes[last:a]...), append(out.from, in.from[last:a]...)
		for _, r := range p.content {
			out.add(r, in.before(b))
		}
		last = b
	})
	out.runes, out.from = append(out.runes, in.runes[last:]...), append(out.from, in.from[last:]...)
}

// patternOf is a pattern as a file holds it: a string or a regular expression.
type patternOf struct {
	String *string `json:"String"`
	Regex  *string `json:"Regex"`
}

// matcher finds a pattern in text, from left to right.
type matcher interface {
	each(text []rune, found func(a, b int))
}

func (p patternOf) matcher() (matcher, error) {
	switch {
	case p.String != nil && p.Regex != nil:
		return nil, errors.New("the pattern is both a string and a regular expression")
	case p.String != nil && *p.String != "":
		return literal([]rune(*p.String)), nil
	case p.String != nil:
		re, err := pattern.Compile("")
		return regex{re}, err
	case p.Regex != nil:
		re, err := pattern.Compile(*p.Regex)
		return regex{re}, err
	}
	return nil, errors.New("the pattern is missing")
}

type regex struct{ re *pattern.Regexp }

func (p regex) each(text []rune, found func(a, b int)) {
	if len(text) > 0 {
		p.re.All(text, found)
	}
}

// literal finds a string, in linear time.
type literal []rune

func (p literal) each(text []rune, found func(a, b int)) {
	n := len(p)
	if n == 1 {
		for i, r := range text {
			if r == p[0] {
				found(i, i+1)
			}
		}
		return
	}
	fail := p.failures()
	k := 0
	for i, r := range text {
		for k > 0 && p[k] != r {
			k = fail[k-1]
		}
		if p[k] == r {
			k++
		}
		if k == n {
			found(i+1-n, i+1)
			k = 0
		}
	}
}

// failures gives for each prefix the longest shorter one that it ends with.
func (p literal) failures() []int {
	fail := make([]int, len(p))
	for i, k := 1, 0; i < len(p); i++ {
		for k > 0 && p[k] != p[i] {
			k = fail[k-1]
		}
		if p[k] == p[i] {
			k++
		}
		fail[i] = k
	}
	return fail
}
