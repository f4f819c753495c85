package job

import (
	"encoding/json"
	"time"
)

// view is the job as the HTTP contract shows it.
type view struct {
	ID            string            `json:"id"`
	Model         string            `json:"model"`
	Version       string            `json:"version"`
	Status        Status            `json:"status"`
	QueuePosition int               `json:"queue_position"`
	ETA           int64             `json:"eta_ms"`
	Attempt       int               `json:"attempt"`
	MaxAttempts   int               `json:"max_attempts"`
	Priority      Class             `json:"priority"`
	CreatedAt     time.Time         `json:"created_at"`
	StartedAt     *time.Time        `json:"started_at"`
	FinishedAt    *time.Time        `json:"finished_at"`
	Output        json.RawMessage   `json:"output"`
	Error         *Error            `json:"error"`
	Usage         *Usage            `json:"usage"`
	Metadata      map[string]string `json:"metadata"`
	URLs          urls              `json:"urls"`
}

type urls struct {
	Self   string `json:"self"`
	Events string `json:"events"`
	Cancel string `json:"cancel"`
}

// MarshalJSON renders the job as the HTTP contract shows it. The bytes depend on the state alone, so that every
// gateway tells the same.
func (s State) MarshalJSON() ([]byte, error) {
	self := "/v1/jobs/" + s.Job.ID
	v := view{
		ID: s.Job.ID, Model: s.Job.Model, Version: s.Version, Status: s.Status,
		QueuePosition: s.QueuePosition, ETA: s.ETA.Milliseconds(),
		Attempt: s.Attempt, MaxAttempts: s.Job.MaxAttempts, Priority: s.Job.Class,
		CreatedAt: s.Job.CreatedAt, StartedAt: timeOrNil(s.StartedAt), FinishedAt: timeOrNil(s.FinishedAt),
		Output: s.Output, Error: s.Error, Usage: s.Usage, Metadata: s.Job.Metadata,
		URLs: urls{Self: self, Events: self + "/events", Cancel: self + "/cancel"},
	}
	if v.Version == "" {
		v.Version = s.Job.Version
	}
	if v.Metadata == nil {
		v.Metadata = map[string]string{}
	}
	return json.Marshal(v)
}

func timeOrNil(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
