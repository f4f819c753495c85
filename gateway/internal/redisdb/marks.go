package redisdb

import (
	"sync"

	"github.com/alicebob/miniredis/v2/server"
)

// marks is which keys may have changed and must be written.
type marks struct {
	mu   sync.Mutex
	keys map[string]int            // key → in how many more writes it takes part
	all  int                       // in how many more writes everything takes part
	open map[*server.Peer][]string // the keys of transactions not executed yet
}

// rounds is how often a marked key is written. The hook runs before the command, so that the first write may come too
// early to see it; by the next one the command has long run.
const rounds = 2

func (m *marks) mark(keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.keys == nil {
		m.keys = make(map[string]int)
	}
	for _, k := range keys {
		m.keys[k] = rounds
	}
}

func (m *marks) markAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.all = rounds
}

// take gives what must be written now.
func (m *marks) take() (keys []string, all bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all = m.all > 0
	m.all = max(0, m.all-1)
	for k, n := range m.keys {
		keys = append(keys, k)
		if n--; n == 0 {
			delete(m.keys, k)
		} else {
			m.keys[k] = n
		}
	}
	return keys, all
}

// hook hears of every command before it runs, and lets it.
func (e *Embedded) hook(p *server.Peer, cmd string, args ...string) bool {
	if e.keep == nil || e.srv.IsReadOnlyCommand(cmd) {
		return false
	}
	m := &e.marks
	switch cmd {
	case "PING", "ECHO", "HELLO", "AUTH", "QUIT", "SELECT", "CLIENT", "COMMAND", "INFO", "TIME", "CLUSTER", "OBJECT",
		"WATCH", "UNWATCH", "PUBLISH", "SUBSCRIBE", "UNSUBSCRIBE", "PSUBSCRIBE", "PUNSUBSCRIBE", "PUBSUB", "SCRIPT",
		"MEMORY", "READONLY", "READWRITE", "WAIT":
	case "MULTI":
		m.begin(p)
	case "EXEC", "DISCARD":
		m.end(p)
	case "DEL", "UNLINK", "RENAME", "RENAMENX":
		m.mark(args...)
		m.queue(p, args...)
	case "SET", "SETNX", "SETEX", "PSETEX", "GETSET", "GETDEL", "GETEX", "APPEND", "SETRANGE", "INCR", "INCRBY",
		"INCRBYFLOAT", "DECR", "DECRBY", "EXPIRE", "PEXPIRE", "EXPIREAT", "PEXPIREAT", "PERSIST", "HSET", "HMSET",
		"HSETNX", "HDEL", "HINCRBY", "HINCRBYFLOAT", "SADD", "SREM", "SPOP", "ZADD", "ZREM", "ZINCRBY",
		"ZREMRANGEBYSCORE", "ZREMRANGEBYRANK", "ZPOPMIN", "ZPOPMAX", "LPUSH", "RPUSH", "LPOP", "RPOP", "LREM", "LSET",
		"LTRIM", "LINSERT":
		if len(args) > 0 {
			m.mark(args[0])
			m.queue(p, args[0])
		}
	default:
		m.markAll() // rare: scripts, and commands with several keys
	}
	return false
}

// begin opens a transaction: what it queues runs later, and is marked again then.
func (m *marks) begin(p *server.Peer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.open == nil || len(m.open) > 1000 { // clients that left in the middle of one
		m.open = make(map[*server.Peer][]string)
		m.all = rounds
	}
	m.open[p] = []string{}
}

func (m *marks) queue(p *server.Peer, keys ...string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if queued, ok := m.open[p]; ok {
		m.open[p] = append(queued, keys...)
	}
}

func (m *marks) end(p *server.Peer) {
	m.mu.Lock()
	queued := m.open[p]
	delete(m.open, p)
	m.mu.Unlock()
	m.mark(queued...)
}
