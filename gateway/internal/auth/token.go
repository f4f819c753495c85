package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"sync"
	"sync/atomic"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

// verified is a token whose signature and claims were found right. They don't change; what does is looked at every time.
type verified struct {
	claims  *claims
	ids     []string // what revoking may name: the token, its family
	expires time.Time

	mu      sync.Mutex // held by the one who asks whether it was revoked
	checked atomic.Int64
	revoked atomic.Bool
	made    atomic.Pointer[holder]
}

// holder is the principal of a token, and the reading of its tenant that it was made of.
type holder struct {
	tenant *tenant.Tenant
	p      *tenant.Principal
}

// byToken takes a JWT, by its hash where it is known.
func (s *Service) byToken(ctx context.Context, text string) (*tenant.Principal, error) {
	now := s.cfg.Now()
	hash := hashOf(text)
	v, ok := s.tokens.get(hash)
	if !ok {
		c, err := s.verify.token(text, now)
		if err != nil {
			return nil, err
		}
		v = newVerified(c, hash)
		s.tokens.put(hash, v)
	}
	if !now.Before(v.expires) {
		s.tokens.drop(hash)
		return nil, fault.New(fault.Unauthenticated, "the token has expired")
	}
	if err := s.notRevoked(ctx, v, now); err != nil {
		return nil, err
	}
	if v.claims.KeyID != "" { // a token ends with the key that it was made from
		k, err := s.dir.Key(ctx, v.claims.KeyID)
		if err != nil {
			return nil, lookUpFault(err, "the API key that the token was made from is gone")
		}
		if k.Tenant != v.claims.TenantID {
			return nil, fault.New(fault.Unauthenticated, badBearer)
		}
	}
	t, err := s.lookUp(ctx, v.claims.TenantID)
	if err != nil {
		return nil, err
	}
	if h := v.made.Load(); h != nil && h.tenant == t {
		return h.p, nil
	}
	p := &tenant.Principal{
		Tenant: *t, Subject: v.claims.Subject, Scopes: tenant.Intersect(v.claims.Scope, t.Scopes),
		TokenID: v.claims.ID, Expires: v.expires,
	}
	v.made.Store(&holder{tenant: t, p: p})
	return p, nil
}

// hashOf hashes a token; those of a usual length without a copy on the heap.
func hashOf(text string) [sha256.Size]byte {
	var b [1024]byte
	if len(text) > len(b) {
		return sha256.Sum256([]byte(text))
	}
	return sha256.Sum256(b[:copy(b[:], text)])
}

func newVerified(c *claims, hash [sha256.Size]byte) *verified {
	if c.ID == "" {
		c.ID = "sha256-" + hex.EncodeToString(hash[:]) // what can be named can be revoked
	}
	v := &verified{claims: c, ids: []string{tokenID(c.TenantID, c.ID)}, expires: c.expires()}
	if c.Family != "" {
		v.ids = append(v.ids, familyID(c.Family))
	}
	return v
}

// tokenID names a token in the list of revoked ones; other issuers' ids are theirs, so the tenant is part of it.
func tokenID(tenantID, id string) string { return "token:" + tenantID + ":" + id }

func familyID(family string) string { return "family:" + family }

// notRevoked looks at what was known half a second ago at most; one caller asks anew, the others go on meanwhile.
// While the sessions can't be reached what was known last holds, and a token never seen before is let in: its
// signature is right, and its tenant is checked all the same.
func (s *Service) notRevoked(ctx context.Context, v *verified, now time.Time) error {
	last := v.checked.Load()
	age := now.UnixNano() - last
	if age >= int64(revokedFresh) || age < 0 {
		if last == 0 || age > int64(2*revokedFresh)-int64(100*time.Millisecond) {
			v.mu.Lock()
		} else if !v.mu.TryLock() {
			return v.verdict()
		}
		defer v.mu.Unlock()
		if v.checked.Load() == last {
			s.askRevoked(ctx, v, now)
		}
	}
	return v.verdict()
}

func (s *Service) askRevoked(ctx context.Context, v *verified, now time.Time) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	gone, err := s.sessions.Revoked(ctx, v.ids...)
	if err != nil {
		s.cfg.OnStale("revocation")
	}
	if gone {
		v.revoked.Store(true) // for good
	}
	v.checked.Store(now.UnixNano())
}

func (v *verified) verdict() error {
	if v.revoked.Load() {
		return fault.New(fault.Unauthenticated, "the token was revoked")
	}
	return nil
}
