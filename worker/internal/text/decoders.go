package text

import (
	"strings"
	"unicode/utf8"
)

// spaced is what is done where there is no decoder: a space between tokens.
type spaced struct{}

func (spaced) joins() bool                { return false }
func (spaced) whole() bool                { return false }
func (spaced) middle(token []byte) []byte { return append([]byte{' '}, token...) }
func (spaced) begin(next sink) sink       { return &spacedSink{next: next} }

type spacedSink struct {
	next sink
	any  bool
}

func (s *spacedSink) put(text string, first bool) {
	if first && s.any {
		text = " " + text
	}
	s.any = true
	s.next.put(text, first)
}

func (s *spacedSink) end() { s.next.end() }

// fuse makes one token of all.
type fuse struct{}

func (fuse) joins() bool                { return true }
func (fuse) whole() bool                { return false }
func (fuse) middle(token []byte) []byte { return token }
func (fuse) begin(next sink) sink       { return &fuseSink{next: next} }

type fuseSink struct {
	next sink
	any  bool
}

func (s *fuseSink) put(text string, _ bool) {
	s.next.put(text, !s.any)
	s.any = true
}

func (s *fuseSink) end() {
	if !s.any {
		s.next.put("", true)
	}
	s.next.end()
}

// lettersToBytes undoes the letters for bytes of byte-level vocabularies. A token with other letters is taken as it is.
type lettersToBytes struct{}

func (lettersToBytes) joins() bool { return true }
func (lettersToBytes) whole() bool { return true }

func (lettersToBytes) middle(token []byte) []byte { return unspell(nil, string(token)) }

func unspell(b []byte, token string) []byte {
	n := len(b)
	for _, r := range token {
		c, ok := runeByte(r)
		if !ok {
			return append(b[:n], token...)
		}
		b = append(b, c)
	}
	return b
}

func (lettersToBytes) begin(next sink) sink { return &lettersSink{next: next} }

type lettersSink struct {
	next  sink
	any   bool
	bytes []byte // of a character that is not complete
}

func (s *lettersSink) put(text string, _ bool) {
	s.bytes = unspell(s.bytes, text)
	n := complete(s.bytes)
	s.give(s.bytes[:n])
	s.bytes = append(s.bytes[:0], s.bytes[n:]...)
}

func (s *lettersSink) give(b []byte) {
	s.next.put(lossy(b), !s.any)
	s.any = true
}

func (s *lettersSink) end() {
	if len(s.bytes) > 0 || !s.any {
		s.give(s.bytes)
	}
	s.next.end()
}

// complete is how much of b does not wait for more bytes.
func complete(b []byte) int {
	for back := 1; back <= min(3, len(b)); back++ {
		if c := b[len(b)-back]; c >= 0xC0 {
			tail := b[len(b)-back:]
			if !utf8.FullRune(tail) {
				return len(b) - back
			}
			break
		} else if c < 0x80 {
			break
		}
	}
	return len(b)
}

// lossy makes text of bytes; each sequence that no character begins with, as far as one could have, becomes one U+FFFD.
func lossy(b []byte) string {
	if utf8.Valid(b) {
		return string(b)
	}
	var out strings.Builder
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			for n < len(b) && n < 4 && !utf8.FullRune(b[:n]) && !utf8.FullRune(b[:n+1]) {
				n++
			}
			// b[:n] could begin a character, or is one byte that could not.
			out.WriteString("\uFFFD")
			b = b[n:]
			continue
		}
		out.Write(b[:n])
		b = b[n:]
	}
	return out.String()
}

// codesToBytes turns tokens such as <0xE4> into bytes; a row of them that is no text becomes a U+FFFD each.
type codesToBytes struct{}

func (codesToBytes) joins() bool { return false }
func (codesToBytes) whole() bool { return true }

func (codesToBytes) middle(token []byte) []byte {
	if b, ok := byteCode(string(token)); ok {
		return []byte{b}
	}
	return token
}

func byteCode(s string) (byte, bool) {
	if len(s) != 6 || s[:3] != "<0x" || s[5] != '>' {
		return 0, false
	}
	if s[3] == '+' { // a sign is a digit to the reference
		lo, ok := hexDigit(s[4])
		return lo, ok
	}
	hi, ok := hexDigit(s[3])
	lo, ok2 := hexDigit(s[4])
	return hi<<4 | lo, ok && ok2
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c|0x20 >= 'a' && c|0x20 <= 'f':
		return c | 0x20 - 'a' + 10, true
	}
	return 0, false
}

func (codesToBytes) begin(next sink) sink { return &codesSink{next: next} }

type codesSink struct {
	next  sink
	bytes []byte
}

func (s *codesSink) put(text string, first bool) {
	if b, ok := byteCode(text); ok {
		s.bytes = append(s.bytes, b)
		return
	}
	s.flush()
	s.next.put(text, first)
}

func (s *codesSink) flush() {
	if utf8.Valid(s.bytes) {
		if len(s.bytes) > 0 {
			s.next.put(string(s.bytes), true)
		}
	} else {
		for range s.bytes {
			s.next.put("\uFFFD", true)
		}
	}
	s.bytes = s.bytes[:0]
}

func (s *codesSink) end() {
	s.flush()
	s.next.end()
}

// perToken is a stage that changes each token by itself.
type perToken struct{ change changer }

// changer changes a token; its number is 0 for the first.
type changer interface {
	change(token string, number int) string
}

func (perToken) joins() bool { return false }
func (perToken) whole() bool { return true }

func (p perToken) middle(token []byte) []byte { return []byte(p.change.change(string(token), 1)) }

