package job

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends what MarshalJSON renders, without reflection and without copying the output: it stands on the way
// of every synchronous answer. The output is JSON already, and is written as it is.
func (s *State) AppendJSON(b []byte) []byte {
	j := s.Job
	version := s.Version
	if version == "" {
		version = j.Version
	}
	b = appendText(append(b, `{"id":`...), j.ID)
	b = appendText(append(b, `,"model":`...), j.Model)
	b = appendText(append(b, `,"version":`...), version)
	b = appendText(append(b, `,"status":`...), string(s.Status))
	b = strconv.AppendInt(append(b, `,"queue_position":`...), int64(s.QueuePosition), 10)
	b = strconv.AppendInt(append(b, `,"eta_ms":`...), s.ETA.Milliseconds(), 10)
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(s.Attempt), 10)
	b = strconv.AppendInt(append(b, `,"max_attempts":`...), int64(j.MaxAttempts), 10)
	b = appendText(append(b, `,"priority":`...), string(j.Class))
	b = append(j.CreatedAt.AppendFormat(append(b, `,"created_at":"`...), time.RFC3339Nano), '"')
	b = appendTime(append(b, `,"started_at":`...), s.StartedAt)
	b = appendTime(append(b, `,"finished_at":`...), s.FinishedAt)
	b = append(b, `,"output":`...)
	if s.Output == nil {
		b = append(b, "null"...)
	}
	b = append(b, s.Output...)
	b = appendError(append(b, `,"error":`...), s.Error)
	b = appendUsage(append(b, `,"usage":`...), s.Usage)
	b = appendMetadata(append(b, `,"metadata":`...), j.Metadata)
	b = append(append(b, `,"urls":{"self":"/v1/jobs/`...), j.ID...)
	b = append(append(b, `","events":"/v1/jobs/`...), j.ID...)
	b = append(append(b, `/events","cancel":"/v1/jobs/`...), j.ID...)
	return append(b, `/cancel"}}`...)
}

func appendTime(b []byte, t time.Time) []byte {
	if t.IsZero() {
		return append(b, "null"...)
	}
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendError(b []byte, e *Error) []byte {
	if e == nil {
		return append(b, "null"...)
	}
	b = appendText(append(b, `{"code":`...), string(e.Code))
	b = appendText(append(b, `,"message":`...), e.Message)
	if e.Field != "" {
		b = appendText(append(b, `,"field":`...), e.Field)
	}
	return append(b, '}')
}

func appendUsage(b []byte, u *Usage) []byte {
	if u == nil {
		return append(b, "null"...)
	}
	b = strconv.AppendFloat(append(b, `{"queue_ms":`...), u.QueueMS, 'f', -1, 64)
	b = strconv.AppendFloat(append(b, `,"run_ms":`...), u.RunMS, 'f', -1, 64)
	b = strconv.AppendInt(append(b, `,"batch_size":`...), int64(u.BatchSize), 10)
	b = strconv.AppendInt(append(b, `,"input_tokens":`...), int64(u.InputTokens), 10)
	b = strconv.AppendInt(append(b, `,"output_tokens":`...), int64(u.OutputTokens), 10)
	return append(b, '}')
}

func appendMetadata(b []byte, m map[string]string) []byte {
	b = append(b, '{')
	if len(m) > 0 {
		for i, k := range slices.Sorted(maps.Keys(m)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(append(appendText(b, k), ':'), m[k])
		}
	}
	return append(b, '}')
}

// appendText quotes s; text that needs escapes is left to encoding/json.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == '"' || c == '\\' || c >= utf8.RuneSelf {
			quoted, err := json.Marshal(s)
			if err != nil {
				return append(b, `""`...) // not reached: a string can be encoded
			}
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
