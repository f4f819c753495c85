package sample

// history counts the tokens that penalties look at: those of the repetition window and those generated.
type history struct {
	window  int // tokens back; -1: all, 0: no counting
	entries []entry
	index   map[int32]int32 // id to its place in entries
	recent  []int32         // the window's tokens, oldest at head; unused when window is -1
	head    int
}

// entry is one token that was seen; its counts may fall back to zero.
type entry struct {
	id        int32
	inWindow  int32
	generated int32
}

// reserve makes room for n more tokens.
func (h *history) reserve(n int) {
	if h.index == nil {
		h.index = make(map[int32]int32, n)
	}
	if free := cap(h.entries) - len(h.entries); free < n {
		h.entries = append(make([]entry, 0, len(h.entries)+n), h.entries...)
	}
}

func (h *history) at(id int32) *entry {
	i, ok := h.index[id]
	if !ok {
		if h.index == nil {
			h.index = make(map[int32]int32)
		}
		i = int32(len(h.entries)) //nolint:gosec // at most one for each id
		h.index[id] = i
		h.entries = append(h.entries, entry{id: id})
	}
	return &h.entries[i]
}

// add counts one token; the oldest leaves the window when it is full.
func (h *history) add(id int32, generated bool) {
	e := h.at(id)
	if generated {
		e.generated++
	}
	if h.window == 0 {
		return
	}
	e.inWindow++
	if h.window < 0 {
		return
	}
	if len(h.recent)-h.head == h.window {
		h.at(h.recent[h.head]).inWindow--
		h.head++
	}
	if h.head > 64 && h.head >= len(h.recent)/2 {
		h.recent = h.recent[:copy(h.recent, h.recent[h.head:])]
		h.head = 0
	}
	h.recent = append(h.recent, id)
}
