package auth

import (
	"context"
	"net/netip"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
)

// DevTenant is the tenant that development begins with.
const DevTenant = "dev"

// devTokenTTL is how long development's tokens live; each start makes new ones.
const devTokenTTL = 30 * 24 * time.Hour

// Credentials is what a developer needs to call a gateway in development.
type Credentials struct {
	Tenant     string `json:"tenant"`
	APIKey     string `json:"api_key"`
	Token      string `json:"token"`       // everything but the admin routes
	AdminToken string `json:"admin_token"` // everything
}

// DevScopes is what development's token may do: all but the admin routes.
func DevScopes() []string {
	return []string{
		"jobs", "console", "ner", "re", "event", "sentiment", "classification", "match", "nli", "qa",
		"model:*", "openai:*", "ollama:*", "kserve:*",
	}
}

// Development makes the tenant "dev" where there is none and gives credentials for it. The API key of before, which
// may be empty, is given again if it still works.
func (s *Service) Development(ctx context.Context, admin *tenant.Admin, before Credentials) (Credentials, error) {
	_, err := admin.CreateTenant(ctx, tenant.Tenant{ID: DevTenant, Enabled: true, Scopes: []string{"*"}})
	if err != nil && fault.CodeOf(err) != fault.Conflict {
		return Credentials{}, err
	}
	c := Credentials{Tenant: DevTenant, APIKey: before.APIKey}
	if !s.works(ctx, c.APIKey) {
		k, err := admin.NewKey(ctx, DevTenant, tenant.Key{Name: "development"})
		if err != nil {
			return Credentials{}, err
		}
		c.APIKey = k.Secret
	}
	if c.Token, err = s.Mint(DevTenant, "developer", DevScopes(), devTokenTTL); err != nil {
		return Credentials{}, err
	}
	c.AdminToken, err = s.Mint(DevTenant, "admin", []string{"*"}, devTokenTTL)
	return c, err
}

// works tells whether an API key is one of the development tenant's, be that disabled meanwhile.
func (s *Service) works(ctx context.Context, key string) bool {
	if key == "" {
		return false
	}
	p, err := s.Authenticate(ctx, key, netip.Addr{})
	if err == nil {
		return p.Tenant.ID == DevTenant
	}
	code := fault.CodeOf(err)
	return code == fault.TenantDisabled || code == fault.IPNotAllowed
}
