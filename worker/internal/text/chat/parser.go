package chat

import "strings"

// PieceKind says what a piece of an answer is.
type PieceKind uint8

// The kinds of pieces.
const (
	Content   PieceKind = iota + 1 // text for the user
	Reasoning                      // the model's thoughts
	CallBegin                      // a tool call begins: Name and Call are set
	CallArgs                       // its arguments, JSON text
)

// Piece is a part of an answer, in order.
type Piece struct {
	Kind PieceKind
	Text string
	Name string // the function's, of CallBegin
	Call int    // which call, from 0
}

// maxCall bounds the text of a tool call; a longer one is text.
const maxCall = 256 << 10

// Parser reads the text that a model writes, as it comes. It gives text on as soon as it is certain not to begin a mark
// or a tool call; a tool call comes when it is complete, and what turns out to be none comes as text.
type Parser struct {
	st    style
	tools bool
	buf   string
	state state
	in    *block  // the call that is being collected
	at    *anchor // likewise
	from  int     // where in buf its end may begin
	calls int

	began  bool   // content has begun: white space before it is dropped after thoughts
	lead   bool   // drop white space that comes next
	space  string // white space at the end of thoughts so far
	header string // of a harmony message
}

type state uint8

const (
	inContent state = iota
	inReasoning
	inCall
	inAnchor
	inHeader // harmony: before <|message|>
	inBody   // harmony: a call's arguments
)

// NewParser makes a parser for the answer to a prompt that the template rendered. tools says that the request has
// tools; without, a tool call is text.
func NewParser(t *Template, prompt string, tools bool) *Parser {
	p := &Parser{st: t.style, tools: tools}
	tail := strings.TrimRight(prompt, " \t\r\n")
	switch {
	case p.st.harmony:
		p.state = inHeader
		if i := strings.LastIndex(tail, "<|start|>assistant"); i >= 0 {
			p.header = tail[i+len("<|start|>assistant"):]
			if _, after, ok := strings.Cut(p.header, "<|message|>"); ok && after == "" {
				p.header = strings.TrimSuffix(p.header, "<|message|>")
				p.body()
			}
		} else {
			p.state = inContent
		}
	case p.st.open != "" && strings.HasSuffix(tail, p.st.open):
		p.state, p.lead = inReasoning, true
	}
	return p
}

// Next takes more of the answer.
func (p *Parser) Next(s string) []Piece {
	p.buf += s
	return p.run(nil, false)
}

// End says that the answer is complete, and gives what was held back.
func (p *Parser) End() []Piece {
	out := p.run(nil, true)
	p.buf = ""
	return out
}

func (p *Parser) run(out []Piece, end bool) []Piece {
	for {
		var more bool
		switch p.state {
		case inContent:
			out, more = p.content(out, end)
		case inReasoning:
			out, more = p.reasoning(out, end)
		case inCall:
			out, more = p.collect(out, end)
		case inAnchor:
			out, more = p.anchored(out, end)
		case inHeader:
			out, more = p.headers(out, end)
		default:
			out, more = p.arguments(out, end)
		}
		if !more {
			return out
		}
	}
}

// find looks for the first of marks in buf from byte from on. Where there is none, safe is how much of buf cannot be
// part of one.
func find(buf string, from int, end bool, marks ...string) (at int, mark string, safe int) {
	at = -1
	for _, m := range marks {
		if m == "" {
			continue
		}
		if i := strings.Index(buf[from:], m); i >= 0 && (at < 0 || from+i < at) {
			at, mark = from+i, m
		}
	}
	if at >= 0 {
		return at, mark, at
	}
	safe = len(buf)
	if end {
		return -1, "", safe
	}
	for _, m := range marks {
		for n := min(len(m)-1, len(buf)-from); n > 0; n-- {
			if buf[len(buf)-n:] == m[:n] {
				safe = min(safe, len(buf)-n)
				break
			}
		}
	}
	return -1, "", safe
}

func (p *Parser) marks() []string {
	if p.st.harmony {
		return []string{"<|end|>", "<|return|>", "<|start|>", "<|channel|>", "<|call|>"}
	}
	out := append([]string(nil), p.st.quiet...)
	if !p.began || p.lead {
		out = append(out, p.st.open)
	}
	if p.tools {
		for i := range p.st.blocks {
			out = append(out, p.st.blocks[i].begin)
		}
	}
	return out
}

