package jinja

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// unescape reads a string literal's body as Python's unicode-escape codec does after everything outside ASCII has been
// escaped: so a backslash before such a character escapes that escape's backslash.
func unescape(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s, nil
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			i++
			continue
		}
		if i+1 >= len(s) {
			return "", errors.New("\\ at end of string")
		}
		n, err := unescapeOne(&b, s[i+1:])
		if err != nil {
			return "", err
		}
		i += 1 + n
	}
	return b.String(), nil
}

// unescapeOne handles what follows a backslash and says how many bytes that was.
func unescapeOne(b *strings.Builder, s string) (int, error) {
	c := s[0]
	if i := strings.IndexByte("abfnrtv", c); i >= 0 {
		b.WriteByte("\a\b\f\n\r\t\v"[i])
		return 1, nil
	}
	switch c {
	case '\n':
		return 1, nil
	case '\\', '\'', '"':
		b.WriteByte(c)
		return 1, nil
	case 'x':
		return hexEscape(b, s, 2)
	case 'u':
		return hexEscape(b, s, 4)
	case 'U':
		return hexEscape(b, s, 8)
	case 'N':
		return 0, errors.New("characters by name are not supported")
	}
	if c >= '0' && c <= '7' {
		n := 1
		for n < 3 && n < len(s) && s[n] >= '0' && s[n] <= '7' {
			n++
		}
		v, _ := strconv.ParseUint(s[:n], 8, 32)
		b.WriteRune(rune(v)) //nolint:gosec // three octal digits
		return n, nil
	}
	b.WriteByte('\\')
	if c < 0x80 {
		b.WriteByte(c)
		return 1, nil
	}
	r, n := utf8.DecodeRuneInString(s)
	switch {
	case r < 0x100:
		fmt.Fprintf(b, "x%02x", r)
	case r < 0x10000:
		fmt.Fprintf(b, "u%04x", r)
	default:
		fmt.Fprintf(b, "U%08x", r)
	}
	return n, nil
}

func hexEscape(b *strings.Builder, s string, n int) (int, error) {
	if len(s) < 1+n {
		return 0, fmt.Errorf("truncated \\%c escape", s[0])
	}
	v, err := strconv.ParseUint(s[1:1+n], 16, 32)
	if err != nil || strings.IndexByte(s[1:1+n], '_') >= 0 {
		return 0, fmt.Errorf("truncated \\%c escape", s[0])
	}
	if v > 0x10ffff {
		return 0, errors.New("illegal Unicode character")
	}
	b.WriteRune(rune(v))
	return 1 + n, nil
}
