package main

import (
	"errors"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/penstock-dev/penstock/loadtest/internal/process"
)

// cpuTimes is what processes had used at one moment.
type cpuTimes struct {
	own    time.Duration
	others map[string]time.Duration
	whole  time.Duration // of everybody on the machine; 0 where it cannot be read
}

// measureCPU reads this process's and the watched ones' CPU time. One that is gone counts as zero.
func measureCPU(watch []watched) cpuTimes {
	t := cpuTimes{others: map[string]time.Duration{}}
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) == nil {
		t.own = time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	for _, w := range watch {
		if d, err := process.CPU(w.pid); err == nil {
			t.others[w.name] += d
		}
	}
	if b, err := os.ReadFile("/proc/stat"); err == nil {
		t.whole, _ = parseBusy(b) // stays 0
	}
	return t
}

// rest names the share of whatever else ran on the machine, its hypervisor's other guests among it.
const rest = "rest"

// since gives the shares of a time on all cores.
func (t cpuTimes) since(before cpuTimes, whole time.Duration) (own float64, others map[string]float64) {
	others = map[string]float64{}
	left := t.whole - before.whole - (t.own - before.own)
	for name, d := range t.others {
		others[name] = (d - before.others[name]).Seconds() / whole.Seconds()
		left -= d - before.others[name]
	}
	if t.whole > 0 {
		others[rest] = max(0, left.Seconds()/whole.Seconds())
	}
	return (t.own - before.own).Seconds() / whole.Seconds(), others
}

// parseBusy adds up /proc/stat's first line: all but the idle and the waiting time.
func parseBusy(b []byte) (time.Duration, error) {
	line, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(line)
	if len(fields) < 9 || fields[0] != "cpu" {
		return 0, errors.New("/proc/stat does not begin with the line of all cores")
	}
	var ticks int64
	for i, f := range fields[1:9] {
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			return 0, err
		}
		if i != 3 && i != 4 {
			ticks += n
		}
	}
	return time.Duration(ticks) * process.ClockTick, nil
}
