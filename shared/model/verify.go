package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Verify holds the version folder dir against its manifest: name and version equal the folders' names, and each file
// is a regular file inside the folder, also behind symbolic links, with the SHA-256 that the manifest gives.
func (m *Manifest) Verify(dir string) error {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	if v := filepath.Base(abs); v != m.Version {
		return fmt.Errorf("model: the manifest is of version %q and lies in folder %q", m.Version, v)
	}
	if n := filepath.Base(filepath.Dir(abs)); n != m.Name {
		return fmt.Errorf("model: the manifest is of model %q and lies in folder %q", m.Name, n)
	}
	root, err := os.OpenRoot(abs)
	if err != nil {
		return fmt.Errorf("model: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	for _, path := range slices.Sorted(maps.Keys(m.Files)) {
		if err := verifyFile(root, path, m.Files[path]); err != nil {
			return fmt.Errorf("model: file %q: %w", path, err)
		}
	}
	return nil
}

// verifyFile checks one file; root refuses every way out of the folder.
func verifyFile(root *os.Root, path, want string) error {
	if sum, err := hex.DecodeString(want); err != nil || len(sum) != sha256.Size {
		return errors.New("its SHA-256 in the manifest is not 64 hex digits")
	}
	got, err := hash(root, path)
	if err != nil {
		return err
	}
	if !strings.EqualFold(got, want) {
		return fmt.Errorf("its SHA-256 is %s and the manifest says %s", got, strings.ToLower(want))
	}
	return nil
}
