package runner_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/engine/sleep"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fake is a Unary engine whose inputs say what it does: "bad" is refused, "poison" fails any batch it is in, "panic"
// panics, "hold" waits for its context or a token in release; the output is the input. The key is what stands before
// a colon.
type fake struct {
	release chan struct{}
	started chan int // the size of each run that begins, when somebody listens

	mu     sync.Mutex
	sizes  []int
	closed bool
	active int
	most   int
}

type fakeUnit struct{ text string }

func (u fakeUnit) Key() string {
	key, _, _ := strings.Cut(u.text, ":")
	return key
}
func (u fakeUnit) Rows() int { return 1 }
func (u fakeUnit) Cost() int { return len(u.text) }

func newFake() *fake {
	return &fake{release: make(chan struct{}), started: make(chan int, 1000)}
}

func (f *fake) Prepare(_ context.Context, r engine.Request) (engine.Unit, error) {
	switch string(r.Input) {
	case "bad":
		return nil, fault.Invalid("text", "is bad")
	case "panic early":
		panic("early")
	}
	return fakeUnit{string(r.Input)}, nil
}

func (f *fake) RunBatch(ctx context.Context, units []engine.Unit) ([]engine.Outcome, error) {
	f.mu.Lock()
	f.sizes = append(f.sizes, len(units))
	f.active++
	f.most = max(f.most, f.active)
	f.mu.Unlock()
	f.started <- len(units)
	defer func() {
		f.mu.Lock()
		f.active--
		f.mu.Unlock()
	}()
	out := make([]engine.Outcome, len(units))
	for i, u := range units {
		text := u.(fakeUnit).text //nolint:errcheck // it made them all
		_, what, _ := strings.Cut(text, ":")
		switch what {
		case "poison":
			return nil, errors.New("poisoned")
		case "panic":
			panic("late")
		case "hold":
			select {
			case <-ctx.Done():
				return nil, ctx.Err()
			case <-f.release:
			}
		case "alone":
			out[i].Err = fault.Invalid("schema", "is too much")
			continue
		}
		out[i].Result = engine.Result{Output: []byte(text), BatchSize: len(units)}
	}
	return out, nil
}

func (f *fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	return nil
}

func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }

func manifest(name, kind string) *model.Manifest {
	return &model.Manifest{Name: name, Version: "1", Engine: kind, Batch: model.Batch{MaxSize: 4}, Instances: 1}
}

// start makes a runner of the built-in models given, with a fake and sleep as its engines.
func start(t *testing.T, f *fake, models ...*model.Manifest) *runner.Runner {
	t.Helper()
	r, err := runner.New(runner.Config{Builtin: models, Cores: 8, Factories: factories(f)}, quiet(), nil)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.Close()) })
	return r
}

func factories(f *fake) map[string]runner.Factory {
	return map[string]runner.Factory{
		"fake": {Unary: func(runner.Build) (engine.Unary, error) { return f, nil }},
		"sleep": {Generator: func(b runner.Build) (engine.Generator, error) {
			return sleep.New(b.Manifest.Slots, func() {}), nil
		}},
		"broken":    {Unary: func(runner.Build) (engine.Unary, error) { return nil, errors.New("no such weights") }},
		"explosive": {Unary: func(runner.Build) (engine.Unary, error) { panic("boom") }},
	}
}

func ask(ctx context.Context, r *runner.Runner, name, input string) (string, error) {
	result, err := r.Run(ctx, engine.Request{Model: name, Attempt: 1, Input: []byte(input)}, nil)
	return string(result.Output), err
}

func TestEachCallerGetsItsOwnAnswer(t *testing.T) {
	t.Parallel()
	f := newFake()
	m := manifest("m", "fake")
	m.Instances = 3
	r := start(t, f, m)
	var all sync.WaitGroup
	for i := range 64 {
		all.Go(func() {
			want := fmt.Sprintf("%d:%d", i%3, i)
			got, err := ask(t.Context(), r, "m", want)
			if assert.NoError(t, err) {
				assert.Equal(t, want, got)
			}
		})
	}
	all.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	assert.LessOrEqual(t, slices.Max(f.sizes), 4)
	assert.LessOrEqual(t, f.most, 3)
}

func TestWhatWaitsDuringARunSharesTheNext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := start(t, f, manifest("m", "fake"))
		var all sync.WaitGroup
		go1 := func(in string) {
			all.Go(func() {
				_, err := ask(t.Context(), r, "m", in)
				assert.NoError(t, err)
			})
			synctest.Wait()
		}
		go1("a:hold")
		for range 5 {
			go1("a:x")
		}
		f.release <- struct{}{}
		all.Wait()
		assert.Equal(t, []int{1, 4, 1}, f.sizes)
	})
}

