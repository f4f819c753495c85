// Package job is the vocabulary that the gateway, the queue and the worker share: what a job is, what can happen to
// it, and what state that leaves it in. It imports nothing of ours but shared/fault.
package job

import (
	"slices"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
)

// Status is where a job stands. See State for how events lead from one to the next.
type Status string

// The life of a job: scheduled → queued → running → one of the four ends.
const (
	Scheduled Status = "scheduled"
	Queued    Status = "queued"
	Running   Status = "running"
	Succeeded Status = "succeeded"
	Failed    Status = "failed"
	Canceled  Status = "canceled"
	Expired   Status = "expired"
)

// Ended tells whether nothing can happen to the job any more.
func (s Status) Ended() bool {
	return s == Succeeded || s == Failed || s == Canceled || s == Expired
}

// Valid tells whether s is one of the seven.
func (s Status) Valid() bool {
	return s == Scheduled || s == Queued || s == Running || s.Ended()
}

// Class is a job's priority class.
type Class string

// The three classes, most urgent first.
const (
	Interactive Class = "interactive"
	Standard    Class = "standard"
	Batch       Class = "batch"
)

// Classes lists every class, most urgent first.
func Classes() []Class { return []Class{Interactive, Standard, Batch} }

// Valid tells whether c is one of the three.
func (c Class) Valid() bool { return c == Interactive || c == Standard || c == Batch }

// Above tells whether c is more urgent than o.
func (c Class) Above(o Class) bool {
	return slices.Index(Classes(), c) < slices.Index(Classes(), o)
}

// Job is what a tenant asked for, as its message in the JOBS stream holds it.
// Input is the engine's own JSON and travels beside the head, untouched.
type Job struct {
	ID          string            `json:"id"`
	Tenant      string            `json:"tenant"`
	Model       string            `json:"model"`
	Version     string            `json:"version,omitempty"` // the version asked for; empty means latest
	Class       Class             `json:"priority"`
	CreatedAt   time.Time         `json:"created_at"`
	NotBefore   time.Time         `json:"not_before,omitzero"` // it is scheduled until then
	MaxAttempts int               `json:"max_attempts"`
	TTL         float64           `json:"ttl,omitempty"`     // seconds it may stay queued; 0 means no bound
	Timeout     float64           `json:"timeout,omitempty"` // seconds an attempt may run; 0 means the model's own bound
	Backlog     bool              `json:"backlog,omitempty"` // it waits in its tenant's own lane
	Weight      float64           `json:"weight,omitempty"`  // of its tenant; 0 means 1
	Stream      bool              `json:"stream,omitempty"`  // the caller reads deltas as they come
	Sync        bool              `json:"sync,omitempty"`    // the answer goes out in the submit's own response
	Keep        float64           `json:"keep,omitempty"`    // seconds to keep a success that its caller got; 0: like any other
	Wait        float64           `json:"wait,omitempty"`    // seconds that its caller waits for it; only beside Keep
	Task        string            `json:"task,omitempty"`    // what the input asks of the model, for scopes and audit
	Subject     string            `json:"subject,omitempty"` // who asked, for audit
	Metadata    map[string]string `json:"metadata,omitempty"`
	Before      int               `json:"before,omitempty"`      // attempts made before it was retried by hand; 0 if it never was
	Mark        string            `json:"mark,omitempty"`        // of the gateway that accepted it, where its id does not end in that
	Fingerprint string            `json:"fingerprint,omitempty"` // of the request that chose its id
	Hooks       string            `json:"hooks,omitempty"`       // events that its webhook waits for, "started,done"; empty without one
	Input       []byte            `json:"-"`
}

// ExpiresAt is when a job still queued ends as expired; zero when never.
func (j *Job) ExpiresAt() time.Time {
	if j.TTL <= 0 {
		return time.Time{}
	}
	return j.CreatedAt.Add(Seconds(j.TTL))
}

// keepMargin is how long before the end of its caller's wait a job must have ended to count as answered: clocks differ,
// and an answer takes its way.
const keepMargin = time.Second

// KeptFor is how long its end is to be kept, when that is shorter than for others; zero when it is not.
func (j *Job) KeptFor(e *Event) time.Duration {
	if j.Keep <= 0 || e.Status != Succeeded || !e.At.Before(j.CreatedAt.Add(Seconds(j.Wait)-keepMargin)) {
		return 0
	}
	return Seconds(j.Keep)
}

// Stamp is t as the log and the API tell it: UTC, to the microsecond.
func Stamp(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// Milliseconds is a duration as Usage tells it.
func Milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// Seconds turns the API's seconds, a number, into a duration.
func Seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Error is why a job failed, as its caller sees it.
type Error struct {
	Code    fault.Code `json:"code"`
	Message string     `json:"message"`
	Field   string     `json:"field,omitempty"`
}

// ErrorOf turns an error into what its caller may see.
func ErrorOf(err error) *Error {
	f := fault.From(err)
	return &Error{Code: f.Code, Message: f.Detail, Field: f.Field}
}

// Usage is what a job cost. Times are milliseconds.
type Usage struct {
	QueueMS      float64 `json:"queue_ms"`
	RunMS        float64 `json:"run_ms"`
	BatchSize    int     `json:"batch_size"`
	InputTokens  int     `json:"input_tokens"`
	OutputTokens int     `json:"output_tokens"`
}

// Worker is a worker's heartbeat: who it is and what it offers.
type Worker struct {
	ID        string    `json:"id"`
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"started_at"`
	SeenAt    time.Time `json:"seen_at"`
	Draining  bool      `json:"draining,omitempty"`
	Models    []Offer   `json:"models"`
}

// Offer is one model as one worker serves it, or why it can't.
type Offer struct {
	Name        string   `json:"name"`
	Versions    []string `json:"versions"` // ascending; the last is latest
	Engine      string   `json:"engine"`
	Description string   `json:"description,omitempty"`
	Slots       int      `json:"slots"`             // jobs the worker holds at once: running and the next batch
	Free        int      `json:"free"`              // slots free at the heartbeat
	Rate        float64  `json:"rate"`              // jobs ended a second, measured lately; 0 when none were
	Capacity    float64  `json:"capacity"`          // jobs a second with all slots in use, measured or estimated; 0 when nothing is known
	Error       string   `json:"error,omitempty"`   // why the model is unavailable; empty when it is not
	Batches     bool     `json:"batches,omitempty"` // it runs jobs in batches, by their rank
	About       About    `json:"about,omitzero"`    // of the latest version
}

// Latest is the version that runs when none is asked for.
func (o Offer) Latest() string {
	if len(o.Versions) == 0 {
		return ""
	}
	return o.Versions[len(o.Versions)-1]
}
