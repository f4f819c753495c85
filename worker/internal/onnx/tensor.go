package onnx

import (
	"errors"
	"fmt"
	"slices"

	ort "github.com/yalue/onnxruntime_go"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Element is a type that a Tensor may hold.
type Element interface {
	~int8 | ~int16 | ~int32 | ~int64 | ~uint8 | ~uint16 | ~uint32 | ~uint64 | ~float32 | ~float64
}

// Value is an input or output of a run: a *Tensor of any element.
type Value interface {
	native() ort.Value
}

// Tensor is memory with a shape that may change from run to run; the memory stays and grows as needed. It is for one
// goroutine, and must not be touched while a run uses it. The zero value is ready.
type Tensor[T Element] struct {
	own   []T // memory of our own, kept when the shape shrinks or other memory is bound
	data  []T
	shape []int64
	value *ort.Tensor[T]
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
	err = t.set(t.own[:n], dims)
	return t.data, err
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
	return t.set(data, dims)
}

// set makes the native value anew, unless memory and shape are what they were.
func (t *Tensor[T]) set(data []T, dims []int64) error {
	if t.value != nil && slices.Equal(dims, t.shape) && same(data, t.data) {
		return nil
	}
	t.Free()
	if len(dims) == 0 {
		return errors.New("onnx: scalars are not supported; use one dimension of 1")
	}
	v, err := ort.NewTensor(ort.Shape(dims), data)
	if err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	t.value, t.data, t.shape = v, data, append(t.shape[:0], dims...)
	return nil
}

func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Data is the tensor's elements, row by row.
func (t *Tensor[T]) Data() []T { return t.data }

// Dims is the tensor's shape.
func (t *Tensor[T]) Dims() []int64 { return t.shape }

// Free gives the native value back. The tensor may be shaped again.
func (t *Tensor[T]) Free() {
	if t.value != nil {
		t.value.Destroy() //nolint:errcheck,gosec // it always returns nil
	}
	t.value, t.data, t.shape = nil, nil, t.shape[:0]
}

// native is nil for a tensor that has no shape.
func (t *Tensor[T]) native() ort.Value {
	if t.value == nil {
		return nil
	}
	return t.value
}
