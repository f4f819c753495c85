package job

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"sync"
	"time"
)

// idPrefix and the 26 characters after it make an id: 48 bits of milliseconds and 40 random ones, so that ids sort by
// age, and then the mark of whoever made it.
const (
	idPrefix = "job_"
	idChars  = 26
	alphabet = "0123456789abcdefghjkmnpqrstvwxyz" // Crockford's base 32: no i, l, o, u

	// MarkChars is the length of a mark, 40 random bits.
	MarkChars = 8
	markBits  = 5 * MarkChars
)

// IDs makes ids that sort in the order they were made, also within one millisecond, and that all end in one mark. It
// is safe for concurrent use.
type IDs struct {
	mark uint64

	mu   sync.Mutex
	last id // guarded by mu
}

// id is 48 bits of milliseconds above 80 others.
type id struct{ hi, lo uint64 }

// NewIDs starts a series with a random mark.
func NewIDs() *IDs {
	_, lo := fresh(time.Time{})
	return &IDs{mark: lo & (1<<markBits - 1)}
}

// Mark is how every id of the series ends.
func (g *IDs) Mark() string { return Mark(id{lo: g.mark}.String()) }

// Mark is how an id ends: the mark of the series it is from, if it is of our own making.
func Mark(id string) string { return id[max(0, len(id)-MarkChars):] }

// Next makes an id for a job created at t. A clock that goes back does not make an older id.
func (g *IDs) Next(t time.Time) string {
	hi, lo := fresh(t)
	g.mu.Lock()
	defer g.mu.Unlock()
	if hi>>16 <= g.last.hi>>16 { // the same millisecond: a random step on from the last
		step := (lo>>(markBits+8) + 1) << markBits
		hi, lo = g.last.hi, g.last.lo+step
		if lo < step {
			hi++
		}
	}
	g.last = id{hi, lo&^(1<<markBits-1) | g.mark}
	return g.last.String()
}

// NewID makes an id for a job created at t, of no series.
func NewID(t time.Time) string {
	hi, lo := fresh(t)
	return id{hi, lo}.String()
}

func fresh(t time.Time) (hi, lo uint64) {
	var raw [10]byte
	_, _ = rand.Read(raw[:]) // never fails
	ms := uint64(t.UnixMilli())
	return ms<<16 | uint64(raw[0])<<8 | uint64(raw[1]), binary.BigEndian.Uint64(raw[2:])
}

func (i id) String() string {
	var out [len(idPrefix) + idChars]byte
	copy(out[:], idPrefix)
	hi, lo := i.hi, i.lo
	for at := len(out) - 1; at >= len(idPrefix); at-- {
		out[at] = alphabet[lo&31]
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

// Reserved tells whether an id looks like one of our own making, which a client can't choose.
func Reserved(id string) bool { return strings.HasPrefix(id, idPrefix) }

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
