package redisdb

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2/server"
)

// memConn joins this process's client to the embedded server without a socket: what is written is run at once, in the
// writer's own goroutine, and the replies are there to be read. That is a tenth of the cost of a loopback connection.
// Commands that block or subscribe can't be used on it.
type memConn struct {
	srv  *server.Server
	gate *gate

	mu   sync.Mutex
	peer *server.Peer
	in   []byte       // a command not whole yet
	out  bytes.Buffer // replies not read yet
	shut bool
}

// gate makes each pipeline of this process run as one, and closes with the server.
type gate struct {
	mu   sync.Mutex
	shut bool
}

var errProtocol = errors.New("redis protocol error")

func newMemConn(srv *server.Server, g *gate) *memConn {
	c := &memConn{srv: srv, gate: g}
	c.peer = server.NewPeer(bufio.NewWriter(&c.out))
	return c
}

// Write runs every whole command in b.
func (c *memConn) Write(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.shut {
		return 0, net.ErrClosed
	}
	c.gate.mu.Lock()
	defer c.gate.mu.Unlock()
	if c.gate.shut {
		return 0, net.ErrClosed
	}
	data := b
	if len(c.in) > 0 {
		c.in = append(c.in, b...)
		data = c.in
	}
	for len(data) > 0 {
		args, n, err := parseCommand(data)
		if err != nil {
			return 0, err
		}
		if n == 0 {
			break
		}
		c.srv.Dispatch(c.peer, args)
		data = data[n:]
	}
	c.peer.Flush()
	c.in = append(c.in[:0], data...)
	return len(b), nil
}

// Read gives the replies. All are there before it is called; without any it says that none will come.
func (c *memConn) Read(b []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.out.Len() == 0 {
		if c.shut {
			return 0, net.ErrClosed
		}
		return 0, errProtocol
	}
	return c.out.Read(b)
}

// Close ends the connection.
func (c *memConn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shut = true
	return nil
}

// The rest of net.Conn. Nothing here takes time, so that there is nothing for a deadline to end.

func (c *memConn) LocalAddr() net.Addr              { return memAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return memAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }

type memAddr struct{}

func (memAddr) Network() string { return "memory" }
func (memAddr) String() string  { return "embedded" }

// parseCommand reads one command, an array of bulk strings, and tells its length; 0 when it is not whole yet.
func parseCommand(b []byte) (args []string, n int, err error) {
	count, at, err := parseLength(b, 0, '*')
	if err != nil || at == 0 {
		return nil, 0, err
	}
	args = make([]string, 0, count)
	for range count {
		size, next, err := parseLength(b, at, '$')
		if err != nil || next == 0 || len(b) < next+size+2 {
			return nil, 0, err
		}
		args = append(args, string(b[next:next+size]))
		at = next + size + 2
	}
	return args, at, nil
}

// parseLength reads "<mark>123\r\n" at from; next is 0 when it is not whole.
func parseLength(b []byte, from int, mark byte) (value, next int, err error) {
	if from >= len(b) {
		return 0, 0, nil
	}
	if b[from] != mark {
		return 0, 0, errProtocol
	}
	end := bytes.IndexByte(b[from:], '\n')
	if end < 0 {
		return 0, 0, nil
	}
	if end < 3 {
		return 0, 0, errProtocol
	}
	value, err = strconv.Atoi(string(b[from+1 : from+end-1]))
	if err != nil || value < 0 || mark == '*' && value == 0 {
		return 0, 0, errProtocol
	}
	return value, from + end + 1, nil
}
