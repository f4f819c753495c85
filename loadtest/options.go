package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Bounds of one run: this tool tries a machine out and is no weapon.
const (
	maxCallers  = 1024
	maxDuration = 10 * time.Minute
	maxRequests = 5_000_000
)

// runOptions say what a generator does.
type runOptions struct {
	target   target
	scenario string
	callers  int
	duration time.Duration
	warm     time.Duration
	requests int // 0 for no bound but the duration's
	size     int
	procs    int // threads that may run at once
	watch    []watched
}

// target is where requests go and as whom.
type target struct {
	addr   string // host:port of the loopback
	name   string // that the certificate is for
	caFile string
	token  string
}

// watched is a process whose share of the machine is told.
type watched struct {
	name string
	pid  int
}

// parseRun reads the flags of loadtest run.
func parseRun(args []string, errs io.Writer) (runOptions, error) {
	var o runOptions
	var base, credentials, watch string
	f := flag.NewFlagSet("loadtest run", flag.ContinueOnError)
	f.SetOutput(errs)
	f.StringVar(&base, "url", "", "the gateway's URL; by default the credentials' own. Loopback only")
	f.StringVar(&credentials, "credentials", "data/dev/credentials.json", "file with url, ca_file and token")
	f.StringVar(&o.scenario, "scenario", "sync-sleep", strings.Join(scenarioNames(), ", "))
	f.IntVar(&o.callers, "c", 64, "callers, each with a connection of its own and one request at a time")
	f.DurationVar(&o.duration, "d", 5*time.Second, "how long to measure, 10m at most")
	f.DurationVar(&o.warm, "warm", 500*time.Millisecond, "how long to run before that, uncounted")
	f.IntVar(&o.requests, "n", 0, "stop after so many requests, the warm-up's among them; 0 for the duration alone")
	f.IntVar(&o.size, "size", 300, "bytes of a sleep job's input")
	f.IntVar(&o.procs, "procs", 1, "cores that the generator may use at once: it shares the machine with what it measures")
	f.StringVar(&watch, "watch", "", "processes whose CPU is told too: NAME=PID,…")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.target, err = readTarget(credentials, base); err != nil {
		return o, err
	}
	if o.watch, err = parseWatch(watch); err != nil {
		return o, err
	}
	return o, o.validate(f.Args())
}

func (o *runOptions) validate(rest []string) error {
	_, known := scenarios()[o.scenario]
	switch {
	case len(rest) > 0:
		return fmt.Errorf("%q is not understood", rest[0])
	case !known:
		return fmt.Errorf("-scenario: %q is none of %s", o.scenario, strings.Join(scenarioNames(), ", "))
	case o.callers < 1 || o.callers > maxCallers:
		return fmt.Errorf("-c is 1 to %d", maxCallers)
	case o.duration <= 0 || o.duration > maxDuration:
		return fmt.Errorf("-d is above 0 and at most %s", maxDuration)
	case o.warm < 0 || o.warm > time.Minute:
		return errors.New("-warm is at most 1m")
	case o.requests < 0 || o.requests > maxRequests:
		return fmt.Errorf("-n is at most %d", maxRequests)
	case o.procs < 1 || o.procs > runtime.NumCPU():
		return fmt.Errorf("-procs is 1 to %d", runtime.NumCPU())
	case o.size < minInput || o.size > 1<<18:
		return fmt.Errorf("-size is %d to %d", minInput, 1<<18)
	}
	return nil
}

// readTarget reads the credentials file; base, where it is given, replaces its URL.
func readTarget(file, base string) (target, error) {
	var c struct {
		URL    string `json:"url"`
		CAFile string `json:"ca_file"`
		Token  string `json:"token"`
	}
	b, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return target{}, fmt.Errorf("-credentials: %w", err)
	}
	if err := json.Unmarshal(b, &c); err != nil {
		return target{}, fmt.Errorf("-credentials: %s: %w", file, err)
	}
	if base == "" {
		base = c.URL
	}
	t := target{caFile: c.CAFile, token: c.Token}
	t.addr, t.name, err = loopback(base)
	return t, err
}

