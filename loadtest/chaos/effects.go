package main

import (
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
)

// effects is the file to which all workers add a line for each run that is complete: which attempts of a job ran whole.
type effects map[string][]int

func (s *site) readEffects() (effects, error) {
	b, err := os.ReadFile(s.path("effects")) //nolint:gosec // our own folder
	if err != nil {
		return nil, err
	}
	all := effects{}
	for line := range strings.Lines(string(b)) {
		var id, worker string
		var attempt int
		if n, err := fmt.Sscanf(line, "%s %d %s\n", &id, &attempt, &worker); n != 3 || err != nil {
			return nil, fmt.Errorf("the file of effects has a line %q: %w", line, err)
		}
		all[id] = append(all[id], attempt)
	}
	return all, nil
}

// checkEffects holds the effects of all jobs against their ends, when nothing runs any more.
func (r *report) checkEffects(entries []*entry) {
	known, faults := map[string]bool{}, r.repeating()
	for _, e := range entries {
		if e.end == nil {
			continue // never accepted, or lost, which was told
		}
		ran := r.effects[e.end.ID]
		known[e.end.ID] = true
		for _, b := range e.checkEffects(ran, explained(e.end, faults)) {
			r.wrong("%s %s (%s): %s", e.op, e.id, e.spec.kind, b)
		}
		if len(ran) > 0 {
			r.withEffect++
			r.repeated += len(ran) - 1
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.effects)) {
		if !known[id] {
			r.wrong("%s has effects of the attempts %v, and nobody submitted it", id, r.effects[id])
		}
	}
}

// checkEffects holds a job's effects against its end: a success has one, of the attempt that it tells. More there are
// only where a whole run could not be stored: its worker or the broker was hurt, or its lease ran out.
func (e *entry) checkEffects(ran []int, explained int) (broken []string) {
	v, most := e.end, 0
	if v.Status == "succeeded" || v.Status == "canceled" { // it may be canceled after its run and before its end
		most = 1
	}
	if v.Status == "succeeded" && v.Output != nil && !slices.Contains(ran, v.Output.Attempt) {
		broken = append(broken, fmt.Sprintf("succeeded by attempt %d, and has effects of the attempts %v", v.Output.Attempt, ran))
	}
	if e.spec.crash && len(ran) > 0 {
		broken = append(broken, fmt.Sprintf("kills its worker, and has effects of the attempts %v", ran))
	}
	if len(ran) > most+explained {
		broken = append(broken, fmt.Sprintf("is %s, and has effects of the attempts %v; the faults meanwhile explain %d more than %d", v.Status, ran, explained, most))
	}
	return broken
}

// repeating are the faults after which a run that was whole may be run again: not those of processes that neither run
// jobs nor keep them, nor a worker's restart, which waits for its runs.
func (r *report) repeating() (out []fault) {
	for _, f := range r.faults {
		switch f.kind {
		case termWorker:
			continue
		case killGateway, stopGateway, termGateway:
			if r.profile.brokers > 0 {
				continue
			}
		default:
		}
		out = append(out, f)
	}
	return out
}

func (r *report) effectsRow() string {
	n := 0
	for _, ran := range r.effects {
		n += len(ran)
	}
	return strconv.Itoa(n) + " of " + strconv.Itoa(r.withEffect) + " jobs, " + strconv.Itoa(r.repeated) + " of them again after a fault"
}
