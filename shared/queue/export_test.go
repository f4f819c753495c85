package queue

// FailWrite has an embedded broker believe that a write failed, as its log tells it.
func (e *Embedded) FailWrite() {
	e.health.hear("JetStream stream 'a > b' critical write error: no space left on device")
}

// Fill has an embedded broker believe that its disk has no room left, until it looks again.
func (e *Embedded) Fill() { e.health.full.Store(true) }