// loopback takes an https URL of this machine and nothing else: no name but localhost is looked at, so that no
// resolver can lead elsewhere.
func loopback(base string) (addr, name string, err error) {
	u, err := url.Parse(base)
	if err != nil {
		return "", "", fmt.Errorf("-url: %w", err)
	}
	if u.Scheme != "https" || u.Path != "" && u.Path != "/" || u.RawQuery != "" || u.User != nil {
		return "", "", fmt.Errorf("-url: %q is not of the form https://localhost:PORT", base)
	}
	name, port := u.Hostname(), u.Port()
	if port == "" {
		port = "443"
	}
	if name == "localhost" {
		return net.JoinHostPort("127.0.0.1", port), name, nil
	}
	ip, err := netip.ParseAddr(name)
	if err != nil || !ip.Unmap().IsLoopback() {
		return "", "", fmt.Errorf("-url: %q is not this machine; only localhost, 127.0.0.0/8 and ::1 are loaded", name)
	}
	return net.JoinHostPort(name, port), name, nil
}

func parseWatch(s string) ([]watched, error) {
	if s == "" {
		return nil, nil
	}
	var all []watched
	for one := range strings.SplitSeq(s, ",") {
		name, text, ok := strings.Cut(one, "=")
		pid, err := strconv.Atoi(text)
		if !ok || err != nil || pid < 1 || name == "" {
			return nil, fmt.Errorf("-watch: %q is not NAME=PID", one)
		}
		all = append(all, watched{name, pid})
	}
	return all, nil
}

// benchOptions say what is measured and for how long.
type benchOptions struct {
	rounds   int
	duration time.Duration
	only     map[string]bool
	slots    int
	jobs     int
	bin      string
	models   string
	library  string
	profiles string
	keep     bool
}

// parseBench reads the flags of loadtest bench.
func parseBench(args []string, errs io.Writer) (benchOptions, error) {
	var o benchOptions
	var only string
	f := flag.NewFlagSet("loadtest bench", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.rounds, "rounds", 3, "how often everything is measured, in turn; medians are told")
	f.DurationVar(&o.duration, "d", 5*time.Second, "how long each measurement takes")
	f.StringVar(&only, "only", "", "some of "+strings.Join(parts(), ",")+"; all by default")
	f.IntVar(&o.slots, "slots", 64, "slots of the sleep model: jobs that the worker runs at once")
	f.IntVar(&o.jobs, "jobs", 100_000, "jobs whose memory is measured")
	f.StringVar(&o.bin, "bin", "bin", "folder with the binaries gateway and worker")
	f.StringVar(&o.models, "models", "worker/models", "the model repository")
	f.StringVar(&o.library, "onnxruntime", "", "ONNX Runtime's library; by default PENSTOCK_ONNXRUNTIME, else data/onnxruntime")
	f.StringVar(&o.profiles, "profiles", "", "folder for CPU profiles of both processes under sync1 and sync64, taken after the rounds")
	f.BoolVar(&o.keep, "keep", false, "keep the temporary folder with logs and data")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	o.only = map[string]bool{}
	for _, p := range parts() {
		o.only[p] = only == ""
	}
	if only != "" {
		for p := range strings.SplitSeq(only, ",") {
			if _, ok := o.only[p]; !ok {
				return o, fmt.Errorf("-only: %q is none of %s", p, strings.Join(parts(), ", "))
			}
			o.only[p] = true
		}
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is not understood", f.Arg(0))
	case o.rounds < 1 || o.rounds > 20:
		return o, errors.New("-rounds is 1 to 20")
	case o.duration < 100*time.Millisecond || o.duration > time.Minute:
		return o, errors.New("-d is 100ms to 1m")
	case o.slots < 1 || o.slots > 4096:
		return o, errors.New("-slots is 1 to 4096")
	case o.jobs < 1 || o.jobs > maxRequests:
		return o, fmt.Errorf("-jobs is 1 to %d", maxRequests)
	}
	return o, o.absolute()
}

// absolute makes the paths hold in children with another folder of their own.
func (o *benchOptions) absolute() error {
	if o.library == "" {
		o.library = filepath.Join("data", "onnxruntime")
		for _, v := range os.Environ() {
			if place, ok := strings.CutPrefix(v, "PENSTOCK_ONNXRUNTIME="); ok && place != "" {
				o.library = place
			}
		}
	}
	var errs []error
	for _, p := range []*string{&o.bin, &o.models, &o.library} {
		var err error
		*p, err = filepath.Abs(*p)
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
