package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

func strIs(s, name string) bool {
	all := func(f func(rune) bool) bool {
		for _, c := range s {
			if !f(c) {
				return false
			}
		}
		return s != ""
	}
	switch name {
	case "isalnum":
		return all(func(c rune) bool { return unicode.IsLetter(c) || isNumeric(c) })
	case "isalpha":
		return all(unicode.IsLetter)
	case "isdecimal":
		return all(func(c rune) bool { return unicode.Is(unicode.Nd, c) })
	case "isdigit":
		return all(isDigitRune)
	case "isnumeric":
		return all(isNumeric)
	case "isspace":
		return all(isSpace)
	case "isascii":
		return s == "" || all(func(c rune) bool { return c < 0x80 })
	case "isprintable":
		return s == "" || all(printable)
	case "isidentifier":
		return s != "" && scanName(s) == len(s) && !unicode.IsDigit(rune(s[0])) && !unicode.IsMark(firstRune(s))
	case "istitle":
		return isTitle(s)
	}
	return hasCase(s, name == "islower")
}

func firstRune(s string) rune {
	c, _ := utf8.DecodeRuneInString(s)
	return c
}

func isDigitRune(c rune) bool {
	if unicode.Is(unicode.Nd, c) {
		return true
	}
	switch {
	case c == 0xb2, c == 0xb3, c == 0xb9, c == 0x2070, c >= 0x2074 && c <= 0x2079, c >= 0x2080 && c <= 0x2089,
		c >= 0x2460 && c <= 0x2468, c >= 0x2474 && c <= 0x247c, c >= 0x2488 && c <= 0x2490,
		c >= 0x2776 && c <= 0x277e, c >= 0x2780 && c <= 0x2788, c >= 0x278a && c <= 0x2792:
		return true
	}
	return false
}

// isNumeric also knows the numerals of Chinese.
func isNumeric(c rune) bool {
	return unicode.IsNumber(c) || strings.ContainsRune("零〇一二三四五六七八九十百千万萬億亿兆壹贰貳叁參肆伍陆陸柒捌玖拾佰仟两兩廿卅", c)
}

func lowerish(c rune) bool {
	return unicode.IsLower(c) || unicode.Is(unicode.Other_Lowercase, c)
}

func upperish(c rune) bool {
	return unicode.IsUpper(c) || unicode.Is(unicode.Other_Uppercase, c)
}

func hasCase(s string, lower bool) bool {
	found := false
	for _, c := range s {
		if unicode.IsTitle(c) {
			return false
		}
		is, not := lowerish(c), upperish(c)
		if !lower {
			is, not = not, is
		}
		if not {
			return false
		}
		found = found || is
	}
	return found
}

func isTitle(s string) bool {
	found, prev := false, false
	for _, c := range s {
		switch {
		case upperish(c) || unicode.IsTitle(c):
			if prev {
				return false
			}
			found, prev = true, true
		case lowerish(c):
			if !prev {
				return false
			}
			found = true
		default:
			prev = false
		}
	}
	return found
}
