package jobs

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

const defaultPage = 20

// List returns the tenant's jobs that the filter lets through, newest first: ids sort by age, and the cursor is the
// last id shown, so that jobs which come or go meanwhile neither repeat nor hide others.
func (s *Service) List(ctx context.Context, tenantID string, f job.Filter) (job.Page, error) {
	before, err := decodeCursor(f.Cursor)
	if err != nil {
		return job.Page{}, err
	}
	if f.Limit <= 0 {
		f.Limit = defaultPage
	}
	ids, err := s.known(ctx, tenantID)
	if err != nil {
		return job.Page{}, unavailable(err)
	}
	if before != "" {
		at, _ := slices.BinarySearchFunc(ids, before, descending)
		if at < len(ids) && ids[at] == before {
			at++
		}
		ids = ids[at:]
	}
	var page job.Page
	for _, id := range ids {
		st, err := s.Get(ctx, tenantID, id)
		if code := fault.CodeOf(err); code == fault.NotFound || code == fault.Gone {
			continue // it left since the ids were read
		}
		if err != nil {
			return job.Page{}, err
		}
		if f.Status != "" && st.Status != f.Status || f.Model != "" && st.Job.Model != f.Model {
			continue
		}
		if len(page.Jobs) == f.Limit {
			page.Next = encodeCursor(page.Jobs[f.Limit-1].Job.ID)
			return page, nil
		}
		page.Jobs = append(page.Jobs, st)
	}
	return page, nil
}

func descending(a, b string) int { return strings.Compare(b, a) }

// known lists the tenant's jobs, ended or not, newest first.
func (s *Service) known(ctx context.Context, tenantID string) ([]string, error) {
	queued, err1 := s.queue.Queued(ctx, tenantID)
	logged, err2 := s.queue.Logged(ctx, tenantID)
	scheduled, err3 := s.queue.ScheduledIDs(ctx, tenantID)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, err
	}
	ids := slices.Concat(queued, logged, scheduled)
	slices.SortFunc(ids, descending)
	return slices.Compact(ids), nil
}

func encodeCursor(id string) string { return base64.RawURLEncoding.EncodeToString([]byte(id)) }

func decodeCursor(cursor string) (string, error) {
	if cursor == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil || !job.ValidID(string(b)) {
		return "", &fault.Error{Code: fault.BadRequest, Field: "cursor", Detail: "is not a cursor of ours"}
	}
	return string(b), nil
}
