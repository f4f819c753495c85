package consume

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"mime"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/worker/internal/engine"
)

// input is a job's input as its engine sees it: fetched where it was too large for a message, and with a value in the
// place of each reference. One without references costs a search. The job keeps its own.
func (c *Consumer) input(ctx context.Context, j *job.Job) ([]byte, error) {
	in := j.Input
	if name, ok := offloaded(j); ok {
		_, whole, err := c.queue.Inputs().Read(ctx, j.Tenant, name, job.ResolvedMost)
		if errors.Is(err, queue.ErrNotFound) {
			return nil, fault.Wrap(fault.Gone, err, "the job's input is no longer kept")
		}
		if err != nil {
			return nil, fault.Wrap(fault.Overloaded, err, "the job's input cannot be read now")
		}
		in = whole
	}
	refs, err := job.Refs(in)
	if err != nil || len(refs) == 0 {
		return in, err
	}
	var out []byte
	at := 0
	for _, ref := range refs {
		out = append(out, in[at:ref.Start]...)
		if out, err = c.value(ctx, out, j.Tenant, ref); err != nil {
			return nil, err
		}
		at = ref.End
	}
	return append(out, in[at:]...), nil
}

// offloaded tells whether a job's input is stored beside its message, and under which name. The gateway takes no such
// name from a client.
func offloaded(j *job.Job) (name string, ok bool) {
	name, ok = job.RefOf(j.Input)
	return name, ok && strings.HasPrefix(name, job.InputPrefix)
}

// value appends what a reference stands for: text as a string, JSON as its value, anything else as a data URL.
func (c *Consumer) value(ctx context.Context, out []byte, tenant string, ref job.Ref) ([]byte, error) {
	blob, data, err := c.queue.Blobs().Read(ctx, tenant, ref.Name, int64(job.ResolvedMost-len(out)))
	switch {
	case errors.Is(err, queue.ErrNotFound):
		return nil, fault.Invalid(ref.Path, "the blob is no longer kept")
	case errors.Is(err, queue.ErrTooLarge):
		return nil, tooLarge(ref)
	case err != nil:
		return nil, fault.Wrap(fault.Overloaded, err, "a blob of the input cannot be read now")
	}
	media, _, err := mime.ParseMediaType(blob.ContentType)
	if err != nil {
		media = "application/octet-stream"
	}
	switch {
	case strings.HasPrefix(media, "text/"):
		if out, err = jsontext.AppendQuote(out, data); err != nil {
			return nil, fault.Invalid(ref.Path, "the blob is said to be text, and is not UTF-8")
		}
	case media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json"):
		v := jsontext.Value(data)
		if err := v.Compact(); err != nil || !v.IsValid() {
			return nil, fault.Invalid(ref.Path, "the blob is said to be JSON, and is not")
		}
		out = append(out, v...)
	default:
		if len(out)+base64.StdEncoding.EncodedLen(len(data)) > job.ResolvedMost {
			return nil, tooLarge(ref)
		}
		out = append(append(append(out, `"data:`...), media...), ";base64,"...)
		out = append(base64.StdEncoding.AppendEncode(out, data), '"')
	}
	if len(out) > job.ResolvedMost {
		return nil, tooLarge(ref)
	}
	return out, nil
}

func tooLarge(ref job.Ref) error {
	return fault.Invalid(ref.Path, "with its references resolved the input is larger than %d bytes", job.ResolvedMost)
}

// output stores an output that is too large for a message, and leaves a reference in its place.
func (c *Consumer) output(ctx context.Context, j *job.Job, res *engine.Result) error {
	if len(res.Output) <= job.InlineMost {
		return nil
	}
	blob, err := c.queue.Blobs().Put(ctx, j.Tenant, "application/json", bytes.NewReader(res.Output))
	if err != nil {
		return fault.Wrap(fault.Overloaded, err, "the output cannot be stored now")
	}
	res.Output = job.RefTo(blob.Ref)
	return nil
}

// forget drops the stored input of a job that has ended. A failed one keeps its own, so that it can be tried again.
func (c *Consumer) forget(ctx context.Context, j *job.Job) {
	name, ok := offloaded(j)
	if !ok {
		return
	}
	if err := c.queue.Inputs().Delete(ctx, j.Tenant, name); err != nil && !errors.Is(err, queue.ErrNotFound) {
		c.log.WarnContext(ctx, "an input is left until its time is over", "job_id", j.ID, "error", err)
	}
}
