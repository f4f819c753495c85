package lanes

import (
	"context"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
	"github.com/penstock-dev/penstock/shared/testenv"
)

// bench is a broker with a worker that hears hints.
type bench struct {
	t      *testing.T
	broker *testenv.Broker
	gw     *queue.Queue
	hints  chan queue.Hint
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, broker: testenv.StartBroker(t), hints: make(chan queue.Hint, 1000)}
	b.gw = b.broker.Gateway(queue.Options{})
	stop, err := b.broker.Worker(queue.Options{}).OnHints("m", func(h queue.Hint) { b.hints <- h })
	require.NoError(t, err)
	t.Cleanup(stop)
	return b
}

// open makes a gateway's lanes and runs them until stop is called, or the test ends.
func (b *bench) open(name string, slots int) (l *Lanes, stop func()) {
	l = New(b.broker.Gateway(queue.Options{}), func(string) int { return slots }, name, testenv.Logger(b.t))
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	ended := false
	stop = func() {
		if !ended {
			ended = true
			cancel()
			assert.NoError(b.t, <-done)
		}
	}
	b.t.Cleanup(stop)
	return l, stop
}

func newJob(tenant string, i int) *job.Job {
	return &job.Job{
		ID: "j" + strconv.Itoa(i), Tenant: tenant, Model: "m", Class: job.Standard, CreatedAt: time.Now(), MaxAttempts: 3, Input: []byte(`1`),
	}
}

// hint waits for a gateway's hint.
func (b *bench) hint(from string) {
	b.t.Helper()
	for deadline := time.After(20 * time.Second); ; {
		select {
		case h := <-b.hints:
			if h.From == from {
				assert.Equal(b.t, queue.Lane{Model: "m", Class: job.Standard, Kind: queue.Backlog, Tenant: "acme"}, h.Lane)
				return
			}
		case <-deadline:
			require.Fail(b.t, "nobody tells of the backlog")
		}
	}
}

func (l *Lanes) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.tallies) + len(l.models)
}

func enter(l *Lanes, tenant string, n int) (backlog, all []*job.Job) {
	for i := range n {
		j := newJob(tenant, i)
		l.Enter(j)
		l.Stored(j)
		all = append(all, j)
		if j.Backlog {
			backlog = append(backlog, j)
		}
	}
	return backlog, all
}

func TestWhatIsBeyondTheBoundGoesToTheBacklog(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g1", 40)
	backlog, alone := enter(l, "alone", 60)
	assert.Len(t, backlog, 10, "its slots and a quarter more are express")
	backlog, second := enter(l, "second", 60)
	assert.Len(t, backlog, 60-28, "they share the slots")
	for _, j := range alone[:50] {
		l.Leave(j)
	}
	more, rest := enter(l, "alone", 1)
	assert.Len(t, more, 1, "it stays behind its backlog")
	for _, j := range append(append(alone[50:], second...), rest...) {
		l.Leave(j)
	}
	assert.Zero(t, l.size())
	more, _ = enter(l, "alone", 1)
	assert.Empty(t, more)
}

func TestFewJobsAreExpressWithoutAWorker(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g1", 0)
	backlog, _ := enter(l, "acme", 20)
	assert.Len(t, backlog, 12)
}

func TestWorkersAreToldOfABacklogAgainAndAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g1", 1)
	_, jobs := enter(l, "acme", 20)
	for range 3 {
		b.hint("g1")
	}
	for _, j := range jobs {
		l.Leave(j)
	}
	assert.Zero(t, l.size())
}

func TestANewWorkerIsTold(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g1", 1)
	enter(l, "acme", 20)
	b.hint("g1")
	l.Again()
	b.hint("g1")
}

func TestBacklogsAreFoundAtTheStart(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	j := newJob("acme", 1)
	j.Backlog = true
	require.NoError(t, b.gw.Publish(t.Context(), j))
	l, _ := b.open("g2", 1)
	b.hint("g2")
	late := newJob("acme", 2)
	l.Enter(late)
	assert.True(t, late.Backlog, "it goes behind what was there")
	l.Leave(late)
}

func TestABacklogOfADeadGatewayIsTakenOver(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	survivor, _ := b.open("g2", 1)
	first, die := b.open("g1", 1)
	j := newJob("acme", 1)
	j.Backlog = true
	require.NoError(t, b.gw.Publish(t.Context(), j))
	enter(first, "acme", 20)
	b.hint("g1")
	require.Eventually(t, func() bool {
		x := newJob("acme", 9)
		survivor.Enter(x)
		survivor.Leave(x)
		return x.Backlog
	}, 5*time.Second, 5*time.Millisecond, "another gateway's backlog counts here, too")
	die()
	b.hint("g2")
	b.hint("g2")
}

func TestABacklogThatIsNotThereIsForgotten(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g2", 1)
	require.Eventually(t, func() bool {
		return b.gw.Hint(queue.Hint{Lane: laneOf(newJob("ghost", 1)), From: "g1"}) == nil && l.size() > 0
	},
		5*time.Second, 20*time.Millisecond)
	require.Eventually(t, func() bool { return l.size() == 0 }, 30*time.Second, 50*time.Millisecond)
}

func TestWhatABacklogStandsBeside(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	l, _ := b.open("g1", 1)
	enter(l, "light", 30)
	for i := range 30 {
		j := newJob("heavy", i)
		j.Weight = 3
		l.Enter(j)
	}
	j := newJob("light", 99)
	got := l.Backlog(j, false)
	require.NotNil(t, got)
	assert.Equal(t, 21, got.Jobs)
	assert.InDelta(t, 0.25, got.Part, 0.001)
	assert.Equal(t, 22, got.Others)
	assert.Equal(t, 43, l.Held("m", job.Standard))
	assert.Nil(t, l.Backlog(newJob("quiet", 1), false))
	express, backlog, tenants := l.Totals()
	assert.Equal(t, []int{17, 43, 2}, []int{express, backlog, tenants})
	assert.Nil(t, l.Backlog(j, true), "it is on the express lane")
}
