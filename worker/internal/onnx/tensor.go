package onnx

import (
	"fmt"
	"reflect"
	"unsafe"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Element is a type that a Tensor may hold.
type Element interface {
	~bool | ~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Value is an input or output of a run: a *Raw, or a *Tensor of any element.
type Value interface {
	raw() *Raw
}

// Tensor is a Raw of one element type. It is for one goroutine, and must not be touched while a run uses it. The zero
// value is ready.
type Tensor[T Element] struct {
	value Raw
	own   []T // memory of our own, kept when the shape shrinks or other memory is bound
	data  []T
}

// Shape gives the tensor a shape and returns its elements, row by row. They keep what an earlier use left in them.
func (t *Tensor[T]) Shape(dims ...int64) ([]T, error) {
	n, err := tensor.Elements(dims)
	if err != nil {
		return nil, err
	}
	if int64(cap(t.own)) < n {
		t.own = make([]T, n+n/4)
	}
	t.set(t.own[:n], dims)
	return t.data, nil
}

// Bind makes the tensor a view of somebody else's memory, which must live as long as the view is used.
func (t *Tensor[T]) Bind(data []T, dims ...int64) error {
	n, err := tensor.Elements(dims)
	if err != nil {
		return err
	}
	if n != int64(len(data)) {
		return fmt.Errorf("onnx: shape %v wants %d elements and has %d", dims, n, len(data))
	}
	t.set(data, dims)
	return nil
}

func (t *Tensor[T]) set(data []T, dims []int64) {
	t.data = data
	t.value.set(TypeOf[T](), AsBytes(data), dims)
}

// Data is the tensor's elements, row by row.
func (t *Tensor[T]) Data() []T { return t.data }

// Dims is the tensor's shape. It is a view, as Data is.
func (t *Tensor[T]) Dims() []int64 { return t.value.Dims() }

// Free gives the native value back. The tensor may be shaped again.
func (t *Tensor[T]) Free() {
	t.value.Free()
	t.data = nil
}

func (t *Tensor[T]) raw() *Raw { return &t.value }

// TypeOf is the element type that T is to ONNX. uint16 is UINT16: for float16 use a Raw.
func TypeOf[T Element]() tensor.DType {
	switch reflect.TypeFor[T]().Kind() {
	case reflect.Bool:
		return tensor.Bool
	case reflect.Int8:
		return tensor.Int8
	case reflect.Int16:
		return tensor.Int16
	case reflect.Int32:
		return tensor.Int32
	case reflect.Int64:
		return tensor.Int64
	case reflect.Uint8:
		return tensor.Uint8
	case reflect.Uint16:
		return tensor.Uint16
	case reflect.Uint32:
		return tensor.Uint32
	case reflect.Uint64:
		return tensor.Uint64
	case reflect.Float32:
		return tensor.Float32
	default:
		return tensor.Float64
	}
}

// AsBytes is the memory of elements.
func AsBytes[T Element](data []T) []byte {
	var one T
	at := unsafe.Pointer(unsafe.SliceData(data))                        //nolint:gosec // the same memory by another name
	return unsafe.Slice((*byte)(at), len(data)*int(unsafe.Sizeof(one))) //nolint:gosec // and of the same size
}

// As reads bytes as elements of T, without a copy. Bytes that are no whole number of them, or that do not lie where a T
// may, are an error; those of Raw.Shape, Raw.Bytes and Memory lie well.
func As[T Element](b []byte) ([]T, error) {
	var one T
	size := int(unsafe.Sizeof(one))
	at := unsafe.Pointer(unsafe.SliceData(b)) //nolint:gosec // what is not fit is refused
	if len(b)%size != 0 || uintptr(at)%uintptr(size) != 0 {
		return nil, fmt.Errorf("onnx: %d bytes at %#x are no elements of %s", len(b), uintptr(at), TypeOf[T]())
	}
	return unsafe.Slice((*T)(at), len(b)/size), nil //nolint:gosec // the same memory by another name
}

// Aligned is b, or a copy of it where b does not lie as any element may.
func Aligned(b []byte) []byte {
	if _, err := As[uint64](b[:0]); err == nil {
		return b
	}
	return append(aligned(int64(len(b)))[:0], b...)
}
