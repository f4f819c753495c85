package limits_test

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/limits"
	"github.com/penstock-dev/penstock/gateway/internal/redisdb"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/testenv/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// noon is a Sunday at noon, far from every border of a day and of a minute's window.
func noon() time.Time { return time.Date(2026, 11, 22, 12, 0, 1, 0, time.UTC) }

type clock struct{ at atomic.Int64 }

func newClock() *clock {
	c := &clock{}
	c.at.Store(noon().UnixNano())
	return c
}

func (c *clock) now() time.Time          { return time.Unix(0, c.at.Load()).UTC() }
func (c *clock) advance(d time.Duration) { c.at.Add(int64(d)) }

// each runs a test on every server that is there. open gives one more gateway's connection.
func each(t *testing.T, test func(t *testing.T, open func() *redisdb.DB)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		t.Log("redis: embedded, the second gateway over a socket")
		e := embedded(t)
		first := true
		test(t, func() *redisdb.DB {
			if first {
				first = false
				return closing(t, e.DB())
			}
			return dial(t, "redis://"+e.Addr())
		})
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		url, version, ok := redistest.Start(t)
		if !ok {
			t.Log("redis: no redis-server installed, embedded only")
			return
		}
		t.Log("redis: redis-server " + version)
		test(t, func() *redisdb.DB { return dial(t, url) })
	})
}

func embedded(tb testing.TB) *redisdb.Embedded {
	tb.Helper()
	e, err := redisdb.StartEmbedded(redisdb.EmbeddedConfig{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func dial(tb testing.TB, url string) *redisdb.DB {
	tb.Helper()
	db, err := redisdb.Open(tb.Context(), url)
	require.NoError(tb, err)
	return closing(tb, db)
}

func closing(tb testing.TB, db *redisdb.DB) *redisdb.DB {
	tb.Helper()
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

// one is a directory of one tenant.
type one struct{ t *tenant.Tenant }

func (o one) Tenant(context.Context, string) (*tenant.Tenant, error) { return o.t, nil }

func principal(tb testing.TB, edit func(*tenant.Tenant)) *tenant.Principal {
	tb.Helper()
	tn := tenant.Tenant{ID: "t1", Enabled: true, Weight: 1}
	edit(&tn)
	require.NoError(tb, tn.Compile())
	return &tenant.Principal{Tenant: tn}
}

func start(tb testing.TB, c limits.Counters, p *tenant.Principal, cfg limits.Config) *limits.Limiter {
	tb.Helper()
	l := limits.New(c, one{&p.Tenant}, cfg)
	tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = l.Close(ctx)
	})
	return l
}

// settled waits until the limiter's corrections are applied: it closes it.
func settled(t *testing.T, l *limits.Limiter) {
	t.Helper()
	require.NoError(t, l.Close(t.Context()))
}

func TestLimitsAreExactOverTwoGateways(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		edit func(*tenant.Tenant)
		want fault.Code
	}{
		"quota": {func(tn *tenant.Tenant) { tn.DailyQuota = 100 }, fault.QuotaExceeded},
		"rate":  {func(tn *tenant.Tenant) { tn.Rate = &tenant.Rate{Limit: 100, Window: "60s"} }, fault.RateLimited},
		"hold":  {func(tn *tenant.Tenant) { tn.MaxInFlight = 100 }, fault.TooManyInFlight},
		"place": {func(tn *tenant.Tenant) { tn.MaxQueued = 100 }, fault.QueueFull},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			each(t, func(t *testing.T, open func() *redisdb.DB) {
				t.Helper()
				p := principal(t, tc.edit)
				c := newClock()
				gateways := [2]*limits.Limiter{
					start(t, open(), p, limits.Config{Now: c.now}), start(t, open(), p, limits.Config{Now: c.now}),
				}
				var admitted, refused atomic.Int64
				var wg sync.WaitGroup
				for i := range 200 {
					wg.Go(func() {
						_, err := gateways[i%2].Admit(context.Background(), p, "job_"+strconv.Itoa(i), c.now().Add(time.Hour))
						switch fault.CodeOf(err) {
						case "":
							admitted.Add(1)
						case tc.want:
							refused.Add(1)
						default:
							t.Error(err)
						}
					})
				}
				wg.Wait()
				if name == "hold" || name == "place" { // two that race for the last place may both lose it; never both get it
					assert.LessOrEqual(t, admitted.Load(), int64(100))
					for i := 0; admitted.Load() < 100 && i < 100; i++ {
						if _, err := gateways[i%2].Admit(t.Context(), p, "more_"+strconv.Itoa(i), c.now().Add(time.Hour)); err == nil {
							admitted.Add(1)
						}
					}
					_, err := gateways[0].Admit(t.Context(), p, "last", c.now().Add(time.Hour))
					assert.Equal(t, tc.want, fault.CodeOf(err))
				} else {
					assert.EqualValues(t, 100, refused.Load())
				}
				assert.EqualValues(t, 100, admitted.Load())
				u, err := gateways[1].Usage(t.Context(), p)
				require.NoError(t, err)
				assert.EqualValues(t, 100, u.Used, "refusals cost nothing")
			})
		})
	}
}

