package rawjson_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/rawjson"
)

func TestCheckRefuses(t *testing.T) {
	t.Parallel()
	for in, field := range map[string]string{
		"":                            "",
		" \n":                         "",
		"{":                           "",
		"}":                           "",
		"nul":                         "",
		"True":                        "",
		"NaN":                         "",
		"-":                           "",
		"01":                          "",
		"1.":                          "",
		".5":                          "",
		"+1":                          "",
		"1e":                          "",
		"0x10":                        "",
		"'a'":                         "",
		`"a`:                          "",
		`"\x"`:                        "",
		`"\u12"`:                      "",
		`"\ud800"`:                    "",
		"\"\x00\"":                    "",
		"\"\t\"":                      "",
		"\"\xff\"":                    "",
		"\"\xc0\xaf\"":                "",
		"\"\xed\xa0\x80\"":            "",
		"\xef\xbb\xbf{}":              "",
		"[1,]":                        "[1]",
		"[,1]":                        "[0]",
		"[1 2]":                       "[1]",
		`{"a":1,}`:                    "",
		`{"a" 1}`:                     "a",
		`{"a":}`:                      "a",
		`{a:1}`:                       "",
		`{1:1}`:                       "",
		`{"a":1}{"b":2}`:              "",
		`{"a":1} x`:                   "",
		`{"a":1,"a":2}`:               "a",
		`{"a":1,"\u0061":2}`:          "a",
		`{"a":{"b":[{"c":1,"c":2}]}}`: "a.b[0].c",
		`{"a":"` + "\xff" + `"}`:      "a",
		"/* c */ 1":                   "",
		strings.Repeat("[", 65) + strings.Repeat("]", 65): "",
		strings.Repeat("[", 100_000):                      "",
		strings.Repeat(`{"a":`, 100_000):                  "",
	} {
		err := rawjson.Check([]byte(in))
		name := in[:min(len(in), 40)]
		require.Error(t, err, name)
		require.Equal(t, fault.BadRequest, fault.CodeOf(err), name)
		if !strings.HasPrefix(in, "[") {
			require.Equal(t, field, fault.From(err).Field, name)
		}
	}
}

func TestCheckTakes(t *testing.T) {
	t.Parallel()
	for _, in := range []string{
		"{}", " [] ", "0", "-0", "-1.5e+300", `""`, `"\u0000\ud83d\ude00"`, `"` + "\x7f" + `"`, "null", "true", "false",
		`{"":1}`, `{"a":1,"A":2}`, `{"a":{"a":{"a":1}}}`, "\r\n\t {} \n", `["\"\\",[]]`, `"[[[[{{{{"`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		require.NoError(t, rawjson.Check([]byte(in)), in)
	}
}

func TestMembersKeepOrder(t *testing.T) {
	t.Parallel()
	in := rawjson.Trim([]byte(" { \"b\" : [1, {\"x\":\"]}\"}] ,\n\"a\\\"\":\"\\\\\", \"c\":{} ,\"\\u4eba\": -1.5e3,\"e\":null } "))
	require.NoError(t, rawjson.Check(in))
	var got []string
	for name, v := range rawjson.Members(in) {
		got = append(got, string(name)+"="+string(v))
	}
	require.Equal(t, []string{`b=[1, {"x":"]}"}]`, `a"="\\"`, `c={}`, `人=-1.5e3`, `e=null`}, got)
	for range rawjson.Members(in) {
		break // a caller may stop
	}
	for range rawjson.Members([]byte("{}")) {
		t.Fatal("an empty object has no members")
	}
}

func FuzzMembers(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":[{"c":"}"}],"\u0061\"":{"\\":null}}`))
	f.Add([]byte(`{"a":"\\\"","b":tru}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		if rawjson.Check(in) != nil {
			return
		}
		require.True(t, json.Valid(in))
		in = rawjson.Trim(in)
		if rawjson.Kind(in) != '{' {
			return
		}
		var want map[string]json.RawMessage
		require.NoError(t, json.Unmarshal(in, &want))
		n := 0
		for name, v := range rawjson.Members(in) {
			n++
			require.Equal(t, string(want[string(name)]), string(v))
		}
		require.Len(t, want, n)
	})
}

func BenchmarkCheck(b *testing.B) {
	in := []byte(`{"model":"sleep","input":{"ms":0,"echo":{"hello":"world"}},"metadata":{"a":"b"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if err := rawjson.Check(in); err != nil {
			b.Fatal(err)
		}
	}
}
