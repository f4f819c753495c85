package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// child is one running process.
type child struct {
	name    string
	cmd     *exec.Cmd
	started time.Time
	done    chan struct{} // closed when the process has ended; then state holds how
	state   *os.ProcessState
}

// start runs binDir/name with the runner's own environment, in a process group of its own: what the terminal sends to
// the runner's group does not reach it.
func start(binDir, name string, out, errOut io.Writer) (*child, error) {
	path := filepath.Join(binDir, name)
	if filepath.Base(path) == path {
		path = "./" + path
	}
	cmd := exec.Command(path) //nolint:gosec,noctx // our own binary, stopped by signals
	cmd.Stdout, cmd.Stderr = out, errOut
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("%s cannot be started (`make build` makes it): %w", path, err)
	}
	c := &child{name: name, cmd: cmd, started: time.Now(), done: make(chan struct{})}
	go func() {
		_ = cmd.Wait() // how it ended is in the state
		c.state = cmd.ProcessState
		close(c.done)
	}()
	return c, nil
}

func (c *child) pid() int { return c.cmd.Process.Pid }

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// failed says whether an ended child gave up by itself, rather than being killed from outside.
func (c *child) failed() bool { return c.state.Exited() && !c.state.Success() }

// stop sends SIGTERM, and SIGKILL when the child is still there at the deadline or as soon as hurry is closed.
func (c *child) stop(deadline time.Time, hurry <-chan struct{}) (killed bool) {
	_ = c.cmd.Process.Signal(syscall.SIGTERM) // it may just have ended
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-c.done:
		return false
	case <-timer.C:
	case <-hurry:
	}
	_ = c.cmd.Process.Kill()
	<-c.done
	return true
}
