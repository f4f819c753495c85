package auth

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/golang-jwt/jwt/v5"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

const randomLen = 32 // bytes of a refresh token

// Issue makes an access token and the first refresh token of a family, for a principal that came with an API key.
// r asks for less than the defaults: invalid_input at expires_in or scope, scope_missing for a scope that p lacks.
func (s *Service) Issue(ctx context.Context, p *tenant.Principal, r tenant.TokenRequest) (tenant.TokenPair, error) {
	if p.TokenID != "" {
		return tenant.TokenPair{}, fault.New(fault.Forbidden, "tokens are made from an API key, not from another token")
	}
	ttl, granted, err := s.narrow(p, r)
	if err != nil {
		return tenant.TokenPair{}, err
	}
	now := s.cfg.Now()
	f := Refresh{
		Family: randomText(16), Tenant: p.Tenant.ID, Subject: p.Subject, Key: p.Subject,
		Scope: strings.Join(granted, " "), TTL: ttl.Seconds(), Until: now.Add(s.cfg.RefreshTTL),
	}
	if !p.Expires.IsZero() && p.Expires.Before(f.Until) {
		f.Until = p.Expires // nothing outlives its key
	}
	return s.pair(ctx, f, now)
}

// narrow works out what a token request comes to.
func (s *Service) narrow(p *tenant.Principal, r tenant.TokenRequest) (time.Duration, []string, error) {
	ttl := s.cfg.TokenTTL
	if r.ExpiresIn != 0 {
		if r.ExpiresIn < 0 || math.IsNaN(r.ExpiresIn) || r.ExpiresIn > ttl.Seconds() {
			return 0, nil, fault.Invalid("expires_in", "must be more than 0 and at most %d seconds", int64(ttl.Seconds()))
		}
		ttl = time.Duration(math.Ceil(r.ExpiresIn)) * time.Second
	}
	if !p.Expires.IsZero() {
		left := p.Expires.Sub(s.cfg.Now()).Truncate(time.Second)
		if left <= 0 {
			return 0, nil, fault.New(fault.Unauthenticated, "the API key has expired")
		}
		ttl = min(ttl, left)
	}
	granted := p.Scopes
	if r.Scope != "" {
		granted = tenant.SplitScopes(r.Scope)
		if len(granted) == 0 {
			return 0, nil, fault.Invalid("scope", "names no scope")
		}
		if err := tenant.CheckScopes("scope", granted); err != nil {
			return 0, nil, fault.Invalid("scope", "holds a word that is no scope")
		}
		for _, want := range granted {
			if !tenant.Covers(p.Scopes, want) {
				return 0, nil, fault.New(fault.ScopeMissing, "the API key has no scope %q to give", want)
			}
		}
	}
	return ttl, granted, nil
}

// pair makes an access token and a refresh token of a family.
func (s *Service) pair(ctx context.Context, f Refresh, now time.Time) (tenant.TokenPair, error) {
	refresh := refreshPrefix + randomText(randomLen)
	if err := s.sessions.SaveRefresh(ctx, hashText(refresh), f); err != nil {
		return tenant.TokenPair{}, away(err)
	}
	ttl := time.Duration(f.TTL * float64(time.Second))
	if left := f.Until.Sub(now).Truncate(time.Second); left < ttl {
		ttl = max(time.Second, left)
	}
	access, err := s.sign(claims{
		TenantID: f.Tenant, Subject: f.Subject, Scope: tenant.SplitScopes(f.Scope), Family: f.Family, KeyID: f.Key,
	}, now, ttl)
	if err != nil {
		return tenant.TokenPair{}, err
	}
	return tenant.TokenPair{
		AccessToken: access, TokenType: "Bearer", ExpiresIn: int64(ttl.Seconds()), RefreshToken: refresh, Scope: f.Scope,
	}, nil
}

// Mint makes an access token without a refresh token, for the command line and for development: no key stands behind
// it, and ttl may be longer than the default.
func (s *Service) Mint(tenantID, subject string, scopes []string, ttl time.Duration) (string, error) {
	return s.sign(claims{TenantID: tenantID, Subject: subject, Scope: scopes}, s.cfg.Now(), ttl)
}

func (s *Service) sign(c claims, now time.Time, ttl time.Duration) (string, error) {
	if s.cfg.Keys == nil {
		return "", fault.New(fault.Internal, "this gateway has no signing key")
	}
	from, until := numericDate(now.Unix()), numericDate(now.Add(ttl).Unix())
	c.Issuer, c.Audience, c.ID = s.cfg.Issuer, audience{s.cfg.Audience}, randomText(16)
	c.Issued, c.NotFrom, c.Expiry = &from, &from, &until
	kid, key := s.cfg.Keys.signer()
	head, err := json.Marshal(map[string]string{"alg": jwt.SigningMethodEdDSA.Alg(), "typ": "JWT", "kid": kid},
		json.Deterministic(true))
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(c)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sig, err := jwt.SigningMethodEdDSA.Sign(text, key)
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(sig), nil
}

