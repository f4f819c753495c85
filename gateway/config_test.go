package gateway

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

func TestPlansAreReadAndChecked(t *testing.T) {
	t.Parallel()
	c, err := LoadConfig("", []string{"PENSTOCK_PLANS=free=batch,pro=standard"})
	require.NoError(t, err)
	require.NoError(t, c.Validate())
	assert.Equal(t, map[string]job.Class{"free": job.Batch, "pro": job.Standard}, c.priorities())
	for _, plan := range []string{"free", "free=", "=batch", "free=fast"} {
		c := Default()
		c.Plans = []string{plan}
		require.ErrorContains(t, c.Validate(), "plans: ", plan)
	}
}
