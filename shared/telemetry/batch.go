package telemetry

import (
	"io"
	"sync"
	"time"
)

const (
	batchRoom  = 1 << 20              // bytes that may wait to be written; past it, Write waits
	batchPause = 2 * time.Millisecond // between two writes
)

// BatchWriter takes log lines off their callers' hands: one goroutine writes whatever has gathered, so that a busy
// process makes one system call for many lines and an idle one writes each at once. What a killed process has not
// written yet is lost with it, the lines of two milliseconds at most.
type BatchWriter struct {
	out  io.Writer
	stop chan struct{} // closed by Close
	done chan struct{} // closed when the goroutine has ended

	mu     sync.Mutex
	more   sync.Cond // something to write, or closed
	room   sync.Cond // something was written
	buf    []byte    // guarded by mu
	idle   bool      // guarded by mu: the goroutine waits for more
	closed bool      // guarded by mu
}

// NewBatchWriter starts writing to out, in order; Close ends it.
func NewBatchWriter(out io.Writer) *BatchWriter {
	w := &BatchWriter{out: out, stop: make(chan struct{}), done: make(chan struct{})}
	w.more.L, w.room.L = &w.mu, &w.mu
	go w.run()
	return w
}

// Write takes p over. It reports no errors: a log that cannot be written stops nothing.
func (w *BatchWriter) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.buf) > batchRoom && !w.closed {
		w.room.Wait()
	}
	if w.closed {
		return w.out.Write(p)
	}
	w.buf = append(w.buf, p...)
	if w.idle {
		w.idle = false
		w.more.Signal()
	}
	return len(p), nil
}

// Close writes what waits. Lines that come later are written at once.
func (w *BatchWriter) Close() {
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.stop)
	}
	w.more.Signal()
	w.room.Broadcast()
	w.mu.Unlock()
	<-w.done
}

func (w *BatchWriter) run() {
	defer close(w.done)
	var spare []byte
	pause := time.NewTimer(batchPause)
	defer pause.Stop()
	for {
		w.mu.Lock()
		for len(w.buf) == 0 && !w.closed {
			w.idle = true
			w.more.Wait()
		}
		batch := w.buf
		w.buf = spare[:0]
		ended := w.closed
		w.room.Broadcast()
		w.mu.Unlock()
		if len(batch) > 0 {
			_, _ = w.out.Write(batch) // nowhere to tell it
		}
		spare = batch
		if ended {
			return
		}
		pause.Reset(batchPause)
		select {
		case <-pause.C:
		case <-w.stop:
		}
	}
}
