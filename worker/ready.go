package worker

import "sync/atomic"

// readiness is set once, when everything is in place.
type readiness struct{ v atomic.Bool }

func (r *readiness) set()     { r.v.Store(true) }
func (r *readiness) is() bool { return r.v.Load() }
