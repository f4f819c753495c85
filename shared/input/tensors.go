package input

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/job"
	"github.com/penstock-dev/penstock/shared/rawjson"
	"github.com/penstock-dev/penstock/shared/tensor"
)

// MaxTensors bounds the inputs, and the outputs asked for.
const MaxTensors = 256

// TaskInfer is what every Tensors asks for.
const TaskInfer = "infer"

// Tensors is the input of engine tensor.
type Tensors struct {
	Inputs  []Tensor
	Outputs []Wanted // empty: all, as JSON numbers
}

// Tensor is one input.
type Tensor struct {
	Name    string
	DType   tensor.DType
	Shape   []int64
	Data    []byte   // the elements row by row, little-endian; of bools a byte each; nil for strings
	Strings []string // of tensor.String, any bytes
}

// Wanted is an output that is asked for.
type Wanted struct {
	Name string
	Raw  bool // base64 of the elements' bytes, not JSON values
}

// ParseTensors reads an input whose references are resolved.
func ParseTensors(b []byte) (*Tensors, error) { return reader{}.tensors(b) }

// CheckTensors proves an input that may still hold references.
func CheckTensors(b []byte, about *job.About) (task string, err error) {
	t, err := reader{refs: true}.tensors(b)
	if err != nil {
		return "", err
	}
	if t != nil && about != nil {
		err = t.Fit(about.Inputs, about.Outputs)
	}
	return TaskInfer, err
}

func (r reader) tensors(b []byte) (*Tensors, error) {
	b, err := r.root(b)
	if b == nil || err != nil {
		return nil, err
	}
	t := &Tensors{}
	found := false
	for name, v := range rawjson.Members(b) {
		switch string(name) {
		case "inputs":
			found = true
			err = r.inputs(t, v)
		case "outputs":
			err = r.outputs(t, v)
		default:
			err = unknown("", name)
		}
		if err != nil {
			return nil, err
		}
	}
	if !found {
		return nil, fault.Invalid("inputs", "is needed")
	}
	return t, nil
}

func (r reader) inputs(t *Tensors, v []byte) error {
	const field = "inputs"
	if r.later(v) {
		return nil
	}
	if rawjson.Kind(v) != '[' {
		return fault.Invalid(field, "must be a list")
	}
	t.Inputs = []Tensor{}
	for path, e := range elements(v, field) {
		if len(t.Inputs) == MaxTensors {
			return fault.Invalid(field, "has more than %d tensors", MaxTensors)
		}
		in, err := r.tensor(e, path)
		if err != nil {
			return err
		}
		if in.Name != "" && slices.ContainsFunc(t.Inputs, func(x Tensor) bool { return x.Name == in.Name }) {
			return fault.Invalid(path+".name", "is there twice")
		}
		t.Inputs = append(t.Inputs, in)
	}
	return nil
}

func (r reader) outputs(t *Tensors, v []byte) error {
	const field = "outputs"
	if r.later(v) || isNull(v) {
		return nil
	}
	if rawjson.Kind(v) != '[' {
		return fault.Invalid(field, "must be a list")
	}
	for path, e := range elements(v, field) {
		if len(t.Outputs) == MaxTensors {
			return fault.Invalid(field, "has more than %d tensors", MaxTensors)
		}
		if rawjson.Kind(e) != '{' {
			return fault.Invalid(path, "must be an object with a name")
		}
		var w Wanted
		for name, m := range rawjson.Members(e) {
			var err error
			switch string(name) {
			case "name":
				err = r.text(m, &w.Name, path+".name")
			case "raw":
				err = r.flag(m, &w.Raw, path+".raw")
			default:
				err = unknown(path, name)
			}
			if err != nil {
				return err
			}
		}
		if w.Name == "" {
			return fault.Invalid(path+".name", "is needed")
		}
		if slices.ContainsFunc(t.Outputs, func(x Wanted) bool { return x.Name == w.Name }) {
			return fault.Invalid(path+".name", "is there twice")
		}
		t.Outputs = append(t.Outputs, w)
	}
	return nil
}

