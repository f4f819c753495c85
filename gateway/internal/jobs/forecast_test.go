package jobs

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// pullOne makes the lane's consumer and takes n jobs from it.
func (d *desk) pullOne(class job.Class, n int) {
	d.t.Helper()
	got := make(chan *queue.Delivery, 100)
	p, err := d.wk.Pull(d.t.Context(), queue.Lane{Model: "m", Class: class, Kind: queue.Express},
		func(x *queue.Delivery) { got <- x }, func(bool, int) {})
	require.NoError(d.t, err)
	d.t.Cleanup(func() { p.Stop(d.t.Context()) })
	p.Ask(n)
	for range n {
		<-got
	}
}

func TestAQueuedJobTellsItsPositionAndWhenItStarts(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: 4, Capacity: 2},
	}}))
	require.Eventually(t, func() bool { return d.catalog.capacity("m", time.Now()) == 2 }, 5*time.Second, time.Millisecond)
	var ids []string
	submit := func(class job.Class) job.State {
		t.Helper()
		r := request()
		r.Class = class
		sub, err := d.Submit(t.Context(), anyone(), r)
		require.NoError(t, err)
		return sub.State
	}
	for range 12 {
		ids = append(ids, submit("").Job.ID)
	}
	d.pullOne(job.Standard, 2)
	d.pullOne(job.Interactive, 0)
	get := func(id string) job.State {
		t.Helper()
		var st job.State
		require.Eventually(t, func() bool { // what was asked before may be believed for a while
			d.forecast.mu.Lock()
			clear(d.forecast.lanes)
			d.forecast.mu.Unlock()
			var err error
			st, err = d.Get(t.Context(), "acme", id)
			return err == nil
		}, time.Second, time.Millisecond)
		return st
	}
	assert.Zero(t, get(ids[0]).QueuePosition, "a worker has it")
	third, last := get(ids[2]), get(ids[11])
	assert.Equal(t, 1, third.QueuePosition)
	assert.Equal(t, 500*time.Millisecond, third.ETA)
	assert.Equal(t, 10, last.QueuePosition)
	assert.Equal(t, 5*time.Second, last.ETA)

	urgent := submit(job.Interactive)
	assert.LessOrEqual(t, urgent.QueuePosition, 1, "those of its class alone")
	assert.InDelta(t, 11, get(ids[11]).QueuePosition, 1, "the urgent one goes first")
	assert.InDelta(t, 12, submit("").QueuePosition, 1, "the newest is the last")

	r := request()
	r.TTL = 2
	_, err := d.Submit(t.Context(), anyone(), r)
	require.Equal(t, fault.Overloaded, fault.CodeOf(err), "it would expire before its turn")
	assert.InDelta(t, 4, fault.From(err).RetryAfter.Seconds(), 1)
	r.TTL, r.Within = 0, time.Second
	_, err = d.Submit(t.Context(), anyone(), r)
	require.Equal(t, fault.Overloaded, fault.CodeOf(err))
	r.Within = time.Minute
	r.Wait = time.Millisecond
	sub, err := d.Submit(t.Context(), anyone(), r)
	require.NoError(t, err)
	assert.InDelta(t, 13, sub.State.QueuePosition, 1)
}

func TestJobsThatFindFreeSlotsDoNotWait(t *testing.T) {
	t.Parallel()
	d := open(t)
	require.NoError(t, d.wk.Heartbeat(t.Context(), job.Worker{ID: "w", SeenAt: time.Now(), Models: []job.Offer{
		{Name: "m", Versions: []string{"1"}, Engine: "e", Slots: 4, Capacity: 0.4},
	}}))
	require.Eventually(t, func() bool { return d.catalog.capacity("m", time.Now()) == 0.4 }, 5*time.Second, time.Millisecond)
	p, err := d.wk.Pull(t.Context(), queue.Lane{Model: "m", Class: job.Standard, Kind: queue.Express},
		func(*queue.Delivery) {}, func(bool, int) {})
	require.NoError(t, err)
	t.Cleanup(func() { p.Stop(t.Context()) })
	p.Ask(4)
	r := request()
	r.TTL = 4
	for range 4 { // within the time that the depth is believed: the broker may not have been asked since the first
		sub, err := d.Submit(t.Context(), anyone(), r)
		require.NoError(t, err)
		assert.Zero(t, sub.State.QueuePosition)
	}
}

func TestTheDepthOfALaneFollowsWhatComesAndGoes(t *testing.T) {
	t.Parallel()
	d := open(t)
	lane := queue.Lane{Model: "m", Class: job.Standard, Kind: queue.Express}
	f := newForecast(d.queue, d.catalog, d.lanes)
	f.lanes[lane] = &laneDepth{Depth: queue.Depth{Waiting: 3}, asked: time.Now().Add(time.Hour)} // the broker is not asked
	f.came(lane)
	f.came(lane)
	assert.Equal(t, 5, f.depth(t.Context(), lane).Waiting)
	for range 4 {
		f.went(lane)
	}
	assert.Equal(t, 1, f.depth(t.Context(), lane).Waiting)
	for range 4 {
		f.went(lane)
	}
	assert.Zero(t, f.depth(t.Context(), lane).Waiting)
}
