package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/penstock-dev/penstock/shared/fault"
	"github.com/penstock-dev/penstock/shared/model"
	"github.com/penstock-dev/penstock/worker/internal/engine"
	"github.com/penstock-dev/penstock/worker/internal/inspect"
	"github.com/penstock-dev/penstock/worker/internal/runner"
)

// checkTimeout bounds the one request that a model is tried with.
const checkTimeout = 2 * time.Minute

// ErrCheck says that a model is not fit to be served; Check has printed why.
var ErrCheck = errors.New("not every model is fit to be served")

// Check holds model folders against what the worker would do with them: it reads the manifest, the files and the
// tokenizer, loads the model, runs one request, and says of each folder that it is fit, or in a sentence what is wrong. A
// folder is a version, a model with its versions, or a whole repository.
func Check(ctx context.Context, cfg Config, folders []string, out io.Writer) error {
	if len(folders) == 0 {
		folders = []string{cfg.Worker.ModelsDir}
	}
	rt, err := openRuntime(&cfg)
	if err != nil {
		return err
	}
	defer rt.Close() //nolint:errcheck // all that used it is closed
	unfit := false
	for _, folder := range folders {
		entries, err := model.Find(folder)
		if err != nil {
			return err
		}
		for i := range entries {
			e := &entries[i]
			if _, err := fmt.Fprintf(out, "%s\n", e.Dir); err != nil {
				return err
			}
			verdict := "fit"
			if err := checkOne(ctx, factories(rt, &cfg, ""), e, out); err != nil {
				unfit = true
				verdict = "NOT FIT: " + sentence(err)
			}
			if _, err := fmt.Fprintf(out, "  %s\n\n", verdict); err != nil {
				return err
			}
		}
	}
	if unfit {
		return ErrCheck
	}
	return nil
}

// sentence is an error as an operator reads it.
func sentence(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		if f.Cause != nil {
			return f.Detail + ": " + f.Cause.Error()
		}
		return f.Detail
	}
	return err.Error()
}

func checkOne(ctx context.Context, f map[string]runner.Factory, e *model.Entry, out io.Writer) error {
	if e.Err != nil {
		return e.Err
	}
	if err := inspect.Look(e.Dir, e.Manifest, out); err != nil {
		return err
	}
	begin := time.Now()
	r, err := runner.New(runner.Config{Entries: []model.Entry{*e}, Factories: f}, slog.New(slog.DiscardHandler), prometheus.NewRegistry())
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // the process ends
	offer := r.Offers()[0]
	if offer.Error != "" {
		return errors.New(offer.Error)
	}
	loaded := time.Since(begin)
	in, err := inspect.Example(e.Manifest.Engine, &offer.About)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	begin = time.Now()
	res, err := r.Run(ctx, engine.Request{JobID: "check", Model: e.Name, Attempt: 1, Input: in}, nil)
	if err != nil {
		return fmt.Errorf("it does not answer a plain request: %w", err)
	}
	ran := time.Since(begin)
	if _, err = fmt.Fprintf(out, "  %-10s in %d ms, and answered a request in %.1f ms with %d slots\n", "loaded", loaded.Milliseconds(),
		float64(ran.Microseconds())/1000, offer.Slots); err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "  %-10s %s\n  %-10s %s\n", "asked", clip(in), "answered", clip(res.Output))
	return err
}

func clip(b []byte) string {
	if r := []rune(string(b)); len(r) > 120 {
		return string(r[:120]) + "…"
	}
	return string(b)
}

// Manifest prints a manifest for a folder as exports come.
func Manifest(folder string, out io.Writer) error {
	m, err := inspect.Draft(folder)
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(folder, model.ManifestFile)); err == nil {
		if _, err := fmt.Fprintf(out, "# %s is there already; this is how it would look anew\n", model.ManifestFile); err != nil {
			return err
		}
	}
	_, err = out.Write(inspect.YAML(m))
	return err
}
