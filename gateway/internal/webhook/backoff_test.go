package webhook

import (
	"math/rand/v2"
	"testing"
	"testing/quick"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
)

func TestBackoff(t *testing.T) {
	t.Parallel()
	b := backoff{attempts: 9, scale: 1}
	var sum time.Duration
	for failures := 1; failures < 9; failures++ {
		pause, more := b.next(failures, 0, 0.5)
		assert.True(t, more)
		assert.Equal(t, pauses()[failures-1], pause)
		sum += pause
	}
	assert.Greater(t, sum, 10*time.Hour)
	_, more := b.next(9, 0, 0.5)
	assert.False(t, more)
}

// For whatever failures, wishes, jitter and scale: an attempt more exactly while some are left, no pause without bound,
// none of nothing, a longer one after more failures, and the receiver's wish heeded up to the bound.
func TestBackoffHolds(t *testing.T) {
	t.Parallel()
	check := func(attempts, failures uint8, wish time.Duration, seed uint64) bool {
		r := rand.New(rand.NewPCG(seed, 1))
		b := backoff{attempts: int(attempts), scale: 0.01 + 2*r.Float64()}
		wish = max(0, wish) % (12 * time.Hour)
		jitter := r.Float64()
		n := int(failures)
		pause, more := b.next(n, wish, jitter)
		if more != (n < int(attempts)) {
			return false
		}
		if !more {
			return pause == 0
		}
		scaled := func(d time.Duration, f float64) time.Duration { return time.Duration(float64(d) * b.scale * f) }
		longest := scaled(6*time.Hour, 1)
		all := pauses()
		base := all[min(max(n, 1), len(all))-1]
		own, _ := b.next(n, 0, jitter)
		if own < scaled(base, 0.8)-1 || own > scaled(base, 1.2)+1 || pause < own || pause > max(own, longest) {
			return false
		}
		if pause < min(wish, longest) {
			return false
		}
		later, more := b.next(n+1, 0, 0)
		earlier, _ := b.next(n, 0, 0)
		return !more || later >= earlier
	}
	require.NoError(t, quick.Check(check, &quick.Config{MaxCount: 5000}))
}

func TestAReceiversWishIsHeeded(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for wish, want := range map[time.Duration]time.Duration{0: 5 * time.Second, time.Minute: time.Minute, 24 * time.Hour: 6 * time.Hour} {
		r := record{Webhook: job.Webhook{Events: []string{job.HookDone}}}
		r.tell("job_1", job.HookDone, 1, now)
		id := r.Deliveries[0].ID
		outcome := r.attempted(id, now, &answer{status: 503, retryAfter: wish}, backoff{attempts: 9, scale: 1}, 0.5)
		assert.Equal(t, "retried", outcome)
		assert.Equal(t, job.Stamp(now.Add(want)), r.Deliveries[0].Next)
		assert.Nil(t, r.due(now.Add(want-time.Second)))
		assert.NotNil(t, r.due(now.Add(want)))
		again := r.attempted(id, now, &answer{status: 503}, backoff{attempts: 9, scale: 1}, 0.5)
		assert.Equal(t, "retried", again)
		assert.Len(t, r.Deliveries[0].Attempts, 1, "the same attempt, written twice")
	}
}

func TestALookComesAtHalfTheJobsAgeAgain(t *testing.T) {
	t.Parallel()
	for age, want := range map[time.Duration]time.Duration{
		0: 30 * time.Second, time.Minute: 30 * time.Second, 10 * time.Minute: 5 * time.Minute, 24 * time.Hour: 15 * time.Minute,
	} {
		assert.Equal(t, want, lookAfter(age, 24*time.Hour))
	}
	assert.Equal(t, 15*time.Second, lookAfter(time.Hour, time.Minute), "in time for what is kept a minute")
	r := record{CreatedAt: time.Now()}
	assert.True(t, r.open())
	assert.False(t, r.next(time.Now(), time.Hour).IsZero())
	r.see("job_1", &job.Event{Kind: job.End, At: time.Now(), Seq: 1}, time.Now())
	assert.False(t, r.open())
	assert.True(t, r.next(time.Now(), time.Hour).IsZero())
}

func TestARetryAfterIsReadAsHTTPSays(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"": 0, "0": 0, "120": 2 * time.Minute, " 7 ": 7 * time.Second, "-5": 0, "soon": 0, "99999999999999999999": 0,
		"Sun, 22 Nov 2026 08:01:00 GMT": time.Minute, "Sun, 22 Nov 2026 07:00:00 GMT": 0,
	} {
		assert.Equal(t, want, retryAfter(text, now), text)
	}
	assert.Positive(t, retryAfter("9999999999", now), "whatever is asked for, no overflow")
}

func TestAGateKeepsRoomForOthers(t *testing.T) {
	t.Parallel()
	g := newGate(2, 3)
	a1, a2 := g.enter("a", "t1"), g.enter("a", "t2")
	require.NotNil(t, a1)
	require.NotNil(t, a2)
	assert.Nil(t, g.enter("a", "t3"), "the host has two")
	few := g.pause("a", 0.999)
	for range 50 {
		assert.Nil(t, g.enter("a", "t3"))
	}
	assert.Greater(t, g.pause("a", 0.999), few, "the more wait, the longer")
	full := newGate(0, 1)
	for range 10_000 {
		full.enter("a", "t3")
	}
	assert.LessOrEqual(t, full.pause("a", 0.999), longestPause+time.Second)
	b, c := g.enter("b", "t1"), g.enter("c", "t1")
	require.NotNil(t, b)
	require.NotNil(t, c)
	assert.Nil(t, g.enter("d", "t1"), "the tenant has three")
	require.NotNil(t, g.enter("d", "t4"))
	a1()
	b()
	before := g.pause("a", 0.999)
	leave := g.enter("a", "t1")
	require.NotNil(t, leave)
	assert.Less(t, g.pause("a", 0.999), before)
	for range 1000 {
		leave()
		leave = g.enter("a", "t1")
		require.NotNil(t, leave)
	}
	assert.Equal(t, 100*time.Millisecond, g.pause("a", 0))
	assert.LessOrEqual(t, g.pause("a", 0.999), 200*time.Millisecond, "those that came in have made up for it")
}
