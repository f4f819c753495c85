// Package tensor is the vocabulary of tensors: element types under the names that ONNX and KServe give them, and
// checks of shapes that come from outside. It imports nothing of ours.
package tensor

import "strings"

// DType is the type of a tensor's elements. The zero value is no type.
type DType uint8

// The element types that ONNX Runtime and the KServe protocol share, and those that only ONNX has.
const (
	Invalid DType = iota
	Bool
	Uint8
	Uint16
	Uint32
	Uint64
	Int8
	Int16
	Int32
	Int64
	Float16
	Float32
	Float64
	BFloat16
	String
	Complex64
	Complex128
	Float8E4M3FN
	Float8E4M3FNUZ
	Float8E5M2
	Float8E5M2FNUZ
	Uint4
	Int4
)

// row says how one type is called.
type row struct {
	dtype DType
	onnx  int
	name  string // KServe's name; for a type that KServe lacks, ONNX's in its style
}

func rows() [22]row {
	return [...]row{
		{Bool, 9, "BOOL"},
		{Uint8, 2, "UINT8"},
		{Uint16, 4, "UINT16"},
		{Uint32, 12, "UINT32"},
		{Uint64, 13, "UINT64"},
		{Int8, 3, "INT8"},
		{Int16, 5, "INT16"},
		{Int32, 6, "INT32"},
		{Int64, 7, "INT64"},
		{Float16, 10, "FP16"},
		{Float32, 1, "FP32"},
		{Float64, 11, "FP64"},
		{BFloat16, 16, "BF16"},
		{String, 8, "BYTES"},
		{Complex64, 14, "COMPLEX64"},
		{Complex128, 15, "COMPLEX128"},
		{Float8E4M3FN, 17, "FP8E4M3FN"},
		{Float8E4M3FNUZ, 18, "FP8E4M3FNUZ"},
		{Float8E5M2, 19, "FP8E5M2"},
		{Float8E5M2FNUZ, 20, "FP8E5M2FNUZ"},
		{Uint4, 21, "UINT4"},
		{Int4, 22, "INT4"},
	}
}

func find(match func(row) bool) row {
	for _, r := range rows() {
		if match(r) {
			return r
		}
	}
	return row{name: "INVALID"}
}

// Parse finds a type by its KServe name, in upper or lower case. It returns Invalid for a name it does not know.
func Parse(name string) DType {
	return find(func(r row) bool { return strings.EqualFold(r.name, name) }).dtype
}

// FromONNX finds a type by its number in ONNX's TensorProto.DataType. It returns Invalid for a number it does not know.
func FromONNX(n int) DType { return find(func(r row) bool { return r.onnx == n }).dtype }

// ONNX is the type's number in ONNX's TensorProto.DataType, 0 for Invalid.
func (d DType) ONNX() int { return find(func(r row) bool { return r.dtype == d }).onnx }

// String is the KServe name: "FP32", "INT64", "BYTES".
func (d DType) String() string { return find(func(r row) bool { return r.dtype == d }).name }

// Bits is the size of one element in bits; 0 for String and Invalid, which have none. It is asked for each element of a
// tensor, so that it searches no table.
func (d DType) Bits() int {
	switch d {
	case Bool, Uint8, Int8, Float8E4M3FN, Float8E4M3FNUZ, Float8E5M2, Float8E5M2FNUZ:
		return 8
	case Uint16, Int16, Float16, BFloat16:
		return 16
	case Uint32, Int32, Float32:
		return 32
	case Uint64, Int64, Float64, Complex64:
		return 64
	case Complex128:
		return 128
	case Uint4, Int4:
		return 4
	default:
		return 0
	}
}
