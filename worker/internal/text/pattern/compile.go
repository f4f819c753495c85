package pattern

import (
	"errors"
	"fmt"
)

type op uint8

const (
	opMatch  op = iota // the end of the pattern, or of what an opLook or opAtomic runs
	opSet              // one code point of set
	opSpan             // min to max code points of set, then next
	opSplit            // next, or else alt
	opJump             // next
	opAssert           // a place
	opLook             // runs sub here, or back code points behind, then next
	opAtomic           // runs sub, takes what it took, then next
)

// inst is an instruction. Without a jump the next is the one that follows.
type inst struct {
	op         op
	assert     assertion
	negative   bool
	lazy       bool
	possessive bool
	set        *set
	min, max   int32 // max < 0 is without end
	next, alt  int32
	sub        int32
	back       []int32 // how far behind each of the alternatives at sub begins; nil looks ahead
	subs       []int32
	first      *firsts // what the branch to next begins with, nil when unknown
	firstAlt   *firsts
	state      int32 // its number among those that are remembered, -1 for the others
}

// firsts is what a branch can begin with: these in ASCII, and others or not.
type firsts struct {
	ascii [2]uint64
	other bool
}

func (f *firsts) has(r rune) bool {
	if uint32(r) < 0x80 { //nolint:gosec // a negative rune is too large
		return f.ascii[r>>6]&(1<<(r&63)) != 0
	}
	return f.other
}

const maxProgram = 4_000

type compiler struct {
	slow  bool // without opSpan, so that each step is a state to remember
	prog  []inst
	steps int // bounds the time on repetitions of nothing
}

// Regexp is a compiled pattern. It is safe for concurrent use.
type Regexp struct {
	fast   []inst
	slow   []inst  // the same for a machine that remembers
	first  *firsts // nil when a match can be empty or begin with anything
	states int32   // how many instructions of slow are remembered
	always bool    // remember from the start; for tests
	source string
}

// Compile makes a pattern of Oniguruma's own dialect.
func Compile(source string) (*Regexp, error) {
	n, err := parse(source)
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", source, err)
	}
	re := &Regexp{source: source}
	fast, slow := compiler{}, compiler{slow: true}
	if re.fast, err = fast.program(n); err == nil {
		re.slow, err = slow.program(n)
	}
	if err != nil {
		return nil, fmt.Errorf("pattern %q: %w", source, err)
	}
	if f, empty := begins(n); !empty {
		re.first = f
	}
	for i := range re.slow {
		if in := &re.slow[i]; in.op == opSplit || in.op == opLook || in.op == opAtomic {
			in.state = re.states
			re.states++
		} else {
			in.state = -1
		}
	}
	return re, nil
}

func (c *compiler) program(n *node) ([]inst, error) {
	err := c.add(n)
	c.emit(inst{op: opMatch})
	return c.prog, err
}

// String is the pattern as it was written.
func (re *Regexp) String() string { return re.source }

func (c *compiler) emit(i inst) int32 {
	c.prog = append(c.prog, i)
	at := int32(len(c.prog) - 1) //nolint:gosec // bounded by maxProgram
	if i.op != opJump && i.op != opSplit {
		c.prog[at].next = at + 1
	}
	return at
}

func (c *compiler) here() int32 { return int32(len(c.prog)) } //nolint:gosec // bounded by maxProgram

func (c *compiler) add(n *node) error {
	if c.steps++; len(c.prog) > maxProgram || c.steps > 10*maxProgram {
		return errors.New("it is too large")
	}
	switch n.kind {
	case kSet:
		c.emit(inst{op: opSet, set: n.set})
	case kSeq:
		for _, s := range n.subs {
			if err := c.add(s); err != nil {
				return err
			}
		}
	case kAlt:
		return c.alternatives(n)
	case kRepeat:
		return c.repeat(n)
	case kAssert:
		c.emit(inst{op: opAssert, assert: n.assert})
	case kLook:
		return c.look(n)
	case kAtomic:
		return c.atomic(n.subs[0])
	case kEmpty:
	}
	return nil
}

func (c *compiler) split(a *node) int32 {
	i := inst{op: opSplit}
	if f, empty := begins(a); !empty {
		i.first = f
	}
	return c.emit(i)
}

func (c *compiler) alternatives(n *node) error {
	var ends []int32
	rest := make([]*firsts, len(n.subs)+1) // what the alternatives from here on begin with
	var join firsts
	for i := len(n.subs) - 1; i >= 0; i-- {
		f, empty := begins(n.subs[i])
		if empty {
			break
		}
		join.join(f)
		all := join
		rest[i] = &all
	}
	for i, s := range n.subs {
		last := i == len(n.subs)-1
		var at int32
		if !last {
			at = c.split(s)
			c.prog[at].next, c.prog[at].firstAlt = c.here(), rest[i+1]
		}
		if err := c.add(s); err != nil {
			return err
		}
		if !last {
			ends = append(ends, c.emit(inst{op: opJump}))
			c.prog[at].alt = c.here()
		}
	}
	for _, e := range ends {
		c.prog[e].next = c.here()
	}
	return nil
}

