// Command confdoc writes the configuration reference from the structs of the two processes: `confdoc FILE`. With
// -check it writes nothing, and fails when the file is not what it would write.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"

	"github.com/penstock-dev/penstock/gateway"
	"github.com/penstock-dev/penstock/shared/config"
	"github.com/penstock-dev/penstock/worker"
)

const head = `# Configuration

Written by ` + "`make docs`" + ` from ` + "`gateway/config.go` and `worker/config.go`" + `; change it there.

Settings come from three places, the later over the earlier: the defaults, one YAML file, variables. The file is the one
that ` + "`PENSTOCK_CONFIG`" + ` names; both processes read the same file and the same variables, and each passes over what is the
other's. What neither knows stops the process, with the key, the value and the line. A dot in a key is a level in the
file:

` + "```yaml\nhttps_addr: 0.0.0.0:443\nresults:\n  retention: 72h\nworker:\n  threads: 2\n```" + `

Durations are written as ` + "`500ms`, `3s`, `1h30m`" + `; sizes as ` + "`65536`, `64KiB`, `1MiB`" + `; lists as YAML lists, with
commas in a variable. An empty variable counts as unset. Any listener may be ` + "`127.0.0.1:0`" + `; the port it then got is
logged, and is in ` + "`data/run/gateway.json` and `data/run/worker.json`" + `.
`

func main() {
	check := flag.Bool("check", false, "compare instead of writing")
	flag.Parse()
	if flag.NArg() != 1 {
		fmt.Fprintln(os.Stderr, "confdoc: name the file, and nothing else")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *check); err != nil {
		fmt.Fprintln(os.Stderr, "confdoc:", err)
		os.Exit(1)
	}
}

func run(path string, check bool) error {
	want := bytes.NewBufferString(head)
	if err := config.Reference(want, gateway.Default(), worker.Default()); err != nil {
		return err
	}
	if !check {
		return os.WriteFile(path, want.Bytes(), 0o644) //nolint:gosec // a document for everybody
	}
	have, err := os.ReadFile(path) //nolint:gosec // the caller names the file
	if err != nil {
		return err
	}
	if !bytes.Equal(have, want.Bytes()) {
		return fmt.Errorf("%s is out of date: run make docs, and commit it", path)
	}
	return nil
}
