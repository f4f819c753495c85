package onnx

/*
#include <stdlib.h>
#include "capi.h"

#cgo noescape pst_strings
#cgo nocallback pst_strings
#cgo noescape pst_strings_size
#cgo nocallback pst_strings_size
#cgo noescape pst_strings_read
#cgo nocallback pst_strings_read
#cgo nocallback pst_forget
*/
import "C"

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Raw is a value whose element type is known at run time only: a view of bytes (Bind, Shape), strings, or an output
// that the runtime allocates (Auto). Giving it other memory or another shape costs nanoseconds and allocates nothing;
// what the runtime needs for it is made in the run. Numbers are little-endian, in the layout of ONNX: float16 and
// bfloat16 take two bytes, a bool one byte of 0 or 1.
//
// It is for one goroutine, and must not be touched while a run uses it. The zero value is ready; Free ends it.
type Raw struct {
	c     *C.pst_value // nil until there is something to hold
	dtype tensor.DType // of what was bound
	data  []byte       // keeps the bound memory alive: C holds its address
	own   []byte       // memory of our own, kept when the shape shrinks or other memory is bound
}

// Bind makes the value a view of data, which must have just the bytes that type and shape take and must stay as they are
// until the run that uses them is over: Go's heap (which does not move) or a Memory.
func (r *Raw) Bind(d tensor.DType, data []byte, dims ...int64) error {
	n, err := bytesOf(d, dims)
	if err != nil {
		return err
	}
	if n != int64(len(data)) {
		return fmt.Errorf("onnx: shape %v of %s takes %d bytes and has %d", slices.Clone(dims), d, n, len(data))
	}
	r.set(d, data, dims)
	return nil
}

// Shape gives the value memory of its own, of that type and shape, and returns it. It keeps what an earlier use left in
// it, grows as needed and stays until Free.
func (r *Raw) Shape(d tensor.DType, dims ...int64) ([]byte, error) {
	n, err := bytesOf(d, dims)
	if err != nil {
		return nil, err
	}
	if int64(cap(r.own)) < n {
		r.own = aligned(n + n/4)
	}
	r.set(d, r.own[:n], dims)
	return r.data, nil
}

// Auto makes the value an output that the runtime allocates. After a run it has the type and the shape that came out,
// and Bytes is the runtime's own memory until the next run, another use or Free. It may be an input of later runs.
func (r *Raw) Auto() {
	c := r.fresh()
	r.dtype, r.data = tensor.Invalid, nil
	c.kind, c._type, c.rank = C.PST_AUTO, 0, 0
}

