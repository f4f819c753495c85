package parrot_test

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/deploy/dev/parrot"
)

func TestTheParrotSaysBackWhatItHears(t *testing.T) {
	t.Parallel()
	s := httptest.NewServer(parrot.New())
	defer s.Close()
	for _, c := range []struct {
		path, body string
		status     int
		says       []string
	}{
		{"/v1/chat/completions", `{"stream":true,"messages":[{"role":"user","content":"one two"}]}`, 200, []string{`"content":"one "`, `"content":"two"`, `"finish_reason":"stop"`, "data: [DONE]"}},
		{"/v1/chat/completions", `{"max_tokens":1,"messages":[{"role":"user","content":[{"type":"text","text":"one two"}]}]}`, 200, []string{`"content":"one "`, `"finish_reason":"length"`}},
		{"/v1/completions", `{"prompt":"once"}`, 200, []string{`"text":"once"`}},
		{"/v1/completions", `{`, 400, []string{"not a request"}},
	} {
		resp, err := http.Post(s.URL+c.path, "application/json", strings.NewReader(c.body))
		require.NoError(t, err)
		b, err := io.ReadAll(resp.Body)
		require.NoError(t, err)
		require.NoError(t, resp.Body.Close())
		assert.Equal(t, c.status, resp.StatusCode)
		for _, says := range c.says {
			assert.True(t, bytes.Contains(b, []byte(says)), "%s in %s", says, b)
		}
	}
}
