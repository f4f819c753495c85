package queue

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// claimsFor is how long a claim holds.
const claimsFor = 24 * time.Hour

// Claim is what the first request under a key left: the job that it made, and what it asked for.
type Claim struct {
	JobID       string    `json:"job"`
	Fingerprint string    `json:"fingerprint"`
	At          time.Time `json:"at"`
}

// Claim makes c the one claim under a key of a tenant's route. Who comes second, on any gateway, gets the first's.
func (q *Queue) Claim(ctx context.Context, tenant, route, key string, c Claim) (first Claim, won bool, err error) {
	b, err := json.Marshal(c)
	if err != nil {
		return c, false, fmt.Errorf("queue: claim: %w", err)
	}
	name := claimName(tenant, route, key)
	for {
		if _, err = q.claims.Create(ctx, name, b); err == nil {
			return c, true, nil
		}
		if !errors.Is(err, jetstream.ErrKeyExists) {
			return c, false, readError(err)
		}
		e, err := q.claims.Get(ctx, name)
		if errors.Is(err, jetstream.ErrKeyNotFound) {
			continue // given up since
		}
		if err != nil {
			return c, false, readError(err)
		}
		if err := json.Unmarshal(e.Value(), &first); err != nil {
			return c, false, fmt.Errorf("queue: claim: %w", err)
		}
		return first, false, nil
	}
}

// Unclaim gives a claim up: its request was refused.
func (q *Queue) Unclaim(ctx context.Context, tenant, route, key string) error {
	if err := q.claims.Purge(ctx, claimName(tenant, route, key)); err != nil {
		return fmt.Errorf("queue: unclaim: %w", err)
	}
	return nil
}

// claimName hides the key, which may be long and holds anything.
func claimName(tenant, route, key string) string {
	h := sha256.Sum256([]byte(strings.Join([]string{tenant, route, key}, "\x00")))
	return hex.EncodeToString(h[:])
}
