package chat_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text/chat"
)

// now is the time at which the fixtures were made.
func now() time.Time { return time.Date(2025, 3, 7, 9, 5, 2, 0, time.UTC) }

type fixture struct {
	Tokens        map[string]string         `json:"tokens"`
	Conversations map[string]jsontext.Value `json:"conversations"`
	Kwargs        []struct {
		Add    bool           `json:"add_generation_prompt"`
		Tools  jsontext.Value `json:"tools"`
		Think  *bool          `json:"enable_thinking"`
		Effort string         `json:"reasoning_effort"`
	} `json:"kwargs"`
	Renderings []struct {
		Template     string  `json:"template"`
		Conversation string  `json:"conversation"`
		Kwargs       int     `json:"kwargs"`
		Text         *string `json:"text"`
		Error        string  `json:"error"`
	} `json:"renderings"`
}

func source(tb testing.TB, name string) string {
	tb.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "templates", name+".jinja"))
	require.NoError(tb, err)
	return string(b)
}

func template(tb testing.TB, name string) *chat.Template {
	tb.Helper()
	tpl, err := chat.New(source(tb, name), map[string]string{
		"bos_token": "<s>", "eos_token": "</s>", "pad_token": "<pad>", "unk_token": "<unk>",
	})
	require.NoError(tb, err)
	return tpl
}

// TestRenderings compares with what Python's Jinja2 made of the same templates and conversations.
func TestRenderings(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/renderings.json")
	require.NoError(t, err)
	var f fixture
	require.NoError(t, json.Unmarshal(b, &f))
	require.Greater(t, len(f.Renderings), 1000)
	templates := map[string]*chat.Template{}
	for _, r := range f.Renderings {
		if templates[r.Template] == nil {
			templates[r.Template] = template(t, r.Template)
		}
		k := f.Kwargs[r.Kwargs]
		req := chat.Request{
			Messages: f.Conversations[r.Conversation], Tools: k.Tools, AddGenerationPrompt: k.Add, Think: k.Think, Now: now(),
		}
		if k.Effort != "" {
			req.Args = jsontext.Value(`{"reasoning_effort":"` + k.Effort + `","custom":{"a":1}}`)
		}
		got, err := templates[r.Template].Render(req)
		if r.Text == nil {
			if err == nil {
				t.Errorf("%s, %s, %d\n got %q\nwant error %s", r.Template, r.Conversation, r.Kwargs, got.Text, r.Error)
			}
			continue
		}
		if err != nil || got.Text != *r.Text {
			t.Errorf("%s, %s, %d\n got %q, %v\nwant %q", r.Template, r.Conversation, r.Kwargs, got.Text, err, *r.Text)
		}
	}
}
