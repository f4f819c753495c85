package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
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
		if d, err := cpuOf(w.pid); err == nil {
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
	return time.Duration(ticks) * clockTick, nil
}

// clockTick is the unit of /proc/PID/stat, 1/100 s on every Linux that Go runs on.
const clockTick = 10 * time.Millisecond

// cpuOf reads a process's user and system time.
func cpuOf(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	return parseStat(b)
}

// parseStat finds utime and stime, the 14th and 15th field; the second may hold spaces and brackets.
func parseStat(b []byte) (time.Duration, error) {
	i := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[i+1:]))
	if i < 0 || len(fields) < 13 {
		return 0, fmt.Errorf("%q is no process's stat", b)
	}
	user, err := strconv.ParseInt(fields[11], 10, 64)
	if err != nil {
		return 0, err
	}
	system, err := strconv.ParseInt(fields[12], 10, 64)
	return time.Duration(user+system) * clockTick, err
}

// rss is a process's resident memory in bytes.
func rss(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	return parseRSS(b)
}

func parseRSS(status []byte) (int64, error) {
	for line := range strings.Lines(string(status)) {
		if text, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("a process's status names no VmRSS")
}

// folderSize adds up the blocks that a folder's files take, which for sparse ones are less than they are long.
func folderSize(dir string) (n int64, err error) {
	err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			n += st.Blocks * 512
		}
		return nil
	})
	return n, err
}
