package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// apart runs one profile in a process that has mounts of its own, without root where the system lets users do that.
func apart(ctx context.Context, o *options, p profile, out, progress io.Writer) error {
	program, err := os.Executable()
	if err != nil {
		return err
	}
	command := func(flags uintptr) *exec.Cmd {
		cmd := exec.CommandContext(ctx, program, "-inside", "-profiles", p.name, "-kills", strconv.Itoa(p.kills), //nolint:gosec // this very program
			"-d", o.limit.String(), "-seed", strconv.FormatUint(o.seed, 10), "-c", strconv.Itoa(o.clients), "-bin", o.bin,
			"-onnxruntime", o.library, "-keep="+strconv.FormatBool(o.keep))
		cmd.Stdout, cmd.Stderr = out, progress
		cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
		cmd.WaitDelay = time.Minute
		cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
		if flags&syscall.CLONE_NEWUSER != 0 {
			cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
			cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
		}
		return cmd
	}
	cmd := command(syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS)
	if err = cmd.Start(); err != nil && os.Getuid() == 0 {
		cmd = command(syscall.CLONE_NEWNS)
		err = cmd.Start()
	}
	if err != nil {
		return fmt.Errorf("a full disk needs a small file system, by a user and a mount namespace, and this system gives none; name the other profiles with -profiles: %w", err)
	}
	if how, ok := errors.AsType[*exec.ExitError](cmd.Wait()); ok {
		if how.ExitCode() == statusBroken {
			return errBroken
		}
		return how
	}
	return nil
}

// mountSmall puts a file system of a few megabytes at a folder, for this process and those it starts.
func mountSmall(dir string) error {
	if err := syscall.Mount("chaos", dir, "tmpfs", 0, "size="+strconv.Itoa(diskSize)); err != nil {
		return fmt.Errorf("a full disk needs a small file system, which cannot be mounted here: %w", err)
	}
	return nil
}

func unmountSmall(dir string) error { return syscall.Unmount(dir, syscall.MNT_DETACH) }

// freeOn is what is left on the disk of a folder.
func freeOn(dir string) (int64, error) {
	var s syscall.Statfs_t
	err := syscall.Statfs(dir, &s)
	return int64(s.Bavail) * s.Bsize, err //nolint:gosec // a small disk
}
