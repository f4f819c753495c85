package grammar

import (
	"container/list"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

// Cache keeps the matchers of the schemas used last, so that a schema that comes again finds its masks. It may be shared.
type Cache struct {
	v    *Vocabulary
	size int

	mu     sync.Mutex
	byText map[string]*list.Element
	used   *list.List // of *cached, the last used in front
}

type cached struct {
	text    string
	matcher *Matcher
}

// NewCache makes a cache of up to size matchers, of up to about 32 MiB each.
func NewCache(v *Vocabulary, size int) *Cache {
	return &Cache{v: v, size: max(size, 1), byText: map[string]*list.Element{}, used: list.New()}
}

// Schema is the matcher of a schema, compiled when its text is not known. Errors are Compile's and are not kept.
func (c *Cache) Schema(schema jsontext.Value) (*Matcher, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.byText[string(schema)]; ok {
		c.used.MoveToFront(e)
		if known, ok := e.Value.(*cached); ok {
			return known.matcher, nil
		}
	}
	g, err := Compile(schema)
	if err != nil {
		return nil, err
	}
	made := &cached{string(schema), NewMatcher(g, c.v)}
	c.byText[made.text] = c.used.PushFront(made)
	if c.used.Len() > c.size {
		if oldest, ok := c.used.Remove(c.used.Back()).(*cached); ok {
			delete(c.byText, oldest.text)
		}
	}
	return made.matcher, nil
}

// AnyObject is the matcher of every JSON object.
func (c *Cache) AnyObject() (*Matcher, error) { return c.Schema(jsontext.Value(anyObject)) }
