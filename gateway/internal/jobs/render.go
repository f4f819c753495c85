package jobs

import (
	"encoding/json"
	"strconv"

	"github.com/penstock-dev/penstock/shared/job"
)

// renderer turns a job's log into messages. The log alone decides their ids and bytes, so that every gateway tells the
// same, whenever it is asked.
type renderer struct {
	state job.State
	id    int
}

// begin is the message that every job has, event or none: it is queued, or scheduled.
func (r *renderer) begin(j *job.Job) []job.Message {
	r.state = job.Accepted(j)
	return []job.Message{r.status(r.state.Status, 0, nil)}
}

// superseded is a failure after which the job was retried by hand: as many messages as the end had when it was the last,
// with the job's new place in that of done.
func (r *renderer) superseded(e *job.Event) []job.Message {
	r.state.Apply(e)
	return []job.Message{r.message("error", encode(e.Error)), r.status(job.Queued, e.Attempt, e.Error)}
}

func (r *renderer) next(e *job.Event) []job.Message {
	r.state.Apply(e)
	switch e.Kind {
	case job.Due:
		return []job.Message{r.status(job.Queued, 0, nil)}
	case job.Started:
		started := r.status(job.Running, e.Attempt, nil)
		if e.Attempt == 1 {
			return []job.Message{started}
		}
		restart := job.Message{ID: started.ID, Name: "restart", Data: []byte(`{"attempt":` + strconv.Itoa(e.Attempt) + `}`)}
		r.id++
		started.ID = r.id
		return []job.Message{restart, started}
	case job.Output:
		return []job.Message{r.message("output", e.Body)}
	case job.Retrying:
		return []job.Message{r.status(job.Queued, e.Attempt, e.Error)}
	case job.Released:
		return []job.Message{r.status(job.Queued, e.Attempt-1, nil)}
	case job.End:
		return r.end(e)
	case job.Requeued: // told in the place of the failure's done
	}
	return nil
}

func (r *renderer) end(e *job.Event) []job.Message {
	var out []job.Message
	if e.Status == job.Succeeded && !e.Streamed {
		out = append(out, r.message("output", e.Body))
	}
	if e.Error != nil {
		out = append(out, r.message("error", encode(e.Error)))
	}
	return append(out, r.message("done", encode(r.state)))
}

func (r *renderer) status(s job.Status, attempt int, err *job.Error) job.Message {
	return r.message("status", encode(struct {
		Status   job.Status `json:"status"`
		Position int        `json:"queue_position"`
		Attempt  int        `json:"attempt"`
		Error    *job.Error `json:"error,omitempty"`
	}{s, 0, attempt, err}))
}

func (r *renderer) message(name string, data []byte) job.Message {
	r.id++
	return job.Message{ID: r.id, Name: name, Data: data}
}

// encode renders one of our own types, which cannot fail.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic("jobs: " + err.Error())
	}
	return b
}
