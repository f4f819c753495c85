// Command dev is what `make run` ends in: it starts the gateway and the worker, says where they are, keeps the worker
// alive and stops both in order. It runs the same binaries with the same variables as anyone would by hand.
//
// The runner waits for DATA/run/NAME.json, which each process writes when it is ready:
// {"pid","https","http","ops",…}, the URLs where it really listens; it asks the operations listener
// named there for /readyz. It also serves the parrot, the server behind the demo of engine upstream, on a free port. A worker that dies is started again with back-off. A gateway that dies is reported and left
// to the operator. Ctrl-C or SIGTERM stops the worker, then the gateway, each by SIGTERM and in bounded time.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/penstock-dev/penstock/deploy/dev/parrot"
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
	stop, err := serveParrot(s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		return 1
	}
	defer stop()
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

// serveParrot starts the demo of a model server, unless the operator has named one.
func serveParrot(s settings) (stop func(), err error) {
	if s.parrot != "" {
		return func() {}, nil
	}
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it is there at once
	if err != nil {
		return nil, fmt.Errorf("the demo of a model server: %w", err)
	}
	if err := os.Setenv(parrotVariable, "http://"+l.Addr().String()+"/v1"); err != nil {
		return nil, fmt.Errorf("the demo of a model server: %w", err)
	}
	server := &http.Server{Handler: parrot.New(), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l) // until it is closed
	}()
	return func() {
		_ = server.Close() // the processes that called it have ended
		<-ended
	}, nil
}
