package redisdb

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
	"github.com/redis/go-redis/v9"
)

const (
	// DefaultAddr is where the embedded server listens when it is free and nothing else was asked for.
	DefaultAddr = "127.0.0.1:6379"

	tickEvery = 400 * time.Millisecond // TTLs advance and changes are written; a kill -9 loses no more than this
	dataFile  = "redis.dataset"
)

// EmbeddedConfig tells how the embedded server starts.
type EmbeddedConfig struct {
	// Addr is where it listens, host:port; port 0 takes any. Empty takes DefaultAddr if that is free and any other
	// loopback port otherwise.
	Addr string
	// Dir keeps the data set; it is made when missing. Empty keeps nothing.
	Dir string
}

// Embedded is a Redis server inside this process, for one machine. It keeps its data set over restarts: strings,
// hashes, lists, sets and sorted sets of database 0, with their expiry. Streams and other databases are not kept.
type Embedded struct {
	mr    *miniredis.Miniredis
	srv   *server.Server
	gate  gate          // of this process's clients
	inner *redis.Client // for reading what to keep, past the gate
	addr  string
	log   *slog.Logger
	marks marks
	keep  *dataset // nil without a directory; owned by the ticker goroutine, then by Close
	lock  *os.File

	stop chan struct{}
	done sync.WaitGroup
	once sync.Once
	err  error // of Close
}

// StartEmbedded reads the data set and starts the server. Its errors are sentences for the operator.
func StartEmbedded(cfg EmbeddedConfig, log *slog.Logger) (*Embedded, error) {
	e := &Embedded{mr: miniredis.NewMiniRedis(), log: log, stop: make(chan struct{})}
	if err := e.open(cfg.Dir); err != nil {
		return nil, errors.Join(err, e.unlock())
	}
	if err := e.listen(cfg.Addr); err != nil {
		if e.keep != nil {
			err = errors.Join(err, e.keep.close())
		}
		return nil, errors.Join(err, e.unlock())
	}
	e.srv = e.mr.Server()
	e.srv.SetPreHook(e.hook)
	e.inner = e.client(&gate{})
	e.done.Go(e.tick)
	return e, nil
}

// open locks the directory and loads what it keeps, before anybody can connect.
func (e *Embedded) open(dir string) error {
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the embedded Redis needs its directory: %w", err)
	}
	var err error
	if e.lock, err = lockDir(dir); err != nil {
		return err
	}
	e.keep, err = openDataset(filepath.Join(dir, dataFile), e.mr.DB(0), e.log)
	return err
}

func (e *Embedded) unlock() error {
	if e.lock == nil {
		return nil
	}
	return unlockDir(e.lock)
}

// listen takes the address asked for; without one the default, or any loopback port when that is taken.
func (e *Embedded) listen(addr string) error {
	asked := addr != ""
	if !asked {
		addr = DefaultAddr
	}
	err := e.mr.StartAddr(addr)
	if err != nil && !asked && errors.Is(err, syscall.EADDRINUSE) {
		err = e.mr.StartAddr("127.0.0.1:0")
	}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("the embedded Redis can't listen on %s: the port is taken; free it, or name another in "+
			"PENSTOCK_REDIS_ADDR", addr)
	case err != nil:
		return fmt.Errorf("the embedded Redis can't listen on %s (PENSTOCK_REDIS_ADDR): %w", addr, err)
	}
	e.addr = e.mr.Addr()
	return nil
}

// Addr is where it really listens, host:port.
func (e *Embedded) Addr() string { return e.addr }

// DB gives this process's way to the server, which needs no socket.
func (e *Embedded) DB() *DB {
	db := newDB(e.client(&e.gate))
	db.near = newNear(e.srv, &e.gate)
	return db
}

func (e *Embedded) client(g *gate) *redis.Client {
	o := &redis.Options{
		Addr:   e.addr,
		Dialer: func(context.Context, string, string) (net.Conn, error) { return newMemConn(e.srv, g), nil },
	}
	plain(o)
	return redis.NewClient(o)
}

// tick advances the TTLs by the wall clock and writes what changed.
func (e *Embedded) tick() {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	last := time.Now().Round(0) // wall time: keys age while the machine sleeps, too
	var failing bool
	for {
		select {
		case <-e.stop:
			return
		case now := <-t.C:
			now = now.Round(0)
			if d := now.Sub(last); d > 0 {
				e.mr.FastForward(d)
			}
			last = now
			err := e.save()
			if err != nil && !failing {
				e.log.Error("the embedded Redis can't write its data set", "error", err)
			}
			failing = err != nil
		}
	}
}

// save writes what was marked since; nothing when nothing was.
func (e *Embedded) save() error {
	if e.keep == nil {
		return nil
	}
	keys, all := e.marks.take()
	if !all && len(keys) == 0 {
		return nil
	}
	err := e.keep.write(context.Background(), e.inner, keys, all)
	if err != nil {
		e.marks.markAll() // the file may end in half a line: write it whole next time
	}
	return err
}

// Close stops the server and writes what changed last. Clients of it get errors from now on.
func (e *Embedded) Close() error {
	e.once.Do(func() {
		close(e.stop)
		e.done.Wait()
		e.mr.Close() // waits for the commands of other processes' connections
		e.gate.mu.Lock()
		e.gate.shut = true
		e.gate.mu.Unlock()
		if e.keep != nil {
			e.err = errors.Join(e.save(), e.keep.close())
		}
		e.err = errors.Join(e.err, e.inner.Close(), e.unlock())
	})
	return e.err
}
