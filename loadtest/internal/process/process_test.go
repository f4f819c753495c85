package process

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestUsage(t *testing.T) {
	t.Parallel()
	d, err := parseStat([]byte("42 (a ) b) S 1 1 1 0 -1 0 0 0 0 0 150 50 0 0 20 0 9 0 1 2 3"))
	require.NoError(t, err)
	require.Equal(t, 2*time.Second, d)
	_, err = parseStat([]byte("42"))
	require.Error(t, err)
	n, err := parseRSS([]byte("Name:\tx\nVmRSS:\t    2048 kB\nThreads:\t1\n"))
	require.NoError(t, err)
	require.EqualValues(t, 2<<20, n)
	_, err = parseRSS([]byte("Name:\tx\n"))
	require.Error(t, err)
}

func TestMetricsSum(t *testing.T) {
	t.Parallel()
	m := Metrics("# HELP a b\na{model=\"x\",reason=\"size\"} 3\na{model=\"x\",reason=\"idle\"} 4\na{model=\"y\"} 5\nab 7\nc 1e3\n")
	require.InDelta(t, 7, m.Sum("a", `model="x"`), 0)
	require.InDelta(t, 12, m.Sum("a"), 0)
	require.InDelta(t, 1000, m.Sum("c"), 0)
	require.Zero(t, m.Sum("none"))
}
