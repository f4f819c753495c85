package redisdb

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
)

const (
	tenantsKey = "tenants"
	enabled    = "enabled"
	disabled   = "disabled"
)

// fieldsOf names a tenant's fields in the hash.
func fieldsOf(id string) []string { return []string{id, id + ":quota", id + ":scope", id + ":config"} }

// LoadTenant implements tenant.Reader.
func (db *DB) LoadTenant(ctx context.Context, id string) (tenant.Tenant, error) {
	values, err := db.c.HMGet(ctx, tenantsKey, fieldsOf(id)...).Result()
	if err != nil {
		return tenant.Tenant{}, err
	}
	return parseTenant(id, values)
}

// parseTenant puts a tenant together from its four fields, of which only the first must exist. Any text but "enabled"
// shuts the tenant out.
func parseTenant(id string, values []any) (tenant.Tenant, error) {
	state, ok := values[0].(string)
	if !ok {
		return tenant.Tenant{}, tenant.ErrNotFound
	}
	t := tenant.Tenant{Weight: 1}
	if config, ok := values[3].(string); ok {
		if err := json.Unmarshal([]byte(config), &t); err != nil {
			return tenant.Tenant{}, fmt.Errorf("%w: field %s:config: %w", tenant.ErrMalformed, id, err)
		}
	}
	t.ID, t.Enabled, t.DailyQuota, t.Scopes = id, state == enabled, 0, []string{}
	if quota, ok := values[1].(string); ok {
		n, err := strconv.ParseInt(strings.TrimSpace(quota), 10, 64)
		if err != nil {
			return tenant.Tenant{}, fmt.Errorf("%w: field %s:quota is no number", tenant.ErrMalformed, id)
		}
		t.DailyQuota = n
	}
	if scope, ok := values[2].(string); ok {
		t.Scopes = tenant.SplitScopes(scope)
	}
	if err := t.Compile(); err != nil {
		return tenant.Tenant{}, fmt.Errorf("%w: tenant %s: %w", tenant.ErrMalformed, id, err)
	}
	return t, nil
}

// formatTenant gives a tenant's fields and values, for one HSET.
func formatTenant(t tenant.Tenant) ([]any, error) {
	state := disabled
	if t.Enabled {
		state = enabled
	}
	f := fieldsOf(t.ID)
	quota, scope := strconv.FormatInt(t.DailyQuota, 10), strings.Join(t.Scopes, " ")
	t.Enabled, t.DailyQuota, t.Scopes = false, 0, nil // they have fields of their own
	config, err := json.Marshal(configOf(t))
	if err != nil {
		return nil, err
	}
	return []any{f[0], state, f[1], quota, f[2], scope, f[3], string(config)}, nil
}

// config is what ID:config holds; parseTenant reads it onto a Tenant, whose names it shares.
type config struct {
	Plan           string       `json:"plan,omitempty"`
	Weight         int          `json:"weight"`
	Rate           *tenant.Rate `json:"rate,omitempty"`
	MaxInFlight    int64        `json:"max_in_flight"`
	MaxQueued      int64        `json:"max_queued"`
	MaxInputTokens int64        `json:"max_input_tokens"`
	IPAllow        []string     `json:"ip_allow,omitempty"`
	Console        bool         `json:"console"`
	TimeZone       string       `json:"time_zone,omitempty"`
	CreatedAt      string       `json:"created_at,omitempty"`
}

func configOf(t tenant.Tenant) config {
	c := config{
		Plan: t.Plan, Weight: t.Weight, Rate: t.Rate, MaxInFlight: t.MaxInFlight, MaxQueued: t.MaxQueued,
		MaxInputTokens: t.MaxInputTokens, IPAllow: t.IPAllow, Console: t.Console, TimeZone: t.TimeZone,
	}
	if !t.CreatedAt.IsZero() {
		c.CreatedAt = t.CreatedAt.UTC().Format("2006-01-02T15:04:05Z")
	}
	return c
}

// CreateTenant implements tenant.Tenants. The id is claimed shut, so that nobody gets in before all fields stand.
func (db *DB) CreateTenant(ctx context.Context, t tenant.Tenant) error {
	values, err := formatTenant(t)
	if err != nil {
		return err
	}
	claimed, err := db.c.HSetNX(ctx, tenantsKey, t.ID, disabled).Result()
	if err != nil {
		return err
	}
	if !claimed {
		return tenant.ErrExists
	}
	return db.c.HSet(ctx, tenantsKey, values...).Err()
}

// UpdateTenant implements tenant.Tenants, by an optimistic transaction: somebody else's change in between makes it
// start again, so that none is lost.
func (db *DB) UpdateTenant(ctx context.Context, id string, change func(*tenant.Tenant) error) (tenant.Tenant, error) {
	var t tenant.Tenant
	update := func(tx *redis.Tx) error {
		got, err := tx.HMGet(ctx, tenantsKey, fieldsOf(id)...).Result()
		if err != nil {
			return err
		}
		if t, err = parseTenant(id, got); err != nil {
			return err
		}
		if err = change(&t); err != nil {
			return err
		}
		values, err := formatTenant(t)
		if err != nil {
			return err
		}
		_, err = tx.TxPipelined(ctx, func(p redis.Pipeliner) error { return p.HSet(ctx, tenantsKey, values...).Err() })
		return err
	}
	for range 20 {
		err := db.c.Watch(ctx, update, tenantsKey)
		if !errors.Is(err, redis.TxFailedErr) {
			return t, err
		}
	}
	return t, redis.TxFailedErr
}

