// Package tenant is the vocabulary of who may call: tenants, their keys and plans, and the principal that a bearer
// turns into. It is a leaf: auth, limits and httpapi all speak it.
package tenant

import (
	"slices"
	"strings"
	"time"
)

// Tenant is a customer: what it may do and how much.
type Tenant struct {
	ID             string    `json:"id"`
	Enabled        bool      `json:"enabled"`
	Plan           string    `json:"plan,omitempty"`
	Weight         int       `json:"weight"`         // share of the workers when tenants compete; 1 by default
	Scopes         []string  `json:"scopes"`         // what its keys and tokens may be given at most
	DailyQuota     int64     `json:"daily_quota"`    // accepted jobs a day; 0 means no bound
	Rate           *Rate     `json:"rate,omitempty"` // nil means no bound
	MaxInFlight    int64     `json:"max_in_flight"`  // jobs admitted and not yet ended; 0 means no bound
	MaxQueued      int64     `json:"max_queued"`     // those of them that no worker is known to have begun; 0 means no bound
	MaxInputTokens int64     `json:"max_input_tokens"`
	IPAllow        []string  `json:"ip_allow,omitempty"` // CIDR prefixes; empty lets any address in
	Console        bool      `json:"console"`
	TimeZone       string    `json:"time_zone,omitempty"` // IANA name of the zone its quota's day is in; empty means UTC
	CreatedAt      time.Time `json:"created_at,omitzero"`

	bounds *bounds // what Compile made of the texts above; nil until then
}

// Rate is a sliding-window bound on requests.
type Rate struct {
	Limit  int64  `json:"limit"`
	Window string `json:"window"` // a Go duration: "60s"
}

// Key is an API key as it is kept: its secret only as a hash.
type Key struct {
	ID        string     `json:"id"`
	Tenant    string     `json:"tenant"`
	Name      string     `json:"name,omitempty"`
	Scopes    []string   `json:"scopes"` // empty means all of the tenant's
	CreatedAt time.Time  `json:"created_at"`
	ExpiresAt *time.Time `json:"expires_at,omitempty"`
}

// NewKey is a key at the one moment its secret is shown.
type NewKey struct {
	Key
	Secret string `json:"key"` // psk_…
}

// Principal is who a verified bearer speaks for.
type Principal struct {
	Tenant  Tenant
	Subject string    // the token's sub, or the key's id
	Scopes  []string  // the bearer's own scopes, already within the tenant's
	TokenID string    // jti, empty for a key
	Expires time.Time // zero for a key without an end
}

// Allows tells whether the principal holds at least one of the scopes, or "*". A held scope that ends in ":*" stands
// for all that begin like it: "model:*" for "model:chat-tiny".
func (p *Principal) Allows(scopes ...string) bool {
	return slices.ContainsFunc(scopes, func(s string) bool { return s != "" && Covers(p.Scopes, s) }) ||
		slices.Contains(p.Scopes, "*")
}

// TokenRequest narrows a token below the defaults; zero values do not.
type TokenRequest struct {
	ExpiresIn float64 // seconds
	Scope     string  // space-separated
}

// TokenPair answers the token routes.
type TokenPair struct {
	AccessToken  string `json:"access_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    int64  `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
}

// SplitScopes takes the space-separated form that tokens and Redis use; commas are taken too.
func SplitScopes(s string) []string {
	return strings.FieldsFunc(s, func(r rune) bool { return r == ' ' || r == ',' })
}
