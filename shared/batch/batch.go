// Package batch decides which waiting items run together. It is pure: no goroutines, no clock of its own, no locks; the
// caller says what time it is and whether anything else runs.
package batch

import "time"

// Reason is why a batch was closed.
type Reason string

// The reasons. A batch that is full is size or tokens, whatever else holds.
const (
	Size   Reason = "size"   // it has MaxSize items
	Tokens Reason = "tokens" // one more would pass MaxTokens
	Delay  Reason = "delay"  // its oldest item waited MaxDelay
	Idle   Reason = "idle"   // nothing else runs, so waiting gains nothing
)

// Config bounds a batch.
type Config struct {
	MaxSize   int           // items; less than 1 means 1
	MaxDelay  time.Duration // how long an item waits for company; 0 means that it does not
	MaxTokens int           // sum of costs; an item dearer than that runs alone; 0 means no bound
	Patience  time.Duration // an item that has waited so long goes before those of any rank; 0 means a second
}

// Batch is what runs together: items of one key, in the order of their ranks, oldest first.
type Batch[T comparable] struct {
	Key    string
	Items  []T
	Reason Reason
	Since  []time.Time // when each item was added
}

// Batcher holds what waits, in one queue a key. It is for one goroutine, or behind the caller's lock.
type Batcher[T comparable] struct {
	config Config
	queues []*queue[T] // those with items, in no order
	byKey  map[string]*queue[T]
	length int
	serial uint64
	spare  []*queue[T]
}

type queue[T comparable] struct {
	key   string
	items []entry[T]
	cost  int
}

type entry[T comparable] struct {
	item   T
	cost   int
	rank   int
	since  time.Time
	serial uint64 // settles the order of items that came at the same time
}

// New makes a batcher.
func New[T comparable](c Config) *Batcher[T] {
	c.MaxSize = max(c.MaxSize, 1)
	if c.Patience <= 0 {
		c.Patience = time.Second
	}
	return &Batcher[T]{config: c, byKey: map[string]*queue[T]{}}
}

// Len is how many items wait.
func (b *Batcher[T]) Len() int { return b.length }

// Add puts an item in line behind those of the same key and of the same or a lower rank: 0 goes first. It passes nobody
// who has waited longer than Patience, so that nobody is passed for ever.
func (b *Batcher[T]) Add(item T, key string, cost, rank int, now time.Time) {
	q := b.byKey[key]
	if q == nil {
		q = b.newQueue(key)
	}
	b.serial++
	b.length++
	q.cost += cost
	q.items = append(q.items, entry[T]{item, cost, rank, now, b.serial})
	for i := len(q.items) - 1; i > 0; i-- {
		if before := &q.items[i-1]; before.rank <= rank || now.Sub(before.since) >= b.config.Patience {
			break
		}
		q.items[i-1], q.items[i] = q.items[i], q.items[i-1]
	}
}

// before tells whether a's turn comes before c's.
func (b *Batcher[T]) before(a, c *entry[T], now time.Time) bool {
	x, y := a.rank, c.rank
	if now.Sub(a.since) >= b.config.Patience {
		x = 0
	}
	if now.Sub(c.since) >= b.config.Patience {
		y = 0
	}
	return x < y || x == y && a.serial < c.serial
}

// oldest is since when the item has waited that has waited longest.
func (q *queue[T]) oldest() time.Time {
	t := q.items[0].since
	for i := range q.items {
		if q.items[i].since.Before(t) {
			t = q.items[i].since
		}
	}
	return t
}

func (b *Batcher[T]) newQueue(key string) *queue[T] {
	q := &queue[T]{}
	if n := len(b.spare); n > 0 {
		q, b.spare = b.spare[n-1], b.spare[:n-1]
	}
	q.key = key
	b.byKey[key] = q
	b.queues = append(b.queues, q)
	return q
}

