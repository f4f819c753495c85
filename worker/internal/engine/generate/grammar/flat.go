package grammar

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/penstock-dev/penstock/shared/fault"
)

// kinds is a set of JSON types. Every integer is a number too.
type kinds uint8

const (
	kindNull kinds = 1 << iota
	kindBool
	kindInteger
	kindNumber
	kindString
	kindArray
	kindObject

	kindAll = kindNull | kindBool | kindInteger | kindNumber | kindString | kindArray | kindObject
)

// flat is what several schemas that must all hold ask for together. Disjunctions are kept aside, to be multiplied out.
type flat struct {
	at       *value // where to put the blame
	types    kinds
	typed    bool // type was given; else inferred says what the keywords are about
	inferred kinds
	never    bool
	enums    [][]*value
	lo, hi   bound
	minLen   int
	maxLen   int      // -1: none
	texts    []*value // patterns and formats
	arrays   []arraySource
	minItems int
	maxItems int // -1: none
	objects  []objectSource
	required []string
	minProps *value
	maxProps *value
	choices  []choice
	seen     map[*value]bool
}

type arraySource struct {
	prefix []*value
	rest   *value // nil: not said
}

type objectSource struct {
	names    []string
	members  []*value
	patterns *value
	rest     *value // nil: not said
}

// choice is an anyOf: one of its branches must hold. chain is the schemas it stands in, to find endless references.
type choice struct {
	branches []*value
	chain    []*value
}

func newFlat(at *value) *flat {
	return &flat{at: at, types: kindAll, maxLen: -1, maxItems: -1, seen: map[*value]bool{}}
}

func (f *flat) clone() *flat {
	c := *f
	c.seen = maps.Clone(f.seen)
	c.texts = slices.Clip(c.texts)
	c.enums, c.arrays, c.objects = slices.Clip(c.enums), slices.Clip(c.arrays), slices.Clip(c.objects)
	c.required, c.choices = slices.Clip(c.required), slices.Clip(c.choices)
	return &c
}

// add joins one more schema. chain is the schemas that v stands in through references, allOf and anyOf.
func (b *builder) add(f *flat, v *value, chain []*value) error {
	if slices.Contains(chain, v) {
		return v.invalid("the schema refers to itself without an end")
	}
	if err := b.spend(v, 10+len(v.names)+len(chain)); err != nil {
		return err
	}
	if f.seen[v] {
		return nil
	}
	f.seen[v] = true
	switch v.kind {
	case 't':
		return nil
	case 'f':
		f.never = true
		return nil
	case '{':
	default:
		return v.invalid("must be an object or a boolean")
	}
	chain = append(slices.Clip(chain), v)
	null := v.get("nullable")
	nullable := null != nil && null.kind == 't'
	object, array := objectSource{}, arraySource{}
	for i, name := range v.names {
		m := v.members[i]
		known, err := b.addShape(&object, &array, name, m)
		if !known && err == nil {
			known, err = f.addScalar(name, m, nullable)
		}
		if !known && err == nil {
			err = b.addLogic(f, name, m, chain)
		}
		if err != nil {
			return err
		}
	}
	if object.names != nil || object.patterns != nil || object.rest != nil {
		f.objects = append(f.objects, object)
		f.inferred |= kindObject
	}
	if array.prefix != nil || array.rest != nil {
		f.arrays = append(f.arrays, array)
		f.inferred |= kindArray
	}
	return nil
}

