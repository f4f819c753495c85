// Package tokenset has the one type that grammars and samplers share: a set of token ids.
package tokenset

import "math/bits"

// Bitset is a set of token ids from 0 up to a fixed size. The zero value is the empty set of size 0. It may be read by
// many at once, written by one.
type Bitset struct {
	words []uint64
	size  int
}

// New makes an empty set for the ids 0 to size-1.
func New(size int) *Bitset {
	return &Bitset{words: make([]uint64, (size+63)/64), size: size}
}

// Len is the number of ids the set has room for, not the number it holds.
func (b *Bitset) Len() int { return b.size }

// Has tells whether id is in the set; an id out of range is not.
func (b *Bitset) Has(id int32) bool {
	if id < 0 || int(id) >= b.size {
		return false
	}
	return b.words[id>>6]&(1<<(uint(id)&63)) != 0
}

// Add puts id into the set; an id out of range is left out.
func (b *Bitset) Add(id int32) {
	if id >= 0 && int(id) < b.size {
		b.words[id>>6] |= 1 << (uint(id) & 63)
	}
}

// Remove takes id out of the set.
func (b *Bitset) Remove(id int32) {
	if id >= 0 && int(id) < b.size {
		b.words[id>>6] &^= 1 << (uint(id) & 63)
	}
}

// Count is the number of ids in the set.
func (b *Bitset) Count() int {
	n := 0
	for _, w := range b.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// Empty tells whether the set holds nothing; it is cheaper than Count.
func (b *Bitset) Empty() bool {
	for _, w := range b.words {
		if w != 0 {
			return false
		}
	}
	return true
}

// Clear takes every id out.
func (b *Bitset) Clear() { clear(b.words) }

// Or adds every id of o; both have one size.
func (b *Bitset) Or(o *Bitset) {
	for i, w := range o.words {
		b.words[i] |= w
	}
}

// AndNot takes out every id of o; both have one size.
func (b *Bitset) AndNot(o *Bitset) {
	for i, w := range o.words {
		b.words[i] &^= w
	}
}

// CopyFrom makes b equal to o; both have one size.
func (b *Bitset) CopyFrom(o *Bitset) { copy(b.words, o.words) }

// Word is the ids 64*i to 64*i+63, the lowest in the lowest bit.
func (b *Bitset) Word(i int) uint64 { return b.words[i] }

// Next is the smallest id in the set that is not below from, and -1 when there is none.
func (b *Bitset) Next(from int32) int32 {
	if from < 0 {
		from = 0
	}
	i := int(from >> 6)
	if i >= len(b.words) {
		return -1
	}
	w := b.words[i] >> (uint(from) & 63) << (uint(from) & 63)
	for w == 0 {
		i++
		if i == len(b.words) {
			return -1
		}
		w = b.words[i]
	}
	return int32(i<<6 + bits.TrailingZeros64(w)) //nolint:gosec // below size, which ids can name
}
