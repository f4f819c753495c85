package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"time"
)

// apart runs this program again with mounts of its own, without root where the system lets users do that. They are gone
// when it ends, however it ends.
func apart(ctx context.Context, args []string, out, progress io.Writer) error {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return fmt.Errorf("a power cut needs FUSE, which is not here: %w", err)
	}
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := func(flags uintptr) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, slices.Concat([]string{"-inside"}, args)...) //nolint:gosec // this very program
		cmd.Stdout, cmd.Stderr = out, progress
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = time.Minute
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags, Unshareflags: syscall.CLONE_NEWNS}
		if flags&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		return cmd
	}
	cmd := command(syscall.CLONE_NEWUSER)
	if err = cmd.Start(); err != nil && os.Getuid() == 0 {
		cmd = command(0)
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("a power cut needs a file system by FUSE in a user and a mount namespace, and this system gives none: %w", err)
	}
	err = cmd.Wait()
	if _, ok := errors.AsType[*exec.ExitError](err); ok {
		return errTold
	}
	return err
}
