package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Every bound of every scenario holds, in a short run in simulated time.
func TestTheBoundsHold(t *testing.T) {
	t.Parallel()
	for _, s := range scenarios() {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			r := s.run(true)
			require.NotEmpty(t, r.checks)
			for _, c := range r.checks {
				assert.True(t, c.ok, c.what)
			}
			for _, row := range r.rows {
				assert.Len(t, row, len(r.heads))
			}
		})
	}
}

// The same seed gives the same figures.
func TestItIsRepeatable(t *testing.T) {
	t.Parallel()
	f := fleetRun{60, 10, 2, time.Minute, 0}
	first := fleetWith(true, f)
	assert.Equal(t, first.rows, fleetWith(true, f).rows)
}
