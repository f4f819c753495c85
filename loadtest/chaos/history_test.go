package main

import (
	"math"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/stretchr/testify/assert"

	"github.com/penstock-dev/penstock/shared/job"
)

// life is what a client can see of a job: the state that the history's calls have to agree on.
type life struct {
	status  job.Status
	attempt int
}

// step applies one event by the product's own status machine.
func (l life) step(e *job.Event) life {
	s := job.State{Job: &job.Job{}, Status: l.status, Attempt: l.attempt}
	s.Apply(e)
	return life{s.Status, s.Attempt}
}

// reachable is every state that workers can lead to without a call of a client. An attempt that leaves no trace, because
// it was quick and its worker died, makes the next number one higher.
func (l life) reachable() []life {
	seen := map[life]bool{l: true}
	all := []life{l}
	for i := 0; i < len(all); i++ {
		from := all[i]
		if from.status == job.Scheduled {
			all = append(all, from.step(&job.Event{Kind: job.Due}))
			continue
		}
		for next := from.attempt; next <= min(from.attempt+2, many); next++ {
			events := []*job.Event{
				{Kind: job.End, Status: job.Succeeded, Attempt: next},
				{Kind: job.End, Status: job.Failed, Attempt: next},
			}
			if from.status == job.Queued {
				events = append(events, &job.Event{Kind: job.End, Status: job.Expired, Attempt: from.attempt})
			}
			if next > from.attempt {
				events = append(events, &job.Event{Kind: job.Started, Attempt: next})
			}
			if next > 0 {
				events = append(events, &job.Event{Kind: job.Retrying, Attempt: next})
			}
			if next == from.attempt && from.status == job.Running { // given back, it is the same attempt that runs again
				events = append(events, &job.Event{Kind: job.Released, Attempt: next})
			}
			for _, e := range events {
				if to := from.step(e); !seen[to] {
					seen[to] = true
					all = append(all, to)
				}
			}
		}
	}
	return all
}

// jobModel says which answers are right in which state. What workers do meanwhile is not in the history, and so any of
// it may have happened before each call.
func jobModel() porcupine.Model {
	m := porcupine.NondeterministicModel{
		Init: func() []any { return []any{life{status: job.Scheduled}, life{status: job.Queued}} },
		Step: func(state, _, output any) (next []any) {
			op, _ := output.(operation)
			from, _ := state.(life)
			for _, l := range from.reachable() {
				if to, ok := l.call(op); ok {
					next = append(next, to)
				}
				if !op.known {
					next = append(next, l) // it may never have been carried out
				}
			}
			return next
		},
	}
	return m.ToModel()
}

// call carries out an operation and tells whether its answer is right.
func (l life) call(op operation) (life, bool) {
	if op.name == "get" {
		return l, op.known && op.state == string(l.status) && op.attempt == l.attempt
	}
	if l.status.Ended() {
		return l, !op.known || op.status == 409
	}
	to := l.step(&job.Event{Kind: job.End, Status: job.Canceled, Attempt: l.attempt})
	return to, !op.known || op.status == 200 && op.attempt == to.attempt
}

// linearizable checks one job's history.
func linearizable(history []operation) porcupine.CheckResult {
	var ops []porcupine.Operation
	for _, o := range history {
		returned := o.finish.UnixNano()
		if !o.known {
			returned = math.MaxInt64 // it may be carried out any time after its call
		}
		ops = append(ops, porcupine.Operation{ClientId: o.client, Call: o.begin.UnixNano(), Output: o, Return: returned})
	}
	return porcupine.CheckOperationsTimeout(jobModel(), ops, 20*time.Second)
}

// during places an operation, in milliseconds.
func during(from, to int, o operation) operation {
	origin := time.Unix(1, 0)
	o.begin, o.finish = origin.Add(time.Duration(from)*time.Millisecond), origin.Add(time.Duration(to)*time.Millisecond)
	return o
}

func TestTheHistoryCheckerTellsRightFromWrong(t *testing.T) {
	t.Parallel()
	got := func(state job.Status, attempt int) operation {
		return operation{name: "get", known: true, status: 200, state: string(state), attempt: attempt}
	}
	canceled := operation{name: "cancel", known: true, status: 200, state: string(job.Canceled)}
	conflict := operation{name: "cancel", known: true, status: 409}
	lost := operation{name: "cancel"}
	for name, c := range map[string]struct {
		history []operation
		want    porcupine.CheckResult
	}{
		"a life":                            {[]operation{during(0, 1, got(job.Queued, 0)), during(2, 3, got(job.Running, 1)), during(4, 5, got(job.Succeeded, 1))}, porcupine.Ok},
		"a lost attempt":                    {[]operation{during(0, 1, got(job.Running, 1)), during(2, 3, got(job.Running, 2)), during(4, 5, got(job.Succeeded, 2))}, porcupine.Ok},
		"a cancel beside a look":            {[]operation{during(0, 9, canceled), during(1, 2, got(job.Queued, 0)), during(3, 4, got(job.Canceled, 0))}, porcupine.Ok},
		"a cancel that came too late":       {[]operation{during(0, 9, conflict), during(1, 2, got(job.Queued, 0)), during(10, 11, got(job.Succeeded, 1))}, porcupine.Ok},
		"a cancel unheard that took effect": {[]operation{during(0, 1, lost), during(5, 6, got(job.Queued, 0)), during(8, 9, got(job.Canceled, 0))}, porcupine.Ok},
		"canceled, then not":                {[]operation{during(0, 1, canceled), during(2, 3, got(job.Succeeded, 1))}, porcupine.Illegal},
		"canceled, then still queued":       {[]operation{during(0, 1, canceled), during(2, 3, got(job.Queued, 0))}, porcupine.Illegal},
		"two ends":                          {[]operation{during(0, 1, got(job.Failed, 1)), during(2, 3, got(job.Succeeded, 2))}, porcupine.Illegal},
		"two cancels that both did it":      {[]operation{during(0, 1, canceled), during(2, 3, canceled)}, porcupine.Illegal},
		"a conflict before the end":         {[]operation{during(0, 1, conflict), during(2, 3, got(job.Running, 1))}, porcupine.Illegal},
		"an attempt backwards":              {[]operation{during(0, 1, got(job.Running, 2)), during(2, 3, got(job.Running, 1)), during(4, 5, got(job.Queued, 0))}, porcupine.Illegal},
		"canceled by nobody":                {[]operation{during(0, 1, got(job.Queued, 0)), during(2, 3, got(job.Canceled, 0))}, porcupine.Illegal},
	} {
		assert.Equal(t, c.want, linearizable(c.history), name)
	}
}
