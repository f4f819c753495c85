package telemetry

import (
	"math"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// MinHeap lets the heap grow to at least n bytes before it is collected. The runtime's own rule is twice what lives;
// where little lives and much is allocated, as in a gateway, that collects many times a second, and costs a sixth of the
// requests. Above n the runtime's rule holds again, and GOMEMLIMIT bounds both. A process that has nothing to do gives its
// memory back: the runtime collects every two minutes in any case, and after so long a pause what is free goes to the system.
func MinHeap(n uint64) {
	h := &heapRule{least: n, last: time.Now(), sample: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
	runtime.GC() // before the first collection nothing is known of what lives
	h.adjust()
	h.arm()
}

// heapRule sets the percentage anew after each collection. Its fields belong to the goroutine that runs finalizers.
type heapRule struct {
	least   uint64
	percent int
	last    time.Time // collection
	sample  []metrics.Sample
}

// sentinel is garbage at once, so that the next collection runs its finalizer.
type sentinel struct{ _ [2]uint64 }

func (h *heapRule) arm() {
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
		h.adjust()
		h.arm()
		now := time.Now()
		idle := now.Sub(h.last) > idleAfter
		h.last = now
		if idle {
			go debug.FreeOSMemory() // it collects once more
		}
	})
}

func (h *heapRule) adjust() {
	metrics.Read(h.sample)
	live := h.sample[0].Value.Uint64()
	roots := h.sample[1].Value.Uint64() + h.sample[2].Value.Uint64()
	percent := percentFor(live, roots, h.least)
	if math.Abs(float64(percent-h.percent)) > float64(h.percent)/10 {
		h.percent = percent
		debug.SetGCPercent(percent)
	}
}

// percentFor is the growth that a collection waits for: until the heap holds least bytes, and 100 percent at least. The
// runtime takes the percentage of what lives and of the roots: stacks and globals.
func percentFor(live, roots, least uint64) int {
	const usual, most = 100, 800 // more would follow a passing growth of the roots too far
	if live >= least {
		return usual
	}
	base := max(live+roots, 1<<20)
	return int(min(max(usual, 100*(least-live)/base), most))
}

// idleAfter is how long a process collects nothing that has nothing to do; the runtime's own collection comes after two
// minutes.
const idleAfter = 90 * time.Second