func TestABusyModelWaitsForCompanyAndAnIdleOneDoesNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		m := manifest("m", "fake")
		m.Instances, m.Batch.MaxDelay = 2, time.Second
		r := start(t, f, m)
		var all sync.WaitGroup
		begin := time.Now()
		var ended time.Duration
		all.Go(func() { ask(t.Context(), r, "m", "a:hold") }) //nolint:errcheck // it only keeps one instance busy
		synctest.Wait()
		all.Go(func() {
			if _, err := ask(t.Context(), r, "m", "a:x"); err != nil {
				t.Error(err)
			}
			ended = time.Since(begin)
		})
		synctest.Wait()
		<-time.After(2 * time.Second)
		synctest.Wait()
		assert.Equal(t, time.Second, ended, "it waited max_delay beside a running instance")
		f.release <- struct{}{}
		all.Wait()
		begin = time.Now()
		_, err := ask(t.Context(), r, "m", "a:x")
		require.NoError(t, err)
		assert.Zero(t, time.Since(begin))
	})
}

func TestOneBadInputFailsAlone(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"poison", "panic", "alone"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				f := newFake()
				r := start(t, f, manifest("m", "fake"))
				var all sync.WaitGroup
				all.Go(func() { ask(t.Context(), r, "m", "a:hold") }) //nolint:errcheck // it only keeps the instance busy
				synctest.Wait()
				for _, in := range []string{"a:1", "a:" + what, "a:2"} {
					all.Go(func() {
						got, err := ask(t.Context(), r, "m", in)
						switch in {
						case "a:alone":
							assert.Equal(t, fault.InvalidInput, fault.CodeOf(err))
						case "a:" + what:
							assert.Equal(t, fault.Internal, fault.CodeOf(err))
						default:
							if assert.NoError(t, err) {
								assert.Equal(t, in, got)
							}
						}
					})
				}
				synctest.Wait()
				f.release <- struct{}{}
				all.Wait()
				_, err := ask(t.Context(), r, "m", "a:3")
				assert.NoError(t, err, "and the model goes on")
			})
		})
	}
}

func TestPrepareErrorsAndPanics(t *testing.T) {
	t.Parallel()
	r := start(t, newFake(), manifest("m", "fake"))
	_, err := ask(t.Context(), r, "m", "bad")
	assert.Equal(t, "text", fault.From(err).Field)
	_, err = ask(t.Context(), r, "m", "panic early")
	assert.Equal(t, fault.Internal, fault.CodeOf(err))
}

func TestCancel(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := start(t, f, manifest("m", "fake"))
		running, stopRunning := context.WithCancel(t.Context())
		queued, stopQueued := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := ask(running, r, "m", "a:hold")
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		all.Go(func() {
			_, err := ask(queued, r, "m", "a:x")
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		assert.Equal(t, 6, r.Offers()[0].Free)
		stopQueued()
		synctest.Wait()
		assert.Equal(t, 7, r.Offers()[0].Free, "a queued request leaves at once")
		stopRunning()
		all.Wait()
		assert.Equal(t, 8, r.Offers()[0].Free)
		assert.Equal(t, []int{1}, f.sizes, "what was canceled in the queue never ran")
		_, err := ask(t.Context(), r, "m", "a:x")
		require.NoError(t, err)
		_, err = ask(running, r, "m", "a:x")
		assert.ErrorIs(t, err, context.Canceled)
	})
}

func TestARunGoesOnWhileOneCallerStays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		r := start(t, f, manifest("m", "fake"))
		var all sync.WaitGroup
		all.Go(func() { ask(t.Context(), r, "m", "a:hold") }) //nolint:errcheck // it only keeps the instance busy
		synctest.Wait()
		leaving, leave := context.WithCancel(t.Context())
		all.Go(func() {
			_, err := ask(leaving, r, "m", "a:x")
			assert.ErrorIs(t, err, context.Canceled)
		})
		all.Go(func() {
			_, err := ask(t.Context(), r, "m", "a:hold")
			assert.NoError(t, err)
		})
		synctest.Wait()
		f.release <- struct{}{}
		synctest.Wait()
		leave()
		synctest.Wait()
		f.release <- struct{}{}
		all.Wait()
	})
}

func TestTheManifestBoundsAnAttempt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manifest("m", "fake")
		m.Timeout = time.Second
		r := start(t, newFake(), m)
		begin := time.Now()
		_, err := ask(t.Context(), r, "m", "a:hold")
		assert.Equal(t, fault.DeadlineExceeded, fault.CodeOf(err))
		assert.Equal(t, time.Second, time.Since(begin))
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = ask(ctx, r, "m", "a:hold")
		assert.ErrorIs(t, err, context.DeadlineExceeded, "the caller's own deadline is the caller's")
	})
}

