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
// requests. Above n the runtime's rule holds again, and GOMEMLIMIT bounds both. A process that has little to do, however
// much it holds, gives back to the system what it does not.
func MinHeap(n uint64) {
	h := &heapRule{least: n, sample: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"},
	}}
	runtime.GC() // before the first collection nothing is known of what lives
	h.adjust()
	h.arm()
	go giveBack()
}

// heapRule sets the percentage anew after each collection. Its fields belong to the goroutine that runs finalizers.
type heapRule struct {
	least   uint64
	percent int
	sample  []metrics.Sample
}

// sentinel is garbage at once, so that the next collection runs its finalizer.
type sentinel struct{ _ [2]uint64 }

func (h *heapRule) arm() {
	runtime.SetFinalizer(&sentinel{}, func(*sentinel) {
		h.adjust()
		h.arm()
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

const (
	spareTick  = 15 * time.Second
	littleWork = 16 << 20 // allocated within a tick: such a process has little to do
	muchSpare  = 8 << 20  // garbage and free memory that are worth a collection
)

// giveBack collects, and gives the system what is free, whenever the process has had little to do for a while and there
// is enough to give. It runs until the process ends.
func giveBack() {
	tick := time.NewTicker(spareTick)
	defer tick.Stop()
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	for last := uint64(0); ; {
		<-tick.C
		metrics.Read(s)
		allocated, objects, live, free := s[0].Value.Uint64(), s[1].Value.Uint64(), s[2].Value.Uint64(), s[3].Value.Uint64()
		if allocated-last < littleWork && objects-min(live, objects)+free > muchSpare {
			debug.FreeOSMemory()
		}
		last = allocated
	}
}
