package tensor

import (
	"fmt"
	"math"
	"math/bits"
)

// MaxRank bounds the number of dimensions; no model comes near it.
const MaxRank = 16

// Elements multiplies a shape out. A negative dimension, too many dimensions, or a product that does not fit an int64
// is an error, also when another dimension is 0. The empty shape is a scalar: one element.
func Elements(shape []int64) (int64, error) {
	if len(shape) > MaxRank {
		return 0, fmt.Errorf("tensor: %d dimensions are more than %d", len(shape), MaxRank)
	}
	product, empty := uint64(1), false
	for i, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("tensor: dimension %d is negative: %d", i, d)
		}
		if d == 0 {
			empty = true
			continue
		}
		hi, lo := bits.Mul64(product, uint64(d))
		if hi != 0 || lo > math.MaxInt64 {
			return 0, fmt.Errorf("tensor: shape %v has more elements than can be counted", shape)
		}
		product = lo
	}
	if empty {
		return 0, nil
	}
	return int64(product), nil
}

// Bytes is how many bytes a tensor of that type and shape takes. Strings have no fixed size and are an error.
func Bytes(d DType, shape []int64) (int64, error) {
	size := d.Bits()
	if size == 0 {
		return 0, fmt.Errorf("tensor: elements of type %s have no fixed size", d)
	}
	n, err := Elements(shape)
	if err != nil {
		return 0, err
	}
	hi, lo := bits.Mul64(uint64(n), uint64(size)) //nolint:gosec // neither is negative
	if hi != 0 || lo > math.MaxInt64-7 {
		return 0, fmt.Errorf("tensor: shape %v of %s has more bytes than can be counted", shape, d)
	}
	return int64((lo + 7) / 8), nil
}

// Check holds a declared type and shape against the number of bytes really sent.
func Check(d DType, shape []int64, sent int64) error {
	want, err := Bytes(d, shape)
	if err != nil {
		return err
	}
	if want != sent {
		return fmt.Errorf("tensor: shape %v of %s takes %d bytes, and %d were sent", shape, d, want, sent)
	}
	return nil
}

// Fits tells whether a shape is one that dims allows: the same rank, and equal wherever dims names a size. A negative
// size in dims allows any.
func Fits(shape, dims []int64) bool {
	if len(shape) != len(dims) {
		return false
	}
	for i, d := range dims {
		if d >= 0 && shape[i] != d {
			return false
		}
	}
	return true
}
