package uninlu

import (
	"testing"

	"github.com/penstock-dev/penstock/shared/fault"
)

func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"text":"王伟在北京","schema":{"人物":{"国籍":null},"a.b":null}}`, `{"text":"a","schema":"{\"x\":null}"}`,
		`{"text":"a","schema":{"a":{"a":{}}}}`, `{"schema":[],"text":1}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		_, schema, err := parse(b)
		if err == nil && len(schema) == 0 {
			t.Fatal("a schema without keys")
		}
		if err != nil && fault.CodeOf(err) != fault.InvalidInput {
			t.Fatal(err)
		}
	})
}
