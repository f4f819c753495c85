package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// mount puts a disk at a folder, until the function it returns is called.
func mount(d *disk, dir string) (unmount func() error, err error) {
	s, err := fs.Mount(dir, &node{d: d}, &fs.Options{MountOptions: fuse.MountOptions{
		DirectMountStrict: true, FsName: "powercut", Name: "powercut", DisableXAttrs: true,
	}})
	if err != nil {
		return nil, fmt.Errorf("a power cut needs FUSE, which cannot be mounted here: %w", err)
	}
	return s.Unmount, nil
}

// node is a name below the mount. It is its own identity: inodes of the folder behind it are used again too soon.
type node struct {
	fs.Inode

	d *disk
}

var _ interface {
	fs.NodeLookuper
	fs.NodeGetattrer
	fs.NodeSetattrer
	fs.NodeOpener
	fs.NodeCreater
	fs.NodeMkdirer
	fs.NodeUnlinker
	fs.NodeRmdirer
	fs.NodeRenamer
	fs.NodeReaddirer
	fs.NodeFsyncer
	fs.NodeStatfser
} = (*node)(nil)

func (n *node) path() string { return n.Path(nil) }

func (n *node) at(name string) string { return filepath.Join(n.path(), name) }

// child is the node of a name that is in the live folder.
func (n *node) child(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	var st syscall.Stat_t
	if err := syscall.Lstat(filepath.Join(n.d.live, n.at(name)), &st); err != nil {
		return nil, fs.ToErrno(err)
	}
	out.FromStat(&st)
	if known := n.GetChild(name); known != nil {
		return known, fs.OK
	}
	return n.NewInode(ctx, &node{d: n.d}, fs.StableAttr{Mode: st.Mode}), fs.OK
}

// Lookup finds a name in a folder.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	return n.child(ctx, name, out)
}

// Getattr tells a file's size and the like.
func (n *node) Getattr(_ context.Context, open fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	var st syscall.Stat_t
	if f, ok := open.(*opened); ok {
		info, err := f.h.os.Stat()
		if err != nil {
			return fs.ToErrno(err)
		}
		if s, ok := info.Sys().(*syscall.Stat_t); ok {
			out.FromStat(s)
		}
		return fs.OK
	}
	if err := syscall.Lstat(filepath.Join(n.d.live, n.path()), &st); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStat(&st)
	return fs.OK
}

// Setattr sets a file's size. Nothing else is kept: the broker sets no modes, owners or times.
func (n *node) Setattr(ctx context.Context, open fs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if size, ok := in.GetSize(); ok {
		var err error
		if f, ok := open.(*opened); ok {
			err = f.h.truncate(int64(size)) //nolint:gosec // a file's size
		} else {
			err = n.d.truncate(n.path(), int64(size)) //nolint:gosec // a file's size
		}
		if err != nil {
			return fs.ToErrno(err)
		}
	}
	return n.Getattr(ctx, open, out)
}

// Open opens a file.
func (n *node) Open(_ context.Context, flags uint32) (fs.FileHandle, uint32, syscall.Errno) {
	h, err := n.d.open(n.path(), int(flags)&^fuse.FMODE_EXEC, 0)
	if err != nil {
		return nil, 0, fs.ToErrno(err)
	}
	return &opened{h}, 0, fs.OK
}

// Create makes a file and opens it.
func (n *node) Create(ctx context.Context, name string, flags, mode uint32, out *fuse.EntryOut) (*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	h, err := n.d.open(n.at(name), int(flags)|os.O_CREATE, os.FileMode(mode).Perm())
	if err != nil {
		return nil, nil, 0, fs.ToErrno(err)
	}
	c, errno := n.child(ctx, name, out)
	return c, &opened{h}, 0, errno
}

// Mkdir makes a folder.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	if err := n.d.mkdir(n.at(name), os.FileMode(mode).Perm()); err != nil {
		return nil, fs.ToErrno(err)
	}
	return n.child(ctx, name, out)
}

// Unlink removes a file.
func (n *node) Unlink(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(n.d.remove(n.at(name)))
}

// Rmdir removes a folder.
func (n *node) Rmdir(_ context.Context, name string) syscall.Errno {
	return fs.ToErrno(n.d.remove(n.at(name)))
}

// Rename gives a file or a folder another name.
func (n *node) Rename(_ context.Context, name string, parent fs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	to, ok := parent.(*node)
	if !ok || flags != 0 {
		return syscall.EINVAL
	}
	return fs.ToErrno(n.d.rename(n.at(name), to.at(newName)))
}

// Readdir lists a folder.
func (n *node) Readdir(context.Context) (fs.DirStream, syscall.Errno) {
	return fs.NewLoopbackDirStream(filepath.Join(n.d.live, n.path()))
}

// Fsync syncs a file or a folder.
func (n *node) Fsync(_ context.Context, open fs.FileHandle, _ uint32) syscall.Errno {
	if f, ok := open.(*opened); ok {
		return fs.ToErrno(f.h.fsync())
	}
	return fs.ToErrno(n.d.syncNames())
}

// Statfs tells what room there is.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	var s syscall.Statfs_t
	if err := syscall.Statfs(n.d.live, &s); err != nil {
		return fs.ToErrno(err)
	}
	out.FromStatfsT(&s)
	return fs.OK
}

// opened is an open file.
type opened struct{ h *handle }

var _ interface {
	fs.FileReader
	fs.FileWriter
	fs.FileFlusher
	fs.FileReleaser
} = (*opened)(nil)

// Read reads a part of the file.
func (f *opened) Read(_ context.Context, p []byte, at int64) (fuse.ReadResult, syscall.Errno) {
	n, err := f.h.readAt(p, at)
	return fuse.ReadResultData(p[:n]), fs.ToErrno(err)
}

// Write writes a part of the file.
func (f *opened) Write(_ context.Context, p []byte, at int64) (uint32, syscall.Errno) {
	n, err := f.h.writeAt(p, at)
	return uint32(n), fs.ToErrno(err) //nolint:gosec // no longer than what came
}

// Flush is a close, which syncs nothing.
func (f *opened) Flush(context.Context) syscall.Errno { return fs.OK }

// Release ends the file's use.
func (f *opened) Release(context.Context) syscall.Errno { return fs.ToErrno(f.h.close()) }