func (p *Parser) content(out []Piece, end bool) ([]Piece, bool) {
	if p.lead && !p.began {
		t := strings.TrimLeft(p.buf, " \t\r\n")
		if t == "" {
			if end {
				p.buf = ""
			}
			return out, false
		}
		p.buf = t
	}
	if p.tools && !p.began && !end {
		for i := range p.st.anchored {
			if a := &p.st.anchored[i]; p.buf != "" && a.may(p.buf) {
				p.state, p.at = inAnchor, a
				return out, true
			}
		}
	} else if p.tools && !p.began {
		for _, a := range p.st.anchored {
			if calls, ok := a.parse(p.buf); ok {
				p.buf = ""
				return p.give(out, calls), false
			}
		}
	}
	at, mark, safe := find(p.buf, 0, end, p.marks()...)
	text := p.buf[:safe]
	if mark == p.st.open && mark != "" && strings.TrimSpace(text) != "" {
		// Thoughts come first; later the mark is something the model tells of.
		text = p.buf[:at+len(mark)]
		p.began = true
		out = p.text(out, text)
		p.buf = p.buf[len(text):]
		return out, true
	}
	blank := !p.began && strings.TrimSpace(text) == ""
	if mark == "" {
		if blank && !end && p.st.open != "" {
			return out, false // white space that thoughts may follow
		}
		out = p.text(out, text)
		p.buf = p.buf[len(text):]
		return out, false
	}
	if blank {
		text = "" // white space before thoughts or a call
	}
	out = p.text(out, text)
	rest := p.buf[at+len(mark):]
	p.begin(mark, at, rest)
	return out, true
}

// begin goes into what a mark in the content begins.
func (p *Parser) begin(mark string, at int, rest string) {
	switch {
	case p.st.harmony:
		p.harmonyMark(mark, rest)
		return
	case mark == p.st.open:
		p.state, p.lead, p.buf = inReasoning, true, rest
		return
	}
	for i := range p.st.blocks {
		if b := &p.st.blocks[i]; b.begin == mark {
			p.state, p.in, p.buf, p.from = inCall, b, p.buf[at:], len(mark)
			return
		}
	}
	p.buf = rest // a quiet mark
}

// text gives content, white space included once there is more than that.
func (p *Parser) text(out []Piece, s string) []Piece {
	if s == "" {
		return out
	}
	if strings.TrimSpace(s) != "" {
		p.began, p.lead = true, false
	}
	return append(out, Piece{Kind: Content, Text: s})
}

func (p *Parser) reasoning(out []Piece, end bool) ([]Piece, bool) {
	marks := []string{p.st.close}
	if p.st.harmony {
		marks = p.marks()
	}
	at, mark, safe := find(p.buf, 0, end, marks...)
	s := p.buf[:safe]
	p.buf = p.buf[safe:]
	if p.lead {
		if s = strings.TrimLeft(s, " \t\r\n"); s != "" {
			p.lead = false
		}
	}
	s = p.space + s
	t := strings.TrimRight(s, " \t\r\n")
	p.space = s[len(t):]
	if t != "" {
		out = append(out, Piece{Kind: Reasoning, Text: t})
	}
	if at < 0 {
		return out, false
	}
	p.space = ""
	rest := p.buf[len(mark):]
	if p.st.harmony {
		p.harmonyMark(mark, rest)
		return out, true
	}
	p.state, p.buf, p.lead, p.began = inContent, rest, true, false
	return out, true
}

// collect waits for the end of a tool call.
func (p *Parser) collect(out []Piece, end bool) ([]Piece, bool) {
	b := p.in
	var at int
	if b.end == "" {
		if !end && len(p.buf) <= maxCall {
			return out, false
		}
		at = len(p.buf)
	} else {
		i, _, safe := find(p.buf, p.from, end, b.end)
		if i < 0 && !end && len(p.buf) <= maxCall {
			p.from = max(p.from, min(safe, len(p.buf)))
			return out, false
		}
		at = i
		if i < 0 {
			at = len(p.buf)
		}
	}
	body := p.buf[:at]
	if !b.keep {
		body = body[len(b.begin):]
	}
	calls, ok := b.parse(body)
	p.state, p.in = inContent, nil
	if !ok {
		// The mark is text; what comes after it may hold another one.
		out = p.text(out, p.buf[:len(b.begin)])
		p.buf = p.buf[len(b.begin):]
		return out, true
	}
	p.buf = p.buf[min(at+len(b.end), len(p.buf)):]
	p.lead, p.began = true, false
	return p.give(out, calls), true
}

func (p *Parser) anchored(out []Piece, end bool) ([]Piece, bool) {
	if !end && len(p.buf) <= maxCall && p.at.may(p.buf) {
		return out, false
	}
	a := p.at
	p.state, p.at = inContent, nil
	if calls, ok := a.parse(p.buf); ok {
		p.buf = ""
		return p.give(out, calls), false
	}
	p.began = true
	return out, true
}

func (p *Parser) give(out []Piece, calls []call) []Piece {
	for _, c := range calls {
		out = append(out, Piece{Kind: CallBegin, Name: c.name, Call: p.calls},
			Piece{Kind: CallArgs, Text: c.args, Call: p.calls})
		p.calls++
	}
	return out
}
