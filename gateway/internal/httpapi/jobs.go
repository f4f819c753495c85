package httpapi

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const (
	headerJobID      = "X-Job-Id"
	headerVersion    = "X-Model-Version"
	headerDetach     = "X-Detach"
	headerApplied    = "Preference-Applied"
	headerIdempotent = "Idempotency-Key"
	headerRateLimit  = "RateLimit"
	headerRatePolicy = "RateLimit-Policy"
	scopeJobs        = "jobs"
)

// submitJob is POST /v1/jobs.
func (k *call) submitJob() error { return k.submitAs("") }

// submitAs submits the body's job, under an id of the client's choice or one of ours where that is empty.
func (k *call) submitAs(id string) error {
	prefer, err := k.prefer()
	if err != nil {
		return err
	}
	body, err := k.jsonBody()
	if err != nil {
		return err
	}
	r, err := parseJob(body)
	if err != nil {
		return err
	}
	r.Scopes = []string{scopeJobs}
	r.ID = id
	if err := k.jobHeaders(&r, body); err != nil {
		return err
	}
	if k.wantsEvents() {
		return k.submitStream(r)
	}
	r.Wait = prefer.wait
	sub, err := k.submit(r)
	if err != nil {
		return underInput(err)
	}
	return k.submitted(&sub, prefer)
}

// jobHeaders reads the headers that every route which makes jobs takes.
func (k *call) jobHeaders(r *job.Request, body []byte) error {
	if v := k.header(headerVersion); v != "" {
		switch {
		case !validName(v, maxVersion):
			return badParam(headerVersion, "is not the name of a version")
		case r.Version != "" && r.Version != v:
			return badParam(headerVersion, "the header and the body name different versions")
		}
		r.Version = v
	}
	detach, err := k.flag(headerDetach)
	r.Detach = detach
	if err != nil {
		return err
	}
	return k.repeatable(r, body)
}

// submit gives the request to Jobs, watches for a caller that hangs up, and tells limits and job in headers.
func (k *call) submit(r job.Request) (sub job.Submission, err error) {
	k.model = r.Model
	err = k.waiting(func(ctx context.Context) error {
		sub, err = k.s.deps.Jobs.Submit(ctx, k.who, r)
		return err
	})
	k.limitHeaders(sub.Limits)
	if err == nil || errors.Is(err, context.Canceled) { // beside any other error the job was not accepted
		k.jobSeen(&sub.State)
	}
	return sub, err
}

// submitted answers with the job: 200 when it ended within the wait, else 202.
func (k *call) submitted(sub *job.Submission, prefer preference) error {
	st := &sub.State
	h := &k.rc.Response.Header
	if sub.Replayed {
		h.Set("Idempotent-Replayed", "true")
	}
	if (prefer.hasWait || sub.Replayed) && st.Status.Ended() {
		if !prefer.hasWait {
			return k.state(fiber.StatusOK, st)
		}
		h.Set(headerApplied, "wait="+prefer.text)
		return k.state(fiber.StatusOK, st)
	}
	h.Set(headerApplied, "respond-async")
	h.Set(fiber.HeaderLocation, "/v1/jobs/"+st.Job.ID)
	h.Set(fiber.HeaderRetryAfter, strconv.FormatInt(wholeSeconds(st.ETA), 10))
	return k.state(fiber.StatusAccepted, st)
}

// underInput puts the paths of an input's faults under input. A job's own members are not in it.
func underInput(err error) error {
	field := fault.From(err).Field
	if strings.HasPrefix(field, "webhook") {
		return err
	}
	switch field {
	case "id", "model", "version", "priority", "ttl", "timeout", "not_before", "max_attempts", "metadata":
		return err
	}
	return fault.Under("input", err)
}

// state answers with a job.
func (k *call) state(status int, st *job.State) error {
	b, done := job.Scratch()
	b = st.AppendJSON(b)
	k.rc.Response.SetStatusCode(status)
	k.rc.Response.Header.SetContentType("application/json")
	k.rc.Response.SetBody(b) // copies it to memory that the server uses again, too
	done(b)
	return nil
}

// jobSeen notes the job for the audit line and names it in the response.
func (k *call) jobSeen(st *job.State) {
	if st.Job == nil {
		return
	}
	k.jobID, k.model, k.task = st.Job.ID, st.Job.Model, st.Job.Task
	h := &k.rc.Response.Header
	h.Set(headerJobID, st.Job.ID)
	version := st.Version
	if version == "" {
		version = st.Job.Version
	}
	if version != "" {
		h.Set(headerVersion, version)
	}
}

