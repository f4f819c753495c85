package queue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// Hint tells that a tenant's backlog lane holds jobs.
type Hint struct {
	Lane   Lane
	Weight float64 // of the tenant; 0 where who tells does not know
	From   string  // which gateway tells
}

// Hint tells the workers of the model, and the other gateways. It may get lost.
func (q *Queue) Hint(h Hint) error {
	subject := "hint." + token(h.Lane.Model) + "." + string(h.Lane.Class) + "." + h.Lane.Tenant
	b := append(strconv.AppendFloat(nil, h.Weight, 'f', -1, 64), ' ')
	return q.nc.Publish(subject, append(b, h.From...))
}

// OnHints hears of the backlogs of a model, or of all models where that is empty. handle must not block.
func (q *Queue) OnHints(model string, handle func(Hint)) (stop func(), err error) {
	sub, err := q.nc.Subscribe("hint."+tokenOrAny(model)+".*.*", func(m *nats.Msg) {
		t := strings.Split(m.Subject, ".")
		number, from, _ := strings.Cut(string(m.Data), " ")
		weight, werr := strconv.ParseFloat(number, 64)
		name, nerr := url.PathUnescape(t[1])
		if werr == nil && nerr == nil && len(t) == 4 {
			handle(Hint{Lane: Lane{Model: name, Class: job.Class(t[2]), Kind: Backlog, Tenant: t[3]}, Weight: weight, From: from})
		}
	})
	if err != nil {
		return nil, fmt.Errorf("queue: hints: %w", err)
	}
	return func() { _ = sub.Unsubscribe() }, q.heeded(sub)
}

// Backlogs lists the backlog lanes that hold jobs. It looks at the subject of each job there, so it is not to be asked often.
func (q *Queue) Backlogs(ctx context.Context) ([]Lane, error) {
	info, err := q.jobs.Info(ctx, jetstream.WithSubjectFilter("jobs.*.*."+string(Backlog)+".*.*"))
	if err != nil {
		return nil, readError(err)
	}
	seen := map[Lane]bool{}
	var list []Lane
	for subject := range info.State.Subjects {
		t := strings.Split(subject, ".")
		model, err := url.PathUnescape(t[1])
		if err != nil || len(t) != 6 {
			continue
		}
		l := Lane{Model: model, Class: job.Class(t[2]), Kind: Backlog, Tenant: t[4]}
		if !seen[l] {
			seen[l] = true
			list = append(list, l)
		}
	}
	return list, nil
}

// HasBacklog tells whether a backlog lane holds a job.
func (q *Queue) HasBacklog(ctx context.Context, l Lane) (bool, error) {
	_, err := q.jobs.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(l.filter()))
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return false, nil
	}
	return false, readError(err)
}
