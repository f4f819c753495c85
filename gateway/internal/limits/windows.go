package limits

import "time"

// dayOf tells the tenant's date at now, and how long it lasts from there.
func dayOf(now time.Time, zone *time.Location) (date string, left time.Duration) {
	local := now.In(zone)
	y, m, d := local.Date()
	return local.Format(time.DateOnly), time.Date(y, m, d+1, 0, 0, 0, 0, zone).Sub(now)
}

// slotOf numbers the window that now is in, and tells the part of it that has passed.
func slotOf(now time.Time, window time.Duration) (slot int64, passed time.Duration) {
	n := now.UnixNano()
	return n / int64(window), time.Duration(n % int64(window))
}

// weigh estimates the requests of the sliding window that ends now: all of the running window, and of the one before
// the part that the sliding window still covers.
func weigh(rate, before int64, passed, window time.Duration) float64 {
	return float64(rate) + float64(before)*(1-float64(passed)/float64(window))
}

// room tells how long until one more request fits, when rate and before don't count it.
func room(rate, before, limit int64, passed, window time.Duration) time.Duration {
	w := float64(window)
	if free := limit - rate - 1; free >= 0 && before > 0 {
		// before × (1 − f) ≤ free within this window
		if at := (1 - float64(free)/float64(before)) * w; at > float64(passed) {
			return time.Duration(at) - passed
		}
		return 0
	}
	// in the next window, where rate is what was before: rate × (1 − f) ≤ limit − 1
	at := max(0, 1-float64(limit-1)/float64(max(1, rate))) * w
	return window - passed + time.Duration(at)
}

// jobTime reads the millisecond that begins a time-ordered job id, job_ and 26 digits of Crockford's base32. It is
// zero for an id of another form, or one that is not of these days.
func jobTime(id string, now time.Time) time.Time {
	const prefix, digits = len("job_"), 10
	if len(id) < prefix+digits {
		return time.Time{}
	}
	var v int64
	for i := prefix; i < prefix+digits; i++ {
		d := digit(id[i])
		if d < 0 {
			return time.Time{}
		}
		v = v<<5 | int64(d)
	}
	for _, ms := range []int64{v, v >> 2} { // padded in front or behind
		if t := time.UnixMilli(ms); t.Before(now.Add(time.Minute)) && t.After(now.AddDate(0, 0, -keepDays)) {
			return t
		}
	}
	return time.Time{}
}

// keepDays is how long a day's counter is kept.
const keepDays = 8

// digit is the value of a digit of Crockford's base32, or -1.
func digit(c byte) int {
	const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"
	for i := range len(alphabet) {
		if alphabet[i] == c || alphabet[i] == c+'a'-'A' && c >= 'A' && c <= 'Z' {
			return i
		}
	}
	return -1
}
