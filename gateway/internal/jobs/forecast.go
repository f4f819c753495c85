package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/lanes"
	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

const (
	depthFor = 250 * time.Millisecond // the broker is asked that rarely for a lane's depth, however many jobs ask
	staleFor = 2 * time.Second        // an older one is good for nothing: who asks waits for the new one
)

// mostLanes bounds how many depths are remembered.
const mostLanes = 1024

// forecast tells how long jobs will wait: what waits before them, by what the workers say they get done.
type forecast struct {
	queue    *queue.Queue
	catalog  *catalog
	backlogs *lanes.Lanes

	mu    sync.Mutex
	lanes map[queue.Lane]*laneDepth // guarded by mu
}

// laneDepth is what is known of a lane.
type laneDepth struct {
	queue.Depth
	asked time.Time
	since int // jobs from here that came since it was asked, less those that ended
}

func newForecast(q *queue.Queue, c *catalog, b *lanes.Lanes) *forecast {
	return &forecast{queue: q, catalog: c, backlogs: b, lanes: map[queue.Lane]*laneDepth{}}
}

// depth is the lane's, as the broker knew it depthFor ago at most while jobs come, and what came and went since. Nobody
// waits for the broker unless what was known is too old.
func (f *forecast) depth(ctx context.Context, lane queue.Lane) queue.Depth {
	now := time.Now()
	f.mu.Lock()
	l := f.lanes[lane]
	if l == nil {
		if len(f.lanes) >= mostLanes {
			clear(f.lanes)
		}
		l = &laneDepth{}
		f.lanes[lane] = l
	}
	age := now.Sub(l.asked)
	if age >= depthFor {
		l.asked = now
	}
	f.mu.Unlock()
	ctx = context.WithoutCancel(ctx)
	switch {
	case age >= staleFor:
		f.ask(ctx, lane, l)
	case age >= depthFor:
		go f.ask(ctx, lane, l)
	}
	f.mu.Lock()
	d := l.Depth
	d.Waiting = max(0, d.Waiting+l.since)
	seen := l.Waiting
	f.mu.Unlock()
	if seen == 0 && d.Waiting > 0 { // what came since waits only if the slots are taken
		d.Waiting = min(d.Waiting, max(0, f.backlogs.Unfinished(lane.Model)-f.catalog.slots(lane.Model)))
	}
	return d
}

func (f *forecast) ask(ctx context.Context, lane queue.Lane, l *laneDepth) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	asked, err := f.queue.Depth(ctx, lane)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err == nil { // else what was known must do
		l.Depth, l.since = asked, 0
	}
}

// came notes a job that was stored in a lane, and went that one of it ended: while jobs wait, one begins as one ends.
func (f *forecast) came(lane queue.Lane) { f.changed(lane, 1) }

func (f *forecast) went(lane queue.Lane) { f.changed(lane, -1) }

func (f *forecast) changed(lane queue.Lane, n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if l := f.lanes[lane]; l != nil {
		l.since += n
	}
}

func laneOf(j *job.Job) queue.Lane {
	l := queue.Lane{Model: j.Model, Class: j.Class, Kind: queue.Express}
	if j.Backlog {
		l.Kind, l.Tenant = queue.Backlog, j.Tenant
	}
	return l
}

// ahead is how many jobs go before the last of own ones of a class: those of the more urgent classes, as far as these
// leave the class no more than its floor.
func (f *forecast) ahead(ctx context.Context, model string, class job.Class, own int) int {
	n := 0
	for _, c := range job.Classes() {
		if c == class {
			break
		}
		n += f.depth(ctx, queue.Lane{Model: model, Class: c, Kind: queue.Express}).Waiting + f.backlogs.Held(model, c)
	}
	if floor := fair.Floor(class); floor > 0 {
		n = min(n, int(float64(own)/floor)-own)
	}
	return n
}

// position is how many-th a job is to be handed out. at is its place in JOBS; 0 means the end. b is nil for express.
func (f *forecast) position(ctx context.Context, j *job.Job, at uint64, b *lanes.Backlog) int {
	d := f.depth(ctx, laneOf(j))
	own := d.Waiting
	if at > 0 {
		own = d.Position(at)
	}
	if b != nil {
		if own == 0 && d.Delivered == 0 {
			own = b.Jobs // nobody has asked for the lane yet
		}
		if own > 0 { // its tenant takes turns with others, and all with the express lane
			express := f.depth(ctx, queue.Lane{Model: j.Model, Class: j.Class, Kind: queue.Express}).Waiting
			own = min(int(float64(own)/b.Part), own+b.Others) + express
		}
	}
	if own == 0 {
		return 0
	}
	return own + f.ahead(ctx, j.Model, j.Class, own)
}

// place tells a queued job's position and when it should start.
func (f *forecast) place(ctx context.Context, st *job.State, at uint64) {
	if st.Status != job.Queued {
		return
	}
	st.QueuePosition = f.position(ctx, st.Job, at, f.backlogs.Backlog(st.Job, true))
	st.ETA = f.wait(st.Job.Model, st.QueuePosition)
}

// wait is how long n jobs of a model take to be handed out; 0 when nothing is known.
func (f *forecast) wait(model string, n int) time.Duration {
	c := f.catalog.capacity(model, time.Now())
	if c <= 0 {
		return 0
	}
	return time.Duration(float64(n) / c * float64(time.Second))
}

// inTime refuses a job that would wait past its deadline, or just about: forecasts are off by a tenth or so, and a job
// is better refused at once than given up after it has waited.
func (f *forecast) inTime(ctx context.Context, j *job.Job, deadline time.Duration) error {
	b := f.backlogs.Backlog(j, false)
	would := *j
	would.Backlog = b != nil
	n := f.position(ctx, &would, 0, b)
	w := f.wait(j.Model, n)
	if w += w / 8; w > deadline {
		return &fault.Error{
			Code: fault.Overloaded, RetryAfter: w - deadline,
			Detail: "the jobs before this one would take longer than it may wait",
		}
	}
	return nil
}