func (p perToken) begin(next sink) sink { return &perTokenSink{next: next, change: p.change} }

type perTokenSink struct {
	next   sink
	change changer
	number int
}

func (s *perTokenSink) put(text string, first bool) {
	s.next.put(s.change.change(text, s.number), first)
	s.number = 1
}

func (s *perTokenSink) end() { s.next.end() }

// unmark makes Metaspace's marks spaces again, but for those of the first token where one was put in.
type unmark struct {
	mark rune
	drop bool
}

func (u unmark) change(token string, number int) string {
	to := " "
	if number == 0 && u.drop {
		to = ""
	}
	return strings.ReplaceAll(token, string(u.mark), to)
}

// unprefix joins WordPiece's tokens to words, with spaces between.
type unprefix struct {
	prefix string
	clean  bool
}

func (u unprefix) change(token string, number int) string {
	if number > 0 {
		if rest, ok := strings.CutPrefix(token, u.prefix); ok {
			token = rest
		} else {
			token = " " + token
		}
	}
	if u.clean {
		token = cleanUp(token)
	}
	return token
}

// cleanUp takes back spaces that English is not written with.
func cleanUp(s string) string {
	if !strings.Contains(s, " ") {
		return s
	}
	for _, x := range [...][2]string{
		{" .", "."},
		{" ?", "?"},
		{" !", "!"},
		{" ,", ","},
		{" ' ", "'"},
		{" n't", "n't"},
		{" 'm", "'m"},
		{" do not", " don't"},
		{" 's", "'s"},
		{" 've", "'ve"},
		{" 're", "'re"},
	} {
		s = strings.ReplaceAll(s, x[0], x[1])
	}
	return s
}

// reword replaces what matches.
type reword struct {
	match matcher
	with  string
}

func (w reword) change(token string, _ int) string {
	if p, ok := w.match.(literal); ok {
		return strings.ReplaceAll(token, string(p), w.with)
	}
	text := []rune(token)
	var out []byte
	last := 0
	w.match.each(text, func(a, b int) {
		out = append(appendRunes(out, text[last:a]), w.with...)
		last = b
	})
	return string(appendRunes(out, text[last:]))
}

// unsuffix makes the mark at the ends of words a space, and nothing at the end of the text.
type unsuffix struct{ suffix string }

func (unsuffix) joins() bool { return false }
func (unsuffix) whole() bool { return true }

func (u unsuffix) middle(token []byte) []byte {
	return []byte(strings.ReplaceAll(string(token), u.suffix, " "))
}

func (u unsuffix) begin(next sink) sink { return &unsuffixSink{next: next, suffix: u.suffix} }

type unsuffixSink struct {
	next   sink
	suffix string
	held   string // a token that could be the last
	open   bool
}

func (s *unsuffixSink) put(text string, _ bool) {
	s.release(" ")
	if !strings.Contains(text, s.suffix) {
		s.next.put(text, true)
		return
	}
	s.held, s.open = text, true
}

func (s *unsuffixSink) release(with string) {
	if s.open {
		s.next.put(strings.ReplaceAll(s.held, s.suffix, with), true)
	}
	s.open = false
}

func (s *unsuffixSink) end() {
	s.release("")
	s.next.end()
}

// ctc drops repeated tokens and padding.
type ctc struct {
	pad, word string
	clean     bool
}

func (ctc) joins() bool { return false }
func (ctc) whole() bool { return true }

func (c ctc) middle(token []byte) []byte { return []byte(c.change(string(token))) }

func (c ctc) change(token string) string {
	token = strings.ReplaceAll(token, c.pad, "")
	if c.clean {
		token = strings.ReplaceAll(cleanUp(token), c.word, " ")
	}
	return token
}

func (c ctc) begin(next sink) sink { return &ctcSink{next: next, ctc: c} }

type ctcSink struct {
	ctc
	next sink
	last string
	any  bool
}

func (s *ctcSink) put(text string, _ bool) {
	if s.any && text == s.last {
		return
	}
	s.any, s.last = true, text
	if text = s.change(text); text != "" {
		s.next.put(text, true)
	}
}

func (s *ctcSink) end() { s.next.end() }

// cutEnds takes a character off the ends of each token, so many times at most.
type cutEnds struct {
	content     string
	start, stop int
}

func (cutEnds) joins() bool { return false }
func (cutEnds) whole() bool { return false }

func (c cutEnds) middle(token []byte) []byte { return token }

func (c cutEnds) begin(next sink) sink { return &cutSink{cutEnds: c, next: next} }

type cutSink struct {
	cutEnds
	next  sink
	open  bool
	left  int    // how many to take off the beginning still
	held  string // what may be the end
	fresh bool   // nothing of this token was given on
}

func (s *cutSink) put(text string, first bool) {
	if first {
		s.finish()
		s.open, s.left, s.fresh = true, s.start, true
	}
	for s.left > 0 && text != "" {
		rest, ok := strings.CutPrefix(text, s.content)
		if !ok {
			s.left = 0
			break
		}
		text = rest
		s.left--
	}
	text = s.held + text
	end := len(text)
	for n := 0; n < s.stop && strings.HasSuffix(text[:end], s.content); n++ {
		end -= len(s.content)
	}
	s.held = text[end:]
	if end > 0 {
		s.give(text[:end])
	}
}

func (s *cutSink) give(text string) {
	s.next.put(text, s.fresh)
	s.fresh = false
}

// finish ends a token: what is held is cut off.
func (s *cutSink) finish() {
	if s.open && s.fresh {
		s.give("")
	}
	s.open, s.held = false, ""
}

func (s *cutSink) end() {
	s.finish()
	s.next.end()
}
