package input

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

func (r reader) messages(c *Chat, v []byte) error {
	const field = "messages"
	c.RawMessages = v
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '[' {
		return fault.Invalid(field, "must be a list")
	}
	for path, e := range elements(v, field) {
		if len(c.Messages) == MaxMessages {
			return fault.Invalid(field, "has more than %d messages", MaxMessages)
		}
		m, err := r.message(e, path)
		if err != nil {
			return err
		}
		c.Messages = append(c.Messages, m)
	}
	if len(c.Messages) == 0 {
		return fault.Invalid(field, "is empty")
	}
	return nil
}

func (r reader) message(v []byte, path string) (m Message, err error) {
	if r.later(v) {
		return m, nil
	}
	if rawjson.Kind(v) != '{' {
		return m, fault.Invalid(path, "must be an object")
	}
	content := false
	for name, e := range rawjson.Members(v) {
		if isNull(e) {
			continue
		}
		switch at := under(path, name); string(name) {
		case "role":
			err = r.text(e, &m.Role, at)
		case "content":
			content, err = true, r.content(&m, e, at)
		case "reasoning_content", "reasoning", "thinking":
			err = r.text(e, &m.Reasoning, at)
		case "name":
			err = r.text(e, &m.Name, at)
		case "tool_call_id":
			err = r.text(e, &m.ToolCallID, at)
		case "tool_calls":
			err = r.toolCalls(&m, e, at)
		default:
			err = unknown(path, name)
		}
		if err != nil {
			return m, err
		}
	}
	switch m.Role {
	case "system", "developer", "user", "tool":
		if !content {
			return m, fault.Invalid(path+".content", "is needed")
		}
	case "assistant":
		if !content && m.ToolCalls == nil {
			return m, fault.Invalid(path+".content", "is needed where there are no tool_calls")
		}
	case "":
		return m, fault.Invalid(path+".role", "is needed")
	default:
		return m, fault.Invalid(path+".role", "must be system, developer, user, assistant or tool")
	}
	return m, nil
}

func (r reader) content(m *Message, v []byte, path string) error {
	if r.later(v) {
		return nil
	}
	switch rawjson.Kind(v) {
	case '"':
		m.Content = string(rawjson.Unquote(v))
		return nil
	case '[':
	default:
		return fault.Invalid(path, "must be a string or a list of parts")
	}
	m.Parts = []Part{}
	for at, e := range elements(v, path) {
		if len(m.Parts) == MaxParts {
			return fault.Invalid(path, "has more than %d parts", MaxParts)
		}
		p, err := r.part(e, at)
		if err != nil {
			return err
		}
		m.Parts = append(m.Parts, p)
		m.Content += p.Text
	}
	return nil
}

func (r reader) part(v []byte, path string) (p Part, err error) {
	if r.later(v) {
		return p, nil
	}
	if rawjson.Kind(v) != '{' {
		return p, fault.Invalid(path, "must be an object with a type")
	}
	var kind string
	var text, image []byte
	imageAt := path + ".image_url"
	for name, e := range rawjson.Members(v) {
		switch string(name) {
		case "type":
			if err := r.text(e, &kind, path+".type"); err != nil {
				return p, err
			}
		case "text":
			text = e
		case "image_url", "image":
			image, imageAt = e, under(path, name)
		default:
			return p, unknown(path, name)
		}
	}
	switch kind {
	case "text":
		if text == nil || image != nil {
			return p, fault.Invalid(path+".text", "is needed, and nothing else, in a part of type text")
		}
		return p, r.text(text, &p.Text, path+".text")
	case "image_url", "image":
		if image == nil || text != nil {
			return p, fault.Invalid(imageAt, "is needed, and nothing else, in a part of type %s", kind)
		}
		p.ImageURL, err = r.image(image, imageAt)
		return p, err
	}
	return p, fault.Invalid(path+".type", "must be text or image_url")
}

// image reads "data:…", {"url":"data:…"} and, before references are resolved, blobs in their place.
func (r reader) image(v []byte, path string) (string, error) {
	if rawjson.Kind(v) == '{' && !r.later(v) {
		var url []byte
		for name, e := range rawjson.Members(v) {
			switch string(name) {
			case "url":
				url = e
			case "detail":
			default:
				return "", unknown(path, name)
			}
		}
		if url == nil {
			return "", fault.Invalid(path+".url", "is needed")
		}
		v, path = url, path+".url"
	}
	if r.later(v) {
		return "blob", nil
	}
	if rawjson.Kind(v) != '"' {
		return "", fault.Invalid(path, "must be a string")
	}
	url := rawjson.Unquote(v)
	if !isImage(url) {
		return "", fault.Invalid(path, "must be a data: URL or a blob; nothing is fetched from elsewhere")
	}
	return string(url), nil
}

