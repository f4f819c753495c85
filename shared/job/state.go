package job

import "time"

// State is a job and where it stands: what its events add up to.
//
//	             ┌────────── retrying, released ──────────┐
//	             ▼                                        │
//	scheduled → queued ──────────── started ──────────▶ running
//	             │                                        │
//	             └── canceled, expired        succeeded, failed, canceled
//
// A quick job's end follows its queued state at once: its start is told by the end itself.
type State struct {
	Job           *Job
	Status        Status
	Attempt       int
	Version       string // the version that ran or runs; empty before
	StartedAt     time.Time
	FinishedAt    time.Time
	Output        []byte // JSON; nil before success
	Error         *Error
	Usage         *Usage
	QueuePosition int
	ETA           time.Duration
}

// Accepted is the state of a job that has no events yet.
func Accepted(j *Job) State { return State{Job: j, Status: Queued} }

// Apply moves the state by one event. An event after the end changes nothing.
func (s *State) Apply(e *Event) {
	if s.Status.Ended() {
		return
	}
	switch e.Kind {
	case Started:
		s.Status, s.Attempt, s.Version, s.StartedAt = Running, e.Attempt, e.Version, e.At
	case Output:
	case Retrying:
		s.Status, s.Attempt, s.Error = Queued, e.Attempt, e.Error
	case Released:
		s.Status, s.Attempt = Queued, e.Attempt-1
	case End:
		s.end(e)
	}
}

func (s *State) end(e *Event) {
	if e.Job != nil {
		s.Job = e.Job
	}
	s.Status, s.Attempt, s.FinishedAt, s.Usage, s.Error = e.Status, e.Attempt, e.At, e.Usage, e.Error
	if e.Version != "" {
		s.Version = e.Version
	}
	if e.StartedAt != nil {
		s.StartedAt = *e.StartedAt
	}
	if e.Status == Succeeded {
		s.Output = e.Body
	}
}
