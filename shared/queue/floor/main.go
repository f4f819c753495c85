// Command floor measures the bare durable queue, the floor under every figure of this project: the broker and the
// callers in one process, a worker in a process of its own. A caller stores a job in a work queue of files; the worker
// stores its end in a second stream of files, acks and answers. There is no HTTP, no token, no limit and no model. It
// prints one line of JSON.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// options are the flags. The last two are for the worker, which is this program again.
type options struct {
	callers  int
	duration time.Duration
	warm     time.Duration
	size     int
	dir      string
	worker   string
}

// report is what is printed.
type report struct {
	Callers    int     `json:"callers"`
	Jobs       int     `json:"jobs"`
	JobsPerSec float64 `json:"jobs_per_s"`
	P50        float64 `json:"p50_us"`
	P99        float64 `json:"p99_us"`
	CPU        float64 `json:"cpu_s"` // of both processes, while it was measured and the worker's start
}

func main() {
	var o options
	flag.IntVar(&o.callers, "c", 64, "callers")
	flag.DurationVar(&o.duration, "d", 5*time.Second, "how long to measure")
	flag.DurationVar(&o.warm, "warm", 300*time.Millisecond, "how long to run before that")
	flag.IntVar(&o.size, "size", 300, "bytes of a job, and of its end")
	flag.StringVar(&o.dir, "dir", "", "where the streams are kept; a temporary folder by default")
	flag.StringVar(&o.worker, "worker", "", "be the worker of the broker at this URL")
	flag.Parse()
	run := measure
	if o.worker != "" {
		run = work
	}
	if err := run(context.Background(), o); err != nil {
		fmt.Fprintln(os.Stderr, "floor:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, o options) (err error) {
	if o.callers < 1 || o.callers > 4096 || o.duration <= 0 || o.duration > 10*time.Minute || o.size < 1 || o.size > 1<<20 {
		return errors.New("-c is 1 to 4096, -d up to 10m, -size 1 to 1048576")
	}
	dir, err := os.MkdirTemp(o.dir, "penstock-floor-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	ns, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: dir, Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true,
	})
	if err != nil {
		return err
	}
	ns.Start()
	defer func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	}()
	if !ns.ReadyForConnections(time.Minute) {
		return errors.New("the broker does not start")
	}
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	if err != nil {
		return err
	}
	defer nc.Close()
	c, err := newCallers(ctx, nc)
	if err != nil {
		return err
	}
	r, err := c.withWorker(ctx, ns.ClientURL(), o)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// withWorker starts the worker, measures, and ends it.
func (c *callers) withWorker(ctx context.Context, url string, o options) (report, error) {
	self, err := os.Executable()
	if err != nil {
		return report{}, err
	}
	w := exec.CommandContext(ctx, self, "-worker", url) //nolint:gosec // ourselves
	w.Stderr = os.Stderr
	in, err := w.StdinPipe() // its end is the worker's
	if err != nil {
		return report{}, err
	}
	out, err := w.StdoutPipe()
	if err != nil {
		return report{}, err
	}
	if err := w.Start(); err != nil {
		return report{}, err
	}
	r := report{Callers: o.callers}
	if _, err = bufio.NewReader(out).ReadString('\n'); err == nil {
		_, err = c.run(o.callers, o.warm, o.size)
	}
	if err == nil {
		before := cpu()
		begin := time.Now()
		var took []time.Duration
		took, err = c.run(o.callers, o.duration, o.size)
		r.Jobs, r.JobsPerSec = len(took), float64(len(took))/time.Since(begin).Seconds()
		r.P50, r.P99 = at(took, 0.50), at(took, 0.99)
		r.CPU = (cpu() - before).Seconds()
	}
	err = errors.Join(err, in.Close(), w.Wait())
	r.CPU += (w.ProcessState.UserTime() + w.ProcessState.SystemTime()).Seconds()
	return r, err
}

func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// at is a percentile of sorted durations in microseconds.
func at(sorted []time.Duration, p float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	i := min(len(sorted)-1, int(p*float64(len(sorted))))
	return float64(sorted[i].Nanoseconds()) / 1000
}

// callers submit jobs and wait for their answers.
type callers struct {
	nc      *nats.Conn
	js      jetstream.JetStream
	pending sync.Map // job id → chan struct{}
	inbox   string
}

func newCallers(ctx context.Context, nc *nats.Conn) (*callers, error) {
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(8192))
	if err != nil {
		return nil, err
	}
	for _, s := range []jetstream.StreamConfig{
		{Name: "JOBS", Subjects: []string{"jobs.>"}, Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, AllowDirect: true},
		{Name: "EVENTS", Subjects: []string{"events.>"}, MaxAge: 24 * time.Hour, AllowDirect: true},
	} {
		if _, err := js.CreateOrUpdateStream(ctx, s); err != nil {
			return nil, err
		}
	}
	c := &callers{nc: nc, js: js, inbox: nc.NewInbox() + "."}
	_, err = nc.Subscribe(c.inbox+"*", func(m *nats.Msg) {
		if ch, ok := c.pending.LoadAndDelete(m.Subject[len(c.inbox):]); ok {
			if answered, ok := ch.(chan struct{}); ok {
				close(answered)
			}
		}
	})
	return c, err
}

