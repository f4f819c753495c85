// Package runfile tells the other processes of this machine of a running one: DATA/run/NAME.json holds its addresses,
// DATA/run/NAME.pid its process id. It imports nothing of ours.
package runfile

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strconv"
)

// Announce writes both files. The returned function takes them away, unless another process has written its own
// meanwhile.
func Announce(dataDir, name string, about any) (remove func(), err error) {
	base := filepath.Join(dataDir, "run", name)
	if err := WriteJSON(base+".json", about); err != nil {
		return nil, err
	}
	pid := strconv.Itoa(os.Getpid()) + "\n"
	if err := write(base+".pid", []byte(pid)); err != nil {
		return nil, err
	}
	return func() {
		if b, err := os.ReadFile(base + ".pid"); err != nil || string(b) != pid { //nolint:gosec // our own file
			return
		}
		_ = errors.Join(os.Remove(base+".pid"), os.Remove(base+".json")) // whoever comes next replaces what stays
	}, nil
}

// WriteJSON replaces a file whole, readable for its owner alone: a reader finds the old or the new one. One member
// stands on a line.
func WriteJSON(path string, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	return write(path, append(b, '\n'))
}

func write(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
