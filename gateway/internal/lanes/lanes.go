package lanes

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fair"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/queue"
)

// Queue is what is needed of the queue.
type Queue interface {
	Hint(h queue.Hint) error
	OnHints(model string, handle func(queue.Hint)) (stop func(), err error)
	OnReconnect(hear func()) (forget func())
	HasBacklog(ctx context.Context, l queue.Lane) (bool, error)
	Backlogs(ctx context.Context) ([]queue.Lane, error)
}

// Lanes counts the unfinished jobs of the tenants, as far as this gateway accepted them. It is safe for concurrent use.
type Lanes struct {
	queue Queue
	slots func(model string) int
	name  string
	log   *slog.Logger
	rouse chan struct{} // tells Run that there is something to do

	mu      sync.Mutex
	tallies map[queue.Lane]*tally // guarded by mu, by backlog lane
	models  map[string]*fleet     // guarded by mu
	hinter  *fair.Hinter          // guarded by mu
	due     bool                  // guarded by mu: the hinter has something to say later
	passed  time.Time             // guarded by mu: when the tallies were last gone through
	told    time.Time             // guarded by mu: when all backlogs were last told of; zero: it is time
	scan    bool                  // guarded by mu: the queue is to be looked through
}

// tally is a tenant's unfinished jobs of a model and class.
type tally struct {
	express, backlog int
	weight           float64   // 0: not known
	changed          time.Time // when one last came or went
	others           time.Time // when another gateway last told of this backlog
	doubt            bool      // backlog may not be true: the queue knows
	asked            time.Time // when it was last asked
}

// fleet is what the workers offer of a model, and how many tenants share it.
type fleet struct {
	tenants int // with unfinished jobs from here, of any class
	slots   int
	read    time.Time // when slots was

	unfinished int // jobs from here, when last counted
	counted    time.Time
}

const (
	fleetFor    = time.Second           // how long the workers' slots are believed
	fewTallies  = 100                   // so many are counted whenever it is asked
	countedFor  = 10 * time.Millisecond // more are counted that rarely
	hintTick    = 10 * time.Millisecond
	tellEvery   = time.Second      // all backlogs are told of again: hints get lost, and leases run out
	mostTold    = 500              // hints a second for that
	silentAfter = 3 * time.Second  // another gateway that tells of no backlog for so long has none, or is dead
	doubtAfter  = 30 * time.Second // a backlog of which nothing was heard for so long is asked for
	forgetAfter = 10 * time.Minute // jobs on the express lane of which nothing was heard for so long don't count
	mostAsked   = 50               // in one turn
	scanEvery   = time.Minute
	scanShare   = 200 // at most one part in so many of the time goes to looking through the queue
)

// New counts from now on; slots tells how many jobs of a model the workers can run at once, and name this gateway from
// others. Run must run, for workers to hear of backlogs.
func New(q Queue, slots func(model string) int, name string, log *slog.Logger) *Lanes {
	return &Lanes{
		queue: q, slots: slots, name: name, log: log, rouse: make(chan struct{}, 1),
		tallies: map[queue.Lane]*tally{}, models: map[string]*fleet{}, hinter: fair.NewHinter(2 * hintTick), scan: true,
	}
}

func laneOf(j *job.Job) queue.Lane {
	return queue.Lane{Model: j.Model, Class: j.Class, Kind: queue.Backlog, Tenant: j.Tenant}
}

// Enter counts a job that is about to be stored, and puts it on its lane. Stored, Unsure or Leave follows.
func (l *Lanes) Enter(j *job.Job) {
	k := laneOf(j)
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.of(k)
	t.weight, t.changed = max(j.Weight, 1), now
	j.Backlog = l.backlogged(k, t, now)
	if j.Backlog {
		t.backlog++
	} else {
		t.express++
	}
}

// backlogged tells whether a tenant's next job goes to its backlog. It is called with mu held.
func (l *Lanes) backlogged(k queue.Lane, t *tally, now time.Time) bool {
	backlog := t.backlog
	if now.Sub(t.others) < silentAfter {
		backlog++
	}
	return fair.LaneFor(t.express, backlog, l.bound(k.Model, now)) == fair.Backlog
}

// Stored hears that a job that entered is in the queue: if it is a backlog's, workers are told, now or soon.
func (l *Lanes) Stored(j *job.Job) {
	if !j.Backlog {
		return
	}
	k := laneOf(j)
	l.mu.Lock()
	t := l.tallies[k]
	if t == nil {
		l.mu.Unlock()
		return // it has ended already
	}
	h := hintOf(k, t.weight)
	now := l.hinter.Published(h, t.backlog, time.Now())
	wake := !now && !l.due
	l.due = l.due || wake
	l.mu.Unlock()
	if now {
		l.tell(h)
	}
	if wake {
		l.wake()
	}
}