// tensor reads {"name","datatype","shape","data"|"raw"}.
func (r reader) tensor(v []byte, path string) (t Tensor, err error) {
	if r.later(v) {
		return t, nil
	}
	if rawjson.Kind(v) != '{' {
		return t, fault.Invalid(path, "must be an object with name, datatype, shape and data")
	}
	var datatype string
	var shape, data, raw []byte
	for name, e := range rawjson.Members(v) {
		switch string(name) {
		case "name":
			err = r.text(e, &t.Name, path+".name")
		case "datatype":
			err = r.text(e, &datatype, path+".datatype")
		case "shape":
			shape = e
		case "data":
			data = e
		case "raw":
			raw = e
		default:
			err = unknown(path, name)
		}
		if err != nil {
			return t, err
		}
	}
	t.DType = tensor.Parse(datatype)
	switch {
	case t.Name == "":
		return t, fault.Invalid(path+".name", "is needed")
	case t.DType == tensor.Invalid || t.DType.Bits() > 0 && t.DType.Bits() < 8 || t.DType > tensor.String:
		return t, fault.Invalid(path+".datatype", "must be BOOL, UINT8, UINT16, UINT32, UINT64, INT8, INT16, INT32, INT64, FP16, BF16, FP32, FP64 or BYTES")
	case shape == nil:
		return t, fault.Invalid(path+".shape", "is needed")
	case (data == nil) == (raw == nil):
		return t, fault.Invalid(path+".data", "is needed, or raw, and not both")
	}
	n, err := t.shape(shape, path+".shape")
	if err != nil {
		return t, err
	}
	switch {
	case r.later(data) || r.later(raw):
		return t, nil
	case raw != nil:
		return t, t.raw(raw, n, path+".raw")
	}
	return t, t.values(data, n, path+".data")
}

func (t *Tensor) shape(v []byte, field string) (elements int64, err error) {
	if rawjson.Kind(v) != '[' {
		return 0, fault.Invalid(field, "must be a list of whole numbers")
	}
	t.Shape = []int64{}
	for e := range rawjson.Elements(v) {
		d, err := strconv.ParseInt(string(e), 10, 64)
		if rawjson.Kind(e) != 0 || err != nil {
			return 0, fault.Invalid(field, "must be a list of whole numbers")
		}
		if t.Shape = append(t.Shape, d); len(t.Shape) > tensor.MaxRank {
			return 0, fault.Invalid(field, "has more than %d dimensions", tensor.MaxRank)
		}
	}
	n, err := tensor.Elements(t.Shape)
	switch {
	case err != nil:
		return 0, fault.Invalid(field, "is no shape: a dimension is negative, or there are more elements than can be counted")
	case n > job.ResolvedMost:
		return 0, fault.Invalid(field, "has %d elements, more than an input can hold", n)
	}
	return n, nil
}

// raw reads base64 of the bytes; of strings, each behind its length in four bytes.
func (t *Tensor) raw(v []byte, n int64, field string) error {
	if rawjson.Kind(v) != '"' {
		return fault.Invalid(field, "must be a string of base64")
	}
	text := rawjson.Unquote(v)
	data := make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	size, err := base64.StdEncoding.Strict().Decode(data, text)
	if err != nil {
		return fault.Invalid(field, "is not base64")
	}
	data = data[:size]
	if t.DType != tensor.String {
		want, err := tensor.Bytes(t.DType, t.Shape)
		if err != nil || want != int64(len(data)) {
			return fault.Invalid(field, "has %d bytes, and the shape takes %d", len(data), want)
		}
		t.Data = data
		return t.bools(field)
	}
	t.Strings = []string{}
	for len(data) >= 4 {
		size := int64(binary.LittleEndian.Uint32(data))
		if size > int64(len(data)-4) {
			break
		}
		t.Strings = append(t.Strings, string(data[4:4+size]))
		data = data[4+size:]
	}
	if len(data) > 0 || int64(len(t.Strings)) != n {
		return fault.Invalid(field, "does not hold %d strings, each behind its length in 4 bytes", n)
	}
	return nil
}

// bools refuses what is neither 0 nor 1.
func (t *Tensor) bools(field string) error {
	if t.DType == tensor.Bool && bytes.ContainsFunc(t.Data, func(r rune) bool { return r > 1 }) {
		return fault.Invalid(field, "a BOOL is a byte of 0 or 1")
	}
	return nil
}

// values reads JSON values, nested as the shape or flat.
func (t *Tensor) values(v []byte, n int64, field string) error {
	if t.DType == tensor.String {
		t.Strings = make([]string, 0, min(n, int64(len(v)/2)))
	} else {
		t.Data = make([]byte, 0, min(n, int64(len(v)))*int64(t.DType.Bits()/8))
	}
	flat := true
	if rawjson.Kind(v) == '[' {
		for e := range rawjson.Elements(v) {
			flat = rawjson.Kind(e) != '['
			break
		}
	} else if len(t.Shape) == 0 {
		return t.value(v, field)
	}
	count := int64(0)
	var walk func(v []byte, depth int, path string) error
	walk = func(v []byte, depth int, path string) error {
		if rawjson.Kind(v) != '[' {
			return fault.Invalid(path, "must be a list")
		}
		here := int64(0)
		last := flat || depth == len(t.Shape)-1
		for e := range rawjson.Elements(v) {
			switch {
			case !last:
				if err := walk(e, depth+1, path+"["+strconv.FormatInt(here, 10)+"]"); err != nil {
					return err
				}
			case count == n:
				return fault.Invalid(field, "has more elements than the shape's %d", n)
			default:
				if err := t.value(e, path); err != nil {
					return at(err, here)
				}
				count++
			}
			here++
		}
		if !flat && here != t.Shape[depth] {
			return fault.Invalid(path, "has %d elements, and dimension %d of the shape is %d", here, depth, t.Shape[depth])
		}
		return nil
	}
	if !flat && len(t.Shape) == 0 {
		return fault.Invalid(field, "is nested, and the shape has no dimensions")
	}
	if err := walk(v, 0, field); err != nil {
		return err
	}
	if count != n {
		return fault.Invalid(field, "has %d elements, and the shape has %d", count, n)
	}
	return nil
}