func TestGenerator(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manifest("sleep", "sleep")
		m.Slots = 2
		r := start(t, newFake(), m)
		var deltas []string
		result, err := r.Run(t.Context(), engine.Request{Model: "sleep", Attempt: 1, Input: []byte(`{"ms":30,"tokens":3,"echo":7}`)},
			func(d []byte) error {
				deltas = append(deltas, string(d))
				return nil
			})
		require.NoError(t, err)
		assert.JSONEq(t, `{"echo":7,"attempt":1}`, string(result.Output))
		assert.Equal(t, []string{`{"text":"word1 "}`, `{"text":"word2 "}`, `{"text":"word3 "}`}, deltas)

		broken := errors.New("nobody listens")
		_, err = r.Run(t.Context(), engine.Request{Model: "sleep", Attempt: 1, Input: []byte(`{"ms":3000,"tokens":3}`)},
			func([]byte) error { return broken })
		require.ErrorIs(t, err, broken)

		_, err = ask(t.Context(), r, "sleep", `{"fail_attempts":1}`)
		require.Equal(t, fault.Internal, fault.CodeOf(err))
		_, err = ask(t.Context(), r, "sleep", `{"ms":"x"}`)
		require.Equal(t, "ms", fault.From(err).Field)

		// Two sleep, two wait their turn, and one of those gives up.
		begin := time.Now()
		var all sync.WaitGroup
		giveUp, give := context.WithCancel(t.Context())
		for i := range 4 {
			ctx, want := t.Context(), time.Duration(1+i/2)*time.Second
			if i == 2 {
				ctx, want = giveUp, 500*time.Millisecond
			}
			all.Go(func() {
				_, err := ask(ctx, r, "sleep", `{"ms":1000}`)
				assert.Equal(t, i == 2, errors.Is(err, context.Canceled))
				assert.Equal(t, want, time.Since(begin), "request %d", i)
			})
			synctest.Wait()
		}
		assert.Zero(t, r.Offers()[0].Free)
		<-time.After(500 * time.Millisecond)
		give()
		all.Wait()
	})
}

func TestCancelingASequenceLetsTheNextIn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := manifest("sleep", "sleep")
		m.Slots = 1
		r := start(t, newFake(), m)
		ctx, cancel := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() { ask(ctx, r, "sleep", `{"ms":3600000}`) }) //nolint:errcheck // it is canceled
		synctest.Wait()
		all.Go(func() {
			_, err := ask(t.Context(), r, "sleep", `{"ms":1}`)
			assert.NoError(t, err)
		})
		synctest.Wait()
		begin := time.Now()
		cancel()
		all.Wait()
		assert.Equal(t, time.Millisecond, time.Since(begin))
	})
}

// faulty is a Generator whose steps fail.
type faulty struct {
	*sleep.Engine
	panics bool
}

func (f *faulty) Step(ctx context.Context) ([]engine.Event, error) {
	if _, err := f.Engine.Step(ctx); err != nil {
		return nil, err
	}
	if f.panics {
		panic("step")
	}
	return nil, errors.New("the step failed")
}

func TestAFailedStepEndsItsSequences(t *testing.T) {
	t.Parallel()
	for _, panics := range []bool{false, true} {
		r, err := runner.New(runner.Config{
			Builtin: []*model.Manifest{manifest("m", "faulty")},
			Factories: map[string]runner.Factory{"faulty": {Generator: func(runner.Build) (engine.Generator, error) {
				return &faulty{sleep.New(0, nil), panics}, nil
			}}},
		}, quiet(), nil)
		require.NoError(t, err)
		for range 2 {
			_, err = ask(t.Context(), r, "m", `{}`)
			assert.Equal(t, fault.Internal, fault.CodeOf(err))
		}
		require.NoError(t, r.Close())
	}
}

func TestCloseEndsWhatWaitsAndRuns(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := newFake()
		m := manifest("s", "sleep")
		m.Slots = 1
		r := start(t, f, manifest("m", "fake"), m)
		var all sync.WaitGroup
		for _, c := range [][2]string{{"m", "a:hold"}, {"m", "a:x"}, {"s", `{"ms":1000}`}, {"s", `{"ms":2000}`}} {
			all.Go(func() {
				_, err := ask(t.Context(), r, c[0], c[1])
				assert.Equal(t, fault.NoWorkers, fault.CodeOf(err), c)
			})
			synctest.Wait()
		}
		require.NoError(t, r.Close())
		all.Wait()
		assert.True(t, f.closed)
		_, err := ask(t.Context(), r, "m", "a:x")
		assert.Equal(t, fault.NoWorkers, fault.CodeOf(err))
		require.NoError(t, r.Close())
	})
}

