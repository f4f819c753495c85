// Package http1 is a client that costs next to nothing: a generator that takes half of the machine measures itself. It
// speaks just as much of HTTP/1.1 as that needs: rendered requests, answers with a Content-Length, keep-alive.
package http1

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"time"
)

// Dialer opens connections to one server.
type Dialer struct {
	addr string
	tls  *tls.Config
}

// NewDialer is for the server at host:port addr, whose certificate is for name and signed by the CA in caFile.
func NewDialer(addr, name, caFile string) (*Dialer, error) {
	pem, err := os.ReadFile(caFile) //nolint:gosec // named by the operator
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", caFile)
	}
	return &Dialer{addr: addr, tls: &tls.Config{
		RootCAs: roots, ServerName: name, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}}, nil
}

// Open connects; nothing on the connection may last past until.
func (d *Dialer) Open(ctx context.Context, until time.Time) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, d.tls)
	if err := errors.Join(c.SetDeadline(until), c.HandshakeContext(ctx)); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &Conn{Conn: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

// Conn is for one goroutine.
type Conn struct {
	net.Conn
	r    *bufio.Reader
	body []byte // of the last answer
	last bool   // the server closes after it
}

// Last tells whether the server closes the connection after the last answer.
func (c *Conn) Last() bool { return c.last }

// maxBody bounds an answer.
const maxBody = 16 << 20

// Do sends a rendered request and reads the answer, whose body is good until the next call.
func (c *Conn) Do(request []byte) (status int, body []byte, err error) {
	if _, err := c.Write(request); err != nil {
		return 0, nil, err
	}
	line, err := c.line()
	if err != nil {
		return 0, nil, err
	}
	if len(line) < 12 || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, nil, fmt.Errorf("%q is no status line", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, nil, err
	}
	length, err := c.head()
	if err != nil {
		return 0, nil, err
	}
	if cap(c.body) < length {
		c.body = make([]byte, length)
	}
	c.body = c.body[:length]
	_, err = io.ReadFull(c.r, c.body)
	return status, c.body, err
}

// head reads the header and gives the body's length.
func (c *Conn) head() (length int, err error) {
	length = -1
	for {
		line, err := c.line()
		if err != nil {
			return 0, err
		}
		if len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case bytes.EqualFold(name, []byte("Content-Length")):
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil || length < 0 || length > maxBody {
				return 0, fmt.Errorf("%q is no length of an answer", value)
			}
		case bytes.EqualFold(name, []byte("Connection")):
			c.last = bytes.EqualFold(bytes.TrimSpace(value), []byte("close"))
		}
	}
	if length < 0 {
		return 0, errors.New("an answer has no Content-Length")
	}
	return length, nil
}

// line reads one line without its end.
func (c *Conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
