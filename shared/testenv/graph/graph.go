// Package graph writes small ONNX models for tests, field by field, so that no test needs a tool to make one. It is
// test-only.
package graph

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Numbers of protobuf fields in ModelProto, GraphProto and below.
const (
	irVersion, producer, opsets, mainGraph = 1, 2, 8, 7
	nodes, initializers, inputs, outputs   = 1, 5, 11, 12
)

// Part is a piece of a graph: a node, a constant, an input or an output.
type Part []byte

// Model puts a graph together, of ONNX's operators of version 17 or so.
func Model(parts ...Part) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return slices.Concat(number(irVersion, 9), text(producer, "test"),
		message(opsets, text(1, ""), number(2, 19)), message(mainGraph, all, text(2, "g")))
}

// Node is an operator.
func Node(op string, in, out []string, attributes ...Part) Part {
	var body []byte
	for _, s := range in {
		body = append(body, text(1, s)...)
	}
	for _, s := range out {
		body = append(body, text(2, s)...)
	}
	body = append(body, text(4, op)...)
	for _, a := range attributes {
		body = append(body, a...)
	}
	return message(nodes, body)
}

// Int is an attribute of a node.
func Int(name string, v int64) Part {
	return message(5, text(1, name), number(3, v), number(20, 2))
}

// Graph is an attribute of a node that is a graph itself, the body of a loop.
func Graph(name string, parts ...Part) Part {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return message(5, text(1, name), message(6, all, text(2, name)), number(20, 5))
}

// Loop counts in "last" to the INT64 input "trips" of shape [1], an addition a trip, so that it runs as long as is wanted.
func Loop() []byte {
	return Model(
		Node("Loop", []string{"trips", "go", "zero"}, []string{"last"}, Graph("body",
			Node("Add", []string{"sum_in", "one"}, []string{"sum_out"}),
			Node("Identity", []string{"go_in"}, []string{"go_out"}),
			Input("i", tensor.Int64), Input("go_in", tensor.Bool), Input("sum_in", tensor.Float32, 1),
			Output("go_out", tensor.Bool), Output("sum_out", tensor.Float32, 1),
		)),
		constant("go", tensor.Bool, []byte{1}, nil), Floats("zero", []float32{0}, 1), Floats("one", []float32{1}, 1),
		Input("trips", tensor.Int64, 1), Output("last", tensor.Float32, 1),
	)
}

// Input is an input of the graph; a negative dimension is free.
func Input(name string, d tensor.DType, dims ...int64) Part { return value(inputs, name, d, dims) }

// Output is an output of the graph.
func Output(name string, d tensor.DType, dims ...int64) Part { return value(outputs, name, d, dims) }

// LooseInput is an input of any rank.
func LooseInput(name string, d tensor.DType) Part { return loose(inputs, name, d) }

// LooseOutput is an output of any rank.
func LooseOutput(name string, d tensor.DType) Part { return loose(outputs, name, d) }

// Untyped is an output of which the file says nothing, as of one that is no tensor.
func Untyped(name string) Part { return message(outputs, text(1, name)) }

// Floats is a constant.
func Floats(name string, v []float32, dims ...int64) Part {
	var raw []byte
	for _, f := range v {
		raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(f))
	}
	return constant(name, tensor.Float32, raw, dims)
}

// External is a constant of floats that lie in another file.
func External(name, location string, dims ...int64) Part {
	var body []byte
	for _, n := range dims {
		body = append(body, number(1, n)...)
	}
	return message(initializers, body, number(2, int64(tensor.Float32.ONNX())), text(8, name),
		message(13, text(1, "location"), text(2, location)), number(14, 1))
}

// Int64s is a constant.
func Int64s(name string, v []int64, dims ...int64) Part {
	var raw []byte
	for _, n := range v {
		raw = binary.LittleEndian.AppendUint64(raw, uint64(n))
	}
	return constant(name, tensor.Int64, raw, dims)
}

func constant(name string, d tensor.DType, raw []byte, dims []int64) Part {
	var body []byte
	for _, n := range dims {
		body = append(body, number(1, n)...)
	}
	return message(initializers, body, number(2, int64(d.ONNX())), text(8, name), message(9, raw))
}

func value(field int, name string, d tensor.DType, dims []int64) Part {
	var shape []byte
	for _, n := range dims {
		if n < 0 {
			shape = append(shape, message(1)...)
		} else {
			shape = append(shape, message(1, number(1, n))...)
		}
	}
	return message(field, text(1, name), message(2, message(1, number(1, int64(d.ONNX())), message(2, shape))))
}

func loose(field int, name string, d tensor.DType) Part {
	return message(field, text(1, name), message(2, message(1, number(1, int64(d.ONNX())))))
}

func number(field int, v int64) []byte {
	b := binary.AppendUvarint(nil, uint64(field)<<3)
	return binary.AppendUvarint(b, uint64(v))
}

func message(field int, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

func text(field int, s string) []byte { return message(field, []byte(s)) }
