package tenant

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
)

// Page sizes of the lists.
const (
	DefaultPage = 50
	MaxPage     = 500
)

// List is one page of tenants or keys, by id. Next is nil at the end.
type List[T any] struct {
	Data []T     `json:"data"`
	Next *string `json:"next_cursor"`
}

// Admin changes tenants and keys, for the admin routes and the command line. Its errors are faults: invalid_input with
// the field's path, not_found, conflict, and overloaded while the store is away.
type Admin struct {
	store Store
	dir   *Directory // nil on the command line, which has no cache
	now   func() time.Time
}

// NewAdmin makes one over a store. dir, which may be nil, is told of changes, so that they hold here at once.
func NewAdmin(store Store, dir *Directory) *Admin {
	return &Admin{store: store, dir: dir, now: time.Now}
}

// Create makes a tenant from its JSON. Only "id" is needed: it is then enabled, of weight 1, without bounds and scopes.
func (a *Admin) Create(ctx context.Context, body []byte) (Tenant, error) {
	t := Tenant{Enabled: true, Weight: 1}
	if err := decode(body, &t); err != nil {
		return Tenant{}, err
	}
	return a.CreateTenant(ctx, t)
}

// CreateTenant stores a tenant that was put together in Go.
func (a *Admin) CreateTenant(ctx context.Context, t Tenant) (Tenant, error) {
	if t.Weight == 0 {
		t.Weight = 1
	}
	t.CreatedAt = a.now().UTC().Truncate(time.Second)
	t.tidy()
	if err := t.Compile(); err != nil {
		return Tenant{}, err
	}
	if err := a.store.CreateTenant(ctx, t); err != nil {
		return Tenant{}, storeFault(err, "tenant "+t.ID)
	}
	a.forget(t.ID)
	return t, nil
}

// Get reads one tenant.
func (a *Admin) Get(ctx context.Context, id string) (Tenant, error) {
	if !ValidID(id) {
		return Tenant{}, fault.New(fault.NotFound, "there is no such tenant")
	}
	t, err := a.store.LoadTenant(ctx, id)
	return t, storeFault(err, "tenant "+id)
}

// List gives a page of tenants after cursor, which is "" or a page's Next. A limit of 0 asks for DefaultPage.
func (a *Admin) List(ctx context.Context, cursor string, limit int) (List[Tenant], error) {
	limit, after, err := page(cursor, limit)
	if err != nil {
		return List[Tenant]{}, err
	}
	data, err := a.store.ListTenants(ctx, after, limit+1)
	if err != nil {
		return List[Tenant]{}, storeFault(err, "tenants")
	}
	return cut(data, limit, func(t Tenant) string { return t.ID }), nil
}

// Update changes the fields that patch names and leaves the others; null takes a field back to its zero. A field that
// is unknown, or that can't change (id, created_at), is refused.
func (a *Admin) Update(ctx context.Context, id string, patch []byte) (Tenant, error) {
	if !ValidID(id) {
		return Tenant{}, fault.New(fault.NotFound, "there is no such tenant")
	}
	t, err := a.store.UpdateTenant(ctx, id, func(t *Tenant) error {
		before := *t
		if t.Rate != nil {
			r := *t.Rate
			t.Rate = &r
		}
		t.Scopes, t.IPAllow = nil, nil // replaced, never written through
		if err := decode(patch, t); err != nil {
			return err
		}
		named, err := members(patch)
		if err != nil {
			return err
		}
		if !named["scopes"] {
			t.Scopes = before.Scopes
		}
		if !named["ip_allow"] {
			t.IPAllow = before.IPAllow
		}
		if t.ID != before.ID {
			return fault.Invalid("id", "can't be changed")
		}
		if !t.CreatedAt.Equal(before.CreatedAt) {
			return fault.Invalid("created_at", "can't be changed")
		}
		t.tidy()
		return t.Compile()
	})
	if err != nil {
		return Tenant{}, storeFault(err, "tenant "+id)
	}
	a.forget(id)
	return t, nil
}

