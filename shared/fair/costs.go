package fair

// costs remembers tenants: how long their jobs take, and their weights. It holds the last few thousand seen; one that
// was forgotten starts from the model's average.
type costs struct {
	all        average
	young, old map[string]*account
}

// account is one tenant, as this worker knows it.
type account struct {
	run    average
	weight float64
	ahead  [classes]float64 // virtual time up to which the tenant has had its share of the express lane
	epoch  [classes]int     // the contention that ahead belongs to
}

const (
	accounts  = 4096
	unknown   = 0.010 // seconds: a job of a model that has run none yet
	smoothing = 0.1
)

func newCosts() *costs { return &costs{young: map[string]*account{}} }

// of finds or makes a tenant's account. Two generations bound the memory: those not seen since before the last change
// of generation are dropped.
func (c *costs) of(tenant string) *account {
	if a := c.young[tenant]; a != nil {
		return a
	}
	a := c.old[tenant]
	if a == nil {
		a = &account{weight: 1}
	}
	if len(c.young) >= accounts {
		c.old, c.young = c.young, map[string]*account{}
	}
	c.young[tenant] = a
	return a
}

// estimate is how long a job of the tenant will run, in seconds.
func (c *costs) estimate(a *account) float64 {
	if a.run.n > 0 {
		return a.run.value
	}
	return c.mean()
}

// mean is how long a job of anybody will run, in seconds.
func (c *costs) mean() float64 {
	if c.all.n > 0 {
		return c.all.value
	}
	return unknown
}

func (c *costs) learn(a *account, took float64) {
	a.run.add(took)
	c.all.add(took)
}

// average is an exponential one that starts as a plain one.
type average struct {
	value float64
	n     int
}

func (a *average) add(x float64) {
	a.n++
	a.value += (x - a.value) * max(smoothing, 1/float64(a.n))
	a.value = max(a.value, 1e-6)
}
