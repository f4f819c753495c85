// Command gateway serves the Penstock API, and administers tenants, keys and tokens. It is configured by one YAML file
// and PENSTOCK_* variables; see deploy/docs/configuration.md.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/penstock-dev/penstock/gateway"
	"github.com/penstock-dev/penstock/shared/telemetry"
)

const usage = `usage: gateway            serve; see deploy/docs/configuration.md
       gateway tenant …   tenants
       gateway key …      API keys
       gateway token …    access tokens; "gateway tenant -h" tells more
`

// leastHeap is what the heap may hold before it is collected.
const leastHeap = 192 << 20

func main() { os.Exit(start(os.Args[1:])) }

func start(args []string) int {
	if len(args) > 0 && !isAdmin(args) {
		fmt.Fprint(os.Stderr, usage)
		return exitUsage
	}
	cfg, err := gateway.LoadConfig("", os.Environ())
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if isAdmin(args) {
		return runAdmin(ctx, args, adminEnv{
			RedisURL: cfg.RedisURL, DataDir: cfg.DataDir, RedisDir: redisDir(cfg.DataDir),
			KeyDir: cfg.Auth.KeyDir, Issuer: cfg.Auth.Issuer, Audience: cfg.Auth.Audience,
		}, os.Stdout, os.Stderr)
	}
	var level slog.Level
	if err := level.UnmarshalText([]byte(cfg.LogLevel)); err != nil {
		fmt.Fprintln(os.Stderr, "gateway: log_level:", err)
		return exitUsage
	}
	out := telemetry.NewBatchWriter(os.Stderr)
	defer out.Close()
	log, err := telemetry.NewLogger(cfg.LogFormat, level, out)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		return exitUsage
	}
	telemetry.MinHeap(leastHeap)
	if err := gateway.Run(ctx, cfg, log); err != nil {
		fmt.Fprintln(os.Stderr, "gateway:", err)
		return exitFailed
	}
	return exitOK
}