// Unsure hears that it is not known whether a job that entered was stored.
func (l *Lanes) Unsure(j *job.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.tallies[laneOf(j)]; t != nil && j.Backlog {
		t.doubt = true
	} else {
		l.leave(j)
	}
}

// Leave hears that a job that entered has ended, or was not stored.
func (l *Lanes) Leave(j *job.Job) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leave(j)
}

// leave is called with mu held.
func (l *Lanes) leave(j *job.Job) {
	k := laneOf(j)
	t := l.tallies[k]
	if t == nil {
		return // it came before this gateway did
	}
	t.changed = time.Now()
	switch {
	case !j.Backlog:
		t.express = max(0, t.express-1)
	case t.doubt:
		t.backlog = max(1, t.backlog-1)
	default:
		t.backlog = max(0, t.backlog-1)
	}
	l.drop(k, t)
}

// Backlog is what a tenant's backlog of a model and class stands beside.
type Backlog struct {
	Jobs   int     // unfinished ones there, as far as this gateway knows
	Part   float64 // of what the workers do for the backlogs of the class, by weight
	Others int     // unfinished jobs in other tenants' backlogs of the class
}

// Backlog tells of the lane that a job is on, or, where it is not counted yet, would go to; it is nil for express.
func (l *Lanes) Backlog(j *job.Job, counted bool) *Backlog {
	k := laneOf(j)
	l.mu.Lock()
	defer l.mu.Unlock()
	if counted && !j.Backlog {
		return nil
	}
	own := l.tallies[k]
	if !counted && (own == nil || !l.backlogged(k, own, time.Now())) {
		return nil
	}
	b := &Backlog{}
	mine, sum := 1.0, 0.0
	if own != nil {
		b.Jobs, mine = own.backlog, max(1, own.weight)
	}
	for x, t := range l.tallies {
		if x != k && x.Model == k.Model && x.Class == k.Class && (t.backlog > 0 || !t.others.IsZero()) {
			sum += max(1, t.weight)
			b.Others += t.backlog
		}
	}
	b.Part = mine / (mine + sum)
	return b
}

// Held is how many unfinished jobs of a model and class are in backlogs, as far as this gateway knows.
func (l *Lanes) Held(model string, class job.Class) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for k, t := range l.tallies {
		if k.Model == model && k.Class == class {
			n += t.backlog
		}
	}
	return n
}

// Unfinished is how many jobs of a model, of those accepted here, have not ended as far as this gateway knew a moment ago.
func (l *Lanes) Unfinished(model string) int {
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.models[model]
	if f == nil {
		return 0
	}
	if len(l.tallies) > fewTallies && now.Sub(f.counted) < countedFor {
		return f.unfinished
	}
	f.unfinished, f.counted = 0, now
	for k, t := range l.tallies {
		if k.Model == model {
			f.unfinished += t.express + t.backlog
		}
	}
	return f.unfinished
}

// Totals is how many unfinished jobs are on express and in backlogs, and how many tenants have one of a model and class, as
// far as this gateway knows.
func (l *Lanes) Totals() (express, backlog, tenants int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, t := range l.tallies {
		express += t.express
		backlog += t.backlog
		if t.backlog > 0 {
			tenants++
		}
	}
	return express, backlog, tenants
}

// bound is fair.Bound for a model. It is called with mu held.
func (l *Lanes) bound(model string, now time.Time) int {
	f := l.models[model]
	if now.Sub(f.read) > fleetFor {
		f.slots, f.read = l.slots(model), now
	}
	return fair.Bound(f.slots, f.tenants)
}

// of is called with mu held.
func (l *Lanes) of(k queue.Lane) *tally {
	t := l.tallies[k]
	if t == nil {
		t = &tally{}
		l.tallies[k] = t
		f := l.models[k.Model]
		if f == nil {
			f = &fleet{}
			l.models[k.Model] = f
		}
		f.tenants++
	}
	return t
}

// drop forgets a tally that says nothing. It is called with mu held.
func (l *Lanes) drop(k queue.Lane, t *tally) {
	if t.express > 0 || t.backlog > 0 || !t.others.IsZero() {
		return
	}
	delete(l.tallies, k)
	f := l.models[k.Model]
	if f.tenants--; f.tenants == 0 {
		delete(l.models, k.Model)
	}
}

func (l *Lanes) wake() {
	select {
	case l.rouse <- struct{}{}:
	default:
	}
}

func hintOf(k queue.Lane, weight float64) fair.Hint {
	return fair.Hint{Model: k.Model, Class: k.Class, Tenant: k.Tenant, Weight: weight}
}

func (l *Lanes) tell(h fair.Hint) {
	k := queue.Lane{Model: h.Model, Class: h.Class, Kind: queue.Backlog, Tenant: h.Tenant}
	if err := l.queue.Hint(queue.Hint{Lane: k, Weight: h.Weight, From: l.name}); err != nil {
		l.log.Debug("a backlog is not told of", "tenant", k.Tenant, "model", k.Model, "error", err) // all are told of again
	}
}
