package job

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"time"
)

// A job's head and an event's are JSON as their tags say. They are written and read for every job, on both sides, so
// that it is done here by hand, at a tenth of reflection's cost. What is written, encoding/json reads the same; what
// the hand-made reader does not know, encoding/json reads.

// AppendHead appends j as JSON, without its input.
func (j *Job) AppendHead(b []byte) []byte {
	b = appendText(append(b, `{"id":`...), j.ID)
	b = appendText(append(b, `,"tenant":`...), j.Tenant)
	b = appendText(append(b, `,"model":`...), j.Model)
	b = appendSet(b, `,"version":`, j.Version)
	b = appendText(append(b, `,"priority":`...), string(j.Class))
	b = appendMoment(append(b, `,"created_at":`...), j.CreatedAt)
	if !j.NotBefore.IsZero() {
		b = appendMoment(append(b, `,"not_before":`...), j.NotBefore)
	}
	b = strconv.AppendInt(append(b, `,"max_attempts":`...), int64(j.MaxAttempts), 10)
	b = appendSeconds(b, `,"ttl":`, j.TTL)
	b = appendSeconds(b, `,"timeout":`, j.Timeout)
	b = appendTrue(b, `,"backlog":true`, j.Backlog)
	b = appendSeconds(b, `,"weight":`, j.Weight)
	b = appendTrue(b, `,"stream":true`, j.Stream)
	b = appendTrue(b, `,"sync":true`, j.Sync)
	b = appendSeconds(b, `,"keep":`, j.Keep)
	b = appendSeconds(b, `,"wait":`, j.Wait)
	b = appendSet(b, `,"task":`, j.Task)
	b = appendSet(b, `,"subject":`, j.Subject)
	if len(j.Metadata) > 0 {
		b = append(b, `,"metadata":{`...)
		for i, k := range slices.Sorted(maps.Keys(j.Metadata)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendText(append(appendText(b, k), ':'), j.Metadata[k])
		}
		b = append(b, '}')
	}
	if j.Before > 0 {
		b = strconv.AppendInt(append(b, `,"before":`...), int64(j.Before), 10)
	}
	b = appendSet(b, `,"mark":`, j.Mark)
	b = appendSet(b, `,"fingerprint":`, j.Fingerprint)
	b = appendSet(b, `,"hooks":`, j.Hooks)
	return append(b, '}')
}

// AppendHead appends e as JSON, without its body and its sequence.
func (e *Event) AppendHead(b []byte) []byte {
	b = appendText(append(b, `{"kind":`...), string(e.Kind))
	b = strconv.AppendInt(append(b, `,"attempt":`...), int64(e.Attempt), 10)
	b = appendMoment(append(b, `,"at":`...), e.At)
	if e.Before > 0 {
		b = strconv.AppendInt(append(b, `,"before":`...), int64(e.Before), 10)
	}
	if e.Prev > 0 {
		b = strconv.AppendUint(append(b, `,"prev":`...), e.Prev, 10)
	}
	b = appendSet(b, `,"worker":`, e.Worker)
	b = appendSet(b, `,"version":`, e.Version)
	if e.Error != nil {
		b = appendError(append(b, `,"error":`...), e.Error)
	}
	b = appendSet(b, `,"status":`, string(e.Status))
	if e.StartedAt != nil {
		b = appendMoment(append(b, `,"started_at":`...), *e.StartedAt)
	}
	if e.Usage != nil {
		b = appendUsage(append(b, `,"usage":`...), e.Usage)
	}
	b = appendTrue(b, `,"streamed":true`, e.Streamed)
	if e.Job != nil {
		b = e.Job.AppendHead(append(b, `,"job":`...))
	}
	return append(b, '}')
}

