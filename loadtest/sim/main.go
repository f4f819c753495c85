package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/picture"
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
	pictures := fs.String("pictures", "", "folder to write the pictures to")
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
		if _, err := fmt.Fprintf(progress, "%s: %.1f s\n", s.name, time.Since(began).Seconds()); err != nil {
			return err
		}
		if _, err := io.WriteString(out, show(s, r)); err != nil {
			return err
		}
		if r.g != nil && *pictures != "" {
			svg := picture.Waits(s.title, r.g.count.to, r.g.count.points, "quiet", "noisy")
			if err := os.WriteFile(filepath.Join(*pictures, "fairness-"+s.name+".svg"), []byte(svg), 0o644); err != nil { //nolint:gosec // a page's picture
				return err
			}
		}
		for _, c := range r.checks {
			broken = broken || !c.ok
		}
	}
	if broken {
		return errBroken
	}
	return nil
}

// show writes a scenario's figures as Markdown.
func show(s scenario, r report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s\n\n%s\n\n| %s |\n|%s\n", s.title, r.text, strings.Join(r.heads, " | "), strings.Repeat("---|", len(r.heads)))
	for _, row := range r.rows {
		fmt.Fprintf(&b, "| %s |\n", strings.Join(row, " | "))
	}
	b.WriteString("\n")
	for _, c := range r.checks {
		mark := "holds"
		if !c.ok {
			mark = "BROKEN"
		}
		fmt.Fprintf(&b, "- %s: %s\n", c.what, mark)
	}
	b.WriteString("\n")
	return b.String()
}
