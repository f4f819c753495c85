package jobs

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// PutBlob stores what r gives for a tenant. An error of r's is returned as it is, and nothing is kept.
func (s *Service) PutBlob(ctx context.Context, tenantID, mediaType string, r io.Reader) (job.Blob, error) {
	if err := s.room(); err != nil {
		return job.Blob{}, err
	}
	blob, err := s.queue.Blobs().Put(ctx, tenantID, mediaType, r)
	return blob, blobFault(err)
}

// OpenBlob describes a blob, and reads it for as long as ctx lasts. Another tenant's is not found, always.
func (s *Service) OpenBlob(ctx context.Context, tenantID, ref string) (job.Blob, io.Reader, error) {
	blob, r, err := s.queue.Blobs().Open(ctx, tenantID, ref)
	return blob, r, blobFault(err)
}

// DeleteBlob takes a blob away. A job that refers to it and has not begun fails then.
func (s *Service) DeleteBlob(ctx context.Context, tenantID, ref string) error {
	return blobFault(s.queue.Blobs().Delete(ctx, tenantID, ref))
}

func blobFault(err error) error {
	_, told := errors.AsType[*fault.Error](err)
	switch {
	case err == nil || told:
		return err
	case errors.Is(err, queue.ErrNotFound):
		return fault.New(fault.NotFound, "there is no such blob")
	case errors.Is(err, queue.ErrFull):
		return &fault.Error{Code: fault.Overloaded, Detail: "the store of blobs is full", RetryAfter: time.Minute, Cause: err}
	case errors.Is(err, queue.ErrUnavailable):
		return unavailable(err)
	}
	return err
}

// checkRefs refuses an input that refers to what is not there, is not the tenant's, will be gone before the job may
// begin, or is too large.
func (s *Service) checkRefs(ctx context.Context, tenantID string, r *job.Request) error {
	refs, err := job.Refs(r.Input)
	if err != nil {
		return err
	}
	size := int64(len(r.Input))
	for _, ref := range refs {
		blob, err := s.queue.Blobs().Stat(ctx, tenantID, ref.Name)
		switch {
		case errors.Is(err, queue.ErrNotFound):
			return fault.Invalid(ref.Path, "there is no such blob")
		case err != nil:
			return unavailable(err)
		case r.NotBefore.After(blob.CreatedAt.Add(s.queue.BlobTTL())):
			return fault.Invalid(ref.Path, "the blob will be gone by not_before")
		}
		if size += resolved(&blob); size > job.ResolvedMost {
			return fault.Invalid(ref.Path, "with its references resolved the input is larger than %d bytes", job.ResolvedMost)
		}
	}
	return nil
}

// resolved is about how large a blob is as a value: its text may need escapes.
func resolved(b *job.Blob) int64 {
	if strings.HasPrefix(b.ContentType, "text/") || strings.Contains(b.ContentType, "json") {
		return b.Size
	}
	return int64(base64.StdEncoding.EncodedLen(int(b.Size)))
}

// offload stores an input that is too large for a message, and leaves a reference in its place.
func (s *Service) offload(ctx context.Context, j *job.Job) error {
	if len(j.Input) <= job.InlineMost {
		return nil
	}
	blob, err := s.queue.Inputs().Put(ctx, j.Tenant, "application/json", bytes.NewReader(j.Input))
	switch {
	case errors.Is(err, queue.ErrFull):
		return &fault.Error{Code: fault.QueueFull, Detail: "the queue is full", RetryAfter: 5 * time.Second, Cause: err}
	case err != nil:
		return unavailable(err)
	}
	j.Input = job.RefTo(blob.Ref)
	return nil
}

// forget drops the stored input of a job that was refused, or has ended and will not be tried again.
func (s *Service) forget(ctx context.Context, j *job.Job) {
	name, ok := job.RefOf(j.Input)
	if !ok || !strings.HasPrefix(name, job.InputPrefix) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	if err := s.queue.Inputs().Delete(ctx, j.Tenant, name); err != nil && !errors.Is(err, queue.ErrNotFound) {
		s.log.WarnContext(ctx, "an input is left until its time is over", "job_id", j.ID, "error", err)
	}
}
