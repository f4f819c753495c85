package queue

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// ErrDiskFull says that the embedded broker's disk has no room for new jobs. It is an ErrFull: nothing was stored.
var ErrDiskFull = fmt.Errorf("%w: the broker's disk has too little room left", ErrFull)

const (
	diskReserve    = 32 << 20 // left for the ends of accepted jobs: with less, none is accepted
	healthTick     = 200 * time.Millisecond
	restartTimeout = 30 * time.Second
)

// health watches an embedded broker. A write that its disk refused, for want of room or whatever reason, makes the
// server stop storing in that stream, without an answer, until it is started again; so that is done, as soon as there is
// room.
type health struct {
	full   atomic.Bool
	rouse  chan struct{} // holds a token when the server has told of an error
	failed atomic.Bool   // the server has told of a write that failed
	stuck  chan struct{} // closed when the server can neither store nor be stopped
	cancel context.CancelFunc
	done   chan struct{}
}

func (h *health) begin(ctx context.Context, e *Embedded) {
	ctx, cancel := context.WithCancel(ctx)
	h.cancel, h.done = cancel, make(chan struct{})
	go func() {
		defer close(h.done)
		h.watch(ctx, e)
	}()
}

func (h *health) end() {
	h.cancel()
	<-h.done
}

// hear is called with each error that the server tells of. A write that failed it calls critical, in a stream or a
// consumer; of consumers it tells nowhere else.
func (h *health) hear(told string) {
	if strings.Contains(strings.ToLower(told), "critical write error") {
		h.failed.Store(true)
	}
	select {
	case h.rouse <- struct{}{}:
	default:
	}
}

func (h *health) watch(ctx context.Context, e *Embedded) {
	tick := time.NewTicker(healthTick)
	defer tick.Stop()
	for n := 0; ; n++ {
		told := false
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-h.rouse:
			told = true
		}
		room := h.room(ctx, e)
		if !told && n%5 > 0 {
			continue // looking costs more than asking the disk
		}
		err := h.sick(ctx, e.server())
		if err == nil {
			continue
		}
		h.full.Store(true)
		e.log.ErrorContext(ctx, "the embedded broker can no longer write, and is started again when the disk has room", "error", err)
		if !room && h.awaitRoom(ctx, e) != nil {
			return
		}
		h.restart(ctx, e)
		if isClosed(h.stuck) {
			return
		}
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// room tells whether the disk has enough left, and has jobs refused when it has not.
func (h *health) room(ctx context.Context, e *Embedded) bool {
	room := enough(e)
	if was := !h.full.Swap(!room); was != room {
		if room {
			e.log.InfoContext(ctx, "the broker's disk has room again: jobs are accepted")
		} else {
			e.log.ErrorContext(ctx, "the broker's disk has too little room left: no job is accepted", "reserve", diskReserve)
		}
	}
	return room
}

// enough tells whether the disk has more room than the reserve, as far as is known.
func enough(e *Embedded) bool {
	free, err := freeBytes(e.opts.StoreDir)
	return err != nil || free >= diskReserve
}

func (h *health) awaitRoom(ctx context.Context, e *Embedded) error {
	for {
		if err := pause(ctx, healthTick); err != nil {
			return err
		}
		if enough(e) {
			return nil
		}
	}
}

// restart tries until the server runs. Connections to it come back by themselves, as after the death of any broker.
func (h *health) restart(ctx context.Context, e *Embedded) {
	if err := e.stop(); err != nil {
		e.log.ErrorContext(ctx, "the embedded broker does not stop", "error", err)
		close(h.stuck)
		return
	}
	h.failed.Store(false)
	for {
		err := e.start(restartTimeout)
		if err == nil {
			e.log.InfoContext(ctx, "the embedded broker was started again")
			return
		}
		e.log.ErrorContext(ctx, "the embedded broker does not start", "error", err)
		if pause(ctx, time.Second) != nil {
			return
		}
	}
}

// sick tells why a server does not store what it should. A stream that is just being made looks sick for a moment.
func (h *health) sick(ctx context.Context, ns *server.Server) error {
	if h.failed.Load() {
		return errors.New("a write failed")
	}
	for n := 0; ; n++ {
		s := ns.Healthz(&server.HealthzOptions{})
		if s.StatusCode == http.StatusOK {
			return nil
		}
		if n == 5 {
			return errors.New(s.Error)
		}
		if err := pause(ctx, healthTick); err != nil {
			return nil //nolint:nilerr // it is being closed
		}
	}
}

// Room tells, by ErrDiskFull, when no new job would be stored.
func (q *Queue) Room() error {
	if e := q.opts.Embedded; e != nil && e.health.full.Load() {
		return ErrDiskFull
	}
	return nil
}
