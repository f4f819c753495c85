package jobs

import (
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
)

// liveFor is how long a heartbeat lasts.
const liveFor = 5 * time.Second

// forgetAfter is how long a silent worker stays in the list once another offers its models.
const forgetAfter = 10 * time.Minute

// catalog knows which worker serves which model, from heartbeats.
type catalog struct {
	grace time.Duration

	mu      sync.RWMutex
	workers map[string]job.Worker // guarded by mu; SeenAt in this machine's time
	joined  func()                // hears of each worker that was not known
}

func newCatalog(grace time.Duration) *catalog {
	return &catalog{grace: grace, workers: map[string]job.Worker{}, joined: func() {}}
}

// seen takes a heartbeat in. A worker's own clock may be off, so what is heard live counts from its arrival; what the
// broker remembers from before keeps its own time when that is older.
func (c *catalog) seen(w job.Worker) {
	if c.keep(w) {
		c.joined() // without the lock: who hears of it may ask for slots
	}
}

// keep tells whether the worker was not known.
func (c *catalog) keep(w job.Worker) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	_, known := c.workers[w.ID]
	if known || w.SeenAt.After(now) {
		w.SeenAt = now
	}
	c.workers[w.ID] = w
	for id, old := range c.workers {
		if id != w.ID && now.Sub(old.SeenAt) > forgetAfter && replaces(&w, &old) {
			delete(c.workers, id)
		}
	}
	return !known
}

// replaces tells whether a worker offers all that another did: a worker that starts again has a new id.
func replaces(w, old *job.Worker) bool {
	for _, o := range old.Models {
		if !slices.ContainsFunc(w.Models, func(n job.Offer) bool { return n.Name == o.Name }) {
			return false
		}
	}
	return true
}

func live(w *job.Worker, now time.Time) bool { return !w.Draining && now.Sub(w.SeenAt) < liveFor }

// find returns the model's engine, and what a worker tells of that version (nil when it does not tell), when a job for
// it can be taken in: a worker serves the version, or did until lately. What is told must not be changed.
func (c *catalog) find(name, version string, now time.Time) (engine string, about *job.About, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	known, served, broken := false, false, ""
	for _, w := range c.workers {
		for i := range w.Models {
			o := &w.Models[i]
			if o.Name != name {
				continue
			}
			known = true
			if o.Error != "" {
				broken = o.Error
				continue
			}
			if version != "" && !slices.Contains(o.Versions, version) {
				continue
			}
			served, engine = true, o.Engine
			if now.Sub(w.SeenAt) < c.grace {
				if version != "" && version != o.Latest() {
					return engine, nil, nil
				}
				return engine, &o.About, nil
			}
		}
	}
	switch {
	case served:
		return "", nil, &fault.Error{Code: fault.NoWorkers, Detail: "no worker serves this model now", RetryAfter: 30 * time.Second}
	case known && broken != "":
		return "", nil, &fault.Error{Code: fault.NoWorkers, Detail: "the model is unavailable: " + broken, RetryAfter: 30 * time.Second}
	case known:
		return "", nil, &fault.Error{Code: fault.ModelNotFound, Detail: "the model has no such version", Field: "version"}
	}
	return "", nil, &fault.Error{Code: fault.ModelNotFound, Detail: "there is no such model", Field: "model"}
}

// slots is how many jobs of a model the live workers can run at once.
func (c *catalog) slots(name string) int {
	c.mu.RLock()
	defer c.mu.RUnlock()
	n, now := 0, time.Now()
	for _, w := range c.workers {
		for i := range w.Models {
			if o := &w.Models[i]; o.Name == name && o.Error == "" && live(&w, now) {
				n += o.Slots
			}
		}
	}
	return n
}

// capacity is how many jobs of a model the live workers end a second with all slots in use; 0 when none can tell. A
// worker that can't is taken to do what the others do on average.
func (c *catalog) capacity(name string, now time.Time) float64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	sum, telling, all := 0.0, 0, 0
	for _, w := range c.workers {
		for i := range w.Models {
			if o := &w.Models[i]; o.Name == name && o.Error == "" && live(&w, now) {
				all++
				if o.Capacity > 0 {
					telling++
					sum += o.Capacity
				}
			}
		}
	}
	if telling == 0 {
		return 0
	}
	return sum * float64(all) / float64(telling)
}

// list returns the workers heard of, newest heartbeat first.
func (c *catalog) list() []job.Worker {
	c.mu.RLock()
	defer c.mu.RUnlock()
	out := make([]job.Worker, 0, len(c.workers))
	for _, w := range c.workers {
		out = append(out, w)
	}
	slices.SortFunc(out, func(a, b job.Worker) int { return b.SeenAt.Compare(a.SeenAt) })
	return out
}

// models sums the workers' offers, by name.
func (c *catalog) models(now time.Time) []job.Model {
	c.mu.RLock()
	defer c.mu.RUnlock()
	byName := map[string]*job.Model{}
	for _, w := range c.workers {
		for i := range w.Models {
			m := byName[w.Models[i].Name]
			if m == nil {
				m = &job.Model{Name: w.Models[i].Name}
				byName[m.Name] = m
			}
			add(m, &w.Models[i], live(&w, now))
		}
	}
	out := make([]job.Model, 0, len(byName))
	for _, m := range byName {
		if m.Workers > 0 {
			m.Error = ""
		} else if m.Error == "" {
			m.Error = "no worker serves it now"
		}
		out = append(out, *m)
	}
	slices.SortFunc(out, func(a, b job.Model) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func add(m *job.Model, o *job.Offer, live bool) {
	m.Engine, m.Description, m.About = o.Engine, o.Description, o.About
	for _, v := range o.Versions {
		if !slices.Contains(m.Versions, v) {
			m.Versions = append(m.Versions, v)
		}
	}
	switch {
	case o.Error != "":
		m.Error = o.Error
	case live:
		m.Workers++
		m.Slots += o.Slots
		m.Free += o.Free
		m.Rate += o.Rate
	}
}
