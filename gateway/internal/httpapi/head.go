package httpapi

import (
	"bytes"
	"strconv"
)

// refusal is why a message was refused before any handler saw it.
type refusal struct {
	code   code
	detail string
}

// head is what the checked part of one message head says. The zero value is ready for a new head.
type head struct {
	lines      int   // lines seen, the request line included
	http10     bool  // HTTP/1.0
	noBody     bool  // GET, HEAD, TRACE: a body has no meaning
	hasLength  bool  // a Content-Length was seen
	length     int64 // its value
	chunked    bool  // Transfer-Encoding: chunked
	hasHost    bool
	once       uint8
	authority  [maxAuthority]byte // of an absolute-form target, to be compared with Host
	authorityN int
}

// maxAuthority bounds host names: 253 bytes, a port, brackets.
const maxAuthority = 272

// Headers that have one value each; a second one is refused, as two readers would choose differently.
const (
	onceAuthorization = 1 << iota
	onceContentType
	onceContentEncoding
	onceExpect
	onceRequestID
	onceIdempotencyKey
)

const maxHeaderLines = 100

// line takes the next line without its CRLF. An empty line is not given here.
func (h *head) line(b []byte) *refusal {
	h.lines++
	if h.lines == 1 {
		return h.requestLine(b)
	}
	if h.lines > maxHeaderLines {
		return &refusal{codeHeadTooLarge, "the message has too many header fields"}
	}
	return h.field(b)
}

func bad(detail string) *refusal { return &refusal{codeBadRequest, detail} }

// requestLine checks "METHOD SP target SP HTTP/1.x" to the byte.
func (h *head) requestLine(b []byte) *refusal {
	sp := bytes.IndexByte(b, ' ')
	if sp <= 0 || sp > 16 {
		return bad("the request line has no method")
	}
	method, rest := b[:sp], b[sp+1:]
	for _, c := range method {
		if !isToken(c) {
			return bad("the method is not a token")
		}
	}
	sp = bytes.IndexByte(rest, ' ')
	if sp <= 0 {
		return bad("the request line is not method, target and version with one space between")
	}
	target, version := rest[:sp], rest[sp+1:]
	switch string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.http10 = true
	default:
		return bad("the HTTP version is not 1.1 or 1.0")
	}
	m := string(method)
	h.noBody = m == "GET" || m == "HEAD" || m == "TRACE"
	return h.target(m == "OPTIONS", target)
}

// target takes origin-form, absolute-form and, for OPTIONS, "*".
func (h *head) target(options bool, t []byte) *refusal {
	for i, c := range t {
		if c <= ' ' || c >= 0x7f || c == '#' {
			return bad("the request target holds a byte that is not allowed there")
		}
		if c == '%' && (i+2 >= len(t) || !isHex(t[i+1]) || !isHex(t[i+2])) {
			return bad("the request target has a broken percent-encoding")
		}
	}
	switch {
	case t[0] == '/':
		return nil
	case options && len(t) == 1 && t[0] == '*':
		return nil
	}
	i := bytes.Index(t, []byte("://"))
	if i < 0 {
		return bad("the request target is not a path")
	}
	if !equalFold(t[:i], "http") && !equalFold(t[:i], "https") {
		return bad("the scheme of the request target is not http or https")
	}
	authority := t[i+3:]
	if end := bytes.IndexAny(authority, "/?"); end >= 0 {
		authority = authority[:end]
	}
	if !validHost(authority) {
		return bad("the host in the request target is not valid")
	}
	h.authorityN = copy(h.authority[:], authority)
	return nil
}

// field checks one header line.
func (h *head) field(b []byte) *refusal {
	colon := bytes.IndexByte(b, ':')
	if colon <= 0 {
		return bad("a header field has no name or no colon")
	}
	name, value := b[:colon], b[colon+1:]
	for _, c := range name {
		if !isToken(c) {
			return bad("a header field's name is not a token") // folded lines and space before the colon too
		}
	}
	for _, c := range value {
		if c < ' ' && c != '\t' || c == 0x7f {
			return bad("a header field's value holds a control character")
		}
	}
	value = trimSpace(value)
	switch len(name) { // few names matter: look closer by length first
	case 4:
		if equalFold(name, "host") {
			return h.host(value)
		}
	case 6:
		if equalFold(name, "expect") {
			return h.single(onceExpect)
		}
	case 12:
		if equalFold(name, "content-type") {
			return h.single(onceContentType)
		}
		if equalFold(name, "x-request-id") {
			return h.single(onceRequestID)
		}
	case 13:
		if equalFold(name, "authorization") {
			return h.single(onceAuthorization)
		}
	case 14:
		if equalFold(name, "content-length") {
			return h.contentLength(value)
		}
	case 15:
		if equalFold(name, "idempotency-key") {
			return h.single(onceIdempotencyKey)
		}
	case 16:
		if equalFold(name, "content-encoding") {
			return h.single(onceContentEncoding)
		}
	case 17:
		if equalFold(name, "transfer-encoding") {
			return h.transferEncoding(value)
		}
	}
	return nil
}

func (h *head) single(bit uint8) *refusal {
	if h.once&bit != 0 {
		return bad("a header field that has one value is there twice")
	}
	h.once |= bit
	return nil
}