func TestQuotaOfADay(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := principal(t, func(tn *tenant.Tenant) { tn.DailyQuota, tn.TimeZone = 2, "Asia/Shanghai" })
		c := newClock() // 20:00:01 there
		l := start(t, open(), p, limits.Config{Now: c.now})
		states, err := l.Admit(t.Context(), p, "a", time.Time{})
		require.NoError(t, err)
		left := 4*time.Hour - time.Second
		assert.Equal(t, []job.LimitState{{Name: "daily", Limit: 2, Window: 24 * time.Hour, Remaining: 1, Reset: left}}, states)
		_, err = l.Admit(t.Context(), p, "b", time.Time{})
		require.NoError(t, err)
		states, err = l.Admit(t.Context(), p, "c", time.Time{})
		f := fault.From(err)
		assert.Equal(t, fault.QuotaExceeded, f.Code)
		assert.Equal(t, left, f.RetryAfter)
		assert.Zero(t, states[0].Remaining)
		c.advance(left)
		_, err = l.Admit(t.Context(), p, "d", time.Time{})
		require.NoError(t, err, "a new day")
		u, err := l.Usage(t.Context(), p)
		require.NoError(t, err)
		assert.Equal(t, "2026-11-23", u.Date)
		assert.EqualValues(t, 1, u.Used)
		assert.EqualValues(t, 1, *u.Remaining)
		assert.Nil(t, u.InFlight)
	})
}

func TestEndedGivesBack(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := principal(t, func(tn *tenant.Tenant) { tn.DailyQuota, tn.MaxInFlight = 10, 2 })
		c := newClock()
		l := start(t, open(), p, limits.Config{Now: c.now})
		reader := start(t, open(), p, limits.Config{Now: c.now})
		for _, id := range []string{"a", "b"} {
			_, err := l.Admit(t.Context(), p, id, c.now().Add(time.Minute))
			require.NoError(t, err)
		}
		_, err := l.Admit(t.Context(), p, "c", c.now().Add(time.Minute))
		assert.Equal(t, fault.TooManyInFlight, fault.CodeOf(err))
		l.Ended(t.Context(), "t1", "a", "a")
		l.Ended(t.Context(), "t1", "b", "")
		settled(t, l)
		u, err := reader.Usage(t.Context(), p)
		require.NoError(t, err)
		assert.EqualValues(t, 1, u.Used)
		assert.EqualValues(t, 9, *u.Remaining)
		assert.Zero(t, *u.InFlight)
	})
}

func TestHoldsOfADeadGatewayEndByThemselves(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := principal(t, func(tn *tenant.Tenant) { tn.MaxInFlight = 1 })
		c := newClock()
		l := start(t, open(), p, limits.Config{Now: c.now})
		_, err := l.Admit(t.Context(), p, "a", c.now().Add(time.Minute))
		require.NoError(t, err)
		_, err = l.Admit(t.Context(), p, "b", c.now().Add(time.Minute))
		assert.Equal(t, fault.TooManyInFlight, fault.CodeOf(err))
		c.advance(time.Minute + time.Second)
		_, err = l.Admit(t.Context(), p, "c", c.now().Add(time.Minute))
		require.NoError(t, err)
	})
}

func TestRateSlides(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := principal(t, func(tn *tenant.Tenant) { tn.Rate = &tenant.Rate{Limit: 10, Window: "10s"} })
		c := newClock()
		l := start(t, open(), p, limits.Config{Now: c.now})
		admit := func() error {
			_, err := l.Admit(t.Context(), p, "x", time.Time{})
			return err
		}
		for range 10 {
			require.NoError(t, admit())
		}
		// Whoever waits as long as he was told gets in, and no sooner.
		for range 30 {
			f := fault.From(admit())
			require.Equal(t, fault.RateLimited, f.Code)
			require.Positive(t, f.RetryAfter)
			require.LessOrEqual(t, f.RetryAfter, 20*time.Second)
			c.advance(f.RetryAfter - 2*time.Millisecond)
			require.Equal(t, fault.RateLimited, fault.CodeOf(admit()))
			c.advance(3 * time.Millisecond)
			require.NoError(t, admit())
		}
		c.advance(time.Minute)
		states, err := l.Admit(t.Context(), p, "x", time.Time{})
		require.NoError(t, err)
		require.Len(t, states, 1)
		assert.Equal(t, "tenant", states[0].Name)
		assert.EqualValues(t, 9, states[0].Remaining)
		assert.Equal(t, 10*time.Second, states[0].Window)
	})
}

