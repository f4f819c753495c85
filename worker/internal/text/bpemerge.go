package text

import "unicode/utf8"

// symbol is a token of a word under way; its neighbours are places in the list, -1 for none.
type symbol struct {
	id         int32
	size       int32 // bytes; 0 when it went into the one before
	prev, next int32
}

// bpeScratch is memory for the merging of one word.
type bpeScratch struct {
	symbols []symbol
	heap    []uint64 // rank and place of merges to do
}

func (s *bpeScratch) add(id, size int32) {
	n := int32(len(s.symbols)) //nolint:gosec // a word has no more runes than an int32 counts
	if n > 0 {
		s.symbols[n-1].next = n
	}
	s.symbols = append(s.symbols, symbol{id, size, n - 1, -1})
}

// merge does the merges in the order of their ranks, from left to right among equals. A heap holds those that were
// possible at some time; one that no longer is makes no token that its rank says.
func (m *bpe) merge(s *bpeScratch, literal bool) {
	symbols := s.symbols
	s.heap = s.heap[:0]
	for i := 0; i+1 < len(symbols); i++ {
		if rank := m.rank(symbols[i].id, symbols[i+1].id, literal); rank >= 0 {
			s.heap = append(s.heap, uint64(rank)<<32|uint64(i))
		}
	}
	for i := len(s.heap)/2 - 1; i >= 0; i-- {
		s.down(i)
	}
	for len(s.heap) > 0 {
		top := s.heap[0]
		at := int32(top & 0xFFFFFFFF) //nolint:gosec // a place
		left := &symbols[at]
		if left.size == 0 || left.next < 0 {
			s.pop()
			continue
		}
		right := &symbols[left.next]
		rank := m.rank(left.id, right.id, literal)
		if rank < 0 || m.made[rank] != m.made[top>>32] {
			s.pop()
			continue
		}
		left.id, left.size, left.next = m.made[rank], left.size+right.size, right.next
		right.size = 0
		if left.next >= 0 {
			symbols[left.next].prev = at
		}
		s.pop()
		if left.prev >= 0 {
			if rank := m.rank(symbols[left.prev].id, left.id, literal); rank >= 0 {
				s.push(uint64(rank)<<32 | uint64(left.prev))
			}
		}
		if left.next >= 0 {
			if rank := m.rank(left.id, symbols[left.next].id, literal); rank >= 0 {
				s.push(uint64(rank)<<32 | uint64(at))
			}
		}
	}
}

// rank is that of the merge of two tokens, -1 for none.
func (m *bpe) rank(a, b int32, literal bool) int32 {
	rank := m.merges.get(pairOf(a, b))
	if literal && rank >= 0 && m.special[m.made[rank]] {
		return -1
	}
	return rank
}

func (s *bpeScratch) push(x uint64) {
	s.heap = append(s.heap, x)
	i := len(s.heap) - 1
	for i > 0 {
		up := (i - 1) / 2
		if s.heap[up] <= x {
			break
		}
		s.heap[i] = s.heap[up]
		i = up
	}
	s.heap[i] = x
}

func (s *bpeScratch) pop() {
	last := len(s.heap) - 1
	s.heap[0] = s.heap[last]
	s.heap = s.heap[:last]
	if last > 1 {
		s.down(0)
	}
}

func (s *bpeScratch) down(i int) {
	h := s.heap
	x := h[i]
	for {
		k := 2*i + 1
		if k >= len(h) {
			break
		}
		if k+1 < len(h) && h[k+1] < h[k] {
			k++
		}
		if x <= h[k] {
			break
		}
		h[i] = h[k]
		i = k
	}
	h[i] = x
}

// pieces appends the tokens that are left. They lie one after the other, in bytes: a token that takes part of a rune has
// all of it.
func (s *bpeScratch) pieces(word []rune, out []piece) []piece {
	at, pos := 0, int32(0) // the rune that holds the byte pos, and where it begins
	begin := int32(0)
	width := func(i int) int32 {
		if i < len(word) {
			return int32(utf8.RuneLen(word[i])) //nolint:gosec // at most 4
		}
		return 1
	}
	for i := range s.symbols {
		x := &s.symbols[i]
		if x.size == 0 {
			continue
		}
		for w := width(at); pos+w <= begin; w = width(at) {
			pos += w
			at++
		}
		first := at
		end := begin + x.size
		for w := width(at); pos+w < end; w = width(at) {
			pos += w
			at++
		}
		out = append(out, piece{x.id, first, at + 1})
		begin = end
	}
	return out
}
