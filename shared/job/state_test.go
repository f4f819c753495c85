package job

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

// A job is read from its last event alone, and its stream from all of them: both must tell the same end.
func TestTheEndAloneTellsWhatTheWholeLogTells(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	j := &Job{ID: "job_1", CreatedAt: now}
	before := []*Event{
		{Kind: Started, Attempt: 1, At: now, Version: "1"},
		{Kind: Output, Attempt: 1, At: now},
		{Kind: Retrying, Attempt: 1, At: now, Error: &Error{Code: "internal"}},
		{Kind: Started, Attempt: 2, At: now, Version: "1"},
	}
	for name, end := range map[string]*Event{
		"succeeded":                {Kind: End, Status: Succeeded, Attempt: 3, At: now, Version: "2", StartedAt: &now, Job: j, Body: []byte(`1`)},
		"died with every worker":   {Kind: End, Status: Failed, Attempt: 2, At: now, Job: j, Error: &Error{Code: "attempts_exhausted"}},
		"canceled between its two": {Kind: End, Status: Canceled, Attempt: 1, At: now, Job: j},
	} {
		folded, alone := Accepted(j), Accepted(j)
		for _, e := range append(append([]*Event(nil), before...), end) {
			folded.Apply(e)
		}
		alone.Apply(end)
		assert.Equal(t, alone, folded, name)
	}
}
