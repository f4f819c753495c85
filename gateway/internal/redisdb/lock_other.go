//go:build !unix

package redisdb

import "os"

// lockDir does nothing where the system has no such locks.
func lockDir(string) (*os.File, error) { return nil, nil } //nolint:nilnil // no lock, no error

func unlockDir(f *os.File) error { return f.Close() }
