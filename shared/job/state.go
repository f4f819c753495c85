package job

import "time"

// State is a job and where it stands: what its events add up to.
//
//	                  ┌────────── retrying, released ──────────┐
//	                  ▼                                        │
//	scheduled ─ due ▶ queued ──────────── started ──────────▶ running
//	  │               │  ▲                                     │
//	  │               │  └─────── requeued ─── failed ◀────────┤
//	  └── canceled ───┴── canceled, expired        succeeded, canceled
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
func Accepted(j *Job) State {
	if !j.NotBefore.IsZero() {
		return State{Job: j, Status: Scheduled}
	}
	return State{Job: j, Status: Queued}
}

// Apply moves the state by one event. After the end, only a failed job's retry by hand changes anything.
func (s *State) Apply(e *Event) {
	if s.Status.Ended() && (s.Status != Failed || e.Kind != Requeued) {
		return
	}
	switch e.Kind {
	case Due:
		s.Status = Queued
	case Requeued:
		*s = State{Job: s.Job, Status: Queued, Attempt: e.Attempt}
		if e.Job != nil {
			s.Job = e.Job
		}
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
	s.Version, s.StartedAt = e.Version, time.Time{} // also where it names none: who reads the end alone knows no more
	if e.StartedAt != nil {
		s.StartedAt = *e.StartedAt
	}
	if e.Status == Succeeded {
		s.Output = e.Body
	}
}
