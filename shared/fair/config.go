package fair

import (
	"time"

	"github.com/penstock-dev/penstock/shared/job"
)

// Source is what a worker can ask for jobs: a lane of one class.
type Source struct {
	Class  job.Class
	Tenant string // whose backlog; empty means the express lane
}

// Express tells whether s is the express lane of its class.
func (s Source) Express() bool { return s.Tenant == "" }

// MaxOpen is how many backlogs of a model have a consumer at one time, over all workers, where all of them hold jobs.
const MaxOpen = 32

// Config bounds one worker's scheduler. Zero values take the defaults named.
type Config struct {
	Slots  int    // jobs that the worker can hold; less than 1 means 1
	Over   int    // express jobs that a full worker still takes, beside one a class: more than 0 where jobs run in batches, as they get into the next one
	Worker string // makes this worker's arbitrary choices differ from those of others

	MaxOpen      int           // backlogs with a consumer at one time, over all workers; the constant MaxOpen
	Dwell        time.Duration // how long the window of the rotation stays over one tenant; 1 s
	ExpressBound int           // most jobs that a tenant has on the express lane; 8
	Patience     time.Duration // a full worker keeps standing credit if a slot is free within that, on average; 20 ms
	Quick        time.Duration // slots that come free faster than that are asked for a quarter of them at a time; 1 ms
	Standard     float64       // floor of the standard class, as a part of the run time; 0.2
	Batch        float64       // floor of the batch class; 0.05
}

func (c Config) withDefaults() Config {
	c.Slots = max(c.Slots, 1)
	c.MaxOpen = orDefault(c.MaxOpen, MaxOpen)
	c.Dwell = orDefault(c.Dwell, time.Second)
	c.ExpressBound = orDefault(c.ExpressBound, leastBound)
	c.Patience = orDefault(c.Patience, 20*time.Millisecond)
	c.Quick = orDefault(c.Quick, time.Millisecond)
	c.Standard = orDefault(c.Standard, Floor(job.Standard))
	c.Batch = orDefault(c.Batch, Floor(job.Batch))
	return c
}

// Floor is the part of the run time that a class gets while more urgent work never ends.
func Floor(c job.Class) float64 {
	switch c {
	case job.Standard:
		return 0.2
	case job.Batch:
		return 0.05
	case job.Interactive:
	}
	return 0
}

func orDefault[T int | float64 | time.Duration](v, def T) T {
	if v == 0 {
		return def
	}
	return v
}

// Op is what an action does.
type Op int

// The actions.
const (
	Open     Op = iota + 1 // the backlog will be asked: make its consumer, or find the one that others made
	Close                  // the backlog is not asked any more, and none of its jobs is in hand
	Ask                    // give N credit
	Withdraw               // take waiting credit back; what is on its way still comes
)

// Action is one thing for the caller to do.
type Action struct {
	Op     Op
	Source Source
	N      int  // credit, for Ask
	Wait   bool // for Ask: the credit waits for jobs; else what is not there now comes back
}

// Delivery tells of a job that came.
type Delivery struct {
	Source  Source
	Waited  bool    // it took credit that waits
	Tenant  string  // whose job
	Weight  float64 // of the tenant; 0 when the job does not say
	Waiting int     // how many more the lane holds
}

// How long what was heard is believed.
const (
	freshIdle   = 100 * time.Millisecond // an express lane seen empty, without standing credit
	freshProbe  = 10 * time.Millisecond  // the same, where slots come free slowly; more, up to a quarter of a job's run, for each time
	hintGrace   = 25 * time.Millisecond  // a hint and the broker's word may cross: empty within that is asked once more
	gatherGrace = 4 * time.Millisecond   // slots are left free, so that more are asked for at once, for no longer than that
	fullGrace   = 20 * time.Millisecond  // a worker full for that long takes its batch credit back
	triesRate   = 50.0                   // backlogs of unknown length that are asked in a second; and one more for each job that came
	mostTries   = 64.0                   // of them at once
	floorDebt   = 1.0                    // seconds of a class's floor that it can owe
)
