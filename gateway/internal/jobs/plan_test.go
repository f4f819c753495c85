package jobs

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

func TestAPlanCapsThePriority(t *testing.T) {
	t.Parallel()
	d := open(t)
	d.cfg.Plans = map[string]job.Class{"free": job.Batch, "pro": job.Standard, "all": job.Interactive}
	for _, tc := range []struct {
		plan        string
		asked, want job.Class // refused where want is empty
	}{
		{"", "", job.Standard},
		{"", job.Interactive, job.Interactive},
		{"unnamed", job.Interactive, job.Interactive},
		{"free", "", job.Batch},
		{"free", job.Batch, job.Batch},
		{"free", job.Standard, ""},
		{"free", job.Interactive, ""},
		{"pro", "", job.Standard},
		{"pro", job.Batch, job.Batch},
		{"pro", job.Interactive, ""},
		{"all", "", job.Standard},
		{"all", job.Interactive, job.Interactive},
	} {
		p, r := anyone(), request()
		p.Tenant.Plan, r.Class = tc.plan, tc.asked
		held := len(d.limits.held)
		sub, err := d.Submit(t.Context(), p, r)
		if tc.want != "" {
			require.NoError(t, err, tc)
			assert.Equal(t, tc.want, sub.State.Job.Class, tc)
			continue
		}
		f := fault.From(err)
		assert.Equal(t, fault.Forbidden, f.Code, tc)
		assert.Equal(t, "priority", f.Field, tc)
		assert.Len(t, d.limits.held, held, "nothing is counted")
	}
}

func TestARetryKeepsToThePlan(t *testing.T) {
	t.Parallel()
	d := open(t)
	p, r := anyone(), request()
	r.Class = job.Interactive
	sub, err := d.Submit(t.Context(), p, r)
	require.NoError(t, err)
	j := sub.State.Job
	d.append(j, &job.Event{Kind: job.End, Status: job.Failed, Attempt: 1, Error: &job.Error{Code: fault.Internal}, Body: j.Input}, 0)
	d.remove(j)
	d.cfg.Plans = map[string]job.Class{"free": job.Batch}
	p.Tenant.Plan = "free"
	sub, err = d.Retry(t.Context(), p, j.ID)
	require.NoError(t, err)
	assert.Equal(t, job.Batch, sub.State.Job.Class)
}
