package onnx

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"slices"

	"github.com/penstock-dev/penstock/shared/tensor"
)

// Bounds of what a header may hold.
const (
	maxString = 1 << 16 // bytes of a name
	maxDepth  = 64      // messages inside messages
	maxSpecs  = 1 << 16 // inputs or outputs
)

// kind is a protobuf message type of ONNX, as far as the scan goes into it.
type kind int

const (
	kindSkip kind = iota
	kindModel
	kindGraph
	kindFunction
	kindTraining
	kindNode
	kindAttribute
	kindTensor
	kindSparse
	kindOpset
	kindEntry
	kindValueInfo
	kindType
	kindTensorType
	kindShape
	kindDim
	kindString
)

// inside says what lies in field number n of a message of kind k.
func inside(k kind, n uint64) kind {
	switch k {
	case kindModel:
		return field(n, 7, kindGraph, 8, kindOpset, 20, kindTraining, 25, kindFunction)
	case kindGraph:
		return field(n, 1, kindNode, 5, kindTensor, 11, kindValueInfo, 12, kindValueInfo, 15, kindSparse)
	case kindFunction:
		return field(n, 7, kindNode, 11, kindAttribute)
	case kindTraining:
		return field(n, 1, kindGraph, 2, kindGraph)
	case kindNode:
		return field(n, 4, kindString, 5, kindAttribute, 7, kindString)
	case kindAttribute:
		return field(n, 5, kindTensor, 6, kindGraph, 10, kindTensor, 11, kindGraph, 22, kindSparse, 23, kindSparse)
	case kindSparse:
		return field(n, 1, kindTensor, 2, kindTensor)
	case kindTensor:
		return field(n, 8, kindString, 13, kindEntry)
	case kindOpset:
		return field(n, 1, kindString)
	case kindEntry:
		return field(n, 1, kindString, 2, kindString)
	case kindValueInfo:
		return field(n, 1, kindString, 2, kindType)
	case kindType:
		return field(n, 1, kindTensorType)
	case kindTensorType:
		return field(n, 2, kindShape)
	case kindShape:
		return field(n, 1, kindDim)
	case kindDim:
		return field(n, 2, kindString)
	default:
		return kindSkip
	}
}

// field looks n up in pairs of a field's number and its kind.
func field(n uint64, pairs ...kind) kind {
	for ; len(pairs) >= 2; pairs = pairs[2:] {
		if uint64(pairs[0]) == n { //nolint:gosec // a literal
			return pairs[1]
		}
	}
	return kindSkip
}

// scanner walks a file's messages and passes over what it does not need by seeking.
type scanner struct {
	file *os.File
	buf  *bufio.Reader
	pos  int64
	size int64

	header *Header
	consts map[string]bool // names of the main graph's initializers

	// Of the message at hand.
	spec     Spec
	ranked   bool
	op, dom  string
	version  int64
	key      string
	tensorID string
}

func scanHeader(f *os.File) (*Header, error) {
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	s := &scanner{
		file: f, buf: bufio.NewReaderSize(f, 1<<14), size: st.Size(),
		header: &Header{Opset: map[string]int64{}, Ops: map[string]int{}}, consts: map[string]bool{},
	}
	if err := s.message(kindModel, s.size, 0, ""); err != nil {
		return nil, err
	}
	if len(s.header.Outputs) == 0 {
		return nil, errDamaged
	}
	s.header.Inputs = slices.DeleteFunc(s.header.Inputs, func(x Spec) bool { return s.consts[x.Name] })
	return s.header, nil
}

// message walks one message of kind k that ends at end. path tells the way to it by field numbers, one rune each, so
// that the main graph can be told from the others.
func (s *scanner) message(k kind, end int64, depth int, path string) error {
	if depth > maxDepth {
		return errDamaged
	}
	s.enter(k)
	for s.pos < end {
		tag, err := s.varint()
		if err != nil {
			return err
		}
		switch n := tag >> 3; tag & 7 {
		case 0:
			v, err := s.varint()
			if err != nil {
				return err
			}
			s.number(k, n, int64(v)) //nolint:gosec // protobuf's own two's complement
		case 1:
			err = s.skip(8, end)
		case 5:
			err = s.skip(4, end)
		case 2:
			err = s.bytes(k, n, end, depth, path)
		default:
			err = errDamaged
		}
		if err != nil {
			return err
		}
	}
	if s.pos != end {
		return errDamaged
	}
	return nil
}