// partPath is where a part of a message stands.
func partPath(message, part int) string {
	return "messages[" + strconv.Itoa(message) + "].content[" + strconv.Itoa(part) + "]"
}

func (r reader) toolCalls(m *Message, v []byte, path string) error {
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '[' {
		return fault.Invalid(path, "must be a list")
	}
	m.ToolCalls = []ToolCall{}
	for at, e := range elements(v, path) {
		if len(m.ToolCalls) == MaxTools {
			return fault.Invalid(path, "has more than %d calls", MaxTools)
		}
		var t ToolCall
		err := r.function(e, at, func(name string, v []byte) error {
			switch name {
			case "id":
				return r.text(v, &t.ID, at+".id")
			case "index":
				return nil
			case "function.name":
				return r.text(v, &t.Name, at+".function.name")
			case "function.arguments":
				if rawjson.Kind(v) == '{' {
					t.Arguments = string(v)
					return nil
				}
				return r.text(v, &t.Arguments, at+".function.arguments")
			}
			return unknown(at, []byte(name))
		})
		if err != nil {
			return err
		}
		if t.Name == "" {
			return fault.Invalid(at+".function.name", "is needed")
		}
		m.ToolCalls = append(m.ToolCalls, t)
	}
	return nil
}

// function walks {"type":"function","function":{…}}; member hears of all members but type.
func (r reader) function(v []byte, path string, member func(name string, v []byte) error) error {
	if rawjson.Kind(v) != '{' {
		return fault.Invalid(path, "must be an object with a function")
	}
	for name, e := range rawjson.Members(v) {
		switch {
		case isNull(e):
			continue
		case string(name) == "type":
			var kind string
			if err := r.text(e, &kind, path+".type"); err != nil {
				return err
			}
			if kind != "function" && kind != "" {
				return fault.Invalid(path+".type", "must be function")
			}
			continue
		case string(name) != "function":
			if err := member(string(name), e); err != nil {
				return err
			}
			continue
		case rawjson.Kind(e) != '{':
			return fault.Invalid(path+".function", "must be an object")
		}
		for inner, f := range rawjson.Members(e) {
			if isNull(f) {
				continue
			}
			if err := member("function."+string(inner), f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r reader) tools(c *Chat, v []byte) error {
	const field = "tools"
	if r.later(v) {
		c.RawTools = v
		return nil
	}
	if rawjson.Kind(v) != '[' {
		return fault.Invalid(field, "must be a list")
	}
	c.Tools = []Tool{}
	for at, e := range elements(v, field) {
		if len(c.Tools) == MaxTools {
			return fault.Invalid(field, "has more than %d tools", MaxTools)
		}
		var t Tool
		err := r.function(e, at, func(name string, v []byte) error {
			switch name {
			case "function.name":
				return r.text(v, &t.Name, at+".function.name")
			case "function.description":
				return r.text(v, &t.Description, at+".function.description")
			case "function.parameters":
				if rawjson.Kind(v) != '{' {
					return fault.Invalid(at+".function.parameters", "must be a JSON schema")
				}
				t.Parameters = jsontext.Value(v)
				return nil
			case "function.strict":
				return nil
			}
			return unknown(at, []byte(name))
		})
		if err != nil {
			return err
		}
		if t.Name == "" {
			return fault.Invalid(at+".function.name", "is needed")
		}
		c.Tools = append(c.Tools, t)
	}
	if len(c.Tools) > 0 {
		c.RawTools = v
	}
	return nil
}

// toolChoice reads a word or {"type":"function","function":{"name":"…"}}.
func (r reader) toolChoice(c *Chat, v []byte) error {
	const field = "tool_choice"
	if rawjson.Kind(v) == '"' {
		c.ToolChoice = string(rawjson.Unquote(v))
		switch c.ToolChoice {
		case "auto", "none", "required":
			return nil
		}
		return fault.Invalid(field, "must be auto, none, required, or an object that names a function")
	}
	err := r.function(v, field, func(name string, v []byte) error {
		if name != "function.name" {
			return unknown(field, []byte(name))
		}
		return r.text(v, &c.ToolChoice, field+".function.name")
	})
	if err == nil && c.ToolChoice == "" {
		err = fault.Invalid(field+".function.name", "is needed")
	}
	return err
}
