package grammar

import (
	"fmt"
	"slices"
	"strconv"
)

// newBuilder makes the leaves that every grammar has. White space is bounded, so that a model cannot go on with it for
// ever: nothing, one space, or a line break with up to 32 spaces or tabs, after { [ and , and before } and ]; up to one
// space after a colon; none elsewhere.
func newBuilder(root *value) (*builder, error) {
	b := &builder{
		g: &Grammar{}, root: root, ids: map[*value]int{}, nodes: map[string]*node{},
		texts: map[string]*dfa{}, leaves: map[string]*leaf{}, dfas: work{maxWork}, left: maxMerges,
	}
	var err error
	if b.g.freeString, err = b.dfas.freeString(); err != nil {
		return nil, err
	}
	gap := opt(alt(literal(" "), seq(literal("\n"), repeat(alt(literal(" "), literal("\t")), 0, 32))))
	for _, l := range []struct {
		to   **leaf
		text *expr
		name string
	}{
		{&b.g.openObject, seq(literal("{"), gap), "{"},
		{&b.g.closeObject, seq(gap, literal("}")), "}"},
		{&b.g.openArray, seq(literal("["), gap), "["},
		{&b.g.closeArray, seq(gap, literal("]")), "]"},
		{&b.g.comma, seq(literal(","), gap), ","},
	} {
		*l.to, err = b.leafOf(l.name, root, func() (*dfa, error) { return b.dfas.determinize(l.text) })
		if err != nil {
			return nil, err
		}
	}
	return b, nil
}

// colon ends a key.
func colon() *expr { return seq(literal(":"), opt(literal(" "))) }

// anyValue is any JSON value, containers nested in it down to maxNesting.
func (b *builder) anyValue() (*node, error) {
	if b.any != nil {
		return b.any, nil
	}
	b.any = b.add1(&node{kind: nodeAny})
	f := newFlat(b.root)
	f.typed = true
	return b.any, b.kinds(b.any, f)
}

// array is a list. A list whose first items are named and of whose others nothing is said ends with them.
func (b *builder) array(f *flat) (*node, error) {
	a := &array{min: f.minItems, max: f.maxItems}
	n, open, said := 0, true, false
	var rest []*value
	for _, s := range f.arrays {
		n = max(n, len(s.prefix))
		said = said || s.rest != nil
		open = open && s.prefix == nil
		if s.rest != nil {
			rest = append(rest, s.rest)
		}
	}
	if n > maxProperties {
		return nil, f.at.invalid("names more than %d items", maxProperties)
	}
	if err := b.spend(f.at, n*len(f.arrays)); err != nil {
		return nil, err
	}
	for i := range n {
		var parts []*value
		for _, s := range f.arrays {
			if i < len(s.prefix) {
				parts = append(parts, s.prefix[i])
			} else if s.rest != nil {
				parts = append(parts, s.rest)
			}
		}
		item, err := b.node(parts)
		if err != nil {
			return nil, err
		}
		a.prefix = append(a.prefix, item)
	}
	if said || open {
		var err error
		if a.rest, err = b.node(rest); err != nil {
			return nil, err
		}
	}
	return b.add1(&node{kind: nodeArray, array: a, from: f.at}), nil
}

// object is an object. Its properties come in the schema's order, required ones without a property after them. Keys
// that no property names are allowed where the schema says so, and where it has neither properties nor their patterns.
func (b *builder) object(f *flat) (*node, error) {
	o := &object{}
	n := &node{kind: nodeObject, object: o, from: f.at}
	patterns, err := b.patternsOf(f)
	if err != nil {
		return nil, err
	}
	var names []string
	named := map[string]bool{}
	for _, s := range f.objects {
		for _, name := range s.names {
			if !named[name] {
				named[name] = true
				names = append(names, name)
			}
		}
	}
	for _, name := range f.required {
		if !named[name] {
			named[name] = true
			names = append(names, name)
		}
	}
	if len(names) > maxProperties {
		return nil, f.at.invalid("has more than %d properties", maxProperties)
	}
	members := 1
	for _, s := range f.objects {
		members += 1 + len(s.names)/8
	}
	if err = b.spend(f.at, len(names)*members); err != nil {
		return nil, err
	}
	for _, name := range names {
		v, err := b.node(schemasOf(f, patterns, name))
		if err != nil {
			return nil, err
		}
		key, err := b.leafOf("key "+name, f.at, func() (*dfa, error) { return b.dfas.determinize(seq(literal(quote(name)), colon())) })
		if err != nil {
			return nil, err
		}
		o.properties = append(o.properties, property{key, v, slices.Contains(f.required, name)})
	}
	if o.free, err = b.freeKeys(f, patterns, names); err != nil {
		return nil, err
	}
	return b.add1(n), b.checkCounts(f, o)
}

// checkCounts refuses counts of properties that the object does not keep to by itself.
func (b *builder) checkCounts(f *flat, o *object) error {
	if f.minProps != nil {
		if n, _ := f.minProps.count(); n > len(f.required) {
			return f.minProps.invalid("the keyword minProperties is supported up to the number of required properties")
		}
	}
	if f.maxProps != nil {
		if n, _ := f.maxProps.count(); len(o.free) > 0 || n < len(o.properties) {
			return f.maxProps.invalid("the keyword maxProperties is supported where the properties are no more by themselves")
		}
	}
	return nil
}

