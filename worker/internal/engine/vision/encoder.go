package vision

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/penstock-dev/penstock/shared/tensor"
	"github.com/penstock-dev/penstock/worker/internal/engine/folder"
	"github.com/penstock-dev/penstock/worker/internal/engine/generate"
	"github.com/penstock-dev/penstock/worker/internal/onnx"
	"github.com/penstock-dev/penstock/worker/internal/picture"
)

// encoderFiles are the names under which exporters write the encoder.
func encoderFiles() []string {
	return []string{"vision_encoder.onnx", "onnx/vision_encoder.onnx", "visual.onnx", "onnx/visual.onnx"}
}

// featuresOutput is the encoder's output where it has several.
const featuresOutput = "image_features"

// keepLane bounds the bytes of patches that an idle lane keeps.
const keepLane = 16 << 20

// encoder turns pictures into vectors, as many at once as it has lanes.
type encoder struct {
	file      string
	session   *onnx.Session
	processor *picture.Processor
	width     int  // of a vector
	half      bool // patches go in as float16
	lanes     chan *lane
	all       []*lane
	cache     *cache
}

// lane is the tensors of one run.
type lane struct {
	values            []float32 // of the patches, where they go in as float16
	patches, features onnx.Raw
	grid              onnx.Tensor[int64]
}

func openEncoder(p generate.Parts, named string, o Options, proc *picture.Processor, c *cache) (*encoder, error) {
	file, err := encoderFile(p.Files, named)
	if err != nil {
		return nil, err
	}
	h, err := p.Files.Header(file)
	if err != nil {
		return nil, err
	}
	e := &encoder{file: file, processor: proc, width: p.Embedder.Width(), cache: c}
	names, err := e.inspect(h)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	names.Threads, names.Device = o.Threads, o.Device
	if e.session, err = p.Runtime.LoadHeader(p.Files.Path(file), h, names); err != nil {
		return nil, err
	}
	e.lanes = make(chan *lane, max(o.Encoders, 1))
	for range cap(e.lanes) {
		l := &lane{}
		e.all = append(e.all, l)
		e.lanes <- l
	}
	if err := e.warmUp(); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: its first run failed: %w", file, err), e.close())
	}
	return e, nil
}

// encoderFile finds the encoder's file: the one named, or one that goes by a usual name.
func encoderFile(files *folder.Folder, named string) (string, error) {
	if named != "" {
		return files.Graph(named)
	}
	for _, name := range encoderFiles() {
		if files.Has(name) {
			return name, nil
		}
	}
	return "", fmt.Errorf("the manifest lists no %s", encoderFiles()[0])
}

// inspect finds patches, grid and vectors among a graph's inputs and outputs.
func (e *encoder) inspect(h *onnx.Header) (onnx.Options, error) {
	var o onnx.Options
	var patches, grid *onnx.Spec
	for i := range h.Inputs {
		s := &h.Inputs[i]
		switch {
		case (s.DType == tensor.Float32 || s.DType == tensor.Float16) && len(s.Dims) == 2 && patches == nil:
			patches = s
		case s.DType == tensor.Int64 && len(s.Dims) == 2 && (s.Dims[1] == 3 || s.Dims[1] < 0) && grid == nil:
			grid = s
		default:
			return o, fmt.Errorf("input %s, %s of shape %v, is not known; want pixel_values and image_grid_thw", s.Name, s.DType, s.Dims)
		}
	}
	if patches == nil || grid == nil {
		return o, errors.New("want two inputs, pixel_values and image_grid_thw")
	}
	if d := patches.Dims[1]; d >= 0 && d != int64(e.processor.PatchSize()) {
		return o, fmt.Errorf("%s takes patches of %d values, and the processor's configuration makes them of %d",
			patches.Name, d, e.processor.PatchSize())
	}
	e.half = patches.DType == tensor.Float16
	features := h.Output(featuresOutput)
	if features == nil && len(h.Outputs) == 1 {
		features = &h.Outputs[0]
	}
	if features == nil {
		return o, fmt.Errorf("it has %d outputs and none is named %s", len(h.Outputs), featuresOutput)
	}
	if features.DType != tensor.Float32 && features.DType != tensor.Float16 {
		return o, fmt.Errorf("output %s is %s; want FP32 or FP16", features.Name, features.DType)
	}
	if d := features.Dims; len(d) > 0 && d[len(d)-1] > 0 && d[len(d)-1] != int64(e.width) {
		return o, fmt.Errorf("output %s has vectors of %d, and the decoder takes them of %d", features.Name, d[len(d)-1], e.width)
	}
	o.Inputs, o.Outputs = []string{patches.Name, grid.Name}, []string{features.Name}
	return o, nil
}

