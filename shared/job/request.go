package job

import (
	"errors"
	"time"
)

// ErrCallerGone is the cause of a request's context that ended because its caller hung up.
var ErrCallerGone = errors.New("the caller hung up")

// Request is a job before it is accepted: what a protocol made of an HTTP request.
type Request struct {
	Model       string
	Version     string
	Class       Class // empty means standard
	Input       []byte
	MaxAttempts int     // 0 means the default
	TTL         float64 // seconds
	Timeout     float64 // seconds
	Metadata    map[string]string
	NotBefore   time.Time
	Webhook     *Webhook
	Stream      bool
	Detach      bool          // a caller that hangs up leaves the job running
	Within      time.Duration // the answer is worth nothing later: refused when the queue alone takes longer; 0 for no bound
	Wait        time.Duration // how long the caller waits for the end in this response; 0 answers at once

	// ID is the id that the client chose; empty makes one. Key is its idempotency key; empty for none. Either makes the
	// request repeatable: Fingerprint tells whether a second one asks for the same.
	ID          string
	Key         string
	Route       string // within which Key means one thing
	Fingerprint string

	// Scopes the token needs, each of them, besides the one that opens the model: "jobs" on the job routes.
	Scopes []string
	// Protocol is the scope of the compatible route ("ollama:chat"), which opens the model too; empty on native routes.
	Protocol string
}

// LimitState is one limit of a tenant after a request, as the RateLimit headers tell it.
type LimitState struct {
	Name      string        // "tenant", "daily"
	Limit     int64         // requests a window
	Window    time.Duration // its length
	Remaining int64
	Reset     time.Duration // until the window has room again
}

// Submission is what became of an accepted request.
type Submission struct {
	State    State
	Replayed bool // an earlier request made this job; nothing new was stored
	Limits   []LimitState
}

// Filter narrows a listing; zero values do not.
type Filter struct {
	Status Status
	Model  string
	Limit  int
	Cursor string
}

// Page is one page of a listing, newest first. An empty Next ends it.
type Page struct {
	Jobs []State
	Next string
}

// DeadLetter is a job out of attempts as an operator sees it.
type DeadLetter struct {
	ID        string    `json:"id"`
	JobID     string    `json:"job_id"`
	Model     string    `json:"model"`
	Tenant    string    `json:"tenant"`
	Reason    string    `json:"reason"`
	Attempts  int       `json:"attempts"`
	LastError *Error    `json:"last_error"`
	CreatedAt time.Time `json:"created_at"`
}

// Message is one server-sent event of a job. The same ID carries the same bytes on every gateway.
type Message struct {
	ID   int    // 1, 2, 3… within the job
	Name string // status, output, restart, error, done
	Data []byte // JSON, one line
}
