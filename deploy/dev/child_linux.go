package main

import "syscall"

// dieWithParent has the kernel send SIGTERM to the child when the runner is gone, however it went.
func dieWithParent(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGTERM }
