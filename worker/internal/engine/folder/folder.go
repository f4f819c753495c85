// Package folder opens the files of a model's version folder for the engines: those that its manifest vouches for, and
// no others.
package folder

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
)

// Folder is a version folder. It is an fs.FS.
type Folder struct {
	dir      string
	root     *os.Root
	manifest *model.Manifest
}

// Open opens the folder at dir.
func Open(dir string, m *model.Manifest) (*Folder, error) {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return nil, err
	}
	return &Folder{dir: dir, root: root, manifest: m}, nil
}

// Open opens a file that the manifest lists; any other does not exist.
func (f *Folder) Open(name string) (fs.File, error) {
	if !f.manifest.Has(name) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return f.root.FS().Open(name)
}

// Read reads a whole file of at most limit bytes.
func (f *Folder) Read(name string, limit int64) ([]byte, error) {
	file, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	st, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if st.Size() > limit {
		return nil, fmt.Errorf("%s has %d bytes, more than %d", name, st.Size(), limit)
	}
	return fs.ReadFile(f, name)
}

// Has tells whether the manifest lists a file.
func (f *Folder) Has(name string) bool { return f.manifest.Has(name) }

// Graph finds a model file: the one that name names, or where name is empty the folder's only *.onnx.
func (f *Folder) Graph(name string) (string, error) {
	if name != "" {
		if !f.Has(name) {
			return "", fmt.Errorf("the manifest lists no %s", name)
		}
		return name, nil
	}
	var found []string
	for p := range f.manifest.Files {
		if path.Ext(p) == ".onnx" {
			found = append(found, p)
		}
	}
	slices.Sort(found)
	switch len(found) {
	case 0:
		return "", errors.New("the manifest lists no *.onnx")
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("the manifest lists several models: %s; it must say which one to run", strings.Join(found, ", "))
}

// Path is where a file lies, for those who can't read it through the folder.
func (f *Folder) Path(name string) string { return filepath.Join(f.dir, filepath.FromSlash(name)) }

// Header reads the header of a model file, and refuses weights that the manifest does not vouch for.
func (f *Folder) Header(name string) (*onnx.Header, error) {
	h, err := onnx.ReadHeader(f.Path(name))
	if err != nil {
		return nil, err
	}
	for _, p := range h.External {
		if !f.Has(path.Join(path.Dir(name), filepath.ToSlash(filepath.Clean(p)))) {
			return nil, fmt.Errorf("%s keeps weights in %q, which the manifest does not list", name, p)
		}
	}
	return h, nil
}

// Close closes the folder.
func (f *Folder) Close() error { return f.root.Close() }