// at adds an index to the path of a fault.
func at(err error, i int64) error {
	f := *fault.From(err)
	f.Field += "[" + strconv.FormatInt(i, 10) + "]"
	return &f
}

// value appends one JSON value.
func (t *Tensor) value(v []byte, field string) error {
	k := rawjson.Kind(v)
	switch {
	case t.DType == tensor.String:
		if k != '"' {
			return fault.Invalid(field, "must be a string")
		}
		t.Strings = append(t.Strings, string(rawjson.Unquote(v)))
		return nil
	case t.DType == tensor.Bool && (k == 't' || k == 'f'):
		t.Data = append(t.Data, map[bool]byte{true: 1}[k == 't'])
		return nil
	case k != 0:
		return fault.Invalid(field, "must be a number")
	}
	var ok bool
	switch t.DType {
	case tensor.Bool, tensor.Uint8, tensor.Uint16, tensor.Uint32, tensor.Uint64:
		size := t.DType.Bits()
		if t.DType == tensor.Bool {
			size = 1
		}
		u, err := strconv.ParseUint(string(v), 10, size)
		ok = err == nil
		t.appendBits(u)
	case tensor.Int8, tensor.Int16, tensor.Int32, tensor.Int64:
		i, err := strconv.ParseInt(string(v), 10, t.DType.Bits())
		ok = err == nil
		t.appendBits(uint64(i)) //nolint:gosec // the two's complement is meant
	case tensor.Float64:
		f, err := strconv.ParseFloat(string(v), 64)
		ok = err == nil
		t.appendBits(math.Float64bits(f))
	default:
		f, err := strconv.ParseFloat(string(v), 32)
		ok = err == nil
		ok = t.appendFloat(float32(f)) && ok
	}
	if !ok {
		return fault.Invalid(field, "is not a number that %s can hold", t.DType)
	}
	return nil
}

// appendFloat is false for a number that is too large for the type.
func (t *Tensor) appendFloat(f float32) bool {
	switch t.DType {
	case tensor.Float16:
		h := tensor.Half(f)
		t.appendBits(uint64(h))
		return h&0x7fff < 0x7c00
	case tensor.BFloat16:
		h := tensor.BFloat(f)
		t.appendBits(uint64(h))
		return h&0x7fff < 0x7f80
	default:
		t.appendBits(uint64(math.Float32bits(f)))
		return true
	}
}

func (t *Tensor) appendBits(u uint64) {
	for n := t.DType.Bits() / 8; n > 0; n-- {
		t.Data = append(t.Data, byte(u))
		u >>= 8
	}
}

// Fit holds the tensors against a model's specs. Specs that are missing prove nothing.
func (t *Tensors) Fit(inputs, outputs []job.Spec) error {
	if len(inputs) > 0 && t.Inputs != nil {
		if err := t.fitInputs(inputs); err != nil {
			return err
		}
	}
	if len(outputs) == 0 {
		return nil
	}
	for i, w := range t.Outputs {
		if !slices.ContainsFunc(outputs, func(s job.Spec) bool { return s.Name == w.Name }) {
			return fault.Invalid("outputs["+strconv.Itoa(i)+"].name", "the model has no output %q", w.Name)
		}
	}
	return nil
}

func (t *Tensors) fitInputs(specs []job.Spec) error {
	given := map[string]bool{}
	for i := range t.Inputs {
		in := &t.Inputs[i]
		path := "inputs[" + strconv.Itoa(i) + "]"
		if in.Name == "" {
			return nil // a reference
		}
		k := slices.IndexFunc(specs, func(s job.Spec) bool { return s.Name == in.Name })
		if k < 0 {
			return fault.Invalid(path+".name", "the model has no input %q", in.Name)
		}
		s := &specs[k]
		given[in.Name] = true
		if s.Datatype != in.DType.String() {
			return fault.Invalid(path+".datatype", "is %s, and the model's input %q is %s", in.DType, in.Name, s.Datatype)
		}
		if s.Shape != nil && !tensor.Fits(in.Shape, s.Shape) {
			return fault.Invalid(path+".shape", "is %v, and the model's input %q is %v, where -1 is any size", in.Shape, in.Name, s.Shape)
		}
	}
	for i := range specs {
		if !given[specs[i].Name] {
			return fault.Invalid("inputs", "the model's input %q is missing", specs[i].Name)
		}
	}
	return nil
}
