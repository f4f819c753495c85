//go:build unix

package redisdb

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// lockDir makes sure that one server alone writes to dir. The lock ends with the process, however it ends.
func lockDir(dir string) (*os.File, error) {
	path := filepath.Join(dir, "lock")
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600) //nolint:gosec // below a folder of the configuration
	if err != nil {
		return nil, fmt.Errorf("the embedded Redis can't lock its directory: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("the embedded Redis can't use %s: another gateway does; stop it, or name another "+
			"directory in PENSTOCK_DATA_DIR", dir)
	}
	return f, nil
}

// unlockDir lets go of the lock. Closing alone would leave it to a child that is just being forked.
func unlockDir(f *os.File) error {
	return errors.Join(syscall.Flock(int(f.Fd()), syscall.LOCK_UN), f.Close())
}