// run has n callers submit for d, and gives how long each job took, sorted.
func (c *callers) run(n int, d time.Duration, size int) ([]time.Duration, error) {
	took := make([][]time.Duration, n)
	errs := make([]error, n)
	body := make([]byte, size)
	for i := range body {
		body[i] = 'x'
	}
	run := time.Now().UnixNano()
	stop := time.Now().Add(d)
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			for k := 0; errs[i] == nil; k++ {
				begin := time.Now()
				if begin.After(stop) {
					return
				}
				errs[i] = c.one(fmt.Sprintf("%x-%x-%x", run, i, k), body)
				took[i] = append(took[i], time.Since(begin))
			}
		})
	}
	all.Wait()
	sorted := slices.Concat(took...)
	slices.Sort(sorted)
	return sorted, errors.Join(errs...)
}

const (
	headReply = "R"
	headJob   = "J"
)

// one submits a job and waits for its answer.
func (c *callers) one(id string, body []byte) error {
	answered := make(chan struct{})
	c.pending.Store(id, answered)
	f, err := c.js.PublishMsgAsync(&nats.Msg{
		Subject: "jobs.echo.standard.t", Data: body,
		Header: nats.Header{headReply: {c.inbox + id}, headJob: {"t." + id}},
	})
	if err != nil {
		return err
	}
	select {
	case <-f.Ok():
	case err := <-f.Err():
		return err
	}
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	select {
	case <-answered:
		return nil
	case <-late.C:
		return errors.New("a job was not answered within 30 s")
	}
}

// work is the worker, until its standard input ends.
func work(ctx context.Context, o options) error {
	nc, err := nats.Connect(o.worker)
	if err != nil {
		return err
	}
	defer nc.Close()
	js, err := jetstream.New(nc, jetstream.WithPublishAsyncMaxPending(8192))
	if err != nil {
		return err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "JOBS", jetstream.ConsumerConfig{
		Durable: "w", MemoryStorage: true, AckPolicy: jetstream.AckExplicitPolicy, AckWait: 10 * time.Second,
		MaxAckPending: 4096, FilterSubject: "jobs.echo.standard.>",
	})
	if err != nil {
		return err
	}
	slots := make(chan struct{}, 512)
	consuming, err := consumer.Consume(func(m jetstream.Msg) {
		slots <- struct{}{}
		go func() {
			defer func() { <-slots }()
			if err := end(nc, js, m); err != nil {
				fmt.Fprintln(os.Stderr, "floor: worker:", err)
			}
		}()
	}, jetstream.PullMaxMessages(256))
	if err != nil {
		return err
	}
	defer consuming.Stop()
	if _, err := os.Stdout.WriteString("ready\n"); err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, os.Stdin)
	return err
}

// end stores a job's end, acks it and answers, in this order.
func end(nc *nats.Conn, js jetstream.JetStream, m jetstream.Msg) error {
	f, err := js.PublishMsgAsync(&nats.Msg{Subject: "events." + m.Headers().Get(headJob), Data: m.Data()})
	if err != nil {
		return err
	}
	select {
	case <-f.Ok():
	case err := <-f.Err():
		return err
	}
	if err := m.Ack(); err != nil {
		return err
	}
	return nc.Publish(m.Headers().Get(headReply), m.Data())
}
