package grammar

import (
	"bytes"
	"fmt"
	"slices"
	"sync"

	"github.com/penstock-dev/penstock/worker/internal/engine/generate/tokenset"
)

// maxToken is the longest token, in bytes, that a grammar ever allows.
const maxToken = 512

// Vocabulary is a tokenizer's tokens as the bytes they contribute, in a trie. It may be shared by many matchers.
type Vocabulary struct {
	tokens [][]byte
	eos    []int32
	nodes  []trieNode
	sorted []int32 // token ids by their bytes

	mu     sync.Mutex
	shared map[localKey]*local // of the automata that every grammar has
}

// trieNode is one prefix of some token. Nodes stand in the order of a walk: a node's first child follows it.
type trieNode struct {
	b     byte
	end   int32 // the first node that is no longer below this one
	first int32 // the tokens that end here are sorted[first:first+n]
	n     int32
}

// NewVocabulary takes the bytes of every token, nil for those that contribute none (special tokens), and the ids that
// end a text. The slices are kept, not copied. Tokens over 512 bytes are never allowed.
func NewVocabulary(tokens [][]byte, eos []int32) (*Vocabulary, error) {
	v := &Vocabulary{tokens: tokens, eos: eos, shared: map[localKey]*local{}}
	for _, id := range eos {
		if id < 0 || int(id) >= len(tokens) {
			return nil, fmt.Errorf("the end token %d is not in the vocabulary of %d", id, len(tokens))
		}
	}
	if len(eos) == 0 {
		return nil, fmt.Errorf("the vocabulary of %d tokens has no end token", len(tokens))
	}
	size := 1
	for id, t := range tokens {
		if len(t) > 0 && len(t) <= maxToken && !slices.Contains(eos, int32(id)) {
			v.sorted = append(v.sorted, int32(id))
			size += min(len(t), 3)
		}
	}
	slices.SortFunc(v.sorted, func(a, b int32) int {
		if c := bytes.Compare(tokens[a], tokens[b]); c != 0 {
			return c
		}
		return int(a) - int(b)
	})
	v.nodes = append(make([]trieNode, 0, size), trieNode{})
	v.grow()
	return v, nil
}

// grow makes the trie of the sorted tokens.
func (v *Vocabulary) grow() {
	path := []int32{0} // the nodes of the current token's prefixes
	var last []byte
	closeTo := func(depth int) {
		for len(path) > depth+1 {
			v.nodes[path[len(path)-1]].end = int32(len(v.nodes)) //nolint:gosec // bytes of a vocabulary
			path = path[:len(path)-1]
		}
	}
	for i, id := range v.sorted {
		t := v.tokens[id]
		common := 0
		for common < len(t) && common < len(last) && t[common] == last[common] {
			common++
		}
		closeTo(common)
		for _, b := range t[common:] {
			path = append(path, int32(len(v.nodes))) //nolint:gosec // bytes of a vocabulary
			v.nodes = append(v.nodes, trieNode{b: b})
		}
		leaf := &v.nodes[path[len(path)-1]]
		if leaf.n == 0 {
			leaf.first = int32(i)
		}
		leaf.n++
		last = t
	}
	closeTo(0)
	v.nodes[0].end = int32(len(v.nodes)) //nolint:gosec // bytes of a vocabulary
}

// Len is the number of token ids.
func (v *Vocabulary) Len() int { return len(v.tokens) }

// put adds to a mask the tokens that end at a trie's node.
func (v *Vocabulary) put(mask *tokenset.Bitset, n *trieNode) {
	for _, id := range v.sorted[n.first : n.first+n.n] {
		mask.Add(id)
	}
}
