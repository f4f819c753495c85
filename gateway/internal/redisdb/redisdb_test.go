package redisdb

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/limits"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/testenv/redistest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// each runs a test on every server that is there, and says which.
func each(t *testing.T, test func(t *testing.T, db *DB)) {
	t.Helper()
	t.Run("embedded", func(t *testing.T) {
		t.Parallel()
		t.Log("redis: embedded")
		test(t, embedded(t, t.TempDir()).DB())
	})
	t.Run("embedded_tcp", func(t *testing.T) {
		t.Parallel()
		t.Log("redis: embedded, over a socket")
		test(t, open(t, "redis://"+embedded(t, "").Addr()))
	})
	t.Run("server", func(t *testing.T) {
		t.Parallel()
		url, version, ok := redistest.Start(t)
		if !ok {
			t.Log("redis: no redis-server installed, embedded only")
			return
		}
		t.Log("redis: redis-server " + version)
		test(t, open(t, url))
	})
}

func embedded(tb testing.TB, dir string) *Embedded {
	tb.Helper()
	e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, slog.New(slog.DiscardHandler))
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, e.Close()) })
	return e
}

func open(tb testing.TB, url string) *DB {
	tb.Helper()
	db, err := Open(tb.Context(), url)
	require.NoError(tb, err)
	tb.Cleanup(func() { require.NoError(tb, db.Close()) })
	return db
}

func TestTenantLayout(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *DB) {
		t.Helper()
		ctx := t.Context()
		require.NoError(t, db.c.HSet(ctx, "tenants", "t1", "enabled", "t1:quota", "100", "t1:scope", "ner re").Err())
		got, err := db.LoadTenant(ctx, "t1")
		require.NoError(t, err)
		require.True(t, got.Enabled)
		require.EqualValues(t, 100, got.DailyQuota)
		require.Equal(t, []string{"ner", "re"}, got.Scopes)
		require.Equal(t, 1, got.Weight)

		_, err = db.LoadTenant(ctx, "t2")
		require.ErrorIs(t, err, tenant.ErrNotFound)
		require.NoError(t, db.c.HSet(ctx, "tenants", "t3", "enabled", "t3:quota", "many").Err())
		_, err = db.LoadTenant(ctx, "t3")
		require.ErrorIs(t, err, tenant.ErrMalformed)

		admin := tenant.NewAdmin(db, nil)
		made, err := admin.Create(ctx, []byte(`{"id":"t4","scopes":["*"],"daily_quota":5,"rate":{"limit":3,"window":"60s"},
			"ip_allow":["10.0.0.0/8"],"time_zone":"Asia/Shanghai","plan":"gold","max_in_flight":7}`))
		require.NoError(t, err)
		read, err := admin.Get(ctx, "t4")
		require.NoError(t, err)
		require.Equal(t, made, read)
		fields, err := db.c.HMGet(ctx, "tenants", "t4", "t4:quota", "t4:scope").Result()
		require.NoError(t, err)
		require.Equal(t, []any{"enabled", "5", "*"}, fields)

		list, err := admin.List(ctx, "", 2)
		require.NoError(t, err)
		require.Len(t, list.Data, 2)
		require.NotNil(t, list.Next)
		rest, err := admin.List(ctx, *list.Next, 2)
		require.NoError(t, err)
		require.Len(t, rest.Data, 1)
		require.Nil(t, rest.Next)
		require.Equal(t, "t4", rest.Data[0].ID)
	})
}

