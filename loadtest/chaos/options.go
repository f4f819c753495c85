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
	kills    int           // SIGKILLs in all, divided among the profiles
	limit    time.Duration // of the faults of one profile; 0 for none
	seed     uint64
	clients  int
	bin      string // folder of the gateway and the worker
	library  string
	keep     bool
	inside   bool // this process has mounts of its own
	profiles []profile
}

// profile is what is started and what may happen to it.
type profile struct {
	name     string
	gateways int
	workers  int
	brokers  int // nats-server processes; 0 embeds the broker in the one gateway
	faults   []faultKind
	small    bool // the broker's files, or the whole folder of the gateway that embeds it, are on a small disk of their own
	most     int  // kills; 0 for as many as are its share
	kills    int  // SIGKILLs, its share
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
			cut: 2, hole: 1,
		})},
		{name: "full", gateways: 1, workers: 2, small: true, most: 8, faults: deal(map[faultKind]int{
			killWorker: 2, fillDisk: 2, nearlyFill: 1, killFull: 1,
		})},
		{name: "full-server", gateways: 1, workers: 2, brokers: 1, small: true, most: 24, faults: deal(map[faultKind]int{
			killWorker: 2, fillDisk: 2, killFull: 1,
		})},
		{name: "cluster", gateways: 2, workers: 2, brokers: 3, faults: deal(map[faultKind]int{
			killWorker: 2, killGateway: 1, killBroker: 3, stopWorker: 1, stopBroker: 1, termWorker: 1, termGateway: 1,
			cut: 1, hole: 1,
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
	f.BoolVar(&o.inside, "inside", false, "this process has mounts of its own; chaos starts itself so where it needs them")
	names := f.String("profiles", "workers,one,servers,full", "stacks to run, among workers, one, servers, full, full-server, cluster")
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
	o.divide()
	o.limit /= time.Duration(len(o.profiles))
	return o, nil
}

// divide gives each profile its share of the kills: what one may not have, the others have.
func (o *options) divide() {
	left, takers := o.kills, len(o.profiles)
	give := func(bounded bool) {
		for i, p := range o.profiles {
			if p.most > 0 != bounded {
				continue
			}
			share := (left + takers - 1) / takers
			if bounded {
				share = min(share, p.most)
			}
			o.profiles[i].kills = max(1, share)
			left, takers = left-share, takers-1
		}
	}
	give(true)
	give(false)
}
