package onnx

import (
	"fmt"
	"os"
	"syscall"
)

// Memory is a block of bytes outside Go's heap, for what is large and lives long, such as a KV cache: the collector
// neither scans nor counts it, it begins at a page, and its pages are zero and take memory only once they are written.
// Values view parts of it with Raw.Bind.
type Memory struct {
	b []byte
}

// NewMemory reserves n bytes.
func NewMemory(n int64) (*Memory, error) {
	if n < 0 || int64(int(n)) != n {
		return nil, fmt.Errorf("onnx: %d bytes of memory can't be had", n)
	}
	if n == 0 {
		return &Memory{}, nil
	}
	page := int64(os.Getpagesize())
	whole := (n + page - 1) / page * page
	b, err := syscall.Mmap(-1, 0, int(whole), syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		return nil, fmt.Errorf("onnx: %d bytes of memory can't be had: %w", n, err)
	}
	return &Memory{b: b[:n]}, nil
}

// Bytes is the block. It must not be touched after Free, and no value may be left that views it.
func (m *Memory) Bytes() []byte { return m.b }

// Free gives the block back.
func (m *Memory) Free() error {
	if len(m.b) == 0 {
		return nil
	}
	b := m.b
	m.b = nil
	return syscall.Munmap(b[:cap(b)])
}