// limitHeaders tells the tenant's limits in the form of the IETF draft.
func (k *call) limitHeaders(limits []job.LimitState) {
	if len(limits) == 0 {
		return
	}
	var room [128]byte
	policy, state := room[:0:64], room[64:64]
	for i := range limits {
		l := &limits[i]
		if i > 0 {
			policy, state = append(policy, ", "...), append(state, ", "...)
		}
		policy = append(append(append(policy, '"'), l.Name...), `";q=`...)
		policy = strconv.AppendInt(policy, l.Limit, 10)
		policy = append(policy, ";w="...)
		policy = strconv.AppendInt(policy, int64(l.Window/time.Second), 10)
		state = append(append(append(state, '"'), l.Name...), `";r=`...)
		state = strconv.AppendInt(state, max(0, l.Remaining), 10)
		state = append(state, ";t="...)
		state = strconv.AppendInt(state, max(0, int64((l.Reset+time.Second-1)/time.Second)), 10)
	}
	k.rc.Response.Header.SetBytesV(headerRatePolicy, policy)
	k.rc.Response.Header.SetBytesV(headerRateLimit, state)
}

// jobIDParam takes the path's job id. Anything that can't be one is simply not found.
func (k *call) jobIDParam() (string, error) {
	id := k.c.Params("id")
	if !job.ValidID(id) {
		return "", fault.New(fault.NotFound, "there is no such job")
	}
	id = strings.Clone(id) // Fiber's strings live no longer than the handler
	k.jobID = id
	return id, nil
}

// getJob is GET /v1/jobs/{id}.
func (k *call) getJob() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	var st job.State
	if k.rc.QueryArgs().Has("wait") {
		wait, werr := k.seconds("wait", k.param("wait"))
		if werr != nil {
			return werr
		}
		err = k.waiting(func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(ctx, wait)
			defer cancel()
			st, err = k.s.deps.Jobs.Wait(ctx, k.tenant, id)
			return err
		})
	} else {
		st, err = k.s.deps.Jobs.Get(k.context(), k.tenant, id)
	}
	if err != nil {
		return err
	}
	return k.writeJob(&st)
}

func (k *call) writeJob(st *job.State) error {
	k.jobSeen(st)
	if !st.Status.Ended() {
		k.rc.Response.Header.Set(fiber.HeaderRetryAfter, strconv.FormatInt(wholeSeconds(st.ETA), 10))
	}
	return k.state(fiber.StatusOK, st)
}

// cancelJob is POST /v1/jobs/{id}/cancel.
func (k *call) cancelJob() error {
	id, err := k.jobIDParam()
	if err != nil {
		return err
	}
	st, err := k.s.deps.Jobs.Cancel(k.context(), k.tenant, id)
	if err != nil {
		return err
	}
	return k.writeJob(&st)
}

// listJobs is GET /v1/jobs.
func (k *call) listJobs() error {
	limit, err := k.number("limit", 20, 1, 100)
	if err != nil {
		return err
	}
	f := job.Filter{Status: job.Status(k.param("status")), Model: k.param("model"), Limit: limit, Cursor: k.param("cursor")}
	switch {
	case f.Status != "" && !f.Status.Valid():
		return badParam("status", "is not a job's status")
	case f.Model != "" && !validName(f.Model, maxModel):
		return badParam("model", "is not the name of a model")
	case !validCursor(f.Cursor):
		return badParam("cursor", "is not a cursor of this list")
	}
	page, err := k.s.deps.Jobs.List(k.context(), k.tenant, f)
	if err != nil {
		return err
	}
	b := append(make([]byte, 0, 64+512*len(page.Jobs)), `{"data":[`...)
	for i := range page.Jobs {
		if i > 0 {
			b = append(b, ',')
		}
		b = page.Jobs[i].AppendJSON(b)
	}
	b = append(b, `],"next_cursor":`...)
	if page.Next == "" {
		b = append(b, "null}"...)
	} else {
		b = append(appendString(b, page.Next), '}')
	}
	return k.json(fiber.StatusOK, b)
}

// validCursor takes the characters that cursors are made of; what they mean is the list's own business.
func validCursor(c string) bool {
	if len(c) > 512 {
		return false
	}
	for i := range len(c) {
		if !isAlnum(c[i]) && c[i] != '-' && c[i] != '_' && c[i] != '=' && c[i] != '.' {
			return false
		}
	}
	return true
}