func TestUpdatesOfDifferentFieldsAllHold(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *DB) {
		t.Helper()
		ctx := t.Context()
		admin := tenant.NewAdmin(db, nil)
		_, err := admin.Create(ctx, []byte(`{"id":"a"}`))
		require.NoError(t, err)
		var wg sync.WaitGroup
		for _, patch := range []string{`{"plan":"x"}`, `{"daily_quota":9}`, `{"max_queued":8}`, `{"scopes":["ner"]}`} {
			wg.Go(func() {
				if _, err := admin.Update(ctx, "a", []byte(patch)); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		got, err := admin.Get(ctx, "a")
		require.NoError(t, err)
		require.Equal(t, "x", got.Plan)
		require.EqualValues(t, 9, got.DailyQuota)
		require.EqualValues(t, 8, got.MaxQueued)
		require.Equal(t, []string{"ner"}, got.Scopes)
	})
}

func TestKeys(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *DB) {
		t.Helper()
		ctx := t.Context()
		admin := tenant.NewAdmin(db, nil)
		_, err := admin.Create(ctx, []byte(`{"id":"a","scopes":["ner","jobs"]}`))
		require.NoError(t, err)
		k1, err := admin.CreateKey(ctx, "a", []byte(`{"name":"one","scopes":["ner"]}`))
		require.NoError(t, err)
		_, err = admin.CreateKey(ctx, "a", nil)
		require.NoError(t, err)
		_, err = admin.CreateKey(ctx, "a", []byte(`{"scopes":["admin"]}`))
		require.ErrorContains(t, err, "scopes[0]")
		text, err := db.c.Get(ctx, "key:"+k1.ID).Result()
		require.NoError(t, err)
		require.NotContains(t, text, k1.Secret)

		list, err := admin.ListKeys(ctx, "a", "", 1)
		require.NoError(t, err)
		require.Len(t, list.Data, 1)
		require.NotNil(t, list.Next)
		list, err = admin.ListKeys(ctx, "a", *list.Next, 10)
		require.NoError(t, err)
		require.Len(t, list.Data, 1)

		require.Error(t, admin.DeleteKey(ctx, "b", k1.ID))
		require.NoError(t, admin.DeleteKey(ctx, "a", k1.ID))
		_, err = db.LoadKey(ctx, k1.ID)
		require.ErrorIs(t, err, tenant.ErrNotFound)
		require.NoError(t, admin.Delete(ctx, "a"))
		n, err := db.c.Keys(ctx, "key*").Result()
		require.NoError(t, err)
		require.Empty(t, n)
	})
}

func TestQuotaIsCountedOnceEach(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *DB) {
		t.Helper()
		const callers, calls = 32, 50
		var largest atomic.Int64
		var wg sync.WaitGroup
		ask := limits.Ask{Tenant: "a", Day: "2026-11-22", Fresh: true, Now: time.Now()}
		for range callers {
			wg.Go(func() {
				for range calls {
					c, err := db.Take(context.Background(), ask)
					if err != nil {
						t.Error(err)
						return
					}
					for {
						old := largest.Load()
						if c.Day <= old || largest.CompareAndSwap(old, c.Day) {
							break
						}
					}
				}
			})
		}
		wg.Wait()
		require.EqualValues(t, callers*calls, largest.Load())
		got, err := db.c.Get(t.Context(), "quota:a:2026-11-22").Int()
		require.NoError(t, err)
		require.Equal(t, callers*calls, got)
		ttl, err := db.c.TTL(t.Context(), "quota:a:2026-11-22").Result()
		require.NoError(t, err)
		require.Greater(t, ttl, 7*24*time.Hour)
	})
}

func TestCorrectionsNeverGoBelowZero(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, db *DB) {
		t.Helper()
		back := limits.Change{Tenant: "a", Day: "2026-01-01", Jobs: -1}
		require.NoError(t, db.Apply(t.Context(), []limits.Change{back, back}))
		got, err := db.c.Get(t.Context(), "quota:a:2026-01-01").Int()
		require.NoError(t, err)
		require.Zero(t, got)
		ttl, err := db.c.TTL(t.Context(), "quota:a:2026-01-01").Result()
		require.NoError(t, err)
		require.Positive(t, ttl)
	})
}

