//go:build unix

package main

import (
	"os"
	"os/signal"

	"golang.org/x/sys/unix"
)

// takeTerminal makes the runner the terminal's foreground group, so that Ctrl-C reaches it alone: make, in the group
// that had the terminal, would otherwise die of it and call the run failed. The returned function gives the terminal
// back. Without a terminal on tty, or where make is not in the foreground, it does nothing.
func takeTerminal(tty *os.File) func() {
	fd := int(tty.Fd())
	before, err := unix.IoctlGetInt(fd, unix.TIOCGPGRP)
	if err != nil || before != unix.Getpgrp() {
		return func() {}
	}
	if before != unix.Getpid() {
		if err := unix.Setpgid(0, 0); err != nil {
			return func() {}
		}
	}
	give := func(group int) {
		signal.Ignore(unix.SIGTTOU) // else a group in the background is stopped for asking
		_ = unix.IoctlSetPointerInt(fd, unix.TIOCSPGRP, group)
		signal.Reset(unix.SIGTTOU)
	}
	signal.Ignore(unix.SIGTSTP) // Ctrl-Z would stop the runner under a make that waits for it
	give(unix.Getpgrp())
	return func() { give(before) }
}
