package main

import (
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// powered is a disk on two empty folders.
func powered(t *testing.T) *disk {
	t.Helper()
	return newDisk(t.TempDir(), t.TempDir())
}

// write writes to a file that is made where it is missing.
func write(t *testing.T, d *disk, path, text string, flags int) *handle {
	t.Helper()
	h, err := d.open(path, os.O_CREATE|os.O_RDWR|flags, 0o600)
	require.NoError(t, err)
	t.Cleanup(func() { _ = h.close() })
	n, err := h.writeAt([]byte(text), 0)
	require.NoError(t, err)
	require.Len(t, text, n)
	return h
}

// after cuts the power and tells what is left: files with their content, and folders with a slash.
func after(t *testing.T, d *disk, l luck) (map[string]string, lost) {
	t.Helper()
	d.prepare(&strike{luck: l, rng: rand.New(rand.NewPCG(1, 0))})
	what, err := d.cutNow()
	require.NoError(t, err)
	d.dead()
	left := map[string]string{}
	require.NoError(t, filepath.WalkDir(d.kept, func(name string, e fs.DirEntry, err error) error {
		if err != nil || name == d.kept {
			return err
		}
		path, err := filepath.Rel(d.kept, name)
		if err != nil {
			return err
		}
		if e.IsDir() {
			left[path+"/"] = ""
			return nil
		}
		b, err := os.ReadFile(name)
		left[path] = string(b)
		return err
	}))
	return left, what
}

func TestWhatNobodySyncedIsDropped(t *testing.T) {
	t.Parallel()
	d := powered(t)
	require.NoError(t, d.mkdir("folder", 0o700))
	write(t, d, "folder/a", "hello", 0)
	left, what := after(t, d, noLuck)
	require.Empty(t, left)
	require.Equal(t, lost{bytes: 5, names: 2}, what)
	_, err := d.open("folder/a", os.O_RDONLY, 0)
	require.Error(t, err, "the power is off")
}

func TestSyncKeepsTheFileAndAllNames(t *testing.T) {
	t.Parallel()
	d := powered(t)
	write(t, d, "other", "not synced", 0)
	h := write(t, d, "a", "hello", 0)
	require.NoError(t, h.fsync())
	_, err := h.writeAt([]byte("J and more"), 0)
	require.NoError(t, err)
	left, what := after(t, d, noLuck)
	require.Equal(t, map[string]string{"a": "hello", "other": ""}, left)
	require.Equal(t, lost{bytes: 20}, what)
	require.Equal(t, 1, d.syncs())
}

func TestSyncedWritesAreKept(t *testing.T) {
	t.Parallel()
	d := powered(t)
	write(t, d, "a", "hello", os.O_SYNC)
	left, what := after(t, d, noLuck)
	require.Equal(t, map[string]string{"a": "hello"}, left)
	require.Zero(t, what)
}

func TestNamesKeepTheirOrder(t *testing.T) {
	t.Parallel()
	d := powered(t)
	require.NoError(t, write(t, d, "a", "old", 0).fsync())
	write(t, d, "a.tmp", "new", os.O_SYNC)
	require.NoError(t, d.rename("a.tmp", "a"))
	require.NoError(t, d.mkdir("folder", 0o700))
	require.NoError(t, d.syncNames())
	require.NoError(t, d.remove("a"))
	left, what := after(t, d, noLuck)
	require.Equal(t, map[string]string{"a": "new", "folder/": ""}, left)
	require.Equal(t, lost{names: 1}, what)
}

func TestARenameThatNobodySyncedIsDropped(t *testing.T) {
	t.Parallel()
	d := powered(t)
	require.NoError(t, write(t, d, "a", "old", 0).fsync())
	write(t, d, "a.tmp", "new", os.O_SYNC)
	require.NoError(t, d.rename("a.tmp", "a"))
	left, _ := after(t, d, noLuck)
	require.Equal(t, map[string]string{"a": "old", "a.tmp": "new"}, left)
}

func TestAFileKeepsWhatWasWrittenUnderAnotherName(t *testing.T) {
	t.Parallel()
	d := powered(t)
	require.NoError(t, d.mkdir("x", 0o700))
	h := write(t, d, "x/a", "hello", 0)
	require.NoError(t, d.rename("x", "y"))
	require.NoError(t, h.fsync())
	unnamed := write(t, d, "y/b", "gone", 0)
	require.NoError(t, d.remove("y/b"))
	require.NoError(t, unnamed.fsync())
	left, _ := after(t, d, noLuck)
	require.Equal(t, map[string]string{"y/": "", "y/a": "hello"}, left)
}

func TestTruncation(t *testing.T) {
	t.Parallel()
	d := powered(t)
	h := write(t, d, "a", "0123456789", 0)
	require.NoError(t, h.fsync())
	require.NoError(t, h.truncate(4))
	b := write(t, d, "b", "0123456789", 0)
	require.NoError(t, d.truncate("b", 3))
	require.NoError(t, b.fsync())
	write(t, d, "b", "new", os.O_TRUNC)
	left, what := after(t, d, nameLuck)
	require.Equal(t, map[string]string{"a": "0123", "b": ""}, left)
	require.Equal(t, lost{bytes: 3}, what)
}

func TestLuckKeepsSomePages(t *testing.T) {
	t.Parallel()
	d := powered(t)
	text := make([]byte, 64*page)
	for i := range text {
		text[i] = 'x'
	}
	write(t, d, "a", string(text), 0)
	left, what := after(t, d, pageLuck)
	kept := 0
	for _, b := range []byte(left["a"]) {
		if b == 'x' {
			kept++
		}
	}
	require.Equal(t, int64(len(text)-kept), what.bytes)
	require.Positive(t, kept)
	require.Positive(t, what.bytes)
}

func TestThePowerGoesInsteadOfASync(t *testing.T) {
	t.Parallel()
	d := powered(t)
	blow := &strike{after: 1, sync: true}
	d.prepare(blow)
	h := write(t, d, "a", "hello", 0)
	require.NoError(t, h.fsync(), "the first is let pass")
	require.NoError(t, h.fsync(), "nothing is to be synced")
	_, err := h.writeAt([]byte("J"), 0)
	require.NoError(t, err)
	waiting := make(chan error)
	go func() { waiting <- h.fsync() }()
	<-blow.done
	d.dead()
	require.Error(t, <-waiting)
	what, err := d.cutNow()
	require.NoError(t, err)
	require.Equal(t, lost{bytes: 1}, what)
	b, err := os.ReadFile(filepath.Join(d.kept, "a"))
	require.NoError(t, err)
	require.Equal(t, "hello", string(b))
}
