package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// hookTimeout is how long after the last fault a job's end must have been delivered: the claim of a gateway that died in
// the middle of it has to run out first.
const hookTimeout = 90 * time.Second

// receiver is where the webhooks of jobs go. It takes one of four at the second try only.
type receiver struct {
	secret string // as a job tells it
	key    []byte
	server *http.Server
	url    string
	served chan struct{}

	mu       sync.Mutex
	requests int                  // guarded by mu, as is all below
	declined int                  // answered with 500, or not at all
	bodies   map[string][]byte    // by webhook-id
	taken    map[string]int       // by webhook-id: answered with 200
	ends     map[string]*delivery // by job
	broken   []string
}

// delivery is what a receiver was told of a job's end.
type delivery struct {
	Type string `json:"type"`
	Data view   `json:"data"`
}

func newReceiver(ctx context.Context) (*receiver, error) {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	h := &receiver{
		secret: "whsec_" + base64.StdEncoding.EncodeToString(key), key: key, served: make(chan struct{}),
		bodies: map[string][]byte{}, taken: map[string]int{}, ends: map[string]*delivery{},
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h.url = "http://" + l.Addr().String() + "/"
	h.server = &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go func() {
		defer close(h.served)
		_ = h.server.Serve(l) // until it is closed
	}()
	return h, nil
}

func (h *receiver) close() {
	_ = h.server.Close() // nobody calls any more
	<-h.served
}

// ServeHTTP takes a delivery.
func (h *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // its gateway died
	}
	d := &delivery{}
	id, bad := r.Header.Get("webhook-id"), h.verify(r.Header, body)
	if bad == nil {
		bad = json.Unmarshal(body, d)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.requests++
	wrong := func(format string, args ...any) {
		h.broken = append(h.broken, "webhook "+id+": "+fmt.Sprintf(format, args...))
	}
	if bad != nil {
		wrong("%v: %s", bad, body)
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	old, again := h.bodies[id]
	h.bodies[id] = body
	switch {
	case d.Type != "job.done" || !d.Data.ended():
		wrong("is no end: %s", body)
	case r.URL.Path != "/"+d.Data.Metadata["op"]:
		wrong("came to %s: %s", r.URL.Path, body)
	case again && !bytes.Equal(old, body):
		wrong("came with two bodies: %s, then %s", old, body)
	}
	if !again {
		switch h.requests % 8 {
		case 0:
			h.declined++
			w.WriteHeader(http.StatusInternalServerError)
			return
		case 4:
			h.declined++
			if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
				_ = c.Close() // that is the point
			}
			return
		}
	}
	h.taken[id]++
	h.ends[d.Data.ID] = d
}

// verify checks a signature as deploy/docs/webhooks.md has a receiver do it.
func (h *receiver) verify(header http.Header, body []byte) error {
	id, stamp := header.Get("webhook-id"), header.Get("webhook-timestamp")
	seconds, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || time.Since(time.Unix(seconds, 0)).Abs() > 5*time.Minute {
		return fmt.Errorf("its timestamp is %q", stamp)
	}
	mac := hmac.New(sha256.New, h.key)
	_, _ = io.WriteString(mac, id+"."+stamp+".") // a hash takes all
	_, _ = mac.Write(body)                       // likewise
	want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))
	for signature := range strings.FieldsSeq(header.Get("webhook-signature")) {
		if hmac.Equal([]byte(signature), []byte(want)) {
			return nil
		}
	}
	return errors.New("its signature is not right")
}

func (h *receiver) end(id string) *delivery {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.ends[id]
}

// await waits until a job's end was delivered, and tells what is wrong with the delivery.
func (h *receiver) await(ctx context.Context, v *view) (broken string, err error) {
	for begin := time.Now(); ; {
		if d := h.end(v.ID); d != nil {
			if d.Data.Status != v.Status || d.Data.Attempt != v.Attempt {
				return fmt.Sprintf("its webhook told of %s on attempt %d, it is %s on attempt %d", d.Data.Status, d.Data.Attempt, v.Status, v.Attempt), nil
			}
			return "", nil
		}
		if time.Since(begin) > hookTimeout {
			return fmt.Sprintf("LOST: its webhook was not called within %v", hookTimeout), nil
		}
		if err := wait(ctx, 50*time.Millisecond); err != nil {
			return "", err
		}
	}
}

// count tells of all deliveries, and what was wrong on the way.
func (h *receiver) count() (requests, declined, repeated int, broken []string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, n := range h.taken {
		repeated += max(0, n-1)
	}
	return h.requests, h.declined, repeated, append([]string(nil), h.broken...)
}
