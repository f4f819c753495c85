package job

import "bytes"

// MergeDelta appends the text of the delta next to the delta into, and is false when they are not two pieces of the same
// text, {"text":"…"} or {"reasoning":"…"} and nothing else: then into is as it was. It may write into's memory.
func MergeDelta(into, next []byte) ([]byte, bool) {
	const end = `"}`
	for _, head := range [...]string{`{"text":"`, `{"reasoning":"`} {
		if len(into) < len(head)+len(end) || !plainDelta(into, head) || !plainDelta(next, head) {
			continue
		}
		into = append(into[:len(into)-len(end)], next[len(head):]...)
		return into, true
	}
	return into, false
}

// plainDelta tells whether a delta's JSON is one member, a string: its first quote that no backslash escapes ends it.
func plainDelta(d []byte, head string) bool {
	rest, ok := bytes.CutPrefix(d, []byte(head))
	for ok {
		i := bytes.IndexAny(rest, `"\`)
		if i < 0 {
			return false
		}
		if rest[i] == '"' {
			return string(rest[i:]) == `"}`
		}
		if i+2 > len(rest) {
			return false
		}
		rest = rest[i+2:]
	}
	return false
}
