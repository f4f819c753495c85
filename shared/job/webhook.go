package job

import (
	"log/slog"
	"slices"
	"strings"
	"time"
)

// Webhook is where a job's caller wants to be told of its events. It never travels with the job: only the names of the
// events do, as Job.Hooks.
type Webhook struct {
	URL     string   `json:"url"`
	Secrets []Secret `json:"secrets"` // each signs; more than one while the receiver moves to a new one
	Events  []string `json:"events"`
}

// What a webhook can be told of, by the names that the event stream has for them.
const (
	HookStarted = "started" // the log tells of the job's first start
	HookOutput  = "output"  // it ended with an output, whole
	HookError   = "error"   // it ended with an error
	HookDone    = "done"    // it ended
)

// HookEvents lists them in the order in which they happen.
func HookEvents() []string { return []string{HookStarted, HookOutput, HookError, HookDone} }

// Hooks is the webhook's events as Job.Hooks names them.
func (w *Webhook) Hooks() string { return strings.Join(w.Events, ",") }

// Hooked tells whether the job's webhook waits for an event.
func (j *Job) Hooked(event string) bool {
	return j.Hooks != "" && slices.Contains(strings.Split(j.Hooks, ","), event)
}

// Secret signs deliveries. It prints as a placeholder; only its JSON holds it.
type Secret string

const hiddenSecret = "whsec_(hidden)" //nolint:gosec // stands for a secret, and is none

// String hides the secret.
func (Secret) String() string { return hiddenSecret }

// GoString hides the secret from %#v.
func (Secret) GoString() string { return hiddenSecret }

// LogValue hides the secret from logs.
func (Secret) LogValue() slog.Value { return slog.StringValue(hiddenSecret) }

// HookDelivery is what became of one event that a webhook is told of, as the delivery log shows it.
type HookDelivery struct {
	ID       string        `json:"id"`   // the webhook-id header, the same in each attempt
	Type     string        `json:"type"` // job.done
	URL      string        `json:"url"`
	Status   string        `json:"status"` // pending, delivered, failed or disabled
	Next     *time.Time    `json:"next_attempt_at"`
	Attempts []HookAttempt `json:"attempts"`
}

// HookAttempt is one request to a webhook's receiver.
type HookAttempt struct {
	At         time.Time `json:"at"`
	DurationMS float64   `json:"duration_ms"`
	Status     int       `json:"status"` // of the receiver's answer; 0 when there was none
	Error      string    `json:"error"`  // empty when the receiver took it
}
