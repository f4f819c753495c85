package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		if !errors.Is(err, errTold) {
			fmt.Fprintln(os.Stderr, "powercut:", err)
		}
		os.Exit(1)
	}
}

const (
	durable = "durable"
	fast    = "fast"
)

// errTold says that the program failed inside its namespaces, and has said why.
var errTold = errors.New("it has said why")

type options struct {
	inside          bool
	rounds, clients int
	seed            uint64
	profile         string // of the queue
	bin             string // folder with the binaries
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("powercut", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.IntVar(&o.rounds, "rounds", 5, "power cuts")
	fs.IntVar(&o.clients, "c", 6, "clients that submit jobs")
	fs.Uint64Var(&o.seed, "seed", rand.Uint64(), "seed of the jobs, of the moments and of what luck leaves; random by default") //nolint:gosec // no secret
	fs.BoolVar(&o.inside, "inside", false, "for its own use: the mounts are this process's own")
	fs.StringVar(&o.profile, "profile", durable, "the queue's profile, durable or fast")
	fs.StringVar(&o.bin, "bin", "bin", "folder with the binaries gateway and worker")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	switch {
	case fs.NArg() > 0:
		return o, fmt.Errorf("%q is not understood", fs.Arg(0))
	case o.profile != durable && o.profile != fast:
		return o, fmt.Errorf("-profile is durable or fast, not %q", o.profile)
	case o.rounds < 1 || o.clients < 1:
		return o, errors.New("-rounds and -c are at least 1")
	}
	return o, nil
}

func start(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	if !o.inside {
		return apart(ctx, args, out, progress)
	}
	say(progress, "seed %d\n", o.seed)
	r, err := play(ctx, o, progress)
	if err != nil {
		return err
	}
	r.print(out)
	return r.verdict()
}

// say writes to the operator, who may have hung up.
func say(w io.Writer, format string, args ...any) {
	_, _ = fmt.Fprintf(w, format, args...)
}
