package tenant

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestValidID(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{
		"a": true, "tenant-001": true, "A_b-9": true, strings.Repeat("x", 64): true,
		"": false, strings.Repeat("x", 65): false, "a:quota": false, "a b": false, "é": false, "a\n": false, "../a": false, "a*": false,
	} {
		assert.Equal(t, want, ValidID(id), id)
	}
}

func TestScopes(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]bool{
		"*": true, "ner": true, "model:chat-tiny": true, "ollama:generate": true, "model:*": true, "model:a.b:c": true,
		"": false, ":": false, "a:": false, ":a": false, "a::b": false, "a b": false, "model:**": false, "mo*": false, "\"": false,
	} {
		assert.Equal(t, want, ValidScope(s), s)
	}
	assert.True(t, Covers([]string{"model:*"}, "model:x"))
	assert.False(t, Covers([]string{"model:*"}, "modelx"))
	assert.False(t, Covers([]string{"model:x"}, "model:*"))
	assert.Equal(t, []string{"ner"}, Intersect([]string{"*"}, []string{"ner"}))
	assert.Equal(t, []string{"ner"}, Intersect([]string{"ner", "re"}, []string{"ner", "jobs"}))
	assert.Equal(t, []string{"model:x"}, Intersect([]string{"model:x"}, []string{"model:*"}))
	assert.Empty(t, Intersect(nil, []string{"*"}))
	p := Principal{Scopes: []string{"ner", "model:*"}}
	assert.True(t, p.Allows("re", "ner"))
	assert.True(t, p.Allows("model:sleep"))
	assert.False(t, p.Allows("", "re"))
	assert.False(t, p.Allows())
}

func TestAllowsIP(t *testing.T) {
	t.Parallel()
	tn := Tenant{ID: "a", Weight: 1, IPAllow: []string{"10.0.0.0/8", "192.0.2.7", "2001:db8::/32"}}
	require.NoError(t, tn.Compile())
	for addr, want := range map[string]bool{
		"10.1.2.3": true, "::ffff:10.1.2.3": true, "192.0.2.7": true, "192.0.2.8": false, "2001:db8::1": true, "::1": false,
	} {
		assert.Equal(t, want, tn.AllowsIP(netip.MustParseAddr(addr)), addr)
	}
	assert.False(t, tn.AllowsIP(netip.Addr{}))
}

func TestBadTenantsNameTheField(t *testing.T) {
	t.Parallel()
	for body, field := range map[string]string{
		`{"id":"a b"}`:                                         "id",
		`{}`:                                                   "id",
		`{"id":"a","daily_quota":-1}`:                          "daily_quota",
		`{"id":"a","daily_quota":"5"}`:                         "daily_quota",
		`{"id":"a","daily_quota":1.5}`:                         "daily_quota",
		`{"id":"a","max_in_flight":-1}`:                        "max_in_flight",
		`{"id":"a","weight":-1}`:                               "weight",
		`{"id":"a","scopes":["ner","a b"]}`:                    "scopes[1]",
		`{"id":"a","scopes":"ner"}`:                            "scopes",
		`{"id":"a","scopes":[1]}`:                              "scopes[0]",
		`{"id":"a","rate":{"limit":0,"window":"60s"}}`:         "rate.limit",
		`{"id":"a","rate":{"limit":5,"window":"x"}}`:           "rate.window",
		`{"id":"a","rate":{"limit":5,"window":"10ms"}}`:        "rate.window",
		`{"id":"a","rate":{"limit":5,"window":"60s","x":1}}`:   "rate.x",
		`{"id":"a","ip_allow":["10.0.0.0/8","10.0.0.0/33"]}`:   "ip_allow[1]",
		`{"id":"a","ip_allow":["::ffff:10.0.0.0/104"]}`:        "ip_allow[0]",
		`{"id":"a","time_zone":"Mars/Olympus"}`:                "time_zone",
		`{"id":"a","time_zone":"../../etc/passwd"}`:            "time_zone",
		`{"id":"a","nonsense":true}`:                           "nonsense",
		`{"id":"a","plan":"` + strings.Repeat("x", 300) + `"}`: "plan",
	} {
		_, err := NewAdmin(nil, nil).Create(t.Context(), []byte(body))
		f := fault.From(err)
		assert.Equal(t, fault.InvalidInput, f.Code, body)
		assert.Equal(t, field, f.Field, body)
	}
	for body, want := range map[string]fault.Code{
		``: fault.BadRequest, `{`: fault.BadRequest, `{"id":"a","id":"b"}`: fault.BadRequest, `[]`: fault.InvalidInput,
		`null`: fault.InvalidInput, `{"id":"` + "\xff" + `"}`: fault.BadRequest, `{"id":"a"} x`: fault.BadRequest,
	} {
		_, err := NewAdmin(nil, nil).Create(t.Context(), []byte(body))
		assert.Equal(t, want, fault.CodeOf(err), body)
	}
}

// memory is a store of one tenant.
type memory struct {
	Store

	mu    sync.Mutex
	t     Tenant
	err   error
	reads atomic.Int64
}

