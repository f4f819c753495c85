package grammar

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	maxMerges       = 2_000_000 // steps of joining schemas, each cheap
	maxAlternatives = 2_000     // of one place in the schema
	maxNodes        = 20_000
	maxProperties   = 1_000 // of one object
	maxStates       = 100_000
	maxPatterns     = 4 // of one object's patternProperties
)

// builder makes nodes of schemas. Places are worked off a queue, so a deep schema needs no deep stack.
type builder struct {
	g      *Grammar
	root   *value
	dfas   work
	left   int // what may still be spent on joining schemas
	states int
	ids    map[*value]int
	nodes  map[string]*node // by the schemas that hold together
	queue  []pending
	all    []*node
	texts  map[string]*dfa // by pattern or format
	leaves map[string]*leaf
	any    *node
}

type pending struct {
	node    *node
	schemas []*value
}

// node is the node of some schemas that must all hold; it is built later. No schema at all allows any value.
func (b *builder) node(schemas []*value) (*node, error) {
	if len(schemas) == 0 {
		return b.anyValue()
	}
	var key strings.Builder
	for _, s := range schemas {
		id, ok := b.ids[s]
		if !ok {
			id = len(b.ids)
			b.ids[s] = id
		}
		fmt.Fprintf(&key, "%d,", id)
	}
	n, ok := b.nodes[key.String()]
	if !ok {
		n = b.add1(&node{from: schemas[0]})
		b.nodes[key.String()] = n
		b.queue = append(b.queue, pending{n, schemas})
		if len(b.all) > maxNodes {
			return nil, schemas[0].invalid("the schema has more than %d parts", maxNodes)
		}
	}
	return n, nil
}

// spend takes n steps off what may be spent on joining schemas.
func (b *builder) spend(at *value, n int) error {
	if b.left -= n; b.left < 0 {
		return at.invalid("the schema has too many combinations of its parts")
	}
	return nil
}

func (b *builder) add1(n *node) *node {
	b.all = append(b.all, n)
	return n
}

// run builds every node that is reached from the first.
func (b *builder) run() error {
	for len(b.queue) > 0 {
		p := b.queue[0]
		b.queue = b.queue[1:]
		f := newFlat(p.schemas[0])
		for _, s := range p.schemas {
			if err := b.add(f, s, nil); err != nil {
				return err
			}
		}
		flats, err := b.alternatives(f, nil)
		if err != nil {
			return err
		}
		for _, g := range flats {
			if err := b.kinds(p.node, g); err != nil {
				return err
			}
		}
		if len(b.all) > maxNodes {
			return f.at.invalid("the schema has more than %d parts", maxNodes)
		}
	}
	markEnds(b.all)
	return nil
}

// kinds adds one alternative for each type that f allows.
func (b *builder) kinds(n *node, f *flat) error {
	types := f.types
	if !f.typed && len(f.enums) == 0 && f.inferred != 0 {
		types &= f.inferred
	}
	if len(f.enums) > 0 {
		return b.enum(n, f)
	}
	if !f.typed && f.inferred == 0 {
		v, err := b.anyValue()
		n.alts = append(n.alts, v)
		return err
	}
	for _, k := range []struct {
		kind  kinds
		build func(*flat) (*node, error)
	}{
		{kindObject, b.object},
		{kindArray, b.array},
		{kindString, b.text},
		{kindNumber, b.number},
		{kindInteger, b.integer},
		{kindBool, b.boolean},
		{kindNull, b.null},
	} {
		if types&k.kind == 0 || k.kind == kindInteger && types&kindNumber != 0 {
			continue
		}
		alternative, err := k.build(f)
		if err != nil {
			return err
		}
		if alternative != nil {
			n.alts = append(n.alts, alternative)
		}
	}
	return nil
}

