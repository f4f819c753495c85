// Command chaos proves that no accepted job is lost and none ends twice, whatever dies. It starts the built gateway and
// workers as processes on a data folder of its own, keeps a bounded load of jobs on them, kills, stops and restarts them
// at random meanwhile, lets everything settle, and compares what the clients saw with what can be read. See
// deploy/docs/chaos.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		if errors.Is(err, errBroken) {
			os.Exit(statusBroken)
		}
		os.Exit(1)
	}
}

// say writes to the operator, who may have hung up.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}

// statusBroken is the exit status of a run that broke a promise.
const statusBroken = 3

// errBroken says that a promise was broken, or that a run proved nothing; the report says which.
var errBroken = errors.New("a promise was broken")

func start(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	if !o.inside {
		say(out, "seed %d\n", o.seed)
	}
	broken := false
	for _, p := range o.profiles {
		if p.small && !o.inside {
			err := apart(ctx, o, p, out, progress)
			if broken = broken || errors.Is(err, errBroken); err != nil && !errors.Is(err, errBroken) {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			continue
		}
		r, err := play(ctx, o, p, progress)
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		r.print(out)
		broken = broken || len(r.broken) > 0
	}
	if broken {
		return errBroken
	}
	return nil
}
