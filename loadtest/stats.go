package main

import (
	"math"
	"slices"
	"time"
)

// percentile of sorted durations, in microseconds: the smallest that p of them do not exceed.
func percentile(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := int(math.Ceil(p*float64(len(sorted)))) - 1
	return float64(sorted[min(max(i, 0), len(sorted)-1)].Nanoseconds()) / 1000
}

// median of figures in any order; 0 of none.
func median(figures []float64) float64 {
	if len(figures) == 0 {
		return 0
	}
	f := slices.Sorted(slices.Values(figures))
	m := len(f) / 2
	if len(f)%2 == 1 {
		return f[m]
	}
	return (f[m-1] + f[m]) / 2
}
