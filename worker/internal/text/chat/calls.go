package chat

import (
	"bytes"
	"regexp"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// call is a tool call as a model wrote it.
type call struct {
	name, args string // args is the JSON text of an object
}

// wireCall has the names that models use.
type wireCall struct {
	Name       string         `json:"name"`
	ToolName   string         `json:"tool_name"`
	Arguments  jsontext.Value `json:"arguments"`
	Parameters jsontext.Value `json:"parameters"`
	Function   jsontext.Value `json:"function"`
}

func callOf(raw jsontext.Value) (call, bool) {
	var w wireCall
	if json.Unmarshal(raw, &w) != nil {
		return call{}, false
	}
	if len(w.Function) > 0 && w.Function[0] == '{' {
		return callOf(w.Function)
	}
	if w.Name == "" {
		w.Name = w.ToolName
	}
	if w.Name == "" && len(w.Function) > 0 && w.Function[0] == '"' {
		_ = json.Unmarshal(w.Function, &w.Name)
	}
	args := w.Arguments
	if args == nil {
		args = w.Parameters
	}
	text, ok := argsText(args)
	return call{w.Name, text}, ok && w.Name != ""
}

// argsText is the JSON text of an object, which may be given as a string.
func argsText(v jsontext.Value) (string, bool) {
	v = bytes.TrimSpace(v)
	if len(v) == 0 || string(v) == "null" {
		return "{}", true
	}
	if v[0] == '"' {
		var s string
		if json.Unmarshal(v, &s) != nil {
			return "", false
		}
		v = jsontext.Value(strings.TrimSpace(s))
		if len(v) == 0 {
			return "{}", true
		}
	}
	return string(v), len(v) > 0 && v[0] == '{' && v.IsValid()
}

// jsonValue takes one JSON value off the front of s.
func jsonValue(s string) (v jsontext.Value, rest string, ok bool) {
	d := jsontext.NewDecoder(strings.NewReader(s), jsontext.AllowDuplicateNames(true))
	v, err := d.ReadValue()
	if err != nil {
		return nil, s, false
	}
	return v.Clone(), s[d.InputOffset():], true
}

// jsonCalls reads an object, a list of them, or several with white space, commas or semicolons between.
func jsonCalls(body string) ([]call, bool) {
	var out []call
	for rest := strings.TrimSpace(body); rest != ""; rest = strings.TrimLeft(rest, " \t\r\n,;") {
		v, after, ok := jsonValue(rest)
		if !ok {
			return nil, false
		}
		rest = after
		items := []jsontext.Value{v}
		if v[0] == '[' && json.Unmarshal(v, &items) != nil {
			return nil, false
		}
		for _, e := range items {
			c, ok := callOf(e)
			if !ok {
				return nil, false
			}
			out = append(out, c)
		}
	}
	return out, len(out) > 0
}

// llamaCalls is jsonCalls where the code interpreter is the only other thing that comes.
func llamaCalls(body string) ([]call, bool) { return jsonCalls(body) }

func validName(s string) bool {
	if s == "" || len(s) > 256 {
		return false
	}
	for _, c := range s {
		if c != '_' && c != '-' && c != '.' && c != '/' && c != ':' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return true
}

// mistralCalls reads a list, or a name and its arguments, which later models write one after the other.
func mistralCalls(body string) ([]call, bool) {
	if calls, ok := jsonCalls(body); ok {
		return calls, true
	}
	var out []call
	for rest := body; strings.TrimSpace(rest) != ""; {
		i := strings.IndexByte(rest, '{')
		if i < 0 {
			return nil, false
		}
		head := strings.TrimSuffix(strings.TrimSpace(rest[:i]), "[ARGS]")
		name, _, _ := strings.Cut(strings.TrimPrefix(head, "[TOOL_CALLS]"), "[CALL_ID]")
		v, after, ok := jsonValue(rest[i:])
		if name = strings.TrimSpace(name); !ok || !validName(name) {
			return nil, false
		}
		out = append(out, call{name, string(v)})
		rest = after
	}
	return out, len(out) > 0
}

// taggedCalls reads what stands between the marks of Hermes, Qwen and GLM: JSON, or a name and tagged parameters.
func taggedCalls(body string) ([]call, bool) {
	s := strings.TrimSpace(body)
	switch {
	case strings.HasPrefix(s, "{") || strings.HasPrefix(s, "["):
		return jsonCalls(s)
	case strings.HasPrefix(s, "<function="):
		return functionCalls(s)
	}
	return keyedCall(s)
}

// functionCalls reads <function=name><parameter=x>value</parameter></function>, or JSON in place of the parameters.
func functionCalls(s string) ([]call, bool) {
	var out []call
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		rest, ok := strings.CutPrefix(s, "<function=")
		if !ok {
			return nil, false
		}
		name, rest, ok := strings.Cut(rest, ">")
		if name = strings.TrimSpace(name); !ok || !validName(name) {
			return nil, false
		}
		inner, after, ok := strings.Cut(rest, "</function>")
		if !ok {
			inner, after = rest, ""
		}
		s = after
		if t := strings.TrimSpace(inner); strings.HasPrefix(t, "{") {
			if !jsontext.Value(t).IsValid() {
				return nil, false
			}
			out = append(out, call{name, t})
			continue
		}
		args, ok := parameters(inner)
		if !ok {
			return nil, false
		}
		out = append(out, call{name, args})
	}
	return out, len(out) > 0
}

func parameters(s string) (string, bool) {
	w := newArgs()
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		rest, ok := strings.CutPrefix(s, "<parameter=")
		if !ok {
			return "", false
		}
		key, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return "", false
		}
		end := strings.Index(rest, "</parameter>")
		next := strings.Index(rest, "<parameter=")
		switch {
		case end >= 0:
			s = rest[end+len("</parameter>"):]
		case next >= 0:
			end, s = next, rest[next:]
		default:
			end, s = len(rest), ""
		}
		val := strings.TrimSuffix(strings.TrimPrefix(rest[:end], "\n"), "\n")
		w.add(strings.TrimSpace(key), val)
	}
	return w.text(), true
}

