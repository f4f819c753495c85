package fair_test

import (
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

func start() time.Time { return time.Unix(1_700_000_000, 0) }

// A tenant may have its even part of the slots on express and some more.
func TestBound(t *testing.T) {
	t.Parallel()
	assert.Equal(t, 8, fair.Bound(0, 0))
	assert.Equal(t, 16+8, fair.Bound(16, 1))
	assert.Equal(t, 100+25, fair.Bound(200, 2))
	assert.Equal(t, 8, fair.Bound(16, 1000))
}

func TestWhichLane(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		express, backlog, bound int
		want                    fair.Lane
	}{
		{0, 0, 8, fair.Express},
		{7, 0, 8, fair.Express},
		{8, 0, 8, fair.Backlog},
		{0, 1, 8, fair.Backlog}, // it would overtake the one that waits
		{7, 100, 8, fair.Backlog},
		{0, 0, 0, fair.Backlog}, // a bound of nothing is no express at all
	} {
		assert.Equal(t, c.want, fair.LaneFor(c.express, c.backlog, c.bound), "%+v", c)
	}
}

// Whatever comes and ends in whatever order, a job never goes to express while an older one of its tenant is in the
// backlog, and express holds no more than the bound.
func TestLanesKeepOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		bound := 1 + r.IntN(9)
		var express, backlog int
		for range 2000 {
			switch r.IntN(3) {
			case 0:
				express -= min(express, r.IntN(2))
			case 1:
				backlog -= min(backlog, r.IntN(3))
			default:
				if fair.LaneFor(express, backlog, bound) == fair.Express {
					require.Zero(t, backlog)
					express++
				} else {
					backlog++
				}
			}
			require.LessOrEqual(t, express, bound)
		}
	}
}

func TestHintsFollowTheLastJobSoon(t *testing.T) {
	t.Parallel()
	const every = 100 * time.Millisecond
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 2))
		h := fair.NewHinter(every)
		now := start()
		var lastJob, lastHint time.Time
		hints := 0
		for range 1000 {
			now = now.Add(time.Duration(r.IntN(30)) * time.Millisecond)
			if r.IntN(3) > 0 {
				lastJob = now
				if h.Published(fair.Hint{Model: "m", Class: job.Standard, Tenant: "a", Weight: 2}, 1+r.IntN(20), now) {
					lastHint = now
					hints++
				}
			}
			for _, x := range h.Due(now) {
				assert.Equal(t, fair.Hint{Model: "m", Class: job.Standard, Tenant: "a", Weight: 2}, x)
				lastHint = now
				hints++
			}
			require.False(t, lastJob.After(lastHint) && now.Sub(lastJob) > every+30*time.Millisecond, "a job without a hint")
		}
		assert.LessOrEqual(t, hints, int(now.Sub(start())/every)+1)
	}
}

func TestManyBacklogsTakeFewHints(t *testing.T) {
	t.Parallel()
	h := fair.NewHinter(0)
	now := start()
	first, later := 0, 0
	for range 200 { // 10 s, in which each of 2,000 tenants publishes every 50 ms
		for i := range 2000 {
			if h.Published(fair.Hint{Model: "m", Class: job.Standard, Tenant: strconv.Itoa(i)}, 10, now) {
				if now.Equal(start()) {
					first++
				} else {
					later++
				}
			}
		}
		later += len(h.Due(now))
		now = now.Add(50 * time.Millisecond)
	}
	assert.Equal(t, 2000, first)
	assert.LessOrEqual(t, later, 10*600)
	assert.Positive(t, later)
}