// warmUp encodes the smallest picture, which shows that the graph gives what it says.
func (e *encoder) warmUp() error {
	m := e.processor.Merge
	g := picture.Grid{T: 1, H: m, W: m}
	l := <-e.lanes
	defer e.give(l)
	if _, err := l.room(e, g); err != nil {
		return err
	}
	_, err := e.run(context.Background(), l, g)
	return err
}

// features gives the vectors of an image, those of the cache where it has them. They must not be changed. Faults have
// no field.
func (e *encoder) features(ctx context.Context, v *view, limits picture.Limits) ([]float32, error) {
	if f := e.cache.get(v.key); f != nil {
		return f, nil
	}
	l, err := e.take(ctx)
	if err != nil {
		return nil, err
	}
	defer e.give(l)
	if f := e.cache.get(v.key); f != nil { // somebody else's, while we waited
		return f, nil
	}
	rgb, err := picture.Decode(v.data, limits)
	if err != nil {
		return nil, err
	}
	patches, err := l.room(e, v.grid)
	if err != nil {
		return nil, err
	}
	if err := e.processor.Fill(rgb, v.grid, patches); err != nil {
		return nil, err
	}
	f, err := e.run(ctx, l, v.grid)
	if err != nil {
		return nil, failed(ctx, err, "the model could not encode this image")
	}
	e.cache.put(v.key, f)
	return f, nil
}

func (e *encoder) take(ctx context.Context) (*lane, error) {
	if err := ctx.Err(); err != nil {
		return nil, err // select would not look at it first
	}
	select {
	case l := <-e.lanes:
		return l, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (e *encoder) give(l *lane) {
	l.features.Free()
	if len(l.patches.Bytes()) > keepLane || cap(l.values) > keepLane/4 {
		l.patches.Free()
		l.values = nil
	}
	e.lanes <- l
}

// room gives the memory for the patches of a grid.
func (l *lane) room(e *encoder, g picture.Grid) ([]float32, error) {
	n, size := int64(g.Patches()), int64(e.processor.PatchSize())
	grid, err := l.grid.Shape(1, 3)
	if err != nil {
		return nil, err
	}
	grid[0], grid[1], grid[2] = int64(g.T), int64(g.H), int64(g.W)
	if e.half {
		if _, err := l.patches.Shape(tensor.Float16, n, size); err != nil {
			return nil, err
		}
		if int64(cap(l.values)) < n*size {
			l.values = make([]float32, n*size)
		}
		l.values = l.values[:n*size]
		return l.values, nil
	}
	b, err := l.patches.Shape(tensor.Float32, n, size)
	if err != nil {
		return nil, err
	}
	return onnx.As[float32](b)
}

// run encodes the patches that a lane holds.
func (e *encoder) run(ctx context.Context, l *lane, g picture.Grid) ([]float32, error) {
	if e.half {
		b := l.patches.Bytes()
		for i, v := range l.values {
			binary.LittleEndian.PutUint16(b[2*i:], tensor.Half(v))
		}
	}
	l.features.Auto()
	if err := e.session.Run(ctx, []onnx.Value{&l.patches, &l.grid}, []onnx.Value{&l.features}); err != nil {
		return nil, err
	}
	want, n := int64(e.processor.Tokens(g))*int64(e.width), int64(1)
	dims := l.features.Dims()
	for _, d := range dims {
		n *= d
	}
	if n != want || len(dims) == 0 || dims[len(dims)-1] != int64(e.width) {
		return nil, fmt.Errorf("vision: %s gave vectors of shape %v for %d tokens of %d", e.file, dims, e.processor.Tokens(g), e.width)
	}
	out := make([]float32, n)
	b := l.features.Bytes()
	if l.features.DType() == tensor.Float16 {
		for i := range out {
			out[i] = tensor.FromHalf(binary.LittleEndian.Uint16(b[2*i:]))
		}
		return out, nil
	}
	f, err := onnx.As[float32](b)
	copy(out, f)
	return out, err
}

func (e *encoder) close() error {
	for _, l := range e.all {
		l.patches.Free()
		l.features.Free()
		l.grid.Free()
	}
	e.all = nil
	return e.session.Close()
}