func TestATenantThatIsShutOut(t *testing.T) {
	t.Parallel()
	e := embedded(t)
	p := principal(t, func(tn *tenant.Tenant) { tn.Enabled = false })
	l := start(t, closing(t, e.DB()), p, limits.Config{})
	_, err := l.Admit(t.Context(), p, "x", time.Time{})
	assert.Equal(t, fault.TenantDisabled, fault.CodeOf(err))
}

// fickle is counters that can be away.
type fickle struct {
	limits.Counters
	gone  atomic.Bool
	calls atomic.Int64
}

var errGone = errors.New("gone")

func (f *fickle) Take(ctx context.Context, a limits.Ask) (limits.Count, error) {
	f.calls.Add(1)
	if f.gone.Load() {
		return limits.Count{}, errGone
	}
	return f.Counters.Take(ctx, a)
}

func (f *fickle) Apply(ctx context.Context, c []limits.Change) error {
	if f.gone.Load() {
		return errGone
	}
	return f.Counters.Apply(ctx, c)
}

func TestAloneForAWhile(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, open func() *redisdb.DB) {
		t.Helper()
		p := principal(t, func(tn *tenant.Tenant) { tn.DailyQuota, tn.MaxInFlight = 20, 100 })
		c := newClock()
		f := &fickle{Counters: open()}
		var mu sync.Mutex
		alone := map[string]int{}
		count := func(decision string) int {
			mu.Lock()
			defer mu.Unlock()
			return alone[decision]
		}
		l := start(t, f, p, limits.Config{
			Now: c.now, Gateways: 2, AloneFor: time.Minute,
			OnAlone: func(d string) {
				mu.Lock()
				defer mu.Unlock()
				alone[d]++
			},
		})
		admit := func(id string) fault.Code {
			_, err := l.Admit(t.Context(), p, id, c.now().Add(time.Hour))
			return fault.CodeOf(err)
		}
		for i := range 10 {
			require.Empty(t, admit("before"+strconv.Itoa(i)))
		}
		f.gone.Store(true)
		calls := f.calls.Load()
		for i := range 5 { // half of the ten left
			require.Empty(t, admit("alone"+strconv.Itoa(i)))
		}
		require.Equal(t, fault.QuotaExceeded, admit("over"))
		assert.EqualValues(t, 1, f.calls.Load()-calls, "one finds out for all")
		assert.Equal(t, 5, count("admitted"))
		assert.Equal(t, 1, count("refused"))
		c.advance(2 * time.Minute)
		require.Equal(t, fault.Overloaded, admit("late"))
		assert.Equal(t, 1, count("closed"))
		f.gone.Store(false)
		c.advance(time.Second)
		require.Empty(t, admit("back"))
		settled(t, l)
		u, err := start(t, open(), p, limits.Config{Now: c.now}).Usage(t.Context(), p)
		require.NoError(t, err)
		assert.EqualValues(t, 16, u.Used, "what was admitted alone counts after")
		assert.EqualValues(t, 16, *u.InFlight)
	})
}

func BenchmarkAdmit(b *testing.B) {
	for _, kind := range []string{"daily", "all"} {
		for _, callers := range []int{1, 64} {
			b.Run(kind+"/"+strconv.Itoa(callers), func(b *testing.B) {
				e := embedded(b)
				p := principal(b, func(tn *tenant.Tenant) {
					if kind == "all" {
						tn.DailyQuota, tn.MaxInFlight, tn.Rate = 1<<40, 1<<20, &tenant.Rate{Limit: 1 << 40, Window: "60s"}
					}
				})
				l := start(b, closing(b, e.DB()), p, limits.Config{})
				var left, id atomic.Int64
				left.Store(int64(b.N))
				var wg sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for range callers {
					wg.Go(func() {
						for left.Add(-1) >= 0 {
							jobID := "job_" + strconv.FormatInt(id.Add(1), 32)
							if _, err := l.Admit(context.Background(), p, jobID, time.Now().Add(time.Hour)); err != nil {
								b.Error(err)
								return
							}
							l.Ended(context.Background(), "t1", jobID, "")
						}
					})
				}
				wg.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	}
}
