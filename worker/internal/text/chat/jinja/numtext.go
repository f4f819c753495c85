package jinja

import (
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// digitsOf makes ASCII of the digits of any script, and trims white space, as Python's int() and float() do.
func digitsOf(s string) string {
	s = strings.TrimFunc(s, isSpace)
	ascii := true
	for i := range len(s) {
		ascii = ascii && s[i] < 0x80
	}
	if ascii {
		return s
	}
	return strings.Map(func(c rune) rune {
		if c >= 0x80 && unicode.Is(unicode.Nd, c) {
			zero := c
			for unicode.Is(unicode.Nd, zero-1) && c-zero < 9 {
				zero--
			}
			return '0' + (c-zero)%10
		}
		return c
	}, s)
}

// parseInt is Python's int(s, base).
func parseInt(s string, base int) (Value, bool) {
	s = digitsOf(s)
	if base != 0 && (base < 2 || base > 36) || len(s) > 4400 {
		return nil, false
	}
	neg := false
	if s != "" && (s[0] == '-' || s[0] == '+') {
		neg, s = s[0] == '-', s[1:]
	}
	if len(s) > 1 && s[0] == '0' {
		prefix := map[byte]int{'x': 16, 'o': 8, 'b': 2}[s[1]|0x20]
		if prefix != 0 && (base == prefix || base == 0) {
			s, base = strings.TrimPrefix(s[2:], "_"), prefix
		}
	}
	if base == 0 {
		if len(s) > 1 && s[0] == '0' && strings.Trim(s, "0_") != "" {
			return nil, false
		}
		base = 10
	}
	if s == "" || s[0] == '_' || s[len(s)-1] == '_' || strings.Contains(s, "__") || s[0] == '-' || s[0] == '+' {
		return nil, false
	}
	n, ok := new(big.Int).SetString(strings.ReplaceAll(s, "_", ""), base)
	if !ok {
		return nil, false
	}
	if neg {
		n.Neg(n)
	}
	return norm(n), true
}

// parseFloat is Python's float(s).
func parseFloat(s string) (float64, bool) {
	s = digitsOf(s)
	if len(s) > 10_000 || strings.ContainsAny(s, "xXpP") {
		return 0, false
	}
	switch strings.ToLower(strings.TrimLeft(s, "+-")) {
	case "inf", "infinity", "nan":
		if len(s)-len(strings.TrimLeft(s, "+-")) > 1 {
			return 0, false
		}
		f, err := strconv.ParseFloat(strings.ReplaceAll(strings.ToLower(s), "-nan", "nan"), 64)
		if strings.HasSuffix(strings.ToLower(s), "nan") {
			return math.NaN(), true
		}
		return f, err == nil
	}
	for i := range len(s) {
		if s[i] == '_' && (i == 0 || i+1 == len(s) || !isDigit(s[i-1]) || !isDigit(s[i+1])) {
			return 0, false
		}
	}
	f, err := strconv.ParseFloat(strings.ReplaceAll(s, "_", ""), 64)
	if err != nil && !math.IsInf(f, 0) {
		return 0, false
	}
	return f, true
}

// numSpec is how a number is to be written, by % or by format.
type numSpec struct {
	typ   byte // d b o x X n c e E f F g G %, 0 for the default
	prec  int  // -1: not given
	alt   bool
	sign  byte // '-', '+' or ' '
	comma byte // ',' or '_'
}

// intText writes an integer's sign and prefix, and its digits.
func (r *run) intText(n *big.Int, sp numSpec) (prefix, digits string) {
	base := 10
	switch sp.typ {
	case 'b':
		base = 2
	case 'o':
		base = 8
	case 'x', 'X':
		base = 16
	default:
		r.bigText(n)
	}
	digits = new(big.Int).Abs(n).Text(base)
	r.grow(len(digits))
	if sp.prec > len(digits) {
		r.grow(sp.prec)
		digits = strings.Repeat("0", sp.prec-len(digits)) + digits
	}
	if sp.alt && base != 10 {
		prefix = "0" + string(sp.typ)
	}
	if sp.typ == 'X' {
		digits, prefix = strings.ToUpper(digits), strings.ToUpper(prefix)
	}
	every := 3
	if base != 10 {
		every = 4
	}
	return signText(n.Sign() < 0, sp.sign) + prefix, group(digits, sp.comma, every)
}

func signText(neg bool, sign byte) string {
	switch {
	case neg:
		return "-"
	case sign == '+' || sign == ' ':
		return string(sign)
	}
	return ""
}

// group puts a separator between every n digits from the right.
func group(digits string, sep byte, n int) string {
	if sep == 0 || len(digits) <= n {
		return digits
	}
	var b strings.Builder
	for i := range len(digits) {
		if i > 0 && (len(digits)-i)%n == 0 {
			b.WriteByte(sep)
		}
		b.WriteByte(digits[i])
	}
	return b.String()
}

// floatSpec writes a float's sign and its digits.
func (r *run) floatSpec(f float64, sp numSpec) (prefix, digits string) {
	prefix = signText(math.Signbit(f) && !math.IsNaN(f), sp.sign)
	f = math.Abs(f)
	upper := sp.typ == 'E' || sp.typ == 'F' || sp.typ == 'G'
	prec := sp.prec
	if prec > 1<<20 {
		r.grow(-1)
	}
	r.grow(max(prec, 0) + 400)
	if prec < 0 {
		prec = 6
	}
	switch {
	case math.IsInf(f, 0):
		digits = "inf"
	case math.IsNaN(f):
		digits = "nan"
	case sp.typ == 'f' || sp.typ == 'F':
		digits = strconv.FormatFloat(f, 'f', prec, 64)
	case sp.typ == '%':
		digits = strconv.FormatFloat(f*100, 'f', prec, 64) + "%"
	case sp.typ == 'e' || sp.typ == 'E':
		digits = strconv.FormatFloat(f, 'e', prec, 64)
	case sp.typ == 0 && sp.prec < 0:
		digits = floatText(f)
	default:
		digits = general(f, max(prec, 1), sp.typ == 0, sp.alt)
	}
	if sp.alt && prec == 0 && strings.IndexByte("fFeE%", sp.typ) >= 0 && !strings.Contains(digits, ".") {
		m, e, _ := strings.Cut(digits, "e")
		if digits = m + "."; e != "" {
			digits += "e" + e
		}
	}
	if sp.comma != 0 {
		whole, rest := digits, ""
		if i := strings.IndexAny(digits, ".e%"); i >= 0 {
			whole, rest = digits[:i], digits[i:]
		}
		digits = group(whole, sp.comma, 3) + rest
	}
	if upper {
		digits = strings.ToUpper(digits)
	}
	return prefix, digits
}

// general is the g format; point keeps one digit after the point, as a float's own format does.
func general(f float64, prec int, point, alt bool) string {
	s := strconv.FormatFloat(f, 'e', prec-1, 64)
	m, e, _ := strings.Cut(s, "e")
	exp, _ := strconv.Atoi(e)
	limit := prec
	if point {
		limit = prec - 1 // 0 < 1.0 needs a digit after the point
	}
	if exp < -4 || exp >= max(limit, 1) && exp >= limit {
		if !alt && strings.IndexByte(m, '.') >= 0 {
			m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
		}
		return m + "e" + e
	}
	s = strconv.FormatFloat(f, 'f', max(prec-1-exp, 0), 64)
	if !alt && strings.IndexByte(s, '.') >= 0 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	if point && strings.IndexByte(s, '.') < 0 {
		s += ".0"
	}
	return s
}
