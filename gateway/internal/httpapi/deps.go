package httpapi

import (
	"context"
	"io"
	"log/slog"
	"net/netip"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/job"
)

// Deps are the parts of the gateway that the routes call. All are needed but Observe.
type Deps struct {
	Auth    Authenticator
	Tokens  Tokens
	Jobs    Jobs
	Blobs   Blobs
	Tenants Tenants
	// Webhooks is the log of what was delivered.
	Webhooks Webhooks
	// Usage tells a tenant its own counters; what it returns is sent as JSON.
	// UsageOf makes one of a method that returns a type of its own.
	Usage func(ctx context.Context, p *tenant.Principal) (any, error)
	// Ready tells why requests can't be served; nil when they can.
	Ready func(ctx context.Context) error

	Log   *slog.Logger // for the operator
	Audit *slog.Logger // one line a call
	// Observe, when set, hears of every answered call. Route is a pattern of the route table, or "none".
	Observe func(method, route string, status int, took time.Duration)
}

// Authenticator turns a bearer into who it speaks for.
// Faults: unauthenticated, tenant_disabled, ip_not_allowed.
type Authenticator interface {
	Authenticate(ctx context.Context, bearer string, ip netip.Addr) (*tenant.Principal, error)
}

// Tokens issues, renews and ends tokens.
type Tokens interface {
	Issue(ctx context.Context, p *tenant.Principal, r tenant.TokenRequest) (tenant.TokenPair, error)
	Refresh(ctx context.Context, refreshToken string) (tenant.TokenPair, error)
	Revoke(ctx context.Context, p *tenant.Principal, token string) error
	JWKS() []byte
}

// Jobs is the path of a job, from its submission to its end. JobsOf makes one of a type whose streams are its own.
type Jobs = jobsOf[Stream]

// jobsOf is Jobs with a type of stream.
type jobsOf[S Stream] interface {
	// Submit accepts a job and waits r.Wait for its end. ctx ends when the caller is gone.
	// The submission's limits may be set beside an error.
	Submit(ctx context.Context, p *tenant.Principal, r job.Request) (job.Submission, error)
	// Get tells where a job stands. Faults: not_found, gone.
	Get(ctx context.Context, tenantID, id string) (job.State, error)
	// Wait returns when the job ended, or its latest state when ctx's deadline passes.
	Wait(ctx context.Context, tenantID, id string) (job.State, error)
	// Events opens the job's events after the given id.
	Events(ctx context.Context, tenantID, id string, after int) (S, error)
	// Cancel asks for a job's end. Fault: conflict, when it had ended.
	Cancel(ctx context.Context, tenantID, id string) (job.State, error)
	// Retry runs a failed job again. Fault: conflict, when it has not failed.
	Retry(ctx context.Context, p *tenant.Principal, id string) (job.Submission, error)
	// DeadLetters lists jobs out of attempts, oldest first, of a model and a tenant or of all where these are empty.
	DeadLetters(ctx context.Context, model, tenantID, cursor string, limit int) (list []job.DeadLetter, next string, err error)
	DeadLetter(ctx context.Context, id string) (job.DeadLetter, error)
	// Redrive runs a dead letter's job again, in its tenant's name.
	Redrive(ctx context.Context, p *tenant.Principal, id string) (job.Submission, error)
	Discard(ctx context.Context, id string) error
	// List gives one page of a tenant's jobs, newest first.
	List(ctx context.Context, tenantID string, f job.Filter) (job.Page, error)
	// Models is what the fleet serves.
	Models() []job.Model
	// Workers lists the live workers.
	Workers() []job.Worker
}

// Blobs keeps byte strings for tenants, each its own alone. Fault: not_found.
type Blobs interface {
	// PutBlob stores what r gives. An error of r's comes back as it is, and nothing is kept then.
	PutBlob(ctx context.Context, tenantID, mediaType string, r io.Reader) (job.Blob, error)
	// OpenBlob describes a blob, and reads it for as long as ctx lasts.
	OpenBlob(ctx context.Context, tenantID, ref string) (job.Blob, io.Reader, error)
	DeleteBlob(ctx context.Context, tenantID, ref string) error
}

// JobsOf makes Jobs of an implementation whose Events returns a type of its own.
func JobsOf[S Stream](j jobsOf[S]) Jobs { return jobsAdapter[S]{j} }

type jobsAdapter[S Stream] struct{ jobsOf[S] }

// Events opens the stream; beside an error there is none.
func (a jobsAdapter[S]) Events(ctx context.Context, tenantID, id string, after int) (Stream, error) {
	s, err := a.jobsOf.Events(ctx, tenantID, id, after)
	if err != nil {
		return nil, err
	}
	return s, nil
}

// UsageOf makes Deps.Usage of a method that returns a type of its own.
func UsageOf[T any](f func(context.Context, *tenant.Principal) (T, error)) func(context.Context, *tenant.Principal) (any, error) {
	return func(ctx context.Context, p *tenant.Principal) (any, error) { return f(ctx, p) }
}

// Webhooks tells what became of a job's webhook. The job is known to be the tenant's.
type Webhooks interface {
	Log(ctx context.Context, tenantID, id string) ([]job.HookDelivery, error)
	// Redeliver delivers again. Fault: conflict, when there is nothing to.
	Redeliver(ctx context.Context, tenantID, id string) ([]job.HookDelivery, error)
}

// Stream gives a job's events in order.
type Stream interface {
	// Next gives the next event, io.EOF after the last. A deadline of ctx that passes loses nothing.
	Next(ctx context.Context) (job.Message, error)
	Close()
}

// Tenants changes tenants and keys; tenant.Admin is one. Bodies are JSON that is strict already.
type Tenants interface {
	Create(ctx context.Context, body []byte) (tenant.Tenant, error)
	Get(ctx context.Context, id string) (tenant.Tenant, error)
	List(ctx context.Context, cursor string, limit int) (tenant.List[tenant.Tenant], error)
	Update(ctx context.Context, id string, patch []byte) (tenant.Tenant, error)
	Delete(ctx context.Context, id string) error
	CreateKey(ctx context.Context, tenantID string, body []byte) (tenant.NewKey, error)
	ListKeys(ctx context.Context, tenantID, cursor string, limit int) (tenant.List[tenant.Key], error)
	DeleteKey(ctx context.Context, tenantID, id string) error
}
