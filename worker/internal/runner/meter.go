package runner

import (
	"math"
	"sync"
	"time"
)

const (
	memory     = 10 * time.Second // how long the meter's figures reach back: what happened that long ago counts 1/e
	fullMemory = time.Minute      // the same of the figures under full load, which comes and goes
	enoughFull = 0.2              // seconds of full load that tell a capacity
	almostFull = 0.9              // share of the slots in use that counts as full load
)

// meter counts a model's requests in flight, how many end a second while it has any, and how many while it is full.
type meter struct {
	mu        sync.Mutex
	slots     int
	inFlight  int
	at        time.Time // when the figures below were brought up to date
	ended     float64
	busy      float64 // seconds with at least one request in flight
	load      float64 // seconds times requests in flight
	fullEnded float64
	fullBusy  float64 // seconds with almost all slots in use
	emptying  bool    // requests that ran together end one after the other: none has begun since it was full
}

func (m *meter) begin(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.inFlight++
	m.emptying = false
}

func (m *meter) end(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	m.ended++
	m.emptying = m.emptying || m.full()
	if m.emptying {
		m.fullEnded++
	}
	m.inFlight--
}

func (m *meter) full() bool { return float64(m.inFlight) >= almostFull*float64(m.slots) }

// holds tells how many requests fit at once.
func (m *meter) holds(slots int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.slots = max(m.slots, slots)
}

// advance lets the figures fade, and adds the time since to the busy time if there was work.
func (m *meter) advance(now time.Time) {
	if m.at.IsZero() {
		m.at = now
	}
	d := now.Sub(m.at).Seconds()
	if d < 0 {
		return // the callers' clocks are read before they come here one by one
	}
	fade := math.Exp(-d / memory.Seconds())
	m.ended *= fade
	m.busy *= fade
	m.load = m.load*fade + memory.Seconds()*(1-fade)*float64(m.inFlight)
	if m.inFlight > 0 {
		m.busy += memory.Seconds() * (1 - fade)
	}
	fade = math.Exp(-d / fullMemory.Seconds())
	m.fullEnded *= fade
	m.fullBusy *= fade
	switch since := fullMemory.Seconds() * (1 - fade); {
	case m.full():
		m.fullBusy += since
	case m.emptying: // as if the rest took as long with the other slots in use
		m.fullBusy += since * float64(m.inFlight) / float64(m.slots)
	}
	m.at = now
}

// capacity is how many requests would end a second with all slots in use: as measured when they lately were, and else as
// if a request took as long then as it does now; 0 when nothing is known.
func (m *meter) capacity(now time.Time) float64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	if m.fullBusy >= enoughFull && m.fullEnded > 0 {
		return m.fullEnded / m.fullBusy
	}
	if m.ended < 1e-3 || m.load <= 0 {
		return 0
	}
	return m.ended / m.load * float64(m.slots)
}

// read is what is in flight, and how many end a second of busy time; 0 when none ended for long.
func (m *meter) read(now time.Time) (inFlight int, rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(now)
	if m.ended < 1e-3 || m.busy <= 0 {
		return m.inFlight, 0
	}
	return m.inFlight, m.ended / m.busy
}
