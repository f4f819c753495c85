package job

import "time"

// Kind names what happened to a job, as an event in its log.
type Kind string

// What the log holds. That a job was accepted is not in it: its message in JOBS says so.
const (
	Due      Kind = "due"      // a scheduled job's time has come: it is queued
	Started  Kind = "started"  // an attempt began; written only when the job streams, runs long, or is on a later attempt
	Output   Kind = "output"   // a delta of a streaming model
	Retrying Kind = "retrying" // an attempt failed; another follows
	Released Kind = "released" // an attempt was given back unharmed, at a worker's shutdown; it does not count
	End      Kind = "ended"    // one of the four ends; the last, unless a failed job is retried by hand
	Requeued Kind = "requeued" // a failed job was retried by hand: it is queued again, for its next attempt
)

// Event is one entry of a job's log. Which fields are set follows from Kind.
type Event struct {
	Kind    Kind      `json:"kind"`
	Attempt int       `json:"attempt"` // the attempt it is about, 1-based; 0 for an end before the first
	At      time.Time `json:"at"`
	Before  int       `json:"before,omitempty"` // attempts before the job was last retried by hand, as its head has it
	Prev    uint64    `json:"prev,omitempty"`   // the sequence of the event before it; 0 for the first
	Worker  string    `json:"worker,omitempty"`
	Version string    `json:"version,omitempty"` // the model version that runs; of started and ended
	Error   *Error    `json:"error,omitempty"`   // of retrying, and of an end that is no success

	// Of an end: the status, the cost and the whole head of the job, whose own message is gone by then. A requeued job's
	// event holds its new head.
	Status    Status     `json:"status,omitempty"`
	StartedAt *time.Time `json:"started_at,omitempty"`
	Usage     *Usage     `json:"usage,omitempty"`
	Streamed  bool       `json:"streamed,omitempty"` // the output went out as deltas before
	Job       *Job       `json:"job,omitempty"`

	Body []byte `json:"-"` // JSON: a delta, the whole output of a success, or the input of a failure, for a retry
	Seq  uint64 `json:"-"` // its sequence in the stream, set when read
}

// Outlives tells, of a job's newest event, that what a message of the job asks for is over: it has ended, or was retried by
// hand since and has another message.
func (e *Event) Outlives(j *Job) bool { return e.Kind == End || e.Before > j.Before }
