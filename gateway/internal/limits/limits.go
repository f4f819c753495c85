// Package limits decides whether a tenant may have one more job now: its daily quota, its rate, its jobs in flight and
// those of them that no worker has begun. One round trip counts all four; what is over is given back, so that a refusal costs nothing. Counting first and
// comparing after is what makes the quota exact over any number of gateways.
package limits

import (
	"context"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
)

// Ask is what one admission counts.
type Ask struct {
	Tenant string
	Day    string        // YYYY-MM-DD in the tenant's zone; always counted
	Fresh  bool          // the first of that day from here: make sure that its counter ends some time
	Window time.Duration // of the rate; 0 when there is none
	Slot   int64         // number of the window: Unix time ÷ Window
	Job    string        // whose holds to keep; empty when neither kind has a bound
	Until  time.Time     // when they end by themselves
	Max    int64         // bound of the holds in flight, or 0: dead ones are only looked for when it is reached
	Queued int64         // bound of the places in the queue, likewise
	Now    time.Time
}

// Count is what the counters say, this admission included.
type Count struct {
	Day    int64
	Rate   int64 // requests of the running window
	Before int64 // requests of the window before
	Held   int64 // jobs in flight
	Queued int64 // those of them that no worker is known to have begun
}

// Change is one correction of a tenant's counters. Its zero parts change nothing.
type Change struct {
	Tenant   string
	Day      string
	Jobs     int64 // added to the day's counter, which never falls below 0
	Window   time.Duration
	Slot     int64
	Requests int64     // added to the window's counter
	Job      string    // whose holds end, or, with Until, are kept
	Held     bool      // that in flight
	Queued   bool      // its place in the queue
	Until    time.Time // zero ends them
}

// Counters is where all gateways of a deployment count together.
type Counters interface {
	// Take counts one admission and tells the sums.
	Take(ctx context.Context, a Ask) (Count, error)
	// Read tells the sums without counting.
	Read(ctx context.Context, a Ask) (Count, error)
	// Held lists up to n jobs that a tenant's holds in flight stand for.
	Held(ctx context.Context, tenantID string, n int64) ([]string, error)
	// Queued lists up to n jobs that have a place in the tenant's queue.
	Queued(ctx context.Context, tenantID string, n int64) ([]string, error)
	// Apply makes corrections, in one round trip.
	Apply(ctx context.Context, changes []Change) error
}

// Tenants tells a tenant's bounds when a job of it ends; tenant.Directory does.
type Tenants interface {
	Tenant(ctx context.Context, id string) (*tenant.Tenant, error)
}

// Usage is what a tenant sees of its own limits. Pointers are nil where there is no bound, and so no count.
type Usage struct {
	Tenant      string       `json:"tenant"`
	Date        string       `json:"date"`
	TimeZone    string       `json:"time_zone"`
	DailyQuota  *int64       `json:"daily_quota"`
	Used        int64        `json:"used"`
	Remaining   *int64       `json:"remaining"`
	ResetsAt    time.Time    `json:"resets_at"` // when the next day begins
	InFlight    *int64       `json:"in_flight"`
	MaxInFlight *int64       `json:"max_in_flight"`
	Queued      *int64       `json:"queued"`
	MaxQueued   *int64       `json:"max_queued"`
	Rate        *tenant.Rate `json:"rate"`
}
