package httpapi

import (
	"crypto/sha256"
	"encoding/hex"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const maxKey = 255

// repeatable reads the idempotency key, and notes what a repeat must ask for to be one: the same body for the same
// version. Prefer is no part of it.
func (k *call) repeatable(r *job.Request, body []byte) error {
	key := k.rc.Request.Header.PeekAll(headerIdempotent)
	switch {
	case len(key) > 1:
		return badParam(headerIdempotent, "stands there twice")
	case len(key) == 1:
		if !validKey(key[0]) {
			return badParam(headerIdempotent, "must have 1 to %d visible ASCII characters or spaces", maxKey)
		}
		r.Key = string(key[0])
	}
	if r.Key == "" && r.ID == "" {
		return nil
	}
	h := sha256.New()
	h.Write(body)
	h.Write([]byte{0})
	h.Write([]byte(r.Version))
	r.Route, r.Fingerprint = k.method+" "+k.route, hex.EncodeToString(h.Sum(nil))
	return nil
}

func validKey(key []byte) bool {
	if len(key) == 0 || len(key) > maxKey {
		return false
	}
	for _, c := range key {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return true
}

// putJob is PUT /v1/jobs/{id}: a job under the client's own id, or the one that is there.
func (k *call) putJob() error {
	if k.rc.Request.Header.Peek(headerIdempotent) != nil {
		return badParam(headerIdempotent, "the id in the path is this request's key")
	}
	id := k.pathPart("id")
	if !job.ValidID(id) || job.Reserved(id) {
		return fault.Invalid("id", "is 1 to 64 letters, digits, - and _, and does not begin with job_")
	}
	return k.submitAs(id)
}

// retryJob is POST /v1/jobs/{id}/retry.
func (k *call) retryJob() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	sub, err := k.s.deps.Jobs.Retry(k.context(), k.who, id)
	k.limitHeaders(sub.Limits)
	if err != nil {
		return err
	}
	k.jobSeen(&sub.State)
	return k.submitted(&sub, preference{})
}
