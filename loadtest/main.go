// Command loadtest measures Penstock. `loadtest run` is a load generator against a gateway on this machine; `loadtest
// bench` starts a gateway and a worker of its own and measures them beside their floors. See README.md.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

const usage = `usage: loadtest run     load a gateway on this machine, print one line of JSON
       loadtest bench   measure bin/gateway and bin/worker beside their floors, print Markdown
       loadtest run -h, loadtest bench -h: the flags
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := start(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "loadtest:", err)
		os.Exit(1)
	}
}

var errUsage = errors.New("usage")

func start(ctx context.Context, args []string, out, progress io.Writer) error {
	if len(args) == 0 {
		return errUsage
	}
	switch args[0] {
	case "run":
		o, err := parseRun(args[1:], progress)
		if err != nil {
			return err
		}
		r, err := generate(ctx, o)
		if err != nil {
			return err
		}
		return json.NewEncoder(out).Encode(r)
	case "bench":
		o, err := parseBench(args[1:], progress)
		if err != nil {
			return err
		}
		return bench(ctx, o, out, progress)
	}
	return errUsage
}