func appendMoment(b []byte, t time.Time) []byte {
	return append(t.AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
}

func appendSet(b []byte, name, text string) []byte {
	if text == "" {
		return b
	}
	return appendText(append(b, name...), text)
}

func appendSeconds(b []byte, name string, s float64) []byte {
	if s == 0 {
		return b
	}
	return strconv.AppendFloat(append(b, name...), s, 'f', -1, 64)
}

func appendTrue(b []byte, text string, set bool) []byte {
	if !set {
		return b
	}
	return append(b, text...)
}

// ParseHead reads what AppendHead wrote, or any JSON of that shape.
func (j *Job) ParseHead(b []byte) error {
	r := headReader{s: string(b)} // one copy; the texts are parts of it
	fast := Job{Input: j.Input}
	if r.job(&fast); r.done() {
		*j = fast
		return nil
	}
	return json.Unmarshal(b, j)
}

// ParseHead reads what AppendHead wrote, or any JSON of that shape.
func (e *Event) ParseHead(b []byte) error {
	r := headReader{s: string(b)}
	fast := Event{Body: e.Body, Seq: e.Seq}
	if r.event(&fast); r.done() {
		*e = fast
		return nil
	}
	return json.Unmarshal(b, e)
}

// headReader reads compact JSON without escapes; whatever else it meets makes it fail, and the caller starts over.
type headReader struct {
	s      string
	at     int
	failed bool
}

func (r *headReader) done() bool { return !r.failed && r.at == len(r.s) }

func (r *headReader) take(c byte) bool {
	if r.at < len(r.s) && r.s[r.at] == c {
		r.at++
		return true
	}
	return false
}

func (r *headReader) fail() { r.failed = true }

// text reads a string without escapes.
func (r *headReader) text() string {
	if !r.take('"') {
		r.fail()
		return ""
	}
	for i := r.at; i < len(r.s); i++ {
		switch c := r.s[i]; {
		case c == '"':
			text := r.s[r.at:i]
			r.at = i + 1
			return text
		case c == '\\' || c < ' ' || c >= 0x80:
			r.fail()
			return ""
		}
	}
	r.fail()
	return ""
}

// members calls member for each member's name, which must read its value.
func (r *headReader) members(member func(name string)) {
	if !r.take('{') {
		r.fail()
		return
	}
	if r.take('}') {
		return
	}
	for !r.failed {
		name := r.text()
		if !r.take(':') {
			r.fail()
			return
		}
		member(name)
		if r.take(',') {
			continue
		}
		if !r.take('}') {
			r.fail()
		}
		return
	}
}

// number is the text of a number.
func (r *headReader) number() string {
	from := r.at
	for r.at < len(r.s) {
		if c := r.s[r.at]; c != '-' && c != '+' && c != '.' && c != 'e' && c != 'E' && (c < '0' || c > '9') {
			break
		}
		r.at++
	}
	return r.s[from:r.at]
}

func (r *headReader) int() int {
	n, err := strconv.Atoi(r.number())
	if err != nil {
		r.fail()
	}
	return n
}

func (r *headReader) uint() uint64 {
	n, err := strconv.ParseUint(r.number(), 10, 64)
	if err != nil {
		r.fail()
	}
	return n
}

func (r *headReader) float() float64 {
	f, err := strconv.ParseFloat(r.number(), 64)
	if err != nil {
		r.fail()
	}
	return f
}

// yes reads true; no other value of a bool is ever written.
func (r *headReader) yes() bool {
	if len(r.s)-r.at < 4 || r.s[r.at:r.at+4] != "true" {
		r.fail()
		return false
	}
	r.at += 4
	return true
}

func (r *headReader) moment() time.Time {
	t, err := time.Parse(time.RFC3339Nano, r.text())
	if err != nil {
		r.fail()
	}
	return t
}

func (r *headReader) job(j *Job) {
	r.members(func(name string) {
		switch name {
		case "id":
			j.ID = r.text()
		case "tenant":
			j.Tenant = r.text()
		case "model":
			j.Model = r.text()
		case "version":
			j.Version = r.text()
		case "priority":
			j.Class = Class(r.text())
		case "created_at":
			j.CreatedAt = r.moment()
		case "not_before":
			j.NotBefore = r.moment()
		case "max_attempts":
			j.MaxAttempts = r.int()
		case "before":
			j.Before = r.int()
		case "mark":
			j.Mark = r.text()
		case "fingerprint":
			j.Fingerprint = r.text()
		case "hooks":
			j.Hooks = r.text()
		case "ttl":
			j.TTL = r.float()
		case "timeout":
			j.Timeout = r.float()
		case "backlog":
			j.Backlog = r.yes()
		case "weight":
			j.Weight = r.float()
		case "stream":
			j.Stream = r.yes()
		case "sync":
			j.Sync = r.yes()
		case "keep":
			j.Keep = r.float()
		case "wait":
			j.Wait = r.float()
		case "task":
			j.Task = r.text()
		case "subject":
			j.Subject = r.text()
		case "metadata":
			j.Metadata = map[string]string{}
			r.members(func(k string) { j.Metadata[k] = r.text() })
		default:
			r.fail()
		}
	})
}

func (r *headReader) event(e *Event) {
	r.members(func(name string) {
		switch name {
		case "kind":
			e.Kind = Kind(r.text())
		case "attempt":
			e.Attempt = r.int()
		case "at":
			e.At = r.moment()
		case "before":
			e.Before = r.int()
		case "prev":
			e.Prev = r.uint()
		case "worker":
			e.Worker = r.text()
		case "version":
			e.Version = r.text()
		case "status":
			e.Status = Status(r.text())
		case "started_at":
			t := r.moment()
			e.StartedAt = &t
		case "usage":
			e.Usage = new(Usage)
			r.usage(e.Usage)
		case "streamed":
			e.Streamed = r.yes()
		case "job":
			e.Job = new(Job)
			r.job(e.Job)
		default: // an error too: failures may take longer
			r.fail()
		}
	})
}

func (r *headReader) usage(u *Usage) {
	r.members(func(name string) {
		switch name {
		case "queue_ms":
			u.QueueMS = r.float()
		case "run_ms":
			u.RunMS = r.float()
		case "batch_size":
			u.BatchSize = r.int()
		case "input_tokens":
			u.InputTokens = r.int()
		case "output_tokens":
			u.OutputTokens = r.int()
		default:
			r.fail()
		}
	})
}
