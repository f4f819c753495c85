package main

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

// child is a gateway or a worker that this process started.
type child struct {
	name  string
	cmd   *exec.Cmd
	log   *os.File
	ops   string        // the operations listener's URL
	ready time.Duration // from exec to readiness
	ended chan struct{} // closed when it has ended
	err   error         // how it ended; read after ended
}

// startChild starts a binary on a data folder and waits until it is ready.
func startChild(ctx context.Context, name, binary, data string, env []string) (*child, error) {
	file := filepath.Join(filepath.Dir(data), name+".log")
	log, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // beside our own data
	if err != nil {
		return nil, err
	}
	c := &child{name: name, log: log, ended: make(chan struct{})}
	c.cmd = exec.Command(binary) //nolint:noctx // it is ended by stop, gently
	c.cmd.Env, c.cmd.Stderr, c.cmd.Stdout = env, log, log
	begin := time.Now()
	if err := c.cmd.Start(); err != nil {
		return nil, errors.Join(err, log.Close())
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.ended)
	}()
	if err := c.awaitReady(ctx, filepath.Join(data, "run", name+".json")); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w; see %s", name, err, log.Name()), c.stop())
	}
	c.ready = time.Since(begin)
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

// awaitReady waits for the run file that names this process, and then for its readiness.
func (c *child) awaitReady(ctx context.Context, runFile string) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return errors.New("is not ready in time")
		case <-c.ended:
			return errors.New("ended at the start")
		case <-tick.C:
		}
		var run struct {
			PID int    `json:"pid"`
			Ops string `json:"ops"`
		}
		b, err := os.ReadFile(filepath.Clean(runFile))
		if err != nil || json.Unmarshal(b, &run) != nil || run.PID != c.pid() {
			continue
		}
		c.ops = run.Ops
		if _, err := get(ctx, c.ops+"/readyz"); err == nil {
			return nil
		}
	}
}

// stop ends the child: gently, and after a while not.
func (c *child) stop() error {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-c.ended:
	case <-timer.C:
		_ = c.cmd.Process.Kill()
		<-c.ended
	}
	return errors.Join(c.err, c.log.Close())
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

// metrics adds up a process's series by name, labels apart: all whose label part holds each of the labels.
type metrics []byte

func (c *child) metrics(ctx context.Context) (metrics, error) { return get(ctx, c.ops+"/metrics") }

func (m metrics) sum(name string, labels ...string) float64 {
	var total float64
	lines := bufio.NewScanner(bytes.NewReader(m))
	for lines.Scan() {
		series, value, ok := strings.Cut(lines.Text(), " ")
		base, rest, _ := strings.Cut(series, "{")
		if !ok || base != name || !holdsAll(rest, labels) {
			continue
		}
		if v, err := strconv.ParseFloat(value, 64); err == nil {
			total += v
		}
	}
	return total
}

func holdsAll(s string, parts []string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