// bytes takes one length-delimited field: a message to go into, a string to keep, or something to pass over.
func (s *scanner) bytes(k kind, n uint64, end int64, depth int, path string) error {
	length, err := s.varint()
	if err != nil {
		return err
	}
	if length > uint64(end-s.pos) { //nolint:gosec // pos never passes end
		return errDamaged
	}
	size := int64(length) //nolint:gosec // bounded by end above
	switch next := inside(k, n); next {
	case kindSkip:
		return s.skip(size, end)
	case kindString:
		return s.string(k, n, size, end)
	default:
		way := path + string(rune('0'+n)) //nolint:gosec // field numbers of known messages are small
		if err := s.message(next, s.pos+size, depth+1, way); err != nil {
			return err
		}
		return s.leave(next, way)
	}
}

// enter clears what is collected over one message of kind k.
func (s *scanner) enter(k kind) {
	switch k {
	case kindValueInfo:
		s.spec, s.ranked = Spec{}, false
	case kindShape:
		s.ranked = true
	case kindDim:
		s.spec.Dims, s.spec.Names = append(s.spec.Dims, -1), append(s.spec.Names, "")
	case kindOpset:
		s.dom, s.version = "", 0
	case kindNode:
		s.op, s.dom = "", ""
	case kindEntry:
		s.key = ""
	case kindTensor:
		s.tensorID = ""
	default:
	}
}

// number takes a varint field.
func (s *scanner) number(k kind, n uint64, v int64) {
	switch {
	case k == kindTensorType && n == 1:
		s.spec.DType = tensor.FromONNX(int(v))
	case k == kindDim && n == 1:
		s.spec.Dims[len(s.spec.Dims)-1] = v
	case k == kindOpset && n == 2:
		s.version = v
	}
}

// string takes a string field.
func (s *scanner) string(k kind, n uint64, size, end int64) error {
	if size > maxString {
		return s.skip(size, end) // documentation, or nothing we know
	}
	b := make([]byte, size)
	if _, err := io.ReadFull(s.buf, b); err != nil {
		return errDamaged
	}
	s.pos += size
	switch {
	case k == kindNode && n == 4:
		s.op = string(b)
		s.count()
	case k == kindNode && n == 7:
		s.recount(string(b))
	case k == kindOpset:
		s.dom = string(b)
	case k == kindValueInfo:
		s.spec.Name = string(b)
	case k == kindDim:
		s.spec.Names[len(s.spec.Names)-1] = string(b)
	case k == kindTensor:
		s.tensorID = string(b)
	case k == kindEntry && n == 1:
		s.key = string(b)
	case k == kindEntry && s.key == "location":
		if p := string(b); !slices.Contains(s.header.External, p) {
			s.header.External = append(s.header.External, p)
		}
	}
	return nil
}

// count and recount note a node's operator. The fields may come in either order, and a subgraph between them.
func (s *scanner) count() {
	s.header.Ops[s.opName()]++
}

func (s *scanner) recount(domain string) {
	if s.op != "" {
		if s.header.Ops[s.opName()]--; s.header.Ops[s.opName()] == 0 {
			delete(s.header.Ops, s.opName())
		}
	}
	s.dom = domain
	if s.op != "" {
		s.count()
	}
}

func (s *scanner) opName() string {
	if s.dom == "" {
		return s.op
	}
	return s.dom + "." + s.op
}

// leave keeps what was collected over one message. The main graph is the model's field 7.
func (s *scanner) leave(k kind, way string) error {
	switch {
	case k == kindOpset:
		s.header.Opset[s.dom] = s.version
	case k == kindTensor && way == "75":
		s.consts[s.tensorID] = true
	case k == kindValueInfo && (way == "7;" || way == "7<"): // fields 11 and 12 of the main graph
		if s.ranked && s.spec.Dims == nil {
			s.spec.Dims = []int64{}
		}
		into := &s.header.Inputs
		if way == "7<" {
			into = &s.header.Outputs
		}
		if len(*into) >= maxSpecs {
			return errDamaged
		}
		*into = append(*into, s.spec)
	}
	return nil
}

func (s *scanner) varint() (uint64, error) {
	v, err := binary.ReadUvarint(s)
	if err != nil {
		return 0, errDamaged
	}
	return v, nil
}

// ReadByte reads one byte, for the varints.
func (s *scanner) ReadByte() (byte, error) {
	c, err := s.buf.ReadByte()
	if err == nil {
		s.pos++
	}
	return c, err
}

// skip passes over n bytes, by seeking when they are many.
func (s *scanner) skip(n, end int64) error {
	if n < 0 || n > end-s.pos {
		return errDamaged
	}
	s.pos += n
	if n <= int64(s.buf.Buffered()) {
		if _, err := s.buf.Discard(int(n)); err != nil {
			return errDamaged
		}
		return nil
	}
	if _, err := s.file.Seek(s.pos, io.SeekStart); err != nil {
		return err
	}
	s.buf.Reset(s.file)
	return nil
}
