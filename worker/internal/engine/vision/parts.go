package vision

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/rawjson"
)

// plainParts gives the messages with each image part as {"type":kind,kind:""}: what a chat template has to see of a
// picture is that it is there. The messages have been checked.
func plainParts(messages jsontext.Value, kind string) jsontext.Value {
	out := []byte{'['}
	for m := range rawjson.Elements(messages) {
		if len(out) > 1 {
			out = append(out, ',')
		}
		out = append(out, '{')
		first := true
		for name, v := range rawjson.Members(m) {
			if !first {
				out = append(out, ',')
			}
			first = false
			out = appendName(out, name)
			if string(name) == "content" && rawjson.Kind(v) == '[' {
				out = appendParts(out, v, kind)
			} else {
				out = append(out, v...)
			}
		}
		out = append(out, '}')
	}
	return append(out, ']')
}

func appendName(out, name []byte) []byte {
	out, _ = jsontext.AppendQuote(out, name) // names are whole characters by now
	return append(out, ':')
}

func appendParts(out, parts []byte, kind string) []byte {
	out = append(out, '[')
	first := true
	for p := range rawjson.Elements(parts) {
		if !first {
			out = append(out, ',')
		}
		first = false
		if imageOf(p) == "" {
			out = append(out, p...)
			continue
		}
		out = append(out, `{"type":"`+kind+`","`+kind+`":""}`...)
	}
	return append(out, ']')
}

// imageOf is the path, within a part, of an image's URL; "" in other parts.
func imageOf(part []byte) string {
	if rawjson.Kind(part) != '{' {
		return ""
	}
	for name, v := range rawjson.Members(part) {
		if n := string(name); n == "image_url" || n == "image" {
			if rawjson.Kind(v) == '{' {
				n += ".url"
			}
			return n
		}
	}
	return ""
}

// imageField is the path of the URL of the image in part k of message i.
func imageField(messages jsontext.Value, i, k int) string {
	field := "messages[" + strconv.Itoa(i) + "].content[" + strconv.Itoa(k) + "]"
	parts := member(nth(messages, i), "content")
	if rawjson.Kind(parts) != '[' {
		return field
	}
	if name := imageOf(nth(parts, k)); name != "" {
		field += "." + name
	}
	return field
}

func nth(list []byte, n int) []byte {
	if rawjson.Kind(list) != '[' {
		return nil
	}
	for v := range rawjson.Elements(list) {
		if n == 0 {
			return v
		}
		n--
	}
	return nil
}

func member(object []byte, named string) []byte {
	if rawjson.Kind(object) != '{' {
		return nil
	}
	for name, v := range rawjson.Members(object) {
		if string(name) == named {
			return v
		}
	}
	return nil
}
