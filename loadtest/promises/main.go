package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "promises:", err)
		os.Exit(1)
	}
}

// scenario is one part of the report.
type scenario struct {
	name, title string
	run         func(ctx context.Context, r *run) error
}

func scenarios() []scenario { return slices.Concat(fairness(), service()) }

var errBroken = errors.New("a bound does not hold")

// options are what the flags say.
type options struct {
	short    bool
	bin      string // folder with the binaries
	pictures string // folder for pictures; empty for none
	only     []string
	list     bool
	retained int // jobs that the scenario of that name keeps; 0 for its default
}

func parse(args []string, errs io.Writer) (options, error) {
	var o options
	var only string
	fs := flag.NewFlagSet("promises", flag.ContinueOnError)
	fs.SetOutput(errs)
	fs.StringVar(&only, "only", "", "names of the scenarios to run, with commas; all by default")
	fs.StringVar(&o.bin, "bin", "bin", "folder with the binaries gateway and worker")
	fs.StringVar(&o.pictures, "pictures", "", "folder to write the pictures to")
	fs.BoolVar(&o.short, "short", false, "seconds instead of minutes: does it work at all?")
	fs.IntVar(&o.retained, "retained", 0, "jobs to keep in the scenario retained; 0 for a million, or 5,000 with -short")
	fs.BoolVar(&o.list, "list", false, "print the names of the scenarios")
	if err := fs.Parse(args); err != nil {
		return o, err
	}
	if fs.NArg() > 0 {
		return o, fmt.Errorf("%q is not understood", fs.Arg(0))
	}
	if only != "" {
		o.only = strings.Split(only, ",")
	}
	for _, name := range o.only {
		if !slices.ContainsFunc(scenarios(), func(s scenario) bool { return s.name == name }) {
			return o, fmt.Errorf("-only: there is no scenario %q; -list names them", name)
		}
	}
	return o, nil
}

func start(ctx context.Context, args []string, out, progress io.Writer) error {
	o, err := parse(args, progress)
	if err != nil {
		return err
	}
	broken := false
	for _, s := range scenarios() {
		if o.list {
			if _, err := fmt.Fprintf(out, "%-14s %s\n", s.name, s.title); err != nil {
				return err
			}
			continue
		}
		if len(o.only) > 0 && !slices.Contains(o.only, s.name) {
			continue
		}
		began := time.Now()
		r := &run{options: o, progress: progress}
		err := s.run(ctx, r)
		r.apart()
		// What was measured until it failed is worth reading.
		if _, err := io.WriteString(out, "## "+s.title+"\n\n"+r.text.String()); err != nil {
			return err
		}
		if err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		r.note("%s: %.1f s", s.name, time.Since(began).Seconds())
		broken = broken || r.broken
	}
	if broken {
		return errBroken
	}
	return nil
}