// Refresh turns a refresh token into a new pair. A token used twice ends its family, access tokens too: one of the two
// who used it is a thief, and nobody can tell which.
func (s *Service) Refresh(ctx context.Context, token string) (tenant.TokenPair, error) {
	if !strings.HasPrefix(token, refreshPrefix) || len(token) > 128 {
		return tenant.TokenPair{}, fault.New(fault.Unauthenticated, badRefresh)
	}
	now := s.cfg.Now()
	hash := hashText(token)
	f, err := s.sessions.LoadRefresh(ctx, hash)
	if errors.Is(err, tenant.ErrNotFound) {
		return tenant.TokenPair{}, fault.New(fault.Unauthenticated, badRefresh)
	}
	if err != nil {
		return tenant.TokenPair{}, away(err)
	}
	first, err := s.sessions.UseRefresh(ctx, hash, f.Until)
	if err != nil {
		return tenant.TokenPair{}, away(err)
	}
	if !first {
		if err := s.endFamily(ctx, f, now); err != nil {
			return tenant.TokenPair{}, err
		}
		return tenant.TokenPair{}, fault.New(fault.Unauthenticated, "%s: it was used before, and its family has ended", badRefresh)
	}
	gone, err := s.sessions.Revoked(ctx, familyID(f.Family))
	if err != nil {
		return tenant.TokenPair{}, away(err)
	}
	if gone || !now.Before(f.Until) {
		return tenant.TokenPair{}, fault.New(fault.Unauthenticated, "%s: it has ended", badRefresh)
	}
	if f, err = s.renew(ctx, f, now); err != nil {
		return tenant.TokenPair{}, err
	}
	return s.pair(ctx, f, now)
}

// renew looks at the family's key and tenant as they are today, and gives what it may still have.
func (s *Service) renew(ctx context.Context, f Refresh, now time.Time) (Refresh, error) {
	f.Until = now.Add(s.cfg.RefreshTTL)
	t, err := s.lookUp(ctx, f.Tenant)
	if err != nil {
		return f, err
	}
	if !t.Enabled {
		return f, fault.New(fault.TenantDisabled, "the tenant is disabled")
	}
	held := t.Scopes
	if f.Key != "" {
		k, err := s.dir.Key(ctx, f.Key)
		if err != nil {
			return f, lookUpFault(err, "the API key that the token was made from is gone")
		}
		if k.ExpiresAt != nil && k.ExpiresAt.Before(f.Until) {
			f.Until = *k.ExpiresAt
		}
		if !now.Before(f.Until) {
			return f, fault.New(fault.Unauthenticated, "the API key has expired")
		}
		if len(k.Scopes) > 0 {
			held = tenant.Intersect(k.Scopes, t.Scopes)
		}
	}
	f.Scope = strings.Join(tenant.Intersect(tenant.SplitScopes(f.Scope), held), " ")
	return f, nil
}

// endFamily revokes a family's access and refresh tokens.
func (s *Service) endFamily(ctx context.Context, f Refresh, now time.Time) error {
	until := now.Add(s.cfg.TokenTTL)
	if f.Until.After(until) {
		until = f.Until
	}
	// Later tokens of the family live longer than this one.
	if again := now.Add(s.cfg.RefreshTTL); again.After(until) {
		until = again
	}
	if err := s.sessions.Revoke(ctx, familyID(f.Family), until); err != nil {
		return away(err)
	}
	return nil
}

// Revoke ends a token or a refresh family of p's tenant, on every gateway within a second. What is not p's, or not
// valid any more, is passed over in silence (RFC 7009).
func (s *Service) Revoke(ctx context.Context, p *tenant.Principal, token string) error {
	now := s.cfg.Now()
	switch {
	case token == "" || len(token) > maxBearer:
		return fault.Invalid("token", "must be an access or a refresh token")
	case strings.HasPrefix(token, tenant.KeyPrefix):
		return fault.Invalid("token", "an API key ends when it is deleted")
	case strings.HasPrefix(token, refreshPrefix):
		f, err := s.sessions.LoadRefresh(ctx, hashText(token))
		if errors.Is(err, tenant.ErrNotFound) || err == nil && f.Tenant != p.Tenant.ID {
			return nil
		}
		if err != nil {
			return away(err)
		}
		return s.endFamily(ctx, f, now)
	}
	c, err := s.verify.token(token, now)
	if err != nil || c.TenantID != p.Tenant.ID {
		return nil //nolint:nilerr // it is no token any more, or not theirs: there is nothing to end
	}
	hash := sha256.Sum256([]byte(token))
	v := newVerified(c, hash)
	if err := s.sessions.Revoke(ctx, v.ids[0], c.expires().Add(time.Second)); err != nil {
		return away(err)
	}
	if known, ok := s.tokens.get(hash); ok {
		known.revoked.Store(true) // here at once
	}
	return nil
}

// JWKS is the public keys of our tokens, as JSON.
func (s *Service) JWKS() []byte {
	if s.cfg.Keys == nil {
		return []byte(`{"keys":[]}`)
	}
	return s.cfg.Keys.JWKS()
}

func away(err error) error {
	f := fault.Wrap(fault.Overloaded, err, "tokens can't be issued or ended at the moment")
	f.RetryAfter = time.Second
	return f
}

func hashText(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

func randomText(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, by its contract
	return base64.RawURLEncoding.EncodeToString(b)
}
