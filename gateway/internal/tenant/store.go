package tenant

import (
	"context"
	"crypto/sha256"
	"errors"
)

// What a store says when it can't do as asked. Any other error means that it can't be reached.
var (
	ErrNotFound = errors.New("not found")
	ErrExists   = errors.New("exists already")
	// ErrMalformed says that what is stored can't be read, as after a slip of an operator's hand.
	ErrMalformed = errors.New("malformed record")
)

// KeyRecord is an API key as the store keeps it.
type KeyRecord struct {
	Key
	Hash [sha256.Size]byte `json:"-"` // of the whole text, psk_…
}

// Reader is what the directory reads through. Tenants come back compiled.
type Reader interface {
	// LoadTenant reads one tenant: ErrNotFound, ErrMalformed.
	LoadTenant(ctx context.Context, id string) (Tenant, error)
	// LoadKey reads one key by its id: ErrNotFound, ErrMalformed.
	LoadKey(ctx context.Context, id string) (KeyRecord, error)
}

// Tenants is where the admin routes keep tenants.
type Tenants interface {
	// CreateTenant stores a new one: ErrExists.
	CreateTenant(ctx context.Context, t Tenant) error
	// UpdateTenant reads, lets change edit and stores, all as one: ErrNotFound, and change's own error.
	UpdateTenant(ctx context.Context, id string, change func(*Tenant) error) (Tenant, error)
	// DeleteTenant removes a tenant and all its keys: ErrNotFound.
	DeleteTenant(ctx context.Context, id string) error
	// ListTenants gives at most limit tenants whose ids come after after, by id.
	ListTenants(ctx context.Context, after string, limit int) ([]Tenant, error)
}

// Keys is where the admin routes keep keys.
type Keys interface {
	SaveKey(ctx context.Context, k KeyRecord) error
	// DeleteKey removes a tenant's key: ErrNotFound.
	DeleteKey(ctx context.Context, tenant, id string) error
	// ListKeys gives at most limit keys of a tenant whose ids come after after, by id.
	ListKeys(ctx context.Context, tenant, after string, limit int) ([]KeyRecord, error)
}

// Store is all three; redisdb's is one.
type Store interface {
	Reader
	Tenants
	Keys
}
