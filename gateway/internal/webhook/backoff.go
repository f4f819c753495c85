package webhook

import "time"

// pauses are between one attempt and the next, over hours: a receiver that is deployed anew misses nothing, nor one that
// is down for a night's half.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute,
		time.Hour, 3 * time.Hour, 6 * time.Hour,
	}
}

// backoff says when a failed delivery is tried again. It is pure.
type backoff struct {
	attempts int     // of one delivery, in all
	scale    float64 // on each pause
}

// next is the pause after the given number of failures in a row, 1 or more; false when there is no further attempt.
// jitter is in [0, 1) and makes the pause up to a fifth shorter or longer. A receiver's own wish counts when it is longer,
// up to the longest of our pauses.
func (b backoff) next(failures int, retryAfter time.Duration, jitter float64) (time.Duration, bool) {
	if failures >= b.attempts {
		return 0, false
	}
	all := pauses()
	base := all[min(max(failures, 1), len(all))-1]
	pause := time.Duration(float64(base) * b.scale * (0.8 + 0.4*jitter))
	longest := time.Duration(float64(all[len(all)-1]) * b.scale)
	return max(pause, min(retryAfter, longest)), true
}
