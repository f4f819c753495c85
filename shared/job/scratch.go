package job

import "sync"

// scratchMost is the largest buffer that is kept: a job with a large output is rare.
const scratchMost = 64 << 10

var scratch = sync.Pool{New: func() any { b := make([]byte, 0, 1024); return &b }} //nolint:gochecknoglobals // a pool is one for the process

// Scratch lends an empty buffer for a job's or an event's JSON, on the path that every job takes; done takes it back,
// as it has grown, when nobody holds a part of it any more.
func Scratch() (b []byte, done func([]byte)) {
	held := scratch.Get().(*[]byte) //nolint:forcetypeassert,errcheck // only this pool's own
	return (*held)[:0], func(b []byte) {
		if cap(b) <= scratchMost {
			*held = b
			scratch.Put(held)
		}
	}
}