// DeleteTenant implements tenant.Tenants. The tenant goes first, so that its keys are worth nothing at once.
func (db *DB) DeleteTenant(ctx context.Context, id string) error {
	n, err := db.c.HDel(ctx, tenantsKey, fieldsOf(id)...).Result()
	if err != nil {
		return err
	}
	if n == 0 {
		return tenant.ErrNotFound
	}
	ids, err := db.c.SMembers(ctx, keysOf(id)).Result()
	if err != nil {
		return err
	}
	p := db.c.Pipeline()
	for _, k := range ids {
		p.Del(ctx, keyKey(k))
	}
	p.Del(ctx, keysOf(id))
	_, err = p.Exec(ctx)
	return err
}

// ListTenants implements tenant.Tenants. A tenant whose record can't be read is listed disabled, by its id alone, so
// that one slip of a hand doesn't hide all others.
func (db *DB) ListTenants(ctx context.Context, after string, limit int) ([]tenant.Tenant, error) {
	names, err := db.c.HKeys(ctx, tenantsKey).Result()
	if err != nil {
		return nil, err
	}
	ids := names[:0]
	for _, n := range names {
		if !strings.Contains(n, ":") && n > after {
			ids = append(ids, n)
		}
	}
	slices.Sort(ids)
	ids = ids[:min(limit, len(ids))]
	if len(ids) == 0 {
		return nil, nil
	}
	fields := make([]string, 0, 4*len(ids))
	for _, id := range ids {
		fields = append(fields, fieldsOf(id)...)
	}
	values, err := db.c.HMGet(ctx, tenantsKey, fields...).Result()
	if err != nil {
		return nil, err
	}
	out := make([]tenant.Tenant, 0, len(ids))
	for i, id := range ids {
		t, err := parseTenant(id, values[4*i:4*i+4])
		switch {
		case errors.Is(err, tenant.ErrNotFound): // deleted meanwhile
		case err != nil:
			out = append(out, tenant.Tenant{ID: id, Scopes: []string{}})
		default:
			out = append(out, t)
		}
	}
	return out, nil
}

func keyKey(id string) string       { return "key:" + id }
func keysOf(tenantID string) string { return "keys:" + tenantID }

// storedKey is the JSON of a key.
type storedKey struct {
	tenant.Key
	Hash string `json:"sha256"`
}

// LoadKey implements tenant.Reader.
func (db *DB) LoadKey(ctx context.Context, id string) (tenant.KeyRecord, error) {
	text, err := db.c.Get(ctx, keyKey(id)).Result()
	if errors.Is(err, redis.Nil) {
		return tenant.KeyRecord{}, tenant.ErrNotFound
	}
	if err != nil {
		return tenant.KeyRecord{}, err
	}
	return parseKey(id, text)
}

func parseKey(id, text string) (tenant.KeyRecord, error) {
	var s storedKey
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return tenant.KeyRecord{}, fmt.Errorf("%w: key %s: %w", tenant.ErrMalformed, id, err)
	}
	hash, err := hex.DecodeString(s.Hash)
	if err != nil || len(hash) != sha256.Size {
		return tenant.KeyRecord{}, fmt.Errorf("%w: key %s: no hash", tenant.ErrMalformed, id)
	}
	s.ID = id
	return tenant.KeyRecord{Key: s.Key, Hash: [sha256.Size]byte(hash)}, nil
}

// SaveKey implements tenant.Keys. The list goes first: a key that works is never missing from it.
func (db *DB) SaveKey(ctx context.Context, k tenant.KeyRecord) error {
	text, err := json.Marshal(storedKey{Key: k.Key, Hash: hex.EncodeToString(k.Hash[:])})
	if err != nil {
		return err
	}
	if err := db.c.SAdd(ctx, keysOf(k.Tenant), k.ID).Err(); err != nil {
		return err
	}
	return db.c.Set(ctx, keyKey(k.ID), text, 0).Err()
}

// DeleteKey implements tenant.Keys.
func (db *DB) DeleteKey(ctx context.Context, tenantID, id string) error {
	k, err := db.LoadKey(ctx, id)
	if err != nil && !errors.Is(err, tenant.ErrMalformed) {
		return err
	}
	if err == nil && k.Tenant != tenantID {
		return tenant.ErrNotFound
	}
	if err := db.c.Del(ctx, keyKey(id)).Err(); err != nil {
		return err
	}
	return db.c.SRem(ctx, keysOf(tenantID), id).Err()
}

// ListKeys implements tenant.Keys.
func (db *DB) ListKeys(ctx context.Context, tenantID, after string, limit int) ([]tenant.KeyRecord, error) {
	ids, err := db.c.SMembers(ctx, keysOf(tenantID)).Result()
	if err != nil {
		return nil, err
	}
	slices.Sort(ids)
	from, found := slices.BinarySearch(ids, after)
	if found {
		from++
	}
	ids = ids[from:]
	ids = ids[:min(limit, len(ids))]
	p := db.c.Pipeline()
	got := make([]*redis.StringCmd, len(ids))
	for i, id := range ids {
		got[i] = p.Get(ctx, keyKey(id))
	}
	if len(ids) > 0 {
		if _, err := p.Exec(ctx); err != nil && !errors.Is(err, redis.Nil) {
			return nil, err
		}
	}
	out := make([]tenant.KeyRecord, 0, len(ids))
	for i, id := range ids {
		text, err := got[i].Result()
		if errors.Is(err, redis.Nil) {
			continue // its creation was cut short
		}
		if err != nil {
			return nil, err
		}
		if k, err := parseKey(id, text); err == nil {
			out = append(out, k)
		}
	}
	return out, nil
}
