// Package lifetest holds the life of jobs, on a real broker, against a model of a few lines.
package lifetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/gateway/internal/jobs"
	"github.com/penstock-dev/penstock/gateway/internal/tenant"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	tenantID  = "acme"
	sequences = 6
	steps     = 120
	mostJobs  = 4
	leaseTime = 300 * time.Millisecond
)

// entry is one event of the model's log: all that the model knows of it.
type entry struct {
	kind    job.Kind
	status  job.Status
	attempt int
}

// model is a job as it should be: a list of events. Whoever writes names the length it knows, and is refused when the
// list has grown since.
type model struct {
	log []entry
}

func (m *model) write(known int, e entry) (stored bool) {
	if known != len(m.log) {
		return false
	}
	m.log = append(m.log, e)
	return true
}

func (m *model) ended() bool { return len(m.log) > 0 && m.log[len(m.log)-1].kind == job.End }

// state is what the newest event says: the table of the status machine, written a second time.
func (m *model) state() (job.Status, int) {
	if len(m.log) == 0 {
		return job.Queued, 0
	}
	e := m.log[len(m.log)-1]
	switch e.kind {
	case job.Started, job.Output:
		return job.Running, e.attempt
	case job.Released:
		return job.Queued, e.attempt - 1
	case job.Retrying:
		return job.Queued, e.attempt
	default:
		return e.status, e.attempt
	}
}

// next is the number of an attempt that begins now.
func (m *model) next() int {
	if len(m.log) == 0 {
		return 1
	}
	e := m.log[len(m.log)-1]
	if e.kind == job.Released {
		return e.attempt
	}
	return e.attempt + 1
}

// messages are the names of the events that a reader is told.
func (m *model) messages() []string {
	out := []string{"status"}
	for _, e := range m.log {
		switch {
		case e.kind == job.Started && e.attempt > 1:
			out = append(out, "restart", "status")
		case e.kind == job.Output, e.status == job.Succeeded:
			out = append(out, "output")
		case e.kind == job.End && e.status == job.Failed:
			out = append(out, "error")
		case e.kind != job.End:
			out = append(out, "status")
		}
		if e.kind == job.End {
			out = append(out, "done")
		}
	}
	return out
}

// attempt is a delivery in the hands of a worker, which may be alive, or gone and come back.
type attempt struct {
	d      *queue.Delivery
	j      *known
	number int
	length int    // of the log, as it knows it
	seq    uint64 // of the newest event it knows
}

// known is a job with its model.
type known struct {
	model
	j *job.Job
}

// world is a gateway's jobs and a worker's queue on one broker, and what should be there.
type world struct {
	t         *testing.T
	rng       *rand.Rand
	svc       *jobs.Service
	wk        *queue.Queue
	puller    *queue.Puller
	delivered chan *queue.Delivery
	jobs      []*known
	byID      map[string]*known
	alive     []*attempt
	zombies   []*attempt // killed as far as the broker knows, and yet they write
	did       map[string]int
}

// everyone is a Limiter without limits.
type everyone struct{}

func (everyone) Admit(context.Context, *tenant.Principal, string, time.Time) ([]job.LimitState, error) {
	return nil, nil
}
func (everyone) Ended(context.Context, string, string, string)                 {}
func (everyone) Began(context.Context, string, string, bool)                   {}
func (everyone) Held(context.Context, string, int64) (ids []string, err error) { return nil, nil }

func (everyone) Missed() {}

func (everyone) Queued(context.Context, string, int64) (ids []string, err error) { return nil, nil }

func newWorld(t *testing.T, seed uint64) *world {
	t.Helper()
	b := testenv.StartBroker(t)
	gw, wk := b.Gateway(queue.Options{}), b.Worker(queue.Options{AckWait: leaseTime})
	require.NoError(t, wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: mostJobs},
	}}))
	svc, err := jobs.New(t.Context(), jobs.Config{}, gw, everyone{}, nil, testenv.Logger(t))
	require.NoError(t, err)
	t.Cleanup(svc.Close)
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 0)), svc: svc, wk: wk, delivered: make(chan *queue.Delivery, 64),
		byID: map[string]*known{}, did: map[string]int{},
	}
	lane := queue.Lane{Model: "m", Class: job.Standard, Kind: queue.Express}
	w.puller, err = wk.Pull(t.Context(), lane, func(d *queue.Delivery) { w.delivered <- d }, func(bool, int) {})
	require.NoError(t, err)
	t.Cleanup(func() { w.puller.Stop(context.Background()) })
	return w
}