// patternOf is one entry of a patternProperties.
type patternOf struct {
	source int
	keys   *dfa
	value  *value
}

func (b *builder) patternsOf(f *flat) ([]patternOf, error) {
	var out []patternOf
	for i, s := range f.objects {
		if s.patterns == nil {
			continue
		}
		for j, p := range s.patterns.names {
			m := s.patterns.members[j]
			if len(out) == maxPatterns {
				return nil, s.patterns.invalid("has more than %d patterns", maxPatterns)
			}
			d, err := b.textDFA(&value{text: p})
			if err != nil {
				return nil, m.invalid("the pattern %s", err)
			}
			out = append(out, patternOf{i, d, m})
		}
	}
	return out, nil
}

// schemasOf is what must hold for the value of a key.
func schemasOf(f *flat, patterns []patternOf, name string) []*value {
	var parts []*value
	for i, s := range f.objects {
		found := false
		if j := slices.Index(s.names, name); j >= 0 {
			parts, found = append(parts, s.members[j]), true
		}
		for _, p := range patterns {
			if p.source == i && p.keys.accepts(quote(name)) {
				parts, found = append(parts, p.value), true
			}
		}
		if !found && s.rest != nil {
			parts = append(parts, s.rest)
		}
	}
	return parts
}

// freeKeys is one entry for each set of patterns that a key may match, the empty one included.
func (b *builder) freeKeys(f *flat, patterns []patternOf, names []string) ([]property, error) {
	if len(f.objects) == 0 && len(names) == 0 {
		return b.freeKey(f, "", nil, nil, nil)
	}
	said, closed := false, false
	for _, s := range f.objects {
		said = said || s.rest != nil
		closed = closed || s.names != nil || s.patterns != nil
	}
	var out []property
	for set := range 1 << len(patterns) {
		if set == 0 && !said && closed {
			continue
		}
		var parts []*value
		matched := make([]bool, len(f.objects))
		for i, p := range patterns {
			if set>>i&1 == 1 {
				parts = append(parts, p.value)
				matched[p.source] = true
			}
		}
		for i, s := range f.objects {
			if !matched[i] && s.rest != nil {
				parts = append(parts, s.rest)
			}
		}
		if slices.ContainsFunc(parts, func(v *value) bool { return v.kind == 'f' }) {
			continue
		}
		free, err := b.freeKey(f, strconv.Itoa(set), parts, names, func(d *dfa) (*dfa, error) {
			return b.narrow(d, patterns, set)
		})
		if err != nil {
			return nil, err
		}
		out = append(out, free...)
	}
	return out, nil
}

// narrow leaves of d the keys that match just the patterns of a set.
func (b *builder) narrow(d *dfa, patterns []patternOf, set int) (*dfa, error) {
	var err error
	for i, p := range patterns {
		if set>>i&1 == 1 {
			d, err = b.dfas.intersect(d, p.keys)
		} else {
			d, err = b.dfas.subtract(d, p.keys)
		}
		if err != nil {
			return nil, err
		}
	}
	return d, nil
}

// freeKey is a key that is none of names, with its colon, and its value.
func (b *builder) freeKey(
	f *flat, set string, parts []*value, names []string, narrowed func(*dfa) (*dfa, error),
) ([]property, error) {
	v, err := b.node(parts)
	if err != nil {
		return nil, err
	}
	key := "keys"
	if narrowed != nil {
		key = fmt.Sprintf("keys %p %s %q", f, set, names)
	}
	l, err := b.leafOf(key, f.at, func() (*dfa, error) {
		d, err := b.dfas.determinize(quoted(repeat(anyChar(), 0, -1)))
		if err == nil && len(names) > 0 {
			taken := alt()
			for _, name := range names {
				taken.subs = append(taken.subs, literal(quote(name)))
			}
			var t *dfa
			if t, err = b.dfas.determinize(taken); err == nil {
				d, err = b.dfas.subtract(d, t)
			}
		}
		if err == nil && narrowed != nil {
			d, err = narrowed(d)
		}
		if err != nil {
			return nil, err
		}
		return b.then(d, colon())
	})
	if l == nil || err != nil {
		return nil, err
	}
	if narrowed == nil {
		l.shared = sharedKey
	}
	return []property{{key: l, value: v}}, nil
}

// then makes the automaton that reads what d reads, which ends with a quote that goes no further, and then e.
func (b *builder) then(d *dfa, e *expr) (*dfa, error) {
	tail, err := b.dfas.determinize(e)
	if err != nil {
		return nil, err
	}
	out := &dfa{states: slices.Clone(d.states)}
	n := int32(len(d.states)) //nolint:gosec // below maxDFA
	for _, st := range tail.states {
		edges := slices.Clone(st.edges)
		for i := range edges {
			edges[i].to += n
		}
		out.states = append(out.states, dstate{edges, st.accept})
	}
	for i := range d.states {
		if d.states[i].accept {
			out.states[i] = out.states[n]
		}
	}
	return out, nil
}
