// Package auth turns a bearer into a principal: an API key (psk_…) or a JWT, of our own signing keys or of configured
// ones. It issues access tokens with single-use refresh tokens, revokes both, and publishes the signing keys.
//
// What a bearer may do is what its own scopes and its tenant's have in common. A token without a scope claim may do
// nothing. Verified tokens are kept by their hash for as long as they hold, so that a request costs about a
// microsecond; whether the tenant is enabled, lets the address in, and whether the token was revoked is looked at every
// time, by state that is half a second old at most.
package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

// Defaults of Config.
const (
	DefaultTokenTTL   = time.Hour
	DefaultRefreshTTL = 30 * 24 * time.Hour
	DefaultIssuer     = "penstock"
	DefaultAudience   = "penstock"
	defaultCacheSize  = 50_000
)

// Bounds of a bearer, checked before anything looks inside.
const (
	maxBearer     = 8 << 10
	revokedFresh  = 500 * time.Millisecond
	unavailable   = "who you are can't be checked at the moment"
	badBearer     = "the bearer is not valid"
	badRefresh    = "the refresh token is not valid"
	refreshPrefix = "psr_"
)

// Config tells what a Service trusts and issues.
type Config struct {
	Keys       *Keyring      // signs and verifies our own tokens
	Issuer     string        // of our own tokens, DefaultIssuer by default
	Audience   string        // of our own tokens, DefaultAudience by default
	TokenTTL   time.Duration // the longest access token, DefaultTokenTTL by default
	RefreshTTL time.Duration // how long a family of refresh tokens lives without use, DefaultRefreshTTL by default
	Trusted    []TrustedKey  // other keys that tokens may be signed with
	CacheSize  int           // verified tokens kept, 50,000 by default
	// OnStale hears of every decision made while revocations could not be looked up; nil is fine.
	OnStale func(kind string)
	Now     func() time.Time
}

// Directory tells tenants and keys as they stand; tenant.Directory does.
type Directory interface {
	Tenant(ctx context.Context, id string) (*tenant.Tenant, error)
	Key(ctx context.Context, id string) (*tenant.KeyRecord, error)
}

// Refresh is what is kept of a refresh token. The token itself is kept as a hash only.
type Refresh struct {
	Family  string    `json:"family"`
	Tenant  string    `json:"tenant"`
	Subject string    `json:"subject"`
	Key     string    `json:"key,omitempty"` // id of the API key it began with
	Scope   string    `json:"scope"`
	TTL     float64   `json:"ttl"` // seconds an access token of it lives
	Until   time.Time `json:"until"`
}

// Sessions is where refresh tokens and revocations are kept for all gateways.
type Sessions interface {
	SaveRefresh(ctx context.Context, hash string, r Refresh) error
	// LoadRefresh gives tenant.ErrNotFound for a token that never was or has ended.
	LoadRefresh(ctx context.Context, hash string) (Refresh, error)
	// UseRefresh is true for the first caller and false for every other one.
	UseRefresh(ctx context.Context, hash string, until time.Time) (bool, error)
	// Revoke ends a token or a family; until is when it would have ended by itself.
	Revoke(ctx context.Context, id string, until time.Time) error
	// Revoked tells whether any of the ids was revoked.
	Revoked(ctx context.Context, ids ...string) (bool, error)
}

// Service answers who a bearer is. It is safe for concurrent use and needs no closing.
type Service struct {
	cfg      Config
	dir      Directory
	sessions Sessions
	verify   *verifier
	tokens   *cache[[sha256.Size]byte, *verified]
	keys     *cache[[sha256.Size]byte, *keyHolder]
}

