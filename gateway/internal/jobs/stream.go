package jobs

import (
	"context"
	"io"
	"time"

	"github.com/penstock-dev/penstock/gateway/internal/results"
	"github.com/penstock-dev/penstock/shared/job"
)

// Stream follows one job's events as messages: first what the log holds, then what is added to it. One goroutine may
// use it at a time.
type Stream struct {
	s        *Service
	tenantID string
	id       string
	after    int             // messages up to this id are not wanted
	render   renderer        // what the events read so far add up to
	last     uint64          // sequence of the newest event read
	pending  []job.Message   // rendered, not yet returned
	reader   *results.Reader // live events, when the job was submitted here for streaming; else nil
	failed   *job.Event      // a failure that is not told yet: it is the end unless a retry follows
	grown    *watcher        // hints that the log has grown, when reader is nil
	looked   time.Time       // when the log was last read
	patience time.Duration   // how long after that it is read without a hint
	stop     func()
	ended    bool
}

// Events opens a job's stream after the message with id after; 0 starts from the first.
func (s *Service) Events(ctx context.Context, tenantID, id string, after int) (*Stream, error) {
	st := &Stream{s: s, tenantID: tenantID, id: id, after: after, stop: func() {}}
	if r := s.hub.Take(tenantID, id); r != nil {
		st.reader, st.stop = r, r.Close
	} else if err := st.watch(); err != nil {
		return nil, err
	}
	head, err := s.Get(ctx, tenantID, id)
	if err != nil {
		st.stop()
		return nil, err
	}
	st.pending = st.render.begin(head.Job)
	if st.reader == nil {
		err = st.catchUp(ctx)
	}
	if err != nil {
		st.stop()
		return nil, err
	}
	return st, nil
}

func (st *Stream) watch() error {
	w, err := st.s.watch(st.tenantID, st.id)
	if err != nil {
		return err
	}
	st.grown, st.stop, st.patience = w, w.stop, unheard
	return nil
}

// Close ends the stream; the job goes on.
func (st *Stream) Close() { st.stop() }

// Next returns the next message, waiting for it until ctx ends. After done it returns io.EOF.
func (st *Stream) Next(ctx context.Context) (job.Message, error) {
	for {
		for len(st.pending) > 0 {
			m := st.pending[0]
			st.pending = st.pending[1:]
			if m.ID > st.after {
				return m, nil
			}
		}
		if st.ended {
			return job.Message{}, io.EOF
		}
		if err := st.wait(ctx); err != nil {
			return job.Message{}, err
		}
	}
}

// wait returns when there may be more: an event from the reader, or a hint that the log has grown.
func (st *Stream) wait(ctx context.Context) error {
	if st.reader == nil {
		look := time.NewTimer(time.Until(st.looked.Add(st.patience)))
		defer look.Stop()
		select {
		case <-st.grown.wake(st.last):
			return st.catchUp(ctx)
		case <-look.C: // the longer nothing happens, the rarer
			st.patience = min(2*st.patience, longUnheard)
			return st.catchUp(ctx)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	select {
	case e := <-st.reader.Events():
		if e.Prev != st.last {
			return st.catchUp(ctx) // one was missed, or another attempt wrote between
		}
		st.apply(e)
		st.settle()
		return nil
	case <-st.reader.Lagged():
		st.reader = nil
		if err := st.watch(); err != nil {
			return err
		}
		return st.catchUp(ctx)
	case <-ctx.Done():
		return ctx.Err()
	}
}

// catchUp reads what the log holds beyond the last event.
func (st *Stream) catchUp(ctx context.Context) error {
	st.looked = time.Now()
	for !st.ended {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		events, err := st.s.queue.Read(ctx, st.tenantID, st.id, st.last)
		cancel()
		if err != nil {
			return unavailable(err)
		}
		if len(events) == 0 {
			st.settle()
			return nil
		}
		for _, e := range events {
			st.apply(e)
		}
	}
	return nil
}

func (st *Stream) apply(e *job.Event) {
	if e.Seq <= st.last || st.ended {
		return
	}
	st.last, st.patience = e.Seq, unheard
	if st.failed != nil {
		st.pending = append(st.pending, st.render.superseded(st.failed)...)
		st.failed = nil
	}
	if e.Kind == job.End && e.Status == job.Failed {
		st.failed = e
		return
	}
	st.pending = append(st.pending, st.render.next(e)...)
	st.ended = e.Kind == job.End
}

// settle tells of a failure that nothing follows.
func (st *Stream) settle() {
	if st.failed != nil {
		st.pending = append(st.pending, st.render.next(st.failed)...)
		st.failed, st.ended = nil, true
	}
}
