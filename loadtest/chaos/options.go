package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"time"
)

// options is what the command line says, its share for one profile where there are several.
type options struct {
	kills    int           // SIGKILLs in all
	limit    time.Duration // of the faults of one profile; 0 for none
	seed     uint64
	clients  int
	bin      string // folder of the gateway and the worker
	library  string
	keep     bool
	profiles []profile
}

// profile is what is started and what may happen to it.
type profile struct {
	name     string
	gateways int
	workers  int
	brokers  int // nats-server processes; 0 embeds the broker in the one gateway
	faults   []faultKind
}

// allProfiles are the stacks that can be run. The faults of each are a deck that is shuffled and dealt, so that each
// kind comes up in every round.
func allProfiles() []profile {
	return []profile{
		{name: "workers", gateways: 1, workers: 3, faults: deal(map[faultKind]int{killWorker: 6, stopWorker: 1, termWorker: 1})},
		{name: "one", gateways: 1, workers: 2, faults: deal(map[faultKind]int{
			killWorker: 4, killGateway: 3, killBoth: 2, stopWorker: 1, stopGateway: 1, termWorker: 1, termGateway: 1,
		})},
		{name: "servers", gateways: 2, workers: 2, brokers: 1, faults: deal(map[faultKind]int{
			killWorker: 3, killGateway: 2, killBroker: 2, killBoth: 1, stopWorker: 1, stopGateway: 1, stopBroker: 1, termWorker: 1, termGateway: 1,
		})},
		{name: "cluster", gateways: 2, workers: 2, brokers: 3, faults: deal(map[faultKind]int{
			killWorker: 2, killGateway: 1, killBroker: 3, stopWorker: 1, stopBroker: 1, termWorker: 1, termGateway: 1,
		})},
	}
}

func parse(args []string, errs io.Writer) (*options, error) {
	o := &options{}
	f := flag.NewFlagSet("chaos", flag.ContinueOnError)
	f.SetOutput(errs)
	f.IntVar(&o.kills, "kills", 40, "SIGKILLs in all, divided among the profiles")
	f.DurationVar(&o.limit, "d", 0, "how long faults may go on in all, divided among the profiles; 0 for as long as the kills take")
	f.Uint64Var(&o.seed, "seed", rand.Uint64N(1_000_000), "of all that is random but the machine") //nolint:gosec // no secret
	f.IntVar(&o.clients, "c", 24, "clients, each with one job at a time")
	f.StringVar(&o.bin, "bin", "bin", "folder of the built gateway and worker")
	f.StringVar(&o.library, "onnxruntime", "data/onnxruntime", "ONNX Runtime's library or its folder, which the worker wants")
	f.BoolVar(&o.keep, "keep", false, "leave the data folder and the processes' logs")
	names := f.String("profiles", "workers,one,servers", "stacks to run, among workers, one, servers, cluster")
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range strings.Split(*names, ",") {
		found := false
		for _, p := range allProfiles() {
			if p.name == name {
				o.profiles, found = append(o.profiles, p), true
			}
		}
		if !found {
			return nil, fmt.Errorf("-profiles: there is no %q", name)
		}
	}
	if o.kills < 1 || o.clients < 1 {
		return nil, errors.New("-kills and -c are at least 1")
	}
	o.kills = max(1, (o.kills+len(o.profiles)-1)/len(o.profiles))
	o.limit /= time.Duration(len(o.profiles))
	return o, nil
}