func TestModelsThatCannotBeLoaded(t *testing.T) {
	t.Parallel()
	repo := t.TempDir()
	put := func(name, version, kind string) {
		dir := filepath.Join(repo, name, version)
		require.NoError(t, os.MkdirAll(dir, 0o755))
		text := fmt.Sprintf("name: %s\nversion: %q\nengine: %s\ndescription: of %s\n", name, version, kind, version)
		require.NoError(t, os.WriteFile(filepath.Join(dir, model.ManifestFile), []byte(text), 0o600))
	}
	put("good", "2", "fake")
	put("good", "10", "fake")
	put("good", "11", "broken")
	put("bad", "1", "broken")
	put("worse", "1", "explosive")
	put("strange", "1", "abacus")
	require.NoError(t, os.MkdirAll(filepath.Join(repo, "empty", "1"), 0o755))

	r, err := runner.New(runner.Config{
		ModelsDir: repo, Factories: factories(newFake()), Builtin: []*model.Manifest{manifest("sleep", "sleep"), manifest("good", "fake")},
	}, quiet(), prometheus.NewRegistry())
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()

	offers := map[string]string{}
	for _, o := range r.Offers() {
		offers[o.Name] = fmt.Sprintf("%v %s %t", o.Versions, o.Description, o.Error != "")
	}
	assert.Equal(t, map[string]string{
		"good": "[1 2 10] of 10 false", "sleep": "[1]  false",
		"bad": "[]  true", "worse": "[]  true", "strange": "[]  true", "empty": "[]  true",
	}, offers)

	_, err = ask(t.Context(), r, "good", "a:x")
	require.NoError(t, err)
	for _, c := range []engine.Request{
		{Model: "bad"}, {Model: "nothing"}, {Model: "good", Version: "11"}, {Model: "good", Version: "3"},
	} {
		_, err := r.Run(t.Context(), c, nil)
		assert.Equal(t, fault.ModelNotFound, fault.CodeOf(err), c)
	}
	_, err = r.Run(t.Context(), engine.Request{Model: "good", Version: "2", Input: []byte("a:x")}, nil)
	require.NoError(t, err)

	_, err = runner.New(runner.Config{ModelsDir: filepath.Join(repo, "nowhere")}, quiet(), nil)
	assert.Error(t, err)
}

func TestOffersAndMetrics(t *testing.T) {
	t.Parallel()
	registry := prometheus.NewRegistry()
	m := manifest("m", "fake")
	m.Instances = 2
	r, err := runner.New(runner.Config{Builtin: []*model.Manifest{m}, Cores: 2, Factories: factories(newFake())}, quiet(), registry)
	require.NoError(t, err)
	defer func() { require.NoError(t, r.Close()) }()
	o := r.Offers()[0]
	assert.Equal(t, 16, o.Slots, "2 × instances × max_size")
	assert.Equal(t, 16, o.Free)
	assert.Zero(t, o.Rate)
	_, err = ask(t.Context(), r, "m", "a:x")
	require.NoError(t, err)
	assert.Positive(t, r.Offers()[0].Rate)
	families, err := registry.Gather()
	require.NoError(t, err)
	counts := map[string]uint64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			counts[f.GetName()] += m.GetHistogram().GetSampleCount()
		}
	}
	assert.Equal(t, map[string]uint64{
		"penstock_worker_batch_size": 1, "penstock_worker_wait_seconds": 1, "penstock_worker_run_seconds": 1,
		"penstock_worker_panics_total": 0, "penstock_worker_model_loaded": 0,
	}, counts)
}

func TestInstancesStayWithinTheCores(t *testing.T) {
	t.Parallel()
	var got []int
	for _, c := range [][3]int{{2, 0, 0}, {4, 8, 2}, {4, 1, 1}, {1, 3, 3}} {
		m := &model.Manifest{Name: "m", Version: "1", Engine: "fake", Instances: c[1], Threads: c[2]}
		r, err := runner.New(runner.Config{Builtin: []*model.Manifest{m}, Cores: c[0], Factories: map[string]runner.Factory{
			"fake": {Unary: func(b runner.Build) (engine.Unary, error) {
				got = append(got, b.Instances)
				return newFake(), nil
			}},
		}}, quiet(), nil)
		require.NoError(t, err)
		require.NoError(t, r.Close())
	}
	assert.Equal(t, []int{2, 2, 1, 1}, got)
}

func BenchmarkSleepNothing(b *testing.B) {
	r, err := runner.New(runner.Config{Builtin: []*model.Manifest{{Name: "sleep", Version: "1", Engine: "sleep"}}, Factories: factories(nil)}, quiet(), nil)
	require.NoError(b, err)
	in := engine.Request{Model: "sleep", Attempt: 1, Input: []byte(`{"ms":0}`)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Run(b.Context(), in, nil); err != nil {
			b.Fatal(err)
		}
	}
	require.NoError(b, r.Close())
}
