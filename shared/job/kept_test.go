package job_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/shared/job"
)

func TestOnlyAnAnswerThatGoesOutIsKeptForLess(t *testing.T) {
	t.Parallel()
	made := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		keep, wait float64
		after      time.Duration
		status     job.Status
		want       time.Duration
	}{
		"in time":             {60, 10, time.Second, job.Succeeded, time.Minute},
		"like any other":      {0, 10, time.Second, job.Succeeded, 0},
		"the wait ran out":    {60, 10, 11 * time.Second, job.Succeeded, 0},
		"it may have run out": {60, 10, 9 * time.Second, job.Succeeded, 0},
		"a failure":           {60, 10, time.Second, job.Failed, 0}, // it may be retried by hand
		"a short wait":        {60, 0.5, time.Millisecond, job.Succeeded, 0},
	} {
		j := &job.Job{CreatedAt: made, Keep: tc.keep, Wait: tc.wait}
		assert.Equal(t, tc.want, j.KeptFor(&job.Event{Kind: job.End, Status: tc.status, At: made.Add(tc.after)}), name)
	}
}
