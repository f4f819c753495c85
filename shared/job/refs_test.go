package job

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
)

func TestRefsAreFoundWhereTheyStand(t *testing.T) {
	t.Parallel()
	for input, want := range map[string][]string{
		`{"a":1}`:                 nil,
		`{"$ref":"blob_a"}`:       {"="},
		` { "$ref" : "blob_a" } `: {"="},
		`{"image":{"$ref":"blob_a"},"b":{"$ref":"blob_b"}}`: {"image=", "b="},
		`{"m":[1,{"0":{"$ref":"blob_a"}},{"$ref":"in_x"}]}`: {"m[1].0=", "m[2]="},
		`[[{"$ref":"blob_a"}]]`:                             {"[0][0]="},
		`{"schema":{"$ref":"#/$defs/x","y":1}}`:             nil,
		`{"schema":{"$ref":{"$ref":"blob_a"}}}`:             {"schema.$ref="},
		`{"$ref":3,"x":["$ref","blob_a"]}`:                  nil,
		`"\"$ref\""`:                                        nil,
	} {
		refs, err := Refs([]byte(input))
		require.NoError(t, err, input)
		var got []string
		for _, r := range refs {
			got = append(got, r.Path+"=")
			assert.Equal(t, byte('{'), input[r.Start], input)
			assert.Equal(t, byte('}'), input[r.End-1], input)
			assert.Contains(t, input[r.Start:r.End], r.Name)
		}
		assert.Equal(t, want, got, input)
	}
}

func TestAnImagePartMayNameABlob(t *testing.T) {
	t.Parallel()
	for input, want := range map[string][]string{
		`{"messages":[{"content":[{"type":"image_url","image_url":{"url":"blob_a"}},{"image_url":"blob_b"}]}]}`: {
			"messages[0].content[0].image_url.url", "messages[0].content[1].image_url",
		},
		`{"image_url":{"url":"data:blob_a"}}`:                  nil,
		`{"image_url":{"other":"blob_a"},"url":"blob_b"}`:      nil,
		`{"content":"\"image_url\" \"blob_a","image_url":"x"}`: nil,
		`{"image_url":{"url":{"$ref":"blob_a"}}}`:              {"image_url.url"},
	} {
		refs, err := Refs([]byte(input))
		require.NoError(t, err, input)
		var got []string
		for _, r := range refs {
			got = append(got, r.Path)
			assert.Contains(t, []string{`"` + r.Name + `"`, `{"$ref":"` + r.Name + `"}`}, input[r.Start:r.End])
		}
		assert.Equal(t, want, got, input)
	}
	_, err := Refs([]byte(`{"image_url":"blob\u005fa","x":"blob_"}`))
	assert.Equal(t, "image_url", fault.From(err).Field)
}

func TestRefsThatAreNoneAreRefused(t *testing.T) {
	t.Parallel()
	many := `[` + strings.Repeat(`{"$ref":"blob_a"},`, MaxRefs) + `{"$ref":"blob_a"}]`
	for input, path := range map[string]string{
		`{"a":{"$ref":"blob_a","x":1}}`: "a",
		`{"a":{"x":1,"$ref":"blob_a"}}`: "a",
		many:                            "[64]",
		`{"$ref":"blob_a"`:              "",
	} {
		_, err := Refs([]byte(input))
		assert.Equal(t, fault.InvalidInput, fault.CodeOf(err), input)
		assert.Equal(t, path, fault.From(err).Field)
	}
}

func TestAWholeValueByReference(t *testing.T) {
	t.Parallel()
	name, ok := RefOf(RefTo("blob_abc"))
	assert.True(t, ok)
	assert.Equal(t, "blob_abc", name)
	for _, other := range []string{`{}`, `{"$ref":"x"}`, `{"$ref":"blob_a"} `, `{"$ref":"blob_a","b":"x"}`, `{"$ref":"blob_a\""}`} {
		_, ok := RefOf([]byte(other))
		assert.False(t, ok, other)
	}
	assert.True(t, IsRef([]byte(`{ "$ref": "blob_abc" }`)))
	assert.False(t, IsRef([]byte(`[{"$ref":"blob_abc"}]`)))
}
