package model

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Entry is one version folder of a repository: a model to load, or why it can't be.
type Entry struct {
	Name     string
	Version  string
	Dir      string
	Manifest *Manifest // nil when Err is set
	Err      error
}

// Scan reads the repository models/<name>/<version>/ at dir and verifies every version, ordered by name and then
// version (see Compare). A broken version is an entry with its error; the others go on. A folder beside the versions
// that begins with no digit and has no manifest (sources, test data) is left alone, and so is what begins with a dot.
// Only a repository that can't be read is an error.
func Scan(dir string) ([]Entry, error) {
	names, err := folders(dir)
	if err != nil {
		return nil, fmt.Errorf("model: the repository can't be read: %w", err)
	}
	var entries []Entry
	for _, name := range names {
		entries = append(entries, scanModel(filepath.Join(dir, name), name)...)
	}
	return entries, nil
}

// Find lists what a folder is: one version, a model with its versions, or a repository.
func Find(dir string) ([]Entry, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	list, err := os.ReadDir(abs)
	if err != nil {
		return nil, fmt.Errorf("model: %w", err)
	}
	name := filepath.Base(abs)
	for _, e := range list {
		if ext := filepath.Ext(e.Name()); e.Name() == ManifestFile || ext == ".onnx" {
			x := Entry{Name: filepath.Base(filepath.Dir(abs)), Version: name, Dir: dir}
			x.Manifest, x.Err = load(dir)
			return []Entry{x}, nil
		}
	}
	if entries := scanModel(dir, name); len(entries) > 0 {
		return entries, nil
	}
	entries, err := Scan(dir)
	if err == nil && len(entries) == 0 {
		err = fmt.Errorf("model: %s holds no model: a repository is NAME/VERSION/%s", dir, ManifestFile)
	}
	return entries, err
}

func scanModel(dir, name string) []Entry {
	versions, err := folders(dir)
	if err != nil {
		return []Entry{{Name: name, Dir: dir, Err: fmt.Errorf("model: %w", err)}}
	}
	slices.SortFunc(versions, Compare)
	var entries []Entry
	for _, v := range versions {
		e := Entry{Name: name, Version: v, Dir: filepath.Join(dir, v)}
		if !isVersion(e.Dir, v) {
			continue
		}
		e.Manifest, e.Err = load(e.Dir)
		entries = append(entries, e)
	}
	return entries
}

func load(dir string) (*Manifest, error) {
	m, err := Read(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return Bare(dir)
	}
	if err != nil {
		return nil, err
	}
	if err := m.Verify(dir); err != nil {
		return nil, err
	}
	return m, nil
}

func isVersion(dir, name string) bool {
	if name[0] >= '0' && name[0] <= '9' {
		return true
	}
	_, err := os.Lstat(filepath.Join(dir, ManifestFile))
	return err == nil
}

// folders lists the folders in dir, also those behind symbolic links, sorted.
func folders(dir string) ([]string, error) {
	list, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range list {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if e.Type()&fs.ModeSymlink != 0 {
			st, err := os.Stat(filepath.Join(dir, e.Name()))
			if err != nil || !st.IsDir() {
				continue
			}
		} else if !e.IsDir() {
			continue
		}
		names = append(names, e.Name())
	}
	return names, nil
}

// Compare orders versions as people read them: runs of digits by their value (1, 2, 10), all else by its bytes.
func Compare(a, b string) int {
	for a != "" && b != "" {
		x, restA := chunk(a)
		y, restB := chunk(b)
		if c := compareChunks(x, y); c != 0 {
			return c
		}
		a, b = restA, restB
	}
	return cmp.Compare(len(a), len(b))
}

func compareChunks(x, y string) int {
	if isDigit(x[0]) && isDigit(y[0]) {
		s, t := strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		return cmp.Or(cmp.Compare(len(s), len(t)), cmp.Compare(s, t), cmp.Compare(x, y))
	}
	return cmp.Compare(x, y)
}

// chunk cuts off the leading run of digits, or of anything else.
func chunk(s string) (head, rest string) {
	i := 1
	for i < len(s) && isDigit(s[i]) == isDigit(s[0]) {
		i++
	}
	return s[:i], s[i:]
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
