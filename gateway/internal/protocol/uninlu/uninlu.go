// Package uninlu checks the input of SiameseUniNLU models and tells what task it asks for:
//
//	{"text":"…","schema":{"人物":null,"地理位置":null}}
//
// The schema is an object, or a JSON string of one; its order matters and is kept, as nothing is rewritten here. The
// text, the schema or the whole input may be a reference to a blob, which the worker puts in its place.
package uninlu

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

// Bounds of an input, in code points, keys and levels.
const (
	MaxText  = 100_000
	MaxKey   = 128
	MaxKeys  = 256
	MaxDepth = 8
)

// Check proves the input and names its task; no task where it hangs on what a reference stands for. Its faults are invalid_input at a path such as text or schema.人物, or
// bad_request when the text is not strict JSON.
func Check(input []byte) (task string, err error) {
	if err := rawjson.Check(input); err != nil {
		return "", err
	}
	input = rawjson.Trim(input)
	if rawjson.Kind(input) != '{' {
		return "", fault.Invalid("", "the input must be an object with text and schema")
	}
	if job.IsRef(input) {
		return "", nil
	}
	var text, schema []byte
	for name, v := range rawjson.Members(input) {
		switch string(name) {
		case "text":
			text = v
		case "schema":
			schema = v
		default:
			return "", fault.Invalid(rawjson.Clip(name), "is not a member of this input")
		}
	}
	byRef := job.IsRef(text)
	if byRef {
		text = nil
	} else if text, err = checkText(text); err != nil {
		return "", err
	}
	if job.IsRef(schema) {
		return "", nil
	}
	if schema, err = object(schema); err != nil {
		return "", err
	}
	w := walk{}
	if err := w.level(schema, "schema", 1); err != nil {
		return "", err
	}
	if task = w.task(text); byRef && task == "ner" && w.top == 1 {
		return "", nil // choices in the text would make it another
	}
	return task, nil
}

// checkText gives the unquoted text.
func checkText(v []byte) ([]byte, error) {
	switch {
	case v == nil:
		return nil, fault.Invalid("text", "is needed")
	case rawjson.Kind(v) != '"':
		return nil, fault.Invalid("text", "must be a string")
	}
	text := rawjson.Unquote(v)
	switch {
	case len(bytes.TrimSpace(text)) == 0:
		return nil, fault.Invalid("text", "is empty")
	case len(text) > MaxText && utf8.RuneCount(text) > MaxText:
		return nil, fault.Invalid("text", "has more than %d characters", MaxText)
	}
	return text, nil
}

// object gives the schema as an object's JSON, out of a string where it is in one.
func object(v []byte) ([]byte, error) {
	if v == nil {
		return nil, fault.Invalid("schema", "is needed")
	}
	if rawjson.Kind(v) == '"' {
		v = rawjson.Unquote(v)
		if err := rawjson.Check(v); err != nil {
			f := fault.From(err)
			return nil, fault.Invalid(fault.Join("schema", f.Field), "the string is not a JSON object: %s", f.Detail)
		}
		v = rawjson.Trim(v)
	}
	if rawjson.Kind(v) != '{' {
		return nil, fault.Invalid("schema", "must be an object, or a JSON string of one")
	}
	return v, nil
}

// walk is what is seen on the way through a schema.
type walk struct {
	keys   int
	top    int    // keys of the first level
	first  string // the first of them
	nested bool   // some key has an inner level
	event  bool   // a trigger of an event is asked for
	mood   bool   // feelings about something are asked for
}

// Words in keys that tell tasks apart.
const (
	keyTrigger   = "事件触发词"
	keyFeeling   = "情感词"
	keySentiment = "情感分类"
	keyClass     = "分类"
	keyMatch     = "文本匹配"
	keyNLI       = "段落2和段落1的关系"
)

func (w *walk) level(v []byte, path string, depth int) error {
	if depth > MaxDepth {
		return fault.Invalid(path, "the schema nests deeper than %d levels", MaxDepth)
	}
	n := 0
	for name, inner := range rawjson.Members(v) {
		n++
		if err := w.key(name, inner, path, depth); err != nil {
			return err
		}
	}
	if n == 0 {
		return fault.Invalid(path, "is empty; it needs at least one type")
	}
	return nil
}

func (w *walk) key(name, inner []byte, path string, depth int) error {
	if w.keys++; w.keys > MaxKeys {
		return fault.Invalid("schema", "has more than %d types", MaxKeys)
	}
	switch {
	case len(bytes.TrimSpace(name)) == 0:
		return fault.Invalid(path, "a type has an empty name")
	case len(name) > MaxKey && utf8.RuneCount(name) > MaxKey:
		return fault.Invalid(fault.Join(path, rawjson.Clip(name)), "the name has more than %d characters", MaxKey)
	}
	w.see(name, inner, depth)
	switch rawjson.Kind(inner) {
	case 'n':
		return nil
	case '{':
		return w.level(inner, path+"."+string(name), depth+1)
	}
	return fault.Invalid(path+"."+string(name), "must be null or an object")
}

func (w *walk) see(name, inner []byte, depth int) {
	if depth == 1 {
		if w.top++; w.top == 1 {
			w.first = string(name)
		}
		w.event = w.event || bytes.Contains(name, []byte(keyTrigger))
	}
	w.nested = w.nested || rawjson.Kind(inner) == '{'
	w.mood = w.mood || depth > 1 && string(name) == keyFeeling
}

// task tells what the schema and the text ask for, by the first rule that fits:
//
//	a key of the first level names a trigger (事件触发词)    event
//	a key has an inner level: 情感词 is asked for within     sentiment
//	                          anything else                re
//	one key:  情感分类                                      sentiment
//	          文本匹配                                      match
//	          段落2和段落1的关系…                            nli
//	          …分类                                         classification
//	          a question, or the text begins with choices  qa
//	          (选项1,选项2|TEXT)
//	everything else                                        ner
func (w *walk) task(text []byte) string {
	switch {
	case w.event:
		return "event"
	case w.nested && w.mood:
		return "sentiment"
	case w.nested:
		return "re"
	case w.top > 1:
		return "ner"
	case strings.Contains(w.first, keySentiment):
		return "sentiment"
	case strings.Contains(w.first, keyMatch):
		return "match"
	case strings.HasPrefix(w.first, keyNLI):
		return "nli"
	case strings.HasSuffix(w.first, keyClass):
		return "classification"
	case question(w.first), choices(text):
		return "qa"
	}
	return "ner"
}

// question tells whether a key is asked rather than named.
func question(key string) bool {
	if strings.HasSuffix(key, "?") || strings.HasSuffix(key, "？") || strings.HasSuffix(key, "吗") || strings.HasPrefix(key, "谁") {
		return true
	}
	for _, word := range [...]string{"什么", "哪", "多少", "怎么", "怎样", "如何", "为何", "是否", "是谁"} {
		if strings.Contains(key, word) {
			return true
		}
	}
	return false
}

// choices tells whether the text begins with labels, joined by commas and ended by a bar.
func choices(text []byte) bool {
	labels, _, ok := bytes.Cut(text, []byte("|"))
	return ok && bytes.IndexByte(labels, ',') > 0
}