// Random calls and events, on a real broker: after each, the job is what the model says; at the end every job has ended
// once, and its stream says what the model's log says.
func TestTheLifeOfJobsAgreesWithTheModel(t *testing.T) {
	t.Parallel()
	first := rand.Uint64N(1 << 32)
	worlds := make([]*world, sequences)
	t.Run("sequences", func(t *testing.T) {
		t.Parallel()
		for i := range uint64(sequences) {
			t.Run(fmt.Sprintf("seed %d", first+i), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, first+i)
				worlds[i] = w
				for range steps {
					w.step()
					if t.Failed() {
						return
					}
				}
				w.finish()
			})
		}
	})
	t.Cleanup(func() { // all of them have ended
		did := map[string]int{}
		for _, w := range worlds {
			if w == nil {
				return
			}
			for k, n := range w.did {
				did[k] += n
			}
		}
		t.Logf("%v", did)
		for _, k := range []string{
			"submit", "deliver", "redeliver", "kill", "cancel", "conflict", "fenced", string(job.Started), string(job.Output),
			string(job.Retrying), string(job.Released), string(job.End),
		} {
			assert.Positive(t, did[k], k)
		}
	})
}

func (w *world) step() {
	for _, a := range w.alive {
		_ = a.d.Renew() // a lease that runs out all the same makes a zombie of its attempt, which is allowed
	}
	switch n := w.rng.IntN(100); {
	case n < 15:
		w.submit()
	case n < 40:
		w.deliver()
	case n < 48:
		w.cancel()
	case n < 56:
		w.kill()
	case n < 66 && len(w.zombies) > 0:
		w.write(w.zombies[w.rng.IntN(len(w.zombies))], false)
	case len(w.alive) > 0:
		w.write(w.alive[w.rng.IntN(len(w.alive))], true)
	}
}

func (w *world) note(what string) { w.did[what]++ }

func (w *world) open() (n int) {
	for _, j := range w.jobs {
		if !j.ended() {
			n++
		}
	}
	return n
}

func (w *world) submit() {
	if w.open() >= mostJobs {
		return
	}
	p := &tenant.Principal{Tenant: tenant.Tenant{ID: tenantID}, Scopes: []string{"*"}}
	sub, err := w.svc.Submit(w.t.Context(), p, job.Request{Model: "m", Input: []byte(`{}`)})
	require.NoError(w.t, err)
	j := &known{j: sub.State.Job}
	w.jobs, w.byID[j.j.ID] = append(w.jobs, j), j
	w.note("submit")
	w.look(j)
}

// deliver takes the next job that the broker hands out, first or again, if there is one within a lease's time.
func (w *world) deliver() {
	if w.open() == 0 {
		return
	}
	if w.puller.Asked() == 0 {
		w.puller.Ask(1)
	}
	timer := time.NewTimer(2 * leaseTime)
	defer timer.Stop()
	for {
		select {
		case d := <-w.delivered:
			w.take(d)
			return
		case <-timer.C:
			return
		case <-time.After(leaseTime / 4):
			for _, a := range w.alive {
				_ = a.d.Renew() // as in step
			}
		}
	}
}

func (w *world) take(d *queue.Delivery) {
	j := w.byID[d.Job.ID]
	require.NotNil(w.t, j, "a job that nobody submitted: %s", d.Job.ID)
	last, err := w.wk.Last(w.t.Context(), tenantID, d.Job.ID)
	if len(j.log) == 0 {
		require.ErrorIs(w.t, err, queue.ErrNotFound)
		last = &job.Event{}
	} else {
		require.NoError(w.t, err)
		newest := entry{last.Kind, last.Status, last.Attempt}
		require.Equal(w.t, j.log[len(j.log)-1], newest, "what the log ends with")
	}
	w.note("deliver")
	if d.Count > 1 {
		w.note("redeliver")
	}
	if j.ended() {
		require.NoError(w.t, d.Ack())
		return
	}
	for i, a := range w.alive { // its lease ran out unseen
		if a.j == j {
			w.alive = append(w.alive[:i], w.alive[i+1:]...)
			w.zombies = append(w.zombies, a)
			break
		}
	}
	w.alive = append(w.alive, &attempt{d: d, j: j, number: j.next(), length: len(j.log), seq: last.Seq})
}

// cancel ends a job for its caller, once.
func (w *world) cancel() {
	if len(w.jobs) == 0 {
		return
	}
	j := w.jobs[w.rng.IntN(len(w.jobs))]
	st, err := w.svc.Cancel(w.t.Context(), tenantID, j.j.ID)
	if j.ended() {
		assert.Equal(w.t, fault.Conflict, fault.CodeOf(err))
		w.note("conflict")
	} else {
		require.NoError(w.t, err)
		_, attempt := j.state()
		j.write(len(j.log), entry{job.End, job.Canceled, attempt})
		assert.Equal(w.t, job.Canceled, st.Status)
		w.note("cancel")
	}
	w.look(j)
}

