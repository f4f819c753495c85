package job

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// idPrefix and the 26 characters after it make an id: 48 bits of milliseconds, then 82 random bits, so that ids sort
// by age and can't be guessed.
const (
	idPrefix = "job_"
	idChars  = 26
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's base 32: no i, l, o, u
)

// IDs makes ids that sort in the order they were made, also within one millisecond. The zero value is ready, and safe
// for concurrent use.
type IDs struct {
	mu     sync.Mutex
	hi, lo uint64 // guarded by mu: the last one made
}

// Next makes an id for a job created at t. A clock that goes back does not make an older id.
func (g *IDs) Next(t time.Time) string {
	hi, lo := fresh(t)
	g.mu.Lock()
	defer g.mu.Unlock()
	if hi>>16 <= g.hi>>16 { // the same millisecond: a random step on from the last
		step := lo>>32 + 1
		hi, lo = g.hi, g.lo+step
		if lo < step {
			hi++
		}
	}
	g.hi, g.lo = hi, lo
	return format(hi, lo)
}

// NewID makes an id for a job created at t.
func NewID(t time.Time) string { return format(fresh(t)) }

func fresh(t time.Time) (hi, lo uint64) {
	var raw [10]byte
	_, _ = rand.Read(raw[:]) // never fails
	ms := uint64(t.UnixMilli())
	return ms<<16 | uint64(raw[0])<<8 | uint64(raw[1]), binary.BigEndian.Uint64(raw[2:])
}

func format(hi, lo uint64) string {
	var out [len(idPrefix) + idChars]byte
	copy(out[:], idPrefix)
	for i := len(out) - 1; i >= len(idPrefix); i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}

// IDTime tells when an id of our own making was made.
func IDTime(id string) (time.Time, bool) {
	s, ok := strings.CutPrefix(id, idPrefix)
	if !ok || len(s) != idChars {
		return time.Time{}, false
	}
	var hi, lo uint64
	for i := range len(s) {
		v := strings.IndexByte(alphabet, s[i])
		if v < 0 {
			return time.Time{}, false
		}
		hi = hi<<5 | lo>>59
		lo = lo<<5 | uint64(v)
	}
	return time.UnixMilli(int64(hi >> 16)), true
}

// ValidID tells whether id can name a job: 1 to 64 letters, digits, - and _.
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	for i := range len(id) {
		c := id[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
		if !plain {
			return false
		}
	}
	return true
}