// SetStrings makes the value an input of strings, which are copied. They may hold any bytes, NUL too.
func (r *Raw) SetStrings(values []string, dims ...int64) error {
	n, err := tensor.Elements(dims)
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	if n != int64(len(values)) {
		return fmt.Errorf("onnx: shape %v wants %d strings and has %d", dims, n, len(values))
	}
	total := 0
	for _, s := range values {
		total += len(s)
	}
	all, lengths := make([]byte, 0, total+1), make([]C.uint64_t, n, n+1)
	for i, s := range values {
		all, lengths[i] = append(all, s...), C.uint64_t(len(s))
	}
	c := r.fresh()
	r.dtype, r.data = tensor.String, nil
	c.kind, c._type, c.data, c.size = C.PST_OWNED, C.PST_STRING, 0, 0
	shape(c, dims)
	err = failure(C.pst_strings(c, (*C.char)(unsafe.Pointer(unsafe.SliceData(all))), unsafe.SliceData(lengths[:n+1]), C.size_t(n)))
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

// Strings copies the elements of a value of strings.
func (r *Raw) Strings() ([]string, error) {
	if r.DType() != tensor.String || r.c.value == nil {
		return nil, errors.New("onnx: the value holds no strings")
	}
	n, err := tensor.Elements(r.Dims())
	if err != nil || n == 0 {
		return nil, err
	}
	var size C.size_t
	if err := failure(C.pst_strings_size(r.c, &size)); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	all, starts := make([]byte, size+1), make([]C.size_t, n)
	if err := failure(C.pst_strings_read(r.c, unsafe.Pointer(&all[0]), size, &starts[0], C.size_t(n))); err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	text, values := string(all[:size]), make([]string, n)
	for i := range values {
		end := size
		if i+1 < len(starts) {
			end = starts[i+1]
		}
		values[i] = text[starts[i]:end]
	}
	return values, nil
}

// DType is the type of the elements; Invalid before a run has filled an Auto.
func (r *Raw) DType() tensor.DType {
	if r.c == nil {
		return tensor.Invalid
	}
	if r.c.kind == C.PST_AUTO {
		return tensor.FromONNX(int(r.c._type))
	}
	return r.dtype
}

// Dims is the shape. It is a view, as Bytes is.
func (r *Raw) Dims() []int64 {
	if r.c == nil {
		return nil
	}
	return unsafe.Slice((*int64)(unsafe.Pointer(&r.c.dims[0])), int(r.c.rank))
}

// Bytes is the memory of the elements, row by row; nil for strings and before a run has filled an Auto.
func (r *Raw) Bytes() []byte {
	if r.c == nil || r.c.kind != C.PST_AUTO {
		return r.data
	}
	n, err := tensor.Bytes(r.DType(), r.Dims())
	if err != nil || r.c.out == nil {
		return nil
	}
	return unsafe.Slice((*byte)(r.c.out), n)
}

// Unbind lets go of what the value views or holds, and of memory of its own that is larger than keep bytes. It costs
// less than Free for a value that is used again.
func (r *Raw) Unbind(keep int) {
	if r.c != nil {
		r.fresh()
		r.c.kind, r.c._type, r.c.rank, r.c.data, r.c.size = C.PST_AUTO, 0, 0, 0, 0
	}
	r.dtype, r.data = tensor.Invalid, nil
	if cap(r.own) > keep {
		r.own = nil
	}
}

// Free gives back what the runtime and C hold. The value may be used again as a new one.
func (r *Raw) Free() {
	if r.c != nil {
		C.pst_forget(r.c)
		C.free(unsafe.Pointer(r.c))
	}
	*r = Raw{}
}

// set points the value to memory and a shape. Unless it has them already, the next run makes the native value anew.
func (r *Raw) set(d tensor.DType, data []byte, dims []int64) {
	at := C.uintptr_t(0)
	if len(data) > 0 {
		at = C.uintptr_t(uintptr(unsafe.Pointer(&data[0])))
	}
	c := r.c
	if c == nil || c.kind != C.PST_BOUND {
		c = r.fresh()
	} else if r.dtype == d && c.data == at && slices.Equal(r.Dims(), dims) {
		return
	}
	c.stale = 1
	r.dtype, r.data = d, data
	c.kind, c._type, c.data, c.size = C.PST_BOUND, number(d), at, C.size_t(len(data))
	shape(c, dims)
}

// fresh is the value in C's memory, without a native one.
func (r *Raw) fresh() *C.pst_value {
	if r.c == nil {
		r.c = (*C.pst_value)(C.calloc(1, C.sizeof_pst_value))
	} else if r.c.value != nil {
		C.pst_forget(r.c)
	}
	return r.c
}

// check says why a run can't use the value.
func (r *Raw) check(output bool) error {
	switch {
	case r.c == nil:
		return errors.New("it has no shape")
	case r.c.kind == C.PST_AUTO && !output && r.c.value == nil:
		return errors.New("no run has filled it")
	case r.c.kind == C.PST_OWNED && output:
		return errors.New("it holds strings, which an output can't be written into")
	}
	return nil
}

// filled says why what the runtime allocated can't be read.
func (r *Raw) filled() error {
	if r.c.kind != C.PST_AUTO {
		return nil
	}
	switch d := r.DType(); {
	case r.c.value == nil || r.c._type == 0:
		return errors.New("it came out as something that is no tensor")
	case r.c.rank > C.PST_MAX_RANK:
		return fmt.Errorf("it came out with %d dimensions, more than %d", r.c.rank, C.PST_MAX_RANK)
	case d == tensor.String:
		return nil
	default:
		_, err := elementSize(d)
		return err
	}
}

func (r *Raw) raw() *Raw { return r }

// elementSize is how many bytes an element takes; a type without whole bytes is refused.
func elementSize(d tensor.DType) (int64, error) {
	n := d.Bits()
	if n < 8 {
		return 0, fmt.Errorf("elements of type %s are not supported", d)
	}
	return int64(n / 8), nil
}

// number is DType.ONNX without its search, for the types that are bound again and again.
func number(d tensor.DType) C.int32_t {
	switch d {
	case tensor.Float32:
		return 1
	case tensor.Float16:
		return 10
	case tensor.Int64:
		return 7
	default:
		return C.int32_t(d.ONNX())
	}
}

// bytesOf is tensor.Bytes; it keeps dims off the heap where they are small, as they are.
func bytesOf(d tensor.DType, dims []int64) (int64, error) {
	n, err := elementSize(d)
	if err != nil {
		return 0, fmt.Errorf("onnx: %w", err)
	}
	for _, x := range dims {
		if x < 0 || x > math.MaxUint32 || n > math.MaxInt32 || len(dims) > tensor.MaxRank {
			n, err := tensor.Bytes(d, slices.Clone(dims))
			if err != nil {
				return 0, fmt.Errorf("onnx: %w", err)
			}
			return n, nil
		}
		n *= x
	}
	return n, nil
}

func shape(c *C.pst_value, dims []int64) {
	for i, d := range dims {
		c.dims[i] = C.int64_t(d)
	}
	c.rank = C.size_t(len(dims))
}

// aligned allocates bytes that any element may lie at.
func aligned(n int64) []byte {
	words := make([]uint64, (n+7)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}
