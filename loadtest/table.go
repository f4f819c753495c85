package main

import (
	"fmt"
	"io"
	"runtime"
	"strings"
	"time"
)

// table collects the rows that are printed.
type table struct{ text []byte }

func (t *table) add(text string) { t.text = append(t.text, text...) }

func (t *table) row(cells ...string) { t.add("| " + strings.Join(cells, " | ") + " |\n") }

func (t *table) head(cells ...string) {
	t.add("\n")
	t.row(cells...)
	t.add(strings.Repeat("|---", len(cells)) + "|\n")
}

// write prints what was measured.
func (b *bencher) write(out io.Writer) error {
	var t table
	t.add(fmt.Sprintf("%d cores, %s, %s/%s; medians of %d rounds of %s, in turn; %s.\n", runtime.NumCPU(), runtime.Version(),
		runtime.GOOS, runtime.GOARCH, b.o.rounds, b.o.duration, time.Now().UTC().Format(time.DateOnly)))
	if b.measuredLoads() {
		b.goals(&t)
		b.details(&t)
	}
	if b.memory != nil {
		b.memory.write(&t)
	}
	_, err := out.Write(t.text)
	return err
}

// mid is the median of a series.
func (b *bencher) mid(name string) float64 { return median(b.series[name]) }

// ratio is the median of the rounds' own ratios.
func (b *bencher) ratio(of, to string) float64 {
	var r []float64
	for i, v := range b.series[of] {
		if i < len(b.series[to]) && b.series[to][i] > 0 {
			r = append(r, v/b.series[to][i])
		}
	}
	return median(r)
}

// goals compares with the floors.
func (b *bencher) goals(t *table) {
	t.head("figure", "floor", "Penstock", "ratio", "goal", "met")
	if b.has("sync1") {
		more := b.mid("sync1.p50") - b.mid("floor1.p50")
		t.row("one caller, sleep 0 ms, p50", micros(b.mid("floor1.p50")), micros(b.mid("sync1.p50")),
			fmt.Sprintf("+ %.2f ms", more/1000), "≤ + 0.25 ms", met(more <= 250))
		r := b.ratio("sync1.p99", "floor1.p99")
		t.row("the same, p99", micros(b.mid("floor1.p99")), micros(b.mid("sync1.p99")), times(r), "≤ 2 ×", met(r <= 2))
	}
	if b.has("sync64") {
		r := b.ratio("sync64.per_s", "floor64.per_s")
		t.row("64 callers, synchronous jobs", rate(b.mid("floor64.per_s")), rate(b.mid("sync64.per_s")), times(r), "≥ 0.5 ×", met(r >= 0.5))
	}
	if b.has("async64") {
		r := b.ratio("async64.per_s", "floor64.per_s")
		t.row("64 callers, asynchronous submits", rate(b.mid("floor64.per_s")), rate(b.mid("async64.per_s")), times(r), "told", "")
	}
	if b.has("predict64") {
		r := b.ratio("predict64.per_s", "bare.per_s")
		t.row(fmt.Sprintf("/api/predict, 64 callers, batches of %.1f", b.mid("predict64.batch")),
			rate(b.mid("bare.per_s")), rate(b.mid("predict64.per_s")), times(r), "≥ 0.9 ×", met(r >= 0.9))
		// What the generator takes, no server can have: the same as part of the cores that it left.
		left := r / max(0.01, 1-b.mid("predict64.generator"))
		t.row("the same, of the cores that the generator left", "", "", times(left), "told", "")
	}
}

// details lists each load with the shares of the machine.
func (b *bencher) details(t *table) {
	t.head("load", "answers/s", "p50", "p99", "gateway CPU", "worker CPU", "generator CPU", "anything else", "jobs ended/s")
	for _, name := range []string{"echo1", "echo64", "sync1", "sync64", "async64", "predict64"} {
		if !b.has(name) {
			continue
		}
		ended := rate(b.mid(name + ".ended"))
		if strings.HasPrefix(name, "echo") {
			ended = ""
		}
		t.row(name, rate(b.mid(name+".per_s")), micros(b.mid(name+".p50")), micros(b.mid(name+".p99")),
			percent(b.mid(name+".gateway")), percent(b.mid(name+".worker")), percent(b.mid(name+".generator")), percent(b.mid(name+"."+rest)), ended)
	}
}

// measuredLoads tells whether there is more to print than the memory.
func (b *bencher) measuredLoads() bool { return len(b.runs) > 1 || len(b.runs) == 1 && !b.has("fill") }

func (b *bencher) has(name string) bool { return len(b.runs[name]) > 0 }

func (m *memoryReport) write(t *table) {
	t.head("figure", "gateway (with broker and Redis)", "worker (with uninlu-tiny)")
	pair := func(what string, f func(i int) string) { t.row(what, f(0), f(1)) }
	pair("start to ready, nothing kept", func(i int) string { return m.start[i].Round(time.Millisecond).String() })
	pair(fmt.Sprintf("start to ready, %d jobs kept", m.jobs), func(i int) string { return m.again[i].Round(time.Millisecond).String() })
	pair("resident, idle", func(i int) string { return mebi(m.idle[i]) })
	pair(fmt.Sprintf("resident, after %d jobs", m.jobs), func(i int) string { return mebi(m.after[i]) })
	pair("resident, after a restart on them", func(i int) string { return mebi(m.restarted[i]) })
	each := func(n float64) string { return fmt.Sprintf("%.0f B", n/float64(max(1, m.jobs))) }
	pair("resident, a retained job", func(i int) string { return each(float64(m.after[i] - m.idle[i])) })
	pair("resident after the restart, a retained job", func(i int) string { return each(float64(m.restarted[i] - m.idle[i])) })
	pair("Go heap, a retained job", func(i int) string { return each(m.live[i]) })
	t.row("files, a retained job", each(float64(m.files)), "")
	pair("CPU while idle, of one core", func(i int) string { return fmt.Sprintf("%.1f %%", 100*m.idleCPU[i]) })
}

func met(ok bool) string {
	if ok {
		return "yes"
	}
	return "**no**"
}

func micros(v float64) string  { return fmt.Sprintf("%.2f ms", v/1000) }
func rate(v float64) string    { return fmt.Sprintf("%.0f/s", v) }
func times(v float64) string   { return fmt.Sprintf("%.2f ×", v) }
func percent(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) }
func mebi(n int64) string      { return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20)) }
