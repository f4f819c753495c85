package runner

import (
	"math"
	"sync"
	"time"
)

// memory is how long the meter's figures reach back: what happened that long ago counts 1/e.
const memory = 10 * time.Second

// meter counts a model's requests in flight, and how many end a second while it has any.
type meter struct {
	mu       sync.Mutex
	inFlight int
	at       time.Time // when the two below were brought up to date
	ended    float64
	busy     float64 // seconds with at least one request in flight
}

func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now())
	m.inFlight++
}

func (m *meter) end() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now())
	m.inFlight--
	m.ended++
}

// advance lets the figures fade, and adds the time since to the busy time if there was work.
func (m *meter) advance(now time.Time) {
	d := now.Sub(m.at).Seconds()
	if m.at.IsZero() {
		d = 0
	}
	fade := math.Exp(-d / memory.Seconds())
	m.ended *= fade
	m.busy *= fade
	if m.inFlight > 0 {
		m.busy += memory.Seconds() * (1 - fade)
	}
	m.at = now
}

// read is what is in flight, and how many end a second of busy time; 0 when none ended for long.
func (m *meter) read() (inFlight int, rate float64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.advance(time.Now())
	if m.ended < 1e-3 || m.busy <= 0 {
		return m.inFlight, 0
	}
	return m.inFlight, m.ended / m.busy
}