// addShape reads the keywords that name a container's parts.
func (b *builder) addShape(object *objectSource, array *arraySource, name string, m *value) (bool, error) {
	switch name {
	case "properties":
		if m.kind != '{' {
			return true, m.invalid("must be an object")
		}
		object.names, object.members = m.names, m.members
		if len(m.names) == 0 {
			object.names = []string{}
		}
	case "patternProperties":
		if m.kind != '{' {
			return true, m.invalid("must be an object")
		}
		if len(m.names) > 0 {
			object.patterns = m
		}
	case "additionalProperties":
		object.rest = m
	case "prefixItems":
		if m.kind != '[' {
			return true, m.invalid("must be a list")
		}
		array.prefix = append([]*value{}, m.members...)
	case "items":
		if m.kind == '[' { // as drafts before 2020-12 have it
			array.prefix = append([]*value{}, m.members...)
		} else {
			array.rest = m
		}
	case "additionalItems":
		if it := m.parent.get("items"); it != nil && it.kind == '[' {
			array.rest = m
		}
	default:
		return false, nil
	}
	return true, nil
}

// addScalar reads the keywords about values and sizes.
func (f *flat) addScalar(name string, m *value, nullable bool) (bool, error) {
	var err error
	switch name {
	case "type":
		err = f.addType(m, nullable)
	case "enum", "const":
		list := []*value{m}
		if name == "enum" {
			if m.kind != '[' {
				return true, m.invalid("must be a list")
			}
			list = m.members
		}
		if nullable {
			list = append(slices.Clip(list), &value{kind: 'n', raw: []byte("null"), parent: m})
		}
		f.enums = append(f.enums, list)
	case "minLength", "maxLength", "pattern", "format":
		f.inferred |= kindString
		err = f.addText(name, m)
	case "minItems", "maxItems":
		f.inferred |= kindArray
		err = atLeastOrMost(m, name == "minItems", &f.minItems, &f.maxItems)
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum":
		f.inferred |= kindNumber | kindInteger
		err = f.addBound(name, m)
	case "required":
		f.inferred |= kindObject
		err = f.addRequired(m)
	case "minProperties":
		f.minProps = m
		_, err = m.count()
	case "maxProperties":
		f.maxProps = m
		_, err = m.count()
	default:
		return false, nil
	}
	return true, err
}

// atLeastOrMost keeps the stricter of two sizes.
func atLeastOrMost(m *value, least bool, from, to *int) error {
	n, err := m.count()
	switch {
	case err != nil:
		return err
	case least:
		*from = max(*from, n)
	case *to < 0:
		*to = n
	default:
		*to = min(*to, n)
	}
	return nil
}

func (f *flat) addText(name string, m *value) error {
	switch name {
	case "minLength", "maxLength":
		return atLeastOrMost(m, name == "minLength", &f.minLen, &f.maxLen)
	case "format":
		if m.kind != '"' {
			return m.invalid("must be a string")
		}
		if _, ok := formatPattern(m.text); !ok {
			if knownFormat(m.text) {
				return m.invalid("the format %q is not supported", m.text)
			}
			return nil
		}
	default:
		if m.kind != '"' {
			return m.invalid("must be a string")
		}
	}
	f.texts = append(f.texts, m)
	return nil
}

func (f *flat) addBound(name string, m *value) error {
	if m.kind != '0' {
		return m.invalid("must be a number")
	}
	r, err := parseBound(string(m.raw))
	if err != nil {
		return m.invalid("%s", err)
	}
	b := bound{value: r, strict: strings.HasPrefix(name, "exclusive")}
	if strings.HasSuffix(strings.ToLower(name), "minimum") {
		f.lo = tighter(f.lo, b, false)
	} else {
		f.hi = tighter(f.hi, b, true)
	}
	return nil
}

func (f *flat) addRequired(m *value) error {
	if m.kind != '[' {
		return m.invalid("must be a list of names")
	}
	for _, n := range m.members {
		if n.kind != '"' {
			return n.invalid("must be a name")
		}
		if !slices.Contains(f.required, n.text) {
			f.required = append(f.required, n.text)
		}
		if len(f.required) > maxProperties {
			return m.invalid("has more than %d names", maxProperties)
		}
	}
	return nil
}

