package fair

import "time"

// hungry tells which classes have work, or may have.
func (s *Sched) hungry(now time.Time) (h [classes]bool) {
	for k, c := range s.class {
		h[k] = c.express.waiting > 0 || c.contended() || c.express.unheard(now, freshIdle)
	}
	return h
}

// chargeClass charges a class with run time. Every lower class that has work is owed its floor of it.
func (s *Sched) chargeClass(k int, run float64, hungry [classes]bool) {
	for j, c := range s.class {
		if j != k && hungry[j] {
			c.owed = min(c.owed+c.floor*run, max(c.debt, run))
		}
	}
	c := s.class[k]
	c.owed = max(c.owed-(1-c.floor)*run, -c.debt)
}

// pickClass says which of the classes that can be asked goes first: the lowest that is owed something, or else the most
// urgent. owed is what each is owed once all that was asked for has come. It is -1 when none can be asked.
func pickClass(can [classes]bool, owed [classes]float64) int {
	first := -1
	for k := range can {
		if can[k] {
			first = k
			break
		}
	}
	for k := classes - 1; k > first && first >= 0; k-- {
		if can[k] && owed[k] > 0 {
			return k
		}
	}
	return first
}

// expected is what each class will be owed when the credit that is out has been used.
func (s *Sched) expected(hungry [classes]bool) (owed [classes]float64) {
	mean := s.costs.mean()
	for k, c := range s.class {
		owed[k] = c.owed
		out := c.express.asked
		for _, b := range c.ring.window {
			out += b.asked
		}
		s.expect(&owed, k, float64(out)*mean, hungry)
	}
	return owed
}

func (s *Sched) expect(owed *[classes]float64, k int, run float64, hungry [classes]bool) {
	if run == 0 {
		return
	}
	for j, c := range s.class {
		if j != k && hungry[j] {
			owed[j] += c.floor * run
		}
	}
	owed[k] -= (1 - s.class[k].floor) * run
}
