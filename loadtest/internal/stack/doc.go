// Package stack runs a gateway with its embedded servers and workers as processes, on free ports of the loopback and a
// temporary folder, for tools that measure the built binaries. Linux only. Everything is ended and removed by Stop.
package stack
