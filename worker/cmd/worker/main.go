// Command worker runs models for a Penstock queue. It is configured by one YAML file and PENSTOCK_* variables; see
// deploy/docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/penstock-dev/penstock/shared/telemetry"
	"github.com/penstock-dev/penstock/worker"
)

// leastHeap is what the heap may hold before it is collected; the models are not in it.
const leastHeap = 48 << 20

func main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	if len(args) > 0 {
		return command(args)
	}
	cfg, err := worker.LoadConfig("", os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 2
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		fmt.Fprintln(os.Stderr, "worker: log_level:", err)
		return 2
	}
	out := telemetry.NewBatchWriter(os.Stderr)
	defer out.Close()
	log, err := telemetry.NewLogger(cfg.LogFormat, level, out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 2
	}
	telemetry.MinHeap(leastHeap)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := worker.Run(ctx, cfg, log); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}

const usage = `usage: worker                      run the models of the repository
       worker check [FOLDER …]     hold models against what the worker would do with them; all of the repository by default
       worker manifest FOLDER      print a manifest for a model as it was exported
The rest is configuration; see deploy/docs/configuration.md and deploy/docs/models.md.`

// command runs what needs no queue.
func command(args []string) int {
	var err error
	switch {
	case args[0] == "check":
		var cfg worker.Config
		if cfg, err = worker.LoadConfig("", os.Environ()); err == nil {
			ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			err = worker.Check(ctx, cfg, args[1:], os.Stdout)
		}
	case args[0] == "manifest" && len(args) == 2:
		err = worker.Manifest(args[1], os.Stdout)
	default:
		fmt.Fprintln(os.Stderr, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		return 1
	}
	return 0
}
