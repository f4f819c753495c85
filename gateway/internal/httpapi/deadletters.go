package httpapi

import (
	"context"
	"strconv"

	"github.com/gofiber/fiber/v2"

	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// maxRedriven is how many letters one request for all of a model takes; the answer tells whether there are more.
const maxRedriven = 1000

// listDeadLetters is GET /admin/v1/dead-letters.
func (k *call) listDeadLetters() error {
	limit, cursor, err := k.page()
	if err != nil {
		return err
	}
	model, of, err := k.letterFilter()
	if err != nil {
		return err
	}
	letters, next, err := k.s.deps.Jobs.DeadLetters(k.context(), model, of, cursor, limit)
	if err != nil {
		return err
	}
	return k.value(fiber.StatusOK, struct {
		Data []job.DeadLetter `json:"data"`
		Next *string          `json:"next_cursor"`
	}{letters, orNull(next)})
}

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (k *call) letterFilter() (model, of string, err error) {
	if model = k.param("model"); model != "" && !validName(model, maxModel) {
		return "", "", badParam("model", "is not the name of a model")
	}
	if of = k.param("tenant"); of != "" && !tenant.ValidID(of) {
		return "", "", badParam("tenant", "is not the id of a tenant")
	}
	return model, of, nil
}

// retryDeadLetter is POST /admin/v1/dead-letters/{id}/retry.
func (k *call) retryDeadLetter() error {
	l, err := k.s.deps.Jobs.DeadLetter(k.context(), k.pathPart("id"))
	if err != nil {
		return err
	}
	sub, err := k.redrive(&l)
	if err != nil {
		return err
	}
	k.jobSeen(&sub.State)
	return k.submitted(&sub, preference{})
}

// redrive retries a letter's job in its tenant's name: within that tenant's limits.
func (k *call) redrive(l *job.DeadLetter) (job.Submission, error) {
	t, err := k.s.deps.Tenants.Get(k.context(), l.Tenant)
	if err != nil {
		return job.Submission{}, err
	}
	p := &tenant.Principal{Tenant: t, Subject: k.who.Subject, Scopes: []string{"*"}}
	return k.s.deps.Jobs.Redrive(k.context(), p, l.ID)
}

// discardDeadLetter is POST /admin/v1/dead-letters/{id}/discard.
func (k *call) discardDeadLetter() error {
	if err := k.s.deps.Jobs.Discard(k.context(), k.pathPart("id")); err != nil {
		return err
	}
	k.rc.Response.SetStatusCode(fiber.StatusNoContent)
	return nil
}

// retryDeadLetters is POST /admin/v1/dead-letters/retry: all of a model, or of a tenant.
func (k *call) retryDeadLetters() error {
	return k.eachLetter(func(l *job.DeadLetter) error {
		_, err := k.redrive(l)
		return err
	})
}

// discardDeadLetters is POST /admin/v1/dead-letters/discard: all of a model, or of a tenant.
func (k *call) discardDeadLetters() error {
	return k.eachLetter(func(l *job.DeadLetter) error { return k.s.deps.Jobs.Discard(k.context(), l.ID) })
}

// eachLetter answers with how many letters f was done to, and how many it refused. It ends at the first trouble of ours.
func (k *call) eachLetter(f func(*job.DeadLetter) error) error {
	model, of, err := k.letterFilter()
	if err != nil {
		return err
	}
	if model == "" && of == "" {
		return badParam("model", "name a model, a tenant or both")
	}
	done, refused, more, err := k.walkLetters(k.context(), model, of, f)
	if err != nil {
		return err
	}
	b := strconv.AppendInt([]byte(`{"done":`), int64(done), 10)
	b = strconv.AppendInt(append(b, `,"refused":`...), int64(refused), 10)
	b = strconv.AppendBool(append(b, `,"more":`...), more)
	return k.json(fiber.StatusOK, append(b, '}'))
}

func (k *call) walkLetters(ctx context.Context, model, of string, f func(*job.DeadLetter) error) (done, refused int, more bool, err error) {
	cursor := ""
	for done+refused < maxRedriven {
		letters, next, err := k.s.deps.Jobs.DeadLetters(ctx, model, of, cursor, tenant.MaxPage)
		if err != nil {
			return done, refused, false, err
		}
		for i := range letters {
			switch err := f(&letters[i]); fault.CodeOf(err) {
			case "":
				done++
			case fault.Overloaded, fault.Internal:
				return done, refused, false, err
			default:
				refused++
			}
		}
		if next == "" {
			return done, refused, false, nil
		}
		cursor = next
	}
	return done, refused, true, nil
}