func (c *compiler) repeat(n *node) error {
	body := n.subs[0]
	if _, empty := begins(body); empty && n.max != 1 {
		return errors.New("a repetition of what can match nothing is not supported")
	}
	if n.possessive {
		return c.atomic(&node{kind: kRepeat, subs: n.subs, min: n.min, max: n.max})
	}
	if body.kind == kSet && !c.slow {
		c.emit(inst{op: opSpan, set: body.set, min: int32(n.min), max: int32(n.max), lazy: n.lazy}) //nolint:gosec // bounded
		return nil
	}
	for range n.min {
		if err := c.add(body); err != nil {
			return err
		}
	}
	branch := func() int32 {
		at := c.split(body)
		if n.lazy {
			c.prog[at].first, c.prog[at].firstAlt = nil, c.prog[at].first
		}
		return at
	}
	point := func(at, in, out int32) {
		if n.lazy {
			in, out = out, in
		}
		c.prog[at].next, c.prog[at].alt = in, out
	}
	if n.max < 0 {
		at := branch()
		in := c.here()
		if err := c.add(body); err != nil {
			return err
		}
		c.prog[c.emit(inst{op: opJump})].next = at
		point(at, in, c.here())
		return nil
	}
	var splits, ins []int32
	for range n.max - n.min {
		splits = append(splits, branch())
		ins = append(ins, c.here())
		if err := c.add(body); err != nil {
			return err
		}
	}
	for i, at := range splits {
		point(at, ins[i], c.here())
	}
	return nil
}

// atomic compiles a body that runs by itself.
func (c *compiler) atomic(body *node) error {
	if !c.slow && body.kind == kRepeat && body.subs[0].kind == kSet && !body.lazy && !body.possessive {
		c.emit(inst{
			op: opSpan, set: body.subs[0].set, min: int32(body.min), max: int32(body.max), possessive: true, //nolint:gosec // bounded
		})
		return nil
	}
	at := c.emit(inst{op: opAtomic})
	c.prog[at].sub = c.here()
	err := c.add(body)
	c.emit(inst{op: opMatch})
	c.prog[at].next = c.here()
	return err
}

func (c *compiler) look(n *node) error {
	body := n.subs[0]
	at := c.emit(inst{op: opLook, negative: n.negative})
	bodies := []*node{body}
	if n.behind && body.kind == kAlt {
		bodies = body.subs
	}
	for _, b := range bodies {
		if n.behind {
			length, ok := fixed(b)
			if !ok {
				return errors.New("a look behind of no fixed length is not supported")
			}
			c.prog[at].back = append(c.prog[at].back, int32(length)) //nolint:gosec // bounded by maxProgram
		}
		c.prog[at].subs = append(c.prog[at].subs, c.here())
		if err := c.add(b); err != nil {
			return err
		}
		c.emit(inst{op: opMatch})
	}
	c.prog[at].next = c.here()
	return nil
}

// fixed is how many code points a node takes, where that is known.
func fixed(n *node) (int, bool) {
	switch n.kind {
	case kSet:
		return 1, true
	case kSeq:
		sum := 0
		for _, s := range n.subs {
			k, ok := fixed(s)
			if !ok {
				return 0, false
			}
			sum += k
		}
		return sum, sum < maxProgram
	case kAlt:
		first, ok := fixed(n.subs[0])
		for _, s := range n.subs[1:] {
			k, same := fixed(s)
			ok = ok && same && k == first
		}
		return first, ok
	case kRepeat:
		k, ok := fixed(n.subs[0])
		return k * n.min, ok && n.min == n.max && k*n.min < maxProgram
	case kAtomic:
		return fixed(n.subs[0])
	case kEmpty, kLook, kAssert:
	}
	return 0, true
}

// begins is what a node can begin with, and whether it can match nothing or begins in a way that is not known.
func begins(n *node) (f *firsts, empty bool) {
	f = &firsts{}
	switch n.kind {
	case kSet:
		f.ascii, f.other = n.set.ascii, n.set.other()
		return f, false
	case kSeq:
		for _, s := range n.subs {
			g, e := begins(s)
			f.join(g)
			if !e {
				return f, false
			}
		}
		return f, true
	case kAlt:
		for _, s := range n.subs {
			g, e := begins(s)
			f.join(g)
			empty = empty || e
		}
		return f, empty
	case kRepeat:
		g, e := begins(n.subs[0])
		return g, e || n.min == 0
	case kAtomic:
		return begins(n.subs[0])
	case kEmpty, kLook, kAssert:
	}
	return f, true
}

func (f *firsts) join(g *firsts) {
	f.ascii[0] |= g.ascii[0]
	f.ascii[1] |= g.ascii[1]
	f.other = f.other || g.other
}

// other tells whether the set holds anything beyond ASCII.
func (s *set) other() bool { return len(s.runs) > 0 && s.runs[len(s.runs)-1].hi >= 0x80 }
