package model

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// maxFiles bounds how many files a folder without a manifest may hold.
const maxFiles = 1024

// Bare makes the manifest of a version folder that has none: a folder with one model file and nothing that says it is
// more than that runs on engine tensor, which reads all it needs from the graph. The files' hashes are taken as they are
// now.
func Bare(dir string) (*Manifest, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	m := &Manifest{Name: filepath.Base(filepath.Dir(abs)), Version: filepath.Base(abs), Engine: "tensor"}
	if m.Files, err = Hashes(dir); err != nil {
		return nil, err
	}
	graphs := 0
	for name := range m.Files {
		if path.Ext(name) == ".onnx" {
			graphs++
		}
	}
	if graphs != 1 || m.Has("config.json") || m.Has("tokenizer.json") {
		return nil, fmt.Errorf("model: there is no %s, and without one a folder holds a single *.onnx with its weights and no tokenizer: "+
			"`worker manifest` writes one", ManifestFile)
	}
	return m, m.validate()
}

// Hashes lists the regular files below dir, by path with slashes, with their SHA-256. The manifest itself and what begins
// with a dot are left out.
func Hashes(dir string) (map[string]string, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	defer root.Close() //nolint:errcheck // nothing was written
	files := map[string]string{}
	err = fs.WalkDir(root.FS(), ".", func(p string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case p != "." && d.Name()[0] == '.':
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		case d.IsDir() || p == ManifestFile:
			return nil
		case len(files) == maxFiles:
			return errors.New("the folder holds too many files")
		}
		files[p], err = hash(root, p)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	return files, nil
}

// hash is a regular file's SHA-256 in hex; root refuses every way out of the folder.
func hash(root *os.Root, p string) (string, error) {
	f, err := root.Open(filepath.FromSlash(p))
	if err != nil {
		return "", err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if st, err := f.Stat(); err != nil {
		return "", err
	} else if !st.Mode().IsRegular() {
		return "", errors.New("not a regular file")
	}
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
