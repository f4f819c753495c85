package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// scripted is a connection that reads from a reader and forgets what is written.
type scripted struct {
	net.Conn
	io.Reader
}

func (s scripted) Read(p []byte) (int, error)    { return s.Reader.Read(p) }
func (scripted) SetReadDeadline(time.Time) error { return nil }

// passed is what a conn hands on of the bytes, without the broken head that stands for a refusal.
func passed(t *testing.T, r io.Reader) (out []byte, refused bool) {
	t.Helper()
	c := &conn{Conn: scripted{Reader: r}, limits: &connLimits{maxHead: 4096, headTimeout: time.Minute}}
	out, err := io.ReadAll(c)
	if err != nil {
		require.True(t, errors.Is(err, errRefused) || errors.Is(err, io.ErrUnexpectedEOF), err)
	}
	if c.refused != nil && c.at == inHead {
		require.True(t, bytes.HasSuffix(out, []byte(brokenHead)))
		out = out[:len(out)-len(brokenHead)]
	}
	return out, c.refused != nil
}

// FuzzConn holds the conn against another reader of HTTP/1: what it passes as whole messages, net/http must read as
// the same number of whole messages, ending at the same byte.
func FuzzConn(f *testing.F) {
	for _, raw := range ambiguous() {
		f.Add([]byte(raw))
	}
	f.Add([]byte("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX: y\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		out, refused := passed(t, bytes.NewReader(raw))
		slow, slowRefused := passed(t, iotest.OneByteReader(bytes.NewReader(raw)))
		require.Equal(t, out, slow, "the answer depends on how the bytes come in")
		require.Equal(t, refused, slowRefused)
		require.True(t, bytes.HasPrefix(raw, out), "bytes were changed on the way")

		var sizes []int // where our messages end
		c := &conn{buf: append(make([]byte, 0, len(raw)+1), raw...), w: len(raw), limits: &connLimits{maxHead: 4096}}
		for end := 0; c.r < c.w && c.advance() && c.refused == nil; {
			end += c.pass
			c.consume(c.pass)
			if c.at == inHead && c.spare == 0 {
				sizes = append(sizes, end)
			}
		}
		in := bytes.NewReader(raw)
		br := bufio.NewReader(in)
		for _, want := range sizes {
			req, err := http.ReadRequest(br)
			require.NoError(t, err, "net/http does not take what we pass")
			_, err = io.Copy(io.Discard, req.Body)
			require.NoError(t, err)
			require.Equal(t, want, len(raw)-in.Len()-br.Buffered(), "the messages end at different bytes")
		}
	})
}

func TestConnHandsOnWholeHeadsOnly(t *testing.T) {
	t.Parallel()
	const head = "GET / HTTP/1.1\r\nHost: a\r\n\r\n"
	for cut := range len(head) {
		out, refused := passed(t, strings.NewReader(head[:cut]))
		require.Empty(t, out)
		require.False(t, refused)
	}
	out, refused := passed(t, strings.NewReader(head+head))
	require.Equal(t, head+head, string(out))
	require.False(t, refused)
}
