package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

func main() {
	switch err := start(os.Args[1:], os.Stdout, os.Stderr); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		fmt.Fprintln(os.Stderr, "sim:", err)
		os.Exit(1)
	}
}

var errBroken = errors.New("a bound does not hold")

func start(args []string, out, progress io.Writer) error {
	fs := flag.NewFlagSet("sim", flag.ContinueOnError)
	fs.SetOutput(progress)
	only := fs.String("only", "", "run one scenario")
	short := fs.Bool("short", false, "run less, as the tests do")
	if err := fs.Parse(args); err != nil {
		return err
	}
	broken := false
	for _, s := range scenarios() {
		if *only != "" && *only != s.name {
			continue
		}
		began := time.Now()
		r := s.run(*short)
		fmt.Fprintf(progress, "%s: %.1f s\n", s.name, time.Since(began).Seconds())
		print1(out, s, r)
		for _, c := range r.checks {
			broken = broken || !c.ok
		}
	}
	if broken {
		return errBroken
	}
	return nil
}

func print1(out io.Writer, s scenario, r report) {
	fmt.Fprintf(out, "## %s\n\n%s\n\n| %s |\n|%s\n", s.title, r.text, strings.Join(r.heads, " | "), strings.Repeat("---|", len(r.heads)))
	for _, row := range r.rows {
		fmt.Fprintf(out, "| %s |\n", strings.Join(row, " | "))
	}
	fmt.Fprintln(out)
	for _, c := range r.checks {
		mark := "holds"
		if !c.ok {
			mark = "BROKEN"
		}
		fmt.Fprintf(out, "- %s: %s\n", c.what, mark)
	}
	fmt.Fprintln(out)
}
