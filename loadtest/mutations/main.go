// Command mutations takes out, one at a time, the code that keeps a promise, and runs the tests that must then fail. It
// changes no file: go test gets the changed source as an overlay. It prints a table, and fails when a promise was broken
// without any test noticing, or when the code to be taken out is no longer there.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

func main() {
	only := flag.String("only", "", "a part of the promises' names; empty for all")
	flag.Parse()
	if err := run(context.Background(), *only); err != nil {
		fmt.Fprintln(os.Stderr, "mutations:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, only string) (err error) {
	dir, err := os.MkdirTemp("", "penstock-mutations-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	out := os.Stdout
	_, _ = fmt.Fprint(out, "| promise | taken out | noticed by |\n|---|---|---|\n")
	var missed []string
	for _, m := range mutations() {
		if !strings.Contains(m.promise, only) {
			continue
		}
		failed, err := m.run(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.promise, err)
		}
		if len(failed) == 0 {
			missed = append(missed, m.promise)
			failed = []string{"**nobody**"}
		}
		_, _ = fmt.Fprintf(out, "| %s | %s, `%s` | %s |\n", m.promise, m.what, m.file, strings.Join(failed, ", "))
	}
	if len(missed) > 0 {
		return fmt.Errorf("nobody noticed: %s", strings.Join(missed, "; "))
	}
	return nil
}

// mutation is one piece of code that is taken out.
type mutation struct {
	promise string
	what    string
	file    string
	old     string // stands in the file exactly once
	put     string // stands in its place
	pkg     string
	tests   string // as go test -run takes them
}

// testTime bounds one run: a broken promise may well be a test that waits for ever.
const testTime = 3 * time.Minute

var failure = regexp.MustCompile(`(?m)^--- FAIL: (\S+)`)

// run returns the tests that fail with the code taken out.
func (m *mutation) run(ctx context.Context, dir string) ([]string, error) {
	file, err := filepath.Abs(m.file)
	if err != nil {
		return nil, err
	}
	source, err := os.ReadFile(file) //nolint:gosec // named in this program
	if err != nil {
		return nil, err
	}
	if n := strings.Count(string(source), m.old); n != 1 {
		return nil, fmt.Errorf("%s holds %q %d times", m.file, m.old, n)
	}
	changed := filepath.Join(dir, "changed.go")
	if err := os.WriteFile(changed, []byte(strings.Replace(string(source), m.old, m.put, 1)), 0o600); err != nil { //nolint:gosec // in our own folder
		return nil, err
	}
	overlay, err := json.Marshal(map[string]map[string]string{"Replace": {file: changed}})
	if err != nil {
		return nil, err
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, testTime+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", "test", "-count=1", "-vet=off", "-timeout", "60s", //nolint:gosec // constants
		"-overlay", list, "-run", m.tests, m.pkg)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil, nil
	}
	var failed []string
	for _, f := range failure.FindAllStringSubmatch(string(out), -1) {
		failed = append(failed, "`"+f[1]+"`")
	}
	switch {
	case len(failed) > 0:
		return failed, nil
	case strings.Contains(string(out), "panic: test timed out"):
		return []string{"`" + m.tests + "`, which waits in vain"}, nil
	}
	return nil, fmt.Errorf("the tests did not run: %w\n%s", err, out)
}
