package redisdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/redis/go-redis/v9"

	"github.com/penstock-dev/penstock/gateway/internal/auth"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
)

func refreshKey(hash string) string     { return "refresh:" + hash }
func refreshUsedKey(hash string) string { return "refresh-used:" + hash }
func revokedKey(id string) string       { return "revoked:" + id }

// SaveRefresh implements auth.Sessions.
func (db *DB) SaveRefresh(ctx context.Context, hash string, r auth.Refresh) error {
	text, err := json.Marshal(r)
	if err != nil {
		return err
	}
	return db.c.Set(ctx, refreshKey(hash), text, max(time.Second, time.Until(r.Until))).Err()
}

// LoadRefresh implements auth.Sessions.
func (db *DB) LoadRefresh(ctx context.Context, hash string) (auth.Refresh, error) {
	var r auth.Refresh
	text, err := db.c.Get(ctx, refreshKey(hash)).Bytes()
	if errors.Is(err, redis.Nil) {
		return r, tenant.ErrNotFound
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("%w: refresh token: %w", tenant.ErrMalformed, err)
	}
	return r, nil
}

// UseRefresh implements auth.Sessions: of any number of callers, on any gateways, one gets true.
func (db *DB) UseRefresh(ctx context.Context, hash string, until time.Time) (bool, error) {
	err := db.c.SetArgs(ctx, refreshUsedKey(hash), "1", redis.SetArgs{
		Mode: "NX", TTL: max(time.Second, time.Until(until)),
	}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// Revoke implements auth.Sessions.
func (db *DB) Revoke(ctx context.Context, id string, until time.Time) error {
	return db.c.Set(ctx, revokedKey(id), "1", max(time.Second, time.Until(until))).Err()
}

// Revoked implements auth.Sessions, in one round trip.
func (db *DB) Revoked(ctx context.Context, ids ...string) (bool, error) {
	found := make([]*redis.IntCmd, len(ids))
	db.pipeline(ctx, func(p redis.Pipeliner) {
		for i, id := range ids {
			found[i] = p.Exists(ctx, revokedKey(id))
		}
	})
	gone := false
	for _, cmd := range found {
		n, err := cmd.Result()
		if err != nil {
			return false, err
		}
		gone = gone || n > 0
	}
	return gone, nil
}
