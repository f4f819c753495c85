package queue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

var (
	// ErrFenced says that another event came first: the writer's view of the job is old, and nothing was written.
	ErrFenced = errors.New("queue: fenced by another event")
	// ErrNotFound says that no such job is queued, that it has no events, or that there is no such blob.
	ErrNotFound = errors.New("queue: not found")
	// ErrFull says that the stream's bound is reached; nothing was stored.
	ErrFull = errors.New("queue: full")
	// ErrUnavailable says that the broker did not answer in time; whether the write was stored is not known.
	ErrUnavailable = errors.New("queue: broker unavailable")
	// ErrTooLarge says that a blob has more bytes than its reader takes.
	ErrTooLarge = errors.New("queue: the blob is too large")
)

// API error codes that have no name in the client.
const (
	codeInsufficientResources jetstream.ErrorCode = 10023
	codeStorageExceeded       jetstream.ErrorCode = 10047
	codeStoreFailed           jetstream.ErrorCode = 10077
)

// storeError turns what a publish can fail with into this package's errors.
func storeError(err error) error {
	if err == nil {
		return nil
	}
	if api, ok := errors.AsType[*jetstream.APIError](err); ok {
		switch api.ErrorCode {
		case jetstream.JSErrCodeStreamWrongLastSequence, jetstream.JSErrCodeStreamWrongLastSequenceConstant:
			return ErrFenced
		case codeInsufficientResources, codeStorageExceeded, codeStoreFailed:
			return errors.Join(ErrFull, err)
		default:
			return err
		}
	}
	if transient(err) {
		return errors.Join(ErrUnavailable, err)
	}
	return err
}

// transient tells whether trying again may help: the broker was away, not unwilling.
func transient(err error) bool {
	for _, t := range []error{
		nats.ErrTimeout, nats.ErrNoResponders, nats.ErrDisconnected, nats.ErrConnectionReconnecting,
		nats.ErrReconnectBufExceeded, nats.ErrConnectionClosed, context.DeadlineExceeded,
	} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

// unlessEnded is err, or nil when ctx has ended: what runs until then ends well, also before it has begun.
func unlessEnded(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil //nolint:nilerr // that it has ended is no failure
	}
	return err
}
