package grammar

import "slices"

// node is one thing the grammar can read. Nodes form a graph: a recursive schema's node is reached from itself, always
// through a container, so that reading it consumes something.
type node struct {
	kind   nodeKind
	leaf   *leaf
	alts   []*node
	object *object
	array  *array
	from   *value // of the schema; nil for the built-in ones
	ends   bool   // it can be read to an end in finitely many bytes
}

type nodeKind uint8

const (
	nodeAlt  nodeKind = iota // one of alts
	nodeAny                  // any JSON value: alts, of which containers only down to maxNesting
	nodeLeaf                 // an automaton over bytes
	nodeObject
	nodeArray
)

// The automata that are the same in every grammar and in which much of a vocabulary fits.
const (
	sharedString = 1 // the free string
	sharedKey    = 2 // a key of an object that names none
)

// leaf is a piece of text that an automaton reads: a literal, a number, a string, punctuation with its white space.
type leaf struct {
	id      int32
	dfa     *dfa
	wide    bool // many tokens fit inside it: its masks are worth keeping by themselves
	shared  int8 // which of the automata whose masks all grammars of a vocabulary share; 0: none
	counted bool // it is the free string with a length
	min     int32
	max     int32 // -1: none
}

type object struct {
	properties []property
	free       []property // keys that no property names, any number of times each
}

type property struct {
	key      *leaf
	value    *node
	required bool
}

type array struct {
	prefix []*node
	rest   *node // nil: no more than prefix
	min    int
	max    int // -1: none
}

// item is the node of the i-th item, or nil.
func (a *array) item(i int) *node {
	if a.max >= 0 && i >= a.max {
		return nil
	}
	n := a.rest
	if i < len(a.prefix) {
		n = a.prefix[i]
	}
	if n == nil || !n.ends {
		return nil
	}
	return n
}

// markEnds finds the nodes that can be read to an end.
func markEnds(nodes []*node) {
	above := map[*node][]*node{}
	for _, n := range nodes {
		for _, part := range n.parts() {
			above[part] = append(above[part], n)
		}
	}
	queue := slices.Clone(nodes)
	for len(queue) > 0 {
		n := queue[len(queue)-1]
		queue = queue[:len(queue)-1]
		if !n.ends && n.canEnd() {
			n.ends = true
			queue = append(queue, above[n]...)
		}
	}
}

// parts is the nodes right below n.
func (n *node) parts() []*node {
	out := slices.Clone(n.alts)
	if n.object != nil {
		for _, p := range n.object.properties {
			out = append(out, p.value)
		}
	}
	if n.array != nil {
		out = append(out, n.array.prefix...)
		if n.array.rest != nil {
			out = append(out, n.array.rest)
		}
	}
	return out
}

func (n *node) canEnd() bool {
	switch n.kind {
	case nodeLeaf:
		return true
	case nodeObject:
		for _, p := range n.object.properties {
			if p.required && !p.value.ends {
				return false
			}
		}
		return true
	case nodeArray:
		a := n.array
		if a.max >= 0 && a.max < a.min {
			return false
		}
		for i := range a.min {
			if a.item(i) == nil {
				return false
			}
			if i >= len(a.prefix) {
				break // the rest are alike
			}
		}
		return true
	default:
		for _, a := range n.alts {
			if a.ends {
				return true
			}
		}
		return false
	}
}
