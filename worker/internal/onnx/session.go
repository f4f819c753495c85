package onnx

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	ort "github.com/yalue/onnxruntime_go"
)

// Options say how a session runs.
type Options struct {
	// Threads of one run, counting the caller's; 0 means 1. Sessions × threads should not exceed the cores.
	Threads int
	// Device is cpu, which the empty string means too, or cuda:N. A missing one is an error, never a silent cpu.
	Device string
	// Inputs and Outputs name what Run takes and gives, in that order. Every input that the model requires must be among
	// them, and each must exist.
	Inputs, Outputs []string
}

// Session is one loaded model. Run may be called by several goroutines at once.
type Session struct {
	runtime *Runtime
	header  *Header
	session *ort.DynamicAdvancedSession
	inputs  int
	outputs int

	mu   sync.Mutex
	free []*ort.RunOptions // run options not in use, their terminate flag unset
}

// Load opens a model file. It reads the header first, and refuses a file whose external data leave the file's folder
// or whose inputs and outputs are not those that o names.
func (r *Runtime) Load(path string, o Options) (*Session, error) {
	h, err := ReadHeader(path)
	if err != nil {
		return nil, err
	}
	return r.LoadHeader(path, h, o)
}

// LoadHeader is Load with a header that was read before.
func (r *Runtime) LoadHeader(path string, h *Header, o Options) (*Session, error) {
	if err := h.check(o.Inputs, o.Outputs); err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	so, err := sessionOptions(o)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	defer so.Destroy() //nolint:errcheck // it always returns nil
	s, err := ort.NewDynamicAdvancedSession(path, o.Inputs, o.Outputs, so)
	if err != nil {
		return nil, fmt.Errorf("onnx: %s: %w", path, err)
	}
	r.sessions.Add(1)
	return &Session{runtime: r, header: h, session: s, inputs: len(o.Inputs), outputs: len(o.Outputs)}, nil
}

func sessionOptions(o Options) (*ort.SessionOptions, error) {
	so, err := ort.NewSessionOptions()
	if err != nil {
		return nil, err
	}
	err = errors.Join(
		so.SetIntraOpNumThreads(max(o.Threads, 1)),
		so.SetInterOpNumThreads(1),
		so.SetLogSeverityLevel(ort.LoggingLevelError),
		so.SetMemPattern(false),                                          // it keeps a plan for every shape it ever saw, and shapes vary without end
		so.AddSessionConfigEntry("session.intra_op.allow_spinning", "0"), // spinning loses where anything shares the cores
		so.AddSessionConfigEntry("session.inter_op.allow_spinning", "0"),
		provider(so, o.Device),
	)
	if err != nil {
		so.Destroy() //nolint:errcheck,gosec // it always returns nil
		return nil, err
	}
	return so, nil
}

// provider appends the execution provider that device names.
func provider(so *ort.SessionOptions, device string) error {
	kind, number, _ := strings.Cut(device, ":")
	switch kind {
	case "", "cpu":
		if number != "" {
			return fmt.Errorf("device %q: cpu has no number", device)
		}
		return nil
	case "cuda":
	default:
		return fmt.Errorf("device %q: want cpu or cuda:N", device)
	}
	if number == "" {
		number = "0"
	}
	if n, err := strconv.Atoi(number); err != nil || n < 0 {
		return fmt.Errorf("device %q: want cpu or cuda:N", device)
	}
	cuda, err := ort.NewCUDAProviderOptions()
	if err != nil {
		return fmt.Errorf("device %q: this ONNX Runtime has no CUDA: %w", device, err)
	}
	defer cuda.Destroy() //nolint:errcheck // it always returns nil
	if err := cuda.Update(map[string]string{"device_id": number}); err != nil {
		return fmt.Errorf("device %q: %w", device, err)
	}
	if err := so.AppendExecutionProviderCUDA(cuda); err != nil {
		return fmt.Errorf("device %q can't be had: %w", device, err)
	}
	return nil
}

// Header is what the model's file says of itself.
func (s *Session) Header() *Header { return s.header }

// Run runs the model once, with values in the order of the options' names. Outputs are written in place, so they must
// have their shapes. When ctx ends the run is told to stop, and Run returns ctx's error once it has: the tensors are
// the caller's again whenever Run returns.
func (s *Session) Run(ctx context.Context, inputs, outputs []Value) error {
	if len(inputs) != s.inputs || len(outputs) != s.outputs {
		return fmt.Errorf("onnx: the session takes %d inputs and gives %d outputs, not %d and %d",
			s.inputs, s.outputs, len(inputs), len(outputs))
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	if ctx.Done() == nil {
		return s.run(inputs, outputs, nil)
	}
	ro, err := s.takeOptions()
	if err != nil {
		return err
	}
	told := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(told)
		ro.Terminate() //nolint:errcheck,gosec // the run then goes on to its own end, for which Run waits anyway
	})
	err = s.run(inputs, outputs, ro)
	if stop() {
		s.giveOptions(ro)
		return err
	}
	<-told
	if ro.UnsetTerminate() == nil {
		s.giveOptions(ro)
	} else {
		ro.Destroy() //nolint:errcheck,gosec // it always returns nil
	}
	if err != nil {
		return ctx.Err()
	}
	return nil
}

func (s *Session) run(inputs, outputs []Value, ro *ort.RunOptions) error {
	var in, out [8]ort.Value // most models have no more, and then this stays off the heap
	a, err := natives(in[:0], inputs)
	if err != nil {
		return err
	}
	b, err := natives(out[:0], outputs)
	if err != nil {
		return err
	}
	if err := s.session.RunWithOptions(a, b, ro); err != nil {
		return fmt.Errorf("onnx: %w", err)
	}
	return nil
}

func natives(into []ort.Value, from []Value) ([]ort.Value, error) {
	for i, v := range from {
		n := v.native()
		if n == nil {
			return nil, fmt.Errorf("onnx: value %d has no shape", i)
		}
		into = append(into, n)
	}
	return into, nil
}

func (s *Session) takeOptions() (*ort.RunOptions, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.free); n > 0 {
		ro := s.free[n-1]
		s.free = s.free[:n-1]
		return ro, nil
	}
	ro, err := ort.NewRunOptions()
	if err != nil {
		return nil, fmt.Errorf("onnx: %w", err)
	}
	return ro, nil
}

func (s *Session) giveOptions(ro *ort.RunOptions) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free = append(s.free, ro)
}

// Close frees the session. No run may be under way.
func (s *Session) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.session == nil {
		return nil
	}
	errs := []error{s.session.Destroy()}
	for _, ro := range s.free {
		errs = append(errs, ro.Destroy())
	}
	s.session, s.free = nil, nil
	s.runtime.sessions.Add(-1)
	return errors.Join(errs...)
}
