package jobs

import (
	"fmt"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// prioritize gives a request that names no priority the usual one, and refuses one above its tenant's plan.
func (s *Service) prioritize(p *tenant.Principal, r *job.Request) error {
	if r.Class == "" {
		r.Class = s.allowed(p, job.Standard)
		return nil
	}
	top := s.allowed(p, r.Class)
	if top == r.Class {
		return nil
	}
	return &fault.Error{
		Code: fault.Forbidden, Field: "priority", Detail: fmt.Sprintf("the plan %q goes up to %s", p.Tenant.Plan, top),
	}
}

// allowed is a priority, or the highest that the tenant's plan has where that is lower.
func (s *Service) allowed(p *tenant.Principal, c job.Class) job.Class {
	if top, bounded := s.cfg.Plans[p.Tenant.Plan]; bounded && c.Above(top) {
		return top
	}
	return c
}