func TestEmbeddedKeepsItsData(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cfg := EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}
	ctx := t.Context()
	log := slog.New(slog.DiscardHandler)

	e, err := StartEmbedded(cfg, log)
	require.NoError(t, err)
	_, err = StartEmbedded(cfg, log)
	require.ErrorContains(t, err, "another gateway")
	c := redis.NewClient(&redis.Options{Addr: e.Addr(), Protocol: 2, DisableIdentity: true}) // as another process
	require.NoError(t, c.Set(ctx, "s", "v\x00\xff\n", 0).Err())
	require.NoError(t, c.Set(ctx, "empty", "", 0).Err())
	require.NoError(t, c.Set(ctx, "soon", "v", time.Hour).Err())
	require.NoError(t, c.Set(ctx, "past", "v", 700*time.Millisecond).Err())
	require.NoError(t, c.HSet(ctx, "h", "a", "1", "b", "2").Err())
	require.NoError(t, c.SAdd(ctx, "set", "x", "y").Err())
	require.NoError(t, c.ZAdd(ctx, "z", redis.Z{Score: 1.5, Member: "m"}, redis.Z{Score: 1e15, Member: "n"}).Err())
	require.NoError(t, c.RPush(ctx, "l", "1", "2", "3").Err())
	_, err = c.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.Set(ctx, "tx", "1", 0).Err() })
	require.NoError(t, err)
	require.NoError(t, c.Set(ctx, "gone", "1", 0).Err())
	require.NoError(t, c.Del(ctx, "gone").Err())
	require.NoError(t, c.Close())
	require.NoError(t, e.Close())

	for round := range 2 { // from the changes, then from what was written whole
		e, err = StartEmbedded(cfg, log)
		require.NoError(t, err)
		db := e.DB()
		require.Equal(t, "v\x00\xff\n", db.c.Get(ctx, "s").Val())
		require.Equal(t, int64(1), db.c.Exists(ctx, "empty").Val())
		require.InDelta(t, time.Hour, db.c.PTTL(ctx, "soon").Val(), float64(10*time.Second))
		require.Equal(t, map[string]string{"a": "1", "b": "2"}, db.c.HGetAll(ctx, "h").Val())
		require.ElementsMatch(t, []string{"x", "y"}, db.c.SMembers(ctx, "set").Val())
		require.Equal(t, []redis.Z{{Score: 1.5, Member: "m"}, {Score: 1e15, Member: "n"}}, db.c.ZRangeWithScores(ctx, "z", 0, -1).Val())
		require.Equal(t, []string{"1", "2", "3"}, db.c.LRange(ctx, "l", 0, -1).Val())
		require.Equal(t, "1", db.c.Get(ctx, "tx").Val())
		require.Zero(t, db.c.Exists(ctx, "gone").Val())
		if round == 0 {
			e.marks.markAll()
		}
		require.NoError(t, db.Close())
		require.NoError(t, e.Close())
	}
}

func TestEmbeddedWritesNothingWhenNothingChanged(t *testing.T) {
	t.Parallel()
	e := embedded(t, t.TempDir())
	db := e.DB()
	ctx := t.Context()
	require.NoError(t, db.c.Set(ctx, "k", "v", 0).Err())
	for range rounds {
		require.NoError(t, e.save())
	}
	before := e.keep.grown
	_, _ = db.LoadTenant(ctx, "nobody")
	_, _ = db.Revoked(ctx, "x")
	_, _ = db.Read(ctx, limits.Ask{Tenant: "a", Day: "d", Job: "j", Max: 1, Queued: 1, Window: time.Minute, Now: time.Now()})
	keys, all := e.marks.take()
	require.Empty(t, keys)
	require.False(t, all)
	require.Equal(t, before, e.keep.grown)
}