func (f *flat) addType(m *value, nullable bool) error {
	list := []*value{m}
	if m.kind == '[' {
		list = m.members
	}
	var got kinds
	for _, t := range list {
		k := map[string]kinds{
			"null": kindNull, "boolean": kindBool, "integer": kindInteger, "number": kindNumber | kindInteger,
			"string": kindString, "array": kindArray, "object": kindObject,
		}[t.text]
		if k == 0 {
			return t.invalid("must be one of null, boolean, integer, number, string, array, object")
		}
		got |= k
	}
	if nullable {
		got |= kindNull
	}
	f.types &= got
	f.typed = true
	return nil
}

// addLogic reads references and combinations, skips what is only a note, and refuses what it cannot keep to.
func (b *builder) addLogic(f *flat, name string, m *value, chain []*value) error {
	switch name {
	case "$ref":
		target, err := b.resolve(m)
		if err != nil {
			return err
		}
		return b.add(f, target, chain)
	case "allOf":
		if m.kind != '[' || len(m.members) == 0 {
			return m.invalid("must be a list of schemas")
		}
		for _, s := range m.members {
			if err := b.add(f, s, chain); err != nil {
				return err
			}
		}
	case "anyOf", "oneOf":
		if m.kind != '[' || len(m.members) == 0 {
			return m.invalid("must be a list of schemas")
		}
		f.choices = append(f.choices, choice{m.members, chain})
	case "uniqueItems":
		if m.kind != 'f' {
			return m.invalid("the keyword uniqueItems is not supported")
		}
	case "multipleOf", "not", "if", "then", "else", "contains", "minContains", "maxContains", "propertyNames",
		"dependencies", "dependentRequired", "dependentSchemas", "unevaluatedItems", "unevaluatedProperties",
		"$dynamicRef", "$recursiveRef", "extends", "disallow", "divisibleBy":
		return m.invalid("the keyword %s is not supported", name)
	}
	return nil
}

// resolve finds what a reference within the schema names.
func (b *builder) resolve(m *value) (*value, error) {
	if m.kind != '"' {
		return nil, m.invalid("must be a string")
	}
	if m.text != "#" && !strings.HasPrefix(m.text, "#/") {
		return nil, m.invalid("only references within the schema are followed, such as #/$defs/name")
	}
	at := b.root
	for _, part := range strings.Split(m.text, "/")[1:] {
		part = unescapePointer(part)
		var next *value
		if at.kind == '[' {
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(at.members) {
				next = at.members[i]
			}
		} else {
			next = at.get(part)
		}
		if next == nil {
			return nil, m.invalid("names nothing in the schema")
		}
		at = next
	}
	return at, nil
}

// unescapePointer undoes the escapes of a JSON pointer in a URL's fragment.
func unescapePointer(s string) string {
	var out []byte
	for i := 0; i < len(s); i++ {
		if s[i] == '%' && i+2 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+3], 16, 8); err == nil {
				out = append(out, byte(n))
				i += 2
				continue
			}
		}
		out = append(out, s[i])
	}
	return strings.ReplaceAll(strings.ReplaceAll(string(out), "~1", "/"), "~0", "~")
}

// alternatives multiplies a flat's choices out.
func (b *builder) alternatives(f *flat, out []*flat) ([]*flat, error) {
	if f.never {
		return out, nil
	}
	if len(f.choices) == 0 {
		if len(out) >= maxAlternatives {
			return nil, fault.Invalid(f.at.path(), "has more than %d alternatives", maxAlternatives)
		}
		return append(out, f), nil
	}
	c := f.choices[0]
	for _, branch := range c.branches {
		if err := b.spend(f.at, len(f.seen)+len(f.required)+len(f.objects)); err != nil {
			return nil, err
		}
		g := f.clone()
		g.choices = g.choices[1:]
		err := b.add(g, branch, c.chain)
		if err != nil {
			return nil, err
		}
		if out, err = b.alternatives(g, out); err != nil {
			return nil, err
		}
	}
	return out, nil
}
