package tenant

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
)

// How old an entry of the directory may be. A change is effective everywhere within maxAge and one read.
const (
	freshAge    = 500 * time.Millisecond // younger entries are used as they are
	maxAge      = 900 * time.Millisecond // older ones are not used while another caller reads them anew
	retryAfter  = 500 * time.Millisecond // after a failed read, the next one waits so long
	loadTimeout = time.Second
	maxEntries  = 100_000 // tenants, and keys; above it entries long unused make room
)

// DirectoryConfig tells how a directory behaves.
type DirectoryConfig struct {
	// StaleFor is how long entries go on being used when the store can't be reached; 5 minutes by default.
	StaleFor time.Duration
	// OnStale hears of every decision made on an entry that the store could not confirm; nil is fine.
	OnStale func(kind string)
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Directory is a gateway's own copy of the tenants and keys in use. An entry is read when first asked for, and again
// when it is asked for and older than half a second; so an idle tenant costs nothing, and a change made on any gateway,
// or by hand, is effective on all of them within a second. It is safe for concurrent use and needs no closing.
type Directory struct {
	tenants shelf[Tenant]
	keys    shelf[KeyRecord]
}

// NewDirectory makes an empty directory over a store.
func NewDirectory(store Reader, cfg DirectoryConfig) *Directory {
	if cfg.StaleFor == 0 {
		cfg.StaleFor = 5 * time.Minute
	}
	if cfg.OnStale == nil {
		cfg.OnStale = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	return &Directory{
		tenants: shelf[Tenant]{kind: "tenant", cfg: cfg, load: store.LoadTenant},
		keys:    shelf[KeyRecord]{kind: "key", cfg: cfg, load: store.LoadKey},
	}
}

// Tenant gives the tenant as it stands; the same pointer for as long as nothing was read anew. Callers must not change
// it. It returns ErrNotFound, or an overloaded fault when the store is away and nothing young enough is known.
func (d *Directory) Tenant(ctx context.Context, id string) (*Tenant, error) {
	return d.tenants.get(ctx, id)
}

// Key gives a key's record by its id, as Tenant does.
func (d *Directory) Key(ctx context.Context, id string) (*KeyRecord, error) {
	return d.keys.get(ctx, id)
}

// Forget drops what is known of a tenant, so that the next call reads it. This gateway's own changes call it.
func (d *Directory) Forget(id string) { d.tenants.slots.Delete(id) }

// ForgetKey drops what is known of a key.
func (d *Directory) ForgetKey(id string) { d.keys.slots.Delete(id) }

// shelf is one kind of entry.
type shelf[V any] struct {
	kind  string
	cfg   DirectoryConfig
	load  func(ctx context.Context, id string) (V, error)
	slots sync.Map // id → *slot[V]
	count atomic.Int64
}

// slot holds one entry. mu is held by the one caller that reads it from the store.
type slot[V any] struct {
	mu  sync.Mutex
	got atomic.Pointer[reading[V]]
}

// reading is what one read of the store gave; it is never changed.
type reading[V any] struct {
	value *V
	err   error     // ErrNotFound and ErrMalformed are kept like values
	at    time.Time // when the store last answered
	next  time.Time // the store is not asked before
}

func (s *shelf[V]) get(ctx context.Context, id string) (*V, error) {
	sl := s.slot(id)
	now := s.cfg.Now()
	r := sl.got.Load()
	if r != nil && now.Before(r.next) {
		return s.use(r, now)
	}
	if r != nil && now.Sub(r.at) < maxAge {
		if !sl.mu.TryLock() {
			return r.value, r.err // another caller reads it; this one need not wait
		}
	} else {
		sl.mu.Lock()
	}
	defer sl.mu.Unlock()
	if again := sl.got.Load(); again != r && again != nil {
		return s.use(again, now)
	}
	r = s.read(ctx, id, r, now)
	sl.got.Store(r)
	return s.use(r, now)
}

func (s *shelf[V]) slot(id string) *slot[V] {
	if v, ok := s.slots.Load(id); ok {
		return v.(*slot[V]) //nolint:forcetypeassert,errcheck // only this function stores
	}
	v, loaded := s.slots.LoadOrStore(id, &slot[V]{})
	if !loaded && s.count.Add(1) > maxEntries {
		s.sweep()
	}
	return v.(*slot[V]) //nolint:forcetypeassert,errcheck // only this function stores
}

// sweep makes room: entries that were not read for a minute, and those of names that do not exist.
func (s *shelf[V]) sweep() {
	now := s.cfg.Now()
	var left int64
	s.slots.Range(func(id, v any) bool {
		r := v.(*slot[V]).got.Load() //nolint:forcetypeassert,errcheck // only slot stores
		if r != nil && (r.err != nil || now.Sub(r.at) > time.Minute) {
			s.slots.Delete(id)
		} else {
			left++
		}
		return true
	})
	s.count.Store(left)
}

// read asks the store. Where it can't be reached the reading before goes on, marked to be tried again soon.
func (s *shelf[V]) read(ctx context.Context, id string, before *reading[V], now time.Time) *reading[V] {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), loadTimeout)
	defer cancel()
	v, err := s.load(ctx, id)
	switch {
	case err == nil:
		return &reading[V]{value: &v, at: now, next: now.Add(freshAge)}
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrMalformed):
		return &reading[V]{err: err, at: now, next: now.Add(freshAge)}
	case before != nil && !before.at.IsZero():
		return &reading[V]{value: before.value, err: before.err, at: before.at, next: now.Add(retryAfter)}
	}
	f := fault.Wrap(fault.Overloaded, err, "the %s can't be looked up at the moment", s.kind)
	f.RetryAfter = time.Second
	return &reading[V]{err: f, next: now.Add(retryAfter)}
}

// use gives a reading out, unless it is older than the store's absence may last.
func (s *shelf[V]) use(r *reading[V], now time.Time) (*V, error) {
	age := now.Sub(r.at)
	if r.at.IsZero() || age < maxAge {
		return r.value, r.err
	}
	if age > s.cfg.StaleFor {
		return nil, &fault.Error{
			Code: fault.Overloaded, Detail: "the " + s.kind + " can't be looked up at the moment", RetryAfter: time.Second,
		}
	}
	s.cfg.OnStale(s.kind)
	return r.value, r.err
}