func (h *head) host(v []byte) *refusal {
	if h.hasHost {
		return bad("the message has two Host fields")
	}
	h.hasHost = true
	if !validHost(v) {
		return bad("the Host field is not a host")
	}
	if h.authorityN > 0 && !bytes.EqualFold(v, h.authority[:h.authorityN]) {
		return bad("the request target and the Host field name different hosts")
	}
	return nil
}

func (h *head) contentLength(v []byte) *refusal {
	if h.hasLength {
		return bad("the message has two Content-Length fields")
	}
	h.hasLength = true
	if len(v) == 0 || len(v) > 18 {
		return bad("the Content-Length is not a number")
	}
	for _, c := range v {
		if c < '0' || c > '9' {
			return bad("the Content-Length is not a number")
		}
		h.length = h.length*10 + int64(c-'0')
	}
	return nil
}

func (h *head) transferEncoding(v []byte) *refusal {
	if h.chunked {
		return bad("the message has two Transfer-Encoding fields")
	}
	if !equalFold(v, "chunked") {
		return bad("the Transfer-Encoding is not chunked")
	}
	h.chunked = true
	return nil
}

// end checks what only the whole head can tell.
func (h *head) end() *refusal {
	switch {
	case h.lines == 0:
		return bad("the request line is empty")
	case !h.hasHost && (!h.http10 || h.authorityN > 0):
		return bad("the message has no Host field")
	case h.chunked && h.hasLength:
		return bad("the message has both Content-Length and Transfer-Encoding")
	case h.chunked && h.http10:
		return bad("HTTP/1.0 has no Transfer-Encoding")
	case h.noBody && (h.chunked || h.length > 0):
		return bad("a request with this method carries no body")
	}
	return nil
}

// validHost takes a name, an IPv4 address or a bracketed IPv6 address, with a port or without.
func validHost(b []byte) bool {
	if len(b) == 0 || len(b) > maxAuthority {
		return false
	}
	if b[0] == '[' {
		end := bytes.IndexByte(b, ']')
		if end < 3 {
			return false
		}
		for _, c := range b[1:end] {
			if !isHex(c) && c != ':' && c != '.' {
				return false
			}
		}
		rest := b[end+1:]
		if len(rest) == 0 {
			return true
		}
		if rest[0] != ':' {
			return false
		}
		return validPort(rest[1:])
	}
	name, port, hasPort := bytes.Cut(b, []byte{':'})
	if hasPort && !validPort(port) {
		return false
	}
	if len(name) == 0 {
		return false
	}
	for _, c := range name {
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func validPort(b []byte) bool {
	if len(b) == 0 || len(b) > 5 {
		return false
	}
	n := 0
	for _, c := range b {
		if c < '0' || c > '9' {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return n <= 65535
}

// chunkSize reads a chunk's size line without its CRLF. Extensions are taken and ignored, as HTTP asks.
func chunkSize(b []byte) (int64, *refusal) {
	ext := bytes.IndexByte(b, ';')
	digits := b
	if ext >= 0 {
		digits = b[:ext]
		for _, c := range b[ext:] {
			if c < ' ' && c != '\t' || c >= 0x7f {
				return 0, bad("a chunk's extension holds a byte that is not allowed there")
			}
		}
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, bad("a chunk's size is not a hexadecimal number")
	}
	for _, c := range digits {
		if !isHex(c) {
			return 0, bad("a chunk's size is not a hexadecimal number")
		}
	}
	n, err := strconv.ParseInt(string(digits), 16, 64)
	if err != nil {
		return 0, bad("a chunk's size is not a hexadecimal number")
	}
	return n, nil
}

// trailer checks one line after the last chunk. Fields that frame, route or authenticate have no place there.
func trailer(b []byte) *refusal {
	var h head
	h.lines = 1
	if r := h.field(b); r != nil {
		return r
	}
	if h.hasLength || h.chunked || h.hasHost || h.once != 0 {
		return bad("a trailer field is not allowed there")
	}
	return nil
}

// The bits of the token characters of HTTP, below and above byte 64.
const (
	tokenLow  uint64 = 1<<'!' | 1<<'#' | 1<<'$' | 1<<'%' | 1<<'&' | 1<<'\'' | 1<<'*' | 1<<'+' | 1<<'-' | 1<<'.' | 0x3ff<<'0'
	tokenHigh uint64 = 0x3ffffff<<('A'-64) | 0x3ffffff<<('a'-64) | 1<<('^'-64) | 1<<('_'-64) | 1<<('`'-64) | 1<<('|'-64) | 1<<('~'-64)
)

func isToken(c byte) bool {
	if c < 64 {
		return tokenLow>>c&1 != 0
	}
	return c < 128 && tokenHigh>>(c-64)&1 != 0
}

func isHex(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func isAlnum(c byte) bool {
	return c-'0' <= 9 || c|0x20 >= 'a' && c|0x20 <= 'z'
}

// equalFold compares with an ASCII lower-case string.
func equalFold(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i, c := range b {
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

func trimSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for len(b) > 0 && (b[len(b)-1] == ' ' || b[len(b)-1] == '\t') {
		b = b[:len(b)-1]
	}
	return b
}
