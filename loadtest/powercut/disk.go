package main

import (
	"errors"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
)

// page is what a disk writes or does not write.
const page = 4096

// disk is a folder, and what a power cut would leave of it in a second one. It stands for a journaling file system with
// delayed allocation: names, folders and sizes set by truncation reach the second folder in their order, and at the next
// sync of anything. What was written to a file reaches it when that file is synced, and its length with that.
//
// Paths are relative to both folders. It is safe for concurrent use.
type disk struct {
	live, kept string
	off        chan struct{} // closed when nothing waits for an answer any more

	mu      sync.Mutex
	files   map[string]*file // guarded by mu: those that were opened, by path
	journal []func() error   // guarded by mu: what is not in kept yet
	cut     bool             // guarded by mu: no operation is taken any more
	strike  *strike          // guarded by mu: how the power is going to be cut; nil until that is known
	err     error            // guarded by mu: the model itself failed
	synced  int              // guarded by mu: syncs that had something to write
}

// strike is one power cut to come: instead of an operation, or of the sync of something that is not synced.
type strike struct {
	after int // operations, or syncs, to be let pass
	sync  bool
	luck  luck
	rng   *rand.Rand
	done  chan struct{} // closed when the power is cut
	lost  lost          // read after done
}

// file is a file that was opened.
type file struct {
	path  string
	gone  bool   // it has no name any more
	dirty []span // what was written since the last sync; in order, apart from each other
}

// span is a part of a file.
type span struct{ from, to int64 }

// newDisk takes over two folders that hold the same.
func newDisk(live, kept string) *disk {
	return &disk{live: live, kept: kept, off: make(chan struct{}), files: map[string]*file{}}
}

// errCut says that the power was cut before something was done.
var errCut = errors.New("the power is cut")

// do runs an operation. Once the power is cut, it waits until whoever asked is dead, and says that it failed.
func (d *disk) do(f func() error) error {
	err := d.try(f)
	if errors.Is(err, errCut) {
		<-d.off
		return syscall.EIO
	}
	return err
}

func (d *disk) try(f func() error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.cut || d.strikes(false) {
		return errCut
	}
	return f()
}

// strikes tells whether the power is cut now, before an operation or a sync.
func (d *disk) strikes(atSync bool) bool {
	if d.strike == nil || d.strike.sync != atSync {
		return false
	}
	if d.strike.after--; d.strike.after >= 0 {
		return false
	}
	d.fall(d.strike)
	return true
}

// change does something to the names in live, and later to those in kept.
func (d *disk) change(f func(root string) error) error {
	if err := f(d.live); err != nil {
		return err
	}
	d.journal = append(d.journal, func() error { return f(d.kept) })
	return nil
}

// commit brings kept's names to what live's are.
func (d *disk) commit() error {
	for _, f := range d.journal {
		if err := f(); err != nil {
			d.err = errors.Join(d.err, err)
			return err
		}
	}
	d.journal = nil
	return nil
}

func (d *disk) file(path string) *file {
	f := d.files[path]
	if f == nil {
		f = &file{path: path}
		d.files[path] = f
	}
	return f
}

// handle is an open file.
type handle struct {
	d    *disk
	f    *file
	os   *os.File
	sync bool // each write is synced
}

// open opens a file, and makes it where the flags say so.
func (d *disk) open(path string, flags int, mode os.FileMode) (h *handle, err error) {
	err = d.do(func() error {
		name := filepath.Join(d.live, path)
		_, missing := os.Stat(name)
		truncates := flags&os.O_TRUNC != 0
		synced := flags&os.O_SYNC == os.O_SYNC || flags&syscall.O_DSYNC == syscall.O_DSYNC
		// A write in place must not land at the end, and it is the disk that syncs.
		f, err := os.OpenFile(name, flags&^(os.O_APPEND|os.O_SYNC|syscall.O_DSYNC|os.O_TRUNC), mode) //nolint:gosec // our own folder
		if err != nil {
			return err
		}
		h = &handle{d: d, f: d.file(path), os: f, sync: synced}
		if missing != nil {
			d.journal = append(d.journal, func() error {
				f, err := os.OpenFile(filepath.Join(d.kept, path), os.O_CREATE|os.O_WRONLY, mode) //nolint:gosec // our own folder
				if err != nil {
					return err
				}
				return f.Close()
			})
		}
		if truncates {
			return d.shorten(path, 0)
		}
		return nil
	})
	return h, err
}

// truncate sets a file's size.
func (d *disk) truncate(path string, size int64) error {
	return d.do(func() error { return d.shorten(path, size) })
}

func (d *disk) shorten(path string, size int64) error {
	f := d.file(path)
	f.dirty = slices.DeleteFunc(f.dirty, func(s span) bool { return s.from >= size })
	if n := len(f.dirty); n > 0 {
		f.dirty[n-1].to = min(f.dirty[n-1].to, size)
	}
	return d.change(func(root string) error { return os.Truncate(filepath.Join(root, path), size) })
}

func (d *disk) mkdir(path string, mode os.FileMode) error {
	return d.do(func() error {
		return d.change(func(root string) error { return os.Mkdir(filepath.Join(root, path), mode) })
	})
}

// remove removes a file or an empty folder.
func (d *disk) remove(path string) error {
	return d.do(func() error {
		if err := d.change(func(root string) error { return os.Remove(filepath.Join(root, path)) }); err != nil {
			return err
		}
		d.forget(path)
		return nil
	})
}

