package http1

import (
	"bufio"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestAnswers(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]struct {
		status int
		body   string
		fails  bool
	}{
		"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi":                        {status: 200, body: "hi"},
		"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\nA: b\r\n\r\n": {status: 503},
		"HTTP/1.1 200 OK\r\n\r\n":                                               {fails: true},
		"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n":                          {fails: true},
		"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n":                {fails: true},
		"SPDY/9 200\r\n\r\n":                                                    {fails: true},
		"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi":                        {fails: true},
		"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nbye":  {status: 200, body: "bye"},
	} {
		near, far := net.Pipe()
		served := make(chan error, 1)
		go func() {
			_, err := bufio.NewReader(far).ReadString('\n')
			if err == nil {
				_, err = io.WriteString(far, text)
			}
			_ = far.Close()
			served <- err
		}()
		c := &Conn{Conn: near, r: bufio.NewReader(near)}
		status, body, err := c.Do([]byte("ask\n"))
		_ = near.Close()
		if err := <-served; !want.fails { // a client that refuses an answer hangs up before its end
			require.NoError(t, err)
		}
		if want.fails {
			require.Error(t, err, text)
			continue
		}
		require.NoError(t, err, text)
		require.Equal(t, want.status, status)
		require.Equal(t, want.body, string(body))
		require.Equal(t, strings.Contains(text, "close"), c.Last())
	}
}
