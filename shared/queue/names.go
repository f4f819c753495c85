package queue

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// The streams and buckets. Nothing outside this file names one.
const (
	jobsStream     = "JOBS"
	eventsStream   = "EVENTS"
	deadStream     = "DEAD"
	laterStream    = "LATER"
	advisoryStream = "ADVISORIES"
	hooksStream    = "HOOKS"
	webhooksStream = "WEBHOOKS"
	workersBucket  = "WORKERS"
	claimsBucket   = "IDEMPOTENCY"
	blobsBucket    = "BLOBS"
	inputsBucket   = "INPUTS"
)

// LaneKind is the lane token of a job's subject.
type LaneKind string

// Express is shared by all tenants without a backlog; what a tenant has beyond its express bound goes to Backlog.
const (
	Express LaneKind = "x"
	Backlog LaneKind = "b"
)

// Lane names one consumer of JOBS: what a worker can pull from.
type Lane struct {
	Model  string
	Class  job.Class
	Kind   LaneKind
	Tenant string // whose backlog; empty on the express lane
}

// consumer is the durable's name. It must hold no dot, and one for each lane.
func (l Lane) consumer() string {
	n := name(l.Model) + "_" + string(l.Class) + "_" + string(l.Kind)
	if l.Tenant != "" {
		n += "_" + l.Tenant
	}
	return n
}

func (l Lane) filter() string {
	f := "jobs." + token(l.Model) + "." + string(l.Class) + "." + string(l.Kind) + "."
	if l.Tenant != "" {
		return f + l.Tenant + ".*"
	}
	return f + ">"
}

func jobSubject(j *job.Job) string {
	kind := Express
	if j.Backlog {
		kind = Backlog
	}
	return "jobs." + token(j.Model) + "." + string(j.Class) + "." + string(kind) + "." + j.Tenant + "." + j.ID
}

func anyJobSubject(tenant, id string) string { return "jobs.*.*.*." + tenant + "." + id }
func eventSubject(tenant, id string) string  { return "events." + tenant + "." + id }
func deadSubject(j *job.Job) string          { return "dead." + token(j.Model) + "." + j.Tenant + "." + j.ID }

func laterSubject(what, tenant, id string) string {
	return laterRoot + "." + what + "." + tenant + "." + id
}

func dueSubject(what, tenant, id string) string {
	return dueRoot + "." + what + "." + tenant + "." + id
}

func cancelSubject(tenant, id string) string { return "cancel." + tenant + "." + id }
func lastToken(subject string) string        { return subject[strings.LastIndexByte(subject, '.')+1:] }

// The two roots of LATER: what waits for its time, and what is due.
const (
	laterRoot = "later"
	dueRoot   = "due"
)

// A stored event is published again below live, where the mark that ends its job's id is a token of its own: a gateway
// hears the jobs it made by one subscription, and others one job by another.
const liveRoot = "live"

// liveTransform is how the broker makes an event's subject the one it is published on again; liveSubject does the same.
func liveTransform() *jetstream.RePublish {
	return &jetstream.RePublish{
		Source:      "events.*.*",
		Destination: liveRoot + ".{{wildcard(1)}}.{{splitfromright(2," + strconv.Itoa(job.MarkChars) + ")}}",
	}
}

func liveSubject(tenant, id string) string {
	mark := job.Mark(id)
	if len(mark) == len(id) {
		return liveRoot + "." + tenant + "." + id
	}
	return liveRoot + "." + tenant + "." + id[:len(id)-len(mark)] + "." + mark
}

// ofMark is every live subject of the jobs with a mark.
func ofMark(mark string) string { return liveRoot + ".*.*." + mark }

// objectStream is the stream of an object store's bucket, chunkSubject that of an object's bytes, infoSubject that of
// its description.
func objectStream(bucket string) string     { return "OBJ_" + bucket }
func chunkSubject(bucket, id string) string { return "$O." + bucket + ".C." + id }
func infoSubject(bucket, name string) string {
	return "$O." + bucket + ".M." + base64.URLEncoding.EncodeToString([]byte(name))
}

// name is token for consumers and keys, which take no %.
func name(s string) string { return strings.ReplaceAll(token(s), "%", "=") }

// token makes any model name one subject token: letters, digits, - and _ stay, every other byte becomes %XX.
func token(s string) string {
	plain := true
	for i := range len(s) {
		if !plainByte(s[i]) {
			plain = false
			break
		}
	}
	if plain && s != "" {
		return s
	}
	var b strings.Builder
	for i := range len(s) {
		if plainByte(s[i]) {
			b.WriteByte(s[i])
		} else {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
	}
	return b.String()
}

func plainByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}
