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

// Hint tells the workers of a model that a tenant has a backlog of a class. It may get lost.
func (q *Queue) Hint(model string, class job.Class, tenant string, weight float64) error {
	subject := "hint." + token(model) + "." + string(class) + "." + tenant
	return q.nc.Publish(subject, strconv.AppendFloat(nil, weight, 'f', -1, 64))
}

// OnHints hears of the backlogs of a model. handle must not block.
func (q *Queue) OnHints(model string, handle func(class job.Class, tenant string, weight float64)) (stop func(), err error) {
	sub, err := q.nc.Subscribe("hint."+token(model)+".*.*", func(m *nats.Msg) {
		t := strings.Split(m.Subject, ".")
		weight, err := strconv.ParseFloat(string(m.Data), 64)
		if err == nil && len(t) == 4 {
			handle(job.Class(t[2]), t[3], weight)
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