func (m *memory) LoadTenant(_ context.Context, id string) (Tenant, error) {
	m.reads.Add(1)
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.err == nil && id != m.t.ID {
		return Tenant{}, ErrNotFound
	}
	return m.t, m.err
}

func (m *memory) UpdateTenant(_ context.Context, _ string, change func(*Tenant) error) (Tenant, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.t
	if err := change(&t); err != nil {
		return Tenant{}, err
	}
	m.t = t
	return t, nil
}

func (m *memory) set(t Tenant, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.t, m.err = t, err
}

func TestPatchChangesWhatItNames(t *testing.T) {
	t.Parallel()
	before := Tenant{
		ID: "a", Enabled: true, Weight: 2, Scopes: []string{"ner", "re"}, DailyQuota: 7, Rate: &Rate{Limit: 1, Window: "1s"},
		IPAllow: []string{"10.0.0.0/8"}, Plan: "gold",
	}
	require.NoError(t, before.Compile())
	for patch, edit := range map[string]func(*Tenant){
		`{}`:                         func(*Tenant) {},
		`{"enabled":false}`:          func(w *Tenant) { w.Enabled = false },
		`{"scopes":["jobs"]}`:        func(w *Tenant) { w.Scopes = []string{"jobs"} },
		`{"scopes":[]}`:              func(w *Tenant) { w.Scopes = []string{} },
		`{"rate":null}`:              func(w *Tenant) { w.Rate = nil },
		`{"rate":{"limit":9}}`:       func(w *Tenant) { w.Rate = &Rate{Limit: 9, Window: "1s"} },
		`{"ip_allow":null}`:          func(w *Tenant) { w.IPAllow = nil },
		`{"id":"a","daily_quota":0}`: func(w *Tenant) { w.DailyQuota = 0 },
		`{"plan":"","console":true}`: func(w *Tenant) { w.Plan, w.Console = "", true },
	} {
		m := &memory{t: before}
		got, err := NewAdmin(m, nil).Update(t.Context(), "a", []byte(patch))
		require.NoError(t, err, patch)
		want := before
		edit(&want)
		want.bounds = got.bounds
		assert.Equal(t, want, got, patch)
		assert.Equal(t, &Rate{Limit: 1, Window: "1s"}, before.Rate)
	}
	for patch, field := range map[string]string{
		`{"id":"b"}`: "id", `{"x":1}`: "x", `{"weight":0}`: "weight", `{"created_at":"2020-01-01T00:00:00Z"}`: "created_at",
	} {
		m := &memory{t: before}
		_, err := NewAdmin(m, nil).Update(t.Context(), "a", []byte(patch))
		assert.Equal(t, field, fault.From(err).Field, patch)
		assert.Equal(t, before, m.t)
	}
}

func TestDirectoryIsHalfASecondOld(t *testing.T) {
	t.Parallel()
	var at atomic.Int64
	at.Store(time.Now().UnixNano())
	var stale atomic.Int64
	m := &memory{t: Tenant{ID: "a", Enabled: true, Weight: 1}}
	d := NewDirectory(m, DirectoryConfig{
		Now: func() time.Time { return time.Unix(0, at.Load()) }, StaleFor: time.Minute, OnStale: func(string) { stale.Add(1) },
	})
	get := func() (*Tenant, error) { return d.Tenant(t.Context(), "a") }
	first, err := get()
	require.NoError(t, err)
	again, _ := get()
	assert.Same(t, first, again)
	assert.EqualValues(t, 1, m.reads.Load())

	m.set(Tenant{ID: "a", Weight: 1}, nil)
	at.Add(int64(time.Second))
	got, err := get()
	require.NoError(t, err)
	assert.False(t, got.Enabled)

	m.set(Tenant{}, errors.New("connection refused"))
	reads := m.reads.Load()
	at.Add(int64(time.Second))
	for range 5 {
		_, err = get()
		require.NoError(t, err, "the last known state goes on")
	}
	assert.EqualValues(t, 1, m.reads.Load()-reads, "one finds out for all")
	assert.EqualValues(t, 5, stale.Load())
	at.Add(int64(2 * time.Minute))
	_, err = get()
	assert.Equal(t, fault.Overloaded, fault.CodeOf(err), "but not for ever")
	_, err = d.Tenant(t.Context(), "b")
	assert.Equal(t, fault.Overloaded, fault.CodeOf(err), "nothing is known of it")

	m.set(Tenant{ID: "a", Enabled: true, Weight: 1}, nil)
	at.Add(int64(time.Second))
	_, err = get()
	require.NoError(t, err)
	_, err = d.Tenant(t.Context(), "b")
	require.ErrorIs(t, err, ErrNotFound)
}

func TestDirectoryReadsOnceForAll(t *testing.T) {
	t.Parallel()
	m := &memory{t: Tenant{ID: "a", Weight: 1}}
	d := NewDirectory(m, DirectoryConfig{})
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			if _, err := d.Tenant(context.Background(), "a"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	assert.EqualValues(t, 1, m.reads.Load())
}

func FuzzCreate(f *testing.F) {
	f.Add([]byte(`{"id":"a","rate":{"limit":1,"window":"1s"}}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		var t Tenant
		if decode(body, &t) == nil {
			_ = t.Compile()
		}
	})
}
