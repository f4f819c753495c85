package onnx_test

import (
	"encoding/binary"
	"os"
	"slices"
)

// The functions below write small ONNX models by hand, field by field.

func varint(field int, v int64) []byte {
	b := binary.AppendUvarint(nil, uint64(field)<<3)
	return binary.AppendUvarint(b, uint64(v))
}

func message(field int, parts ...[]byte) []byte {
	body := slices.Concat(parts...)
	b := binary.AppendUvarint(nil, uint64(field)<<3|2)
	return append(binary.AppendUvarint(b, uint64(len(body))), body...)
}

func str(field int, s string) []byte { return message(field, []byte(s)) }

// value is a ValueInfoProto; a negative dimension is a named one.
func value(field int, name string, dtype int64, dims ...int64) []byte {
	var shape [][]byte
	for _, d := range dims {
		if d < 0 {
			shape = append(shape, message(1, str(2, "batch")))
		} else {
			shape = append(shape, message(1, varint(1, d)))
		}
	}
	return message(field, str(1, name), message(2, message(1, varint(1, dtype), message(2, shape...))))
}

func node(op string, inputs, outputs []string, attributes ...[]byte) []byte {
	var parts [][]byte
	for _, s := range inputs {
		parts = append(parts, str(1, s))
	}
	for _, s := range outputs {
		parts = append(parts, str(2, s))
	}
	parts = append(parts, str(4, op))
	return message(1, append(parts, attributes...)...)
}

func onnxModel(graph ...[]byte) []byte {
	return slices.Concat(varint(1, 8), str(2, "test"), message(8, str(1, ""), varint(2, 16)), message(7, append(graph, str(2, "g"))...))
}

const (
	float, int64s, boolean = 1, 7, 9
)

// addModel gives x + y, [batch, 3] each.
func addModel() []byte {
	return onnxModel(
		node("Add", []string{"x", "y"}, []string{"sum"}),
		value(11, "x", float, -1, 3), value(11, "y", float, -1, 3), value(12, "sum", float, -1, 3),
	)
}

// loopModel counts to trips, one addition a trip.
func loopModel() []byte {
	body := message(6,
		node("Add", []string{"sum_in", "one"}, []string{"sum_out"}),
		node("Identity", []string{"go_in"}, []string{"go_out"}),
		str(2, "body"),
		value(11, "i", int64s), value(11, "go_in", boolean), value(11, "sum_in", float, 1),
		value(12, "go_out", boolean), value(12, "sum_out", float, 1),
	)
	return onnxModel(
		node("Loop", []string{"trips", "go", "zero"}, []string{"last"}, message(5, str(1, "body"), body, varint(20, 5))),
		message(5, varint(2, boolean), str(8, "go"), message(9, []byte{1})),
		message(5, varint(1, 1), varint(2, float), str(8, "zero"), message(9, []byte{0, 0, 0, 0})),
		message(5, varint(1, 1), varint(2, float), str(8, "one"), message(9, []byte{0, 0, 0x80, 0x3f})),
		value(11, "trips", int64s, 1), value(11, "zero", float, 1), value(12, "last", float, 1),
	)
}

// externalModel keeps a weight in another file.
func externalModel(location string) []byte {
	return onnxModel(
		node("Add", []string{"x", "w"}, []string{"sum"}),
		message(5, varint(1, 3), varint(2, float), str(8, "w"),
			message(13, str(1, "location"), str(2, location)),
			message(13, str(1, "offset"), str(2, "0")), varint(14, 1)),
		value(11, "x", float, -1, 3), value(12, "sum", float, -1, 3),
	)
}

// largeModel writes a model with weights of about size bytes, as holes in the file.
func largeModel(path string, size int64) error {
	const tensors = 400
	each := size / tensors
	one := slices.Concat(varint(1, each/4), varint(2, float), str(8, "w"))
	raw := binary.AppendUvarint(binary.AppendUvarint(nil, 9<<3|2), uint64(each))
	length := int64(len(one)+len(raw)) + each
	head := binary.AppendUvarint(binary.AppendUvarint(nil, 5<<3|2), uint64(length))
	var nodes []byte
	for range 2000 {
		nodes = append(nodes, node("Add", []string{"x", "w"}, []string{"sum"})...)
	}
	tail := slices.Concat(value(11, "x", float, -1, 3), value(12, "sum", float, -1, 3))
	graph := int64(len(nodes)) + tensors*(int64(len(head))+length) + int64(len(tail))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer f.Close()
	at := int64(0)
	put := func(b []byte, hole int64) {
		if err == nil {
			_, err = f.WriteAt(b, at)
		}
		at += int64(len(b)) + hole
	}
	put(slices.Concat(varint(1, 8), binary.AppendUvarint(binary.AppendUvarint(nil, 7<<3|2), uint64(graph)), nodes), 0)
	for range tensors {
		put(slices.Concat(head, one, raw), each)
	}
	put(tail, 0)
	return err
}

// loose is a ValueInfoProto of unknown rank.
func loose(field int, name string, dtype int64) []byte {
	return message(field, str(1, name), message(2, message(1, varint(1, dtype))))
}
