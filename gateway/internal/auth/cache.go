package auth

import (
	"container/list"
	"sync"
)

// cache is a bounded map that forgets what was least recently used.
type cache[K comparable, V any] struct {
	size int

	mu    sync.Mutex
	items map[K]*list.Element // of *pair[K, V]
	order *list.List          // the most recently used first
}

type pair[K comparable, V any] struct {
	key   K
	value V
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, items: make(map[K]*list.Element), order: list.New()}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	el, ok := c.items[key]
	if !ok {
		var none V
		return none, false
	}
	c.order.MoveToFront(el)
	return el.Value.(*pair[K, V]).value, true //nolint:forcetypeassert,errcheck // only put stores
}

func (c *cache[K, V]) put(key K, value V) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.items[key]; ok {
		el.Value = &pair[K, V]{key: key, value: value}
		c.order.MoveToFront(el)
		return
	}
	c.items[key] = c.order.PushFront(&pair[K, V]{key: key, value: value})
	if c.order.Len() > c.size {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.items, last.Value.(*pair[K, V]).key) //nolint:forcetypeassert,errcheck // only put stores
	}
}

func (c *cache[K, V]) drop(key K) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if el, ok := c.items[key]; ok {
		c.order.Remove(el)
		delete(c.items, key)
	}
}
