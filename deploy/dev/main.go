// Command dev is what `make run` ends in: it starts the gateway and the worker, says where they are, keeps the worker
// alive and stops both in order. It runs the same binaries with the same variables as anyone would by hand.
//
// The runner waits for DATA/run/NAME.json, which each process writes when it is ready:
// {"pid","https","http","ops",…}, the URLs where it really listens; it asks the operations listener
// named there for /readyz. A worker that dies is started again with back-off. A gateway that dies is reported and left
// to the operator. Ctrl-C or SIGTERM stops the worker, then the gateway, each by SIGTERM and in bounded time.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	os.Exit(mainCode())
}

func mainCode() int {
	s, err := loadSettings()
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		return 1
	}
	signals := make(chan os.Signal, 8)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	restore := takeTerminal(os.Stdin)
	defer restore()
	r := &runner{settings: s, out: os.Stdout, err: os.Stderr, signals: signals}
	switch err := r.run(context.Background()); {
	case errors.Is(err, errChildFailed): // it has said why
		return 1
	case err != nil:
		fmt.Fprintln(os.Stderr, "dev:", err)
		return 1
	}
	return 0
}
