package jinja

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

type kind uint8

const (
	kEOF kind = iota
	kData
	kBlockBegin
	kBlockEnd
	kVarBegin
	kVarEnd
	kName
	kString
	kInt
	kFloat
	kOp
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	switch t.kind {
	case kEOF:
		return "end of template"
	case kData:
		return "template data"
	case kBlockBegin:
		return "begin of statement block"
	case kBlockEnd:
		return "end of statement block"
	case kVarBegin:
		return "begin of print statement"
	case kVarEnd:
		return "end of print statement"
	case kString:
		return "string"
	default:
		return t.text
	}
}

type lexer struct {
	src       string
	pos       int
	line      int
	out       []token
	lineStart bool
	open      []byte // closing brackets that are awaited
}

// isSpace is Python's str.isspace for one code point, and its \s.
func isSpace(r rune) bool {
	return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f
}

// tokenize splits a template into tokens, with blocks trimmed and stripped as Transformers has it.
func tokenize(src string) ([]token, error) {
	src = strings.ReplaceAll(strings.ReplaceAll(src, "\r\n", "\n"), "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(src, "\n"), line: 1, lineStart: true}
	for l.pos < len(l.src) {
		if err := l.root(); err != nil {
			return nil, err
		}
	}
	l.emit(kEOF, "")
	return l.out, nil
}

func (l *lexer) emit(k kind, s string) { l.out = append(l.out, token{k, s, l.line}) }

func (l *lexer) fail(format string, a ...any) error {
	return &Error{Kind: Syntax, Line: l.line, Msg: fmt.Sprintf(format, a...)}
}

// move goes on to byte to, counting lines.
func (l *lexer) move(to int) {
	l.line += strings.Count(l.src[l.pos:to], "\n")
	if to > l.pos {
		l.lineStart = l.src[to-1] == '\n'
	}
	l.pos = to
}

func (l *lexer) data(s string) {
	if s != "" {
		l.emit(kData, s)
	}
}

// root reads text up to the next tag and that tag.
func (l *lexer) root() error {
	next := -1
	for i := l.pos; i+1 < len(l.src); i++ {
		j := strings.IndexByte(l.src[i:], '{')
		if j < 0 || i+j+1 >= len(l.src) {
			break
		}
		i += j
		if c := l.src[i+1]; c == '%' || c == '{' || c == '#' {
			next = i
			break
		}
	}
	if next < 0 {
		l.data(l.src[l.pos:])
		l.move(len(l.src))
		return nil
	}
	text, tag := l.src[l.pos:next], l.src[next+1]
	p := next + 2
	var sign byte
	if p < len(l.src) && (l.src[p] == '-' || l.src[p] == '+') {
		sign = l.src[p]
		p++
	}
	l.data(l.strip(text, sign, tag))
	l.move(p)
	switch tag {
	case '#':
		return l.comment()
	case '{':
		l.emit(kVarBegin, "")
		return l.tag("}}", kVarEnd)
	}
	if end, ok := l.rawBegin(); ok {
		l.move(end)
		return l.raw()
	}
	l.emit(kBlockBegin, "")
	return l.tag("%}", kBlockEnd)
}

// strip takes from the text before a tag what its sign, or lstrip_blocks, takes away.
func (l *lexer) strip(text string, sign, tag byte) string {
	switch {
	case sign == '-':
		return strings.TrimRightFunc(text, isSpace)
	case sign == '+' || tag == '{':
		return text
	}
	at := strings.LastIndexByte(text, '\n') + 1
	if (at > 0 || l.lineStart) && strings.TrimLeftFunc(text[at:], isSpace) == "" {
		return text[:at]
	}
	return text
}

// skip goes past a tag's end; minus also takes the white space after it, and a block's end one line break.
func (l *lexer) skip(end int, sign byte, newline bool) {
	switch {
	case sign == '-':
		rest := l.src[end:]
		end += len(rest) - len(strings.TrimLeftFunc(rest, isSpace))
	case sign != '+' && newline && end < len(l.src) && l.src[end] == '\n':
		end++
	}
	l.move(end)
}

func (l *lexer) comment() error {
	e := strings.Index(l.src[l.pos:], "#}")
	if e < 0 {
		return l.fail("Missing end of comment tag")
	}
	e += l.pos
	var sign byte
	if e > l.pos && (l.src[e-1] == '-' || l.src[e-1] == '+') {
		sign = l.src[e-1]
	}
	l.skip(e+2, sign, true)
	return nil
}

// rawBegin says whether the block that has just begun is {% raw %}, and where its end is.
func (l *lexer) rawBegin() (int, bool) {
	rest := strings.TrimLeftFunc(l.src[l.pos:], isSpace)
	rest, ok := strings.CutPrefix(rest, "raw")
	if !ok {
		return 0, false
	}
	rest = strings.TrimLeftFunc(rest, isSpace)
	if r, ok := strings.CutPrefix(rest, "-%}"); ok {
		return len(l.src) - len(strings.TrimLeftFunc(r, isSpace)), true
	}
	r, ok := strings.CutPrefix(rest, "%}")
	return len(l.src) - len(r), ok
}

func (l *lexer) raw() error {
	for from := l.pos; ; {
		i := strings.Index(l.src[from:], "{%")
		if i < 0 {
			return l.fail("Missing end of raw directive")
		}
		begin := from + i
		from = begin + 2
		rest := l.src[from:]
		var sign, endSign byte
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			sign, rest = rest[0], rest[1:]
		}
		rest, ok := strings.CutPrefix(strings.TrimLeftFunc(rest, isSpace), "endraw")
		if !ok {
			continue
		}
		rest = strings.TrimLeftFunc(rest, isSpace)
		if rest != "" && (rest[0] == '-' || rest[0] == '+') {
			endSign, rest = rest[0], rest[1:]
		}
		if !strings.HasPrefix(rest, "%}") {
			continue
		}
		l.data(l.strip(l.src[l.pos:begin], sign, '%'))
		l.move(begin)
		l.skip(len(l.src)-len(rest)+2, endSign, true)
		return nil
	}
}

