package text

import (
	"cmp"
	"slices"
)

// trie finds the tokens that text begins with, byte by byte.
type trie struct {
	root  [256]int32 // the children of the first node, 0 for none
	nodes []trieNode
	label []byte // of each node
}

// trieNode has its children one after the other, in the order of their labels.
type trieNode struct {
	id    int32 // -1 where no token ends
	first int32
	count int32
}

// newTrie makes a trie of tokens; the empty one is left out.
func newTrie(ids map[string]int32) *trie {
	type entry struct {
		token string
		id    int32
	}
	list := make([]entry, 0, len(ids))
	for token, id := range ids {
		if token != "" {
			list = append(list, entry{token, id})
		}
	}
	slices.SortFunc(list, func(a, b entry) int { return cmp.Compare(a.token, b.token) })
	t := &trie{nodes: []trieNode{{id: -1}}, label: []byte{0}}
	type todo struct {
		node   int32
		lo, hi int32
	}
	level, below := []todo{{0, 0, int32(len(list))}}, []todo(nil) //nolint:gosec // bounded by the file's size
	for depth := 0; len(level) > 0; depth++ {
		below = below[:0]
		for _, q := range level {
			lo := q.lo
			if lo < q.hi && len(list[lo].token) == depth {
				t.nodes[q.node].id = list[lo].id
				lo++
			}
			t.nodes[q.node].first = int32(len(t.nodes)) //nolint:gosec // bounded by the file's size
			for lo < q.hi {
				c := list[lo].token[depth]
				hi := lo + 1
				for hi < q.hi && list[hi].token[depth] == c {
					hi++
				}
				child := int32(len(t.nodes)) //nolint:gosec // bounded by the file's size
				t.nodes, t.label = append(t.nodes, trieNode{id: -1}), append(t.label, c)
				t.nodes[q.node].count++
				below = append(below, todo{child, lo, hi})
				if q.node == 0 {
					t.root[c] = child
				}
				lo = hi
			}
		}
		level, below = below, level
	}
	return t
}

// step goes from a node along a byte; it gives 0 where there is nothing.
func (t *trie) step(node int32, c byte) int32 {
	if node == 0 {
		return t.root[c]
	}
	n := &t.nodes[node]
	lo, hi := n.first, n.first+n.count
	for hi-lo > 4 {
		mid := (lo + hi) / 2
		if t.label[mid] <= c {
			lo = mid
		} else {
			hi = mid
		}
	}
	for ; lo < hi; lo++ {
		if t.label[lo] == c {
			return lo
		}
	}
	return 0
}
