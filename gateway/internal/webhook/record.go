package webhook

import (
	"encoding/json"
	"slices"
	"strconv"
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

// What a delivery has come to.
const (
	statusPending   = "pending"
	statusDelivered = "delivered"
	statusFailed    = "failed"   // out of attempts
	statusDisabled  = "disabled" // the receiver answered 410
)

const (
	maxDeliveries = 40  // of one job, which only retries by hand can make many
	maxAttempts   = 100 // of one delivery, which only redeliveries by hand can make many

	orphanAfter   = time.Minute // a job that is not there this long after its record was never accepted
	shortestLook  = 30 * time.Second
	longestLook   = 15 * time.Minute
	looksAtLeast  = 4 // within the retention of events
	clockSkew     = 50 * time.Millisecond
	eventTypeRoot = "job."
)

// record is a job's webhook: where to, what became of it, and who works on it now. It is the one place that holds the
// secrets.
type record struct {
	Webhook    job.Webhook `json:"webhook"`
	CreatedAt  time.Time   `json:"created_at"`
	Seen       uint64      `json:"seen,omitempty"`     // sequence of the newest event looked at
	EndedAt    time.Time   `json:"ended_at,omitzero"`  // the job's end, unless it was retried since
	Disabled   bool        `json:"disabled,omitempty"` // the receiver answered 410
	Made       int         `json:"made,omitempty"`     // deliveries ever made
	Deliveries []delivery  `json:"deliveries,omitempty"`
	Claim      *claim      `json:"claim,omitempty"`
}

// claim is a gateway's on the record while it sends.
type claim struct {
	By    string    `json:"by"`
	Until time.Time `json:"until"`
}

// delivery is one event that the receiver is told of.
type delivery struct {
	ID       string            `json:"id"`
	Event    string            `json:"event"`
	Seq      uint64            `json:"seq"` // of the event in the log
	Status   string            `json:"status"`
	Next     time.Time         `json:"next,omitzero"`      // while it is pending
	Failures int               `json:"failures,omitempty"` // in a row
	Attempts []job.HookAttempt `json:"attempts,omitempty"`
}

// see takes an event of the job's log in.
func (r *record) see(id string, e *job.Event, now time.Time) {
	r.Seen = e.Seq
	switch e.Kind {
	case job.Started:
		if !slices.ContainsFunc(r.Deliveries, func(d delivery) bool { return d.Event == job.HookStarted }) {
			r.tell(id, job.HookStarted, e.Seq, now)
		}
	case job.Requeued:
		r.EndedAt = time.Time{}
	case job.End:
		r.EndedAt = e.At
		if e.Status == job.Succeeded {
			r.tell(id, job.HookOutput, e.Seq, now)
		}
		if e.Error != nil {
			r.tell(id, job.HookError, e.Seq, now)
		}
		r.tell(id, job.HookDone, e.Seq, now)
	case job.Output, job.Retrying, job.Released, job.Due:
	}
}

func (r *record) tell(id, event string, seq uint64, now time.Time) {
	if r.Disabled || !slices.Contains(r.Webhook.Events, event) {
		return
	}
	if len(r.Deliveries) >= maxDeliveries {
		r.Deliveries = slices.Delete(r.Deliveries, 0, 1)
	}
	r.Made++
	r.Deliveries = append(r.Deliveries, delivery{
		ID: "msg_" + id + "_" + strconv.Itoa(r.Made), Event: event, Seq: seq, Status: statusPending, Next: now,
	})
}

// due is the delivery to attempt now, the oldest first; nil when none is.
func (r *record) due(now time.Time) *delivery {
	for i := range r.Deliveries {
		if d := &r.Deliveries[i]; d.Status == statusPending && !d.Next.After(now.Add(clockSkew)) {
			return d
		}
	}
	return nil
}

// next is when to look at the record again: for a retry, or for an end that nobody told of; zero when never.
func (r *record) next(now time.Time, retention time.Duration) time.Time {
	var at time.Time
	for i := range r.Deliveries {
		if d := &r.Deliveries[i]; d.Status == statusPending && (at.IsZero() || d.Next.Before(at)) {
			at = d.Next
		}
	}
	if r.EndedAt.IsZero() {
		look := now.Add(lookAfter(now.Sub(r.CreatedAt), retention))
		if at.IsZero() || look.Before(at) {
			at = look
		}
	}
	return at
}

// lookAfter is how long a job of this age is left alone: half its age again, within bounds.
func lookAfter(age, retention time.Duration) time.Duration {
	return min(max(age/2, shortestLook), longestLook, max(retention/looksAtLeast, time.Second))
}

// open tells whether there is anything left to do, or to wait for.
func (r *record) open() bool {
	return r.EndedAt.IsZero() || slices.ContainsFunc(r.Deliveries, func(d delivery) bool { return d.Status == statusPending })
}

// forgotten tells whether the record is an earlier job's, which is no longer kept, under the same id.
func (r *record) forgotten(now time.Time, retention time.Duration) bool {
	return !r.open() && now.Sub(r.EndedAt) > retention
}

// attempted writes down what came of an attempt, and says in a word what that means: delivered, retried, failed or
// disabled. A delivery that is no longer there is no matter.
func (r *record) attempted(id string, at time.Time, a *answer, b backoff, jitter float64) (outcome string) {
	r.Claim = nil
	i := slices.IndexFunc(r.Deliveries, func(d delivery) bool { return d.ID == id })
	if i < 0 {
		return statusFailed
	}
	d := &r.Deliveries[i]
	if n := len(d.Attempts); n > 0 && d.Attempts[n-1].At.Equal(job.Stamp(at)) {
		return d.outcome() // an earlier write, whose answer was lost, stored it
	}
	d.Attempts = append(d.Attempts, job.HookAttempt{
		At: job.Stamp(at), DurationMS: job.Milliseconds(a.took), Status: a.status, Error: a.err,
	})
	switch {
	case a.delivered():
		d.end(statusDelivered)
	case a.gone():
		r.disable()
	default:
		d.Failures++
		pause, more := b.next(d.Failures, a.retryAfter, jitter)
		if more && !a.final && len(d.Attempts) < maxAttempts {
			d.Next = job.Stamp(at.Add(a.took + pause))
		} else {
			d.end(statusFailed)
		}
	}
	return d.outcome()
}

// outcome is what the last attempt came to.
func (d *delivery) outcome() string {
	if d.Status == statusPending {
		return "retried"
	}
	return d.Status
}

func (d *delivery) end(status string) { d.Status, d.Next = status, time.Time{} }

// disable ends what is left to deliver: the receiver wants to hear no more.
func (r *record) disable() {
	r.Disabled = true
	for i := range r.Deliveries {
		if d := &r.Deliveries[i]; d.Status == statusPending {
			d.end(statusDisabled)
		}
	}
}

// redeliver makes every delivery that is not under way pending again, and tells how many are pending now.
func (r *record) redeliver(now time.Time) (pending int) {
	for i := range r.Deliveries {
		d := &r.Deliveries[i]
		if d.Status != statusPending && len(d.Attempts) < maxAttempts {
			d.Status, d.Failures = statusPending, 0
		}
		if d.Status == statusPending {
			d.Next = now
			pending++
		}
	}
	if pending > 0 {
		r.Disabled = false
	}
	return pending
}

// log is the record as its tenant sees it: without the secrets.
func (r *record) log() []job.HookDelivery {
	out := make([]job.HookDelivery, 0, len(r.Deliveries))
	for i := range r.Deliveries {
		d := &r.Deliveries[i]
		v := job.HookDelivery{ID: d.ID, Type: eventTypeRoot + d.Event, URL: r.Webhook.URL, Status: d.Status, Attempts: d.Attempts}
		if v.Attempts == nil {
			v.Attempts = []job.HookAttempt{}
		}
		if !d.Next.IsZero() {
			v.Next = &d.Next
		}
		out = append(out, v)
	}
	return out
}

func (r *record) encode() ([]byte, error)          { return json.Marshal(r) }
func decodeRecord(b []byte) (r *record, err error) { r = new(record); return r, json.Unmarshal(b, r) }
