package webhook

import (
	"sync"
	"time"
)

// maxRefused bounds the hosts that are remembered.
const maxRefused = 4096

const longestPause = 10 * time.Minute

// gate bounds how many deliveries run at once for one host, and for one tenant: a receiver that takes its time must not
// keep the others waiting.
type gate struct {
	perHost   int
	perTenant int

	mu      sync.Mutex
	running map[string]int // guarded by mu, by host and by tenant
	refused map[string]int // guarded by mu, by host: refusals lately; each that is let in makes up for some
}

func newGate(perHost, perTenant int) *gate {
	return &gate{perHost: perHost, perTenant: perTenant, running: map[string]int{}, refused: map[string]int{}}
}

// The two kinds of key; neither a host nor a tenant's id holds a space.
func hostKey(host string) string     { return "host " + host }
func tenantKey(tenant string) string { return "tenant " + tenant }

// enter lets a delivery in, until the returned function is called; nil says that there is no room.
func (g *gate) enter(host, tenant string) (leave func()) {
	h, t := hostKey(host), tenantKey(tenant)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.running[h] >= g.perHost || g.running[t] >= g.perTenant {
		if len(g.refused) >= maxRefused { // hosts whose deliveries another gateway made
			clear(g.refused)
		}
		g.refused[h]++
		return nil
	}
	if n := g.refused[h]; n > 1 {
		g.refused[h] = n - max(1, n/16)
	} else {
		delete(g.refused, h)
	}
	g.running[h]++
	g.running[t]++
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		for _, key := range []string{h, t} {
			if g.running[key]--; g.running[key] == 0 {
				delete(g.running, key)
			}
		}
	}
}

// pause is how long one that found no room waits: the longer, the more were refused for each that was let in, so that a
// hundred thousand for one slow host ask some hundreds of times a second in all, and not each of them each second. jitter
// is in [0, 1).
func (g *gate) pause(host string, jitter float64) time.Duration {
	g.mu.Lock()
	defer g.mu.Unlock()
	most := min(longestPause, time.Duration(1+g.refused[hostKey(host)])*100*time.Millisecond)
	return 100*time.Millisecond + time.Duration(jitter*float64(most))
}
