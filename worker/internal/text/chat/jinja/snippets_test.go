package jinja_test

import (
	"bufio"
	"os"
	"testing"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/worker/internal/text/chat/jinja"
)

// now is the time at which the fixtures were made.
func now() time.Time { return time.Date(2025, 3, 7, 9, 5, 2, 0, time.UTC) }

func variables(tb testing.TB, raw []byte, client bool) map[string]jinja.Value {
	tb.Helper()
	v, err := jinja.FromJSON(raw, client)
	require.NoError(tb, err)
	vars := map[string]jinja.Value{}
	jinja.Each(v, func(name string, x jinja.Value) { vars[name] = x })
	return vars
}

func render(src string, vars map[string]jinja.Value) (string, error) {
	tpl, err := jinja.Parse(src)
	if err != nil {
		return "", err
	}
	res, err := tpl.Render(vars, now(), jinja.Limits{})
	return res.Text, err
}

// TestSnippets compares what testdata/snippets.py wrote down of Python's Jinja2.
func TestSnippets(t *testing.T) {
	t.Parallel()
	files := []string{"testdata/snippets.jsonl", "testdata/programs.jsonl", "testdata/more.jsonl"}
	if more := os.Getenv("PENSTOCK_CHAT_SNIPPETS"); more != "" {
		files = append(files, more)
	}
	for _, name := range files {
		f, err := os.Open(name)
		require.NoError(t, err)
		defer f.Close()
		in := bufio.NewScanner(f)
		in.Buffer(nil, 1<<22)
		require.True(t, in.Scan())
		vars := variables(t, in.Bytes(), false)
		n, bad := 0, 0
		for in.Scan() {
			var want struct {
				Src string  `json:"src"`
				Out *string `json:"out"`
				Err string  `json:"err"`
			}
			require.NoError(t, json.Unmarshal(in.Bytes(), &want, jsontext.AllowInvalidUTF8(true)))
			got, err := render(want.Src, vars)
			n++
			switch {
			case want.Out == nil && err != nil:
			case want.Out != nil && err == nil && got == *want.Out:
			default:
				bad++
				if bad <= 300 {
					w := want.Err
					if want.Out != nil {
						w = *want.Out
					}
					t.Errorf("%s\n got %q, %v\nwant %q", want.Src, got, err, w)
				}
			}
		}
		require.NoError(t, in.Err())
		t.Logf("%s: %d snippets, %d differ", name, n, bad)
	}
}
