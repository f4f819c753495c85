package chat

import (
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// Models of the harmony format write messages: a header with a channel and perhaps a recipient, <|message|>, a body,
// and an end. The channel analysis holds thoughts; a message to functions.NAME is a tool call.

// harmonyMark goes on after a mark that ends a body.
func (p *Parser) harmonyMark(mark, rest string) {
	p.buf, p.header, p.lead, p.space = rest, "", false, ""
	p.state = inHeader
	if mark == "<|channel|>" {
		p.header = mark
	}
}

func (p *Parser) headers(out []Piece, end bool) ([]Piece, bool) {
	at, mark, _ := find(p.buf, 0, end, "<|message|>")
	if at < 0 {
		if !end && len(p.buf) <= 1024 {
			if p.header != "" || p.buf == "" || strings.HasPrefix(p.buf, "<|") || strings.HasPrefix("<|", p.buf) ||
				strings.HasPrefix(p.buf, "assistant") || strings.HasPrefix("assistant", p.buf) {
				return out, false
			}
		}
		// No header after all: an answer without the format around it.
		if strings.TrimSpace(p.buf) == "" || end && strings.HasPrefix(p.header+p.buf, "<|") {
			if end {
				p.buf = ""
			}
			return out, false
		}
		p.state = inContent
		return out, true
	}
	p.header += p.buf[:at]
	p.buf = p.buf[at+len(mark):]
	p.body()
	return out, true
}

// body begins a message's body, as its header says.
func (p *Parser) body() {
	_, isCall := recipient(p.header)
	switch {
	case isCall && p.tools:
		p.state, p.from = inBody, 0
	case strings.Contains(p.header, "<|channel|>analysis"):
		p.state, p.lead = inReasoning, true
	default:
		p.state = inContent
	}
}

// arguments collects a call's arguments.
func (p *Parser) arguments(out []Piece, end bool) ([]Piece, bool) {
	at, mark, safe := find(p.buf, p.from, end, "<|call|>", "<|end|>", "<|return|>", "<|start|>")
	if at < 0 && !end && len(p.buf) <= maxCall {
		p.from = safe
		return out, false
	}
	if at < 0 {
		at = len(p.buf)
	}
	body := strings.TrimSpace(p.buf[:at])
	name, _ := recipient(p.header)
	rest := p.buf[at+len(mark):]
	if body == "" {
		body = "{}"
	}
	if body[0] == '{' && jsontext.Value(body).IsValid() {
		out = p.give(out, []call{{name, body}})
	} else {
		out = p.text(out, p.buf[:at])
	}
	p.harmonyMark(mark, rest)
	return out, rest != ""
}
