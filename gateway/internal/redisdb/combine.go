package redisdb

import (
	"context"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
)

// lanes is how many pipelines may be under way at once. One keeps the batches largest; see BenchmarkAdmit.
const lanes = 1

// combiner makes one pipeline of what concurrent callers ask (group commit). It has no goroutine of its own: a caller
// that finds a lane free sends at once, so that one caller alone loses nothing; those that come meanwhile wait, and
// the first of them sends for all.
type combiner struct {
	c redis.UniversalClient

	mu      sync.Mutex
	busy    int     // lanes under way
	waiting []*call // those that came meanwhile
}

// call is one caller's part of a pipeline.
type call struct {
	fill  func(p redis.Pipeliner)
	turn  chan bool // true: send batch; false: done
	batch []*call   // set before turn says true
}

func newCombiner(c redis.UniversalClient) *combiner { return &combiner{c: c} }

// do sends what fill puts into a pipeline. The errors are in the commands that fill made.
func (cb *combiner) do(ctx context.Context, fill func(p redis.Pipeliner)) {
	me := &call{fill: fill}
	cb.mu.Lock()
	if cb.busy < lanes {
		cb.busy++
		cb.mu.Unlock()
		cb.lead(ctx, []*call{me})
		return
	}
	me.turn = make(chan bool, 1)
	cb.waiting = append(cb.waiting, me)
	cb.mu.Unlock()
	if <-me.turn { // bounded by the time limits of the pipeline under way
		cb.lead(ctx, me.batch)
	}
}

// lead sends one batch, passes the lane on, and tells the others that theirs is done.
func (cb *combiner) lead(ctx context.Context, batch []*call) {
	send(ctx, cb.c, batch)
	cb.mu.Lock()
	next := cb.waiting
	cb.waiting = nil
	if len(next) == 0 {
		cb.busy--
	}
	cb.mu.Unlock()
	if len(next) > 0 {
		next[0].batch = next
		next[0].turn <- true
	}
	for _, c := range batch[1:] {
		c.turn <- false
	}
}

// send sends the calls as one pipeline. It does not end with any caller's context, as the others' parts are in it too;
// the connection's own time limits bound it.
func send(ctx context.Context, c redis.UniversalClient, batch []*call) {
	ctx = context.WithoutCancel(ctx)
	p := c.Pipeline()
	for _, one := range batch {
		one.fill(p)
	}
	_, _ = p.Exec(ctx) // each command holds its own error
}

// pipeline sends what fill asks for in one round trip, together with other callers'.
func (db *DB) pipeline(ctx context.Context, fill func(p redis.Pipeliner)) {
	if db.near != nil {
		p := db.c.Pipeline()
		fill(p)
		if !db.near.exec(p.Cmds()) {
			_, _ = p.Exec(context.WithoutCancel(ctx)) // each command holds its own error
		}
		return
	}
	if db.pipe == nil { // the benchmark's other side
		send(ctx, db.c, []*call{{fill: fill}})
		return
	}
	db.pipe.do(ctx, fill)
}

// millis is a time as Redis scores and expiries have it.
func millis(t time.Time) int64 { return t.UnixMilli() }
