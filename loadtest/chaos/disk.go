package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// diskSize is that of the small disk: room for what the load keeps, and for what a gateway leaves free.
const diskSize = 192 << 20

// nearly is what is left of a disk that is nearly full: less than a gateway wants to have, and enough for what is under
// way to end.
const nearly = 12 << 20

// acceptTimeout is how long after the disk has room again a job must be accepted.
const acceptTimeout = 30 * time.Second

// fill writes the broker's disk full, keeps it so for a while and frees it again. Then jobs must be accepted again. An
// embedded broker needs nobody's help; one of its own has to be started again, since nats-server does not store in a
// stream again in which a write has failed.
func (s *site) fill(ctx context.Context, k faultKind, gateway, broker *server, d time.Duration) error {
	f := s.faults.begin(k)
	defer s.faults.end(f)
	leave := int64(0)
	if k == nearlyFill {
		leave = nearly
	}
	killed := killGateway
	if broker != gateway {
		killed = killBroker
	}
	name := filepath.Join(s.disk(), "filler")
	for begin := time.Now(); ctx.Err() == nil && time.Since(begin) < d; {
		if err := fillTo(name, leave); err != nil {
			return err
		}
		if k == killFull && time.Since(begin) > d/2 {
			s.kill(ctx, killed, 0, broker)
			k = fillDisk // once
		}
		_ = wait(ctx, 20*time.Millisecond) // the loop looks at ctx
	}
	if err := os.Remove(name); err != nil { //nolint:gosec // our own folder
		return err
	}
	begin := time.Now()
	if broker != gateway {
		s.kill(ctx, killBroker, 0, broker) // as whoever supervises it does
	}
	if err := awaitUp(ctx, broker, gateway); err != nil {
		return err
	}
	for {
		e := s.probe()
		a := s.caller().call(ctx, e.tenant.token, http.MethodPost, "/v1/jobs", e.body())
		if !a.sent && a.err != nil {
			e.was(unsent)
		} else if e.answered(a) != nil {
			s.faults.recovered(time.Since(begin))
			return nil
		}
		if time.Since(begin) > acceptTimeout {
			s.faults.wrong("%v after the disk had room again, no job is accepted: status %d: %s: %v", acceptTimeout, a.status, a.body, a.err)
			return nil
		}
		if err := wait(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// fillTo adds to a file until no more than leave bytes are free.
func fillTo(name string, leave int64) error {
	f, err := os.OpenFile(name, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if errors.Is(err, syscall.ENOSPC) {
		return nil
	}
	if err != nil {
		return err
	}
	const most = 1 << 20
	chunk := make([]byte, most)
	for {
		free, err := freeOn(name)
		if err != nil {
			return errors.Join(err, f.Close())
		}
		n := min(most, free-leave)
		if n <= 0 {
			return f.Close()
		}
		if _, err := f.Write(chunk[:n]); errors.Is(err, syscall.ENOSPC) {
			_ = f.Close() // it is full
			return nil
		} else if err != nil {
			return errors.Join(fmt.Errorf("filler: %w", err), f.Close())
		}
	}
}
