package queue

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	deadRetention     = 30 * 24 * time.Hour
	advisoryRetention = 24 * time.Hour
	consumerTimeout   = 2 * time.Second  // a lane's consumer is made, or found, in a millisecond
	backlogIdle       = 5 * time.Second  // how long a backlog's consumer outlives the last request
	workerMemory      = 10 * time.Minute // how long a model whose workers died is still expected back
	maxDeliver        = 100              // a backstop far above any job's attempts; the log counts those
	maxAckPending     = 1 << 17          // of all workers together
)

// ensureStreams creates what is missing. It retries while the broker says no for a while, as a cluster electing its
// leaders does, until ctx ends.
func (q *Queue) ensureStreams(ctx context.Context) error {
	for {
		var err error
		if q.opts.Join {
			err = q.joinStreams(ctx)
		} else {
			err = q.makeStreams(ctx)
		}
		if err == nil {
			return nil
		}
		if _, refused := errors.AsType[*jetstream.APIError](err); refused && !q.opts.Join && !temporary(err) {
			return err
		}
		if pause(ctx, 200*time.Millisecond) != nil {
			return err
		}
	}
}

// temporary tells a cluster that is not ready from a configuration that cannot be.
func temporary(err error) bool {
	api, ok := errors.AsType[*jetstream.APIError](err)
	return ok && api.Code == 503
}

func (q *Queue) joinStreams(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for name, into := range map[string]*jetstream.Stream{
		jobsStream: &q.jobs, eventsStream: &q.events, deadStream: &q.dead, advisoryStream: &q.advisory,
	} {
		if *into, err = q.js.Stream(ctx, name); err != nil {
			return fmt.Errorf("queue: stream %s: %w", name, err)
		}
	}
	if q.workers, err = q.js.KeyValue(ctx, workersBucket); err != nil {
		return fmt.Errorf("queue: bucket %s: %w", workersBucket, err)
	}
	return q.openBlobs(ctx)
}

func (q *Queue) makeStreams(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	ttl, err := q.ttlAllowed(ctx)
	if err != nil {
		return err
	}
	for _, s := range []struct {
		into *jetstream.Stream
		cfg  jetstream.StreamConfig
	}{
		{&q.jobs, jetstream.StreamConfig{
			Name: jobsStream, Subjects: []string{"jobs.>"}, Retention: jetstream.WorkQueuePolicy,
			Discard: jetstream.DiscardNew, MaxBytes: unbounded(q.opts.MaxBytes), AllowDirect: true,
		}},
		{&q.events, jetstream.StreamConfig{
			Name: eventsStream, Subjects: []string{"events.>"}, MaxAge: q.opts.Retention, AllowDirect: true,
			MaxBytes: unbounded(q.opts.EventBytes), Discard: jetstream.DiscardOld, RePublish: liveTransform(), AllowMsgTTL: ttl,
		}},
		{&q.dead, jetstream.StreamConfig{
			Name: deadStream, Subjects: []string{"dead.>"}, MaxAge: deadRetention, AllowDirect: true,
			MaxMsgsPerSubject: 1, Discard: jetstream.DiscardOld,
		}},
		{&q.laters, jetstream.StreamConfig{
			Name: laterStream, Subjects: []string{laterRoot + ".>", dueRoot + ".>"}, Retention: jetstream.WorkQueuePolicy,
			AllowDirect: true, AllowMsgSchedules: true, AllowRollup: true,
		}},
		{&q.advisory, jetstream.StreamConfig{
			Name: advisoryStream, Subjects: []string{"$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES." + jobsStream + ".>"},
			MaxAge: advisoryRetention, Retention: jetstream.WorkQueuePolicy,
		}},
	} {
		s.cfg.Storage, s.cfg.Replicas = jetstream.FileStorage, q.opts.Replicas
		if *s.into, err = q.js.CreateOrUpdateStream(ctx, s.cfg); err != nil {
			return fmt.Errorf("queue: stream %s: %w", s.cfg.Name, err)
		}
	}
	if err := q.makeHooks(ctx); err != nil {
		return err
	}
	if err := q.keeper.renew(ctx, q); err != nil { // a full stream takes none; it isn't empty then
		q.log.WarnContext(ctx, "queue: no keeper message", "error", err)
	}
	q.claims, err = q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: claimsBucket, TTL: claimsFor, Replicas: q.opts.Replicas, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("queue: bucket %s: %w", claimsBucket, err)
	}
	q.workers, err = q.js.CreateOrUpdateKeyValue(ctx, jetstream.KeyValueConfig{
		Bucket: workersBucket, TTL: workerMemory, Replicas: q.opts.Replicas, Storage: jetstream.FileStorage,
	})
	if err != nil {
		return fmt.Errorf("queue: bucket %s: %w", workersBucket, err)
	}
	return q.openBlobs(ctx)
}

// ttlAllowed tells whether an event may say for itself how long it is kept. That can be switched on for a stream that is
// there, and never off again.
func (q *Queue) ttlAllowed(ctx context.Context) (bool, error) {
	if q.opts.EventTTL {
		return true, nil
	}
	s, err := q.js.Stream(ctx, eventsStream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("queue: stream %s: %w", eventsStream, err)
	}
	return s.CachedInfo().Config.AllowMsgTTL, nil
}

// ensureConsumer makes the lane's consumer, or finds it. Its state is in memory, so that a restart of the broker
// forgets it, and whoever pulls next makes it again. It returns when the consumer was made: a job stored before that
// may have been delivered by its predecessor.
func (q *Queue) ensureConsumer(ctx context.Context, lane Lane) (created time.Time, err error) {
	ctx, cancel := context.WithTimeout(ctx, consumerTimeout) // a request that died with the broker is asked again soon
	defer cancel()
	cfg := jetstream.ConsumerConfig{
		Durable: lane.consumer(), FilterSubject: lane.filter(), AckPolicy: jetstream.AckExplicitPolicy,
		AckWait: q.opts.AckWait, MaxDeliver: maxDeliver, MaxAckPending: maxAckPending, MemoryStorage: true,
		MaxWaiting: 4096,
	}
	if lane.Kind == Backlog { // it goes by itself, once none of its jobs is in hand and nobody has asked for a while
		cfg.InactiveThreshold = backlogIdle
	}
	c, err := q.jobs.CreateOrUpdateConsumer(ctx, cfg)
	if err != nil {
		return time.Time{}, fmt.Errorf("queue: consumer %s: %w", lane.consumer(), err)
	}
	return c.CachedInfo().Created, nil
}

func unbounded(n int64) int64 {
	if n <= 0 {
		return -1
	}
	return n
}

// pause waits for d or for ctx, whose error it returns.
func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

func redacted(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "the configured URL"
	}
	return u.Redacted()
}