// leafOf is a leaf for an automaton, one for each key; nil when the automaton reads nothing.
func (b *builder) leafOf(key string, at *value, build func() (*dfa, error)) (*leaf, error) {
	if l, ok := b.leaves[key]; ok {
		return l, nil
	}
	d, err := build()
	if err != nil {
		return nil, at.invalid("%s", err)
	}
	if d.empty() {
		b.leaves[key] = nil
		return nil, nil //nolint:nilnil // nothing fits, which is no error
	}
	if b.states += len(d.states); b.states > maxStates {
		return nil, at.invalid("the schema is too complex")
	}
	l := &leaf{id: int32(len(b.g.leaves)), dfa: d, wide: d.wide(), max: -1} //nolint:gosec // few
	b.leaves[key] = l
	b.g.leaves = append(b.g.leaves, l)
	return l, nil
}

// wide tells whether some state has edges for so many bytes that a mask of it holds much of a vocabulary.
func (d *dfa) wide() bool {
	for _, st := range d.states {
		n := 0
		for _, e := range st.edges {
			n += int(e.hi) - int(e.lo) + 1
		}
		if n > 48 {
			return true
		}
	}
	return false
}

// leafNode wraps a leaf; nil stays nil.
func (b *builder) leafNode(l *leaf, err error) (*node, error) {
	if l == nil || err != nil {
		return nil, err
	}
	return b.add1(&node{kind: nodeLeaf, leaf: l}), nil
}

func (b *builder) fixed(at *value, e *expr, key string) (*node, error) {
	return b.leafNode(b.leafOf(key, at, func() (*dfa, error) { return b.dfas.determinize(e) }))
}

func (b *builder) null(f *flat) (*node, error) { return b.fixed(f.at, literal("null"), "null") }

func (b *builder) boolean(f *flat) (*node, error) {
	return b.fixed(f.at, alt(literal("true"), literal("false")), "boolean")
}

func boundKey(lo, hi bound) string {
	return fmt.Sprintf("%v %t %v %t", lo.value, lo.strict, hi.value, hi.strict)
}

func (b *builder) number(f *flat) (*node, error) {
	return b.leafNode(b.leafOf("number "+boundKey(f.lo, f.hi), f.at, func() (*dfa, error) { return b.dfas.number(f.lo, f.hi) }))
}

func (b *builder) integer(f *flat) (*node, error) {
	return b.leafNode(b.leafOf("integer "+boundKey(f.lo, f.hi), f.at, func() (*dfa, error) { return b.dfas.integer(f.lo, f.hi) }))
}

// text is a string. Lengths alone are counted; beside a pattern or a format they become part of the automaton.
func (b *builder) text(f *flat) (*node, error) {
	if f.maxLen >= 0 && f.minLen > f.maxLen {
		return nil, nil //nolint:nilnil // nothing fits, which is no error
	}
	if len(f.texts) > 0 {
		var key strings.Builder
		fmt.Fprintf(&key, "text %d %d", f.minLen, f.maxLen)
		for _, t := range f.texts {
			fmt.Fprintf(&key, " %s %q", t.at, t.text)
		}
		return b.leafNode(b.leafOf(key.String(), f.texts[0], func() (*dfa, error) { return b.allTexts(f) }))
	}
	key := fmt.Sprintf("free %d %d", f.minLen, f.maxLen)
	l, err := b.leafOf(key, f.at, func() (*dfa, error) { return b.g.freeString, nil })
	if err != nil {
		return nil, err
	}
	l.shared, l.counted = sharedString, f.minLen > 0 || f.maxLen >= 0
	l.min, l.max = int32(f.minLen), int32(f.maxLen) //nolint:gosec // up to 2^30
	return b.leafNode(l, nil)
}

