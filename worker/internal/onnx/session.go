package onnx

/*
#include <stdlib.h>
#include "capi.h"

#cgo noescape pst_run
#cgo nocallback pst_run
*/
import "C"

import (
	"context"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"
)

// Options say how a session runs.
type Options struct {
	// Threads of one run, counting the caller's; 0 means 1. Sessions × threads should not exceed the cores.
	Threads int
	// Device is cpu, which the empty string means too, or cuda:N. A missing one is an error, never a silent cpu.
	Device string
	// Inputs and Outputs name what Run takes and gives, in that order. Every input that the model requires must be among
	// them, and each must exist.
	Inputs, Outputs []string
	// MemPattern lets the runtime keep a plan of its memory for each set of input shapes that it has seen. It pays where
	// shapes are few; where they vary without end, as the plans do, it is a leak.
	MemPattern bool
	// Shrink gives memory that the runs' arena does not use back after each run, so that one large request does not
	// hold it for ever. It costs some microseconds a run, and more when the memory is wanted again.
	Shrink bool
	// Limited takes the runs' memory from what Runtime.Limit allows, so that a run which wants more fails and the process
	// lives on.
	Limited bool
}

// Session is one loaded model. Run may be called by several goroutines at once.
type Session struct {
	runtime         *Runtime
	header          *Header
	inputs, outputs []string
	in, out         **C.char // the names, in C's memory
	shrink          bool

	native unsafe.Pointer // nil when closed

	mu   sync.Mutex
	free []unsafe.Pointer // run options not in use, their terminate flag unset
}

// Load opens a model file. It reads the header first, and refuses a file whose external data leave the file's folder
// or whose inputs and outputs are not those that o names.
func (r *Runtime) Load(path string, o Options) (*Session, error) {
	h, err := ReadHeader(path)
	if err != nil {
		return nil, err
	}
	return r.LoadHeader(path, h, o)
}

// LoadHeader is Load with a header that was read before.
func (r *Runtime) LoadHeader(path string, h *Header, o Options) (*Session, error) {
	if err := h.check(o.Inputs, o.Outputs); err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	native, err := open(path, o)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	r.sessions.Add(1)
	return &Session{
		runtime: r, header: h, inputs: o.Inputs, outputs: o.Outputs,
		in: newNames(o.Inputs), out: newNames(o.Outputs), shrink: o.Shrink, native: native,
	}, nil
}

func open(path string, o Options) (unsafe.Pointer, error) {
	pattern := C.int(0)
	if o.MemPattern {
		pattern = 1
	}
	var so unsafe.Pointer
	err := failure(C.pst_session_options(&so, C.int(max(o.Threads, 1)), pattern))
	if so != nil {
		defer C.pst_free_session_options(so)
	}
	if err != nil {
		return nil, err
	}
	if err := configure(so, o.Limited); err != nil {
		return nil, err
	}
	if err := provider(so, o.Device); err != nil {
		return nil, err
	}
	name := C.CString(path)
	defer C.free(unsafe.Pointer(name))
	var native unsafe.Pointer
	return native, failure(C.pst_session(name, so, &native))
}

func configure(so unsafe.Pointer, limited bool) error {
	settings := [][2]string{ // spinning loses where anything shares the cores
		{"session.intra_op.allow_spinning", "0"}, {"session.inter_op.allow_spinning", "0"},
	}
	if limited {
		settings = append(settings, [2]string{"session.use_env_allocators", "1"}, [2]string{"session.use_device_allocator_for_initializers", "1"})
	}
	for _, s := range settings {
		if err := config(so, s[0], s[1]); err != nil {
			return err
		}
	}
	return nil
}

func config(so unsafe.Pointer, key, value string) error {
	k, v := C.CString(key), C.CString(value)
	defer C.free(unsafe.Pointer(k))
	defer C.free(unsafe.Pointer(v))
	return failure(C.pst_session_config(so, k, v))
}

// provider appends the execution provider that device names.
func provider(so unsafe.Pointer, device string) error {
	kind, number, _ := strings.Cut(device, ":")
	switch kind {
	case "", "cpu":
		if number != "" {
			return fmt.Errorf("device %q: cpu has no number", device)
		}
		return nil
	case "cuda":
	default:
		return fmt.Errorf("device %q: want cpu or cuda:N", device)
	}
	if number == "" {
		number = "0"
	}
	if n, err := strconv.Atoi(number); err != nil || n < 0 {
		return fmt.Errorf("device %q: want cpu or cuda:N", device)
	}
	n := C.CString(number)
	defer C.free(unsafe.Pointer(n))
	if err := failure(C.pst_cuda(so, n)); err != nil {
		return fmt.Errorf("device %q can't be had: %w", device, err)
	}
	return nil
}

