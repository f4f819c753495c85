package queue

import "time"

// FailWrite has an embedded broker believe that a write failed, as its log tells it.
func (e *Embedded) FailWrite() {
	e.health.hear("JetStream stream 'a > b' critical write error: no space left on device")
}

// Fill has an embedded broker believe that its disk has no room left, until it looks again.
func (e *Embedded) Fill() { e.health.full.Store(true) }

// Jam keeps the server from stopping until the returned function is called: it waits for its own log, as one that a
// failed write has locked up waits for its own lock.
func (e *Embedded) Jam() (free func()) {
	held := make(chan struct{})
	e.patience = 50 * time.Millisecond
	e.server().SetLoggerV2(jammed{held}, false, false, false)
	return func() { close(held) }
}

// jammed is a log that takes nothing.
type jammed struct{ held chan struct{} }

func (j jammed) Noticef(string, ...any) { <-j.held }
func (j jammed) Warnf(string, ...any)   {}
func (j jammed) Fatalf(string, ...any)  {}
func (j jammed) Errorf(string, ...any)  {}
func (j jammed) Debugf(string, ...any)  {}
func (j jammed) Tracef(string, ...any)  {}

// AwaitStopped waits for a server that was freed.
func (e *Embedded) AwaitStopped() { e.server().WaitForShutdown() }
