package httpapi

import (
	"net/netip"
	"time"
)

// Config bounds what a caller may cost. Zero values take the defaults named at the fields.
type Config struct {
	MaxBody     int           // bytes of a request body; 1 MiB
	MaxBlob     int           // bytes of an uploaded blob; 64 MiB
	MaxHead     int           // bytes of a request's head; 15 KiB, enough for the longest token, and with its buffer no more than 16 are allocated
	HeadTimeout time.Duration // for a whole head, and the first bytes of a body; 10 s
	BodyRate    int64         // bytes a second a caller must at least send of a longer body; 32 KiB
	// WriteTimeout is for one response, or for one flush of an event stream: a reader slower than that is dropped; 30 s.
	WriteTimeout time.Duration
	IdleTimeout  time.Duration // between requests on a connection; 90 s
	Heartbeat    time.Duration // between comments on a silent event stream; 15 s
	MaxWait      time.Duration // the longest Prefer: wait or ?wait=; 300 s
	MaxConns     int           // open connections; 0 means 16,384, a negative number no bound
	MaxConnsPer  int           // open connections of one address; 0 means no bound

	PredictModel string        // the model behind /api/predict; uninlu-tiny
	PredictWait  time.Duration // how long /api/predict waits for its answer; 60 s

	HSTS bool // send Strict-Transport-Security on HTTPS; not for a development certificate on localhost
	// TrustedProxies may name their client in X-Forwarded-For; none by default.
	TrustedProxies []netip.Prefix
	// DrainDelay is how long a stopping gateway still takes connections after it went unready; 0 by default.
	DrainDelay time.Duration
}

func (c Config) withDefaults() Config {
	def := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	def(&c.HeadTimeout, 10*time.Second)
	def(&c.WriteTimeout, 30*time.Second)
	def(&c.IdleTimeout, 90*time.Second)
	def(&c.Heartbeat, 15*time.Second)
	def(&c.MaxWait, 300*time.Second)
	def(&c.PredictWait, time.Minute)
	if c.MaxBody <= 0 {
		c.MaxBody = 1 << 20
	}
	if c.MaxBlob <= 0 {
		c.MaxBlob = 64 << 20
	}
	if c.MaxHead <= 0 {
		c.MaxHead = 15 << 10
	}
	if c.BodyRate <= 0 {
		c.BodyRate = 32 << 10
	}
	if c.MaxConns == 0 {
		c.MaxConns = 16384
	}
	if c.PredictModel == "" {
		c.PredictModel = "uninlu-tiny"
	}
	return c
}
