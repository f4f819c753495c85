package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/penstock-dev/penstock/shared/job"
)

// DeadLetter is a job out of attempts, with its input, until an operator decides.
type DeadLetter struct {
	Job       *job.Job   `json:"job"`
	Reason    string     `json:"reason"`
	Attempts  int        `json:"attempts"`
	LastError *job.Error `json:"last_error,omitempty"`
	CreatedAt time.Time  `json:"created_at"`

	Seq uint64 `json:"-"` // its place in the list, set when read
}

// NewDeadLetter is the letter of a job whose end says that its attempts are exhausted.
func NewDeadLetter(j *job.Job, end *job.Event) *DeadLetter {
	return &DeadLetter{Job: j, Reason: string(end.Error.Code), Attempts: end.Attempt, LastError: end.Error, CreatedAt: end.At}
}

// Bury stores a dead letter; a second one for the same job replaces the first.
func (q *Queue) Bury(ctx context.Context, l *DeadLetter) error {
	data, err := encodeFrame(l, l.Job.Input)
	if err != nil {
		return err
	}
	_, err = q.store(ctx, &nats.Msg{Subject: deadSubject(l.Job), Data: data}, nil)
	return err
}

func decodeLetter(m *jetstream.RawStreamMsg) (*DeadLetter, error) {
	l := &DeadLetter{Seq: m.Sequence}
	body, err := decodeFrame(m.Data, l)
	if err != nil {
		return nil, err
	}
	if l.Job == nil {
		return nil, errNoFrame
	}
	l.Job.Input = body
	return l, nil
}

// DeadLetters lists up to limit letters after one, oldest first, of a model and a tenant or of all where these are empty.
func (q *Queue) DeadLetters(ctx context.Context, model, tenant string, after uint64, limit int) ([]*DeadLetter, error) {
	filter := "dead." + tokenOrAny(model) + "." + tokenOrAny(tenant) + ".*"
	var list []*DeadLetter
	for len(list) < limit {
		l, err := q.letter(ctx, after+1, filter)
		if errors.Is(err, ErrNotFound) {
			break
		}
		if err != nil {
			return nil, err
		}
		list = append(list, l)
		after = l.Seq
	}
	return list, nil
}

// DeadAt returns the letter at a place in the list; ErrNotFound when it has left it.
func (q *Queue) DeadAt(ctx context.Context, seq uint64) (*DeadLetter, error) {
	m, err := q.dead.GetMsg(ctx, seq)
	if err != nil {
		return nil, readError(err)
	}
	return decodeLetter(m)
}

func (q *Queue) letter(ctx context.Context, from uint64, filter string) (*DeadLetter, error) {
	m, err := q.dead.GetMsg(ctx, from, jetstream.WithGetMsgSubject(filter))
	if err != nil {
		return nil, readError(err)
	}
	return decodeLetter(m)
}

// Discard takes a job's letter off the list; one that is not there is no error.
func (q *Queue) Discard(ctx context.Context, j *job.Job) error {
	if err := q.dead.Purge(ctx, jetstream.WithPurgeSubject(deadSubject(j))); err != nil {
		return fmt.Errorf("queue: discard: %w", err)
	}
	return nil
}

func tokenOrAny(s string) string {
	if s == "" {
		return "*"
	}
	return token(s)
}

// Undelivered hears of jobs that were handed out so often that the broker gives up on them: no worker ever settled
// one. handle returns nil when the job is dealt with; otherwise it comes again. It runs until ctx ends.
func (q *Queue) Undelivered(ctx context.Context, handle func(context.Context, *job.Job, uint64) error) error {
	c, err := q.advisory.CreateOrUpdateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "undertaker", AckPolicy: jetstream.AckExplicitPolicy, AckWait: 30 * time.Second, // kept in a file: a gateway outlives its broker
	})
	if err != nil {
		return unlessEnded(ctx, fmt.Errorf("queue: advisories: %w", err))
	}
	cc, err := c.Consume(func(m jetstream.Msg) {
		if err := q.undelivered(ctx, m.Data(), handle); err != nil {
			q.log.ErrorContext(ctx, "undelivered job is not dealt with yet", "error", err)
			_ = m.NakWithDelay(5 * time.Second)
			return
		}
		_ = m.Ack() // unheard, the advisory comes again and finds nothing to do
	}, jetstream.PullMaxMessages(16))
	if err != nil {
		return unlessEnded(ctx, fmt.Errorf("queue: advisories: %w", err))
	}
	<-ctx.Done()
	cc.Stop()
	<-cc.Closed()
	return nil
}

func (q *Queue) undelivered(ctx context.Context, advisory []byte, handle func(context.Context, *job.Job, uint64) error) error {
	var a struct {
		Seq uint64 `json:"stream_seq"`
	}
	if err := json.Unmarshal(advisory, &a); err != nil {
		return fmt.Errorf("queue: advisory: %w", err)
	}
	m, err := q.jobs.GetMsg(ctx, a.Seq)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return readError(err)
	}
	j, err := decodeJob(m.Data)
	if err != nil {
		return errors.Join(err, q.Remove(ctx, a.Seq))
	}
	return handle(ctx, j, a.Seq)
}
