package fair_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
)

// After quick jobs a worker waits until several slots are free. When long ones take all slots but one, no more come free,
// and the last slot must not wait for them.
func TestAFreeSlotIsNotKeptBackForLong(t *testing.T) {
	t.Parallel()
	const slots = 64
	s := fair.New(fair.Config{Slots: slots})
	now := time.Unix(1_700_000_000, 0)
	express := fair.Source{Class: job.Standard}
	take := func(waiting int) {
		s.Delivered(now, fair.Delivery{Source: express, Tenant: "a", Waiting: waiting})
	}
	for range 200 { // quick ones
		take(1)
		now = now.Add(100 * time.Microsecond)
		s.Ended(now, express, "a", 100*time.Microsecond)
	}
	for range slots - 1 {
		take(1)
	}
	asked := func() int {
		n := 0
		for _, a := range s.Plan(now) {
			if a.Op == fair.Ask && a.Source == express {
				n += a.N
			}
		}
		return n
	}
	assert.Zero(t, asked(), "it waits for more slots")
	wait := s.Next()
	assert.LessOrEqual(t, wait, 10*time.Millisecond)
	now = now.Add(wait)
	assert.Equal(t, 1, asked(), "they don't come")
}
