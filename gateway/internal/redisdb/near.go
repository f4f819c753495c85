package redisdb

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"strconv"
	"sync"

	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

// near runs the pipelines of every request on the embedded server, past the client library: its connection pool, its
// writer and its reader cost several times what the commands do.
type near struct {
	srv  *server.Server
	gate *gate

	mu   sync.Mutex
	peer *server.Peer
	out  bytes.Buffer // one command's reply
}

func newNear(srv *server.Server, g *gate) *near {
	n := &near{srv: srv, gate: g}
	n.peer = server.NewPeer(bufio.NewWriter(&n.out))
	return n
}

// exec runs the commands as one and gives each its reply. It runs none when one of them is of a kind that it can't
// give a reply to: the caller then sends them by the client.
func (n *near) exec(cmds []redis.Cmder) bool {
	for _, cmd := range cmds {
		switch cmd.(type) {
		case *redis.IntCmd, *redis.BoolCmd, *redis.StringCmd:
		default:
			return false
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.gate.mu.Lock()
	defer n.gate.mu.Unlock()
	for _, cmd := range cmds {
		n.one(cmd)
	}
	return true
}

func (n *near) one(cmd redis.Cmder) {
	if n.gate.shut {
		cmd.SetErr(net.ErrClosed)
		return
	}
	raw := cmd.Args()
	args := make([]string, len(raw))
	for i, a := range raw {
		switch v := a.(type) {
		case string:
			args[i] = v
		case int64:
			args[i] = strconv.FormatInt(v, 10)
		case int:
			args[i] = strconv.Itoa(v)
		case float64:
			args[i] = strconv.FormatFloat(v, 'f', -1, 64)
		default:
			cmd.SetErr(errors.New("redisdb: an argument of a kind that no command here has"))
			return
		}
	}
	n.out.Reset()
	n.srv.Dispatch(n.peer, args)
	n.peer.Flush()
	answer(cmd, n.out.Bytes())
}

// answer gives a command its reply: an integer, a string, none, or an error.
func answer(cmd redis.Cmder, reply []byte) {
	line, rest, ok := bytes.Cut(reply, []byte("\r\n"))
	if !ok || len(line) == 0 {
		cmd.SetErr(errProtocol)
		return
	}
	switch body := line[1:]; {
	case line[0] == '-':
		cmd.SetErr(errors.New(string(body)))
	case string(line) == "$-1":
		cmd.SetErr(redis.Nil)
	case line[0] == ':':
		v, err := strconv.ParseInt(string(body), 10, 64)
		if err != nil {
			cmd.SetErr(errProtocol)
			return
		}
		switch c := cmd.(type) {
		case *redis.IntCmd:
			c.SetVal(v)
		case *redis.BoolCmd:
			c.SetVal(v == 1)
		default:
			cmd.SetErr(errProtocol)
		}
	case line[0] == '$':
		c, isText := cmd.(*redis.StringCmd)
		size, err := strconv.Atoi(string(body))
		if !isText || err != nil || size < 0 || size > len(rest) {
			cmd.SetErr(errProtocol)
			return
		}
		c.SetVal(string(rest[:size]))
	default:
		cmd.SetErr(errProtocol)
	}
}