// New makes a Service. Its error names a configured key that can't be trusted with tokens.
func New(cfg Config, dir Directory, sessions Sessions) (*Service, error) {
	if cfg.Issuer == "" {
		cfg.Issuer = DefaultIssuer
	}
	if cfg.Audience == "" {
		cfg.Audience = DefaultAudience
	}
	if cfg.TokenTTL == 0 {
		cfg.TokenTTL = DefaultTokenTTL
	}
	if cfg.RefreshTTL == 0 {
		cfg.RefreshTTL = DefaultRefreshTTL
	}
	if cfg.CacheSize == 0 {
		cfg.CacheSize = defaultCacheSize
	}
	if cfg.OnStale == nil {
		cfg.OnStale = func(string) {}
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	v, err := newVerifier(cfg)
	if err != nil {
		return nil, err
	}
	return &Service{
		cfg: cfg, dir: dir, sessions: sessions, verify: v,
		tokens: newCache[[sha256.Size]byte, *verified](cfg.CacheSize),
		keys:   newCache[[sha256.Size]byte, *keyHolder](cfg.CacheSize),
	}, nil
}

// Authenticate tells who a bearer speaks for, when it may from ip: unauthenticated, tenant_disabled, ip_not_allowed;
// overloaded while it can't be looked up. The principal is shared: it must not be changed.
func (s *Service) Authenticate(ctx context.Context, bearer string, ip netip.Addr) (*tenant.Principal, error) {
	if bearer == "" {
		return nil, fault.New(fault.Unauthenticated, "a bearer token is needed")
	}
	if len(bearer) > maxBearer {
		return nil, fault.New(fault.Unauthenticated, "the bearer is longer than %d bytes", maxBearer)
	}
	var p *tenant.Principal
	var err error
	if strings.HasPrefix(bearer, tenant.KeyPrefix) {
		p, err = s.byKey(ctx, bearer)
	} else {
		p, err = s.byToken(ctx, bearer)
	}
	if err != nil {
		return nil, err
	}
	if !p.Tenant.Enabled {
		return nil, fault.New(fault.TenantDisabled, "the tenant is disabled")
	}
	if !p.Tenant.AllowsIP(ip) {
		return nil, fault.New(fault.IPNotAllowed, "the tenant does not allow calls from this address")
	}
	return p, nil
}

// lookUp finds the tenant of a bearer whose signature or secret was right.
func (s *Service) lookUp(ctx context.Context, id string) (*tenant.Tenant, error) {
	t, err := s.dir.Tenant(ctx, id)
	if err == nil {
		return t, nil
	}
	return nil, lookUpFault(err, "the bearer's tenant does not exist")
}

// lookUpFault says no for what does not exist, and something else for what can't be looked up.
func lookUpFault(err error, missing string) error {
	if errors.Is(err, tenant.ErrNotFound) {
		return fault.New(fault.Unauthenticated, "%s", missing)
	}
	if errors.Is(err, tenant.ErrMalformed) {
		return fault.Wrap(fault.Internal, err, "the tenant's settings can't be read")
	}
	f := fault.Wrap(fault.Overloaded, err, "%s", unavailable)
	f.RetryAfter = time.Second
	return f
}

// byKey takes an API key. The principal made of it is kept for as long as neither key nor tenant were read anew.
func (s *Service) byKey(ctx context.Context, text string) (*tenant.Principal, error) {
	id, ok := tenant.SplitKey(text)
	if !ok {
		return nil, fault.New(fault.Unauthenticated, badBearer)
	}
	k, err := s.dir.Key(ctx, id)
	if err != nil {
		return nil, lookUpFault(err, badBearer)
	}
	hash := sha256.Sum256([]byte(text))
	if subtle.ConstantTimeCompare(hash[:], k.Hash[:]) != 1 {
		return nil, fault.New(fault.Unauthenticated, badBearer)
	}
	now := s.cfg.Now()
	if k.ExpiresAt != nil && !now.Before(*k.ExpiresAt) {
		return nil, fault.New(fault.Unauthenticated, "the API key has expired")
	}
	t, err := s.lookUp(ctx, k.Tenant)
	if err != nil {
		return nil, err
	}
	if h, ok := s.keys.get(hash); ok && h.key == k && h.tenant == t {
		return h.p, nil
	}
	p := &tenant.Principal{Tenant: *t, Subject: k.ID, Scopes: t.Scopes}
	if len(k.Scopes) > 0 {
		p.Scopes = tenant.Intersect(k.Scopes, t.Scopes)
	}
	if k.ExpiresAt != nil {
		p.Expires = *k.ExpiresAt
	}
	s.keys.put(hash, &keyHolder{key: k, tenant: t, p: p})
	return p, nil
}

// keyHolder is the principal of a key, and what it was made of.
type keyHolder struct {
	key    *tenant.KeyRecord
	tenant *tenant.Tenant
	p      *tenant.Principal
}
