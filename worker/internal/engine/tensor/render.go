package tensor

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/number"
)

// result is one output of one unit.
type result struct {
	name    string
	dtype   tensor.DType
	dims    []int64
	data    []byte
	strings []string
}

// outcomes gives each unit its rows.
func (l *lane) outcomes(units []*unit, rows int) []engine.Outcome {
	texts := make([][]string, len(l.out))
	out := make([]engine.Outcome, len(units))
	row := 0
	for i, u := range units {
		b, err := l.render(u, texts, row, rows, len(units) == 1)
		out[i] = engine.Outcome{Result: engine.Result{Output: b, BatchSize: len(units)}, Err: err}
		row += u.rows
	}
	return out
}

// render writes a unit's answer: {"outputs":[{"name","datatype","shape","data"|"raw"},…]}.
func (l *lane) render(u *unit, texts [][]string, row, rows int, whole bool) ([]byte, error) {
	var some [8]result
	results, size := some[:0], 64
	for _, w := range u.wanted {
		v := &l.out[w.output]
		r := result{name: l.e.outputs[w.output].Name, dtype: v.DType(), dims: append([]int64{}, v.Dims()...), data: v.Bytes()}
		if r.dtype == tensor.String {
			if texts[w.output] == nil {
				var err error
				if texts[w.output], err = v.Strings(); err != nil {
					return nil, err
				}
			}
			r.strings = texts[w.output]
		}
		if !whole {
			r.cut(row, u.rows, rows)
		}
		results = append(results, r)
		if size += r.estimate(w.raw); size > maxOutput {
			return nil, tooLarge()
		}
	}
	b := append(make([]byte, 0, size), `{"outputs":[`...)
	for i := range results {
		if i > 0 {
			b = append(b, ',')
		}
		if b = results[i].append(b, u.wanted[i].raw); len(b) > maxOutput {
			return nil, tooLarge()
		}
	}
	return append(b, "]}"...), nil
}

func tooLarge() error {
	return fault.Invalid("outputs", "take more than %d bytes; ask for fewer of them, or for raw", maxOutput)
}

// cut leaves n of all rows, from the row first on.
func (r *result) cut(first, n, all int) {
	r.dims[0] = int64(n)
	if r.dtype == tensor.String {
		each := len(r.strings) / all
		r.strings = r.strings[first*each : (first+n)*each]
		return
	}
	each := len(r.data) / all
	r.data = r.data[first*each : (first+n)*each]
}

// estimate is about how many bytes the result takes, and for numbers no fewer than two each.
func (r *result) estimate(raw bool) int {
	n := len(r.name) + 96
	switch {
	case r.dtype == tensor.String:
		for _, s := range r.strings {
			n += len(s) + 4
		}
		return n
	case raw:
		return n + base64.StdEncoding.EncodedLen(len(r.data))
	}
	size := r.dtype.Bits() / 8
	return n + len(r.data)/size*min(2+2*size, 12)
}

func (r *result) append(b []byte, raw bool) []byte {
	b = append(b, `{"name":`...)
	b = appendString(b, r.name)
	b = append(b, `,"datatype":"`...)
	b = append(b, r.dtype.String()...)
	b = append(b, `","shape":[`...)
	for i, d := range r.dims {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, d, 10)
	}
	if raw || r.dtype == tensor.String && !valid(r.strings) {
		b = append(b, `],"raw":"`...)
		return append(base64.StdEncoding.AppendEncode(b, r.bytes()), `"}`...)
	}
	b = append(b, `],"data":[`...)
	b = r.values(b)
	return append(b, "]}"...)
}

// values writes the elements with commas between them.
func (r *result) values(b []byte) []byte {
	if r.dtype == tensor.String {
		for i, s := range r.strings {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(b, s)
		}
		return b
	}
	size, write := r.dtype.Bits()/8, writer(r.dtype)
	for at := 0; at < len(r.data); at += size {
		if at > 0 {
			b = append(b, ',')
		}
		if b = write(b, r.data[at:]); len(b) > maxOutput {
			return b
		}
	}
	return b
}

// writer writes the element at the start of data.
func writer(d tensor.DType) func(b, data []byte) []byte {
	le := binary.LittleEndian
	switch d {
	case tensor.Bool:
		return func(b, data []byte) []byte { return strconv.AppendBool(b, data[0] != 0) }
	case tensor.Uint8:
		return func(b, data []byte) []byte { return strconv.AppendUint(b, uint64(data[0]), 10) }
	case tensor.Uint16:
		return func(b, data []byte) []byte { return strconv.AppendUint(b, uint64(le.Uint16(data)), 10) }
	case tensor.Uint32:
		return func(b, data []byte) []byte { return strconv.AppendUint(b, uint64(le.Uint32(data)), 10) }
	case tensor.Uint64:
		return func(b, data []byte) []byte { return strconv.AppendUint(b, le.Uint64(data), 10) }
	case tensor.Int8:
		return func(b, data []byte) []byte { return strconv.AppendInt(b, int64(int8(data[0])), 10) } //nolint:gosec // two's complement
	case tensor.Int16:
		return func(b, data []byte) []byte { return strconv.AppendInt(b, int64(int16(le.Uint16(data))), 10) } //nolint:gosec // two's complement
	case tensor.Int32:
		return func(b, data []byte) []byte { return strconv.AppendInt(b, int64(int32(le.Uint32(data))), 10) } //nolint:gosec // two's complement
	case tensor.Int64:
		return func(b, data []byte) []byte { return strconv.AppendInt(b, int64(le.Uint64(data)), 10) } //nolint:gosec // two's complement
	case tensor.Float16:
		return func(b, data []byte) []byte { return number.Append32(b, tensor.FromHalf(le.Uint16(data))) }
	case tensor.BFloat16:
		return func(b, data []byte) []byte { return number.Append32(b, tensor.FromBFloat(le.Uint16(data))) }
	case tensor.Float64:
		return func(b, data []byte) []byte { return number.Append64(b, math.Float64frombits(le.Uint64(data))) }
	default:
		return func(b, data []byte) []byte { return number.Append32(b, math.Float32frombits(le.Uint32(data))) }
	}
}

// bytes are the elements as raw has them: strings each behind their length in four bytes.
func (r *result) bytes() []byte {
	if r.dtype != tensor.String {
		return r.data
	}
	var all []byte
	for _, s := range r.strings {
		all = append(binary.LittleEndian.AppendUint32(all, uint32(len(s))), s...) //nolint:gosec // answers are bounded
	}
	return all
}

func valid(values []string) bool {
	for _, s := range values {
		if !utf8.ValidString(s) {
			return false
		}
	}
	return true
}

// appendString writes a JSON string; what is not UTF-8, as only a name can have it, is replaced.
func appendString(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s) // the only error is UTF-8's, and then it has replaced
	return b
}