// keyedCall reads name, then <arg_key>k</arg_key><arg_value>v</arg_value> any number of times.
func keyedCall(s string) ([]call, bool) {
	name, rest := s, ""
	if i := strings.IndexAny(s, "<\n"); i >= 0 {
		name, rest = s[:i], s[i:]
	}
	if name = strings.TrimSpace(name); !validName(name) {
		return nil, false
	}
	w := newArgs()
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		var key, val string
		var ok bool
		if rest, ok = strings.CutPrefix(rest, "<arg_key>"); !ok {
			return nil, false
		}
		if key, rest, ok = strings.Cut(rest, "</arg_key>"); !ok {
			return nil, false
		}
		if rest, ok = strings.CutPrefix(strings.TrimSpace(rest), "<arg_value>"); !ok {
			return nil, false
		}
		if val, rest, ok = strings.Cut(rest, "</arg_value>"); !ok {
			return nil, false
		}
		w.add(strings.TrimSpace(key), val)
	}
	return []call{{name, w.text()}}, true
}

// argsWriter makes an object of parameters written as text.
type argsWriter struct{ b []byte }

func newArgs() *argsWriter { return &argsWriter{[]byte{'{'}} }

// add takes a value for JSON where it is JSON of anything but a string, and for a string otherwise.
func (w *argsWriter) add(key, val string) {
	if len(w.b) > 1 {
		w.b = append(w.b, ", "...)
	}
	k, _ := jsontext.AppendQuote(nil, key)
	w.b = append(append(w.b, k...), ": "...)
	if t := strings.TrimSpace(val); t != "" && t[0] != '"' && jsontext.Value(t).IsValid() {
		w.b = append(w.b, t...)
		return
	}
	v, _ := jsontext.AppendQuote(nil, val)
	w.b = append(w.b, v...)
}

func (w *argsWriter) text() string { return string(w.b) + "}" }

// deepseekCalls reads calls as DeepSeek writes them: function, a separator, the name and fenced JSON; newer models
// leave out the first word and the fence.
func deepseekCalls(body string) ([]call, bool) {
	const begin, sep, end = "<｜tool▁call▁begin｜>", "<｜tool▁sep｜>", "<｜tool▁call▁end｜>"
	var out []call
	for s := strings.TrimSpace(body); s != ""; s = strings.TrimSpace(s) {
		rest, ok := strings.CutPrefix(s, begin)
		if !ok {
			return nil, false
		}
		one, after, _ := strings.Cut(rest, end)
		s = after
		head, tail, ok := strings.Cut(one, sep)
		if !ok {
			return nil, false
		}
		name, args := strings.TrimSpace(head), strings.TrimSpace(tail)
		if name == "function" && !strings.HasPrefix(args, "{") {
			name, args, _ = strings.Cut(args, "\n")
			name, args = strings.TrimSpace(name), strings.TrimSpace(args)
		}
		args = strings.TrimSpace(strings.TrimSuffix(strings.TrimPrefix(args, "```json"), "```"))
		if !validName(name) || !strings.HasPrefix(args, "{") || !jsontext.Value(args).IsValid() {
			return nil, false
		}
		out = append(out, call{name, args})
	}
	return out, len(out) > 0
}

// mayBeCallObject says whether an answer that begins with s can be a call written as a bare object.
func mayBeCallObject(s string) bool {
	s = strings.TrimLeft(s, " \t\r\n")
	if s == "" {
		return true
	}
	if s[0] != '{' {
		return false
	}
	s = strings.TrimLeft(s[1:], " \t\r\n")
	for _, k := range []string{`"name"`, `"type"`, `"function"`, `"parameters"`, `"arguments"`, `"id"`} {
		if strings.HasPrefix(s, k) || strings.HasPrefix(k, s) {
			return true
		}
	}
	return false
}

// mayBeNamedCall is for a name on a line of its own and an object after it.
func mayBeNamedCall(s string) bool {
	s = strings.TrimLeft(s, "\n")
	name, rest, line := strings.Cut(s, "\n")
	if name != "" && !validName(name) {
		return false
	}
	rest = strings.TrimLeft(rest, " \t\r\n")
	return !line || rest == "" || rest[0] == '{'
}

func namedCall(body string) ([]call, bool) {
	name, rest, ok := strings.Cut(strings.TrimLeft(body, "\n"), "\n")
	if !ok || !validName(name) {
		return nil, false
	}
	args := strings.TrimSpace(rest)
	if !strings.HasPrefix(args, "{") || !jsontext.Value(args).IsValid() {
		return nil, false
	}
	return []call{{name, args}}, true
}

// recipient finds the function in the header of a harmony message.
func recipient(header string) (string, bool) {
	m := regexp.MustCompile(`to=(?:functions\.)?([\w.-]+)`).FindStringSubmatch(header)
	if m == nil {
		return "", false
	}
	return m[1], true
}
