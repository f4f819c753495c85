package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// The two ways to name a subject's message.
const (
	firstOf = "next_by_subj"
	lastOf  = "last_by_subj"
)

// newest reads the first or the last message of a subject as it stands at the stream's leader. A copy of a replicated
// stream may be behind, and would say that there is no such job right after its acceptance; only where there is one
// copy, the quicker direct get is asked.
func (q *Queue) newest(ctx context.Context, s jetstream.Stream, which, subject string) (*jetstream.RawStreamMsg, error) {
	info := s.CachedInfo()
	if info.Config.Replicas <= 1 {
		if which == lastOf {
			return s.GetLastMsgForSubject(ctx, subject)
		}
		return s.GetMsg(ctx, 1, jetstream.WithGetMsgSubject(subject))
	}
	return q.atLeader(ctx, info.Config.Name, which, subject)
}

// atLeader is newest of a stream by its name, always asked of the leader.
func (q *Queue) atLeader(ctx context.Context, stream, which, subject string) (*jetstream.RawStreamMsg, error) {
	ask := map[string]any{which: subject}
	if which == firstOf {
		ask["seq"] = 1
	}
	req, err := json.Marshal(ask)
	if err != nil {
		return nil, err
	}
	m, err := q.nc.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, req)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Error   *jetstream.APIError `json:"error"`
		Message *struct {
			Seq  uint64    `json:"seq"`
			Data []byte    `json:"data"`
			Time time.Time `json:"time"`
		} `json:"message"`
	}
	switch err := json.Unmarshal(m.Data, &answer); {
	case err != nil:
		return nil, fmt.Errorf("queue: read: %w", err)
	case answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound:
		return nil, jetstream.ErrMsgNotFound
	case answer.Error != nil && answer.Error.Code == 503:
		return nil, errors.Join(ErrUnavailable, answer.Error)
	case answer.Error != nil:
		return nil, answer.Error
	case answer.Message == nil:
		return nil, errors.New("queue: read: an answer without a message")
	}
	return &jetstream.RawStreamMsg{Sequence: answer.Message.Seq, Data: answer.Message.Data, Time: answer.Message.Time}, nil
}
