package telemetry

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestPercentFor(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	for _, c := range []struct {
		live, roots, least uint64
		want               int
	}{
		{16 * mib, 0, 64 * mib, 300},
		{8 * mib, 6 * mib, 64 * mib, 400},
		{32 * mib, 0, 64 * mib, 100},
		{60 * mib, 0, 64 * mib, 100},
		{500 * mib, 9 * mib, 64 * mib, 100},
		{mib / 2, 0, 64 * mib, 800},
		{0, 0, 64 * mib, 800},
	} {
		assert.Equal(t, c.want, percentFor(c.live, c.roots, c.least), "%v", c)
	}
}
