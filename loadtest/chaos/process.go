package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	readyTimeout = 60 * time.Second // of a process, on a machine that does much else
	termTimeout  = 40 * time.Second // from SIGTERM to the end
)

// server is one process that is started again whenever it ends, as an init system does.
type server struct {
	name    string
	command func() *exec.Cmd
	ready   func(ctx context.Context, pid int) bool
	died    func(s *server, how error) // it ended unasked

	mu    sync.Mutex
	pid   int           // guarded by mu; 0 while it is down
	asked bool          // guarded by mu: whoever ended it wants it down
	gate  chan struct{} // guarded by mu: closed when it may start; replaced while it is held down
	up    chan struct{} // guarded by mu: closed when it is ready; replaced at each start
	ended chan struct{} // guarded by mu: closed when the process has ended; replaced at each start
	how   error         // guarded by mu: the last end; nil for status 0
	since time.Time     // guarded by mu: the last start
}

func newServer(name string, command func() *exec.Cmd, ready func(context.Context, int) bool) *server {
	open := make(chan struct{})
	close(open)
	return &server{name: name, command: command, ready: ready, gate: open, up: make(chan struct{}), ended: make(chan struct{})}
}

// keep runs the process, again and again, until ctx ends; then it is killed.
func (s *server) keep(ctx context.Context) error {
	for ctx.Err() == nil {
		s.mu.Lock()
		gate := s.gate
		s.mu.Unlock()
		select {
		case <-gate:
		case <-ctx.Done():
			return nil
		}
		if err := s.once(ctx); err != nil || ctx.Err() != nil {
			return err
		}
		pause := 20 * time.Millisecond
		if how, ok := errors.AsType[*exec.ExitError](s.end()); ok && how.ExitCode() > 0 {
			pause = time.Second // it cannot even start
		}
		_ = wait(ctx, pause) // the loop looks at ctx
	}
	return nil
}

func (s *server) once(ctx context.Context) error {
	cmd := s.command()
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	watch, stop := context.WithTimeout(ctx, readyTimeout)
	defer stop()
	s.mu.Lock()
	s.pid, s.asked, s.ended, s.since = cmd.Process.Pid, false, make(chan struct{}), time.Now()
	up, ended := s.up, s.ended
	s.mu.Unlock()
	go func() {
		for watch.Err() == nil {
			if s.ready(watch, cmd.Process.Pid) {
				close(up)
				return
			}
			_ = wait(watch, 5*time.Millisecond) // ends with watch
		}
	}()
	killed := context.AfterFunc(ctx, func() { _ = cmd.Process.Kill() })
	defer killed()
	how := cmd.Wait()
	s.mu.Lock()
	asked := s.asked
	s.pid, s.up, s.how = 0, make(chan struct{}), how
	close(ended)
	s.mu.Unlock()
	if !asked && ctx.Err() == nil {
		s.died(s, how)
	}
	return nil
}

// hold sends a signal that ends the process and keeps it down until the returned function is called. ok is false when
// it was down already; ended is closed when it has ended.
func (s *server) hold(sig syscall.Signal) (release func(), ended <-chan struct{}, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pid == 0 || s.asked || syscall.Kill(s.pid, sig) != nil {
		return func() {}, nil, false
	}
	gate := make(chan struct{})
	s.asked, s.gate = true, gate
	return func() { close(gate) }, s.ended, true
}

// signal sends one that does not end the process.
func (s *server) signal(sig syscall.Signal) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pid != 0 && syscall.Kill(s.pid, sig) == nil
}

func (s *server) isUp() (up <-chan struct{}, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.up, s.pid
}

// age is how long ago the process was started.
func (s *server) age() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Since(s.since)
}

// end is how the process ended last.
func (s *server) end() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.how
}

// awaitUp waits until every server is ready.
func awaitUp(ctx context.Context, servers ...*server) error {
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	for _, s := range servers {
		for ready := false; !ready; {
			up, _ := s.isUp()
			select {
			case <-up:
				ready = true
			case <-ctx.Done():
				return fmt.Errorf("%s is not ready: %w", s.name, ctx.Err())
			case <-time.After(100 * time.Millisecond): // it may have been replaced
			}
		}
	}
	return nil
}

// announced tells whether the process with that id has written its run file and calls itself ready.
func announced(ctx context.Context, dir, name string, pid int) bool {
	b, err := os.ReadFile(filepath.Join(dir, "run", name+".json")) //nolint:gosec // our own data folder
	var run struct {
		PID int    `json:"pid"`
		Ops string `json:"ops"`
	}
	return err == nil && json.Unmarshal(b, &run) == nil && run.PID == pid && answers(ctx, run.Ops+"/readyz")
}

func answers(ctx context.Context, url string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // our own process
	if err != nil {
		return false
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) //nolint:gosec // our own process
	return err == nil && errors.Join(res.Body.Close()) == nil && res.StatusCode == http.StatusOK
}

// wait waits for d or for ctx, whose error it returns.
func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
