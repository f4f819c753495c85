package job

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
)

func TestAppendJSONSaysWhatMarshalJSONSays(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 8, 0, 0, 123456789, time.UTC)
	j := &Job{ID: "job_1", Model: "m", Version: "2", Class: Batch, CreatedAt: at, MaxAttempts: 3}
	odd := &Job{ID: "job_2", Model: "<&>\"\\\n人\xff", Class: Standard, CreatedAt: at.Truncate(time.Second), Metadata: map[string]string{
		"b": "\u2028", "a": "x", "": "",
	}}
	for _, s := range []State{
		{Job: j, Status: Queued},
		{Job: j, Status: Queued, QueuePosition: 7, ETA: 1500 * time.Microsecond, Attempt: 2},
		{Job: j, Status: Running, Version: "3", StartedAt: at.Add(time.Millisecond), Attempt: 1},
		{
			Job: odd, Status: Succeeded, StartedAt: at, FinishedAt: at.Add(time.Hour), Output: []byte(`{"a":[1,"人<"]}`),
			Usage: &Usage{QueueMS: 0.25, RunMS: 12345.678, BatchSize: 8, InputTokens: 9, OutputTokens: 10},
		},
		{Job: odd, Status: Failed, Error: &Error{Code: fault.InvalidInput, Message: `"no"`, Field: "schema.人物"}},
		{Job: odd, Status: Failed, Error: &Error{Code: fault.Internal, Message: "no"}, Usage: &Usage{}},
	} {
		want, err := s.MarshalJSON()
		require.NoError(t, err)
		require.JSONEq(t, string(want), string(s.AppendJSON(nil)))
	}
}

func BenchmarkAppendJSON(b *testing.B) {
	at := time.Now()
	s := State{
		Job: &Job{ID: NewID(at), Model: "sleep", Class: Standard, CreatedAt: at}, Status: Succeeded, StartedAt: at, FinishedAt: at,
		Output: []byte(`{"echo":null,"attempt":1}`), Usage: &Usage{QueueMS: 0.2, RunMS: 0.1, BatchSize: 1},
	}
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.AppendJSON(buf[:0])
	}
}
