package main

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

// dialer opens connections to the target. A generator that takes half of the machine measures itself, so that it
// speaks just as much of HTTP/1.1 as it needs: rendered requests, answers with a Content-Length, keep-alive.
type dialer struct {
	target target
	tls    *tls.Config
}

func newDialer(t target) (*dialer, error) {
	pem, err := os.ReadFile(t.caFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate", t.caFile)
	}
	return &dialer{target: t, tls: &tls.Config{
		RootCAs: roots, ServerName: t.name, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
	}}, nil
}

// open connects; nothing on the connection may last past until.
func (d *dialer) open(ctx context.Context, until time.Time) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", d.target.addr)
	if err != nil {
		return nil, err
	}
	c := tls.Client(raw, d.tls)
	if err := errors.Join(c.SetDeadline(until), c.HandshakeContext(ctx)); err != nil {
		return nil, errors.Join(err, raw.Close())
	}
	return &conn{Conn: c, r: bufio.NewReaderSize(c, 16<<10)}, nil
}

// conn is for one goroutine.
type conn struct {
	net.Conn
	r    *bufio.Reader
	body []byte // of the last answer
	last bool   // the server closes after it
}

// maxBody bounds an answer.
const maxBody = 16 << 20

// do sends a rendered request and reads the answer, whose body is good until the next call.
func (c *conn) do(request []byte) (status int, body []byte, err error) {
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
func (c *conn) head() (length int, err error) {
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
func (c *conn) line() ([]byte, error) {
	line, err := c.r.ReadSlice('\n')
	return bytes.TrimRight(line, "\r\n"), err
}
