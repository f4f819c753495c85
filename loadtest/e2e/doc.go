// Package e2e tests the gateway and the worker together: in one process for behaviour, and as the built binaries for
// what only processes can show. It holds tests alone.
package e2e