// SetEnabled opens or shuts a tenant.
func (a *Admin) SetEnabled(ctx context.Context, id string, enabled bool) (Tenant, error) {
	if enabled {
		return a.Update(ctx, id, []byte(`{"enabled":true}`))
	}
	return a.Update(ctx, id, []byte(`{"enabled":false}`))
}

// Disable shuts a tenant out, on every gateway within a second.
func (a *Admin) Disable(ctx context.Context, id string) (Tenant, error) {
	return a.SetEnabled(ctx, id, false)
}

// Delete removes a tenant and its keys. Its jobs and counters go by their own age.
func (a *Admin) Delete(ctx context.Context, id string) error {
	if !ValidID(id) {
		return fault.New(fault.NotFound, "there is no such tenant")
	}
	if err := a.store.DeleteTenant(ctx, id); err != nil {
		return storeFault(err, "tenant "+id)
	}
	a.forget(id)
	return nil
}

// keyRequest is what a new key may be asked to be.
type keyRequest struct {
	Name      string     `json:"name"`
	Scopes    []string   `json:"scopes"`
	ExpiresAt *time.Time `json:"expires_at"`
}

// CreateKey makes an API key from its JSON {"name","scopes","expires_at"}, all optional; an empty body will do. The
// secret is in the answer and nowhere else.
func (a *Admin) CreateKey(ctx context.Context, tenantID string, body []byte) (NewKey, error) {
	var r keyRequest
	if len(body) > 0 {
		if err := decode(body, &r); err != nil {
			return NewKey{}, err
		}
	}
	return a.NewKey(ctx, tenantID, Key{Name: r.Name, Scopes: r.Scopes, ExpiresAt: r.ExpiresAt})
}

// NewKey makes an API key with the name, scopes and end of k.
func (a *Admin) NewKey(ctx context.Context, tenantID string, k Key) (NewKey, error) {
	t, err := a.Get(ctx, tenantID)
	if err != nil {
		return NewKey{}, err
	}
	if err := a.checkKey(&t, &k); err != nil {
		return NewKey{}, err
	}
	id, text, hash := newSecret()
	k.ID, k.Tenant, k.CreatedAt = id, tenantID, a.now().UTC().Truncate(time.Second)
	if k.Scopes == nil {
		k.Scopes = []string{}
	}
	if err := a.store.SaveKey(ctx, KeyRecord{Key: k, Hash: hash}); err != nil {
		return NewKey{}, storeFault(err, "key")
	}
	return NewKey{Key: k, Secret: text}, nil
}

func (a *Admin) checkKey(t *Tenant, k *Key) error {
	if len(k.Name) > maxNameLen || strings.ContainsFunc(k.Name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return fault.Invalid("name", "must be at most %d bytes, without control characters", maxNameLen)
	}
	if err := CheckScopes("scopes", k.Scopes); err != nil {
		return err
	}
	for i, s := range k.Scopes {
		if !Covers(t.Scopes, s) {
			return fault.Invalid(index("scopes", i), "the tenant has no scope %q to give", s)
		}
	}
	if k.ExpiresAt != nil && !k.ExpiresAt.After(a.now()) {
		return fault.Invalid("expires_at", "has passed already")
	}
	return nil
}

// ListKeys gives a page of a tenant's keys, without their secrets.
func (a *Admin) ListKeys(ctx context.Context, tenantID, cursor string, limit int) (List[Key], error) {
	if _, err := a.Get(ctx, tenantID); err != nil {
		return List[Key]{}, err
	}
	limit, after, err := page(cursor, limit)
	if err != nil {
		return List[Key]{}, err
	}
	records, err := a.store.ListKeys(ctx, tenantID, after, limit+1)
	if err != nil {
		return List[Key]{}, storeFault(err, "keys")
	}
	data := make([]Key, len(records))
	for i := range records {
		data[i] = records[i].Key
	}
	return cut(data, limit, func(k Key) string { return k.ID }), nil
}