func (d *disk) forget(path string) {
	if f := d.files[path]; f != nil {
		f.gone = true
		delete(d.files, path)
	}
}

// rename gives a file or a folder another name, which it takes from whoever has it.
func (d *disk) rename(from, to string) error {
	return d.do(func() error {
		err := d.change(func(root string) error { return os.Rename(filepath.Join(root, from), filepath.Join(root, to)) })
		if err != nil || from == to {
			return err
		}
		d.forget(to)
		var moved []*file
		for path, f := range d.files {
			if path == from || strings.HasPrefix(path, from+"/") {
				moved = append(moved, f)
				delete(d.files, path)
			}
		}
		for _, f := range moved {
			f.path = to + strings.TrimPrefix(f.path, from)
			d.files[f.path] = f
		}
		return nil
	})
}

// syncNames is the sync of a folder.
func (d *disk) syncNames() error {
	return d.do(func() error {
		if len(d.journal) > 0 && d.strikes(true) {
			return errCut
		}
		return d.commit()
	})
}

func (h *handle) readAt(p []byte, at int64) (int, error) {
	n, err := h.os.ReadAt(p, at)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return n, err
}

func (h *handle) writeAt(p []byte, at int64) (n int, err error) {
	err = h.d.do(func() error {
		if n, err = h.os.WriteAt(p, at); n > 0 {
			h.f.write(span{at, at + int64(n)})
		}
		if err == nil && h.sync {
			err = h.d.syncFile(h.f)
		}
		return err
	})
	return n, err
}

// truncate sets the size of an open file, which may have no name any more.
func (h *handle) truncate(size int64) error {
	return h.d.do(func() error {
		if h.f.gone {
			return h.os.Truncate(size)
		}
		return h.d.shorten(h.f.path, size)
	})
}

// fsync is that of an open file.
func (h *handle) fsync() error { return h.d.do(func() error { return h.d.syncFile(h.f) }) }

func (h *handle) close() error { return h.os.Close() }

// syncFile brings what was written to a file to kept.
func (d *disk) syncFile(f *file) error {
	if (len(f.dirty) > 0 || len(d.journal) > 0) && d.strikes(true) {
		return errCut
	}
	if err := d.commit(); err != nil {
		return err
	}
	if len(f.dirty) > 0 {
		d.synced++
	}
	if !f.gone {
		if err := d.keep(f.path, f.dirty); err != nil {
			d.err = errors.Join(d.err, err)
			return err
		}
	}
	f.dirty = nil
	return nil
}

// keep copies parts of a file to kept.
func (d *disk) keep(path string, parts []span) (err error) {
	if len(parts) == 0 {
		return nil
	}
	from, err := os.Open(filepath.Join(d.live, path)) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, from.Close()) }()
	to, err := os.OpenFile(filepath.Join(d.kept, path), os.O_WRONLY, 0) //nolint:gosec // our own folder
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, to.Close()) }()
	for _, s := range parts {
		if _, err := io.Copy(io.NewOffsetWriter(to, s.from), io.NewSectionReader(from, s.from, s.to-s.from)); err != nil {
			return err
		}
	}
	return nil
}

// write adds a span to what is dirty.
func (f *file) write(s span) {
	var rest []span
	for _, o := range f.dirty {
		if o.to < s.from || s.to < o.from {
			rest = append(rest, o)
			continue
		}
		s = span{min(s.from, o.from), max(s.to, o.to)}
	}
	f.dirty = append(rest, s)
	slices.SortFunc(f.dirty, func(a, b span) int { return int(a.from - b.from) })
}

// luck is what reaches the disk at a power cut though nobody synced it.
type luck int

const (
	noLuck    luck = iota
	nameLuck       // the names, the folders and the sizes by truncation
	pageLuck       // those, and some pages of the files
	luckKinds = 3
)

// lost is what a power cut took.
type lost struct {
	bytes int64 // of files
	names int   // creations, renames, truncations and the like
}

// prepare has the power cut at an operation, or where sync says so at a sync that has something to write, after some
// were let pass. From then on kept stays as it is, and who asks for something gets no answer until dead is called.
func (d *disk) prepare(s *strike) {
	s.done = make(chan struct{})
	d.mu.Lock()
	defer d.mu.Unlock()
	d.strike = s
}

// cutNow cuts the power unless that has happened.
func (d *disk) cutNow() (lost, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.cut {
		d.fall(d.strike)
	}
	return d.strike.lost, d.err
}

// fall is the power cut.
func (d *disk) fall(s *strike) {
	d.cut = true
	defer close(s.done)
	if s.luck == noLuck {
		s.lost.names = len(d.journal)
	} else if d.commit() != nil {
		return // err tells
	}
	paths := slices.Sorted(maps.Keys(d.files)) // so that the seed decides
	for _, path := range paths {
		f := d.files[path]
		var kept []span
		for _, part := range f.dirty {
			for at := part.from; at < part.to; {
				end := min(part.to, at-at%page+page)
				if s.luck == pageLuck && s.rng.IntN(2) == 0 {
					kept = append(kept, span{at, end})
				} else {
					s.lost.bytes += end - at
				}
				at = end
			}
		}
		d.err = errors.Join(d.err, d.keep(f.path, kept))
	}
}

// dead says that whoever used the files was killed: what still waits gets an error.
func (d *disk) dead() { close(d.off) }

func (d *disk) syncs() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.synced
}