// Remove takes an item out of line. It is false when the item does not wait.
func (b *Batcher[T]) Remove(item T) bool {
	for _, q := range b.queues {
		for i := range q.items {
			if q.items[i].item == item {
				q.cost -= q.items[i].cost
				q.items = append(q.items[:i], q.items[i+1:]...)
				b.length--
				b.tidy(q)
				return true
			}
		}
	}
	return false
}

// Next takes the batch whose turn it is, and is false when none is due. A key is due when its batch is full or its
// oldest item has waited long enough, and every key is when idle says that nothing else runs; of those due, the one
// whose first item has the least rank goes first, and of several the one whose first item is oldest.
func (b *Batcher[T]) Next(now time.Time, idle bool) (Batch[T], bool) {
	var turn *queue[T]
	for _, q := range b.queues {
		if (idle || b.due(q, now)) && (turn == nil || b.before(&q.items[0], &turn.items[0], now)) {
			turn = q
		}
	}
	if turn == nil {
		return Batch[T]{}, false
	}
	return b.take(turn, now), true
}

// UntilNext is how long until a batch will be due that is not yet, and false when there is nothing to wait for.
func (b *Batcher[T]) UntilNext(now time.Time) (time.Duration, bool) {
	if len(b.queues) == 0 {
		return 0, false
	}
	least := time.Duration(-1)
	for _, q := range b.queues {
		d := max(b.config.MaxDelay-now.Sub(q.oldest()), 0)
		if b.full(q) {
			d = 0
		}
		if least < 0 || d < least {
			least = d
		}
	}
	return least, true
}

func (b *Batcher[T]) due(q *queue[T], now time.Time) bool {
	return b.full(q) || now.Sub(q.oldest()) >= b.config.MaxDelay
}

func (b *Batcher[T]) full(q *queue[T]) bool {
	return len(q.items) >= b.config.MaxSize || b.config.MaxTokens > 0 && q.cost >= b.config.MaxTokens
}

// take closes a batch off the front of q.
func (b *Batcher[T]) take(q *queue[T], now time.Time) Batch[T] {
	n, reason := b.cut(q)
	if reason == "" {
		reason = Idle
		if now.Sub(q.oldest()) >= b.config.MaxDelay && b.config.MaxDelay > 0 {
			reason = Delay
		}
	}
	out := Batch[T]{Key: q.key, Items: make([]T, n), Since: make([]time.Time, n), Reason: reason}
	for i, e := range q.items[:n] {
		out.Items[i], out.Since[i] = e.item, e.since
		q.cost -= e.cost
	}
	rest := copy(q.items, q.items[n:])
	clear(q.items[rest:])
	q.items = q.items[:rest]
	b.length -= n
	b.tidy(q)
	return out
}

// cut says how many items fit one batch, and why no more; "" when there are no more.
func (b *Batcher[T]) cut(q *queue[T]) (int, Reason) {
	cost := 0
	for i, e := range q.items {
		if i == b.config.MaxSize {
			return i, Size
		}
		if cost += e.cost; i > 0 && b.config.MaxTokens > 0 && cost > b.config.MaxTokens {
			return i, Tokens
		}
	}
	switch {
	case len(q.items) == b.config.MaxSize:
		return len(q.items), Size
	case b.config.MaxTokens > 0 && cost >= b.config.MaxTokens:
		return len(q.items), Tokens
	}
	return len(q.items), ""
}

// tidy drops a queue that has run empty, and keeps its memory for the next.
func (b *Batcher[T]) tidy(q *queue[T]) {
	if len(q.items) > 0 {
		return
	}
	delete(b.byKey, q.key)
	for i, x := range b.queues {
		if x == q {
			last := len(b.queues) - 1
			b.queues[i], b.queues[last] = b.queues[last], nil
			b.queues = b.queues[:last]
			break
		}
	}
	if len(b.spare) < 16 {
		b.spare = append(b.spare, q)
	}
}
