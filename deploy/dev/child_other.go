//go:build !linux

package main

import "syscall"

// dieWithParent does nothing here: only Linux tells a child that its parent is gone.
func dieWithParent(*syscall.SysProcAttr) {}