func TestEmbeddedRefusesADamagedFile(t *testing.T) {
	t.Parallel()
	log := slog.New(slog.DiscardHandler)
	start := func(dir string) error {
		e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, log)
		if err != nil {
			return err
		}
		return e.Close()
	}
	dir := t.TempDir()
	path := filepath.Join(dir, dataFile)
	e, err := StartEmbedded(EmbeddedConfig{Addr: "127.0.0.1:0", Dir: dir}, log)
	require.NoError(t, err)
	db := e.DB()
	for i := range 20 {
		require.NoError(t, db.c.Set(t.Context(), "k"+strconv.Itoa(i), "some value", 0).Err())
	}
	e.marks.markAll()
	for range rounds {
		require.NoError(t, e.save())
	}
	require.NoError(t, db.c.Set(t.Context(), "last", "1", 0).Err())
	require.NoError(t, db.Close())
	require.NoError(t, e.Close())
	good, err := os.ReadFile(path)
	require.NoError(t, err)

	for i := 0; i < len(good)-1; i += 7 { // any one byte
		bad := append([]byte(nil), good...)
		bad[i] ^= 0x15
		require.NoError(t, os.WriteFile(path, bad, 0o600))
		err := start(dir)
		require.ErrorContains(t, err, path, "byte %d", i)
	}
	for _, junk := range []string{"", "junk", "junk\n", "\x00\x00"} {
		require.NoError(t, os.WriteFile(path, []byte(junk), 0o600))
		require.ErrorContains(t, start(dir), path)
	}
	for _, cut := range []int{1, 5} { // stopped in the middle of an append
		require.NoError(t, os.WriteFile(path, good[:len(good)-cut], 0o600))
		require.NoError(t, start(dir))
	}
}

func TestEmbeddedAddress(t *testing.T) {
	t.Parallel()
	e := embedded(t, "")
	_, err := StartEmbedded(EmbeddedConfig{Addr: e.Addr()}, slog.New(slog.DiscardHandler))
	require.ErrorContains(t, err, e.Addr())
	require.ErrorContains(t, err, "PENSTOCK_REDIS_ADDR")

	first, err := StartEmbedded(EmbeddedConfig{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	second, err := StartEmbedded(EmbeddedConfig{}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	require.NotEqual(t, first.Addr(), second.Addr())
	require.NoError(t, first.Close())
	require.NoError(t, second.Close())
}

func TestErrorsHideThePassword(t *testing.T) {
	t.Parallel()
	for _, url := range []string{"redis://u:s3cret@127.0.0.1:1/0", "redis://u:s3cret@h:1/notanumber", "bolt://u:s3cret@h"} {
		_, err := Open(t.Context(), url)
		require.Error(t, err)
		require.NotContains(t, err.Error(), "s3cret")
	}
}

// BenchmarkAdmit counts quotas at 1 and 64 callers: in memory, by the client in memory, over a socket, and combined.
func BenchmarkAdmit(b *testing.B) {
	e := embedded(b, b.TempDir())
	url, _, ok := redistest.Start(b)
	dbs := map[string]*DB{"memory_client": {c: e.client(&e.gate)}, "memory": e.DB()}
	socket := open(b, "redis://"+e.Addr())
	dbs["socket_combined"], dbs["socket"] = socket, &DB{c: socket.c}
	if ok {
		server := open(b, url)
		dbs["server_combined"], dbs["server"] = server, &DB{c: server.c}
	}
	for _, name := range []string{"memory", "memory_client", "socket", "socket_combined", "server", "server_combined"} {
		db := dbs[name]
		if db == nil {
			continue
		}
		for _, kind := range []string{"quota", "all"} {
			for _, callers := range []int{1, 64} {
				b.Run(name+"/"+kind+"/"+strconv.Itoa(callers), func(b *testing.B) { benchTake(b, db, kind == "all", callers) })
			}
		}
	}
}

func benchTake(b *testing.B, db *DB, all bool, callers int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	b.ResetTimer()
	for caller := range callers {
		wg.Go(func() {
			ask := limits.Ask{Tenant: "bench", Day: "2026-11-22", Now: time.Now()}
			if all {
				ask.Window, ask.Slot = time.Minute, 1
				ask.Job, ask.Until, ask.Max = "job_"+strconv.Itoa(caller), ask.Now.Add(time.Hour), 1000
			}
			for left.Add(-1) >= 0 {
				if _, err := db.Take(context.Background(), ask); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "checks/s")
}
