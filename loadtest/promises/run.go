package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/penstock-dev/penstock/loadtest/internal/stack"
)

// run is one scenario's run: its options and what it has to tell. It is for one goroutine.
type run struct {
	options
	progress io.Writer
	text     strings.Builder
	bounds   bool // the last that was written was a bound
	broken   bool
}

// say writes a paragraph.
func (r *run) say(format string, a ...any) {
	r.apart()
	fmt.Fprintf(&r.text, format+"\n\n", a...)
}

// table writes a table.
func (r *run) table(head []string, rows [][]string) {
	r.apart()
	fmt.Fprintf(&r.text, "| %s |\n|%s\n", strings.Join(head, " | "), strings.Repeat("---|", len(head)))
	for _, row := range rows {
		fmt.Fprintf(&r.text, "| %s |\n", strings.Join(row, " | "))
	}
	r.text.WriteString("\n")
}

// bound tells whether a bound holds. One that does not makes the command end with status 1.
func (r *run) bound(text string, ok bool) {
	mark := "holds"
	if !ok {
		mark = "does NOT hold"
		r.broken = true
	}
	fmt.Fprintf(&r.text, "- %s: %s\n", text, mark)
	r.bounds = true
}

// apart ends a list of bounds.
func (r *run) apart() {
	if r.bounds {
		r.text.WriteString("\n")
	}
	r.bounds = false
}

// note tells whoever waits what goes on.
func (r *run) note(format string, a ...any) {
	_, _ = fmt.Fprintf(r.progress, format+"\n", a...) // nothing depends on it
}

// start starts a gateway and a worker with that many slots of the model sleep.
func (r *run) start(ctx context.Context, slots int, env ...string) (*stack.Stack, error) {
	return stack.Start(ctx, stack.Options{Bin: r.bin, SleepSlots: slots, Env: env})
}

// pick is one of two sizes.
func pick[T any](r *run, short, full T) T {
	if r.short {
		return short
	}
	return full
}