// Header is what the model's file says of itself.
func (s *Session) Header() *Header { return s.header }

// Run runs the model once, with values in the order of the options' names. A nil input is one that is not given, which
// only an optional one need not be, and a nil output one that is not wanted. Outputs are written in place, so they must
// have the shape that comes out, but for a Raw in the state Auto. When ctx ends the run is told to stop, and Run returns
// ctx's error once it has: the values are the caller's again whenever Run returns. After an error what outputs hold is
// undefined.
func (s *Session) Run(ctx context.Context, inputs, outputs []Value) error {
	if len(inputs) != len(s.inputs) || len(outputs) != len(s.outputs) {
		return fmt.Errorf("onnx: the session takes %d inputs and gives %d outputs, not %d and %d",
			len(s.inputs), len(s.outputs), len(inputs), len(outputs))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() == nil && !s.shrink {
		return s.run(inputs, outputs, nil)
	}
	ro, err := s.takeOptions()
	if err != nil {
		return err
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		_ = failure(C.pst_terminate(ro, 1)) // at worst the run goes on to its own end, for which Run waits anyway
	})
	err = s.run(inputs, outputs, ro)
	if stop() {
		s.giveOptions(ro)
		return err
	}
	<-told
	if failure(C.pst_terminate(ro, 0)) == nil {
		s.giveOptions(ro)
	} else {
		C.pst_free_run_options(ro)
	}
	if err != nil {
		return ctx.Err()
	}
	return nil
}

// many is how many values of one side a run keeps off the heap.
const many = 96

func (s *Session) run(inputs, outputs []Value, ro unsafe.Pointer) error {
	var in, out [many]*C.pst_value
	a, err := s.natives(in[:0], inputs, 0, false)
	if err != nil {
		return err
	}
	b, err := s.natives(out[:0], outputs, len(inputs), true)
	if err != nil {
		return err
	}
	at := C.int(-1)
	err = failure(C.pst_run(s.native, ro, s.in, unsafe.SliceData(a), C.size_t(len(a)), s.out, unsafe.SliceData(b), C.size_t(len(b)), &at))
	runtime.KeepAlive(inputs) // C has the addresses of what they view
	runtime.KeepAlive(outputs)
	if err != nil {
		if at >= 0 {
			return s.about(int(at), err)
		}
		return fmt.Errorf("onnx: %w", err)
	}
	for i, v := range outputs {
		if v == nil {
			continue
		}
		if err := v.raw().filled(); err != nil {
			return s.about(len(inputs)+i, err)
		}
	}
	return nil
}

func (s *Session) natives(into []*C.pst_value, from []Value, first int, output bool) ([]*C.pst_value, error) {
	for i, v := range from {
		if v == nil {
			into = append(into, nil)
			continue
		}
		r := v.raw()
		if err := r.check(output); err != nil {
			return nil, s.about(first+i, err)
		}
		into = append(into, r.c)
	}
	return into, nil
}

func (s *Session) takeOptions() (unsafe.Pointer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		ro := s.free[n-1]
		s.free = s.free[:n-1]
		return ro, nil
	}
	shrink := C.int(0)
	if s.shrink {
		shrink = 1
	}
	var ro unsafe.Pointer
	if err := failure(C.pst_run_options(&ro, shrink)); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return ro, nil
}

func (s *Session) giveOptions(ro unsafe.Pointer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, ro)
}

// Close frees the session. No run may be under way.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.native == nil {
		return nil
	}
	C.pst_free_session(s.native)
	for _, ro := range s.free {
		C.pst_free_run_options(ro)
	}
	freeNames(s.in, len(s.inputs))
	freeNames(s.out, len(s.outputs))
	s.native, s.free = nil, nil
	s.runtime.sessions.Add(-1)
	return nil
}

// newNames makes an array of C strings.
func newNames(names []string) **C.char {
	list := (**C.char)(C.calloc(C.size_t(len(names)+1), C.size_t(unsafe.Sizeof((*C.char)(nil)))))
	for i, n := range names {
		unsafe.Slice(list, len(names))[i] = C.CString(n)
	}
	return list
}

func freeNames(list **C.char, n int) {
	for _, s := range unsafe.Slice(list, n) {
		C.free(unsafe.Pointer(s))
	}
	C.free(unsafe.Pointer(list))
}