// tag reads the tokens of a tag up to its end.
func (l *lexer) tag(end string, k kind) error {
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		if len(l.open) == 0 {
			switch {
			case strings.HasPrefix(rest, end):
				l.emit(k, "")
				l.skip(l.pos+2, 0, k == kBlockEnd)
				return nil
			case rest[0] == '-' && strings.HasPrefix(rest[1:], end):
				l.emit(k, "")
				l.skip(l.pos+3, '-', false)
				return nil
			case k == kBlockEnd && rest[0] == '+' && strings.HasPrefix(rest[1:], end):
				l.emit(k, "")
				l.move(l.pos + 3)
				return nil
			}
		}
		if err := l.inTag(rest); err != nil {
			return err
		}
	}
	return nil // the parser finds the end of the template where it wants the tag's
}

func (l *lexer) inTag(rest string) error {
	r, _ := utf8.DecodeRuneInString(rest)
	if isSpace(r) {
		l.move(len(l.src) - len(strings.TrimLeftFunc(rest, isSpace)))
		return nil
	}
	if n, k := scanNumber(rest, l.pos > 0 && l.src[l.pos-1] == '.'); n > 0 {
		l.emit(k, strings.ReplaceAll(rest[:n], "_", ""))
		l.move(l.pos + n)
		return nil
	}
	if n := scanName(rest); n > 0 {
		if unicode.IsDigit(r) || unicode.IsMark(r) {
			return l.fail("Invalid character in identifier")
		}
		l.emit(kName, rest[:n])
		l.move(l.pos + n)
		return nil
	}
	if r == '"' || r == '\'' {
		return l.str(rest)
	}
	return l.operator(rest, r)
}

func (l *lexer) operator(rest string, r rune) error {
	n := 0
	if len(rest) > 1 {
		switch rest[:2] {
		case "//", "**", "==", "!=", ">=", "<=":
			n = 2
		}
	}
	if n == 0 && strings.IndexByte("+-/*%~[](){}><=.:|,;", rest[0]) >= 0 {
		n = 1
	}
	if n == 0 {
		return l.fail("unexpected char %s", strconv.QuoteRune(r))
	}
	switch c := rest[0]; c {
	case '(':
		l.open = append(l.open, ')')
	case '[':
		l.open = append(l.open, ']')
	case '{':
		l.open = append(l.open, '}')
	case ')', ']', '}':
		last := len(l.open) - 1
		if last < 0 {
			return l.fail("unexpected '%c'", c)
		}
		if l.open[last] != c {
			return l.fail("unexpected '%c', expected '%c'", c, l.open[last])
		}
		l.open = l.open[:last]
	}
	l.emit(kOp, rest[:n])
	l.move(l.pos + n)
	return nil
}

func (l *lexer) str(rest string) error {
	q := rest[0]
	for i := 1; i < len(rest); i++ {
		switch rest[i] {
		case '\\':
			i++
		case q:
			s, err := unescape(rest[1:i])
			if err != nil {
				return l.fail("%s", err)
			}
			l.emit(kString, s)
			l.move(l.pos + i + 1)
			return nil
		}
	}
	return l.fail("unexpected char %q", string(q))
}

func scanName(s string) int {
	for i, r := range s {
		if r != '_' && !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) {
			return i
		}
	}
	return len(s)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// scanDigits reads digits with single underscores between them.
func scanDigits(s string, digit func(byte) bool) int {
	n := 0
	for n < len(s) {
		switch {
		case digit(s[n]):
			n++
		case s[n] == '_' && n > 0 && n+1 < len(s) && digit(s[n+1]):
			n += 2
		default:
			return n
		}
	}
	return n
}

// scanNumber gives the length of the number at the start of s; after a dot there are only integers.
func scanNumber(s string, afterDot bool) (int, kind) {
	if !isDigit(s[0]) {
		return 0, kInt
	}
	n := scanDigits(s, isDigit)
	if !afterDot {
		m := n
		if m+1 < len(s) && s[m] == '.' && isDigit(s[m+1]) {
			m += 1 + scanDigits(s[m+1:], isDigit)
		}
		if e := scanExponent(s[m:]); e > 0 {
			return m + e, kFloat
		}
		if m > n {
			return m, kFloat
		}
	}
	if s[0] != '0' {
		return n, kInt
	}
	if len(s) > 2 {
		var digit func(byte) bool
		switch s[1] | 0x20 {
		case 'b':
			digit = func(c byte) bool { return c == '0' || c == '1' }
		case 'o':
			digit = func(c byte) bool { return c >= '0' && c <= '7' }
		case 'x':
			digit = func(c byte) bool { c |= 0x20; return isDigit(c) || c >= 'a' && c <= 'f' }
		}
		if digit != nil {
			body := strings.TrimPrefix(s[2:], "_")
			if m := scanDigits(body, digit); m > 0 {
				return len(s) - len(body) + m, kInt
			}
		}
	}
	return scanDigits(s, func(c byte) bool { return c == '0' }), kInt
}

func scanExponent(s string) int {
	if len(s) < 2 || s[0]|0x20 != 'e' {
		return 0
	}
	i := 1
	if s[i] == '+' || s[i] == '-' {
		i++
	}
	n := scanDigits(s[i:], isDigit)
	if n == 0 {
		return 0
	}
	return i + n
}
