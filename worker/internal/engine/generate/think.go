package generate

import "strings"

// What a thought stands between.
const (
	thinkOpen  = "<think>"
	thinkClose = "</think>"
)

// thinker is a splitter that takes the thought off an answer's beginning.
type thinker struct {
	state thinkState
	begun bool   // some of the thought has been told
	held  string // what may be the beginning of a tag, or white space at an end
	out   [2]piece
}

type thinkState uint8

const (
	thinkMay   thinkState = iota // nothing has come but white space
	thinkOn                      // within the thought
	thinkAfter                   // white space after it
	thinkNo                      // the text
)

func (t *thinker) thinking() bool { return t.state == thinkOn }

func (t *thinker) add(text string) []piece {
	if text == "" {
		return nil
	}
	t.held += text
	out := t.out[:0]
	if t.state == thinkMay {
		t.begin()
	}
	if t.state == thinkOn {
		if s := t.thought(); s != "" {
			out = append(out, piece{reasoning: s})
		}
	}
	if t.state == thinkAfter {
		if t.held = strings.TrimLeft(t.held, " \r\n\t"); t.held != "" {
			t.state = thinkNo
		}
	}
	if t.state == thinkNo && t.held != "" {
		out = append(out, piece{text: t.held})
		t.held = ""
	}
	return out
}

// begin tells whether the answer begins with a thought, once that is certain.
func (t *thinker) begin() {
	trimmed := strings.TrimLeft(t.held, " \r\n\t")
	switch rest, found := strings.CutPrefix(trimmed, thinkOpen); {
	case found:
		t.state, t.held = thinkOn, rest
	case !strings.HasPrefix(thinkOpen, trimmed):
		t.state = thinkNo
	}
}

// thought gives what is certain of the thought, without white space at its ends.
func (t *thinker) thought() string {
	if !t.begun {
		t.held = strings.TrimLeft(t.held, " \r\n\t")
	}
	s, rest, found := strings.Cut(t.held, thinkClose)
	if found {
		t.state, t.held = thinkAfter, rest
		return strings.TrimRight(s, " \r\n\t")
	}
	keep := 0
	for n := 1; n < len(thinkClose); n++ {
		if strings.HasSuffix(s, thinkClose[:n]) {
			keep = n
		}
	}
	s = strings.TrimRight(s[:len(s)-keep], " \r\n\t")
	t.held = t.held[len(s):]
	t.begun = t.begun || s != ""
	return s
}

func (t *thinker) flush() []piece {
	out := t.out[:0]
	switch t.state {
	case thinkOn:
		if s := strings.TrimRight(t.held, " \r\n\t"); s != "" {
			out = append(out, piece{reasoning: s})
		}
	case thinkMay:
		if t.held != "" {
			out = append(out, piece{text: t.held})
		}
	case thinkAfter, thinkNo:
	}
	t.held = ""
	return out
}
