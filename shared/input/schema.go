package input

import (
	"embed"

	"github.com/go-json-experiment/json/jsontext"
)

//go:embed schema/*.json
var schemas embed.FS

// Schema is the JSON schema of an engine's input, compact; nil for an engine that is not known. Any value may be a
// reference to a blob beside what the schema says.
func Schema(engine string) jsontext.Value {
	file := engine
	switch engine {
	case "generate", "vision", "upstream":
		file = "chat"
	}
	b, err := schemas.ReadFile("schema/" + file + ".json")
	if err != nil {
		return nil
	}
	v := jsontext.Value(b)
	if v.Compact() != nil {
		return nil // not reached: the files are valid
	}
	return v
}
