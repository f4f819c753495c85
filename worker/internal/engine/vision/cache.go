package vision

import (
	"container/list"
	"crypto/sha256"
	"sync"
)

// cache keeps the vectors of the images seen last, by the hash of their files: a conversation sends its images again
// with every turn.
type cache struct {
	limit int64 // bytes; 0: nothing is kept

	mu    sync.Mutex
	size  int64                               // guarded by mu
	items map[[sha256.Size]byte]*list.Element // guarded by mu
	order list.List                           // of *item, the last used first; guarded by mu
}

type item struct {
	key      [sha256.Size]byte
	features []float32
}

func newCache(limit int64) *cache {
	return &cache{limit: limit, items: map[[sha256.Size]byte]*list.Element{}}
}

// get is nil for an image that is not kept.
func (c *cache) get(key [sha256.Size]byte) []float32 {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.items[key]
	if e == nil {
		return nil
	}
	c.order.MoveToFront(e)
	return itemOf(e).features
}

func itemOf(e *list.Element) *item {
	i, _ := e.Value.(*item) // the list holds nothing else
	return i
}

func (c *cache) put(key [sha256.Size]byte, features []float32) {
	size := 4 * int64(len(features))
	if size > c.limit {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.items[key] != nil {
		return
	}
	c.items[key] = c.order.PushFront(&item{key, features})
	for c.size += size; c.size > c.limit; {
		e := c.order.Back()
		last := itemOf(e)
		c.order.Remove(e)
		c.size -= 4 * int64(len(last.features))
		delete(c.items, last.key)
	}
}