// kill takes a worker's delivery from it without a word.
func (w *world) kill() {
	if len(w.alive) == 0 {
		return
	}
	i := w.rng.IntN(len(w.alive))
	w.zombies = append(w.zombies, w.alive[i])
	w.alive = append(w.alive[:i], w.alive[i+1:]...)
	w.note("kill")
}

// write is an attempt's next word. An attempt that is refused, or is through, is forgotten; only a live one settles its
// delivery.
func (w *world) write(a *attempt, alive bool) {
	choices := []entry{
		{kind: job.Started},
		{kind: job.Output},
		{kind: job.Retrying},
		{kind: job.Released},
		{kind: job.End, status: job.Succeeded},
		{kind: job.End, status: job.Failed},
	}
	e := choices[w.rng.IntN(len(choices))]
	e.attempt = a.number
	w.say(a, e, alive)
}

func (w *world) say(a *attempt, e entry, alive bool) {
	event := &job.Event{Kind: e.kind, Status: e.status, Attempt: e.attempt, At: job.Stamp(time.Now()), Worker: "w"}
	failed := &job.Error{Code: fault.Internal, Message: "it failed"}
	switch e.kind {
	case job.Output:
		event.Body = []byte(`{"text":"x"}`)
	case job.End:
		event.Job = a.j.j
		if e.status == job.Succeeded {
			event.Body = []byte(`{"ok":true}`)
		} else {
			event.Error = failed
		}
	case job.Retrying:
		event.Error = failed
	default: // nothing more is told
	}
	err := w.wk.Append(w.t.Context(), tenantID, a.j.j.ID, event, a.seq)
	if !a.j.write(a.length, e) {
		require.ErrorIs(w.t, err, queue.ErrFenced, "%s by attempt %d, alive %v", e.kind, a.number, alive)
		w.note("fenced")
		w.forget(a)
		w.look(a.j)
		return
	}
	require.NoError(w.t, err, "%s by attempt %d, alive %v", e.kind, a.number, alive)
	a.length, a.seq = len(a.j.log), event.Seq
	w.note(string(e.kind))
	w.look(a.j)
	if e.kind == job.Started || e.kind == job.Output {
		return
	}
	w.forget(a)
	switch {
	case !alive:
	case e.kind == job.End:
		require.NoError(w.t, a.d.Ack())
	default:
		require.NoError(w.t, a.d.Nak(0))
	}
}

func (w *world) forget(a *attempt) {
	for _, list := range []*[]*attempt{&w.alive, &w.zombies} {
		for i, other := range *list {
			if other == a {
				*list = append((*list)[:i], (*list)[i+1:]...)
				break
			}
		}
	}
}

// look compares the job, as its caller is told, with the model.
func (w *world) look(j *known) {
	st, err := w.svc.Get(w.t.Context(), tenantID, j.j.ID)
	require.NoError(w.t, err)
	status, attempt := j.state()
	assert.Equal(w.t, status, st.Status, "%+v", j.log)
	assert.Equal(w.t, attempt, st.Attempt, "%+v", j.log)
}

// finish has every job end: what the dead held comes again.
func (w *world) finish() {
	deadline := time.Now().Add(60 * time.Second)
	for w.open() > 0 && time.Now().Before(deadline) && !w.t.Failed() {
		if len(w.alive) == 0 {
			w.deliver()
			continue
		}
		w.say(w.alive[0], entry{job.End, job.Succeeded, w.alive[0].number}, true)
	}
	require.Zero(w.t, w.open(), "jobs that nobody is handed any more")
	require.Eventually(w.t, func() bool {
		w.puller.Ask(1 - w.puller.Asked())
		select {
		case d := <-w.delivered: // what ended without an ack
			w.take(d)
		default:
		}
		left, err := w.wk.Queued(w.t.Context(), tenantID)
		return err == nil && len(left) == 0
	}, 30*time.Second, 20*time.Millisecond, "ended jobs stay in the queue")
	for _, j := range w.jobs {
		w.look(j)
		names, text := w.read(j)
		assert.Equal(w.t, j.messages(), names, "%+v", j.log)
		_, again := w.read(j)
		assert.Equal(w.t, text, again)
	}
}

// read takes a job's whole stream.
func (w *world) read(j *known) (names []string, text string) {
	s, err := w.svc.Events(w.t.Context(), tenantID, j.j.ID, 0)
	require.NoError(w.t, err)
	defer s.Close()
	for {
		m, err := s.Next(w.t.Context())
		if errors.Is(err, io.EOF) {
			return names, text
		}
		require.NoError(w.t, err)
		names = append(names, m.Name)
		text += fmt.Sprintf("%d %s %s\n", m.ID, m.Name, m.Data)
		require.Equal(w.t, len(names), m.ID)
	}
}
