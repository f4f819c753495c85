package telemetry

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
)

// Listen opens a TCP listener. Its errors are sentences for the operator: they name the address and variable, the
// PENSTOCK_* variable that changes it.
func Listen(ctx context.Context, addr, variable string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if err == nil {
		return l, nil
	}
	return nil, ListenError(addr, variable, err)
}

// ListenError puts err, what a server's listen gave for addr, into the sentence that [Listen] gives. It is for servers
// that open their own listeners.
func ListenError(addr, variable string, err error) error {
	_, port, splitErr := net.SplitHostPort(addr)
	switch {
	case splitErr != nil:
		return fmt.Errorf("%s: %q is not an address like 127.0.0.1:9090: %w", variable, addr, err)
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %s is taken by another process: nothing can listen on %s; set %s to a free address, "+
			"127.0.0.1:0 picks one: %w", port, addr, variable, err)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("port %s needs rights that this process lacks; set %s to an address with a port above 1023: %w",
			port, variable, err)
	default:
		return fmt.Errorf("cannot listen on %s; %s sets the address: %w", addr, variable, err)
	}
}