func (b *builder) allTexts(f *flat) (*dfa, error) {
	var all *dfa
	join := func(d *dfa, err error) error {
		if err == nil && all != nil {
			d, err = b.dfas.intersect(all, d)
		}
		all = d
		return err
	}
	for _, t := range f.texts {
		if err := join(b.textDFA(t)); err != nil {
			return nil, err
		}
	}
	if f.minLen > 0 || f.maxLen >= 0 {
		if err := join(b.dfas.length(f.minLen, f.maxLen)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// textDFA is the automaton of a pattern or a format, made once for each.
func (b *builder) textDFA(t *value) (*dfa, error) {
	p := t.text
	if t.at == "format" {
		p, _ = formatPattern(t.text)
	}
	if d, ok := b.texts[p]; ok {
		return d, nil
	}
	d, err := b.dfas.pattern(p)
	if err == nil {
		b.texts[p] = d
	}
	return d, err
}

// enum is the values that every list has and every other keyword allows, each in its compact spelling.
func (b *builder) enum(n *node, f *flat) error {
	size := len(f.enums[0])
	for _, list := range f.enums[1:] {
		size += len(f.enums[0]) * len(list)
	}
	if err := b.spend(f.at, size); err != nil {
		return err
	}
	e, key := alt(), []string{"enum"}
	done := map[string]bool{}
	for _, v := range f.enums[0] {
		text := v.compact()
		if done[text] {
			continue
		}
		done[text] = true
		everywhere := true
		for _, list := range f.enums[1:] {
			everywhere = everywhere && slices.ContainsFunc(list, func(o *value) bool { return o.compact() == text })
		}
		ok, err := b.allows(f, v)
		if err != nil {
			return err
		}
		if everywhere && ok {
			e.subs = append(e.subs, literal(text))
			key = append(key, text)
		}
	}
	l, err := b.fixed(f.at, e, strings.Join(key, " "))
	if l != nil {
		n.alts = append(n.alts, l)
	}
	return err
}

// allows tells whether a listed value fits the other keywords.
func (b *builder) allows(f *flat, v *value) (bool, error) {
	switch v.kind { //nolint:exhaustive // a value has no other kind
	case 'n':
		return f.types&kindNull != 0, nil
	case 't', 'f':
		return f.types&kindBool != 0, nil
	case '0':
		r, err := parseBound(string(v.raw))
		if err != nil {
			return false, v.invalid("%s", err)
		}
		return f.types&kindNumber != 0 && f.inBounds(r) || f.types&kindInteger != 0 && r.IsInt() && f.inBounds(r), nil
	case '"':
		if n := utf8.RuneCountInString(v.text); f.types&kindString == 0 || n < f.minLen || f.maxLen >= 0 && n > f.maxLen {
			return false, nil
		}
		for _, t := range f.texts {
			d, err := b.textDFA(t)
			if err != nil {
				return false, t.invalid("%s", err)
			}
			if !d.accepts(v.compact()) {
				return false, nil
			}
		}
		return true, nil
	case '[':
		if len(f.arrays) > 0 || f.minItems > 0 || f.maxItems >= 0 {
			return false, v.invalid("a list beside other keywords about lists is not supported")
		}
		return f.types&kindArray != 0, nil
	case '{':
		if len(f.objects) > 0 || len(f.required) > 0 || f.minProps != nil || f.maxProps != nil {
			return false, v.invalid("an object beside other keywords about objects is not supported")
		}
		return f.types&kindObject != 0, nil
	}
	return false, nil
}

func (f *flat) inBounds(r *big.Rat) bool {
	if f.lo.value != nil {
		if c := r.Cmp(f.lo.value); c < 0 || c == 0 && f.lo.strict {
			return false
		}
	}
	if f.hi.value != nil {
		if c := r.Cmp(f.hi.value); c > 0 || c == 0 && f.hi.strict {
			return false
		}
	}
	return true
}

// Grammar is a compiled schema. It holds no vocabulary, is read-only and may be shared.
type Grammar struct {
	root       *node
	leaves     []*leaf
	freeString *dfa

	openObject, closeObject, openArray, closeArray, comma *leaf
}

// Compile makes the grammar of a JSON schema. What the schema asks and the grammar cannot keep to is a fault at its
// place in the schema; so is a schema that is too big or that no document can meet.
func Compile(schema jsontext.Value) (*Grammar, error) {
	root, err := parse(schema)
	if err != nil {
		return nil, err
	}
	b, err := newBuilder(root)
	if err != nil {
		return nil, err
	}
	if b.g.root, err = b.node([]*value{root}); err != nil {
		return nil, err
	}
	if err = b.run(); err != nil {
		return nil, err
	}
	if !b.g.root.ends {
		return nil, root.invalid("no document can meet the schema")
	}
	return b.g, nil
}

// AnyObject is the grammar of every JSON object.
func AnyObject() (*Grammar, error) { return Compile(jsontext.Value(anyObject)) }

const anyObject = `{"type":"object"}`
