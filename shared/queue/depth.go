package queue

import (
	"context"
	"errors"

	"github.com/nats-io/nats.go/jetstream"
)

// Depth is how much waits in a lane.
type Depth struct {
	Waiting   int    // jobs that no worker holds
	Held      int    // jobs with a worker
	Delivered uint64 // place in JOBS of the job handed out last; what waits stands behind it
	Last      uint64 // place of the newest job of all lanes
}

// Depth asks the broker. It is no question to ask for each job: keep the answer for a while.
func (q *Queue) Depth(ctx context.Context, lane Lane) (Depth, error) {
	c, err := q.jobs.Consumer(ctx, lane.consumer())
	if errors.Is(err, jetstream.ErrConsumerNotFound) {
		return Depth{}, nil // nobody has pulled from it yet
	}
	if err != nil {
		return Depth{}, readError(err)
	}
	s, err := q.jobs.Info(ctx)
	if err != nil {
		return Depth{}, readError(err)
	}
	i := c.CachedInfo()
	return Depth{
		Waiting: int(i.NumPending), Held: i.NumAckPending, //nolint:gosec // counts
		Delivered: i.Delivered.Stream, Last: s.State.LastSeq,
	}, nil
}

// Position is how many-th a job at a place in JOBS is to be handed out, about: the lane's jobs are taken to lie evenly
// among the others. 0 means that a worker has it.
func (d Depth) Position(place uint64) int {
	if place <= d.Delivered || d.Waiting == 0 {
		return 0
	}
	if place >= d.Last {
		return d.Waiting
	}
	share := float64(place-d.Delivered) / float64(d.Last-d.Delivered)
	return max(1, int(share*float64(d.Waiting)+0.5))
}
