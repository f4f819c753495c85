package job_test

import (
	"encoding/json"
	"reflect"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func sampleJob() *job.Job {
	return &job.Job{
		ID: "job_01jd0000000000000000000000", Tenant: "acme", Model: "sleep", Class: job.Standard,
		CreatedAt: time.Date(2026, 11, 22, 9, 0, 0, 123456000, time.UTC), MaxAttempts: 3, Sync: true, Task: "sleep",
		Subject: "key:abc",
	}
}

func sampleEnd() *job.Event {
	at := time.Date(2026, 11, 22, 9, 0, 1, 0, time.UTC)
	return &job.Event{
		Kind: job.End, Attempt: 1, At: at, Worker: "w_1", Version: "1", Status: job.Succeeded, StartedAt: &at,
		Usage: &job.Usage{QueueMS: 0.25, RunMS: 1e-3, BatchSize: 1}, Job: sampleJob(),
	}
}

// TestHeads holds the hand-made heads against encoding/json, both ways.
func TestHeads(t *testing.T) {
	t.Parallel()
	odd := sampleJob()
	odd.Subject, odd.Metadata = "a \"quoted\" <b> 名\n", map[string]string{"b": "1", "a": "ü"}
	odd.NotBefore, odd.Before, odd.Mark, odd.Fingerprint = odd.CreatedAt.Add(time.Hour), 3, "abcdefgh", "f00"
	odd.Hooks = "started,done"
	odd.Backlog, odd.Weight = true, 2.5
	odd.Keep, odd.Wait = 3600, 0.25
	odd.TTL, odd.Timeout, odd.Stream, odd.Version = 0.5, 1e9, true, "2"
	for _, j := range []*job.Job{{}, sampleJob(), odd} {
		var want, slow, fast job.Job
		b, err := json.Marshal(j)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &want))
		require.NoError(t, json.Unmarshal(j.AppendHead(nil), &slow))
		require.NoError(t, fast.ParseHead(j.AppendHead(nil)))
		require.Equal(t, want, slow)
		require.Equal(t, want, fast)
		fast = job.Job{}
		require.NoError(t, fast.ParseHead(b))
		require.Equal(t, want, fast)
	}
	failed := sampleEnd()
	failed.Error, failed.Streamed, failed.Prev, failed.Status = &job.Error{Code: fault.Internal, Message: "no"}, true, 1<<63, job.Failed
	for _, e := range []*job.Event{{}, sampleEnd(), failed, {Kind: job.End, Job: odd}} {
		var want, slow, fast job.Event
		b, err := json.Marshal(e)
		require.NoError(t, err)
		require.NoError(t, json.Unmarshal(b, &want))
		require.NoError(t, json.Unmarshal(e.AppendHead(nil), &slow))
		require.NoError(t, fast.ParseHead(e.AppendHead(nil)))
		require.Equal(t, want, slow)
		require.Equal(t, want, fast)
	}
	require.Error(t, new(job.Job).ParseHead([]byte(`{"id":1}`)))
	require.Error(t, new(job.Event).ParseHead([]byte(`{"kind":"ended"`)))
}

// fill sets every field that travels in a head, so that one which AppendHead forgets shows.
func fill(v reflect.Value) {
	for i := range v.NumField() {
		f := v.Field(i)
		if v.Type().Field(i).Tag.Get("json") == "-" {
			continue
		}
		switch p := f.Addr().Interface().(type) {
		case *time.Time:
			*p = time.Date(2026, 11, 22, 9, 0, 0, i+1, time.UTC)
			continue
		case **time.Time:
			t := time.Date(2026, 11, 22, 10, 0, 0, i+1, time.UTC)
			*p = &t
			continue
		}
		switch f.Kind() {
		case reflect.String:
			f.SetString("s" + strconv.Itoa(i))
		case reflect.Int, reflect.Int64:
			f.SetInt(int64(i + 1))
		case reflect.Uint64:
			f.SetUint(uint64(i + 1))
		case reflect.Float64:
			f.SetFloat(float64(i) + 0.5)
		case reflect.Bool:
			f.SetBool(true)
		case reflect.Map:
			f.Set(reflect.ValueOf(map[string]string{"a": "b"}))
		case reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
			fill(f.Elem())
		default:
			panic("head_test: a field of a kind that fill does not know: " + v.Type().Field(i).Name)
		}
	}
}

func TestNoFieldIsForgotten(t *testing.T) {
	t.Parallel()
	var want, got job.Event
	fill(reflect.ValueOf(&want).Elem())
	require.NoError(t, json.Unmarshal(want.AppendHead(nil), &got))
	require.Equal(t, want, got)
	want.Error = nil // an error's event is read by encoding/json
	got = job.Event{}
	require.NoError(t, got.ParseHead(want.AppendHead(nil)))
	require.Equal(t, want, got)
}

func BenchmarkEventHead(b *testing.B) {
	e := sampleEnd()
	head := e.AppendHead(nil)
	b.Run("append", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			head = e.AppendHead(head[:0])
		}
	})
	b.Run("marshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_, _ = json.Marshal(e)
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = new(job.Event).ParseHead(head)
		}
	})
	b.Run("unmarshal", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			_ = json.Unmarshal(head, new(job.Event))
		}
	})
}
