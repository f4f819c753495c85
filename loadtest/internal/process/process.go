// Package process starts binaries of ours and reads what they use. Linux only, as far as it reads /proc.
package process

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	startTimeout = time.Minute
	stopTimeout  = 30 * time.Second
)

// Process is a gateway or a worker that was started here.
type Process struct {
	Name  string
	Ops   string        // the operations listener's URL
	Ready time.Duration // from its start to its readiness

	cmd   *exec.Cmd
	log   *os.File
	ended chan struct{} // closed when it has ended
	err   error         // how it ended; read after ended
}

// Start starts a binary, the gateway or the worker by its name, on a data folder that env names too, and waits until it
// is ready. Its output is added to the log file.
func Start(ctx context.Context, name, binary, data, logFile string, env []string) (*Process, error) {
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	p := &Process{Name: name, log: log, ended: make(chan struct{})}
	p.cmd = exec.Command(binary) //nolint:noctx // it is ended by Stop, gently
	p.cmd.Env, p.cmd.Stderr, p.cmd.Stdout = env, log, log
	begin := time.Now()
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	if err := p.awaitReady(ctx, filepath.Join(data, "run", name+".json")); err != nil {
		text, _ := os.ReadFile(log.Name()) // for the error alone
		return nil, errors.Join(fmt.Errorf("%s: %w: %s", name, err, lastOf(text, 2000)), p.Stop())
	}
	p.Ready = time.Since(begin)
	return p, nil
}

func lastOf(text []byte, n int) []byte { return text[max(0, len(text)-n):] }

// awaitReady waits for the run file that names this process, and then for its readiness.
func (p *Process) awaitReady(ctx context.Context, runFile string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("is not ready in time")
		case <-p.ended:
			return errors.New("ended at the start")
		case <-tick.C:
		}
		var run struct {
			PID int    `json:"pid"`
			Ops string `json:"ops"`
		}
		b, err := os.ReadFile(filepath.Clean(runFile))
		if err != nil || json.Unmarshal(b, &run) != nil || run.PID != p.PID() {
			continue
		}
		p.Ops = run.Ops
		if _, err := get(ctx, p.Ops+"/readyz"); err == nil {
			return nil
		}
	}
}

// PID is the process's id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Log is the file that the process writes to.
func (p *Process) Log() string { return p.log.Name() }

// Ended is closed when the process has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Stop ends the process: gently, and after half a minute not. Its error is how it ended, unless it was killed.
func (p *Process) Stop() error {
	select {
	case <-p.ended:
		return p.closed()
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-p.ended:
	case <-timer.C:
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
	return p.closed()
}

// Kill ends the process at once, and waits until it has.
func (p *Process) Kill() {
	_ = p.cmd.Process.Kill() // it may have ended
	<-p.ended
}

func (p *Process) closed() error {
	err := p.log.Close()
	if errors.Is(err, os.ErrClosed) {
		err = nil
	}
	if how, ok := errors.AsType[*exec.ExitError](p.err); ok {
		if s, ok := how.Sys().(syscall.WaitStatus); ok && s.Signaled() {
			return err
		}
	}
	if p.err != nil {
		return errors.Join(fmt.Errorf("%s: %w", p.Name, p.err), err)
	}
	return err
}

// RSS is the process's resident memory in bytes; 0 when it cannot be read.
func (p *Process) RSS() int64 {
	n, _ := RSS(p.PID()) // it has ended
	return n
}

// CPU is the user and system time that the process has used; 0 when it cannot be read.
func (p *Process) CPU() time.Duration {
	d, _ := CPU(p.PID()) // it has ended
	return d
}

// Page reads a page of the operations listener.
func (p *Process) Page(ctx context.Context, path string) ([]byte, error) { return get(ctx, p.Ops+path) }

// Metrics reads the process's metrics page.
func (p *Process) Metrics(ctx context.Context) (Metrics, error) { return p.Page(ctx, "/metrics") }

// Metrics is a page of a process's series.
type Metrics []byte

// Sum adds up a series by name: all of which the label part holds each of the labels, as in `model="sleep"`.
func (m Metrics) Sum(name string, labels ...string) float64 {
	var total float64
	lines := bufio.NewScanner(bytes.NewReader(m))
next:
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		base, rest, _ := strings.Cut(series, "{")
		if !ok || base != name {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(rest, l) {
				continue next
			}
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			total += v
		}
	}
	return total
}

// get reads a page of an operations listener.
func get(ctx context.Context, url string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(res.Body)
	err = errors.Join(err, res.Body.Close())
	if err == nil && res.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s: %s", url, res.Status)
	}
	return b, err
}
