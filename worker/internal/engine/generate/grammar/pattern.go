package grammar

import (
	"errors"
	"fmt"
	"regexp/syntax"
	"strings"
	"unicode/utf8"
)

// pattern makes the automaton of the JSON strings, quotes and all, in which a schema's pattern matches somewhere.
// Understood are literals, classes, dots, groups, alternatives and repetitions; ^ and $ at the ends of an alternative.
func (w *work) pattern(p string) (*dfa, error) {
	parsed, err := syntax.Parse(ecma(p), syntax.Perl)
	if err != nil {
		var e *syntax.Error
		if errors.As(err, &e) {
			return nil, fmt.Errorf("has %s, which is not understood", e.Code)
		}
		return nil, errors.New("is not understood")
	}
	for parsed.Op == syntax.OpCapture { // so that (^a|b$) is understood
		parsed = parsed.Sub[0]
	}
	branches := []*syntax.Regexp{parsed}
	if parsed.Op == syntax.OpAlternate {
		branches = parsed.Sub
	}
	all := alt()
	for _, b := range branches {
		e, err := branch(b)
		if err != nil {
			return nil, err
		}
		all.subs = append(all.subs, e)
	}
	return w.determinize(quoted(all))
}

// ecma rewrites \uXXXX, which Go's parser does not know.
func ecma(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] != '\\' || i+1 == len(p) {
			b.WriteByte(p[i])
			continue
		}
		if p[i+1] == 'u' && i+6 <= len(p) && strings.Trim(p[i+2:i+6], "0123456789abcdefABCDEF") == "" {
			b.WriteString(`\x{` + p[i+2:i+6] + `}`)
			i += 5
			continue
		}
		b.WriteString(p[i : i+2])
		i++
	}
	return b.String()
}

// branch is one alternative of a pattern, open at the ends that no anchor holds.
func branch(r *syntax.Regexp) (*expr, error) {
	subs := []*syntax.Regexp{r}
	if r.Op == syntax.OpConcat {
		subs = r.Sub
	}
	head, tail := true, true
	for len(subs) > 0 && subs[0].Op == syntax.OpBeginText {
		head, subs = false, subs[1:]
	}
	for len(subs) > 0 && subs[len(subs)-1].Op == syntax.OpEndText {
		tail, subs = false, subs[:len(subs)-1]
	}
	e := seq()
	if head {
		e.subs = append(e.subs, repeat(anyChar(), 0, -1))
	}
	for _, s := range subs {
		sub, err := translate(s)
		if err != nil {
			return nil, err
		}
		e.subs = append(e.subs, sub)
	}
	if tail {
		e.subs = append(e.subs, repeat(anyChar(), 0, -1))
	}
	return e, nil
}

// translate turns the parser's tree into an expression. The parser bounds its depth and its repetitions.
func translate(r *syntax.Regexp) (*expr, error) {
	switch r.Op {
	case syntax.OpEmptyMatch:
		return seq(), nil
	case syntax.OpLiteral:
		if r.Flags&syntax.FoldCase != 0 {
			return nil, errors.New("ignores case, which is not understood")
		}
		e := seq()
		for _, c := range r.Rune {
			e.subs = append(e.subs, class([]rune{c, c}))
		}
		return e, nil
	case syntax.OpCharClass:
		return class(r.Rune), nil
	case syntax.OpAnyChar:
		return anyChar(), nil
	case syntax.OpAnyCharNotNL:
		return class([]rune{0, '\n' - 1, '\n' + 1, '\r' - 1, '\r' + 1, 0x2027, 0x202a, utf8.MaxRune}), nil
	case syntax.OpCapture:
		return translate(r.Sub[0])
	case syntax.OpStar:
		return repeated(r, 0, -1)
	case syntax.OpPlus:
		return repeated(r, 1, -1)
	case syntax.OpQuest:
		return repeated(r, 0, 1)
	case syntax.OpRepeat:
		return repeated(r, r.Min, r.Max)
	case syntax.OpConcat, syntax.OpAlternate:
		e := seq()
		if r.Op == syntax.OpAlternate {
			e = alt()
		}
		for _, s := range r.Sub {
			sub, err := translate(s)
			if err != nil {
				return nil, err
			}
			e.subs = append(e.subs, sub)
		}
		return e, nil
	case syntax.OpBeginText, syntax.OpEndText:
		return nil, errors.New("has ^ or $ elsewhere than at the ends, which is not understood")
	default:
		return nil, fmt.Errorf("has %s, which is not understood", r)
	}
}

func repeated(r *syntax.Regexp, from, to int) (*expr, error) {
	sub, err := translate(r.Sub[0])
	if err != nil {
		return nil, err
	}
	return repeat(sub, from, to), nil
}

// length makes the automaton of the strings of from to to characters; to is -1 when there is no bound.
func (w *work) length(from, to int) (*dfa, error) {
	return w.determinize(quoted(repeat(anyChar(), from, to)))
}

// formats are the patterns of the formats that are kept to. Other formats of JSON Schema are refused, and what is not
// JSON Schema's (int32, password) is a note to the reader.
func formatPattern(name string) (string, bool) {
	const (
		date = `(\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))` +
			`|(\d\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)-02-29)`
		clock = `([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,9})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)`
		label = `[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?`
		octet = `(25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)`
		h16   = `[0-9A-Fa-f]{1,4}`
	)
	switch name {
	case "date":
		return "^" + date + "$", true
	case "time":
		return "^" + clock + "$", true
	case "date-time":
		return "^" + date + "T" + clock + "$", true
	case "duration":
		return `^P(\d{1,9}W|(\d{1,9}Y(\d{1,9}M)?(\d{1,9}D)?|\d{1,9}M(\d{1,9}D)?|\d{1,9}D)(T(\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?` +
			`|\d{1,9}M(\d{1,9}S)?|\d{1,9}S))?|T(\d{1,9}H(\d{1,9}M(\d{1,9}S)?)?|\d{1,9}M(\d{1,9}S)?|\d{1,9}S))$`, true
	case "uuid":
		return `^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`, true
	case "email":
		return `^[A-Za-z0-9_+-]{1,30}(\.[A-Za-z0-9_+-]{1,30})?@` + label + `(\.` + label + `){1,4}$`, true
	case "hostname":
		return "^" + label + `(\.` + label + `){0,6}$`, true
	case "ipv4":
		return "^" + octet + `(\.` + octet + `){3}$`, true
	case "ipv6":
		return `^((` + h16 + `:){7}` + h16 + `|(` + h16 + `:){1,6}(:` + h16 + `)|(` + h16 + `:){1,4}(:` + h16 + `){2,3}` +
			`|::(` + h16 + `(:` + h16 + `){0,5})?)$`, true
	case "uri":
		return `^https?://` + label + `(\.` + label + `){0,6}(:[1-9]\d{0,3})?(/[A-Za-z0-9._~-]{0,60}){0,8}` +
			`(\?[A-Za-z0-9._~=&-]{1,200})?(#[A-Za-z0-9._~-]{1,60})?$`, true
	}
	return "", false
}

// knownFormat tells the formats that JSON Schema defines and that are not kept to here.
func knownFormat(name string) bool {
	switch name {
	case "idn-email", "idn-hostname", "uri-reference", "iri", "iri-reference", "uri-template", "json-pointer",
		"relative-json-pointer", "regex":
		return true
	}
	return false
}