// DeleteKey ends a key and, within a second, the access tokens that were made from it.
func (a *Admin) DeleteKey(ctx context.Context, tenantID, id string) error {
	if !ValidID(tenantID) || !validKeyID(id) {
		return fault.New(fault.NotFound, "there is no such key")
	}
	if err := a.store.DeleteKey(ctx, tenantID, id); err != nil {
		return storeFault(err, "key "+id)
	}
	if a.dir != nil {
		a.dir.ForgetKey(id)
	}
	return nil
}

func (a *Admin) forget(id string) {
	if a.dir != nil {
		a.dir.Forget(id)
	}
}

// tidy gives lists their JSON form, [] rather than null.
func (t *Tenant) tidy() {
	if t.Scopes == nil {
		t.Scopes = []string{}
	}
	t.Scopes = slices.Clone(t.Scopes)
}

const (
	// KeyPrefix begins every API key.
	KeyPrefix = "psk_"
	keyIDLen  = 16
	secretLen = 32
)

// newSecret makes a key's id, its text psk_<id>_<secret> and the hash that is kept.
func newSecret() (id, text string, hash [sha256.Size]byte) {
	raw := make([]byte, keyIDLen*5/8+secretLen)
	_, _ = rand.Read(raw) // never fails, by its contract
	id = strings.ToLower(base32.StdEncoding.EncodeToString(raw[:keyIDLen*5/8]))
	text = KeyPrefix + id + "_" + base64.RawURLEncoding.EncodeToString(raw[keyIDLen*5/8:])
	return id, text, sha256.Sum256([]byte(text))
}

// SplitKey finds the id in an API key's text. It is false for anything that can't be one.
func SplitKey(text string) (id string, ok bool) {
	rest, ok := strings.CutPrefix(text, KeyPrefix)
	if !ok || len(rest) != keyIDLen+1+base64.RawURLEncoding.EncodedLen(secretLen) || rest[keyIDLen] != '_' {
		return "", false
	}
	return rest[:keyIDLen], validKeyID(rest[:keyIDLen])
}

func validKeyID(id string) bool {
	if len(id) != keyIDLen {
		return false
	}
	for i := range len(id) {
		if c := id[i]; (c < 'a' || c > 'z') && (c < '2' || c > '7') {
			return false
		}
	}
	return true
}

// page checks the two parameters of a list.
func page(cursor string, limit int) (size int, after string, err error) {
	if limit == 0 {
		limit = DefaultPage
	}
	if limit < 1 || limit > MaxPage {
		return 0, "", fault.Invalid("limit", "must be from 1 to %d", MaxPage)
	}
	if cursor == "" {
		return limit, "", nil
	}
	raw, err := base64.RawURLEncoding.Strict().DecodeString(cursor)
	if err != nil || !ValidID(string(raw)) {
		return 0, "", fault.Invalid("cursor", "is no cursor of this list")
	}
	return limit, string(raw), nil
}

// cut makes a page of limit from one entry more, if there is one.
func cut[T any](data []T, limit int, id func(T) string) List[T] {
	if data == nil {
		data = []T{}
	}
	if len(data) <= limit {
		return List[T]{Data: data}
	}
	next := base64.RawURLEncoding.EncodeToString([]byte(id(data[limit-1])))
	return List[T]{Data: data[:limit], Next: &next}
}

// storeFault turns a store's error into what the caller may see; a fault stays as it is.
func storeFault(err error, what string) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*fault.Error](err); ok {
		return err
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return fault.New(fault.NotFound, "there is no %s", what)
	case errors.Is(err, ErrExists):
		return fault.New(fault.Conflict, "%s exists already", what)
	case errors.Is(err, ErrMalformed):
		return fault.Wrap(fault.Internal, err, "what is stored of %s can't be read", what)
	}
	f := fault.Wrap(fault.Overloaded, err, "tenants and keys can't be reached at the moment")
	f.RetryAfter = time.Second
	return f
}
